"""Stopping on request: the first Ctrl-C or SIGTERM saves and ends, the second ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
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
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def request(_number: int, _frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True

    previous = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def end_on_signals(message: str, hint: str) -> Iterator[None]:
    """Raise `Interrupted` at once on SIGINT and SIGTERM while the block runs, where nothing has to be saved first.

    In threads other than the main one, signals stay what they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted(message, hint=hint)

    previous = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
