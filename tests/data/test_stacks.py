"""Slices with their neighbors: of volumes, of series of files, in training and in a bundle's transforms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from medsynth.base.errors import InputError
from medsynth.data.check import check_data
from medsynth.data.formats.chains import DomainInfo, instantiate, preprocessing_config
from medsynth.data.formats.probing import Format, examine
from medsynth.data.formats.stacks import Stacks
from medsynth.data.formats.windows import Window
from medsynth.data.images import Record
from medsynth.data.listing.places import places_of
from medsynth.data.loaders import UnpairedLoader
from medsynth.data.preparing import prepare


@pytest.fixture
def volumes(tmp_path, write):
    """A manifest with a volume of 16 x 16 x 4 per patient, 6 patients a domain; the first slice is constant."""
    rows = []
    (tmp_path / "in").mkdir()
    for domain in ("source", "target"):
        for k in range(6):
            array = np.random.default_rng([k, len(domain), ord(domain[0])]).normal(0, 100, (16, 16, 4))
            array[..., 0] = 0
            name = f"{domain}{k}.nii"
            write.nifti(tmp_path / "in" / name, array.astype(np.float32))
            split = ("train", "train", "val", "val", "test", "test")[k]
            rows.append(
                {"image": name, "domain": domain, "label": str(k % 2), "patient": f"{domain}{k}", "split": split}
            )
    return write.table(tmp_path / "in", rows)


def test_the_ends_of_a_volume_repeat_and_overlapping_stacks_share_what_they_hold():
    stacks = Stacks(2)
    assert stacks.indices(0, 3) == [0, 0, 0, 1, 2]
    assert stacks.shares(0, 3) == [(0, 2)]
    assert Stacks(1, smooth=True).shares(0, 3) == [(0, 1), (1, 2)]
    assert Stacks(1, smooth=True).shares(1, 3) == [(0, 0), (1, 1), (2, 2)]
    values = torch.arange(2 * 3.0).reshape(2, 1, 1, 3)
    assert Stacks(1).of(values, 2).flatten().tolist() == [1, 4, 2, 5, 2, 5]
    assert Stacks(1).middle(Stacks(1).of(values, 2)[None]).flatten().tolist() == [2, 5]


def test_training_sees_each_slice_between_its_neighbors_also_those_that_are_left_out(tmp_path, volumes, config):
    alone = prepare(config(volumes), tmp_path / "alone", seed=0)
    data = prepare(config(volumes, neighbors=1), tmp_path / "run", seed=0)
    by_name = {record.name: alone.images.read(k) for k, record in enumerate(alone.records)}
    assert data.images.pixels.shape[1:] == (3, 16, 16)
    assert data.images.shape == (1, 16, 16)
    for k, record in enumerate(data.records):
        image, index = record.image, record.slice
        np.testing.assert_array_equal(data.images.read(k), by_name[record.name])
        below, middle, above = data.images.stack(k)
        np.testing.assert_array_equal(middle, by_name[record.name][0])
        np.testing.assert_array_equal(above, by_name[f"{image}#{min(index + 1, 3)}"][0])
        if index > 1:
            np.testing.assert_array_equal(below, by_name[f"{image}#{index - 1}"][0])
        else:  # the first slice is constant and no image of its own, but a neighbor
            assert below.max() - below.min() < 1e-5
    loader = UnpairedLoader(
        data.images.select(domain="source"),
        data.images.select(domain="target"),
        batch_size=2,
        steps=1,
        seed=0,
        augment=False,
        pinned=False,
    )
    assert {name: tuple(batch.shape) for name, batch in next(iter(loader)).items()} == dict.fromkeys(
        ("source", "target"), (2, 3, 16, 16)
    )
    assert data.images.as_set().images.shape[1:] == (1, 16, 16)
    assert next((tmp_path / "run").glob("pixels-*")).name != next((tmp_path / "alone").glob("pixels-*")).name


def test_a_bundle_s_transforms_make_the_same_stack_and_its_classifier_sees_single_slices(tmp_path, volumes, config):
    data = prepare(config(volumes, neighbors=1), tmp_path / "run", seed=0)
    row = next(k for k, r in enumerate(data.records) if r.name == "source0.nii#2")
    plain = instantiate(data.preprocessing["source"])({"image": str(volumes.parent / "source0.nii")})["image"]
    np.testing.assert_array_equal(np.asarray(plain), data.images.stack(row))
    single = instantiate(data.preprocessing["target"])({"image": str(volumes.parent / "target0.nii")})["image"]
    assert single.shape == (1, 16, 16)
    for index, depth in ((0, 4), (3, 4), (0, 1)):
        chain = preprocessing_config(DomainInfo(False), config(neighbors=2, channels=3), Format("nifti", depth), index)
        shown = ", ".join(f"x[..., {k}]" for k in Stacks(2).indices(index, depth))
        assert f"torch.cat([{shown}])" in chain[3]["func"]


def series(folder, write, patient, seed, number=3):
    """Write a DICOM series whose file names do not tell its order."""
    for k in range(number):
        frame = np.random.default_rng([seed, k]).integers(0, 4000, (1, 16, 16)).astype(np.uint16)
        path = folder / f"{(7 * k + 2) % 5}.dcm"
        write.dicom(path, frame, series=f"1.2.{seed}", number=k + 1, PatientID=patient)


@pytest.fixture
def tree(tmp_path, write):
    for seed in range(20):
        domain = ("source", "target/ill", "target/well")[0 if seed < 10 else 1 + seed % 2]
        series(tmp_path / "in" / domain / f"p{seed}", write, f"p{seed}", seed + 1)
    return tmp_path / "in"


def test_the_files_of_a_series_are_neighbors_in_the_order_of_their_positions(tmp_path, tree, config):
    asked = config(tree, neighbors=1, window="0:4000", positive="ill", source_label="0")
    data = prepare(asked, tmp_path / "run", seed=0)
    rows = {record.image: k for k, record in enumerate(data.records)}
    names = [f"source/p0/{(7 * k + 2) % 5}.dcm" for k in range(3)]
    middles = [data.images.read(rows[name])[0] for name in names]
    for k, name in enumerate(names):
        expected = [middles[max(k - 1, 0)], middles[k], middles[min(k + 1, 2)]]
        np.testing.assert_array_equal(data.images.stack(rows[name]), expected)
    assert data.windows["source"] == Window(0, 4000)


def test_the_echoes_of_a_series_are_volumes_of_their_own(tmp_path, write):
    facts, records = {}, []
    for number in range(6):
        path = write.dicom(
            tmp_path / f"{number}.dcm",
            np.arange(16, dtype=np.uint16).reshape(1, 4, 4) + number,
            series="1.2",
            number=number % 3 + 1,
            EchoTime=1 + number // 3,
            PatientID="p",
        )
        facts[path.name] = examine(path)
        records.append(Record(image=path.name, domain="source", label=None, patient="p", split="train"))
    places = places_of(records, facts)
    assert [place[1] for place in places] == [0, 1, 2, 0, 1, 2]
    assert len({place[0] for place in places[:3]}) == len({place[0] for place in places[3:]}) == 1
    assert places[0][0] != places[3][0]


def test_neighbors_without_one_scale_or_without_volumes_are_refused_alike_by_check_and_run(
    tmp_path, tree, write, config
):
    rows = write.rows(tmp_path / "flat", patients=10)
    flat = config(write.table(tmp_path / "flat", rows), neighbors=1)
    parted = config(tree, neighbors=1, positive="ill", source_label="0")
    restless = replace(flat, neighbors=0, smooth=True)
    for asked, word in (
        (flat, "every image stands alone"),
        (parted, "each with a scale of its own"),
        (restless, "no stacks of slices to average"),
    ):
        with pytest.raises(InputError, match=word):
            prepare(asked, tmp_path / "run", seed=0)
        assert any(word in text for text in check_data(asked, 0).errors)
    with pytest.raises(InputError, match="cannot be combined with the phantom"):
        prepare(replace(flat, path="phantom"), tmp_path / "run", seed=0)
