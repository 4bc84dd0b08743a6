"""One volume of a file that may hold several."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medsynth.base.errors import InputError
from medsynth.reading.records import Header, Image

_OPTIONS = "--set data.volume=0, for predict and synthesize --volume 0"


def choose_volume(path: Path, count: int, volume: int | None) -> int:
    """Return the index of the volume to read of `count`.

    Raises:
        InputError: there are several and none was chosen, or there is none with this index.
    """
    if volume is None and count > 1:
        nifti = path.name.lower().endswith((".nii", ".nii.gz"))
        options = f"{_OPTIONS}, " if nifti else ""
        hint = f"Choose one of 0 to {count - 1}: {options}in Python read(path, volume=0). Or make a file of each."
        raise InputError(f"{path} holds {count} volumes", hint=hint)
    if volume is not None and not 0 <= volume < count:
        raise InputError(f"{path} has no volume {volume}", hint=f"Its volumes are 0 to {count - 1}.")
    return volume or 0


def volume_of(header: Header, values: np.ndarray, chosen: int) -> Image:
    """Return the values of the volume `chosen` of a file with that header as an image, placed as the header says."""
    return Image(
        values=values,
        header=header,
        affine=header.affine,
        spacing=header.spacing,
        index=chosen * header.shape[0],
        notes=header.notes,
    )
