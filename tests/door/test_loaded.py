"""A loaded bundle: arrays in and arrays out, affines kept, trust and confinement as on the command line."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, LoadImage
from PIL import Image

import medsynth
from medsynth.base.errors import InputError, RunError
from medsynth.bundle.format.manifest import list_files
from medsynth.bundle.opening.opened import RETURN, TRANSLATOR, open_bundle
from medsynth.door.monai_transform import RandSynthesizeD
from medsynth.inference.both_networks import ConfinedNetworks, OwnNetworks
from medsynth.inference.export.forms import export_bundle
from medsynth.reading.quietness import quiet
from medsynth.statistics.flags.departures import edge_differences, residuals
from tests.leftovers import left_after


@pytest.fixture(scope="module")
def made(make_bundle) -> Path:
    from medsynth_mobilenet_v2.network import MobileNetV2

    return make_bundle(classifier=MobileNetV2(channels=1, width=0.1), samples=3, flags=True)


@pytest.fixture(scope="module")
def portable(made, tmp_path_factory) -> Path:
    return export_bundle(made, tmp_path_factory.mktemp("portable"), form="portable")


@pytest.fixture(scope="module")
def bundle(made):
    return medsynth.load(made)


@pytest.fixture(scope="module")
def plain(made) -> torch.nn.Module:
    """The bundle's generator, used without the door."""
    return open_bundle(made, TRANSLATOR).network()


