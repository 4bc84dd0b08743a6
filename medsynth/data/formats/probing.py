"""What a file is and whether it can be read: kind, slices, bit depth, value range, constant slices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from medsynth.data.formats.headers import has_pixels, is_dicom, read_header
from medsynth.data.problems import Problem

if TYPE_CHECKING:
    import numpy as np

Kind = Literal["raster", "nifti", "dicom", ""]
RASTER = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
NIFTI = (".nii", ".nii.gz")
PERCENTILES = (0.5, 99.5)
_EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


@dataclass(frozen=True)
class Format:
    """What of a file decides how it is read.

    Args:
        kind: ``raster`` (PNG, JPEG, TIFF, BMP), ``nifti`` or ``dicom``.
        depth: number of slices or frames; 0 where the array has two spatial axes.
        axes: for NIfTI volumes the axes to reorient to, e.g. ``LPS``: the third axis stays the stored one,
            rows and columns run as in the usual display (towards left, posterior or inferior). Else empty.
    """

    kind: Kind
    depth: int = 0
    axes: str = ""


@dataclass(frozen=True)
class Facts:
    """What decoding a file has shown.

    Args:
        format: how it is read.
        eight_bit: values are 0 to 255 by type.
        shape: (columns, rows) or (columns, rows, slices).
        spacing: in mm, empty where unknown.
        low: smallest value.
        high: largest value.
        flat: all values are equal, or so many that the percentiles are.
        empty_slices: constant slices or frames of a file with several.
        hash: SHA-256 of the decoded values.
    """

    format: Format
    eight_bit: bool
    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    low: float
    high: float
    flat: bool
    empty_slices: tuple[int, ...]
    hash: str


def kind_of(path: Path) -> Kind:
    """Tell the kind of a file by its suffix, or by its first bytes where the suffix says nothing."""
    name = path.name.lower()
    if name.endswith(RASTER):
        return "raster"
    if name.endswith(NIFTI):
        return "nifti"
    return "dicom" if is_dicom(path) else ""


def probe(path: Path) -> Format | Problem:
    """Read as little of the file as tells its format."""
    problem = _absent(path)
    if problem:
        return problem
    kind = kind_of(path)
    if kind == "raster":
        return Format(kind)
    if kind == "nifti":
        return _probe_nifti(path)
    if kind == "dicom":
        header = read_header(path)
        return header if isinstance(header, Problem) else Format(kind, header.frames)
    return Problem(f"{path} is no image of a known format", f"use {', '.join((*RASTER, *NIFTI))} or DICOM")


def examine(path: Path) -> Facts | Problem:
    """Decode a whole file and say what is in it, or why it is unusable (missing, empty, damaged, NaN, constant)."""
    found = probe(path)
    if isinstance(found, Problem):
        return found
    readers: dict[str, Callable[[Path, Format], Facts]] = {
        "raster": _examine_raster,
        "nifti": _examine_nifti,
        "dicom": _examine_dicom,
    }
    try:
        facts = readers[found.kind](path, found)
    except UnusableError as error:
        return Problem(f"{path} {error}")
    except Exception as error:  # decoders raise many types on damaged files
        lines = str(error).strip().splitlines()
        return Problem(f"{path} cannot be decoded: {lines[-1] if lines else type(error).__name__}")
    return Problem(f"{path} is constant: all its pixels are {facts.low:g}") if facts.low == facts.high else facts


class UnusableError(Exception):
    """A file that can be decoded but not used; says why."""


def open_raster(path: Path) -> Any:
    """Open and decode a 2D image file, never accepting a truncated one."""
    from PIL import Image, ImageFile

    lenient, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        with Image.open(path) as image:
            _refuse_pages(image)
            image.load()
            return image
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient


def _refuse_pages(image: Any) -> None:
    pages = getattr(image, "n_frames", 1)
    if pages > 1:
        raise UnusableError(f"holds {pages} pages; save one file per page")


def is_eight_bit(path: Path, found: Format) -> bool:
    """Tell from the header of a file that `probe` accepts whether its values are 0 to 255 by type.

    Raises:
        UnusableError: the header cannot be read, or a 2D file holds several pages.
    """
    if found.kind == "dicom":
        header = read_header(path)
        if isinstance(header, Problem):
            raise UnusableError(f"cannot be read: {header.message}")
        return header.eight_bit
    if found.kind == "nifti":
        import nibabel as nib

        return _nifti_eight_bit(nib.load(path))
    from PIL import Image

    with Image.open(path) as image:
        _refuse_pages(image)
        return image.mode in _EIGHT_BIT_MODES


def _nifti_eight_bit(image: Any) -> bool:
    plain = image.dataobj.slope == 1 and image.dataobj.inter == 0
    return bool(image.get_data_dtype() == "uint8" and plain)


def _absent(path: Path) -> Problem | None:
    if not path.is_file():
        return Problem(f"{path} does not exist")
    return Problem(f"{path} is empty (0 bytes)") if path.stat().st_size == 0 else None


def _probe_nifti(path: Path) -> Format | Problem:
    import nibabel as nib

    try:
        image: Any = nib.load(path)
        shape = tuple(int(n) for n in image.shape)
        letters = nib.aff2axcodes(image.affine)
    except Exception as error:  # nibabel raises many types on damaged files
        return Problem(f"{path} cannot be read as NIfTI: {error}")
    if len(shape) not in (2, 3) or image.get_data_dtype().names:
        hint = "split it into one 3D file per time point or channel"
        return Problem(f"{path} has shape {shape} and type {image.get_data_dtype()}; 2D or 3D numbers needed", hint)
    if len(shape) == 2:
        return Format("nifti")
    if None in letters:
        return Format("nifti", shape[2])
    third = str(letters[2])
    plane = {"S": "LP", "I": "LP", "L": "PI", "R": "PI"}.get(third, "LI")
    return Format("nifti", shape[2], plane + third)


def _examine_raster(path: Path, found: Format) -> Facts:
    import numpy as np

    image = open_raster(path)
    eight_bit = image.mode in _EIGHT_BIT_MODES
    array = np.asarray(to_plain_mode(image))
    if array.ndim == 3:
        array = array[..., :3] if array.shape[2] >= 3 else array[..., :1]
    constant = bool((array == array[:1, :1]).all())
    facts = _facts(found, array, eight_bit, (image.width, image.height), ())
    if constant:
        raise UnusableError(f"is constant: all its pixels are {array[0, 0].tolist()}")
    return facts


def to_plain_mode(image: Any) -> Any:
    """Resolve palettes and rare color models of a PIL image; grey and RGB stay as they are."""
    plain = image.mode in ("L", "LA", "RGB", "RGBA", "F", "I") or image.mode.startswith("I;")
    return image if plain else image.convert("RGB")


def _examine_nifti(path: Path, found: Format) -> Facts:
    import nibabel as nib
    import numpy as np

    image: Any = nib.load(path)
    array = np.asarray(image.dataobj, dtype=np.float32)
    spacing = tuple(float(value) for value in image.header.get_zooms()[: array.ndim])
    return _facts(found, array, _nifti_eight_bit(image), array.shape, spacing)


def _examine_dicom(path: Path, found: Format) -> Facts:
    from medsynth.data.formats.itk import load_dicom

    header = read_header(path)
    if isinstance(header, Problem):
        raise UnusableError(f"cannot be read: {header.message}")
    # GDCM searches truncated compressed files for many seconds, so they are found out before it sees them
    if not has_pixels(path):
        raise UnusableError("is truncated: its pixel data end too early")
    array = load_dicom(path)
    if array.shape[-1] != found.depth:
        raise UnusableError(f"says {found.depth} frames in its header, but {array.shape[-1]} can be decoded")
    return _facts(found, array, header.eight_bit, array.shape[1:], header.spacing)


def _facts(
    found: Format, array: np.ndarray, eight_bit: bool, shape: tuple[int, ...], spacing: tuple[float, ...]
) -> Facts:
    import hashlib

    import numpy as np

    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UnusableError("contains NaN or infinite values")
    empty: list[int] = []
    if found.depth > 1:
        # channels vary between pictures of one colour, so every channel is compared with itself
        planes = array.reshape(-1, *array.shape[-3:]) if array.ndim > 3 else array[None]
        empty = [k for k in range(found.depth) if not np.ptp(planes[..., k], axis=(1, 2)).any()]
    low, high = np.percentile(array, PERCENTILES)
    return Facts(
        format=found,
        eight_bit=eight_bit,
        shape=tuple(int(n) for n in shape),
        spacing=spacing,
        low=float(array.min()),
        high=float(array.max()),
        flat=bool(low == high),
        empty_slices=tuple(empty),
        hash=hashlib.sha256(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes()).hexdigest(),
    )
