"""Which values become -1 and 1: those that were asked for, or those of all training images of a domain."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from medsynth.base.errors import InputError
from medsynth.bundle.format.privacy import without_locations
from medsynth.data.check import check_data
from medsynth.data.formats.probing import examine
from medsynth.data.formats.windows import Window, as_facts, from_facts, parse_windows, window_text
from medsynth.data.images import Record
from medsynth.data.listing.examination import without_blank_slices
from medsynth.data.preparing import prepare


def test_one_window_holds_for_both_domains_and_named_ones_for_theirs():
    assert parse_windows("-160:240") == dict.fromkeys(("source", "target"), Window(-160, 240))
    assert parse_windows("target=0:1e3, source=-.5:2") == {"target": Window(0, 1000), "source": Window(-0.5, 2)}
    assert parse_windows("") == {}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("5", "cannot be read"),
        ("low:high", "'low' is no number"),
        ("0:nan", "'nan' is no number"),
        ("240:-160", "-160 is not above 240"),
        ("oracle=0:1", "names each of source and target once"),
        ("0:1,target=0:2", "names each of source and target once"),
        ("a=b=0:1", "cannot be read"),
    ],
)
def test_a_window_that_cannot_be_read_is_refused_with_its_text_and_an_example(text, word, tmp_path, config):
    for work in (lambda asked: prepare(asked, tmp_path, seed=0), lambda asked: check_data(asked, 0)):
        with pytest.raises(InputError, match=word) as caught:
            work(config(tmp_path, window=text))
        assert repr(text) in caught.value.message
        assert "--set data.window=source=-160:240" in caught.value.hint


def test_windows_go_through_texts_metadata_and_what_a_bundle_tells_of_its_plan():
    windows = {"source": Window(-160.25, 1 / 3, "HU"), "target": Window(0, 1e-7)}
    assert from_facts(json.loads(json.dumps(as_facts(windows)))) == windows
    bare = {name: replace(one, unit="") for name, one in windows.items()}
    assert parse_windows(window_text(windows)) == bare
    for text in (window_text(windows), "-160:240"):
        assert without_locations({"window": text}) == {"window": text}
    for wrong in ({"source": {"low": 2, "high": 1, "unit": ""}}, {"oracle": {"low": 0, "high": 1, "unit": ""}}):
        with pytest.raises(ValueError, match="has no window"):
            from_facts(wrong)


@pytest.fixture
def volumes(tmp_path, write):
    """A manifest of volumes of 16 x 16 x 4: a source in Hounsfield units, whose first slice is air, and a target."""
    rows = []
    for domain, scale in (("source", 1000), ("target", 60)):
        for k in range(6):
            array = np.random.default_rng([k, scale]).normal(0, scale / 3, (16, 16, 4)) + 20 * k
            array[..., 0] = array[..., 0] * 0.01 - 3000
            name, split = f"{domain}{k}.nii", ("train", "train", "val", "val", "test", "test")[k]
            (tmp_path / "in").mkdir(exist_ok=True)
            write.nifti(tmp_path / "in" / name, array.astype(np.float32))
            rows.append(
                {"image": name, "domain": domain, "label": str(k % 2), "patient": f"{domain}{k}", "split": split}
            )
    return write.table(tmp_path / "in", rows)


def array_of(path):
    import nibabel as nib

    # as displayed: rows and columns towards the left and back
    return nib.load(path).get_fdata()[::-1, ::-1].transpose(1, 0, 2)


def test_asked_windows_scale_each_domain_and_slices_outside_are_left_out(tmp_path, volumes, config):
    asked = config(volumes, window="source=-160:240", intensity="percentile")
    data = prepare(asked, tmp_path / "run", seed=0)
    assert {record.slice for record in data.records if record.domain == "source"} == {1, 2, 3}
    assert {record.slice for record in data.records if record.domain == "target"} == {0, 1, 2, 3}
    assert any("6 slices of volumes that show nothing within the window" in text for _, text in data.warnings)
    assert data.windows == {"source": Window(-160, 240)}
    for k, record in enumerate(data.records):
        if record.domain == "source":
            values = array_of(volumes.parent / record.image)[..., record.slice]
            expected = np.clip((values + 160) / 400, 0, 1) * 2 - 1
            np.testing.assert_allclose(data.images.read(k)[0], expected, atol=1e-5)
    (first,) = (tmp_path / "run").glob("pixels-*")
    again = prepare(replace(asked, window="source=-160:241"), tmp_path / "other", seed=0)
    assert not (tmp_path / "other" / first.name).exists()
    assert again.images.pixels.shape == data.images.pixels.shape


def test_a_blank_slice_is_left_out_of_its_series_and_refused_where_it_stands_alone(tmp_path, write, values, config):
    def examined(folder, place, *, blank):
        path = tmp_path / folder / f"{place}.dcm"
        path.parent.mkdir(exist_ok=True)
        array = values(place, (1, 16, 16), high=90).astype(int) + (3000 if blank else 0)
        write.dicom(path, array.astype(np.uint16), number=place, ImagePositionPatient=[0, 0, place])
        return Record(str(path.relative_to(tmp_path)), folder, 0, "p", "train"), examine(path)

    both = [examined("source", 1, blank=False), examined("source", 2, blank=True), examined("target", 3, blank=True)]
    facts = {record.image: fact for record, fact in both}
    assert len({fact.header.series for fact in facts.values()}) == 1  # it is the same in both domains
    kept, told, problems = without_blank_slices([record for record, _ in both], facts, config(window="0:100"))
    assert [record.image for record in kept] == ["source/1.dcm"]
    assert [text.split()[0] for _, text in told] == ["1"]
    (problem,) = problems
    assert "target/3.dcm shows nothing within the window" in problem.message


def test_the_scale_of_a_data_set_is_that_of_all_training_values_together(tmp_path, volumes, config):
    data = prepare(config(volumes, intensity="dataset"), tmp_path / "run", seed=0)
    for domain in ("source", "target"):
        values = np.stack([array_of(volumes.parent / f"{domain}{k}.nii") for k in (0, 1)])
        window = data.windows[domain]
        shares = [(values <= end).mean() for end in (window.low, window.high)]
        np.testing.assert_allclose(shares, [0.005, 0.995], atol=1.5e-3)
        (scale,) = (step for step in data.preprocessing[domain] if "ScaleIntensityRanged" in step["_target_"])
        assert (scale["a_min"], scale["a_max"]) == (window.low, window.high)


def test_padding_has_no_part_in_the_scale_of_a_data_set(tmp_path, write, values):
    stored = values(3, (1, 16, 16), high=4000)
    padded = np.where(np.arange(16) < 8, 60000, stored).astype(np.uint16)
    facts = examine(write.dicom(tmp_path / "a.dcm", padded, PixelPaddingValue=60000), channels=1)
    assert (facts.count, facts.quantiles[0], facts.quantiles[-1]) == (128, facts.low, facts.high)
    assert facts.high < 4000
    assert facts.quantiles[500] == pytest.approx(np.median(stored[..., 8:]))


def test_a_domain_without_a_scale_is_refused_alike_by_check_and_run(tmp_path, write, config):
    rows = write.rows(tmp_path / "in", patients=10)
    for k, row in enumerate(rows):
        if row["domain"] == "source":
            array = np.zeros((64, 64), np.float32)
            array[0, k] = 1
            row["image"] = row["image"].replace(".png", ".nii")
            write.nifti(tmp_path / "in" / row["image"], array)
    asked = config(write.table(tmp_path / "in", rows), intensity="dataset", split="draw")
    with pytest.raises(InputError, match="all source images together have the value 0 in 99 %") as caught:
        prepare(asked, tmp_path / "run", seed=0)
    assert "--set data.window=source=LOW:HIGH" in caught.value.hint
    assert any("all source images together" in text for text in check_data(asked, 0).errors)
    outside = replace(asked, window="source=50:60")
    with pytest.raises(InputError, match="shows nothing within the window 50 to 60"):
        prepare(outside, tmp_path / "other", seed=0)
    assert any("shows nothing within the window 50 to 60" in text for text in check_data(outside, 0).errors)
