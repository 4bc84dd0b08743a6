from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from medsynth_image_quality import ImageQualityConfig
from medsynth_image_quality.model import ImageQuality

from medsynth.api import Evidence, ImageSet
from medsynth.statistics import (
    distance_to_memory,
    extrapolated_frechet_distance,
    frechet_distance,
    kernel_distance,
    overlap,
)

OVERLAP = ("precision", "recall", "density", "coverage")


class Corners:
    """An extractor of four features: the mean of each quarter of an image. Counts what it was sent."""

    name = "corners"
    dimension = 4

    def __init__(self) -> None:
        self.batches: list[int] = []

    def features(self, images: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(images))
        return torch.nn.functional.adaptive_avg_pool2d(images.mean(1, keepdim=True), 2).flatten(1)


def image_set(n: int, seed: int, shift: float = 0.0, per_patient: int = 1) -> ImageSet:
    rng = np.random.default_rng(seed)
    owner = np.arange(n) // per_patient
    return ImageSet(
        images=np.clip(rng.normal(shift, 0.3, size=(n, 1, 8, 8)), -1, 1).astype(np.float32),
        labels=np.arange(n) % 2,
        patients=np.array([f"p{seed}-{k}" for k in owner], dtype=object),
        names=np.array([f"i{seed}-{k}" for k in range(n)], dtype=object),
    )


def evidence(extractor: Corners | None = None, **changes: object) -> Evidence:
    parts = {
        "real": image_set(40, 0),
        "source": image_set(30, 1, shift=0.5),
        "synthetic": image_set(30, 2, shift=0.1),
        "training": image_set(90, 3),
        "truth": None,
        "predictions": {},
        "networks": {},
        "extractor": lambda name: extractor or Corners(),
        "seed": 5,
    }
    return Evidence(**{**parts, **changes})


def table(found) -> dict:
    return {(score.name, score.subject): score for score in found}


def test_values_equal_the_distances_of_the_features():
    given = evidence()
    found = table(ImageQuality(ImageQualityConfig(subsets=10)).scores(given))
    real, synthetic = (Corners().features(torch.from_numpy(s.images)).numpy() for s in (given.real, given.synthetic))
    assert found["fid", "synthetic"].value == pytest.approx(frechet_distance(synthetic, real))
    assert found["kid", "synthetic"].value == pytest.approx(kernel_distance(synthetic, real).value)


def test_translated_images_lie_between_the_source_and_the_floor():
    found = table(ImageQuality(ImageQualityConfig()).scores(evidence()))
    for name in ("fid", "kid"):
        values = [found[name, subject].value for subject in ("real", "synthetic", "source")]
        assert values == sorted(values)


def test_each_score_names_n_reference_extractor_and_direction():
    for score in ImageQuality(ImageQualityConfig()).scores(evidence()):
        assert score.n == 30
        assert "30 against 40 real" in score.detail
        assert "extractor corners, 4 features" in score.detail
        assert score.higher_is_better is (score.name in OVERLAP)


def test_the_interval_of_kid_holds_its_value_and_fid_has_none():
    found = table(ImageQuality(ImageQualityConfig()).scores(evidence()))
    kid = found["kid", "synthetic"]
    assert kid.low < kid.value < kid.high
    assert found["fid", "synthetic"].low is None


def test_no_subsets_mean_no_interval():
    found = table(ImageQuality(ImageQualityConfig(subsets=0)).scores(evidence()))
    assert (found["kid", "synthetic"].low, found["kid", "synthetic"].high) == (None, None)


def test_the_bias_of_fewer_images_than_features_is_stated_beside_each_value():
    class Wide(Corners):
        dimension = 192

        def features(self, images: torch.Tensor) -> torch.Tensor:
            return images.repeat(1, 3, 1, 1).flatten(1)

    found = table(ImageQuality(ImageQualityConfig(extrapolate=True)).scores(evidence(Wide())))
    assert "fewer images than features: FID is biased" in found["fid", "real"].detail
    assert "much of the bias is left" in found["fid_infinity", "synthetic"].detail
    assert not [score for score in found.values() if score.warning], "most runs have few images"
    enough = table(ImageQuality(ImageQualityConfig(extrapolate=True)).scores(evidence()))
    assert not [score for score in enough.values() if "fewer" in score.detail]


def test_the_floor_judges_as_many_training_images_as_there_are_synthetic_ones():
    found = table(ImageQuality(ImageQualityConfig()).scores(evidence(training=image_set(12, 3))))
    assert found["fid", "real"].n == 12
    assert "real training images" in found["fid", "real"].detail


def test_without_training_images_the_floor_is_two_halves_by_patient():
    real = image_set(40, 0, per_patient=4)
    found = table(ImageQuality(ImageQualityConfig()).scores(evidence(real=real, training=image_set(0, 3))))
    assert found["kid", "real"].n == 20
    assert "two halves of the real test images, split by patient" in found["kid", "real"].detail


def test_each_image_is_sent_through_the_extractor_once():
    extractor = Corners()
    ImageQuality(ImageQualityConfig(batch_size=16)).scores(evidence(extractor))
    assert sum(extractor.batches) == 40 + 30 + 30 + 90
    assert max(extractor.batches) == 16


def test_without_mifid_only_as_many_training_images_are_needed_as_the_floor_takes():
    extractor = Corners()
    found = ImageQuality(ImageQualityConfig(mifid=False)).scores(evidence(extractor))
    assert sum(extractor.batches) == 40 + 30 + 30 + 30
    with_it = ImageQuality(ImageQualityConfig()).scores(evidence())
    assert found == [score for score in with_it if score.name != "mifid"]


