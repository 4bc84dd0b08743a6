"""Evaluator structure."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from medsynth_structure import StructureConfig, medsynth_evaluator
from medsynth_structure.model import Structure
from scipy.ndimage import correlate1d

from medsynth.api import Evidence, ImageSet
from medsynth.statistics import bootstrap_mean, edge_agreement


def smooth(seed: int, count: int, size: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(count, 1, size, size))
    for axis in (-1, -2):
        noise = correlate1d(noise, np.ones(5) / 5, axis=axis, mode="wrap")
    return np.tanh(2.0 * noise).astype(np.float32)


def image_set(images: np.ndarray, per_patient: int = 2) -> ImageSet:
    owners = np.arange(len(images)) // per_patient
    return ImageSet(
        images=images,
        labels=np.arange(len(images)) % 2,
        patients=np.array([f"p{k}" for k in owners], dtype=object),
        names=np.array([f"i{k}" for k in range(len(images))], dtype=object),
    )


def evidence(*, count: int = 20, size: int = 24, **changes: object) -> Evidence:
    truth = smooth(0, count, size)
    source = -truth
    parts = {
        "source": image_set(source),
        "synthetic": image_set((0.8 * truth + 0.2 * smooth(1, count, size)).astype(np.float32)),
        "truth": image_set(truth),
        "real": image_set(smooth(2, count, size)),
        "training": image_set(smooth(3, count, size)),
        "predictions": {},
        "networks": {},
        "extractor": lambda name: None,
        "seed": 5,
    }
    return Evidence(**{**parts, **changes})


def table(given: Evidence, **options: object) -> dict:
    return {(s.name, s.subject): s for s in Structure(StructureConfig(**options)).scores(given)}


def test_declaring_imports_no_torch() -> None:
    code = "import sys, medsynth_structure as p; p.medsynth_evaluator(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert medsynth_evaluator().name == "structure"


def test_ssim_equals_a_loop_over_windows() -> None:
    given = evidence(count=2)
    offsets = np.arange(-5, 6)
    window = np.exp(-0.5 * (offsets / 1.5) ** 2)
    window = np.outer(window, window) / window.sum() ** 2
    c1, c2 = 0.01**2, 0.03**2
    values = []
    for a, b in zip(given.truth.images[:, 0].astype(float), given.synthetic.images[:, 0].astype(float), strict=True):
        a, b = 0.5 * a + 0.5, 0.5 * b + 0.5
        places = []
        for row in range(14):
            for column in range(14):
                x, y = a[row : row + 11, column : column + 11], b[row : row + 11, column : column + 11]
                mx, my = (window * x).sum(), (window * y).sum()
                vx, vy = (window * x * x).sum() - mx**2, (window * y * y).sum() - my**2
                cross = (window * x * y).sum() - mx * my
                places.append((2 * mx * my + c1) * (2 * cross + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
        values.append(np.mean(places))
    assert table(given)["ssim", "synthetic"].value == pytest.approx(np.mean(values), abs=1e-6)


def test_psnr_equals_its_definition_per_image() -> None:
    given = evidence()
    errors = ((given.truth.images.astype(float) - given.synthetic.images) ** 2).mean((1, 2, 3))
    score = table(given)["psnr", "synthetic"]
    assert score.value == pytest.approx(np.mean(10 * np.log10(4 / errors)), abs=1e-5)
    assert score.unit == "dB"


def test_a_translation_is_compared_with_its_own_source_and_with_the_truth() -> None:
    given = evidence()
    found = table(given)
    assert found["edge_agreement", "synthetic"].value == pytest.approx(
        edge_agreement(given.source.images, given.synthetic.images).mean()
    )
    # The source is the truth's negative: its edges are right, its values are not.
    assert found["edge_agreement_true", "source"].value == pytest.approx(1.0)
    assert found["ssim", "source"].value < 0.0 < found["ssim", "synthetic"].value


def test_intervals_resample_patients() -> None:
    given = evidence()
    score = table(given, resamples=300)["edge_agreement", "synthetic"]
    values = edge_agreement(given.source.images, given.synthetic.images)
    expected = bootstrap_mean(values, given.source.patients, resamples=300, seed=5)
    assert (score.low, score.high) == expected
    assert score.low < score.value < score.high
    assert table(given, resamples=0)["edge_agreement", "synthetic"].low is None


def test_without_true_counterparts_only_the_source_is_compared() -> None:
    assert set(table(evidence(truth=None))) == {("edge_agreement", "synthetic"), ("mutual_information", "synthetic")}


def test_several_scales_are_compared_where_the_image_is_large_enough() -> None:
    assert ("ms_ssim", "synthetic") not in table(evidence(count=2, size=175), resamples=0)
    found = table(evidence(count=2, size=176), resamples=0)
    assert found["ms_ssim", "source"].value < found["ms_ssim", "synthetic"].value < 1.0


def test_a_perfect_translation_has_infinite_psnr_without_an_interval() -> None:
    given = evidence(count=4)
    found = table(dataclasses.replace(given, synthetic=given.truth))
    assert found["psnr", "synthetic"].value == np.inf
    assert found["psnr", "synthetic"].low is None
    assert found["ssim", "synthetic"].value == pytest.approx(1.0)


def test_nothing_is_scored_without_images() -> None:
    empty = image_set(np.zeros((0, 1, 8, 8), np.float32))
    assert table(evidence(source=empty, synthetic=empty, truth=empty)) == {}
