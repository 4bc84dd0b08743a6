"""Files are predicted as the bundle's network predicts them; what cannot be read is a row with a reason."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image
from pydicom.data import get_testdata_file

from medsynth.base.errors import InputError, Interrupted
from medsynth.base.files import sha256
from medsynth.base.progress import Silent
from medsynth.base.stopping import Stop
from medsynth.data.formats.chains import DomainInfo, instantiate, preprocessing_config, quiet
from medsynth.data.formats.probing import Format
from medsynth.inference.bundle_classifier import load_classifier
from medsynth.inference.predict.predicted_rows import PredictedRow
from medsynth.inference.predict.prediction import AHEAD, PredictionJob, predict_files
from medsynth.inference.runtimes import torch_runtime


@pytest.fixture
def classifier(bundle):
    return load_classifier(bundle)


@pytest.fixture
def predict(classifier, tmp_path):
    """Predict paths into tmp_path/out.csv; return (rows, summary)."""

    def call(*images, **changes):
        values = {"classifier": classifier, "runtime": mean_brightness, "images": images}
        values |= {"out": tmp_path / "out.csv", "watch": Silent(), "stop": Stop()}
        summary = predict_files(PredictionJob(**(values | changes)))
        with (tmp_path / "out.csv").open(newline="") as stream:
            return list(csv.DictReader(stream)), summary

    return call


def mean_brightness(images):
    """A classifier whose logit margin is the image's mean."""
    mean = images.mean(axis=(1, 2, 3))
    return np.stack([np.zeros_like(mean), mean], axis=1)


def test_a_probability_is_the_networks_own(classifier, predict, pictures):
    folder, network = pictures(5), classifier.bundle.network()
    rows, summary = predict(folder, runtime=torch_runtime(network, "cpu"), batch=2, threads=2)
    assert [row["file"] for row in rows] == [(folder / f"{k:05}.png").as_posix() for k in range(5)]
    assert (summary.predicted, summary.failures) == (5, [])
    with quiet(), torch.no_grad():
        chain = instantiate(preprocessing_config(DomainInfo(True), classifier.config))
        images = torch.stack([chain({"image": row["file"]})["image"] for row in rows])
        expected = network(images.float()).softmax(dim=1)[:, 1]
    found = [float(row["probability"]) for row in rows]
    assert found == pytest.approx(expected.tolist(), abs=1e-6)
    assert len({row["decision"] for row in rows}) == 2
    assert [row["decision"] for row in rows] == [str(int(p >= classifier.threshold)) for p in found]


def test_rows_name_patient_class_and_threshold_after_the_columns_of_before(classifier, predict, pictures, tmp_path):
    folder = pictures(2)
    (folder / "sub-07_a.png").write_bytes((folder / "00000.png").read_bytes())
    rows = "image,domain,patient\n00000.png,target,P1\nsub-07_a.png,target,\n"
    (folder / "manifest.csv").write_text(rows)
    found, _ = predict(folder / "manifest.csv", classifier=replace(classifier, threshold=0.5, classes=("calm", "wild")))
    assert list(found[0]) == ["file", "probability", "decision", "error", "patient", "class", "threshold"]
    assert [row["patient"] for row in found] == ["P1", "sub-07"]
    assert [row["class"] for row in found] == [{"1": "wild", "0": "calm"}[row["decision"]] for row in found]
    assert {row["threshold"] for row in found} == {"0.5"}
    assert all(len(row["probability"]) == len("0.123456") for row in found)


@pytest.mark.parametrize(("value", "shown"), [(0.25, "0.250000"), (0.49999999, "0.49999999"), (0.50000001, "0.500000")])
def test_a_probability_has_digits_enough_to_agree_with_its_decision(value, shown):
    cells = PredictedRow(file="a", probability=value).cells(
        threshold=0.5, classes=("n", "p"), interval=False, judged=False
    )
    assert cells == ["a", shown, int(value >= 0.5), "", "", "np"[value >= 0.5], "0.5"]


