"""Evaluator privacy: a generator that copies training images is flagged, an honest one is not."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from medsynth_privacy import PrivacyConfig, medsynth_report_sections
from medsynth_privacy.model import Privacy
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

from medsynth.api import Evidence, ImageSet, Result, RunInfo


class Pooled:
    """An extractor of 64 features: means of a grid."""

    name = "pooled"
    dimension = 64

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(images.mean(1, keepdim=True), 8).flatten(1)


def pictures(n: int, seed: int) -> np.ndarray:
    """Return smooth random images with speckle, (N, 1, 32, 32)."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(size=(n, 32, 32)), (0, 3, 3))
    return np.clip(3.0 * smooth + 0.1 * rng.normal(size=smooth.shape), -1, 1).astype(np.float32)[:, None]


def image_set(images: np.ndarray, name: str, per_patient: int = 1) -> ImageSet:
    count = len(images)
    return ImageSet(
        images=images,
        labels=np.arange(count) % 2,
        patients=np.array([f"{name}{k // per_patient}" for k in range(count)], dtype=object),
        names=np.array([f"{name}/{k:02}.png" for k in range(count)], dtype=object),
    )


TRAINING, HELD_OUT = image_set(pictures(60, 0), "train"), image_set(pictures(30, 1), "test", per_patient=2)


def evidence(synthetic: np.ndarray, folder: Path | str = "", **changes: object) -> Evidence:
    parts = {
        "real": HELD_OUT,
        "source": image_set(pictures(len(synthetic), 9), "source"),
        "synthetic": image_set(synthetic, "source"),
        "training": TRAINING,
        "truth": None,
        "predictions": {},
        "networks": {},
        "extractor": lambda name: Pooled(),
        "seed": 5,
        "folder": str(folder),
    }
    return Evidence(**{**parts, **changes})


def judge(synthetic: np.ndarray, folder: Path | str = "", *, options: dict | None = None, **changes) -> dict:
    found = Privacy(PrivacyConfig(**{"resamples": 200, **(options or {})})).scores(
        evidence(synthetic, folder, **changes)
    )
    return {(score.name, score.subject): score for score in found}


def noisy(images: np.ndarray) -> np.ndarray:
    return np.clip(images + np.random.default_rng(8).normal(0, 0.1, images.shape), -1, 1).astype(np.float32)


COPIES = {
    "exact": lambda images: images,
    "noisy": noisy,
    "mirrored": lambda images: images[..., ::-1],
    "darker, of less contrast": lambda images: 0.6 * images - 0.3,
    "shifted": lambda images: np.roll(images, (1, -2), axis=(2, 3)),
    "blurred": lambda images: gaussian_filter(images, (0, 0, 1, 1)),
}


@pytest.mark.parametrize("change", COPIES.values(), ids=COPIES)
def test_a_generator_that_copies_training_images_is_flagged_with_the_pairs(change):
    chosen = np.random.default_rng(3).permutation(60)[:24]
    score = judge(change(TRAINING.images[chosen]))["memorized", "synthetic"]
    assert score.value == 1.0
    assert score.warning.startswith("privacy: 24 of 24 synthetic images look like copies of training images")
    pairs = [item.split(" from ") for item in score.detail.split("; ")[1].split(" and ")[0].split(", ")]
    assert len(pairs) == 10
    for synthetic, training in pairs:
        assert training.startswith(f"train/{chosen[int(synthetic[-6:-4])]:02}.png (0.")


@pytest.mark.parametrize("seed", range(5))
def test_an_honest_generator_raises_no_warning(seed):
    found = judge(pictures(24, 100 + seed))
    assert [score.warning for score in found.values()] == [""] * len(found)
    assert found["memorized", "synthetic"].value == found["memorized", "real"].value == 0.0
    assert found["memorized", "synthetic"].high is None  # not 0: twenty-four images cannot exclude one in a hundred
    assert found["memorized", "synthetic"].detail.split("; ")[1].startswith("closest: source/")


def test_blurred_and_constant_images_are_no_copies():
    blurred = gaussian_filter(pictures(24, 50), (0, 0, 4, 4))
    assert judge(blurred)["memorized", "synthetic"].value == 0.0
    assert judge(np.zeros((4, 1, 32, 32), np.float32))["memorized", "synthetic"].value == 0.0


def test_a_few_copies_among_honest_images_are_found():
    images = pictures(24, 100)
    images[[3, 17]] = noisy(TRAINING.images[[41, 8]])
    score = judge(images)["memorized", "synthetic"]
    assert score.value == pytest.approx(2 / 24)
    assert score.low < score.value < score.high
    assert {"source/03.png from train/41.png", "source/17.png from train/08.png"} == {
        pair.split(" (")[0] for pair in score.detail.split("; ")[1].split(", ")
    }


