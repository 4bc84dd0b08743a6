"""Which translations are flagged: what is unusual at its worst places, and far from the features of training."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude

from medsynth.statistics.flags.departures import Usual, edge_differences, residuals
from medsynth.statistics.flags.directions import Directions
from medsynth.statistics.flags.reference import CYCLE, EDGES, Distribution, Reference
from medsynth.statistics.scores.diagnostic import roc_auc

SIZE = 32


def disks(seed: int, count: int, *, spots: bool = True) -> np.ndarray:
    """Dark images with a large bright disk at a random place, and a small dark spot in it: (N, 1, 32, 32)."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    centers, angles = draw.uniform(13, 19, (count, 2)), draw.uniform(0, 6.28, count)
    images = np.full((count, SIZE, SIZE), -0.8)
    for image, (r, c), angle in zip(images, centers, angles, strict=True):
        image[(rows - r) ** 2 + (columns - c) ** 2 < 81] = 0.6
        if spots:
            image[(rows - r - 4 * np.sin(angle)) ** 2 + (columns - c - 4 * np.cos(angle)) ** 2 < 6] = -0.6
    return (images + draw.normal(0, 0.05, images.shape))[:, None].clip(-1, 1).astype(np.float32)


def translated(images: np.ndarray, seed: int) -> np.ndarray:
    """Turn contrast around, dim the right half, and add noise."""
    dimmed = -images * np.linspace(1.0, 0.5, SIZE, dtype=np.float32)
    return (dimmed + np.random.default_rng(seed).normal(0, 0.05, images.shape)).clip(-1, 1).astype(np.float32)


def test_maps_are_those_of_the_formula_and_ignore_contrast() -> None:
    images, others = disks(1, 3), translated(disks(1, 3), 9)
    first, second = (gaussian_gradient_magnitude(stack[2, 0].astype(float), 1.0) for stack in (images, others))
    ratio = (first / first.std() + 0.3) / (second / second.std() + 0.3)
    assert edge_differences(images, others)[2] == pytest.approx(np.log(ratio))
    assert edge_differences(images, -0.5 * images) == pytest.approx(0.0, abs=1e-5)
    smooth = gaussian_filter((others - images)[1, 0].astype(float), 1.0)
    assert residuals(images, others)[1] == pytest.approx(smooth, abs=1e-6)
    assert not edge_differences(np.zeros_like(images), np.zeros_like(images)).any()


def test_the_worst_hundredth_of_the_places_decides_and_what_is_usual_there_does_not_count() -> None:
    draw = np.random.default_rng(3)
    spread = np.where(np.arange(SIZE) < 24, 0.1, 10.0)
    usual = Usual.of(draw.normal(0, 1, (40, SIZE, SIZE)) * spread + 5.0)
    maps = np.full((2, SIZE, SIZE), 5.0)
    maps[0, 10, 1:11], maps[1, 10:12, 27:] = 7.0, 7.0  # as large a departure, but usual on the right
    assert usual.worst(maps)[0] > 10.0 > 1.0 > usual.worst(maps)[1]
    apart = np.sort(np.abs((maps - usual.mean) / usual.deviation).reshape(2, -1))[:, -10:].mean(1)
    assert usual.worst(maps) == pytest.approx(apart)


def test_where_nothing_ever_differs_a_difference_is_large_but_finite() -> None:
    maps = np.zeros((8, SIZE, SIZE))
    maps[:, :8] = np.random.default_rng(0).normal(0, 1, (8, 8, SIZE))
    odd = np.zeros((1, SIZE, SIZE))
    odd[0, 20:24, 20:24] = 1.0
    assert 2.0 < Usual.of(maps).worst(odd)[0] < 100.0
    assert Usual.of(np.zeros((4, SIZE, SIZE))).worst(odd)[0] == pytest.approx(1.0)


def test_distances_are_mahalanobis_of_the_model_covariance() -> None:
    draw = np.random.default_rng(5)
    features = draw.normal(0, 1, (200, 30)) * np.linspace(3.0, 0.5, 30) + 2.0
    found = Directions.of(features)
    covariance = found.axes.T @ np.diag(found.variances - found.rest) @ found.axes + found.rest * np.eye(30)
    apart = draw.normal(0, 3, (7, 30)) - found.mean
    expected = np.sqrt(np.einsum("nd,de,ne->n", apart, np.linalg.inv(covariance), apart))
    assert found.distance(apart + found.mean) == pytest.approx(expected)
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(features.T, bias=True)))[::-1]
    assert found.variances == pytest.approx(eigenvalues[:16])
    assert found.rest == pytest.approx(eigenvalues[16:].mean())


def test_directions_of_few_images_cannot_hold_one_of_them() -> None:
    features = np.random.default_rng(5).normal(0, 1, (9, 50))
    assert len(Directions.of(features).axes) == 2
    assert np.isfinite(Directions.of(np.ones((4, 5))).distance(np.zeros((1, 5)))).all()


def test_percentiles_are_those_of_validation_images_and_the_reason_names_number_and_percentile() -> None:
    values = np.arange(1000.0)
    reference = Reference(numbers={EDGES: Distribution.of(values), CYCLE: Distribution.of(values[:30])})
    quiet, late, beyond = reference.judge({EDGES: np.array([500.0, 995.0, 2000.0]), CYCLE: np.array([3.0, 4.0, 5.0])})
    assert (quiet.reason, quiet.percentiles[EDGES]) == ("", pytest.approx(50.05, abs=0.1))
    assert late.reason == "edge_mismatch 995: percentile 99.6 of 1000"
    assert beyond.reason == "edge_mismatch 2000: above all 1000 validation images"
    assert beyond.suspicion == pytest.approx((2000 - 499.5) / (1.4826 * 250), rel=1e-3)


def test_a_spot_that_was_erased_or_invented_is_found() -> None:
    def maps(seed: int, *, count: int = 40, shown: bool = True, is_there: bool = True) -> dict[str, np.ndarray]:
        source, other = (disks(seed, count, spots=there) for there in (is_there, shown))
        made = translated(other, seed + 100)
        return {EDGES: edge_differences(source, made), CYCLE: residuals(source, translated(made, seed + 200))}

    usual = {name: Usual.of(found) for name, found in maps(1).items()}

    def judged(**asked: bool) -> list[float]:
        return [one.suspicion for one in reference.judge({n: usual[n].worst(m) for n, m in maps(3, **asked).items()})]

    reference = Reference(
        numbers={name: Distribution.of(usual[name].worst(found)) for name, found in maps(2).items()}, maps=usual
    )
    for altered in (judged(shown=False), judged(is_there=False)):
        plain = judged(shown=True)
        assert roc_auc([*plain, *altered], [0] * len(plain) + [1] * len(altered)) > 0.95
