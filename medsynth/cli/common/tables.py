"""Tables for terminals: beside each other where the width allows, else one block a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from medsynth.cli.common.shared import output, say

GAP = 2


def show_table(head: Sequence[str], body: Iterable[Sequence[str]], *, console: Console | None = None) -> None:
    """Print text as a table, or row by row where the terminal is too narrow for it; nothing is cut off.

    Args:
        head: names of the columns; the first names the rows.
        body: the rows.
        console: where to; standard output unless another is given.
    """
    rows, console = [list(row) for row in body], console or output
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    if sum(widths) + GAP * (len(widths) - 1) > console.width:
        for row in rows:
            _show_block(head, row, console)
        return
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, GAP, 0, 0))
    for index, column in enumerate(head):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table, markup=False, highlight=False)


def _show_block(head: Sequence[str], row: Sequence[str], console: Console) -> None:
    """Print the row's name, and below it a line for each of its other values that there is."""
    name, *values = row
    label = max(map(len, head[1:]), default=0)
    say(name, console=console)
    for column, value in zip(head[1:], values, strict=True):
        if value not in ("", "-"):
            say(f"  {column:<{label}}  {value}", console=console)
