"""NIfTI through nibabel: 2D images, volumes, and one volume of several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medsynth.base.errors import InputError
from medsynth.reading.quietness import quiet
from medsynth.reading.records import Header, Image
from medsynth.reading.volumes.chosen_volume import choose_volume, volume_of

_TO_MILLIMETERS = {"meter": 1000.0, "micron": 0.001}


def nifti_header(path: Path) -> Header:
    """Read what a NIfTI file says about itself.

    Raises:
        InputError: it cannot be read, is complex, or has more than four axes.
    """
    return _header(path, _opened(path))


def read_nifti(path: Path, volume: int | None = None) -> Image:
    """Decode a NIfTI file.

    Args:
        path: the file.
        volume: which of several volumes, from 0; needed where there are several.

    Raises:
        InputError: it cannot be decoded, or holds several volumes and none was chosen.
    """
    image = _opened(path)
    header = _header(path, image)
    chosen = choose_volume(path, header.volumes, volume)
    selection = (slice(None),) * 3 + ((chosen,) if header.volumes > 1 else ())
    try:
        with quiet():
            values = _values(image, selection)
    except Exception as error:  # nibabel raises many types on damaged files
        raise InputError(f"{path} cannot be decoded: {error}") from error
    channels = () if header.channels == 1 else (3,)
    stored = values.reshape((*header.shape[::-1], *channels), order="A" if not channels else "C")
    values = np.ascontiguousarray(np.moveaxis(stored, (0, 1, 2), (2, 1, 0)))
    return volume_of(header, values, chosen)


def _opened(path: Path) -> Any:
    import nibabel as nib

    try:
        with quiet():
            image: Any = nib.load(path)
            image.affine, image.get_data_dtype()
    except Exception as error:  # nibabel raises many types on damaged files
        raise InputError(f"{path} cannot be read as NIfTI: {error}") from error
    return image


def _header(path: Path, image: Any) -> Header:
    shape = _squeezed(tuple(int(n) for n in image.shape))
    dtype = image.get_data_dtype()
    if dtype.kind == "c":
        hint = "Save its magnitude, or real and imaginary part, as files of their own."
        raise InputError(f"{path} holds complex numbers ({dtype})", hint=hint)
    if not 2 <= len(shape) <= 4 or 0 in shape or dtype.kind not in "iufV":
        hint = "Split it into one 3D file per time point or channel."
        raise InputError(
            f"{path} has shape {shape} and type {dtype}; up to four axes of numbers can be read", hint=hint
        )
    columns, rows, slices, volumes = (*shape, 1, 1)[:4]
    factor, notes = _units(image)
    if not int(image.header.get("qform_code", 1)) and not int(image.header.get("sform_code", 1)):
        notes.append("it does not say where its voxels lie; axes are taken as stored")
    affine = np.diag([factor, factor, factor, 1.0]) @ np.asarray(image.affine, dtype=np.float64)
    zooms = [float(value) * factor for value in image.header.get_zooms()[:3]] + [0.0]
    return Header(
        path=path,
        kind="nifti",
        shape=(slices, rows, columns),
        flat=len(shape) == 2,
        channels=3 if dtype.names else 1,
        eight_bit=bool(dtype.names or (dtype == np.uint8 and _is_plain(image))),
        spacing=(zooms[0], zooms[1], zooms[2]),
        affine=affine if np.isfinite(affine).all() else None,
        volumes=volumes,
        orientation=_plane(affine) if slices > 1 else "",
        notes=tuple(notes),
    )


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Drop axes of length one from the end, down to three."""
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) == 5 and shape[3] == 1:  # vectors: (x, y, z, 1, components)
        shape = (*shape[:3], shape[4])
    return shape


def _units(image: Any) -> tuple[float, list[str]]:
    unit = image.header.get_xyzt_units()[0] if hasattr(image.header, "get_xyzt_units") else "mm"
    factor = _TO_MILLIMETERS.get(unit, 1.0)
    return factor, [f"its lengths are in {unit}s and were turned into mm"] if factor != 1 else []


def _plane(affine: np.ndarray) -> str:
    """Return the plane of the slices, which is perpendicular to the product of their two axes."""
    axis = np.cross(affine[:3, 0], affine[:3, 1])
    return ("sag", "cor", "tra")[int(np.argmax(np.abs(axis)))] if axis.any() and np.isfinite(axis).all() else ""


def _is_plain(image: Any) -> bool:
    return bool(image.dataobj.slope == 1 and image.dataobj.inter == 0)


def _values(image: Any, selection: tuple[Any, ...]) -> np.ndarray:
    """Return the exact integers where they are not scaled, else float32; colors as a last axis."""
    stored = image.dataobj
    chosen = selection[: len(image.shape)]
    if image.get_data_dtype().names:
        colors = np.asarray(stored[chosen])
        return np.stack([colors[name] for name in ("R", "G", "B")], axis=-1)
    values = np.asarray(stored[chosen])
    if values.dtype.kind in "iu" and _is_plain(image):
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    return values.astype(np.float32)