def grey(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def read_by_monai(reader: str, path: Path) -> MetaTensor:
    with quiet():  # MONAI's readers warn of what is not installed
        return LoadImage(reader, image_only=True, ensure_channel_first=True)(path)


def expected(plain: torch.nn.Module, image: np.ndarray) -> np.ndarray:
    """Translate (rows, columns) of the network's size in [-1, 1]."""
    with torch.no_grad():
        return plain(torch.from_numpy(image).float()[None, None])[0, 0].clamp(-1, 1).numpy()


def test_an_array_is_translated_rows_first_and_keeps_shape_type_and_range(bundle, plain):
    image = grey(32, 32)
    wanted = expected(plain, image / 127.5 - 1)
    np.testing.assert_allclose(bundle.translate((image / 127.5 - 1).astype(np.float32)), wanted, atol=1e-5)
    unit = bundle.translate(image / 255, value_range=(0.0, 1.0))
    assert (unit.dtype, unit.shape) == (np.float64, (32, 32))
    np.testing.assert_allclose(unit * 2 - 1, wanted, atol=1e-5)
    whole = bundle.translate(image)
    assert whole.dtype == np.uint8
    assert np.abs(whole - np.rint((wanted + 1) * 127.5)).max() <= 1


def test_batches_tensors_lists_and_pictures_come_back_as_what_they_were(bundle):
    images = grey(5, 1, 24, 40)
    batch = bundle.translate(images, batch=2)
    assert batch.shape == images.shape
    np.testing.assert_array_equal(batch[3], bundle.translate(images[3]))
    tensor = bundle.translate(torch.from_numpy(images))
    assert (type(tensor), tensor.dtype) == (torch.Tensor, torch.uint8)
    np.testing.assert_array_equal(tensor.numpy(), batch)
    picture, array = bundle.translate([Image.fromarray(images[0, 0]), images[0, 0]])
    assert isinstance(picture, Image.Image)
    np.testing.assert_array_equal(np.asarray(picture), array)


def test_a_volume_keeps_its_affine_whether_path_or_metatensor(bundle, tmp_path):
    affine = np.diag([0.5, 0.7, 3.0, 1.0])
    affine[:3, 3] = 1, 2, 3
    nib.save(nib.Nifti1Image(grey(20, 30, 4).astype(np.uint8), affine), tmp_path / "volume.nii.gz")
    whole = bundle.translate(tmp_path / "volume.nii.gz")
    assert (type(whole), tuple(whole.shape)) == (MetaTensor, (1, 20, 30, 4))
    loaded = read_by_monai("NibabelReader", tmp_path / "volume.nii.gz")
    given = bundle.translate(loaded, value_range=(0.0, 255.0))
    assert (tuple(given.shape), given.dtype) == ((1, 20, 30, 4), loaded.dtype)
    np.testing.assert_allclose(given.affine, loaded.affine)
    flat = bundle.translate(loaded[..., 2], value_range=(0.0, 255.0))
    np.testing.assert_allclose(flat, given[..., 2], atol=1e-3)


def test_a_files_translation_is_that_of_monais_array_of_it(bundle, tmp_path):
    Image.fromarray(grey(20, 44)).save(tmp_path / "a.png")
    of_path = bundle.translate(str(tmp_path / "a.png"))
    loaded = read_by_monai("PILReader", tmp_path / "a.png")
    assert tuple(of_path.shape) == tuple(loaded.shape) == (1, 44, 20)
    np.testing.assert_allclose(of_path * 127.5 + 127.5, bundle.translate(loaded, value_range=(0, 255)), atol=1e-2)
    rows_first = bundle.translate(grey(20, 44))
    assert np.abs(np.asarray(of_path)[0].T * 127.5 + 127.5 - rows_first).max() <= 0.51


def test_arrays_and_files_get_the_probabilities_that_the_bundle_states(bundle, made):
    files = sorted((made / "samples/target").glob("*.png"))
    found = bundle.predict(files, batch=2)
    assert found.names == tuple(map(str, files))
    arrays = bundle.predict(np.stack([np.asarray(Image.open(file)) for file in files])[:, None])
    np.testing.assert_allclose(arrays.probabilities, found.probabilities, atol=1e-5)
    stated = json.loads((made / "samples/expected.json").read_text())["probabilities"]
    assert dict(zip([file.name for file in files], found.probabilities, strict=True)) == pytest.approx(stated, abs=1e-5)
    assert [row["decision"] for row in found.frame()] == [int(p >= 0.5) for p in found.probabilities]
    assert len(bundle.predict([])) == 0


def test_translations_are_judged_slice_by_slice_by_edges_and_the_way_back(bundle, made, plain):
    images = grey(3, 1, 32, 32)
    found = bundle.flagged(images)
    assert (len(found), found.names) == (3, ("image 0#0", "image 0#1", "image 0#2"))
    own = open_bundle(made, TRANSLATOR)
    source = torch.from_numpy(images).float() / 127.5 - 1
    with torch.no_grad():
        there = plain(source).clamp(-1, 1)
        back = own.in_role(RETURN).network()(there).clamp(-1, 1)
    reference = own.flags()
    numbers = {
        "edge_mismatch": reference.maps["edge_mismatch"].worst(edge_differences(source.numpy(), there.numpy())),
        "cycle_residual": reference.maps["cycle_residual"].worst(residuals(source.numpy(), back.numpy())),
    }
    for name, values in numbers.items():
        assert [one.numbers[name] for one in found.judgments] == pytest.approx(values, rel=1e-3)
    assert found.suspicious == tuple(n for n, one in zip(found.names, found.judgments, strict=True) if one.reason)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 8, 8), np.uint8), r"image 0 has 3 channels .*, the bundle takes 1"),
        (np.full((8, 8), 7.0), r"image 0 has values from 7 to 7, not -1 to 1"),
        (np.full((8, 8), np.nan), "image 0 has values from nan"),
        (np.zeros((1, 1, 1, 8, 8)), r"image 0 has shape \(1, 1, 1, 8, 8\)"),
        (MetaTensor(torch.zeros(8, 8)), r"EnsureChannelFirst"),
        ("gone.png", "gone.png is no file"),
        (7, "image 0 is int"),
    ],
    ids=["channels", "range", "nan", "axes", "no channel", "file", "type"],
)
def test_what_cannot_be_translated_is_refused_with_the_next_step(bundle, image, message):
    with pytest.raises(InputError, match=message):
        bundle.translate(image)


