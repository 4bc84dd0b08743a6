"""What a person sees while a run works: bars on a terminal, plain lines elsewhere; always standard error."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars


class Task(Protocol):
    """One countable piece of work."""

    def advance(self, done: int, values: Mapping[str, float] | None = None) -> None:
        """Tell how much is done in all, and optionally named values worth watching."""


class Watch(Protocol):
    """Shows progress."""

    def task(self, name: str, total: int, done: int = 0) -> AbstractContextManager[Task]:
        """Return a context manager that yields a `Task`."""

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

    def say(self, text: str) -> None:
        """Do nothing."""


class Terminal:
    """Rich progress bars with the time left."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bars = Bars()
        self._users, self._lock = 0, threading.Lock()

    @contextmanager
    def task(self, name: str, total: int, done: int = 0) -> Iterator[Task]:
        """Show a bar while the block runs, below those of other threads."""
        with self._display() as bars:
            number = bars.add_task(name, total=total, completed=done, values="")
            yield _Bar(bars, number)

    @contextmanager
    def _display(self) -> Iterator[Bars]:
        """Share one display, which is there while anybody needs it; a terminal shows only one at a time."""
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[values]}", style="dim"),
        )
        with self._lock:
            if not self._users:
                self._bars = Bars(*columns, console=self.console, refresh_per_second=4)
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


class _Bar:
    def __init__(self, bars: Bars, task: object) -> None:
        self._bars, self._task = bars, task

    def advance(self, done: int, values: Mapping[str, float] | None = None) -> None:
        fields = {"values": short(values)} if values else {}
        self._bars.update(self._task, completed=done, **fields)  # type: ignore[arg-type]


class Lines:
    """A plain line at most every `interval` seconds and at the end of each task."""

    def __init__(self, console: Console, interval: float = 10.0) -> None:
        self.console, self.interval = console, interval

    @contextmanager
    def task(self, name: str, total: int, done: int = 0) -> Iterator[Task]:
        """Print lines while the block runs."""
        yield _Line(self, name, total, done)

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)


class _Line:
    def __init__(self, lines: Lines, name: str, total: int, done: int) -> None:
        self._lines, self._name, self._total = lines, name, total
        self._first, self._start, self._last = done, time.monotonic(), time.monotonic()

    def advance(self, done: int, values: Mapping[str, float] | None = None) -> None:
        now = time.monotonic()
        if done < self._total and now - self._last < self._lines.interval:
            return
        self._last = now
        elapsed = now - self._start
        left = elapsed / max(done - self._first, 1) * (self._total - done)
        self._lines.say(
            f"{self._name}: {done}/{self._total} ({done / self._total:.0%}), "
            f"{_clock(elapsed)} elapsed, {_clock(left)} left{'  ' + short(values) if values else ''}"
        )


def watch(console: Console) -> Watch:
    """Return bars for a terminal, plain lines otherwise."""
    return Terminal(console) if console.is_terminal else Lines(console)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def short(values: Mapping[str, float]) -> str:
    """Return the first three values with their names, for a line of progress."""
    return "  ".join(f"{name} {value:.3f}" for name, value in list(values.items())[:3])
