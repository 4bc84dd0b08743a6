"""From a file to what the classifier takes; several threads may decode at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medsynth.data.config import DataConfig
from medsynth.data.formats.probing import Format, UnusableError, is_eight_bit, probe
from medsynth.data.listing.paths import central
from medsynth.data.problems import Problem
from medsynth.inference.inputs.pixels import fit, read_raster

if TYPE_CHECKING:
    from medsynth.inference.inputs.picture_reader import Picture


CONSTANT = "is constant: all its pixels are equal"


class InputDecoder:
    """Reads files of every format with one bundle's preprocessing.

    Args:
        config: of the bundle's images.
        share: central share of a volume's slices to read, at least one slice.
    """

    def __init__(self, config: DataConfig, share: float = 1.0) -> None:
        self._config, self._share = config, share
        self._lock = threading.Lock()
        self._tools: tuple[Any, Any] | None = None

    def read(self, path: Path) -> Iterator[tuple[int | None, np.ndarray | str]]:
        """Yield (index, image) for each slice or frame; the index is None for a file with one image.

        An image is (C, size, size) float32 in [-1, 1], or text where it is constant and says nothing.

        Raises:
            UnusableError: says what is wrong with the file.
        """
        found = probe(path)
        if isinstance(found, Problem):
            raise UnusableError(found.message)
        if self._is_plain(path, found):
            yield None, self._plain(path)
            return
        with self._lock:  # MONAI's readers change global state: warnings, ITK's display
            picture, fitting = self._picture(path)
        indices = central(list(range(len(picture))), self._share)
        for index in indices:
            plane = picture.values[..., index]
            image: np.ndarray | str = CONSTANT
            if plane.min() < plane.max():
                with self._lock:
                    image = fitting.forward(plane).numpy()
            yield index if len(picture) > 1 else None, image

    def _is_plain(self, path: Path, found: Format) -> bool:
        try:
            return found.kind == "raster" and self._config.intensity != "percentile" and is_eight_bit(path, found)
        except OSError as error:
            raise _undecodable(error) from error

    def _plain(self, path: Path) -> np.ndarray | str:
        try:
            pixels = read_raster(path, self._config.channels)
            return CONSTANT if pixels.min() == pixels.max() else fit(pixels, self._config)
        except Exception as error:  # decoders raise many types on damaged files
            raise _undecodable(error) from error

    def _picture(self, path: Path) -> tuple[Picture, Any]:
        if self._tools is None:
            from medsynth.inference.inputs.fitting import NetworkSize
            from medsynth.inference.inputs.picture_reader import Reader

            self._tools = Reader(self._config), NetworkSize(self._config)
        reader, fitting = self._tools
        return reader.read(path, path.name), fitting


def _undecodable(error: Exception) -> UnusableError:
    if isinstance(error, UnusableError):
        return error
    lines = str(error).strip().splitlines()
    return UnusableError(f"cannot be decoded: {lines[-1] if lines else type(error).__name__}")
