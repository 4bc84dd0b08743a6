"""The phantom: anatomy with a known truth, two scanners whose physics has closed forms, and the data set."""

import csv
import math

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats

from medsynth.data.phantom.anatomy import (
    Anatomy,
    Tissue,
    draw_anatomy,
    invaded_share,
    layer_distances,
    pear_distance,
    uterus_frame,
)
from medsynth.data.phantom.cohort import draw_patient, write_phantom
from medsynth.data.phantom.rendering import (
    APEX,
    FAR,
    HALF_ANGLE,
    NEAR,
    PolarGrid,
    in_sector,
    pixel_grid,
    point_spread,
    render_mri,
    render_ultrasound,
    rician,
    scan_convert,
    speckle_envelope,
    tissue_mask,
)

SIZES = {"source": 6, "negative": 4, "positive": 2, "test": 2, "size": 32, "seed": 3}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return write_phantom(tmp_path_factory.mktemp("phantom") / "data", **SIZES)


def rows_of(manifest):
    with manifest.open(newline="") as file:
        return list(csv.DictReader(file))


def patients(count, *, positive):
    return [draw_patient(number, int(positive), seed=11) for number in range(count)]


def invasion_by_pixels(anatomy: Anatomy, size: int = 256) -> float:
    """Measure the invaded share of the myometrium from a fine mask, without the lesion's own formulas."""
    x, y = pixel_grid(size)
    share = invaded_share(anatomy, *uterus_frame(anatomy, x, y))
    lesion = tissue_mask(anatomy, size) == Tissue.LESION
    return float(share[lesion & (share > 0)].max(initial=0.0))


# The data set


def test_the_same_arguments_write_the_same_bytes(tmp_path, phantom):
    again = write_phantom(tmp_path / "again", **SIZES)
    files = sorted(path.relative_to(phantom.parent) for path in phantom.parent.rglob("*.*"))
    assert files == sorted(path.relative_to(again.parent) for path in again.parent.rglob("*.*"))
    assert all((phantom.parent / name).read_bytes() == (again.parent / name).read_bytes() for name in files)


def test_another_seed_draws_other_patients(tmp_path, phantom):
    other = write_phantom(tmp_path / "other", **{**SIZES, "seed": 4})
    first = rows_of(phantom)[0]["image"]
    assert (phantom.parent / first).read_bytes() != (other.parent / first).read_bytes()


def test_the_manifest_counts_patients_as_asked(phantom):
    rows = rows_of(phantom)
    counts = {
        key: sum((row["domain"], row["label"], row["split"] == "test") == key for row in rows)
        for key in {(row["domain"], row["label"], row["split"] == "test") for row in rows}
    }
    assert counts == {
        **{(domain, label, False): 3 for domain in ("source", "oracle") for label in "01"},
        ("target", "0", False): 4,
        ("target", "1", False): 2,
        **{(domain, label, True): 2 for domain in ("source", "oracle", "target") for label in "01"},
    }


def test_every_class_has_validation_patients_and_no_patient_is_in_two_splits_or_groups(phantom):
    rows = rows_of(phantom)
    splits, groups = {}, {}
    for row in rows:
        splits.setdefault(row["patient"], set()).add(row["split"])
        groups.setdefault(row["patient"], set()).add("target" if row["domain"] == "target" else "source")
    assert {len(found) for found in [*splits.values(), *groups.values()]} == {1}
    validation = {(row["domain"], row["label"]) for row in rows if row["split"] == "val"}
    assert {("target", "0"), ("target", "1"), ("source", "0"), ("source", "1")} <= validation


def test_source_and_oracle_images_name_each_other_as_pair(phantom):
    rows = rows_of(phantom)
    by_image = {row["image"]: row for row in rows}
    for row in rows:
        if row["domain"] == "target":
            assert row["pair"] == ""
        else:
            partner = by_image[row["pair"]]
            assert partner["pair"] == row["image"]
            assert {row["domain"], partner["domain"]} == {"source", "oracle"}
            assert (partner["patient"], partner["label"]) == (row["patient"], row["label"])


def test_labels_depths_and_masks_in_the_manifest_agree_with_each_other(phantom):
    for row in rows_of(phantom):
        assert (float(row["depth"]) > 0) == (row["label"] == "1")
        mask = np.asarray(Image.open(phantom.parent / row["mask"]))
        assert mask.shape == (32, 32)
        assert set(np.unique(mask)) <= {int(tissue) for tissue in Tissue}


def test_a_patient_does_not_depend_on_how_many_others_there_are(tmp_path, phantom):
    fewer = write_phantom(tmp_path / "fewer", **{**SIZES, "negative": 3, "test": 3, "test_source": 1})
    held_out = [(row["domain"], row["label"]) for row in rows_of(fewer) if row["split"] == "test"]
    for label in "01":
        assert [held_out.count((domain, label)) for domain in ("source", "oracle", "target")] == [1, 1, 3]
    name = rows_of(phantom)[0]["image"]
    assert (phantom.parent / name).read_bytes() == (fewer.parent / name).read_bytes()


