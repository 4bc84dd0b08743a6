"""How much of an image's structure another image shows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_gradient_magnitude
from sklearn.metrics import normalized_mutual_info_score

from medsynth.statistics import edge_agreement, intensity_correlation, mutual_information, recognized

SIZE = 32


def blobs(seed: int, count: int = 6) -> np.ndarray:
    """Dark images with one bright disk each, at random places: (N, 1, 32, 32)."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    disks = [(rows - r) ** 2 + (columns - c) ** 2 < 25 for r, c in draw.uniform(8, 24, (count, 2))]
    values = np.where(np.stack(disks), 0.8, -0.8) + draw.normal(0, 0.05, (count, SIZE, SIZE))
    return values[:, None].clip(-1, 1).astype(np.float32)


def test_edge_agreement_ignores_contrast_and_is_lost_with_the_places() -> None:
    images = blobs(1)
    assert edge_agreement(images, images) == pytest.approx(1.0)
    assert edge_agreement(images, -0.5 * images) == pytest.approx(1.0)
    assert edge_agreement(images, blobs(5)).mean() < 0.4
    assert not edge_agreement(images, np.zeros_like(images)).any()


def test_edge_agreement_equals_a_correlation_of_gradients_by_a_sampled_gaussian() -> None:
    first, second = blobs(1, 2), blobs(2, 2)
    offsets = np.arange(-4, 5)
    smooth = np.exp(-0.5 * offsets**2)
    smooth /= smooth.sum()
    slope = -offsets * smooth

    def filtered(image: np.ndarray, along: np.ndarray, across: np.ndarray) -> np.ndarray:
        padded = np.pad(image, 4, mode="symmetric").astype(float)
        rows = np.array([np.convolve(row, across, mode="valid") for row in padded])
        return np.array([np.convolve(column, along, mode="valid") for column in rows.T]).T

    def strength(image: np.ndarray) -> np.ndarray:
        return np.hypot(filtered(image, slope, smooth), filtered(image, smooth, slope)).ravel()

    expected = [np.corrcoef(strength(a[0]), strength(b[0]))[0, 1] for a, b in zip(first, second, strict=True)]
    assert edge_agreement(first, second) == pytest.approx(expected, abs=1e-6)


def test_intensity_correlation_equals_numpys() -> None:
    first, second = blobs(1), blobs(2)
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(first, second, strict=True)]
    assert intensity_correlation(first, second) == pytest.approx(expected, abs=1e-5)


def test_mutual_information_equals_scikit_learns() -> None:
    first, second = blobs(1), np.tanh(blobs(1) + 0.3 * blobs(2))
    edges = np.linspace(-1, 1, 17)[1:-1]
    expected = [
        normalized_mutual_info_score(np.digitize(a.ravel(), edges), np.digitize(b.ravel(), edges))
        for a, b in zip(first.astype(np.float64), second.astype(np.float64), strict=True)
    ]
    assert mutual_information(first.astype(np.float64), second.astype(np.float64), bins=16) == pytest.approx(expected)


def test_mutual_information_is_one_for_a_negative_and_zero_for_a_constant() -> None:
    images = np.where(blobs(3) > 0, 0.8, -0.8)
    assert mutual_information(images, -images) == pytest.approx(1.0)
    assert not mutual_information(images, np.zeros_like(images)).any()
    assert not mutual_information(np.zeros_like(images), np.zeros_like(images)).any()


def test_translations_are_recognized_by_their_edges_and_no_better_than_chance_where_all_are_one() -> None:
    scenes = np.random.default_rng(0).normal(size=(6, 1, 16, 16))
    assert recognized(scenes, -2 * scenes + 1) == 1.0
    assert recognized(scenes, scenes[:1].repeat(6, 0)) == 0.5
    # Two changed places; counted by hand from the correlations of all pairs.
    correlation = [[np.corrcoef(edges(one), edges(two))[0, 1] for two in scenes[[1, 0, 2, 3, 4, 5]]] for one in scenes]
    wins = [
        correlation[row][row] > correlation[row][column] for row in range(6) for column in range(6) if row != column
    ]
    assert recognized(scenes, scenes[[1, 0, 2, 3, 4, 5]]) == pytest.approx(np.mean(wins))


def edges(image: np.ndarray) -> np.ndarray:
    return gaussian_gradient_magnitude(image[0], 1.0).ravel()
