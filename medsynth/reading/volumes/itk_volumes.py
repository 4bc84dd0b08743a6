"""NRRD, MetaImage and ANALYZE through ITK, which takes seconds to import and is imported for them only."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from medsynth.base.errors import InputError
from medsynth.reading.geometry import RAS_FROM_LPS
from medsynth.reading.records import Header, Image
from medsynth.reading.volumes.chosen_volume import choose_volume, volume_of


def itk_header(path: Path) -> Header:
    """Read what a file says about itself.

    Raises:
        InputError: it cannot be read, or has axes or values that are not read.
    """
    return _header(path, _information(path))


def read_itk(path: Path, volume: int | None = None) -> Image:
    """Decode a file.

    Args:
        path: the file.
        volume: which of several volumes, from 0; needed where there are several.

    Raises:
        InputError: it cannot be decoded, or holds several volumes and none was chosen.
    """
    itk = import_itk()
    header = itk_header(path)
    chosen = choose_volume(path, header.volumes, volume)
    try:
        values = np.asarray(itk.array_from_image(itk.imread(str(path))))
    except Exception as error:  # ITK raises RuntimeError with many lines
        raise InputError(f"{path} cannot be decoded: {_sentence(error)}") from error
    colors = () if header.channels == 1 else (3,)
    values = values.reshape((header.volumes, *header.shape, *colors))[chosen]
    if values.dtype.kind == "f":
        values = values.astype(np.float32)
    return volume_of(header, values, chosen)


def import_itk() -> Any:
    """Import ITK, whose bindings warn hundreds of times, and silence its console."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import itk

        itk.Object.SetGlobalWarningDisplay(False)
        return itk


def _information(path: Path) -> Any:
    """Return ITK's reader of a file after it has read the header."""
    itk = import_itk()
    try:
        reader = itk.ImageIOFactory.CreateImageIO(str(path), itk.CommonEnums.IOFileMode_ReadMode)
        if reader is None:
            raise InputError(f"{path} cannot be read: its header is none of NRRD, MetaImage or ANALYZE")
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
    except InputError:
        raise
    except Exception as error:  # ITK raises RuntimeError with many lines
        raise InputError(f"{path} cannot be read: {_sentence(error)}") from error
    return reader


def _header(path: Path, reader: Any) -> Header:
    itk = import_itk()
    axes = reader.GetNumberOfDimensions()
    sizes = [int(reader.GetDimensions(k)) for k in range(axes)]
    components = int(reader.GetNumberOfComponents())
    pixel = itk.ImageIOBase.GetPixelTypeAsString(reader.GetPixelType())
    if not 2 <= axes <= 4 or components not in (1, 3) or pixel in ("complex", "diffusion_tensor_3D"):
        hint = "Split it into 3D files of one number per voxel."
        raise InputError(f"{path} has {axes} axes of {components} {pixel} values, which are not read", hint=hint)
    columns, rows, slices, volumes = (*sizes, 1, 1)[:4]
    affine = np.eye(4)
    for k in range(min(axes, 3)):
        direction = np.array(reader.GetDirection(k), dtype=np.float64)[:3]
        affine[: len(direction), k] = direction * reader.GetSpacing(k)
        affine[k, 3] = reader.GetOrigin(k)
    spacing = [float(reader.GetSpacing(k)) for k in range(min(axes, 3))] + [0.0]
    analyze = path.name.lower().endswith(".hdr")
    note = ("ANALYZE does not say where its voxels lie; axes are taken as ITK does",) if analyze else ()
    component = itk.ImageIOBase.GetComponentTypeAsString(reader.GetComponentType())
    return Header(
        path=path,
        kind="itk",
        shape=(slices, rows, columns),
        flat=axes == 2,
        channels=components,
        eight_bit=component == "unsigned_char",
        spacing=(spacing[0], spacing[1], spacing[2]),
        affine=RAS_FROM_LPS @ affine,
        volumes=volumes,
        notes=note,
    )


def _sentence(error: Exception) -> str:
    """Return what ITK means: the last line that is no address in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1].rpartition("): ")[2] or lines[-1]) if lines else type(error).__name__
