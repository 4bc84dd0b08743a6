"""Classifier rows trained by several processes: same weights, nothing lost, nobody left behind."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from medsynth.base.progress import Task
from medsynth.flow.stages.helpers import _relay
from tests import starting
from tests.leftovers import left_after, processes_of
from tests.shadows import COMMAND, executed, fill

SETS = [
    "data.size=32",
    "data.workers=1",
    "data.phantom_source=20",
    "data.phantom_negative=20",
    "data.phantom_positive=10",
    "data.phantom_test=10",
    "generator.epochs=1",
    "generator.epoch_steps=2",
    "generator.width=4",
    "generator.blocks=1",
    "generator.discriminator_width=4",
    "classifier.batch_size=8",
    "classifier.pretrain_epochs=2",
    "classifier.finetune_epochs=1",
    "classifier.epoch_steps=6",
    "training.tensorboard=false",
    "evaluators.diagnostic.resamples=100",
]


def start(out: Path, *more: str, threads: int, folder: Path | None = None) -> subprocess.Popen[str]:
    """Start a run; with a working folder, as users start the command."""
    arguments = ["run", "--classifier", "mobilenet-v2", "--evaluators", "diagnostic", "--preset", "quick", "--out", out]
    arguments = [*map(str, arguments), *more, *(p for s in SETS for p in ("--set", s))]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    options["env"] = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    if folder is None:
        return starting.Python(["-m", "medsynth", *arguments], **options)
    return subprocess.Popen([COMMAND, *arguments], cwd=folder, **options)


def finish(process: subprocess.Popen[str]) -> str:
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one thread."""
    out = tmp_path_factory.mktemp("rows") / "alone"
    finish(start(out, threads=1))
    return out


@pytest.fixture(scope="module")
def side_by_side(alone: Path) -> tuple[Path, str]:
    """The same run with its classifiers trained again with two threads in a folder full of modules, and what it said.

    Its generator is the other's: with two threads it would be another one, but for rounding.
    """
    out = without_classifiers(alone, alone.with_name("side-by-side"))
    shadows = fill(out.with_name("shadows"))
    said = finish(start(out, "--resume", threads=2, folder=shadows))
    assert executed(shadows) == []
    return out, said


def without_classifiers(finished: Path, copy: Path) -> Path:
    """Return a copy of a run that is to train its classifiers again."""
    shutil.copytree(finished, copy)
    shutil.rmtree(copy / "classifier")
    return copy


def weights(run: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in (run / "classifier").rglob("networks.pt")}


def helpers(run: Path) -> list[int]:
    """Return the run's helpers that are alive, and the processes that load images for them."""
    return processes_of(run, "medsynth.flow.stages.helper")


def stop_within_the_helpers_row(run: Path, number: signal.Signals) -> subprocess.Popen[str]:
    process = start(run, "--resume", threads=2)
    while not (run / "classifier/real-only/checkpoint.pt").exists() and process.poll() is None:
        time.sleep(0.005)
    assert helpers(run)
    process.send_signal(number)
    process.communicate(timeout=120)
    return process


def test_rows_trained_side_by_side_equal_rows_trained_one_after_the_other(
    alone: Path, side_by_side: tuple[Path, str]
) -> None:
    assert sorted(weights(alone)) == ["real-only", "synthetic", "untranslated"]
    assert weights(alone) == weights(side_by_side[0])


def test_the_helpers_progress_is_shown_as_the_runs_own(side_by_side: tuple[Path, str]) -> None:
    for row in ("synthetic", "real-only", "untranslated"):
        assert f"classifier {row}: pretrain: 12/12" in side_by_side[1]


def test_killed_within_a_helpers_row_and_resumed_it_equals_a_run_that_was_not(
    side_by_side: tuple[Path, str], tmp_path: Path
) -> None:
    killed = without_classifiers(side_by_side[0], tmp_path / "killed")
    stop_within_the_helpers_row(killed, signal.SIGKILL)
    assert left_after(2, killed) == [], "a helper or a process that loads images outlived its run"
    finish(start(killed, "--resume", threads=2))
    assert weights(killed) == weights(side_by_side[0])
    assert (killed / "scores.json").read_bytes() == (side_by_side[0] / "scores.json").read_bytes()


def test_a_polite_stop_lets_helpers_save_before_the_run_ends(side_by_side: tuple[Path, str], tmp_path: Path) -> None:
    stopped = without_classifiers(side_by_side[0], tmp_path / "stopped")
    assert stop_within_the_helpers_row(stopped, signal.SIGTERM).returncode == 130
    assert not helpers(stopped)
    saved = stopped / "classifier/real-only"
    assert (saved / "checkpoint.pt").exists() or (saved / "history.json").exists()


def test_what_a_helper_could_not_do_the_run_does_itself(side_by_side: tuple[Path, str], tmp_path: Path) -> None:
    run = without_classifiers(side_by_side[0], tmp_path / "run")
    process = start(run, "--resume", threads=2)
    while not (run / "classifier/real-only/checkpoint.pt").exists() and process.poll() is None:
        time.sleep(0.005)
    for helper in helpers(run):
        with suppress(ProcessLookupError):  # a loading process ends with its helper
            os.kill(helper, signal.SIGKILL)
    finish(process)
    assert weights(run) == weights(side_by_side[0])


def test_a_run_without_baselines_trains_the_main_classifier_alike_and_claims_nothing_of_synthesis(
    alone: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    finish(start(run, "--set", "training.baselines=", threads=1))
    assert weights(run) == {"synthetic": weights(alone)["synthetic"]}
    scores = json.loads((run / "scores.json").read_text())["scores"]
    assert {"real-only", "untranslated", "oracle"}.isdisjoint(score["subject"] for score in scores)
    assert "the value of synthesis is unknown" in (run / "report.html").read_text()


class Heard:
    """A watch that notes what it is told."""

    def __init__(self) -> None:
        self.events: list[object] = []

    @contextmanager
    def task(self, name: str, total: int, done: int = 0) -> Iterator[Task]:
        self.events.append((name, total, done))
        yield self
        self.events.append("end")

    def advance(self, done: int, values: Mapping[str, float] | None = None) -> None:
        self.events.append((done, values))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.events.append(name)
        yield

    def say(self, text: str) -> None:
        self.events.append(text)


def test_messages_of_a_helper_become_tasks_and_other_output_is_ignored() -> None:
    messages: list[dict[str, object]] = [
        {"task": "a", "total": 9, "done": 3},
        {"advance": "a", "done": 4, "values": {"loss": 0.5}},
        {"end": "a"},
        {"say": "note"},
        {"task": "b", "total": 1, "done": 0},
    ]
    heard = Heard()
    _relay(io.StringIO("printed by a library\n" + "".join(json.dumps(m) + "\n" for m in messages)), heard)
    assert heard.events == [("a", 9, 3), (4, {"loss": 0.5}), "end", "note", ("b", 1, 0), "end"]
