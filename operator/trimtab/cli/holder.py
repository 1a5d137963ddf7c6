"""Who holds a lease: a process, by user, host and number, so that the next apply need not wait for one that was killed."""

import getpass
import os
import socket


def this_process() -> str:
    """ "<user>@<host>:<pid>"."""
    return f"{getpass.getuser()}@{socket.gethostname()}:{os.getpid()}"


def is_gone(holder: str) -> bool:
    """Whether that process is known to run no more. Of another host nothing is known; its lease runs out by itself."""
    where, _, number = holder.rpartition(":")
    if where.rpartition("@")[2] != socket.gethostname() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # it is there, and another user's
    return False
