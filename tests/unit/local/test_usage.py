"""What processes use, measured on real ones."""

import subprocess
import sys

from trimtab.local.usage import usage_of

BUSY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "x = bytearray(60_000_000); print(1, flush=True); input()"], \
    stdin=-1, stdout=-1)
child.stdout.readline()
ended = subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.3: pass"])
print("ready", flush=True)
input()
child.kill()
child.wait()
"""


def test_a_whole_tree_is_counted_with_children_that_have_ended():
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        used = usage_of({"task": process.pid, "gone": 2**22 + 1})
        process.communicate(b"\n")
    assert set(used) == {"task"}
    assert used["task"].cpu_s >= 0.3
    assert used["task"].memory_bytes > 60_000_000


def test_nothing_is_looked_at_for_nobody():
    assert usage_of({}) == {}
