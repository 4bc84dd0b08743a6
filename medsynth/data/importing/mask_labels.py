"""Labels from masks: an image, or a slice of a volume, is positive where its mask is not empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medsynth.base.errors import InputError
from medsynth.data.importing.image_items import FoundImages, ImageItem, ImportRequest
from medsynth.data.problems import some
from medsynth.reading import Header, read, read_header

_SAME_PLACE = 1e-2
"""Millimeters by which the affines of an image and its mask may differ."""


def label_by_masks(places: Sequence[FoundImages], request: ImportRequest) -> list[str]:
    """Give images with masks their labels, volumes slice by slice, and say how.

    Raises:
        InputError: no image has a mask, or a mask cannot be read.
    """
    if not request.label_from_mask:
        return []
    if request.label or request.labels:
        raise InputError("labels come from masks or from a table, not from both", hint="Leave out --label-from-mask.")
    without, elsewhere, labeled = 0, [], 0
    for found in places:
        items: list[ImageItem] = []
        for item in found.items:
            masks = [path for path in item.masks if request.counts(path)]
            rows = _labeled(item, masks) if masks else []
            without += not masks
            elsewhere += [] if rows or not masks else [item.path.name]
            labeled += bool(rows)
            items += rows or [item]
        found.items = items
    if not labeled:
        images = sum(len(found.items) for found in places)
        seen = f"; {len(elsewhere)} have masks on another grid: {some(elsewhere, 3)}" if elsewhere else ""
        hint = "Masks are called like their image (a_mask.png beside a.png), or lie in masks beside images."
        raise InputError(f"none of {images:,} images has a mask that tells its label{seen}", hint=hint)
    said = [f"{labeled:,} images are labeled by their masks, volumes slice by slice: 1 where a mask is not empty."]
    if without:
        said.append(f"{without:,} images have no mask; no mask does not mean negative, so it says nothing about them.")
    if elsewhere:
        said.append(f"{len(elsewhere):,} images have a mask on another grid, which says nothing: {some(elsewhere, 3)}.")
    return said


def _labeled(item: ImageItem, masks: Sequence[Path]) -> list[ImageItem]:
    """Return the image with its label, or one item per slice; nothing if no mask lies on its grid."""
    header = read_header(item.path)
    fitting = [found for path in masks if _on_grid((found := read(path)).header, header)]
    if not fitting:
        return []
    filled = [any(bool(mask.values[k].any()) for mask in fitting) for k in range(header.shape[0])]
    if header.flat or header.count == 1:
        return [replace(item, label=str(int(filled[0])))]
    return [replace(item, slice=k, label=str(int(label))) for k, label in enumerate(filled)]


def _on_grid(mask: Header, image: Header) -> bool:
    import numpy as np

    if mask.shape != image.shape or mask.volumes != 1 or image.volumes != 1:
        return False
    if mask.affine is None or image.affine is None or mask.kind == "raster":
        return True
    return bool(np.allclose(mask.affine, image.affine, atol=_SAME_PLACE))
