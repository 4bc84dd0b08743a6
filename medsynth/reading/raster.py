"""PNG, JPEG, TIFF, BMP and WebP through Pillow: upright, never truncated, one picture a file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from medsynth.base.errors import InputError
from medsynth.reading.quietness import quiet
from medsynth.reading.records import Header, Image

MOST_PIXELS = 2**31 // 12
"""More pixels are refused: a small file may unpack to fill the memory. This is Pillow's own limit (179 million)."""

_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
_WITH_ALPHA = ("LA", "PA", "RGBA", "La", "RGBa")
_PHOTOMETRIC, _BITS, _SAMPLE_FORMAT = 262, 258, 339
_ORIENTATION = 274
_truncated = threading.Lock()


def raster_header(path: Path) -> Header:
    """Read what a 2D image file says about itself.

    Raises:
        InputError: it cannot be read, holds several pages, or is too large.
    """
    with _opened(path) as image:
        # the others read their EXIF data with the header; in PNG they may follow the pixels, which are not read here
        known = image.format != "PNG" or "exif" in image.info
        return _header(path, image, _turn(image) if known else 1)


def read_raster(path: Path) -> Image:
    """Decode a 2D image file.

    Raises:
        InputError: it cannot be decoded, holds several pages, or is too large.
    """
    with _opened(path) as image:
        turn = 1 if image.format == "PNG" else _turn(image)
        header = _header(path, image, turn)
        _load(path, image)
        if image.format == "PNG" and _turn(image) not in (0, 1):
            turned = _header(path, image, _turn(image))
            header = replace(turned, notes=tuple(dict.fromkeys((*header.notes, *turned.notes))))
        alpha = _alpha_note(image)
        try:
            values = _values(_upright(image), image)
        except Exception as error:  # Pillow raises many types on rare color models
            raise InputError(f"{path} cannot be decoded: {error}") from error
    notes = (*header.notes, *alpha)
    if values.dtype.kind == "f" and np.isfinite(values).all():
        notes = (*notes, f"floating point values from {values.min():g} to {values.max():g}")
    return Image(values=values[None], header=header, notes=notes)


def _turn(image: Any) -> int:
    """Return the EXIF orientation, 1 where there is none."""
    return int(image.getexif().get(_ORIENTATION) or 1)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open an image of acceptable size and one page; its file is closed whatever Pillow does."""
    import PIL.Image

    with path.open("rb") as file:
        try:
            with quiet():
                image = PIL.Image.open(file)
        except PIL.Image.DecompressionBombError as error:
            raise _too_large(path, str(error).split(" pixels)")[0].rpartition("(")[2]) from error
        except Exception as error:  # Pillow raises many types on damaged files
            reason = "it is no complete image" if "cannot identify" in str(error) else str(error)
            raise InputError(f"{path} cannot be decoded: {reason}") from error
        if image.width * image.height > MOST_PIXELS:
            raise _too_large(path, str(image.width * image.height))
        pages = getattr(image, "n_frames", 1)
        if pages > 1 and image.format != "MPO":
            raise InputError(f"{path} holds {pages} pages", hint="Save one file per page.")
        yield image


def _too_large(path: Path, pixels: str) -> InputError:
    hint = "Crop or shrink it: a small file may unpack to more than the memory holds."
    return InputError(f"{path} has {pixels} pixels; more than {MOST_PIXELS} are refused", hint=hint)


def _load(path: Path, image: Any) -> None:
    """Decode all of an image, never a part of it, whatever the process told Pillow."""
    from PIL import ImageFile

    try:
        if not ImageFile.LOAD_TRUNCATED_IMAGES:
            with quiet():
                image.load()
            return
        with _truncated:
            ImageFile.LOAD_TRUNCATED_IMAGES = False
            try:
                image.load()
            finally:
                ImageFile.LOAD_TRUNCATED_IMAGES = True
    except Exception as error:  # Pillow raises many types on damaged files
        raise InputError(f"{path} cannot be decoded: {str(error) or type(error).__name__}") from error


def _header(path: Path, image: Any, turn: int) -> Header:
    notes = []
    width, height = image.size
    if turn in (5, 6, 7, 8) and image.format != "TIFF":  # Pillow turns TIFF itself
        width, height = height, width
    if turn not in (0, 1):
        notes.append(f"turned upright as its EXIF orientation {turn} says")
    if image.format == "MPO" and getattr(image, "n_frames", 1) > 1:
        notes.append(f"the first of its {image.n_frames} pictures")
    if _is_reduced(image):
        notes.append("16 bits per color are read as 8")
    if _is_wide_white(image):
        notes.append("inverted, because it says that 0 is white")
    grey = image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;")
    return Header(
        path=path,
        kind="raster",
        shape=(1, height, width),
        flat=True,
        channels=1 if grey else 3,
        eight_bit=image.mode in _EIGHT_BIT,
        notes=tuple(notes),
    )


def _is_reduced(image: Any) -> bool:
    """Tell 16-bit color, of which Pillow keeps the upper 8 bits; how it will decode is in its tiles."""
    modes = [str(part) for tile in getattr(image, "tile", ()) for part in np.atleast_1d(np.array(tile[3], object))]
    return image.mode in (*_WITH_ALPHA, "RGB") and any(";16" in mode for mode in modes)


def _is_wide_white(image: Any) -> bool:
    """Tell TIFF files of more than 8 bits in which 0 is white; Pillow inverts the others itself."""
    tags = getattr(image, "tag_v2", {})
    wide = image.mode in ("I", "F") or image.mode.startswith("I;")
    return wide and tags.get(_PHOTOMETRIC) == 0


def _alpha_note(image: Any) -> tuple[str, ...]:
    if image.mode in _WITH_ALPHA:
        low, _ = image.getchannel(
            "A" if image.mode != "La" and image.mode != "RGBa" else image.getbands()[-1]
        ).getextrema()
        return ("transparency is ignored",) if low < 255 else ()
    return ("transparency is ignored",) if "transparency" in image.info else ()


def _upright(image: Any) -> Any:
    from PIL import ImageOps

    if _turn(image) in (0, 1):
        return image
    return ImageOps.exif_transpose(image)


def _values(image: Any, source: Any) -> np.ndarray:
    """Return (rows, columns[, 3]) values; palettes and rare color models become RGB."""
    if image.mode == "1":
        image = image.convert("L")
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return _wide(np.asarray(image), source)
    if image.mode in ("L", "RGB"):
        return np.asarray(image)
    if image.mode in ("LA", "RGBA"):
        colors = np.asarray(image)
        return np.ascontiguousarray(colors[..., 0] if image.mode == "LA" else colors[..., :3])
    return np.asarray(image.convert("RGB"))


def _wide(values: np.ndarray, source: Any) -> np.ndarray:
    """Return values of more than 8 bits as their file means them."""
    tags = getattr(source, "tag_v2", {})
    sample_format = (tags.get(_SAMPLE_FORMAT) or (1,))[0]
    bits = (tags.get(_BITS) or (0,))[0]
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if bits == 32 and sample_format == 1 and values.dtype == np.int32:
        values = values.view(np.uint32)  # Pillow has signed 32-bit integers only
    if not _is_wide_white(source):
        return values
    if values.dtype.kind == "u":
        return np.iinfo(values.dtype).max - values
    return values.max() + values.min() - values if values.dtype.kind == "f" else -1 - values
