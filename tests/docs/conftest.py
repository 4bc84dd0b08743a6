"""A tiny run, made by the cells of a notebook, for whatever the documents show of a run."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import medsynth
from medsynth.reading.quietness import quiet
from tests.docs.commands import ROOT
from tests.tiny import TINY

Executed = Callable[[str], dict[str, Any]]
PHANTOM_ONLY = ("data.phantom_source", "data.phantom_negative", "data.phantom_positive", "data.phantom_test")


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Executed:
    """Return a function that executes all cells of a notebook in a new folder, with a run that takes seconds.

    It returns the names that the cells defined, and ``folder`` and ``printed``.
    """

    def execute(notebook: str) -> dict[str, Any]:
        folder, printed = tmp_path_factory.mktemp(notebook), io.StringIO()
        names: dict[str, Any] = {"folder": folder}
        genuine = medsynth.run

        def tiny(**asked: Any) -> Any:
            left_out = PHANTOM_ONLY if asked["data"] != "phantom" else ()
            settings = {name: value for name, value in TINY.items() if name not in left_out}
            settings["training.baselines"] = ["real-only"]
            return genuine(**asked, settings=settings, evaluators=["diagnostic"], device="cpu", progress=False)

        with pytest.MonkeyPatch.context() as patch, quiet(), contextlib.redirect_stdout(printed):
            patch.chdir(folder)
            patch.setattr(medsynth, "run", tiny)
            for number, code in enumerate(code_cells(notebook)):
                exec(compile(code, f"{notebook}.ipynb, cell {number}", "exec"), names)
        return names | {"printed": printed.getvalue()}

    return execute


def code_cells(notebook: str) -> list[str]:
    """Return the code of a notebook's cells in order."""
    content = json.loads((ROOT / "docs/notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def main_job(executed: Executed) -> dict[str, Any]:
    """What the notebook of the main job leaves behind."""
    return executed("main-job")


@pytest.fixture(scope="module")
def run_folder(main_job: dict[str, Any]) -> Path:
    """The run of the notebook of the main job."""
    return Path(main_job["folder"], main_job["run"].folder)
