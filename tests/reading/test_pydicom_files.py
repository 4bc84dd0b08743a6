"""All files that pydicom ships are read as pydicom's own pixel functions read them, or are refused with a reason."""

import logging
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array

from medsynth.errors import InputError
from medsynth.reading import read

ROOT = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*") if p.is_file())


def by_pydicom(path: Path) -> np.ndarray:
    """Frames of physical values, by pydicom alone."""
    data = pydicom.dcmread(path)
    array = pixel_array(path, allow_excess_frames=False)
    if data.PhotometricInterpretation == "PALETTE COLOR":
        array = apply_color_lut(array, data)
        array = (array >> 8).astype(np.uint8)
    elif data.SamplesPerPixel == 1:
        array = apply_modality_lut(array, data)
        array = array * float(data.get("DoseGridScaling", 1))
        if data.PhotometricInterpretation == "MONOCHROME1":
            ends = apply_modality_lut(np.array([0, 2**data.BitsStored - 1]), data)
            array = ends.sum() - array
    frames = int(data.get("NumberOfFrames") or 1)
    return array if frames > 1 else array[None]


def outcome(name: str) -> object:
    try:
        return read(ROOT / name)
    except InputError as error:
        return error
