"""Bundles to start from: complete, usable at once, and the start of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from jsonschema import Draft201909Validator
from typer.testing import CliRunner

from medsynth.bundle.audit import Verdict, audit_bundle
from medsynth.bundle.checking.verification import verify_bundle
from medsynth.bundle.opening.opened import CLASSIFIER, TRANSLATOR, open_bundle
from medsynth.cli import app
from medsynth.flow.stages.finetuning import read_parent
from medsynth.inference.export.forms import export_bundle
from medsynth.plan.plan import make_plan
from medsynth.plugins import Registry

from .schema import SCHEMA


def init(out: Path, *more: str) -> str:
    done = CliRunner().invoke(app, ["bundle", "init", "--out", str(out), *more])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("generator", ["cyclegan", "unit", "munit", "dclgan", "sg-cyclegan"])
def test_every_generator_has_a_bundle_to_start_from(generator: str, tmp_path: Path) -> None:
    init(tmp_path, "--generator", generator, "--classifier", "mobilenet-v2")
    bundle = tmp_path / f"{generator}-mobilenet-v2"
    translated = open_bundle(bundle, TRANSLATOR).network()(torch.zeros(1, 1, 64, 64))
    assert translated.shape == (1, 1, 64, 64)


@pytest.mark.parametrize("classifier", ["mobilenet-v2", "efficientnet", "mobilevit", "lsnet"])
def test_every_classifier_has_a_bundle_to_start_from(classifier: str, tmp_path: Path) -> None:
    shown = init(tmp_path, "--generator", "cyclegan", "--classifier", classifier, "--set", "data.channels=3")
    bundle = tmp_path / f"cyclegan-{classifier}"
    assert f"medsynth run --from {bundle}" in shown
    assert open_bundle(bundle, CLASSIFIER).network()(torch.zeros(2, 3, 64, 64)).shape == (2, 2)
    assert verify_bundle(bundle).deviations == ()
    assert audit_bundle(bundle).verdict is Verdict.TRUST
    Draft201909Validator(SCHEMA).validate(json.loads((bundle / "configs/metadata.json").read_text()))
    assert "They are not trained" in (bundle / "docs/README.md").read_text()


def test_a_run_that_starts_from_it_has_its_plan(tmp_path: Path) -> None:
    init(tmp_path, "--generator", "cyclegan", "--set", "generator.width=8", "--set", "classifier.sparsity=3")
    parent = read_parent(tmp_path / "cyclegan-lsnet")
    names = {"generator": parent.generator, "classifier": parent.classifier, "preset": "quick"}
    plan = make_plan(Registry(), **names, seeds=[1], device="cpu", parent=parent).as_dict()
    assert (plan["generator"]["width"], plan["classifier"]["sparsity"], plan["data"]["size"]) == (8, 3, 64)
    assert plan["parent"] == parent.digest


def test_equal_choices_give_equal_bundles(tmp_path: Path) -> None:
    for name in "ab":
        init(tmp_path / name, "--generator", "cyclegan", "--classifier", "mobilenet-v2")
    first, second = (
        export_bundle(tmp_path / name / "cyclegan-mobilenet-v2", tmp_path / f"{name}.out", form="source", zipped=True)
        for name in "ab"
    )
    assert first.read_bytes() == second.read_bytes()


def test_what_is_there_already_is_kept(tmp_path: Path) -> None:
    init(tmp_path, "--generator", "cyclegan", "--classifier", "mobilenet-v2")
    before = (tmp_path / "cyclegan-mobilenet-v2/medsynth.json").read_bytes()
    done = CliRunner().invoke(
        app, ["bundle", "init", "--out", str(tmp_path), "--generator", "cyclegan", "--classifier", "mobilenet-v2"]
    )
    assert done.exit_code == 2
    assert "already exists" in done.output
    assert (tmp_path / "cyclegan-mobilenet-v2/medsynth.json").read_bytes() == before
