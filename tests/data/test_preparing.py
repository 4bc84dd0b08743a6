import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from medsynth.base.errors import InputError
from medsynth.data.listing.image_table import read_manifest
from medsynth.data.preparing import inspect, prepare, write_split


@pytest.fixture
def table(tmp_path, write):
    """A usable manifest; `spoil` may change its rows before it is written."""

    def build(spoil=lambda rows: None):
        rows = write.rows(tmp_path / "in", patients=10)
        spoil(rows)
        return write.table(tmp_path / "in", rows)

    return build


def test_importing_the_config_imports_nothing_heavy():
    code = "import sys, medsynth.data.config; print({'torch', 'monai', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_prepare_leaves_manifest_split_and_transforms_and_agrees_with_inspect(tmp_path, table, config):
    path = table()
    records, root, digest = inspect(config(path), 0)
    data = prepare(config(path), tmp_path / "run", seed=0)
    assert (data.records, data.root, data.split_hash) == (records, root, digest)
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    assert split["hash"] == digest
    assert sum(split["counts"].values()) == len(data.images) == 20
    assert data.preprocessing == json.loads((tmp_path / "run" / "preprocessing.json").read_text())
    assert not data.known_truth


def test_the_resolved_manifest_stands_for_the_same_images(tmp_path, table, config):
    data = prepare(config(table()), tmp_path / "run", seed=0)
    again = prepare(config(tmp_path / "run" / "manifest.csv"), tmp_path / "second", seed=5)
    assert [r.split for r in again.records] == [r.split for r in data.records]
    assert np.array_equal(again.images.pixels, data.images.pixels)


def test_a_drawn_split_can_be_written_and_read_back(tmp_path, table, config):
    summary = write_split(config(table()), tmp_path / "out" / "split.csv", seed=0)
    records = read_manifest(tmp_path / "out" / "split.csv", config())
    assert {r.split for r in records} == {"train", "val", "test"}
    assert summary["warnings"] == []
    assert sum(summary["counts"].values()) == len(records)


def _same_patient(rows):
    rows[0]["patient"] = rows[1]["patient"] = "Ann"
    rows[0]["split"], rows[1]["split"] = "train", "test"


def _blank(rows):
    rows[:] = [row for row in rows if row["domain"] == "target"]


def _one_class(rows):
    for row in rows:
        row["label"] = "0"


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (_same_patient, r"Ann \(train, test\)"),
        (_blank, "there are no source images"),
        (_one_class, "the target has no positive images in train, val, test"),
    ],
)
def test_unusable_data_are_refused_before_anything_is_written(tmp_path, table, config, spoil, text):
    path = table(spoil)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=text):
        inspect(config(path), 0)
    assert sorted(tmp_path.rglob("*")) == before


def test_damaged_and_constant_images_are_refused_together(tmp_path, table, config):
    path = table()
    (tmp_path / "in" / "source1.png").write_bytes((tmp_path / "in" / "source1.png").read_bytes()[:200])
    Image.new("L", (8, 8), 7).save(tmp_path / "in" / "target2.png")
    with pytest.raises(InputError) as caught:
        inspect(config(path), 0)
    assert "source1.png cannot be decoded" in caught.value.message
    assert "target2.png is constant: all its pixels are 7" in caught.value.message


def test_wide_values_under_the_eight_bit_range_are_refused(tmp_path, table, write, values, config):
    Image.fromarray(values(0, high=4000)).save(tmp_path / "wide.png")
    path = table(lambda rows: rows[0].update(image="../wide.png"))
    with pytest.raises(InputError, match="not 0 to 255"):
        inspect(config(path, intensity="range"), 0)
    inspect(config(path), 0)


def test_an_almost_constant_image_is_refused_under_percentiles(tmp_path, table, config):
    spot = np.zeros((64, 64), np.uint8)
    spot[0, 0] = 9
    Image.fromarray(spot).save(tmp_path / "spot.png")
    path = table(lambda rows: rows[0].update(image="../spot.png"))
    with pytest.raises(InputError, match="constant but for less than 1 %"):
        inspect(config(path, intensity="percentile"), 0)


def test_constant_slices_are_left_out_with_a_warning(tmp_path, table, write, values, config):
    volume = values(0, (8, 8, 5), high=99)
    volume[..., 4] = 0
    write.nifti(tmp_path / "v.nii", volume)
    data = prepare(config(table(lambda rows: rows[0].update(image="../v.nii"))), tmp_path / "run", seed=0)
    assert data.warnings == (("constant-slices", "1 constant slices of volumes were left out"),)
    assert sum(r.image == "../v.nii" for r in data.records) == 4