# Anatomy


def test_the_pears_distance_equals_the_distance_to_its_densely_sampled_border():
    length, radii = 0.5, (0.1, 0.3)
    # The hull of two circles is the union of the disks between them: their radius falls linearly from center to center.
    share = np.linspace(0.0, 1.0, 4001)
    centers, sizes = -length * (1 - share), radii[0] * (1 - share) + radii[1] * share
    u, v = (axis.ravel() for axis in np.meshgrid(np.linspace(-1, 0.6, 23), np.linspace(-0.6, 0.6, 17)))
    slow = (np.hypot(u[:, None] - centers, v[:, None]) - sizes).min(1)
    fast = pear_distance(u, v, length=length, radii=radii)
    outside = slow > 0
    assert np.allclose(fast[outside], slow[outside], atol=1e-4)
    assert np.array_equal(fast > 0, outside)


@pytest.mark.parametrize("positive", [False, True])
def test_the_junctional_zone_is_interrupted_exactly_in_positive_patients(positive):
    for anatomy in patients(20, positive=positive):
        mask = tissue_mask(anatomy, 256)
        cavity = np.isin(mask, [Tissue.ENDOMETRIUM, Tissue.LESION])
        touches = ndimage.binary_dilation(cavity) & (mask == Tissue.MYOMETRIUM)
        assert anatomy.label == int(positive)
        assert touches.any() == positive


def test_the_lesion_reaches_exactly_the_depth_the_patient_has():
    for anatomy in patients(20, positive=True):
        assert invasion_by_pixels(anatomy) == pytest.approx(anatomy.depth, abs=0.08)
        assert invasion_by_pixels(anatomy) <= anatomy.depth + 1e-9


def test_without_invasion_no_lesion_leaves_the_cavity():
    found = patients(40, positive=False)
    assert all(invasion_by_pixels(anatomy, 96) == 0.0 for anatomy in found)
    with_lesion = sum(anatomy.lesion is not None for anatomy in found)
    assert 15 <= with_lesion <= 35


def test_layers_lie_in_the_order_of_the_uterus_wall():
    anatomy = draw_anatomy(np.random.default_rng(0), positive=False)
    x, y = pixel_grid(256)
    inner, rest = layer_distances(anatomy, *uterus_frame(anatomy, x, y))
    mask = tissue_mask(anatomy, 256)
    assert inner[mask == Tissue.ENDOMETRIUM].max() < 0
    assert inner[mask == Tissue.JUNCTION].min() >= 0
    assert inner[mask == Tissue.JUNCTION].max() < anatomy.junction
    assert inner[mask == Tissue.MYOMETRIUM].min() >= anatomy.junction
    assert rest[mask == Tissue.FAT].max() <= 0


def test_size_and_place_of_the_uterus_do_not_tell_the_classes_apart():
    for value in (lambda a: a.outer_radii[1], lambda a: a.center[0], lambda a: a.cavity_radii[1]):
        samples = [[value(a) for a in patients(150, positive=positive)] for positive in (False, True)]
        assert stats.ks_2samp(*samples).pvalue > 0.001


# MRI


def test_tissues_have_the_contrast_of_t2_weighting():
    values = {tissue: [] for tissue in Tissue}
    for number, anatomy in enumerate(patients(30, positive=True)):
        image, mask = render_mri(anatomy, 128, np.random.default_rng(number)), tissue_mask(anatomy, 128)
        for tissue in Tissue:
            values[tissue].extend(image[mask == tissue])
    mean = {tissue: np.mean(found) for tissue, found in values.items()}
    order = [Tissue.BLADDER, Tissue.ENDOMETRIUM, Tissue.LESION, Tissue.MYOMETRIUM, Tissue.JUNCTION]
    assert [mean[tissue] for tissue in order] == sorted((mean[tissue] for tissue in order), reverse=True)
    assert mean[Tissue.MYOMETRIUM] - mean[Tissue.JUNCTION] > 0.1


@pytest.mark.parametrize("signal", [0.0, 0.05, 0.5])
def test_noise_is_rician(signal):
    sigma = 0.05
    drawn = rician(np.full(200_000, signal), sigma, np.random.default_rng(0))
    law = stats.rice(signal / sigma, scale=sigma)
    assert drawn.mean() == pytest.approx(law.mean(), rel=0.01)
    assert drawn.std() == pytest.approx(law.std(), rel=0.02)
    assert np.mean(drawn**2) == pytest.approx(signal**2 + 2 * sigma**2, rel=0.01)


