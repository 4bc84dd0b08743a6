"""Intervals of test-time augmentation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from medsynth.data.augment import LABELLED_DRAWS, flip_affine_gain_gamma
from medsynth.inference.bundle_classifier import load_classifier
from medsynth.inference.predict.spread import make_intervals


@pytest.fixture
def classifier(bundle):
    return load_classifier(bundle)


def logits(images):
    """A classifier that looks at the left half only."""
    left = images[..., : images.shape[-1] // 2].mean(axis=(1, 2, 3)) * 5.0
    return np.stack([np.zeros_like(left), left], axis=1)


@pytest.fixture
def images():
    return np.random.default_rng(3).random((4, 1, 32, 32), dtype=np.float32) * 2 - 1


def test_the_interval_holds_95_percent_of_the_probabilities_of_changed_copies(classifier, images):
    own = classifier.probabilities(logits(images))
    low, high = make_intervals(classifier, logits, 39)(images, own)
    draws = np.random.default_rng(0).random((39, LABELLED_DRAWS))
    for k, image in enumerate(images):
        copies = torch.from_numpy(np.repeat(image[None], 39, axis=0))
        changed = flip_affine_gain_gamma(copies, draws, strength=classifier.augment).numpy()
        found = np.sort([own[k], *classifier.probabilities(logits(changed))])
        assert low[k] == pytest.approx(min(found[0] + 0.975 * (found[1] - found[0]), own[k]), abs=1e-6)
        assert high[k] == pytest.approx(max(found[39] - 0.975 * (found[39] - found[38]), own[k]), abs=1e-6)


def test_an_interval_does_not_depend_on_the_other_images(classifier, images):
    own = classifier.probabilities(logits(images))
    intervals = make_intervals(classifier, logits, 5)
    low, _ = intervals(images, own)
    alone, _ = intervals(images[2:3], own[2:3])
    assert alone[0] == pytest.approx(low[2], abs=1e-7)


def test_changes_are_as_strong_as_in_training(classifier, images):
    own = classifier.probabilities(logits(images))
    widths = []
    for strength in (0.05, 2.0):
        low, high = make_intervals(replace(classifier, augment=strength), logits, 20)(images, own)
        assert ((low <= own) & (own <= high)).all()
        widths.append((high - low).mean())
    assert widths[0] < widths[1]
