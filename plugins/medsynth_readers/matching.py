"""Which test image a reader's case is, and whether readers looked at the images that the run has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medsynth.base.errors import InputError
from medsynth.data.png import pixel_digest, to_bytes
from medsynth.data.problems import some
from medsynth_readers.table import Reader


def match(cases: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    """Return each case's position in `names`.

    A case is an image's name or path, of which leading folders may be missing or too many.

    Raises:
        InputError: a case fits no name, or several; two cases fit the same name.
    """
    whole = {name: index for index, name in enumerate(names)}
    tails: dict[str, set[int]] = {}
    for index, name in enumerate(names):
        for tail in _tails(name):
            tails.setdefault(tail, set()).add(index)
    found, wrong = {}, []
    for case in cases:
        fitting = tails.get(case) or {whole[tail] for tail in _tails(case) if tail in whole}
        if len(fitting) == 1:
            found[case] = next(iter(fitting))
        else:
            wrong.append(case)
    if wrong:
        raise InputError(
            f"readers decided on {len(wrong)} cases that fit no test image, or several: {some(wrong)}",
            hint=f"Cases are images of the test split as predictions-*.csv lists them, e.g. {some(names, 1)}.",
        )
    if len(set(found.values())) < len(found):
        twice = sorted(case for case in found if sum(found[case] == other for other in found.values()) > 1)
        raise InputError(f"several cases fit the same test image: {some(twice)}")
    return found


def _tails(path: str) -> list[str]:
    parts = path.replace("\\", "/").split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


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
