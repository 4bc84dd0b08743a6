"""Evaluator structure."""

from __future__ import annotations

import csv
import dataclasses

import numpy as np
import pytest
import torch
from medsynth_structure import StructureConfig
from medsynth_structure.junction import continuity
from medsynth_structure.model import Structure
from medsynth_structure.tissues import JUNCTION, OTHER, classes_of, dice
from PIL import Image
from scipy.ndimage import correlate1d, gaussian_filter

from medsynth.api import Evidence, ImageSet
from medsynth.data.phantom.anatomy import Tissue
from medsynth.data.phantom.cohort import write_phantom
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


def test_flicker_is_the_change_between_neighboring_slices_as_a_multiple_of_the_source_s() -> None:
    given = evidence(count=8)
    names = np.array([f"{file}#{k}" for file in ("a.nii", "b.nii") for k in (3, 0, 1, 2)], dtype=object)
    source = dataclasses.replace(given.source, names=names)
    rows = [[1, 2, 3, 0], [5, 6, 7, 4]]
    expected = np.mean(
        [
            np.abs(np.diff(given.synthetic.images[order], axis=0)).mean()
            / np.abs(np.diff(given.source.images[order], axis=0)).mean()
            for order in rows
        ]
    )
    score = table(dataclasses.replace(given, source=source))["flicker", "synthetic"]
    assert (score.value, score.n, score.higher_is_better) == (pytest.approx(expected), 2, False)
    gap = np.array([f"a.nii#{2 * k}" for k in range(8)], dtype=object)
    assert ("flicker", "synthetic") not in table(
        dataclasses.replace(given, source=dataclasses.replace(source, names=gap))
    )


def test_nothing_is_scored_without_images() -> None:
    empty = image_set(np.zeros((0, 1, 8, 8), np.float32))
    assert table(evidence(source=empty, synthetic=empty, truth=empty)) == {}


# ---------------------------------------------------------------- tissues recovered on the phantom


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Evidence in which every translation is the true ultrasound image."""
    manifest = write_phantom(
        tmp_path_factory.mktemp("data") / "phantom", source=20, negative=120, positive=24, test=12, size=64, seed=42
    )
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    def images(domain: str, split: str, column: str = "image") -> np.ndarray:
        chosen = [row for row in rows if (row["domain"], row["split"]) == (domain, split)]
        return np.stack([np.asarray(Image.open(manifest.parent / row[column])) for row in chosen])

    def scaled(domain: str, split: str) -> ImageSet:
        return image_set((images(domain, split)[:, None] / 127.5 - 1.0).astype(np.float32), per_patient=1)

    truth = scaled("oracle", "test")
    return evidence(
        source=scaled("source", "test"),
        synthetic=truth,
        truth=truth,
        training=scaled("target", "train"),
        tissues={"source": images("source", "test", "mask"), "training": images("target", "train", "mask")},
    )


def changed(given: Evidence, images: np.ndarray) -> dict:
    """Return the scores of other translations."""
    return table(dataclasses.replace(given, synthetic=image_set(images, per_patient=1)), resamples=0)


@pytest.fixture(scope="module")
def recovered(phantom: Evidence) -> dict:
    return table(phantom, resamples=200)


TISSUES = ("dice_cavity", "dice_junction", "dice_myometrium")
JUNCTIONS = ("junction_continuity", "breach_kept")
HIGH = dict(zip((*TISSUES, *JUNCTIONS), (0.7, 0.75, 0.65, 0.9, 0.9), strict=True))


def test_tissues_are_recovered_from_true_images(recovered: dict) -> None:
    for name, least in HIGH.items():
        assert recovered[name, "synthetic"].value >= least
        assert recovered[name, "synthetic"].value == recovered[name, "truth"].value


def test_intervals_of_recovered_tissues_resample_patients(recovered: dict) -> None:
    score = recovered["dice_cavity", "synthetic"]
    assert score.low < score.value < score.high
    assert score.n == 24
    assert recovered["breach_kept", "synthetic"].n == 12


def test_tissues_are_not_recovered_from_images_of_other_patients(phantom: Evidence, recovered: dict) -> None:
    found = changed(phantom, np.roll(phantom.truth.images, 7, axis=0))
    for name in (*TISSUES, "junction_continuity"):
        assert found[name, "synthetic"].value < 0.6 * recovered[name, "truth"].value


def test_blur_loses_the_thin_junctional_zone(phantom: Evidence, recovered: dict) -> None:
    found = changed(phantom, gaussian_filter(phantom.truth.images, (0, 0, 3, 3)))
    for name in ("dice_junction", "junction_continuity"):
        assert found[name, "synthetic"].value < 0.6 * recovered[name, "truth"].value


def test_an_image_of_nothing_keeps_no_junctional_zone(phantom: Evidence) -> None:
    found = changed(phantom, np.zeros_like(phantom.truth.images))
    assert found["dice_cavity", "synthetic"].value == found["junction_continuity", "synthetic"].value == 0.0


def test_without_true_tissues_none_are_recovered(phantom: Evidence, recovered: dict) -> None:
    found = table(dataclasses.replace(phantom, tissues={}), resamples=0)
    assert {name for name, _ in recovered} - {name for name, _ in found} == {*TISSUES, *JUNCTIONS}


def test_recovering_repeats_exactly_and_leaves_random_numbers_alone(phantom: Evidence, recovered: dict) -> None:
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    again = table(phantom, resamples=200)
    assert torch.equal(torch.rand(3), expected)
    assert again == recovered


def test_dice_is_twice_the_common_area_by_the_sum_of_areas() -> None:
    truth, found = np.zeros((3, 2, 4), int), np.zeros((3, 2, 4), int)
    truth[0, 0], found[0, :, :2], found[1, 0, 0] = 1, 1, 1
    assert dice(found, truth, 1) == pytest.approx([0.5, 0.0, np.nan], nan_ok=True)


def ring(*, breach: bool) -> np.ndarray:
    """Return a round cavity in a closed zone, or with a lesion that breaks through to the right."""
    y, x = np.mgrid[-16:17, -16:17]
    radius = np.hypot(x, y)
    tissues = np.full(radius.shape, Tissue.MYOMETRIUM, np.uint8)
    tissues[radius < 10] = Tissue.JUNCTION
    tissues[radius < 7] = Tissue.ENDOMETRIUM
    if breach:
        tissues[(np.abs(np.arctan2(y, x)) < 0.5) & (radius > 3) & (radius < 13)] = Tissue.LESION
    return tissues


def test_a_zone_is_continuous_where_the_true_one_is_and_open_where_a_lesion_is() -> None:
    closed, open_ = (classes_of(ring(breach=breach)) for breach in (False, True))
    assert continuity(closed, ring(breach=False), JUNCTION) == pytest.approx((1.0, np.nan), nan_ok=True)
    assert continuity(open_, ring(breach=True), JUNCTION) == (1.0, 1.0)
    kept, spared = continuity(closed, ring(breach=True), JUNCTION)
    assert (kept, spared) == (1.0, 0.0)


def test_a_gap_lowers_continuity_by_its_share_of_the_directions() -> None:
    closed = classes_of(ring(breach=False))
    closed[:, :16] = OTHER
    assert continuity(closed, ring(breach=False), JUNCTION)[0] == pytest.approx(0.5, abs=0.05)


def test_without_a_cavity_there_is_no_continuity() -> None:
    nothing = np.full((8, 8), Tissue.FAT, np.uint8)
    assert np.isnan(continuity(classes_of(nothing), nothing, JUNCTION)).all()
