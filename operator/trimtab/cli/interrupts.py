"""Ctrl-C and SIGTERM end a command the same way, and are never lost.

Python raises KeyboardInterrupt wherever the main thread happens to be; in a finalizer or a callback from C it is printed
and dropped. So the signal is remembered too, and loops ask for it once a round.
"""

import signal
from collections.abc import Callable
from types import FrameType

_seen: list[int] = []  # signal numbers, in order of arrival


def listen() -> None:
    """Take over both signals. Only the main thread may call it."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _remember)


def let_go() -> None:
    """Give both signals back: all is said and closed, and one that comes now ends the process without a word."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)


def on_signal(call: Callable[[], object]) -> None:
    """Call that on the first of either signal instead of raising; a second one raises. Only the main thread may."""

    def first(number: int, _: FrameType | None) -> None:
        _seen.append(number)
        listen()
        call()

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, first)


def check() -> None:
    """Raise KeyboardInterrupt when a signal came, whether or not it was lost on its way."""
    if _seen:
        raise KeyboardInterrupt


def exit_code() -> int:
    """128 and the signal's number, as a shell gives it."""
    return 128 + (_seen[0] if _seen else signal.SIGINT)


def _remember(number: int, _: FrameType | None) -> None:
    _seen.append(number)
    raise KeyboardInterrupt
