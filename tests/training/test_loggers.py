"""Losses go to the loggers that the plan asks for, and what they need is asked for before training."""

from __future__ import annotations

import importlib.util
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from medsynth.base.errors import InputError, Interrupted
from medsynth.base.seals import hashes_of
from medsynth.cli import app
from medsynth.training import loggers
from medsynth.training.config import TrainingConfig
from medsynth.training.loop import train
from tests.training.test_loop import Model

HAS_WANDB = importlib.util.find_spec("wandb") is not None
needs_wandb = pytest.mark.skipif(not HAS_WANDB, reason="wandb is not installed")
ASKED = TrainingConfig(tensorboard=False, wandb="project")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch, tmp_path):
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("CACHE", "CONFIG", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")  # set here, it is taken back


def records_of(path: Path) -> Iterator[Any]:
    """Yield the records of an offline log: LevelDB's log format after a head of 7 bytes, in blocks of 32 KiB."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, place, whole = path.read_bytes(), 7, b""
    while place + 7 <= len(content):
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        whole += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part of one
            record = Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


def logged_steps(records: list[Any]) -> list[Mapping[str, float]]:
    items = [record.history.item for record in records if record.HasField("history")]
    return [
        {one.key or one.nested_key[0]: float(one.value_json) for one in row if "{" not in one.value_json}
        for row in items
    ]


@needs_wandb
def test_losses_go_to_weights_and_biases_offline_and_nothing_else_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(loggers, "EVERY", 2)
    model, seen = Model(), []

    def step(*given):
        losses = Model.step(model, *given)
        seen.append(float(losses["loss"]))
        return losses

    job = model.job(tmp_path / "run", training=ASKED, name="toy one")
    train(replace(job, phases=[replace(phase, step=step) for phase in job.phases]))
    folders = sorted((tmp_path / "run/wandb").glob("offline-run-*"), key=lambda path: path.stat().st_mtime_ns)
    both = [[one for path in folder.glob("*.wandb") for one in records_of(path)] for folder in folders]
    runs = {record.run.display_name: records for records in both for record in records if record.HasField("run")}
    assert set(runs) == {"toy-one/first", "toy-one/second"}
    for name, losses in (("toy-one/first", seen[:6]), ("toy-one/second", seen[6:])):
        rows = logged_steps(runs[name])
        assert [int(row["_step"]) for row in rows] == [2, 4, 6]
        assert [float(row[f"{name}/loss"]) for row in rows] == pytest.approx(losses[1::2])
    (run,) = [record.run for record in runs["toy-one/first"] if record.HasField("run")]
    assert (run.project, run.run_group, run.host) == ("project", "toy one", "")
    assert not any(record.HasField("stats") for records in both for record in records)
    assert not [name for name in hashes_of(tmp_path / "run") if "wandb" in name]
    written = b"".join(path.read_bytes() for path in (tmp_path / "run/wandb").rglob("*.wandb"))
    assert str(tmp_path).encode() not in written
    if len(socket.gethostname()) > 5:
        assert socket.gethostname().encode() not in written


@needs_wandb
def test_a_phase_that_is_stopped_ends_its_log(tmp_path):
    import wandb

    with pytest.raises(Interrupted):
        train(Model(2).job(tmp_path, training=ASKED))
    assert wandb.run is None


@pytest.mark.parametrize("asked", [TrainingConfig(mlflow="http://localhost"), ASKED], ids=["mlflow", "wandb"])
def test_a_logger_that_is_not_installed_is_refused_with_the_command_that_installs_it(asked, monkeypatch):
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    name = "mlflow" if asked.mlflow else "wandb"
    with pytest.raises(InputError, match=rf'training\.{name} needs .*\n.*"medsynth-monai\[{name}\]"'):
        loggers.check_loggers(asked)
    loggers.check_loggers(TrainingConfig())


def test_weights_and_biases_is_offline_unless_asked_and_takes_its_key_from_the_environment(monkeypatch):
    monkeypatch.setattr(loggers, "find_spec", lambda name: name)
    for mode in ("", "offline", "disabled"):
        monkeypatch.setenv("WANDB_MODE", mode)
        loggers.check_loggers(ASKED)
    monkeypatch.setenv("WANDB_MODE", "online")
    with pytest.raises(InputError, match="WANDB_MODE=online needs a key in the variable WANDB_API_KEY"):
        loggers.check_loggers(ASKED)
    monkeypatch.setenv("WANDB_API_KEY", "k")
    loggers.check_loggers(ASKED)


def test_a_run_with_a_logger_that_is_not_installed_ends_before_anything_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["run", "--preset", "quick", "--device", "cpu", "--set", "training.wandb=project"])
    assert (done.exit_code, 'pip install "medsynth-monai[wandb]"' in done.output) == (2, True), done.output
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