def test_a_slice_beyond_the_volume_is_refused(tmp_path, table, write, values, config):
    write.nifti(tmp_path / "v.nii", values(0, (8, 8, 5)))
    path = table(lambda rows: [row.update(slice="") for row in rows] and rows[0].update(image="../v.nii", slice="5"))
    with pytest.raises(InputError, match="has 5 slices; the manifest asks for 5"):
        inspect(config(path), 0)


def test_near_duplicates_across_splits_are_told_with_the_pair(tmp_path, table, config):
    def spoil(rows):
        rows[-1]["split"], rows[-2]["split"] = "train", "test"
        smooth = np.kron(np.random.default_rng(3).integers(0, 255, (4, 6)), np.ones((5, 5))).astype(np.uint8)
        Image.fromarray(smooth).save(tmp_path / "one.png")
        Image.fromarray(smooth // 2 + 40).save(tmp_path / "other.png")
        rows[-1]["image"], rows[-2]["image"] = "../one.png", "../other.png"

    ((kind, warning),) = prepare(config(table(spoil)), tmp_path / "run", seed=0).warnings
    assert kind == "look-alikes-across-splits"
    assert warning.startswith("images look alike across splits, 1 pairs: ")
    assert "../other.png (test) and ../one.png (train), 2 of 64 bits differ" in warning


def test_target_images_without_label_are_told(tmp_path, table, config):
    path = table(lambda rows: rows[-1].update(label=""))
    text = "1 target images have no label and train the generator only: target9.png"
    data = prepare(config(path), tmp_path / "run", seed=0)
    assert data.warnings == (("unlabeled-targets", text),)
    assert len(data.images.select(domain="target")) == len(data.images.select(domain="target", labeled=True)) + 1


def test_the_phantom_takes_no_source(config):
    with pytest.raises(InputError, match="cannot be combined"):
        inspect(config("phantom", source="x"), 0)


def test_the_phantom_is_written_once_and_knows_the_truth(tmp_path, write, config, monkeypatch):
    calls = []

    def write_phantom(folder, **sizes):
        calls.append(sizes)
        rows = write.rows(folder, patients=10)
        rows += [{**rows[0], "image": "truth.png", "domain": "oracle"}]
        write.png(folder / "truth.png", seed=99)
        return write.table(folder, rows)

    monkeypatch.setitem(sys.modules, "medsynth.data.phantom.cohort", SimpleNamespace(write_phantom=write_phantom))
    first = prepare(config("phantom"), tmp_path, seed=4)
    second = prepare(config("phantom"), tmp_path, seed=4)
    assert [call["seed"] for call in calls] == [4]
    assert first.root == tmp_path / "phantom"
    assert first.known_truth
    assert first.records == second.records


@pytest.mark.parametrize(("name", "count"), [("lgg-t1-flair", 1934), ("mr-to-us", 472)])
def test_real_tables_can_be_inspected(real_data, config, name, count):
    label = "" if name == "lgg-t1-flair" else "1"
    records, _, _ = inspect(config(real_data / name, source_label=label), 0)
    assert len(records) == count


def test_a_real_series_can_be_the_source(tmp_path, real_data, config):
    (folder,) = (real_data / "dicom").glob("*/*")
    data = prepare(config(real_data / "mr-to-us", source=str(folder), source_label="1"), tmp_path, seed=0)
    source = data.images.select(domain="source")
    assert [r.split for r in source.records] == ["train"] * 19
    # neighboring slices resemble each other more than distant ones, so they are in order
    pixels = source.as_set().images.reshape(19, -1)
    steps = np.abs(np.diff(pixels, axis=0)).mean()
    assert steps < np.abs(pixels[:9] - pixels[10:]).mean() < 1


def test_what_is_left_out_and_whose_images_are_unknown_is_told(tmp_path, write, config):
    for k in range(9):
        write.png(tmp_path / f"in/source/{k}.png", seed=k)
        write.png(tmp_path / f"in/target/{'ill' if k % 2 else 'well'}/p{k}.png", seed=20 + k)
    (tmp_path / "in/target/notes.txt").write_text("hello")
    (tmp_path / "in/target/.ipynb_checkpoints").mkdir()
    write.png(tmp_path / "in/source/3_mask.png", seed=99)
    fields = {"positive": "ill", "source_label": "0"}
    warnings = prepare(config(tmp_path / "in", **fields), tmp_path / "run", seed=0).warnings
    reasons = "masks of other images (1), hidden folders (1), .txt files (1)"
    assert ("left-out", f"3 files or folders were left out: {reasons}") in warnings
    unknown = [text for kind, text in warnings if kind == "patients-unknown"]
    assert ["source" in text for text in unknown] == [True, False]
    named = prepare(config(tmp_path / "in", patient_pattern="[0-9]", **fields), tmp_path / "named", seed=0).warnings
    assert "patients-unknown" not in dict(named)