def test_threshold_and_temperature_are_the_bundles(classifier, predict, tmp_path):
    Image.fromarray(np.array([[255, 255, 255, 0]] * 4, dtype=np.uint8)).save(tmp_path / "a.png")
    ((plain,), _), ((cooled,), _) = (
        predict(tmp_path / "a.png", classifier=replace(classifier, temperature=t, threshold=0.57)) for t in (1.0, 2.0)
    )
    margin = math.log(float(plain["probability"]) / (1 - float(plain["probability"])))
    assert float(cooled["probability"]) == pytest.approx(1 / (1 + math.exp(-margin / 2)), abs=1e-5)
    assert (plain["decision"], cooled["decision"]) == ("1", "0")


def test_what_cannot_be_read_is_a_row_with_its_reason_and_the_others_go_on(predict, pictures):
    folder = pictures(6)
    (folder / "00001.png").write_bytes(b"no picture")
    (folder / "00002.png").write_bytes((folder / "00003.png").read_bytes()[:200])
    (folder / "00004.png").write_bytes(b"")
    Image.new("L", (8, 8), 7).save(folder / "00005.png")
    (folder / "notes.txt").write_text("passed over")
    rows, summary = predict(folder, batch=3)
    assert [bool(row["error"]) for row in rows] == [False, True, True, False, True, True]
    assert "cannot be decoded" in rows[1]["error"]
    assert "truncated" in rows[2]["error"]
    assert "empty" in rows[4]["error"]
    assert "constant" in rows[5]["error"]
    assert {row["probability"] + row["decision"] for row in rows if row["error"]} == {""}
    assert (summary.predicted, len(summary.failures), summary.ignored) == (2, 4, 1)


def test_a_file_that_was_named_is_never_passed_over(predict, pictures, tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    rows, summary = predict(pictures(1), tmp_path / "notes.txt")
    assert rows[1]["error"].startswith("is no image of a known format (.txt files)")
    assert (len(rows), summary.ignored) == (2, 0)


def test_an_image_on_which_the_network_fails_spoils_no_other_of_its_batch(predict, pictures):
    def fails_on_one(images):
        if any(abs(images.mean(axis=(1, 2, 3)) - wanted) < 1e-7):
            raise RuntimeError("out of memory")
        return mean_brightness(images)

    folder, seen = pictures(4), []
    predict(folder, runtime=lambda images: seen.extend(images) or mean_brightness(images))
    wanted = seen[2].mean()
    rows, _ = predict(folder, runtime=fails_on_one)
    assert [row["error"] for row in rows] == ["", "", "cannot be predicted: RuntimeError: out of memory", ""]


def test_a_result_that_is_no_number_is_an_error(predict, pictures):
    rows, _ = predict(pictures(1), runtime=lambda images: np.full((len(images), 2), np.nan))
    assert (rows[0]["probability"], rows[0]["error"]) == ("", "the network's result is not a number")


def test_each_slice_of_a_volume_is_a_row_in_batches_of_the_asked_size(predict, tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (20, 16, 7), dtype=np.uint8)
    array[..., 3] = 9
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "v.nii.gz")
    sizes = []
    rows, _ = predict(tmp_path / "v.nii.gz", runtime=lambda x: sizes.append(len(x)) or mean_brightness(x), batch=4)
    assert [row["file"].rpartition("/")[2] for row in rows] == [f"v.nii.gz#{k}" for k in range(7)]
    assert [bool(row["error"]) for row in rows] == [k == 3 for k in range(7)]
    assert sizes == [4, 2]


def test_of_a_volume_the_slices_count_that_training_used(classifier, predict, tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (20, 16, 8), dtype=np.uint8)
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "v.nii")
    rows, _ = predict(tmp_path / "v.nii", classifier=replace(classifier, slices=0.5))
    assert [row["file"].rpartition("#")[2] for row in rows] == ["2", "3", "4", "5"]