def test_scores_repeat_exactly_and_depend_on_the_seed():
    judge = ImageQuality(ImageQualityConfig())
    given = evidence()
    assert judge.scores(given) == judge.scores(given)
    other = table(judge.scores(dataclasses.replace(given, seed=6)))
    assert other["fid", "real"].value != table(judge.scores(given))["fid", "real"].value


def test_a_subject_of_a_single_image_is_left_out():
    found = ImageQuality(ImageQualityConfig()).scores(evidence(synthetic=image_set(1, 2)))
    assert {score.subject for score in found} == {"source"}


def features(images: ImageSet) -> np.ndarray:
    return Corners().features(torch.from_numpy(images.images)).numpy()


def test_overlap_is_that_of_the_features_with_intervals_by_patient():
    given = evidence(synthetic=image_set(30, 2, shift=0.1, per_patient=3), real=image_set(40, 0, per_patient=4))
    found = table(ImageQuality(ImageQualityConfig(neighbors=3, resamples=50)).scores(given))
    expected = overlap(features(given.synthetic), features(given.real), neighbors=3)
    for name, side, per_patient in (("precision", given.synthetic, 3), ("recall", given.real, 4)):
        values = getattr(expected, name)
        score = found[name, "synthetic"]
        assert score.value == values.mean()
        by_patient = values.reshape(-1, per_patient)
        draws = np.random.default_rng(5).integers(0, len(by_patient), size=(50, len(by_patient)))
        # Names are numbered in sorted order, here that of p0-0 to p0-9.
        assert len(np.unique(side.patients)) == len(by_patient) == 10
        assert (score.low, score.high) == pytest.approx(
            tuple(np.quantile([by_patient[draw].mean() for draw in draws], [0.025, 0.975]))
        )
    assert found["density", "synthetic"].value == expected.density.mean()
    assert found["coverage", "synthetic"].value == expected.coverage.mean()


def test_the_floor_overlaps_with_real_images_and_the_source_does_not():
    found = table(ImageQuality(ImageQualityConfig()).scores(evidence()))
    for name in OVERLAP:
        assert found[name, "source"].value < 0.2 < 0.6 < found[name, "real"].value


def test_where_no_image_overlaps_there_is_no_interval_that_would_feign_certainty():
    found = table(ImageQuality(ImageQualityConfig()).scores(evidence(synthetic=image_set(30, 2, shift=0.9))))
    assert found["coverage", "synthetic"].value == 0.0
    assert found["coverage", "synthetic"].low is None


def test_too_few_images_for_the_neighbors_leave_overlap_out():
    found = table(ImageQuality(ImageQualityConfig()).scores(evidence(synthetic=image_set(5, 2))))
    assert ("fid", "synthetic") in found
    assert ("precision", "synthetic") not in found
    assert ("precision", "source") in found


def test_mifid_is_fid_for_new_images_and_far_larger_for_copies_of_training_images():
    given = evidence()
    found = table(ImageQuality(ImageQualityConfig()).scores(given))
    assert found["mifid", "synthetic"].value == found["fid", "synthetic"].value
    training = given.training
    slightly = np.clip(training.images[:30] + np.random.default_rng(1).normal(0, 1e-3, (30, 1, 8, 8)), -1, 1)
    copies = dataclasses.replace(given.synthetic, images=slightly.astype(np.float32))
    found = table(ImageQuality(ImageQualityConfig()).scores(evidence(synthetic=copies)))
    memory = distance_to_memory(features(copies), features(training))
    assert found["mifid", "synthetic"].value == pytest.approx(found["fid", "synthetic"].value / memory)
    assert found["mifid", "synthetic"].value > 1000 * found["fid", "synthetic"].value


def test_mifid_takes_a_threshold_of_its_own():
    given = evidence()
    memory = distance_to_memory(features(given.synthetic), features(given.training))
    found = table(ImageQuality(ImageQualityConfig(memorization=2 * memory)).scores(given))
    assert found["mifid", "synthetic"].value == pytest.approx(found["fid", "synthetic"].value / memory)


def test_extrapolated_fid_is_that_of_the_features_and_left_out_unless_asked_for():
    given = evidence()
    found = table(ImageQuality(ImageQualityConfig(extrapolate=True)).scores(given))
    patients = given.synthetic.patients, given.real.patients
    expected = extrapolated_frechet_distance(features(given.synthetic), features(given.real), groups=patients, seed=5)
    assert found["fid_infinity", "synthetic"].value == pytest.approx(expected)
    assert "fid_infinity" not in {score.name for score in ImageQuality(ImageQualityConfig()).scores(given)}


def test_too_few_patients_leave_extrapolation_out():
    given = evidence(synthetic=image_set(30, 2, per_patient=10))
    found = table(ImageQuality(ImageQualityConfig(extrapolate=True)).scores(given))
    assert ("fid_infinity", "synthetic") not in found
    assert ("fid_infinity", "source") in found


def test_a_limit_takes_images_spread_evenly_and_keeps_translations_with_their_sources():
    counting = Corners()
    found = table(ImageQuality(ImageQualityConfig(images=20, mifid=False)).scores(evidence(counting)))
    rows = {name: np.linspace(0, n - 1, 20).round().astype(int) for name, n in (("real", 40), ("synthetic", 30))}
    expected = [features(getattr(evidence(), name))[chosen] for name, chosen in rows.items()]
    assert found["fid", "synthetic"].value == pytest.approx(frechet_distance(expected[1], expected[0]))
    assert found["kid", "synthetic"].n == found["kid", "real"].n == 20
    assert sum(counting.batches) == 4 * 20
    whole = ImageQuality(ImageQualityConfig(images=500)).scores(evidence())
    assert whole == ImageQuality(ImageQualityConfig()).scores(evidence())
