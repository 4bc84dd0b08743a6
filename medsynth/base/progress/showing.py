"""What a person sees while a run works: bars on a terminal, plain lines elsewhere; always standard error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console, RenderableType
from rich.progress import Progress, TaskID
from rich.progress import Task as Shown
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from medsynth.base.progress.time_left import TimeLeft, clock, duration

BARS = {60: 8, 100: 16}
"""Width of a bar on terminals of fewer columns; wider ones have `WIDEST_BAR`."""
WIDEST_BAR = 24


class Task(Protocol):
    """One countable piece of work."""

    def advance(self, done: int, values: Mapping[str, float] | None = None) -> None:
        """Tell how much is done in all, and optionally named values worth watching."""


class Watch(Protocol):
    """Shows progress."""

    def task(self, name: str, total: int, done: int = 0) -> AbstractContextManager[Task]:
        """Return a context manager that yields a `Task`."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Return a context manager around a stage, which ends with one line that says how long it took."""

    def say(self, text: str) -> None:
        """Show one line."""


class Silent:
    """Shows nothing; for library use and tests."""

    def advance(self, done: int, values: Mapping[str, float] | None = None) -> None:
        """Do nothing."""

    @contextmanager
    def task(self, name: str, total: int, done: int = 0) -> Iterator[Task]:  # noqa: ARG002
        """Yield a task that shows nothing."""
        yield self

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:  # noqa: ARG002
        """Do nothing."""
        yield

    def say(self, text: str) -> None:
        """Do nothing."""


class Terminal:
    """Bars with count and time left, below the lines of finished stages."""

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self.console, self._now = console, now
        self._bars = _Bars(console)
        self._users, self._lock = 0, threading.Lock()

    @contextmanager
    def task(self, name: str, total: int, done: int = 0) -> Iterator[Task]:
        """Show a bar while the block runs, below those of other threads."""
        left = TimeLeft(total, done, self._now)
        with self._display() as bars:
            number = bars.add_task(name, total=total, completed=done, left=left, values={})
            try:
                yield _Bar(bars, number, left)
            finally:
                bars.remove_task(number)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Show the name while the block runs, and then how long it took."""
        start = self._now()
        with self._display() as bars:
            number = bars.add_task(name, total=None)
            try:
                yield
            finally:
                bars.remove_task(number)
        self.say(f"{name}  {duration(self._now() - start)}")

    @contextmanager
    def _display(self) -> Iterator[_Bars]:
        """Share one display, which is there while anybody needs it; a terminal shows only one at a time."""
        with self._lock:
            if not self._users:
                self._bars = _Bars(self.console)
                self._bars.start()
            self._users += 1
        try:
            yield self._bars
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._bars.stop()

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, highlight=False, markup=False)


class _Bars(Progress):
    """Bar, count and time left first; then the name, and as many values as the width allows."""

    def __init__(self, console: Console) -> None:
        self._terminal = console  # needed before Progress knows its own
        super().__init__(console=console, refresh_per_second=4, transient=True)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield a line for each stage and each task that work."""
        width = self._terminal.width  # of the moment: people resize terminals
        stages, counted = ([one for one in self.tasks if (one.total is None) is stage] for stage in (True, False))
        yield from (Text(one.description, no_wrap=True, overflow="ellipsis") for one in stages)
        bar = next((size for below, size in BARS.items() if width < below), WIDEST_BAR)
        texts = lines(
            [(one.description, _count(one), _left(one), one.fields["values"]) for one in counted], width - bar - 2
        )
        for one, text in zip(counted, texts, strict=True):
            line = Table.grid(padding=(0, 2, 0, 0))
            line.add_column(width=bar)
            line.add_row(
                ProgressBar(total=one.total, completed=one.completed, width=bar),
                Text(text, no_wrap=True, overflow="ellipsis"),
            )
            yield line


def lines(tasks: list[tuple[str, str, str, Mapping[str, float]]], room: int) -> list[str]:
    """Return what stands beside the bars: count, time left, name, and the values that there is room for.

    Args:
        tasks: name, count, time left, values.
        room: columns.
    """
    counts, lefts, names = (max((len(one[place]) for one in tasks), default=0) for place in (1, 2, 0))
    texts = []
    for name, count, left, values in tasks:
        start = (
            f"{count:>{counts}}  {left:>{lefts}}  {name:<{names}}" if lefts else f"{count:>{counts}}  {name:<{names}}"
        )
        for value in values.items():
            longer = f"{start}  {short(dict([value]))}"
            if len(longer) > room:
                break
            start = longer
        texts.append(start.rstrip())
    return texts


def _count(task: Shown) -> str:
    return f"{int(task.completed)}/{int(task.total or 0)}"


def _left(task: Shown) -> str:
    seconds = task.fields["left"].seconds()
    return "" if seconds is None else f"{clock(seconds)} left"


class _Bar:
    def __init__(self, bars: _Bars, number: TaskID, left: TimeLeft) -> None:
        self._bars, self._number, self._left = bars, number, left

    def advance(self, done: int, values: Mapping[str, float] | None = None) -> None:
        self._left.advance(done)
        self._bars.update(self._number, completed=done)
        if values:
            self._bars.update(self._number, values=dict(values))


class Lines:
    """A plain line at most every `interval` seconds and at the end of each task."""

    def __init__(self, console: Console, interval: float = 10.0, now: Callable[[], float] = time.monotonic) -> None:
        self.console, self.interval, self._now = console, interval, now

    @contextmanager
    def task(self, name: str, total: int, done: int = 0) -> Iterator[Task]:
        """Print lines while the block runs."""
        yield _Line(self, name, total, done, self._now)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Print a line before the block, and one with its time after it."""
        start = self._now()
        self.say(name)
        yield
        self.say(f"{name}: {duration(self._now() - start)}")

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)


class _Line:
    def __init__(self, shown: Lines, name: str, total: int, done: int, now: Callable[[], float]) -> None:
        self._lines, self._name, self._total, self._now = shown, name, total, now
        self._start = self._last = now()
        self._left = TimeLeft(total, done, now)

    def advance(self, done: int, values: Mapping[str, float] | None = None) -> None:
        self._left.advance(done)
        moment = self._now()
        if done < self._total and moment - self._last < self._lines.interval:
            return
        self._last, left = moment, self._left.seconds()
        known = f", {clock(left)} left" if left else ""
        self._lines.say(
            f"{self._name}: {done}/{self._total} ({done / self._total:.0%}), "
            f"{clock(moment - self._start)} elapsed{known}{'  ' + short(values) if values else ''}"
        )


def watch(console: Console) -> Watch:
    """Return bars for a terminal, plain lines otherwise."""
    return Terminal(console) if console.is_terminal else Lines(console)


def short(values: Mapping[str, float]) -> str:
    """Return the first three values with their names, for a line of progress."""
    return "  ".join(f"{name} {value:.3f}" for name, value in list(values.items())[:3])
