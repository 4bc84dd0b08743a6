"""Planted leaks through whole runs: each is caught, and a sound run is not accused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from medsynth.cli import app

TINY = [
    "data.size=32",
    "data.phantom_source=20",
    "data.phantom_negative=20",
    "data.phantom_positive=10",
    "data.phantom_test=10",
    "generator.epochs=2",
    "generator.epoch_steps=6",
    "generator.batch_size=2",
    "classifier.pretrain_epochs=1",
    "classifier.finetune_epochs=1",
    "classifier.epoch_steps=2",
    "evaluators.privacy.resamples=200",
]

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, example_plugin: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a generator on the tiny phantom in this process, judged by `privacy`."""
    information = tmp_path / "site" / "medsynth_example_copy-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: medsynth-example-copy\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[medsynth.generators]\nexample-copy = medsynth_example_copy\n")
    for folder in (example_plugin, tmp_path / "site", Path(__file__).parent / "copying_plugin"):
        monkeypatch.syspath_prepend(str(folder))

    def start(generator: str, *more: str) -> Result:
        arguments = ["run", "--preset", "quick", "--device", "cpu", "--out", str(tmp_path / "run"), *more]
        arguments += ["--generator", generator, "--classifier", "mobilenet-v2", "--evaluators", "privacy"]
        return CliRunner().invoke(app, [*arguments, *(part for item in TINY for part in ("--set", item))])

    return start


def score(folder: Path, name: str) -> dict:
    scores = json.loads((folder / "scores.json").read_text())["scores"]
    return next(score for score in scores if (score["name"], score["subject"]) == (name, "synthetic"))


def test_a_generator_that_copies_training_images_is_flagged_by_the_run(run: Run, tmp_path: Path) -> None:
    done = run("example-copy")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "run"
    count = score(folder, "memorized")["n"]
    sentence = f"privacy: {count} of {count} synthetic images look like copies of training images"
    assert f"warning: {sentence}" in done.stderr
    assert score(folder, "memorized")["value"] == 1.0
    report = (folder / "report.html").read_text()
    assert sentence in report
    assert f"<strong>{count} of {count} synthetic images look memorized.</strong>" in report
    # A run that is continued says so again, though nothing is measured again.
    again = run("example-copy", "--resume")
    assert f"warning: {sentence}" in again.stderr


def test_a_sound_generator_is_not_accused(run: Run, tmp_path: Path) -> None:
    done = run("example-tone")
    assert done.exit_code == 0, done.output
    assert "privacy:" not in done.stderr
    assert score(tmp_path / "run", "memorized")["value"] == 0.0
    assert "synthetic images looks memorized" in (tmp_path / "run" / "report.html").read_text()
