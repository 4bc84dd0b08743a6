"""Images of the gallery and importance maps as data addresses."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from medsynth.report.content import GalleryRow, ImportanceRow

LARGEST_SIDE = 320
MOST_BYTES = {"gallery": 8_000_000, "importance": 4_000_000}
KINDS = (
    ("source", "source"),
    ("synthetic", "synthetic"),
    ("nearest", "nearest real"),
    ("truth", "true counterpart"),
)


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


def gallery(rows: Sequence[GalleryRow]) -> list[dict[str, object]]:
    """Return for each row its caption and its images by kind; stops before the page grows too large."""
    strips = ((row.caption, [(label, getattr(row, kind)) for kind, label in KINDS]) for row in rows)
    return _strips(strips, MOST_BYTES["gallery"])


def importance(rows: Sequence[ImportanceRow]) -> list[dict[str, object]]:
    """Return the same for importance maps: the image, then every map laid over it."""
    strips = ((row.caption, [("real test", row.image), *row.overlays.items()]) for row in rows)
    return _strips(strips, MOST_BYTES["importance"])


def _strips(
    rows: Iterable[tuple[str, Sequence[tuple[str, np.ndarray | None]]]], most_bytes: int
) -> list[dict[str, object]]:
    shown: list[dict[str, object]] = []
    total = 0
    for caption, arrays in rows:
        images = [
            {"kind": kind, "address": png_address(array), "alt": f"{kind} image, {caption}".rstrip(", ")}
            for kind, array in arrays
            if array is not None
        ]
        total += sum(len(image["address"]) for image in images)
        if total > most_bytes and shown:
            break
        shown.append({"caption": caption, "images": images})
    return shown
