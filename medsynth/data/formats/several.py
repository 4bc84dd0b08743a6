"""NIfTI files with four axes: one of their volumes is taken for all that is done with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medsynth.reading import Header, Image


def chosen_header(path: Path, volume: int) -> Header:
    """Read what a file says about itself, or about the volume of several that is taken.

    Args:
        path: the file.
        volume: of NIfTI files that hold several, from 0; -1 = none is chosen. Other files have none to choose.

    Raises:
        InputError: as of `medsynth.reading.read_header`, or there is no volume with this number.
    """
    from medsynth.reading import read_header

    return chosen_in(read_header(path), volume)[0]


def read_chosen(path: Path, volume: int) -> Image:
    """Decode a file, or the volume of several that is taken; arguments as of `chosen_header`.

    Raises:
        InputError: as of `medsynth.reading.read`, or there is no volume with this number.
    """
    from medsynth.reading import read

    return read(path, volume=number_of(path, volume))


def number_of(path: Path, volume: int) -> int | None:
    """Return which volume to read: None where the file does not hold several."""
    from medsynth.reading import read_header

    return chosen_in(read_header(path), volume)[1] if volume >= 0 else None


def chosen_in(header: Header, volume: int) -> tuple[Header, int | None]:
    """Return a file's header as that of the volume that is taken, and which one that is; None if not one of several.

    Raises:
        InputError: there is no volume with this number.
    """
    from medsynth.reading.volumes.chosen_volume import choose_volume

    if header.kind != "nifti" or header.volumes == 1 or volume < 0:
        return header, None
    return replace(header, volumes=1), choose_volume(header.path, header.volumes, volume)
