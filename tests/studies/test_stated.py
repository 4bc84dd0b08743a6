"""Bundles beside each other, by the figures that they state on the same split."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from medsynth.cli import app

AUC = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 60.0}


def write_bundle(folder: Path, *, split: str = "abc", **figures: dict[str, float]) -> Path:
    (folder / "configs").mkdir(parents=True)
    stated = {f"{place.replace('__', '/')}": parts for place, parts in figures.items()}
    (folder / "configs/metadata.json").write_text(json.dumps({"name": folder.name, "eval_metrics": stated}))
    (folder / "medsynth.json").write_text(json.dumps({"form": "source", "split": split, "files": {}}))
    return folder


def call(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["compare", *map(str, arguments)], env={"COLUMNS": "200"})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_bundles_zips_and_runs_are_compared_by_what_they_state(tmp_path: Path) -> None:
    one = write_bundle(tmp_path / "one", synthetic__diagnostic__roc_auc=AUC, oracle__diagnostic__roc_auc={"value": 1.0})
    two = write_bundle(tmp_path / "two", synthetic__diagnostic__roc_auc={"value": 0.7})
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", two)
    run = write_bundle(tmp_path / "run/bundle").parent
    code, text, _ = call(one, packed, run, "--json")
    assert code == 0
    found = {row["label"]: row["figures"] for row in json.loads(text)["bundles"]}
    assert found == {
        "one": {"diagnostic.roc_auc": AUC},
        "packed.zip": {"diagnostic.roc_auc": {"value": 0.7}},
        "run": {},
    }
    _, text, _ = call(one, packed, run)
    assert [line.split() for line in text.splitlines()[:3]] == [
        ["bundle", "diagnostic.roc_auc"],
        ["one", "0.9", "(0.8", "to", "0.95)"],
        ["packed.zip", "0.7"],
    ]
    assert "no paired tests" in text


def test_columns_and_subjects_are_asked_for_as_with_runs(tmp_path: Path) -> None:
    one = write_bundle(tmp_path / "one", oracle__diagnostic__brier={"value": 0.25}, real__privacy__x={"value": 1.0})
    two = write_bundle(tmp_path / "two")
    _, text, _ = call(one, two, "--subject", "oracle", "--columns", "diagnostic.brier, privacy.x@real", "--json")
    figures = json.loads(text)["bundles"][0]["figures"]
    assert figures == {"diagnostic.brier": {"value": 0.25}, "privacy.x@real": {"value": 1.0}}


@pytest.mark.parametrize(
    ("splits", "more", "message"),
    [
        (("abc", "xyz"), [], "two has split xyz, one has abc"),
        (("abc", ""), [], "two does not say on which split"),
        (("abc", "abc"), ["--out", "page"], "--out takes runs only"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, splits, more, message) -> None:
    places = [write_bundle(tmp_path / name, split=split) for name, split in zip(("one", "two"), splits, strict=True)]
    code, _, told = call(*places, *more)
    assert (code, message in told) == (2, True)


def test_one_bundle_is_not_compared_with_itself(tmp_path: Path) -> None:
    one = write_bundle(tmp_path / "one")
    assert "needs two different runs or bundles" in call(one, one)[2]
