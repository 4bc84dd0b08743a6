"""A run's folder: which ones are refused, the lock, the record of stages."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from medsynth.base.errors import Busy, InputError
from medsynth.base.progress import Silent
from medsynth.base.stopping import Stop
from medsynth.flow.folder.choosing import check_disk, choose_folder
from medsynth.flow.folder.runs import Run
from medsynth.plan.plan import Plan, make_plan
from medsynth.plugins import Registry


def plan(*overrides: str) -> Plan:
    return make_plan(
        Registry(),
        generator="cyclegan",
        classifier="mobilenet-v2",
        preset="quick",
        seeds=[1],
        device="cpu",
        overrides=overrides,
    )


@pytest.fixture
def opened(tmp_path: Path) -> Path:
    with Run(tmp_path / "run", plan(), Registry(), Silent(), Stop()).opened():
        pass
    return tmp_path / "run"


def test_a_run_without_out_gets_the_next_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    parent = Path("runs/phantom/cyclegan--mobilenet-v2")
    assert choose_folder(plan(), None, resume=False) == parent / "1"
    (parent / "7").mkdir(parents=True)
    assert choose_folder(plan(), None, resume=False) == parent / "8"


def test_resume_without_out_finds_the_newest_run_of_the_same_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, overrides in (("1", ()), ("2", ()), ("3", ("data.size=32",))):
        folder = Path("runs/phantom/cyclegan--mobilenet-v2") / number
        folder.mkdir(parents=True)
        (folder / "plan.toml").write_text(plan(*overrides).to_toml())
    assert choose_folder(plan(), None, resume=True).name == "2"


def test_a_folder_of_another_plan_is_refused_naming_the_difference(opened: Path) -> None:
    with pytest.raises(InputError, match="'size = 64' there, 'size = 32' asked for"):
        choose_folder(plan("data.size=32"), opened, resume=True)


def test_a_folder_of_the_same_plan_needs_resume(opened: Path) -> None:
    with pytest.raises(InputError, match=r"already holds a run of this plan\nAdd --resume"):
        choose_folder(plan(), opened, resume=False)
    assert choose_folder(plan(), opened, resume=True) == opened


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="holds other files"):
        choose_folder(plan(), tmp_path, resume=True)
    with pytest.raises(InputError, match="is a file"):
        choose_folder(plan(), tmp_path / "thesis.txt", resume=False)


def test_too_little_disk_is_refused_with_both_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")(10, 5, 5_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match="will write about 7 MB, 5 MB are free"):
        check_disk(tmp_path / "not" / "yet", 7_000_000)
    check_disk(tmp_path, 4_000_000)


def test_a_second_process_cannot_use_the_folder(opened: Path) -> None:
    with (
        Run(opened, plan(), Registry(), Silent(), Stop()).opened(),
        pytest.raises(Busy, match="in use by another medsynth process"),
        Run(opened, plan(), Registry(), Silent(), Stop()).opened(),
    ):
        pass


def test_stages_are_recorded_with_outcome_time_and_error(opened: Path) -> None:
    with Run(opened, plan(), Registry(), Silent(), Stop()).opened() as run:
        with run.stage("data"):
            pass
        with pytest.raises(ValueError, match="broken"), run.stage("generator"):
            raise ValueError("broken\nmore")
    stages = json.loads((opened / "run.json").read_text())["stages"]
    assert stages["data"]["status"] == "finished"
    assert stages["generator"]["status"] == "failed"
    assert stages["generator"]["error"] == "broken"


def test_a_finished_stage_keeps_its_record_when_entered_again(opened: Path) -> None:
    with Run(opened, plan(), Registry(), Silent(), Stop()).opened() as run:
        with run.stage("data"):
            pass
        run.record["stages"]["data"]["seconds"] = 99.0
        with run.stage("data"):
            pass
        assert run.record["stages"]["data"]["seconds"] == 99.0


def test_the_record_names_plugins_versions_and_hardware_but_no_host(opened: Path) -> None:
    import platform

    text = (opened / "run.json").read_text()
    record = json.loads(text)
    assert {"python", "torch", "monai", "pytorch-ignite"} <= set(record["versions"])
    assert {p["name"] for p in record["plugins"]} >= {"cyclegan", "mobilenet-v2", "diagnostic"}
    assert record["hardware"]["device"] == "cpu"
    assert platform.node() not in text
