"""The command line. Each command is a module, imported when it is run: `--version` and `--help` load none of them."""

import signal


def main() -> None:
    """Load the program, run it, and leave with its exit code."""
    # While it is loaded there is nothing to say and nothing to undo: an interrupt ends the process, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from trimtab.cli.main import main as program

    program()
