"""Slices through a bundle's networks, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from medsynth.base.errors import InputError
from medsynth.door.given import Range, take
from medsynth.inference.bundle_classifier import BundleClassifier
from medsynth.inference.inputs.decoding import CONSTANT, InputDecoder
from medsynth.inference.inputs.fitting import NetworkSize

T = TypeVar("T")


def in_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of at most `size` items.

    Raises:
        InputError: `size` is not positive.
    """
    if size < 1:
        raise InputError(f"batch {size} is not positive")
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch


def file_slices(path: Path, classifier: BundleClassifier) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and (C, size, size) image of each slice of a file that a classifier judges.

    Raises:
        InputError: a file that cannot be read, or a constant slice.
    """
    for index, image in InputDecoder(classifier.config, classifier.slices).read(path):
        name = str(path) if index is None else f"{path}#{index}"
        if isinstance(image, str):
            raise InputError(f"{name} {image}", hint="Leave it out.")
        yield name, image


def array_slices(
    image: Any, classifier: BundleClassifier, value_range: Range, number: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and (C, size, size) image of each slice of an array; errors as of `file_slices`."""
    given = take(image, classifier.config, value_range, f"image {number}")
    fitting, several = NetworkSize(classifier.config), given.values.shape[3] > 1
    for k, aspect in enumerate(given.check(fitting)):
        plane, name = given.values[..., k], f"{number}#{k}" if several else str(number)
        if plane.min() == plane.max():
            raise InputError(f"image {name} {CONSTANT}", hint="Leave it out.")
        yield name, fitting.forward(plane, aspect).numpy()
