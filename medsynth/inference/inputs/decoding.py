"""From a file to what the classifier takes; several threads may decode at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medsynth.data.config import DataConfig
from medsynth.data.formats.chains import as_shown, refuse_strip
from medsynth.data.formats.several import chosen_header, number_of, read_chosen
from medsynth.data.listing.paths import central
from medsynth.inference.inputs.pixels import fit, in_range
from medsynth.reading import iterate

if TYPE_CHECKING:
    from medsynth.inference.inputs.fitting import Fitting
    from medsynth.inference.inputs.picture_reader import Reader

CONSTANT = "is constant: all its pixels are equal"
_NOTHING = "shows nothing within the bundle's window: all its pixels lie below or above it"


class InputDecoder:
    """Reads files of every format with one bundle's preprocessing.

    Args:
        config: of the bundle's images.
        share: central share of a volume's slices to read, at least one slice.
    """

    def __init__(self, config: DataConfig, share: float = 1.0) -> None:
        self._config, self._share = config, share
        self._lock = threading.Lock()
        self._tools: tuple[Reader, Fitting] | None = None

    def read(self, path: Path) -> Iterator[tuple[int | None, np.ndarray | str]]:
        """Yield (index, image) for each slice or frame; the index is None for a file with one image.

        An image is (C, size, size) float32 in [-1, 1], or text where it is constant and says nothing.

        Raises:
            InputError: says what is wrong with the file.
        """
        header = chosen_header(path, self._config.volume)
        refuse_strip(header, self._config)
        indices = central(list(range(header.count)), self._share)
        plain = header.eight_bit and self._config.intensity != "percentile" and not self._config.window
        images = self._plain(path, indices) if plain else self._wide(path, indices)
        for index, image in zip(indices, images, strict=True):
            yield index if header.count > 1 else None, image

    def _plain(self, path: Path, indices: Sequence[int]) -> Iterator[np.ndarray | str]:
        for image in iterate(path, indices, volume=number_of(path, self._config.volume)):
            pixels = in_range(as_shown(image), self._config.channels)
            yield CONSTANT if pixels.min() == pixels.max() else fit(pixels, self._config)

    def _wide(self, path: Path, indices: Sequence[int]) -> Iterator[np.ndarray | str]:
        whole = as_shown(read_chosen(path, self._config.volume))
        with self._lock:  # MONAI's transforms are shared
            reader, fitting = self._shared()
            values = reader.scaled(whole)
        for index in indices:
            plane = values[..., index]
            if plane.min() == plane.max():
                yield _NOTHING if self._config.window else CONSTANT
                continue
            with self._lock:
                image = fitting.forward(plane).numpy()
            yield image

    def _shared(self) -> tuple[Reader, Fitting]:
        if self._tools is None:
            from medsynth.inference.inputs.fitting import NetworkSize
            from medsynth.inference.inputs.picture_reader import Reader

            self._tools = Reader(self._config), NetworkSize(self._config)
        return self._tools
