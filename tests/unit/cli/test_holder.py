"""Whether the process that holds a lease is known to be gone."""

import os
import subprocess
import sys

from trimtab.cli import holder


def other(pid: int) -> str:
    return holder.this_process().rpartition(":")[0] + f":{pid}"


def test_a_process_that_runs_holds_on():
    assert not holder.is_gone(holder.this_process())
    assert not holder.is_gone(other(os.getppid()))


def test_a_process_that_has_ended_is_gone():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert holder.is_gone(other(child.pid))


def test_of_another_host_nothing_is_known():
    assert not holder.is_gone("someone@elsewhere:999999999")
