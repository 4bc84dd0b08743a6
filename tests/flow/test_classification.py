"""How a trained classifier gets its temperature and threshold, and judges the test images."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from medsynth.data.images import Images, Record
from medsynth.flow.stages.classification import ROWS, judge, make_rows, validate
from medsynth.statistics import choose_threshold, diagnostic_metrics, fit_temperature, selection_key
from medsynth.training.devices import Policy


class Mean(nn.Module):
    """The margin is ten times an image's mean: far too sure."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([torch.zeros(len(images)), 10 * images.mean((1, 2, 3))], 1)


@dataclass
class Flat:
    """Images of one value each."""

    values: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def read(self, row: int) -> np.ndarray:
        return np.full((1, 4, 4), self.values[row], np.float32)

    @property
    def records(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(extra={})] * len(self)

    @property
    def patients(self) -> np.ndarray:
        return np.arange(len(self)).astype(str)


def drawn(seed: int, count: int = 70) -> Flat:
    rng = np.random.default_rng(seed)
    values = rng.uniform(-0.5, 0.5, count).astype(np.float32)
    return Flat(values, (rng.random(count) < expit(4 * values)).astype(int))


def predictions(policy: str, *, calibrate: bool, test: Flat | None = None):
    return judge(Mean(), drawn(0), test or drawn(1), policy=Policy("cpu"), threshold_policy=policy, calibrate=calibrate)


@pytest.mark.parametrize("calibrate", [False, True])
def test_temperature_and_threshold_come_from_validation_images_alone(calibrate):
    found, other = (predictions("screening", calibrate=calibrate, test=drawn(seed)) for seed in (1, 2))
    known, margins = drawn(0), 10 * drawn(0).values.astype(float)
    expected = fit_temperature(margins, known.labels) if calibrate else 1.0
    assert (found.temperature, found.threshold) == (other.temperature, other.threshold)
    assert found.temperature == pytest.approx(expected, rel=1e-5)
    plain = choose_threshold(expit(margins), known.labels)
    assert found.threshold == pytest.approx(expit(logit(plain) / expected), abs=1e-5)


def test_probabilities_are_those_of_logits_divided_by_the_temperature():
    found = predictions("screening", calibrate=True)
    assert found.temperature > 1.5
    np.testing.assert_allclose(found.probabilities, expit(10 * drawn(1).values / found.temperature), atol=1e-6)


@pytest.mark.parametrize("policy", ["half", "screening", "youden"])
def test_calibration_keeps_ranks_and_decisions_and_lowers_the_cross_entropy(policy):
    test = drawn(1, 5000)  # so many that chance does not decide which loss is lower
    plain, found = (predictions(policy, calibrate=calibrate, test=test) for calibrate in (False, True))
    labels = test.labels
    assert roc_auc_score(labels, found.probabilities) == roc_auc_score(labels, plain.probabilities)
    assert ((found.probabilities >= found.threshold) == (plain.probabilities >= plain.threshold)).all()

    def loss(probabilities: np.ndarray) -> float:
        return float(-np.log(np.where(labels == 1, probabilities, 1 - probabilities)).mean())

    assert loss(found.probabilities) < loss(plain.probabilities)


@pytest.mark.parametrize("seed", range(4))
def test_validation_scores_equal_the_definitions_and_0_5_is_called_positive(seed):
    images = drawn(seed)
    images.values[:4] = 0.0  # probability 0.5
    key, values = validate(Mean(), images, Policy("cpu"))
    probabilities = expit(10 * images.values.astype(float))
    expected = diagnostic_metrics(probabilities, images.labels, 0.5)
    bins = np.clip((10 * probabilities).astype(int), 0, 9)
    sums = [(probabilities - images.labels)[bins == k].sum() for k in range(10)]
    expected["calibration_error"] = float(np.abs(sums).sum() / len(probabilities))
    assert values == pytest.approx({name: expected[name] for name in values}, abs=1e-6)
    assert key == selection_key(values["sensitivity"], values["specificity"], values["roc_auc"])


def test_a_sensitivity_of_19_in_20_is_enough_for_screening():
    images = Flat(np.array([-0.3, *[0.3] * 19, -0.2, 0.2], np.float32), np.array([1] * 20 + [0, 0]))
    key, values = validate(Mean(), images, Policy("cpu"))
    assert (key[0], values["sensitivity"]) == (True, 0.95)


def labeled(domain: str, labels: list[int | None]) -> Images:
    records = tuple(
        Record(image=f"{domain}{index}", domain=domain, label=label, patient=f"{domain}{index}", split="train")
        for index, label in enumerate(labels)
    )
    return Images(records, np.zeros((len(labels), 1, 8, 8), np.float32), np.arange(len(labels)))


def test_every_row_sees_the_real_images_its_own_labeled_ones_and_takes_as_many_steps() -> None:
    added = {
        "synthetic": labeled("synthetic", [1, 0, 1, 0]),
        "untranslated": labeled("source", [1, 0, 1, None]),
        "oracle": labeled("oracle", []),
    }
    rows = make_rows(labeled("target", [1, 0, 0, 0]), added, batch_size=2)
    found = {name: len(row.added) if row.added is not None else 0 for name, row in rows.items()}
    assert found == {"synthetic": 4, "real-only": 0, "untranslated": 3}
    assert list(found) == [name for name in ROWS if name != "oracle"]
    assert {row.steps for row in rows.values()} == {4}


def test_sources_without_any_label_are_no_control() -> None:
    added = {"synthetic": labeled("synthetic", [None, None]), "untranslated": labeled("source", [None, None])}
    assert list(make_rows(labeled("target", [1, 0]), added, batch_size=2)) == ["synthetic", "real-only"]
