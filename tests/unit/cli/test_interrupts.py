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


def test_an_interrupt_while_the_program_is_loaded_ends_it_without_a_traceback(tmp_path):
    slow = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nfor _ in range(1000): pass\nprint('went on')\n"
    (tmp_path / "click.py").write_text(slow)  # found before the real one
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from trimtab.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", -signal.SIGINT)


def test_an_interrupt_after_all_is_said_adds_nothing():
    leaving = "import atexit, os, signal\natexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
    code = f"{leaving}import sys; sys.argv = ['trimtab', '--version']; from trimtab.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("trimtab ")
    assert (done.stderr, done.returncode) == ("", -signal.SIGINT)
