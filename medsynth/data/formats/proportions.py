"""What size images become: those of oblong pixels keep the proportions of what they show. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from medsynth.base.errors import InputError
from medsynth.data.config import DataConfig

if TYPE_CHECKING:
    from medsynth.reading import Header, Image

_MOST = 100
"""A pixel that is so many times as long as wide is a slip of whoever wrote the file."""


def keeps_proportions(config: DataConfig) -> bool:
    """Tell whether the shape of pixels counts: images that are stretched to a square have lost theirs anyway."""
    return config.square and config.fit == "pad"


def shown_aspects(of: Header | Image, config: DataConfig) -> tuple[float, ...]:
    """Return for each slice how many times as high as wide its pixels are taken to be."""
    from medsynth.reading import pixel_aspects

    found = pixel_aspects(of)
    return found if keeps_proportions(config) else (1.0,) * len(found)


def fitted_size(columns: int, rows: int, aspect: float, config: DataConfig) -> tuple[int, int]:
    """Return width and height of an image in the network's square. The rounding is that of MONAI's Resize.

    Args:
        columns, rows: of the image.
        aspect: of its pixels, as of `shown_aspects`.
        config: fit and size.
    """
    if config.fit == "stretch":
        return config.size, config.size
    scale = config.size / max(columns, rows * aspect)
    return round(columns * scale), round(rows * aspect * scale)


def resizing_expression(image: str, config: DataConfig) -> str:
    """Return the function of a bundle's config that does what `fitted_size` says, in one interpolation.

    Args:
        image: expression of the image to resize, with as many axes as it has then, of the loaded one, ``x``, whose
            affine tells what shape its pixels have.
        config: size.
    """
    from medsynth.reading.geometry import ASPECT_DIGITS, ASPECT_TOLERANCE

    aspect = f"round(float(x.affine[:3, 1].norm() / x.affine[:3, 0].norm()), {ASPECT_DIGITS})"
    known = f"(lambda a: a if abs(a - 1) > {ASPECT_TOLERANCE} else 1)({aspect})"
    scale = f"{config.size} / max(x.shape[1], x.shape[2] * a)"
    size = "[round(x.shape[1] * s), round(x.shape[2] * a * s)]"
    resize = f"monai.transforms.Resize(spatial_size={size}, mode='bilinear', anti_aliasing=True)(x)"
    return f"$lambda x: (lambda x, a: (lambda s: {resize})({scale}))({image}, {known})"


def refuse_strip(header: Header, config: DataConfig) -> None:
    """Refuse a file of images so long that nothing of their short side would be left; see `refuse_size`."""
    _, rows, columns = header.shape
    refuse_size(str(header.path), (columns, rows), shown_aspects(header, config), config)


def refuse_size(name: str, size: tuple[int, int], aspects: Sequence[float], config: DataConfig) -> None:
    """Refuse images so long that nothing of their short side would be left, and pixels of no likely shape.

    Args:
        name: of their file.
        size: columns and rows.
        aspects: of their pixels.
        config: how they are fitted.

    Raises:
        InputError: names the file and its size.
    """
    refuse_aspects(name, aspects)
    columns, rows = size
    for aspect in set(aspects):
        if min(fitted_size(columns, rows, aspect, config)) < 1:
            pixels = "pixels" if aspect == 1 else f"pixels {aspect:g} times as high as wide"
            hint = "Crop it, or stretch images with --set data.fit=stretch in the run."
            raise InputError(f"{name} has {columns} x {rows} {pixels}, too narrow for size {config.size}", hint=hint)


def refuse_aspects(name: str, aspects: Iterable[float]) -> None:
    """Refuse pixels of no likely shape.

    Raises:
        InputError: names the file and the shape.
    """
    for aspect in set(aspects):
        if not 1 / _MOST <= aspect <= _MOST:
            hint = "Correct its pixel spacing, or take pixels as they are with --set data.square=false in the run."
            raise InputError(f"{name} says that its pixels are {aspect:g} times as high as wide", hint=hint)


def oblong_files(headers: Iterable[Header], config: DataConfig) -> str:
    """Say how many files have pixels that are not square, and what becomes of them; empty where there are none."""
    from medsynth.reading import pixel_aspects

    count = sum(any(aspect != 1 for aspect in pixel_aspects(header)) for header in headers)
    if not count:
        return ""
    if config.fit == "stretch":
        return f"{count}, stretched as all are (data.fit=stretch)"
    return f"{count}, " + ("shown in true proportions" if config.square else "shown as if square (data.square=false)")