def test_pixels_on_a_border_mix_both_tissues():
    anatomy = draw_anatomy(np.random.default_rng(0), positive=False)
    coarse, fine = render_mri(anatomy, 32, np.random.default_rng(1)), tissue_mask(anatomy, 32 * 8)
    blocks = fine.reshape(32, 8, 32, 8).swapaxes(1, 2).reshape(32, 32, 64)
    bladder = (blocks == Tissue.BLADDER).mean(-1)
    mixed = (bladder > 0.3) & (bladder < 0.7) & np.isin(blocks, [Tissue.BLADDER, Tissue.BOWEL, Tissue.FAT]).all(-1)
    around = np.isin(blocks, [Tissue.FAT, Tissue.BOWEL]).all(-1)
    assert coarse[bladder == 1].mean() > coarse[mixed].mean() > coarse[around].mean()


# Ultrasound


def test_speckle_of_homogeneous_tissue_is_rayleigh():
    envelope = speckle_envelope(np.full((400, 300), 2.0), 1.5, np.full(400, 2.0), np.random.default_rng(0))
    assert envelope.mean() / envelope.std() == pytest.approx(1.913, rel=0.03)
    assert np.mean(envelope**2) == pytest.approx(4.0, rel=0.03)
    independent = envelope[::12, ::16].ravel()
    assert stats.kstest(independent, stats.rayleigh(scale=2.0 / math.sqrt(2.0)).cdf).pvalue > 0.001


def test_speckle_is_as_wide_as_the_beam():
    rng, lateral = np.random.default_rng(0), np.r_[np.full(200, 1.0), np.full(200, 4.0)]
    envelope = speckle_envelope(np.ones((400, 400)), 1.0, lateral, rng)
    widths = []
    for part in (envelope[20:180], envelope[220:380]):
        centered = part - part.mean()
        neighbor = (centered[:, :-2] * centered[:, 2:]).mean() / centered.var()
        widths.append(neighbor)
    # A Gaussian beam of deviation s correlates intensities at lag d by exp(-d^2 / (2 s^2)), amplitudes nearly so.
    assert widths[0] == pytest.approx(math.exp(-(2**2) / 2.0), abs=0.06)
    assert widths[1] == pytest.approx(math.exp(-(2**2) / 32.0), abs=0.06)


def test_the_beam_is_narrowest_in_its_focus():
    grid = PolarGrid.of(128)
    width = point_spread(grid, 128)[1] * grid.radii
    assert 0.3 < np.argmin(width) / len(width) < 0.7
    assert width[-1] > width[len(width) // 2] < width[0]


def test_scan_conversion_puts_every_echo_at_its_radius_and_angle():
    grid, size = PolarGrid.of(96), 96
    x, y = pixel_grid(size)
    inside = in_sector(size)
    by_radius = scan_convert(np.repeat(grid.radii[:, None], len(grid.angles), 1), grid, size)
    by_angle = scan_convert(np.repeat(grid.angles[None], len(grid.radii), 0), grid, size)
    assert np.allclose(by_radius[inside], np.hypot(x, y - APEX)[inside], atol=1e-5)
    assert np.allclose(by_angle[inside], np.arctan2(x, y - APEX)[inside], atol=1e-5)


def test_an_ultrasound_image_is_black_outside_its_sector_and_only_there():
    images = [render_ultrasound(a, 64, np.random.default_rng(n)) for n, a in enumerate(patients(6, positive=True))]
    x, y = pixel_grid(64)
    radius, angle = np.hypot(x, y - APEX), np.arctan2(x, y - APEX)
    outside = (radius < NEAR) | (radius > FAR) | (abs(angle) > HALF_ANGLE)
    assert all((image[outside] == 0).all() for image in images)
    assert np.mean([(image[~outside] > 0).mean() for image in images]) > 0.9


def test_a_bladder_is_anechoic_and_brightens_what_lies_behind():
    dark, behind, beside = [], [], []
    for number, anatomy in enumerate(patients(40, positive=False)):
        image, mask = render_ultrasound(anatomy, 96, np.random.default_rng(number)), tissue_mask(anatomy, 96)
        inside = in_sector(96)
        dark.extend(image[ndimage.binary_erosion(mask == Tissue.BLADDER, iterations=3) & inside])
        x, y = pixel_grid(96)
        center_x, center_y, radius_x, _ = anatomy.bladder
        beam = abs(np.arctan2(x, y - APEX) - math.atan2(center_x, center_y - APEX)) < radius_x / 6
        deep = (np.hypot(x, y - APEX) > math.hypot(center_x, center_y - APEX) + 0.35) & (mask == Tissue.FAT) & inside
        behind.extend(image[deep & beam])
        beside.extend(image[deep & ~beam])
    assert np.mean(dark) < 0.1
    assert np.mean(behind) > np.mean(beside) + 0.02


@pytest.mark.parametrize("render", [render_mri, render_ultrasound])
@pytest.mark.parametrize("size", [32, 65])
def test_images_are_float32_in_the_unit_interval(render, size):
    image = render(draw_anatomy(np.random.default_rng(0), positive=True), size, np.random.default_rng(1))
    assert (image.shape, image.dtype) == ((size, size), np.float32)
    assert image.min() >= 0.0
    assert image.max() <= 1.0