def test_damaged_files_constant_images_and_wrong_options_are_refused(bundle, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    for use in (bundle.translate, bundle.predict):
        with pytest.raises(InputError, match=r"a\.png cannot be decoded"):
            use(tmp_path / "a.png")
    with pytest.raises(InputError, match="image 1 is constant"):
        bundle.predict([grey(8, 8), np.zeros((8, 8), np.uint8)])
    with pytest.raises(InputError, match="size 'big' is unknown"):
        bundle.translate(grey(8, 8), size="big")
    with pytest.raises(InputError, match="batch 0 is not positive"):
        bundle.translate(grey(8, 8), batch=0)


# ---------------------------------------------------------------- the transform


class Negative:
    """Translates by changing the sign."""

    def translate(self, image, *, value_range):
        assert value_range == (-1.0, 1.0)
        return -image


def test_the_transform_draws_as_monai_seeds_it_and_leaves_its_input_alone():
    def drawn(seed: int) -> list[float]:
        chain = Compose([RandSynthesizeD("image", Negative(), prob=0.5)]).set_random_state(seed)
        return [float(chain({"image": torch.ones(1)})["image"]) for _ in range(40)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert 8 < drawn(1).count(-1.0) < 32
    item = {"image": torch.ones(1), "other": 3}
    assert RandSynthesizeD("image", Negative(), prob=1.0)(item) == {"image": -torch.ones(1), "other": 3}
    assert float(item["image"]) == 1.0


def test_all_images_of_a_dictionary_are_translated_or_none():
    transform = RandSynthesizeD(["a", "b"], Negative(), prob=0.5, allow_missing_keys=True).set_random_state(3)
    items = [transform({"a": torch.ones(1), "b": torch.ones(1)}) for _ in range(20)]
    assert {(float(item["a"]), float(item["b"])) for item in items} == {(1.0, 1.0), (-1.0, -1.0)}
    assert transform({}) == {}


# ---------------------------------------------------------------- trust


@pytest.fixture
def foreign(made, tmp_path, monkeypatch) -> Path:
    """A bundle of somebody else, for a user who trusts nothing."""
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "home"))
    return Path(shutil.copytree(made, tmp_path / "foreign"))


def test_own_networks_run_here_and_foreign_ones_need_trust(bundle, foreign):
    assert isinstance(bundle._networks, OwnNetworks)
    with pytest.raises(InputError, match=f"bundle {foreign} is not trusted here"):
        medsynth.load(foreign)
    trusted = medsynth.load(foreign, trust=True)
    assert isinstance(trusted._networks, ConfinedNetworks)
    image = grey(2, 1, 20, 30)
    np.testing.assert_array_equal(trusted.translate(image), bundle.translate(image))
    np.testing.assert_allclose(trusted.predict(image).probabilities, bundle.predict(image).probabilities, atol=1e-6)
    own, confined = bundle.flagged(image), trusted.flagged(image)
    np.testing.assert_array_equal(own.translations[0], bundle.translate(image))
    assert [one.numbers for one in confined.judgments] == [pytest.approx(one.numbers) for one in own.judgments]
    place = trusted._opened.copy
    assert left_after(0, place) != []
    del trusted
    assert left_after(20, place) == []


def test_what_the_audit_finds_harmless_needs_no_trust_and_runs_confined(portable, foreign):
    loaded = medsynth.load(portable)
    assert isinstance(loaded._networks, ConfinedNetworks)
    assert loaded.translate(grey(16, 16)).shape == (16, 16)
    (row,) = loaded.flagged(grey(16, 16)).frame()
    assert {"edge_mismatch", "cycle_residual", "cycle_residual_percentile", "suspicious"} < row.keys()


def test_a_bundle_that_takes_too_long_is_stopped(foreign):
    loaded = medsynth.load(foreign, trust=True)
    loaded._networks._served._seconds = 1e-3
    with pytest.raises(RunError, match="the bundle was stopped after"):
        loaded.translate(grey(16, 16))


def test_the_transform_is_unpickled_with_a_bundle_loaded_again(bundle):
    again = pickle.loads(pickle.dumps(bundle.as_transform(prob=1.0)))
    image = torch.zeros(1, 16, 16)
    torch.testing.assert_close(again({"image": image})["image"], bundle.translate(image))


def test_a_bundle_that_changed_since_is_not_unpickled(foreign):
    packed = pickle.dumps(medsynth.load(foreign, trust=True))
    shutil.copy(foreign / "LICENSE", foreign / "COPY")
    list_files(foreign, ["COPY"])
    with pytest.raises(RunError, match="was changed since it was loaded"):
        pickle.loads(packed)
