"""A signal ends a command even where Python drops the exception that it raises."""

import signal
import subprocess
import sys

import pytest

LOSES_IT = """
import os, signal, sys
from trimtab.cli import interrupts
interrupts.listen()
class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        for _ in range(1000): pass  # a signal is taken between two steps of Python
del_me = Finalized()
del del_me
print("lost", flush=True)
try:
    interrupts.check()
except KeyboardInterrupt:
    sys.exit(interrupts.exit_code())
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_that_was_dropped_in_a_finalizer_is_found_by_the_next_check(name, code):
    assert hasattr(signal, name)
    done = subprocess.run([sys.executable, "-c", LOSES_IT.format(name=name)], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("lost\n", code)
