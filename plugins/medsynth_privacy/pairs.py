"""Synthetic images beside the training images nearest to them: a table of all, pictures of some."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from medsynth.base.files import new_folder, write_text
from medsynth.report.pictures import png_address

TABLE, PICTURES = "pairs.csv", "pairs.html"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A synthetic image and the training image that it resembles most."""

    synthetic: str
    training: str
    closeness: float
    """Distance ratio relative to that of held-out images, the smaller one of features and pixels."""
    memorized: bool
    images: tuple[np.ndarray, np.ndarray]
    """Both images, (C, H, W) in [-1, 1]."""

    def __str__(self) -> str:
        return f"{self.synthetic} from {self.training} ({self.closeness:.2f})"


def write_pairs(folder: Path, pairs: Sequence[Pair], shown: int) -> None:
    """Write all pairs as pairs.csv and the first ones as pairs.html, which the report takes over.

    Args:
        folder: is replaced.
        pairs: the most similar first.
        shown: number of pairs with pictures.
    """
    with new_folder(folder) as temporary:
        with (temporary / TABLE).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["synthetic", "training", "closeness", "memorized"])
            writer.writerows([p.synthetic, p.training, f"{p.closeness:.4f}", int(p.memorized)] for p in pairs)
        write_text(temporary / PICTURES, _page(pairs, shown))


def _page(pairs: Sequence[Pair], shown: int) -> str:
    memorized = sum(pair.memorized for pair in pairs)
    if memorized:
        verdict = f"<strong>{memorized} of {len(pairs)} synthetic images look memorized.</strong>"
    else:
        verdict = f"None of {len(pairs)} synthetic images looks memorized."
    meaning = (
        "Closeness compares the distance to the nearest training image with that to the nearest held-out image of "
        "another patient: 1 is what held-out real images have, 0 an exact copy."
    )
    figures = "\n".join(_figure(pair) for pair in pairs[:shown])
    return f'<p>{verdict}</p>\n<p class="note">{meaning}</p>\n<div class="gallery">\n{figures}\n</div>\n'


def _figure(pair: Pair) -> str:
    names = ("synthetic", pair.synthetic), ("training", pair.training)
    images = "".join(
        f'<div><img src="{png_address(image)}" alt="{kind} image {escape(name)}"><span>{kind}</span></div>'
        for (kind, name), image in zip(names, pair.images, strict=True)
    )
    caption = f"{pair.synthetic}, nearest training image {pair.training}, closeness {pair.closeness:.2f}"
    return (
        f'<figure><div class="strip">{images}</div>'
        f"<figcaption>{escape(caption)}{': memorized' if pair.memorized else ''}</figcaption></figure>"
    )
