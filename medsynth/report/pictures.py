"""Images of galleries, single cases and importance maps as data addresses."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from PIL import Image

from medsynth.report.cases import TITLES, Case, Outcome, surest
from medsynth.report.content import GalleryRow, ImportanceRow

LARGEST_SIDE = 320
CASE_SIDE = 160
MOST_BYTES = {"gallery": 5_000_000, "importance": 3_000_000, "front": 2_000_000, "cases": 2_000_000}
"""Of all images of a kind; a page that people send each other stays below 15 MB."""
FRONT_ROWS, FRONT_CASES, MORE_CASES = 3, 4, 16
"""Rows and cases of a kind on the first screen, and cases of a kind in the chapter."""
KINDS = (
    ("source", "source"),
    ("synthetic", "synthetic"),
    ("nearest", "nearest real"),
    ("truth", "true counterpart"),
)
LARGEST_DIFFERENCE = 1.0
"""Difference in gray, half of the whole range, from which on a difference map is brightest."""
Strip = dict[str, object]
"""Caption and images of a row."""


def png_address(image: np.ndarray, side: int = LARGEST_SIDE) -> str:
    """Return a (C, H, W) or (H, W) image in [-1, 1] as ``data:image/png;base64,...``, at most `side` pixels a side."""
    pixels = np.asarray(image, dtype=np.float32)
    if pixels.ndim == 3:
        pixels = pixels[0] if pixels.shape[0] == 1 else np.moveaxis(pixels[:3], 0, -1)
    grey = np.round((np.clip(np.nan_to_num(pixels), -1, 1) + 1) * 127.5).astype(np.uint8)
    picture = Image.fromarray(grey)
    picture.thumbnail((side, side), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def difference_map(image: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the absolute difference of two images in [-1, 1] as colors, (3, H, W) in [-1, 1]; black where equal.

    Args:
        image, other: (C, H, W) or (H, W); channels are averaged.
    """
    from matplotlib import colormaps

    one, two = (np.atleast_3d(np.asarray(a, dtype=np.float32).T).mean(axis=2).T for a in (image, other))
    share = np.clip(np.nan_to_num(np.abs(one - two)) / LARGEST_DIFFERENCE, 0, 1)
    return np.moveaxis(np.asarray(colormaps["inferno"](share))[..., :3] * 2 - 1, 2, 0)


def gallery(rows: Sequence[GalleryRow]) -> list[Strip]:
    """Return for each row its caption and its images by kind; stops before the page grows too large."""
    strips = ((row.caption, [*((label, getattr(row, kind)) for kind, label in KINDS), _compared(row)]) for row in rows)
    return strips_of(strips, MOST_BYTES["gallery"])


def front_gallery(rows: Sequence[GalleryRow]) -> list[Strip]:
    """Return the first rows: source, synthetic, the truth or else the nearest real image, and the difference."""
    strips = []
    for row in rows[:FRONT_ROWS]:
        beside = ("true counterpart", row.truth) if row.truth is not None else ("nearest real", row.nearest)
        images = [("source", row.source), ("synthetic", row.synthetic), beside, _compared(row)]
        strips.append((row.caption, images))
    return strips_of(strips, MOST_BYTES["front"])


def _compared(row: GalleryRow) -> tuple[str, np.ndarray | None]:
    """Return the difference of the synthetic image from the truth, or else from the nearest real image."""
    other, name = (row.truth, "truth") if row.truth is not None else (row.nearest, "nearest real")
    alike = other is not None and other.shape[-2:] == row.synthetic.shape[-2:]
    return f"difference from the {name}", difference_map(row.synthetic, other) if other is not None and alike else None


def importance(rows: Sequence[ImportanceRow]) -> list[Strip]:
    """Return the same for importance maps: the image, then every map laid over it; empty ones say so."""
    strips = (
        (row.caption, [("real test", row.image), *((_named(kind, row), image) for kind, image in row.overlays.items())])
        for row in rows
    )
    return strips_of(strips, MOST_BYTES["importance"])


def _named(kind: str, row: ImportanceRow) -> str:
    return f"{kind} (empty)" if kind in row.empty else kind


def front_cases(cases: Sequence[Case]) -> list[Strip]:
    """Return hits, misses and false alarms, of each those of which the classifier was most sure."""
    return _case_strips(cases, ("hit", "miss", "false alarm"), FRONT_CASES, MOST_BYTES["front"], named=False)


def mistakes(cases: Sequence[Case]) -> list[Strip]:
    """Return misses and false alarms, the surest first."""
    return _case_strips(cases, ("miss", "false alarm"), MORE_CASES, MOST_BYTES["cases"])


def _case_strips(
    cases: Sequence[Case], outcomes: Sequence[Outcome], most: int, most_bytes: int, *, named: bool = True
) -> list[Strip]:
    def strips() -> Iterator[tuple[str, list[tuple[str, np.ndarray | None]]]]:
        for outcome in outcomes:
            found = surest(cases, outcome)
            caption = f"{TITLES[outcome]}: {len(found)}" if found else f"{TITLES[outcome]}: none"
            yield (
                caption,
                [
                    (f"{case.name}: {case.probability:.2f}" if named else f"p {case.probability:.2f}", case.image)
                    for case in found[:most]
                ],
            )

    return strips_of(strips(), most_bytes, CASE_SIDE) if cases else []


def strips_of(
    rows: Iterable[tuple[str, Sequence[tuple[str, np.ndarray | None]]]], most_bytes: int, largest: int = LARGEST_SIDE
) -> list[Strip]:
    """Return for each row its caption and its images by kind; stops before they exceed `most_bytes` together."""
    shown: list[Strip] = []
    total = 0
    for caption, arrays in rows:
        images = [
            {"kind": kind, "address": png_address(array, largest), "alt": f"{kind} image, {caption}".rstrip(", ")}
            for kind, array in arrays
            if array is not None
        ]
        total += sum(len(image["address"]) for image in images)
        if total > most_bytes and shown:
            break
        shown.append({"caption": caption, "images": images})
    return shown
