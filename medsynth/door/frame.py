"""Rows of values as a table: shown in notebooks, taken by pandas as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from medsynth.statistics.flags.reference import Judgment


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
        return html_table(self.columns, ([_text(value) for value in row.values()] for row in self))


def framed(head: Sequence[str], body: Iterable[Sequence[Any]]) -> Frame:
    """Return a table's head and body as a frame."""
    return Frame(dict(zip(head, row, strict=True)) for row in body)


def html_table(head: Iterable[str], body: Iterable[Iterable[str]]) -> str:
    """Return a table of text as HTML."""
    rows = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in body)
    return f"<table><thead><tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr></thead>{rows}</table>"


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


@dataclass(frozen=True)
class Predicted:
    """What a classifier says about images; in a notebook a table.

    Args:
        names: of the images: paths, with ``#index`` for a slice of several, or their number.
        probabilities: (N,) float64, of the positive class.
        decisions: (N,) bool: the probability is at least the bundle's threshold.
    """

    names: tuple[str, ...]
    probabilities: np.ndarray
    decisions: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def frame(self) -> Frame:
        """Return one row an image; ``pandas.DataFrame`` makes a data frame of it."""
        rows = zip(self.names, self.probabilities.tolist(), self.decisions.tolist(), strict=True)
        return Frame({"image": name, "probability": p, "decision": int(called)} for name, p, called in rows)

    def _repr_html_(self) -> str:
        return self.frame()._repr_html_()


@dataclass(frozen=True)
class Flagged:
    """Translations and how far each is to be trusted; in a notebook a table.

    Args:
        translations: as `LoadedBundle.translate` returns them, one for each image.
        names: of their slices: paths or numbers of images, with ``#index`` for a slice of several.
        judgments: of their slices: ``numbers``, ``percentiles``, ``suspicion`` and ``reason``.
    """

    translations: list[Any]
    names: tuple[str, ...]
    judgments: tuple[Judgment, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def suspicious(self) -> tuple[str, ...]:
        """Names of the slices that are to be distrusted."""
        return tuple(name for name, one in zip(self.names, self.judgments, strict=True) if one.reason)

    def frame(self) -> Frame:
        """Return one row a slice, with the columns of ``flags.csv``."""
        from medsynth.inference.flags.columns import number_cells, number_columns

        return Frame(
            {"image": name, **dict(zip(number_columns(one.numbers), number_cells(one, one.numbers), strict=True))}
            for name, one in zip(self.names, self.judgments, strict=True)
        )

    def _repr_html_(self) -> str:
        return self.frame()._repr_html_()
