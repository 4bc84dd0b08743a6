"""The phantom's tissue masks, beside its images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medsynth.data.images import Images


def read_tissues(images: Images, root: Path) -> np.ndarray | None:
    """Return the tissue at each pixel, (N, H, W) uint8 with the values of `medsynth.data.phantom.anatomy.Tissue`.

    Args:
        images: of the phantom; the manifest's column ``mask`` names a PNG of the same size for each.
        root: folder that masks are relative to.

    Returns:
        None if an image has no mask.
    """
    from PIL import Image

    paths = [root / record.extra["mask"] for record in images.records if record.extra.get("mask")]
    if not paths or len(paths) < len(images):
        return None
    return np.stack([np.asarray(Image.open(path), dtype=np.uint8) for path in paths])
