"""What runs of a study share: which stages have one key, who takes whose files, what links must not do."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from medsynth.base.errors import InputError, Interrupted
from medsynth.base.seals import finish
from medsynth.base.stopping import Stop
from medsynth.flow.folder.sharing import Sharing, link_folder
from medsynth.plan.plan import make_plan
from medsynth.plugins import Registry
from medsynth.results.stage_keys import stage_key

RECORD = {
    "medsynth": "1",
    "versions": {"torch": "2"},
    "split": "abc",
    "plugins": [
        {"kind": "generator", "name": "cyclegan", "distribution": "d", "version": "1"},
        {"kind": "classifier", "name": "mobilenet-v2", "distribution": "d", "version": "1"},
    ],
}


def key(*overrides: str, part: str = "generator", seed: int | None = 1, record: Any = RECORD, **names: str) -> str:
    plugins = {"generator": "cyclegan", "classifier": "mobilenet-v2", **names}
    plan = make_plan(Registry(), **plugins, preset="quick", seeds=[1], device="cpu", overrides=overrides)
    uses = {"generator": ["generator"], "classifier/synthetic": ["generator", "classifier"]}.get(part, [])
    return stage_key(plan.as_dict(), record, part, *uses, seed=seed)


@pytest.mark.parametrize(
    "setting", ["data.workers=2", "training.tensorboard=false", "training.threshold=youden", "classifier.batch_size=8"]
)
def test_a_generators_key_ignores_what_does_not_change_it(setting: str) -> None:
    assert key(setting) == key()


def test_a_generators_key_ignores_the_classifier() -> None:
    assert key(classifier="mobilevit") == key()


@pytest.mark.parametrize("setting", ["generator.width=8", "data.size=32", "data.seed=7", "training.precision=bf16"])
def test_a_generators_key_follows_what_changes_it(setting: str) -> None:
    assert key(setting) != key()


def test_a_key_follows_seed_split_and_versions() -> None:
    newer = {**RECORD, "plugins": [{**RECORD["plugins"][0], "version": "2"}]}
    others = [
        key(seed=2),
        key(record={**RECORD, "split": "x"}),
        key(record={**RECORD, "medsynth": "2"}),
        key(record=newer),
    ]
    assert len({key(), *others}) == 5


def test_the_data_depend_on_no_seed_split_device_or_training() -> None:
    first = key(part="data", seed=None)
    assert key("training.precision=bf16", part="data", seed=None, record={**RECORD, "split": "x"}) == first
    assert key("data.size=32", part="data", seed=None) != first


def test_a_classifier_with_synthetic_images_depends_on_both_plugins() -> None:
    part = "classifier/synthetic"
    assert len({key(part=part), key(part=part, generator="dclgan"), key("classifier.batch_size=8", part=part)}) == 3


def make(root: Path, run: str, fail: bool = False) -> str:
    """Do what a run does with a stage of two files; return where its files came from."""
    folder = root / run / "generator"
    with Sharing(root).part("k", folder, Stop()) as origin:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "one").exists():
            (folder / "one").write_text(run)
        if fail:
            raise RuntimeError
        if not (folder / "two").exists():
            (folder / "two").write_text(run)
        finish(folder)
    return origin


def test_the_first_run_makes_a_stage_and_others_link_its_files(tmp_path: Path) -> None:
    assert make(tmp_path, "a") == ""
    assert make(tmp_path, "b") == make(tmp_path, "c") == "a/generator"
    inodes = {(tmp_path / run / "generator/two").stat().st_ino for run in "abc"}
    assert len(inodes) == 1


def test_a_stage_that_was_interrupted_is_continued_by_whichever_run_comes_next(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        make(tmp_path, "a", fail=True)
    assert make(tmp_path, "b") == "a/generator"
    assert [(tmp_path / "b/generator" / name).read_text() for name in ("one", "two")] == ["a", "b"]
    assert make(tmp_path, "a") == "b/generator"
    assert (tmp_path / "a/generator/two").read_text() == "b"


def test_a_stage_whose_run_was_removed_is_made_again(tmp_path: Path) -> None:
    make(tmp_path, "a")
    (tmp_path / "a").rename(tmp_path / "elsewhere")
    assert make(tmp_path, "b") == ""
    index = json.loads((tmp_path / "shared/k.json").read_text())
    assert (index["folder"], index["finished"]) == ("b/generator", True)


def test_a_damaged_stage_is_not_passed_on_but_made_again(tmp_path: Path) -> None:
    make(tmp_path, "a")
    (tmp_path / "a/generator/two").write_text("A")
    assert make(tmp_path, "b") == ""
    assert (tmp_path / "b/generator/two").read_text() == "b"
    assert make(tmp_path, "c") == "b/generator"


def test_a_damaged_index_is_refused_with_what_to_do(tmp_path: Path) -> None:
    make(tmp_path, "a")
    path = tmp_path / "shared/k.json"
    path.write_text(path.read_text().replace("a/generator", "c/generator"))
    with pytest.raises(InputError, match=r"shared/k.json is damaged[\s\S]*Remove it and continue with --resume"):
        make(tmp_path, "b")


def test_waiting_for_another_run_ends_when_a_stop_is_requested(tmp_path: Path) -> None:
    sharing, stop = Sharing(tmp_path), Stop()
    stop.requested = True
    with (
        sharing.part("k", tmp_path / "a", Stop()),
        pytest.raises(Interrupted),
        sharing.part("k", tmp_path / "b", stop),
    ):
        pass


def test_links_leave_out_files_that_are_being_written(tmp_path: Path) -> None:
    (tmp_path / "from/deep").mkdir(parents=True)
    (tmp_path / "from/deep/kept").write_text("x")
    (tmp_path / "from/.kept.0.part").write_text("half")
    (tmp_path / "to").mkdir()
    (tmp_path / "to/old").write_text("gone")
    link_folder(tmp_path / "from", tmp_path / "to")
    assert [path.relative_to(tmp_path / "to").as_posix() for path in sorted((tmp_path / "to").rglob("*"))] == [
        "deep",
        "deep/kept",
    ]


def test_files_are_copied_where_links_are_impossible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    (tmp_path / "from").mkdir()
    (tmp_path / "from/kept").write_text("x")
    link_folder(tmp_path / "from", tmp_path / "to")
    assert (tmp_path / "to/kept").read_text() == "x"
    assert (tmp_path / "to/kept").stat().st_ino != (tmp_path / "from/kept").stat().st_ino


def other_study(tmp_path: Path, fail: bool = False) -> Path:
    """Return the folder of a study that did, or began, the stage."""
    other = tmp_path / "other"
    with contextlib.suppress(RuntimeError):
        make(other, "runs/a", fail=fail)
    return other


def test_a_stage_that_another_study_finished_is_linked(tmp_path: Path) -> None:
    other, own = other_study(tmp_path), tmp_path / "mine/runs/b/generator"
    with Sharing(tmp_path / "mine", [other]).part("k", own, Stop()) as origin:
        assert (own / "two").read_text() == "runs/a"
    assert origin == "other/runs/a/generator"
    with Sharing(tmp_path / "mine").part("k", tmp_path / "mine/runs/c/generator", Stop()) as again:
        assert again == "runs/b/generator"


@pytest.mark.parametrize("state", ["begun", "removed", "never"])
def test_what_another_study_has_not_finished_is_left_alone(state: str, tmp_path: Path) -> None:
    other = other_study(tmp_path, fail=state == "begun") if state != "never" else tmp_path / "other"
    if state == "removed":
        (other / "runs/a").rename(tmp_path / "elsewhere")
    own = tmp_path / "mine/runs/b/generator"
    with Sharing(tmp_path / "mine", [other]).part("k", own, Stop()) as origin:
        assert (origin, own.exists()) == ("", False)
