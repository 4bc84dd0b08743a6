"""How many positive patients a training sees, so that their scarcity can be studied."""

from __future__ import annotations

import numpy as np

from medsynth.base.seeds import derive_seed
from medsynth.data.images import Images


def positive_patients(images: Images) -> list[str]:
    """Return the patients who have a positive image, sorted."""
    return sorted({record.patient for record in images.records if record.label == 1})


def keep_positives(images: Images, count: int, *, seed: int) -> Images:
    """Leave out all images of positive patients but for `count` of them.

    Whoever is kept of few is kept of more, too, so that two numbers differ by added patients only.

    Args:
        images: training images of the target.
        count: positive patients to keep; 0 = all.
        seed: of the training; decides who is kept.
    """
    patients = positive_patients(images)
    if not count or count >= len(patients):
        return images
    order = np.random.default_rng(derive_seed(seed, "positives")).permutation(len(patients))
    left_out = {patients[place] for place in order[count:]}
    return images.where(lambda record: record.patient not in left_out)
