from __future__ import annotations

import numpy as np
import pytest
import torch

from medsynth.statistics.features import RememberedFeatures, extract


class Means:
    """An extractor that counts the images it is sent: means and maxima of an image."""

    name = "means"
    dimension = 2

    def __init__(self) -> None:
        self.batches: list[int] = []

    def features(self, images: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(images))
        return torch.stack([images.mean(dim=(1, 2, 3)), images.amax(dim=(1, 2, 3))], dim=1)


@pytest.fixture
def images() -> np.ndarray:
    """Multiples of 1/64, whose sums are exact in any order."""
    return (np.random.default_rng(0).integers(-64, 65, (11, 1, 4, 4)) / 64).astype(np.float32)


def test_features_come_in_the_order_of_the_images_whatever_the_batches(images):
    extractor = Means()
    found = extract(images, extractor, batch_size=4)
    assert extractor.batches == [4, 4, 3]
    assert found == pytest.approx(np.stack([images.mean(axis=(1, 2, 3)), images.max(axis=(1, 2, 3))], axis=1))


def test_no_images_have_no_features(images):
    assert extract(images[:0], Means()).shape == (0, 2)


def test_each_image_is_computed_once_in_any_order_and_batch(images):
    extractor = Means()
    remembered = RememberedFeatures(extractor)
    plain = extract(images, Means())
    assert np.array_equal(extract(images[:6], remembered, batch_size=4), plain[:6])
    order = np.random.default_rng(1).permutation(11)
    assert np.array_equal(extract(images[order], remembered, batch_size=5), plain[order])
    assert sum(extractor.batches) == 11
    assert (remembered.name, remembered.dimension) == ("means", 2)


def test_an_image_twice_in_a_batch_is_computed_once(images):
    extractor = Means()
    twice = torch.from_numpy(images[[0, 1, 0]])
    assert torch.equal(RememberedFeatures(extractor).features(twice), Means().features(twice))
    assert extractor.batches == [2]


def test_equal_bytes_of_another_shape_are_another_image(images):
    extractor = Means()
    remembered = RememberedFeatures(extractor)
    remembered.features(torch.from_numpy(images))
    remembered.features(torch.from_numpy(images.reshape(11, 1, 2, 8)))
    assert sum(extractor.batches) == 22