def test_a_dicom_file_is_predicted_from_the_values_that_monai_decodes(classifier, predict, tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(Path(get_testdata_file("CT_small.dcm")).read_bytes())
    rows, _ = predict(path)
    chain = preprocessing_config(DomainInfo(False), classifier.config, Format("dicom", 1), 0)
    with quiet():
        image = np.asarray(instantiate(chain)({"image": str(path)})["image"])
    expected = classifier.probabilities(mean_brightness(image[None]))[0]
    assert (rows[0]["error"], float(rows[0]["probability"])) == ("", pytest.approx(expected, abs=1e-6))


def test_16_bit_and_8_bit_files_of_a_folder_are_read_in_their_own_ways(predict, tmp_path):
    ramp = np.arange(32 * 32).reshape(32, 32)
    Image.fromarray((ramp // 4).astype(np.uint8)).save(tmp_path / "a.png")
    Image.fromarray((ramp * 3 + 20000).astype(np.uint16)).save(tmp_path / "b.png")
    rows, summary = predict(tmp_path / "a.png", tmp_path / "b.png")
    assert summary.failures == []
    assert [float(row["probability"]) for row in rows] == pytest.approx([0.5, 0.5], abs=0.01)


def test_of_a_manifest_the_target_rows_are_predicted(predict, pictures, tmp_path):
    pictures(3)
    text = "image,domain\nin/00002.png,target\nin/00001.png,source\nin/00000.png,\nin/gone.png,target\n"
    (tmp_path / "m.csv").write_text(text)
    rows, _ = predict(tmp_path / "m.csv")
    assert {row["file"].rpartition("/")[2]: row["error"] for row in rows} == {
        "00002.png": "",
        "00000.png": "",
        "gone.png": "does not exist",
    }


def test_no_more_batches_are_ahead_than_the_threads_can_take(predict, pictures, tmp_path):
    folder = pictures(40)
    taken, written = [], []

    class Watching(Silent):
        def advance(self, done, values=None):
            written.append(done)
            assert len(taken) - done / 2 <= AHEAD * 2 + 1

    predict(folder, runtime=lambda x: taken.append(1) or mean_brightness(x), batch=2, threads=2, watch=Watching())
    assert (len(taken), written[-1]) == (20, 40)


def test_an_interrupted_prediction_leaves_the_table_that_was_there(predict, pictures, tmp_path):
    folder, stop = pictures(8), Stop()
    (tmp_path / "out.csv").write_text("before")

    def interrupt(images):
        stop.requested = True
        return mean_brightness(images)

    with pytest.raises(Interrupted):
        predict(folder, runtime=interrupt, batch=2, stop=stop)
    assert (tmp_path / "out.csv").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out.csv"]


def test_the_bundle_stays_as_it_is(bundle, predict, pictures):
    before = {path: sha256(path) for path in bundle.rglob("*") if path.is_file()}
    predict(pictures(1))
    assert {path: sha256(path) for path in bundle.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("arrange", "message"),
    [
        (lambda tmp: [tmp / "gone"], "does not exist"),
        (lambda tmp: [tmp], "holds no images"),
    ],
    ids=["absent", "empty"],
)
def test_nothing_to_predict_is_refused_and_nothing_written(arrange, message, predict, tmp_path):
    with pytest.raises(InputError, match=message):
        predict(*arrange(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_table_is_never_written_over_an_input_or_a_folder(predict, pictures, tmp_path):
    folder = pictures(1)
    with pytest.raises(InputError, match="is a folder"):
        predict(folder, out=folder)
    with pytest.raises(InputError, match="cannot be made"):
        predict(folder, out=folder / "00000.png/out.csv")
    (tmp_path / "m.csv").write_text("image\nin/00000.png\n")
    with pytest.raises(InputError, match="is an input"):
        predict(tmp_path / "m.csv", out=tmp_path / "m.csv")
