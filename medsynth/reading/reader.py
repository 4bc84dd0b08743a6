"""One way in: what a file is, what it says, and its pixels, whatever its format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medsynth.base.errors import InputError
from medsynth.reading.dicom.dicom_files import iterate_dicom, read_dicom
from medsynth.reading.dicom.dicom_header import dicom_header
from medsynth.reading.geometry import spacing_of, volume_affine
from medsynth.reading.quietness import decoding
from medsynth.reading.raster import raster_header, read_raster
from medsynth.reading.recognition import SUFFIXES, recognize
from medsynth.reading.records import Header, Image, Kind, NoImageError
from medsynth.reading.volumes.itk_volumes import itk_header, read_itk
from medsynth.reading.volumes.nifti import nifti_header, read_nifti


def read_header(path: Path) -> Header:
    """Read what a file says about itself, without decoding its pixels.

    Raises:
        NoImageError: it is in order, but no image.
        InputError: it is missing, empty, of another kind, or damaged.
    """
    kind = _kind(path)
    headers = {"raster": raster_header, "nifti": nifti_header, "dicom": dicom_header, "itk": itk_header}
    with decoding(path):
        return headers[kind](path)


def read(path: Path, *, volume: int | None = None, index: int | None = None) -> Image:
    """Decode a file.

    Args:
        path: the file.
        volume: which of several volumes, from 0. NIfTI and ITK files with several need one; of a DICOM file all
            frames are read without.
        index: of one slice or frame in the order of reading; DICOM frames are decoded one by one.

    Raises:
        NoImageError: it is in order, but no image.
        InputError: it is missing, empty, of another kind, damaged or incomplete, or holds NaN or infinite values.
    """
    kind = _kind(path)
    with decoding(path):
        if kind == "dicom":
            return _finished(read_dicom(path, volume, index))
        if kind == "raster":
            image = read_raster(path)
            if volume:
                raise InputError(f"{path} has no volume {volume}", hint="A 2D image file is one image.")
        else:
            image = read_nifti(path, volume) if kind == "nifti" else read_itk(path, volume)
        return _finished(image if index is None else take(image, index))


def iterate(path: Path, indices: Sequence[int] | None = None, *, volume: int | None = None) -> Iterator[Image]:
    """Yield the slices or frames of a file, each as an image of one slice.

    Of a DICOM file with many frames one at a time is in memory; other files are decoded once.

    Args:
        path: the file.
        indices: which ones, in the order of reading; all where None.
        volume: as in `read`.

    Raises:
        as `read`.
    """
    if _kind(path) == "dicom" and volume is None:
        images = iterate_dicom(path, indices)
        while True:
            with decoding(path):  # never while the caller works with what was yielded
                image = next(images, None)
            if image is None:
                return
            yield _finished(image)
    whole = read(path, volume=volume)
    for index in range(len(whole)) if indices is None else indices:
        yield take(whole, index)


def read_series(paths: Sequence[Path]) -> Image:
    """Decode the files of a DICOM series, in the order given, as one image.

    Its affine is None, with a note that says why, where the slices make no even volume.

    Raises:
        InputError: a file cannot be read, or the slices have different sizes or units.
    """
    images = [read(path) for path in paths]
    shapes = {image.values.shape[1:] for image in images}
    if len(shapes) > 1:
        listed = ", ".join(" x ".join(str(n) for n in shape[1::-1]) for shape in sorted(shapes))
        raise InputError(f"{paths[0].parent}: the slices of a series have different sizes: {listed}")
    first = images[0]
    slices = [one for image in images for one in image.header.slices]
    affine, problem = volume_affine(slices)
    spacing = spacing_of(slices, affine)
    values = np.concatenate([image.values for image in images])
    padded = any(image.padding is not None for image in images)
    masks = [np.zeros(i.values.shape[:3], bool) if i.padding is None else i.padding for i in images] if padded else []
    notes = dict.fromkeys(note for image in images for note in image.notes)
    header = replace(first.header, shape=(len(slices), *first.header.shape[1:]), slices=tuple(slices), affine=affine)
    return Image(
        values=values,
        header=replace(header, spacing=spacing),
        affine=affine,
        spacing=(first.spacing[0], first.spacing[1], spacing[2]),
        padding=np.concatenate(masks) if padded else None,
        notes=(*notes, *([problem] if problem and len(slices) > 1 else [])),
    )


def take(image: Image, index: int) -> Image:
    """Return one slice of an image.

    Raises:
        InputError: there is none with this index.
    """
    if not 0 <= index < len(image):
        raise InputError(f"{image.header.path} has no slice {index}", hint=f"Its slices are 0 to {len(image) - 1}.")
    affine = image.affine
    if affine is not None:
        affine = affine.copy()
        affine[:3, 3] += index * affine[:3, 2]
    padding = None if image.padding is None else image.padding[index : index + 1]
    values = image.values[index : index + 1]
    return replace(image, values=values, affine=affine, index=image.index + index, padding=padding)


def _kind(path: Path) -> Kind:
    if not path.exists():
        raise InputError(f"{path} does not exist", hint="Check its spelling.")
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a file", hint="Name one file, or scan the folder.")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes)", hint="Copy or export it again.")
    found = recognize(path)
    if found.kind is None:
        hint = f"Use {', '.join(SUFFIXES)}, or DICOM with any name."
        raise NoImageError(f"{path} is no image of a known format ({found.reason})", reason=found.reason, hint=hint)
    return found.kind


def _finished(image: Image) -> Image:
    if image.values.dtype.kind == "f" and not np.isfinite(image.values).all():
        hint = "Replace them, e.g. by the value of the background."
        raise InputError(f"{image.header.path} contains NaN or infinite values", hint=hint)
    return image
