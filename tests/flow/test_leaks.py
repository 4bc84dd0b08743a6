"""Planted leaks through whole runs: each is caught, and a sound run is not accused."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from medsynth.cli import app
from medsynth.data.phantom.cohort import write_phantom

ENTRY_POINTS = """[medsynth.generators]
example-copy = medsynth_example_copy
example-tone = medsynth_example_tone
"""
TINY = [
    "data.size=32",
    "generator.epochs=2",
    "generator.epoch_steps=6",
    "generator.batch_size=2",
    "classifier.batch_size=8",
    "classifier.pretrain_epochs=1",
    "classifier.finetune_epochs=1",
    "classifier.epoch_steps=2",
    "evaluators.privacy.resamples=200",
    "training.baselines=",
]

Run = Callable[..., Result]
Rows = list[dict[str, str]]


@pytest.fixture
def spoiled(tmp_path: Path) -> Callable[[Callable[[Rows], None]], Path]:
    """Write a small phantom and change rows of its manifest."""

    def make(spoil: Callable[[Rows], None] = lambda rows: None) -> Path:
        path = write_phantom(tmp_path / "data", source=20, negative=20, positive=10, test=10, size=32, seed=0)
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        spoil(rows)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    return make


def of_target(rows: Rows, split: str) -> dict[str, str]:
    return next(row for row in rows if (row["domain"], row["split"], row["label"]) == ("target", split, "0"))


def near_duplicate(folder: Path) -> Callable[[Rows], None]:
    """Return what replaces a test image by a training image of other brightness and contrast."""

    def plant(rows: Rows) -> None:
        image = np.asarray(Image.open(folder / of_target(rows, "train")["image"]))
        Image.fromarray(image // 2 + 40).save(folder / of_target(rows, "test")["image"])

    return plant


def one_patient_twice(rows: Rows) -> None:
    of_target(rows, "test")["patient"] = of_target(rows, "train")["patient"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a generator on a manifest in this process, judged by `privacy`."""
    information = tmp_path / "site" / "medsynth_example_copy-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: medsynth-example-copy\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(ENTRY_POINTS)
    for folder in (tmp_path / "site", Path(__file__).parents[1] / "copying_plugin"):
        monkeypatch.syspath_prepend(str(folder))

    def start(generator: str, data: Path, *more: str) -> Result:
        arguments = ["run", "--preset", "quick", "--device", "cpu", "--out", str(tmp_path / "run"), *more]
        arguments += ["--data", str(data)]
        arguments += ["--generator", generator, "--classifier", "mobilenet-v2", "--evaluators", "privacy"]
        return CliRunner().invoke(app, [*arguments, *(part for item in TINY for part in ("--set", item))])

    return start


def score(folder: Path, name: str) -> dict:
    scores = json.loads((folder / "scores.json").read_text())["scores"]
    return next(score for score in scores if (score["name"], score["subject"]) == (name, "synthetic"))


def test_a_generator_that_copies_and_a_near_duplicate_are_named_by_the_run(
    run: Run, spoiled: Callable[..., Path], tmp_path: Path
) -> None:
    data = spoiled(near_duplicate(tmp_path / "data"))
    done = run("example-copy", data)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "run"
    count = score(folder, "memorized")["n"]
    sentence = f"privacy: {count} of {count} synthetic images look like copies of training images"
    assert f"warning: {sentence}" in done.stderr
    assert score(folder, "memorized")["value"] == 1.0
    report = (folder / "report.html").read_text()
    assert sentence in report
    assert f"<strong>{count} of {count} synthetic images look memorized.</strong>" in report
    rows = list(csv.DictReader(data.read_text().splitlines()))
    for split in ("train", "test"):
        assert f"{of_target(rows, split)['image']} ({split})" in done.stderr
    assert "images look alike across splits" in report
    recorded = json.loads((folder / "run.json").read_text())["warnings"]
    assert {"privacy-memorized", "look-alikes-across-splits"} <= {warning["kind"] for warning in recorded}
    (copies,) = [warning for warning in recorded if warning["kind"] == "privacy-memorized"]
    assert copies["stage"] == "evaluation"
    assert copies["text"].startswith(sentence)
    # A run that is continued says so again, though nothing is measured again, and records it once.
    again = run("example-copy", data, "--resume")
    assert f"warning: {sentence}" in again.stderr
    assert json.loads((folder / "run.json").read_text())["warnings"] == recorded


def test_a_sound_generator_on_sound_data_is_not_accused(run: Run, spoiled: Callable[..., Path], tmp_path: Path) -> None:
    done = run("example-tone", spoiled())
    assert done.exit_code == 0, done.output
    assert "privacy:" not in done.stderr
    assert "look alike" not in done.stderr
    assert score(tmp_path / "run", "memorized")["value"] == 0.0
    assert "synthetic images looks memorized" in (tmp_path / "run" / "report.html").read_text()


def test_a_patient_in_two_splits_is_refused_by_name_before_anything_is_trained(
    run: Run, spoiled: Callable[..., Path], tmp_path: Path
) -> None:
    data = spoiled(one_patient_twice)
    patient = of_target(list(csv.DictReader(data.read_text().splitlines())), "train")["patient"]
    done = run("example-tone", data)
    assert done.exit_code == 2
    assert f"1 patient is in more than one split: {patient} (train, test)" in done.stderr
    assert not (tmp_path / "run").exists()


def test_data_check_names_both_leaks(spoiled: Callable[..., Path], tmp_path: Path) -> None:
    def both(rows: Rows) -> None:
        near_duplicate(tmp_path / "data")(rows)
        one_patient_twice(rows)

    done = CliRunner().invoke(app, ["data", "check", "--data", str(spoiled(both)), "--json"])
    findings = json.loads(done.stdout)
    assert done.exit_code == 2
    assert any("in more than one split" in error for error in findings["errors"])
    assert any(warning.startswith("look alike across splits") for warning in findings["warnings"])
