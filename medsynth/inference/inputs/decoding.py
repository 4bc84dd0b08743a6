"""From a file to what the classifier takes; several threads may decode at once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medsynth.data.config import DataConfig
from medsynth.data.formats.chains import as_shown
from medsynth.data.formats.proportions import refuse_strip, shown_aspects
from medsynth.data.formats.resizing import fit
from medsynth.data.formats.several import chosen_in, read_chosen
from medsynth.data.listing.paths import central
from medsynth.inference.inputs.pixels import in_range
from medsynth.reading import Image, iterate, read, read_header, recognize, take

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
        # frames of DICOM are decoded one by one; any other file as a whole, which tells all that its header does
        whole = None if recognize(path).kind == "dicom" else read_chosen(path, self._config.volume)
        header, _ = chosen_in(read_header(path) if whole is None else whole.header, self._config.volume)
        refuse_strip(header, self._config)
        indices = central(list(range(header.count)), self._share)
        if header.eight_bit and self._config.intensity != "percentile" and not self._config.window:
            images = self._plain(iterate(path, indices) if whole is None else (take(whole, k) for k in indices))
        else:
            images = self._wide(read(path) if whole is None else whole, indices)
        for index, image in zip(indices, images, strict=True):
            yield index if header.count > 1 else None, image

    def _plain(self, slices: Iterable[Image]) -> Iterator[np.ndarray | str]:
        for image in slices:
            shown = as_shown(image)
            pixels, (aspect,) = in_range(shown, self._config.channels), shown_aspects(shown, self._config)
            yield CONSTANT if pixels.min() == pixels.max() else fit(pixels, self._config, aspect)

    def _wide(self, whole: Image, indices: Sequence[int]) -> Iterator[np.ndarray | str]:
        shown = as_shown(whole)
        aspects = shown_aspects(shown, self._config)
        with self._lock:  # MONAI's transforms are shared
            reader, fitting = self._shared()
            values = reader.scaled(shown)
        for index in indices:
            plane = values[..., index]
            if plane.min() == plane.max():
                yield _NOTHING if self._config.window else CONSTANT
                continue
            with self._lock:
                image = fitting.forward(plane, aspects[index]).numpy()
            yield image

    def _shared(self) -> tuple[Reader, Fitting]:
        if self._tools is None:
            from medsynth.inference.inputs.fitting import NetworkSize
            from medsynth.inference.inputs.picture_reader import Reader

            self._tools = Reader(self._config), NetworkSize(self._config)
        return self._tools
