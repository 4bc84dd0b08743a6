"""``medsynth evaluate``: a bundle's scores on labeled images."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import recall_score, roc_auc_score
from typer.testing import CliRunner

from medsynth.cli import app
from medsynth.data.config import DataConfig
from medsynth.inference.bundle_classifier import load_classifier
from medsynth.inference.export.forms import export_bundle
from medsynth.inference.predict.judging import find_labeled
from tests.rounding import equal_but_for_rounding

FEW = ["--set", "evaluators.diagnostic.resamples=200"]
ROWS = 12


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Twelve labeled target images and a volume of two labeled slices, in two splits, beside others."""
    lines = ["image,domain,label,patient,split,slice"]
    for k in range(ROWS):
        pixels = np.random.default_rng(k).integers(0, 256, (24, 36), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{k}.png")
        lines.append(f"{k}.png,target,{k % 2},p{k // 3},{'test' if k % 4 else 'val'},")
    values = np.random.default_rng(99).random((20, 20, 3)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "volume.nii.gz")
    lines += ["volume.nii.gz,target,1,v,test,2", "volume.nii.gz,target,0,v,test,0"]
    Image.fromarray(pixels).save(tmp_path / "unlabeled.png")
    lines.append("unlabeled.png,target,,u,test,")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "manifest.csv"


def evaluate(bundle: Path, data: Path, *more: str) -> tuple[dict[str, float], dict[str, int]]:
    """Return values and counts of the scores by name."""
    out = data.parent / "scores.json"
    done = CliRunner().invoke(app, ["evaluate", str(bundle), str(data), "--out", str(out), *FEW, *more])
    assert done.exit_code == 0, done.output
    scores = [one for one in json.loads(out.read_text())["scores"] if one["evaluator"] == "diagnostic"]
    assert {one["subject"] for one in scores} == {"bundle"}
    return {one["name"]: one["value"] for one in scores}, {one["name"]: one["n"] for one in scores}


def predicted(bundle: Path, folder: Path) -> dict[str, float]:
    """Return what ``medsynth predict`` says, by file name."""
    out = folder / "predictions.csv"
    done = CliRunner().invoke(app, ["predict", str(bundle), str(folder), "--out", str(out)])
    assert done.exit_code == 0, done.output
    with out.open() as stream:
        return {Path(row["file"]).name: float(row["probability"]) for row in csv.DictReader(stream)}


@pytest.mark.parametrize("split", ["", "test"])
def test_scores_are_those_of_the_predictions(bundle: Path, manifest: Path, split: str) -> None:
    scores, counts = evaluate(bundle, manifest, "--split", split, "--batch", "5")
    table = predicted(bundle, manifest.parent)
    cases = [(k % 2, table[f"{k}.png"]) for k in range(ROWS) if not split or k % 4]
    cases += [(1, table["volume.nii.gz#2"]), (0, table["volume.nii.gz#0"])]
    labels, probabilities = np.array([case[0] for case in cases]), np.array([case[1] for case in cases])
    called = probabilities >= load_classifier(bundle).threshold
    assert np.diff(np.sort(np.append(probabilities, 0.5))).min() > 1e-5  # so that rounding changes no rank or decision
    assert 0 < called.sum() < len(called)
    assert scores["roc_auc"] == pytest.approx(roc_auc_score(labels, probabilities))
    assert scores["sensitivity"] == pytest.approx(recall_score(labels, called))
    assert scores["specificity"] == pytest.approx(recall_score(1 - labels, ~called))
    assert counts["roc_auc"] == len(cases)


def test_centers_are_called_by_letters_that_a_key_beside_the_scores_resolves(bundle, manifest, tmp_path):
    head, *lines = manifest.read_text().splitlines()
    named = [f"{line},{'North' if k % 4 < 2 else 'East'}" for k, line in enumerate(lines)]
    manifest.write_text("\n".join([f"{head},center", *named]) + "\n")
    few = ["--set", "evaluators.diagnostic.group_minimum=1"]
    evaluate(bundle, manifest, *few)
    scores = (tmp_path / "scores.json").read_text()
    assert "North" not in scores
    assert "East" not in scores
    with (tmp_path / "scores-key.csv").open() as stream:
        names = {row["pseudonym"]: row["name"] for row in csv.DictReader(stream) if row["kind"] == "center"}
    assert names == {"A": "East", "B": "North"}
    evaluate(bundle, manifest, *few, "--show-names")
    assert (tmp_path / "scores.json").read_text() == scores.replace("center A", "East").replace("center B", "North")


@pytest.mark.parametrize("classes", [("0", "1"), ("healthy", "positive")])
def test_a_folder_of_class_folders_and_a_bundle_as_a_zip_file_give_the_same(bundle, manifest, classes, tmp_path):
    for k in range(ROWS):
        place = tmp_path / "folder" / classes[k % 2] / f"p{k // 3}"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / f"{k}.png", place)
    rows = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(row for row in rows if "volume" not in row))
    expected, counts = evaluate(bundle, manifest)
    packed = export_bundle(bundle, tmp_path, form="source", zipped=True)
    options = [] if classes[0] == "0" else ["--set", f"data.positive={classes[1]}"]
    # The folder's images come in another order, hence in other batches.
    found, numbers = evaluate(packed, tmp_path / "folder", *options)
    assert found == equal_but_for_rounding(expected)
    assert numbers == counts


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("0.png,target,0", "0.png,target,7"), "label"),
        (("volume.nii.gz,target,1,v,test,2", "volume.nii.gz,target,1,v,test,5"), "has no slice 5"),
        ((",target,1,", ",target,,"), "holds 0 positive and 7 negative target images"),
    ],
)
def test_faults_of_the_data_are_named(bundle: Path, manifest: Path, change: tuple[str, str], named: str) -> None:
    manifest.write_text(manifest.read_text().replace(*change))
    out = manifest.parent / "scores.json"
    done = CliRunner().invoke(app, ["evaluate", str(bundle), str(manifest), "--out", str(out)])
    assert done.exit_code == 2, done.output
    assert named in " ".join(done.output.split())
    assert not out.exists()


def test_an_image_that_says_nothing_ends_the_evaluation_with_its_name(bundle: Path, manifest: Path) -> None:
    Image.new("L", (24, 36), 7).save(manifest.parent / "3.png")
    done = CliRunner().invoke(app, ["evaluate", str(bundle), str(manifest), "--out", str(manifest.parent / "s.json")])
    assert done.exit_code == 2
    assert "3.png is constant" in " ".join(done.output.split())


def test_what_is_left_out_of_a_folder_is_counted(manifest: Path, tmp_path: Path) -> None:
    for k in range(2):
        (tmp_path / f"folder/{k}").mkdir(parents=True)
        shutil.copy(tmp_path / f"{k}.png", tmp_path / f"folder/{k}/a.png")
    (tmp_path / "folder/1/notes.txt").write_text("no image")
    labeled = find_labeled(DataConfig(path=str(tmp_path / "folder")), "")
    assert [record.label for record in labeled.records] == [0, 1]
    assert labeled.left_out == {".txt files": 1}


def test_other_settings_are_refused(bundle: Path, manifest: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", str(bundle), str(manifest), "--set", "generator.epochs=1"])
    assert done.exit_code == 2
    assert "--set generator" in done.output
