"""Stopping on request: the first Ctrl-C or SIGTERM saves and ends, the second ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from medsynth.base.errors import Interrupted

GRACE = 60.0
"""Seconds that work has for saving in a process that is asked to end."""


class Stop:
    """Tells long work whether somebody asked it to end.

    Args:
        message: what is told then.
        hint: what to do next.
    """

    def __init__(
        self,
        message: str = "stopped on request; everything up to here is saved",
        hint: str = "Continue with --resume.",
    ) -> None:
        self.requested = False
        self._message, self._hint = message, hint

    def check(self) -> None:
        """Raise `Interrupted` if a stop was requested; call where everything is saved."""
        if self.requested:
            raise Interrupted(self._message, hint=self._hint)


@contextmanager
def stop_on_signals(stop: Stop | None = None) -> Iterator[Stop]:
    """Listen to SIGINT and SIGTERM while the block runs; in threads other than the main one, to nothing."""
    stop = stop or Stop()

    def request(_number: int, _frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True

    with _on_signals(request):
        yield stop


@contextmanager
def end_on_signals(message: str, hint: str) -> Iterator[None]:
    """Raise `Interrupted` at once on SIGINT and SIGTERM while the block runs, where nothing has to be saved first.

    In threads other than the main one, signals stay what they are.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted(message, hint=hint)

    with _on_signals(end):
        yield


@contextmanager
def _on_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let SIGINT and SIGTERM call this while the block runs; only the main thread may say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
