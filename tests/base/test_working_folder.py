"""What lies in the working folder is not imported."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from medsynth.base.working_folder import leave_working_folder
from tests.shadows import COMMAND, executed, fill

BUNDLE = Path(__file__).parents[2] / "bundles/sg-cyclegan-lsnet"


@pytest.fixture(scope="module")
def shadows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("shadows"))


def start(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "arguments",
    [["plugins"], ["bundle", "verify", str(BUNDLE)], ["data", "check", "--data", "gone.csv"], ["predict", "gone", "x"]],
    ids=lambda arguments: arguments[0],
)
def test_a_command_imports_nothing_from_a_folder_full_of_modules(shadows: Path, arguments: list[str]) -> None:
    done = start([COMMAND, *arguments], shadows)
    assert done.returncode in (0, 2), done.stderr
    assert "Traceback" not in done.stderr
    assert executed(shadows) == []


def test_the_modules_would_be_imported_if_they_could(tmp_path: Path) -> None:
    fill(tmp_path)
    start([sys.executable, "-c", "import queue, torch"], tmp_path)
    assert executed(tmp_path) == ["queue", "torch"]


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        ([sys.executable, "-m", "medsynth", "plugins"], {}),
        ([sys.executable, "-P", "-c", "from medsynth.__main__ import main; main()"], {"PYTHONPATH": os.pathsep}),
    ],
    ids=["python -m", "empty entry of PYTHONPATH"],
)
def test_where_python_would_look_there_a_module_that_is_in_the_way_is_refused(tmp_path, command, variables) -> None:
    (tmp_path / "typer.py").write_text("open('executed.txt', 'w')")
    (tmp_path / "mine.py").write_text("")
    done = start(command, tmp_path, **variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the working folder holds typer.py, which Python would import instead")
    assert "--no-python medsynth" in done.stderr
    assert executed(tmp_path) == []
    assert start(command, tmp_path, **variables, RANK="1").stderr == ""


@pytest.mark.parametrize("name", ["queue.py", "torch/__init__.py", f"numpy{EXTENSION_SUFFIXES[0]}", "json.pyc"])
def test_modules_packages_and_compiled_modules_are_found(tmp_path, monkeypatch, name) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    assert leave_working_folder() == name.partition("/")[0]


def test_other_files_are_nobodys_business_and_the_folder_leaves_the_path(tmp_path, monkeypatch) -> None:
    for name in ("mine.py", "queue.txt", "torch/weights.pt", "numpy.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", before := [str(tmp_path), *sys.path])
    assert leave_working_folder() == ""
    assert str(tmp_path) not in before
    assert leave_working_folder() == ""
