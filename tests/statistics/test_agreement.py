from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from medsynth.statistics import cohen_kappa, fleiss_kappa


@pytest.mark.parametrize("seed", range(5))
def test_cohens_kappa_equals_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 3, 40)
    second = np.where(rng.random(40) < 0.6, first, rng.integers(0, 4, 40))
    assert cohen_kappa(first, second) == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)


def test_categories_may_be_names():
    first, second = np.array(["yes", "no", "yes", "no"]), np.array(["yes", "no", "no", "no"])
    assert cohen_kappa(first, second) == pytest.approx(0.5)


def test_always_and_never_agreeing():
    assert cohen_kappa([0, 1, 0, 1], [0, 1, 0, 1]) == 1.0
    assert cohen_kappa([0, 1, 0, 1], [1, 0, 1, 0]) == -1.0


def test_one_category_alone_has_no_kappa():
    assert np.isnan(cohen_kappa([1, 1], [1, 1]))
    assert np.isnan(fleiss_kappa([[3, 0], [3, 0]]))


def test_fleiss_kappa_of_fourteen_readers_and_ten_cases_is_the_known_one():
    # The worked example of 14 readers, 10 cases and 5 categories: kappa 0.210.
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    assert fleiss_kappa(counts) == pytest.approx(0.210, abs=5e-4)


@pytest.mark.parametrize("seed", range(3))
def test_fleiss_kappa_equals_a_loop_over_pairs_of_readers(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, 30)
    readings = np.where(rng.random((30, 5)) < 0.8, truth[:, None], 1 - truth[:, None])
    pairs = [(case[i], case[j]) for case in readings for i in range(5) for j in range(5) if i != j]
    observed = np.mean([one == two for one, two in pairs])
    share = readings.mean()
    expected = share**2 + (1 - share) ** 2
    counts = np.stack([(readings == k).sum(1) for k in (0, 1)], axis=1)
    assert fleiss_kappa(counts) == pytest.approx((observed - expected) / (1 - expected))


def test_readers_must_have_read_the_same_cases():
    with pytest.raises(ValueError, match="from both readers"):
        cohen_kappa([0, 1], [0])
    with pytest.raises(ValueError, match="from both readers"):
        cohen_kappa([], [])
    with pytest.raises(ValueError, match="same number of readers"):
        fleiss_kappa([[2, 1], [2, 0]])
    with pytest.raises(ValueError, match="same number of readers"):
        fleiss_kappa([[1, 0], [0, 1]])
