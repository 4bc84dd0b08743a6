"""Rows of values as a table: shown in notebooks, taken by pandas as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any


class Frame(list[dict[str, Any]]):
    """Rows, each a dict with the same keys. ``pandas.DataFrame(frame)`` makes a data frame of it.

    Examples:
        >>> Frame([{"score": "roc_auc", "value": 0.875, "n": None}])
        score    value  n
        roc_auc  0.875
    """

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self[0]) if self else []

    def __repr__(self) -> str:
        cells = [self.columns, *([_text(value) for value in row.values()] for row in self)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in cells]
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(_text(cell))}</td>' for cell in row.values())}</tr>" for row in self
        )
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        return f"<table><thead><tr>{head}</tr></thead>{rows}</table>"


def framed(head: Sequence[str], body: Iterable[Sequence[Any]]) -> Frame:
    """Return a table's head and body as a frame."""
    return Frame(dict(zip(head, row, strict=True)) for row in body)


def html_pictures(pictures: Mapping[str, bytes]) -> str:
    """Return PNG files side by side as HTML that needs no other file, each below its caption."""
    from base64 import b64encode

    shown = (
        f'<figure style="margin:0 .5em 0 0"><img alt="{escape(name)}" width="128" '
        f'src="data:image/png;base64,{b64encode(content).decode()}"><figcaption>{escape(name)}</figcaption></figure>'
        for name, content in pictures.items()
    )
    return f'<div style="display:flex;flex-wrap:wrap">{"".join(shown)}</div>' if pictures else ""


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