def test_the_distance_ratio_and_membership_tell_copies_from_honest_images():
    honest, copies = judge(pictures(24, 100)), judge(noisy(TRAINING.images[:40]))
    for ending in ("", "_pixels"):
        ratio, area = ((f"{name}{ending}", "synthetic") for name in ("distance_ratio", "membership_auc"))
        assert copies[ratio].high < 0.6 < 0.9 < honest[ratio].value < 1.1
        assert copies[area].low > 0.6
        assert "membership inference" in copies[area].warning
        assert honest[area].low < 0.5 < honest[area].high


def features(images: np.ndarray) -> np.ndarray:
    return Pooled().features(torch.from_numpy(images)).double().numpy()


def smallest(image: np.ndarray, others: np.ndarray) -> float:
    return min(float(np.linalg.norm(image - other)) for other in others)


def test_membership_auc_is_that_of_a_loop_over_distances():
    images = pictures(12, 100)
    distances = [smallest(x, features(images)) for one in (TRAINING, HELD_OUT) for x in features(one.images)]
    score = judge(images)["membership_auc", "synthetic"]
    assert score.value == pytest.approx(roc_auc_score([1] * 60 + [0] * 30, np.negative(distances)))
    assert score.n == 90


def test_the_distance_ratio_is_that_of_a_loop_over_distances():
    images, training, held_out = pictures(12, 100), features(TRAINING.images), features(HELD_OUT.images)
    near, far = ([smallest(x, other) for x in features(images)] for other in (training, held_out))
    own_near = [smallest(x, training) for x in held_out]
    own_far = [smallest(x, held_out[HELD_OUT.patients != HELD_OUT.patients[i]]) for i, x in enumerate(held_out)]
    expected = (np.mean(near) / np.mean(far)) / (np.mean(own_near) / np.mean(own_far))
    assert judge(images)["distance_ratio", "synthetic"].value == pytest.approx(expected)


def test_a_true_image_of_the_same_patient_does_not_hide_a_copy():
    synthetic = pictures(6, 100)
    synthetic[0] = TRAINING.images[0]
    true, patients = HELD_OUT.images.copy(), HELD_OUT.patients.copy()
    true[0], patients[0] = noisy(TRAINING.images[0]), "source0"
    score = judge(synthetic, real=replace(HELD_OUT, images=true, patients=patients))["memorized", "synthetic"]
    assert score.value == pytest.approx(1 / 6)


def test_the_pairs_are_left_as_a_table_and_as_a_section_with_pictures(tmp_path):
    images = pictures(10, 100)
    images[4] = TRAINING.images[7]
    judge(images, tmp_path / "evaluation" / "privacy", options={"shown": 3})
    with (tmp_path / "evaluation" / "privacy" / "pairs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert rows[0] == {
        "synthetic": "source/04.png",
        "training": "train/07.png",
        "closeness": "0.0000",
        "memorized": "1",
    }
    assert [row["memorized"] for row in rows[1:]] == ["0"] * 9
    (section,) = sections(tmp_path)
    assert "1 of 10 synthetic images look memorized" in section.html
    assert section.html.count("<figure>") == 3
    assert section.html.count('src="data:image/png;base64,') == 6
    assert "source/04.png, nearest training image train/07.png, closeness 0.00: memorized" in section.html


def sections(folder: Path, evaluators: tuple[str, ...] = ("privacy",)) -> list:
    run = RunInfo(folder=str(folder), plan={"evaluators": dict.fromkeys(evaluators)}, seed=0)
    return list(medsynth_report_sections(run, Result(scores=[], bundle="", report=str(folder / "report.html"))))


def test_names_cannot_become_markup(tmp_path):
    images = pictures(4, 100)
    named = replace(image_set(images, "s"), names=np.array(['<b>"x"', "b", "c", "d"], dtype=object))
    found = Privacy(PrivacyConfig(resamples=100))
    found.scores(replace(evidence(images, tmp_path / "evaluation" / "privacy"), synthetic=named))
    (section,) = sections(tmp_path)
    assert "<b>" not in section.html
    assert section.html.count("&lt;b&gt;&quot;x&quot;") == 2


def test_an_honest_run_shows_its_closest_pairs_and_another_run_no_section(tmp_path):
    judge(pictures(10, 100), tmp_path / "evaluation" / "privacy")
    (section,) = sections(tmp_path)
    assert "None of 10 synthetic images looks memorized" in section.html
    assert ": memorized" not in section.html
    assert sections(tmp_path, ("diagnostic",)) == []
    assert sections(tmp_path / "elsewhere") == []


def test_nothing_to_compare_with_gives_no_scores():
    assert judge(pictures(4, 100), training=image_set(pictures(1, 0)[:0], "t")) == {}


def test_a_single_held_out_patient_still_finds_copies():
    alone = replace(HELD_OUT, patients=np.full(30, "one", dtype=object))
    found = judge(TRAINING.images[:8], real=alone)
    assert found["memorized", "synthetic"].value == 1.0
    assert found["distance_ratio", "synthetic"].low is None
