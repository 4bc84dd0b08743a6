"""The application for MONAI Deploy: what it needs of medsynth, and that its parts fit the SDK's, if that is here."""

from __future__ import annotations

import csv
import importlib
import importlib.util
import os
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from medsynth.base.errors import InputError
from medsynth.cli import app
from tests.docs.commands import ROOT

FOLDER = ROOT / "docs/deployment/monai_deploy"
HAS_SDK = importlib.util.find_spec("holoscan") is not None


@pytest.fixture(scope="module")
def bundle(make_bundle):
    return make_bundle()


@pytest.fixture
def images(tmp_path):
    (tmp_path / "in/deep").mkdir(parents=True)
    for k, name in enumerate(("a.png", "deep/b.png")):
        pixels = np.random.default_rng(k).integers(0, 256, (20, 30), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / name)
    return tmp_path / "in"


@pytest.fixture
def example(monkeypatch):
    """Return a function that imports a module of the example."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def imported(name):
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    yield imported
    for name in ("app", "prediction"):
        sys.modules.pop(name, None)


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_its_table_says_what_the_command_says(example, bundle, images, tmp_path):
    written = rows(example("prediction").predict_folder(bundle, images, tmp_path / "out"))
    done = CliRunner().invoke(app, ["predict", str(bundle), str(images), "--out", str(tmp_path / "p.csv")])
    assert done.exit_code == 0, done.output
    columns = ("probability", "decision")
    assert [[row[name] for name in columns] for row in written] == [
        [row[name] for name in columns] for row in rows(tmp_path / "p.csv")
    ]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["predictions.csv"]


def test_an_image_that_cannot_be_read_leaves_no_table(example, bundle, images, tmp_path):
    (images / "c.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"c\.png"):
        example("prediction").predict_folder(bundle, images, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_application_gives_its_operator_the_paths_and_lets_it_run_once(
    example, bundle, images, tmp_path, monkeypatch
):
    """With a stand-in for the SDK that does what its documents say of these five names."""
    given = SimpleNamespace(model_path=str(bundle), input_path=str(images), output_path=str(tmp_path / "out"))

    class Application:
        argv = ()

        @staticmethod
        def init_app_context(argv):
            return given

        def __init__(self):
            self.operators = []

        def add_operator(self, operator):
            self.operators.append(operator)

    class Operator:
        def __init__(self, fragment, *conditions, name):
            self.conditions, self.name = conditions, name

    core, conditions = ModuleType("monai.deploy.core"), ModuleType("monai.deploy.conditions")
    core.Application, core.Operator, core.OperatorSpec = Application, Operator, object
    conditions.CountCondition = lambda fragment, count: count
    for module in (ModuleType("monai.deploy"), core, conditions):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    composed = example("app").PredictionApp()
    composed.compose()
    (operator,) = composed.operators
    assert operator.conditions == (1,)
    operator.compute(None, None, None)
    assert len(rows(tmp_path / "out/predictions.csv")) == 2


@pytest.mark.skipif(not HAS_SDK, reason="monai-deploy-app-sdk is not installed")
def test_the_application_runs_under_the_sdk(bundle, images, tmp_path):
    command = [sys.executable, str(FOLDER / "app.py"), "-i", "in", "-m", str(bundle), "-o", "out"]
    done = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(rows(tmp_path / "out/predictions.csv")) == 2
    (images / "c.png").write_bytes(b"no picture")
    (tmp_path / "out/predictions.csv").unlink()
    failed = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True)
    assert failed.returncode != 0
    assert "c.png" in failed.stderr + failed.stdout
    assert not (tmp_path / "out/predictions.csv").exists()
