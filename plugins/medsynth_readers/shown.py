"""Whether readers looked at the images that the run has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medsynth.base.errors import InputError
from medsynth.data.png import pixel_digest, to_bytes
from medsynth.data.problems import some
from medsynth_readers.matching import match
from medsynth_readers.table import Reader


def refuse_other_images(
    readers: Sequence[Reader], names: Sequence[str], images: np.ndarray | Sequence[np.ndarray]
) -> None:
    """Compare what was shown with what the run has, where the table says what was shown.

    Args:
        readers: with cases as the table names them.
        names: of the images of the run.
        images: (N, C, H, W) in [-1, 1], in the same order.

    Raises:
        InputError: names images that differ.
    """
    shown = [(case, digest) for reader in readers for case, digest in reader.pixels.items()]
    rows = match(list(dict.fromkeys(case for case, _ in shown)), names)
    ours = {case: pixel_digest(to_bytes(images[row])) for case, row in rows.items()}
    if others := sorted({case for case, digest in shown if ours[case] != digest}):
        raise InputError(
            f"readers looked at {len(others)} images that this run has otherwise: {some(others)}",
            hint="Score readers with the run whose images they saw, or one repeated with its plan, seed and machine.",
        )
