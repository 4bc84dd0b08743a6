"""Test-time augmentation: how much a probability moves under changes like those of training."""

from __future__ import annotations

import numpy as np
import torch

from medsynth.data.augment import LABELLED_DRAWS, flip_affine_gain_gamma
from medsynth.inference.bundle_classifier import BundleClassifier
from medsynth.inference.predict.prediction import Intervals
from medsynth.inference.runtimes import Runtime

COVERED = (0.025, 0.975)


def make_intervals(classifier: BundleClassifier, runtime: Runtime, times: int) -> Intervals:
    """Return what computes the interval that holds 95 % of an image's probabilities.

    These are the probability of the image itself and of `times` changed ones: flipped, rotated, scaled, shifted, gain
    and gamma changed, as strongly as in training (as the default, where training changed nothing). The changes are
    the same for every image, so that a result depends on its image alone. The interval always contains the image's
    own probability. It shows how stable that is; it is no confidence interval of being right.

    Args:
        classifier: of the bundle.
        runtime: computes its logits.
        times: changed copies of each image.
    """
    table = np.random.default_rng(0).random((times, LABELLED_DRAWS))
    strength = classifier.augment or 1.0

    def intervals(images: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = [probabilities]
        for draws in table:
            repeated = np.broadcast_to(draws, (len(images), LABELLED_DRAWS)).copy()
            changed = flip_affine_gain_gamma(torch.from_numpy(images), repeated, strength=strength)
            found.append(classifier.probabilities(runtime(changed.numpy())))
        low, high = np.quantile(np.stack(found), COVERED, axis=0)
        return np.minimum(low, probabilities), np.maximum(high, probabilities)

    return intervals
