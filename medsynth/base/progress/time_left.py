"""How long work still takes, from a pace that does not jump; times as people say them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

MEMORY = 30.0
"""Seconds after which what was measured counts a third."""
FEWEST_STEPS, FEWEST_SECONDS = 3, 2.0
"""What has to be measured before anything is said: a pace of one step is none."""


class TimeLeft:
    """Time left of a countable piece of work.

    The pace is time over steps, both fading with `MEMORY`. It is measured from the first step on, because setting up,
    compiling and filling caches happen before or in it and do not happen again.

    Args:
        total: steps in all.
        done: steps that were there before.
        now: the clock, in seconds.
    """

    def __init__(self, total: int, done: int = 0, now: Callable[[], float] = time.monotonic) -> None:
        self._total, self._done, self._now = total, done, now
        self._begun, self._last, self._measured = False, now(), 0
        self._seconds, self._steps = 0.0, 0.0

    def advance(self, done: int) -> None:
        """Tell how much is done in all."""
        moment, steps = self._now(), done - self._done
        if steps <= 0:
            return
        if self._begun:
            kept = math.exp((self._last - moment) / MEMORY)
            self._seconds = self._seconds * kept + moment - self._last
            self._steps = self._steps * kept + steps
            self._measured += 1
        else:
            self._begun, self._start = True, moment
        self._done, self._last = done, moment

    def seconds(self) -> float | None:
        """Return the seconds left, which fall while a step lasts; None before they can be known."""
        if self._done >= self._total:
            return 0.0
        if self._measured < FEWEST_STEPS or self._last - self._start < FEWEST_SECONDS:
            return None
        return max(0.0, self._seconds / self._steps * (self._total - self._done) - (self._now() - self._last))


def clock(seconds: float) -> str:
    """Return seconds as a clock shows them.

    Examples:
        >>> clock(5), clock(200), clock(7325)
        ('0:05', '3:20', '2:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """Return seconds as people say them, e.g. ``3 min 20 s``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
