"""Where progress is shown: standard error of the command, or a bar for each task in the cell of a notebook."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from typing import Any

from rich.console import Console

from medsynth.base.progress import Silent, Task, TimeLeft, Watch, clock, duration, short, watch

_INTERVAL = 0.25
"""Seconds between two changes of a bar: a notebook keeps each of them."""


def watch_if(wanted: bool) -> Watch:
    """Return what shows progress, or nothing if it is not `wanted`."""
    console = Console(stderr=True)
    if not wanted:
        return Silent()
    return Notebook() if console.is_jupyter else watch(console)


class Notebook:
    """Shows progress where IPython shows results."""

    def __init__(self) -> None:
        self._ipython: Any = importlib.import_module("IPython.display")

    @contextmanager
    def task(self, name: str, total: int, done: int = 0) -> Iterator[Task]:
        """Show a bar, which stays when the block has run."""
        yield _HtmlBar(self._ipython, name, total, done)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Say after the block how long it took."""
        start = time.monotonic()
        yield
        self.say(f"{name}  {duration(time.monotonic() - start)}")

    def say(self, text: str) -> None:
        """Show one line."""
        self._ipython.display(self._ipython.HTML(f"<code>{escape(text)}</code>"))


class _HtmlBar:
    def __init__(self, ipython: Any, name: str, total: int, done: int) -> None:
        self._ipython, self._name, self._total = ipython, name, total
        self._last, self._left = time.monotonic(), TimeLeft(total, done)
        self._shown = ipython.display(self._content(done, {}), display_id=True)

    def advance(self, done: int, values: Mapping[str, float] | None = None) -> None:
        self._left.advance(done)
        now = time.monotonic()
        if done < self._total and now - self._last < _INTERVAL:
            return
        self._last = now
        self._shown.update(self._content(done, values or {}))

    def _content(self, done: int, values: Mapping[str, float]) -> Any:
        bar = f'<progress value="{done}" max="{self._total}"></progress>'
        seconds = self._left.seconds()
        left = f"{clock(seconds)} left " if seconds else ""
        return self._ipython.HTML(f"<code>{escape(self._name)}</code> {bar} {done}/{self._total} {left}{short(values)}")
