"""The page "From Python": its examples run, and give what the command gives."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import medsynth
from medsynth.cli import app
from medsynth.door.asked import as_settings
from medsynth.door.finished import FinishedRun
from medsynth.reading.quietness import quiet
from tests.tiny import TINY

PAGE = Path(__file__).parents[2] / "docs/python.md"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the page's examples leave behind, in a folder of their own, with a run that takes seconds."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        small = partial(medsynth.run, device="cpu", progress=False)
        tiny = {"settings": TINY, "evaluators": ["diagnostic"]}
        patch.setattr(medsynth, "run", lambda *plan, **asked: small(*plan, **({} if plan else tiny), **asked))
        with quiet():  # MONAI's readers warn of what is not installed
            for block in blocks:
                exec(compile(block, str(PAGE), "exec"), names)
        yield names


def test_the_examples_of_the_page_run_and_the_run_is_the_one_asked_for(page):
    result = page["result"]
    assert isinstance(result, FinishedRun)
    assert (result.report.name, result.bundle.name) == ("report.html", "bundle")
    assert {row["evaluator"] for row in result.scores.frame()} >= {"diagnostic", "synthesis"}
    assert result.verdict == json.loads(Path("runs/a/run.json").read_text())["verdict"]["sentence"]


SETS = [part for item in as_settings(TINY) for part in ("--set", item)]
ASKED = ["--generator", "sg-cyclegan", "--classifier", "lsnet", "--preset", "quick", "--device", "cpu"]
ASKED += ["--evaluators", "diagnostic", *SETS]


@pytest.mark.parametrize("asked", [ASKED, ["--config", "runs/b/plan.toml"]], ids=["options", "plan"])
def test_the_command_finds_its_own_plan_folder_and_scores_in_a_run_of_python(page, asked):
    """Without the same plan it would refuse the folder."""
    done = CliRunner().invoke(app, ["run", *asked, "--out", "runs/a", "--resume", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == page["result"].as_dict()


def test_a_run_repeated_from_its_plan_has_equal_scores_and_weights(page):
    for name in ("plan.toml", "scores.json", "bundle/models/model.safetensors", "bundle/models/translator.safetensors"):
        assert Path("runs/b", name).read_bytes() == Path("runs/a", name).read_bytes(), name


def test_a_run_and_a_bundle_show_head_and_images_in_a_notebook(page):
    shown = page["result"]._repr_html_()
    assert page["result"].verdict in shown
    assert shown.count("data:image/png;base64,") == 6
    assert page["bundle"]._repr_html_().count("data:image/png;base64,") == 6


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"generator": "unit"}, "--generator cannot be given with the plan"),
        ({"preset": "paper"}, "--preset cannot be given with the plan"),
        ({"settings": {"generator.widht": 8}}, "unknown field generator.widht"),
        ({"start": "runs/a"}, "starts from new weights"),
        ({"seeds": [1, 1]}, "must be different"),
        ({"plan": "runs/a/run.json"}, r"run\.json cannot be read"),
        ({"plan": "runs/none"}, "runs/none cannot be read"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_contradicts_a_plan_is_refused_before_anything_is_written(page, asked, message):
    with pytest.raises(Exception, match=message) as caught:
        medsynth.door.one_run.run(**{"plan": "runs/a", "out": "runs/refused", "device": "cpu", **asked})
    assert caught.value.exit_code == 2
    assert not Path("runs/refused").exists()


def test_a_plan_with_a_part_missing_is_refused_by_name(page):
    Path("half.toml").write_text(Path("runs/a/plan.toml").read_text().replace("[classifier]", "[klassifier]"))
    done = CliRunner().invoke(app, ["run", "half.toml", "--out", "runs/refused"])
    assert (done.exit_code, "half.toml is no plan of a run: 'classifier' is missing" in done.stderr) == (2, True)
    done = CliRunner().invoke(app, ["run", "half.toml", "--config", "half.toml"])
    assert (done.exit_code, "two plans are named" in done.stderr) == (2, True)


def test_runs_are_compared_in_python_as_by_the_command(page):
    compared = medsynth.compare("runs/a", "runs/b", columns=["diagnostic.roc_auc"])
    done = CliRunner().invoke(app, ["compare", "runs/a", "runs/b", "--columns", "diagnostic.roc_auc", "--json"])
    assert json.loads(done.stdout) == json.loads(json.dumps(compared.as_dict()))
    assert [row["row"] for row in compared.frame()] == ["a", "b"]
    assert "<table>" in compared._repr_html_()


IMPORTED = (
    "import sys; before = set(sys.modules); import medsynth; dir(medsynth); new = set(sys.modules) - before;"
    "import json; print(json.dumps(sorted(new)))"
)


def test_importing_medsynth_imports_nothing_but_its_version():
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["medsynth", "medsynth.base", "medsynth.base.version"]


def test_every_name_of_the_door_is_there_and_no_other():
    assert all(getattr(medsynth, name) for name in medsynth.__all__)
    assert set(medsynth.__all__) <= set(dir(medsynth))
    with pytest.raises(AttributeError, match="'medsynth' has no attribute 'runs'"):
        _ = medsynth.runs


def test_data_and_plugins_answer_without_a_command(tmp_path):
    assert "there are no target images" in " ".join(medsynth.data.check_folder(tmp_path).errors)
    assert {plugin.name for plugin in medsynth.plugins.available("classifier")} >= {"lsnet", "mobilenet-v2"}
    assert medsynth.plugins.available("classifier")[0].kind == "classifier"
