"""Training by several processes, started by torchrun as a user would, or with its variables."""

from __future__ import annotations

import json
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from medsynth.training.checkpoint import CHECKPOINT, HISTORY
from medsynth.training.processes import leads, own_share, processes, share_of, whole_batch
from tests import starting
from tests.flow.test_run import SMALL_GENERATOR, TINY, command, environment

PROGRAM = Path(__file__).parents[1] / "programs" / "train_together.py"
LIMIT = 240
"""Seconds after which a test gives up on hanging processes."""


def start(number: int, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Start processes by torchrun as a user would."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={number}"]
    return starting.run([*launcher, *arguments], timeout=LIMIT, env=environment())


def train(number: int, folder: Path, event: str = "") -> list[subprocess.CompletedProcess[str]]:
    """Start the program's processes with the variables that torchrun gives them."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        meeting = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(number)}
    with ThreadPoolExecutor(number) as together:
        variables = [environment() | meeting | dict.fromkeys(("RANK", "LOCAL_RANK"), str(k)) for k in range(number)]
        program = [str(PROGRAM), str(folder), event]
        done = list(together.map(lambda own: starting.run(program, timeout=LIMIT, env=own), variables))
    assert [one.returncode for one in done] == [0] * number, [one.stderr for one in done]
    return done


def losses(folder: Path) -> dict[str, list[float]]:
    return json.loads((folder / HISTORY).read_text())["phases"][0]["losses"]


def same_curve(found: dict[str, list[float]], expected: dict[str, list[float]]) -> None:
    """Rounding differs in the last bit, and training amplifies it: a thousandfold by the second epoch."""
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert found[name][0] == pytest.approx(values[0], rel=2e-5), name
        assert found[name] == pytest.approx(values, rel=2e-2), name


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training by a single process."""
    folder = tmp_path_factory.mktemp("alone")
    train(1, folder)
    return folder


def test_two_processes_have_the_loss_curve_of_one_at_equal_batch(alone: Path, tmp_path: Path) -> None:
    train(2, tmp_path)
    same_curve(losses(tmp_path), losses(alone))


def test_a_stop_asked_of_one_process_stops_all_and_another_number_of_processes_continues(
    alone: Path, tmp_path: Path
) -> None:
    said = [done.stdout.splitlines()[-1] for done in train(2, tmp_path, "stop")]
    assert said == [f"process {number} of 2 stopped" for number in (0, 1)]
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["iteration"] in (5, 6)
    train(1, tmp_path)
    same_curve(losses(tmp_path), losses(alone))


def test_when_one_process_dies_the_others_end_with_an_error_and_the_last_epoch_is_kept(tmp_path: Path) -> None:
    done = start(2, [str(PROGRAM), str(tmp_path), "die"])
    assert done.returncode != 0
    assert "exitcode  : 9" in done.stderr
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["iteration"] == 4
    assert not (tmp_path / HISTORY).exists()


def test_a_whole_run_by_two_processes_leaves_what_a_run_by_one_leaves(tmp_path: Path) -> None:
    plugins = ["--generator", "cyclegan", "--classifier", "mobilenet-v2", "--evaluators", "diagnostic"]
    done = start(2, command(tmp_path / "run", *plugins, sets=[*TINY, *SMALL_GENERATOR]))
    assert done.returncode == 0, done.stderr
    for name in (
        "plan.toml",
        "run.json",
        "scores.json",
        "report.html",
        "synthetic/manifest.csv",
        "bundle/configs/inference.json",
    ):
        assert (tmp_path / "run" / name).exists(), name
    assert json.loads((tmp_path / "run" / "run.json").read_text())["hardware"]["processes"] == 2
    assert done.stdout.count("\n  AUC ") == 3


def test_a_wrong_value_is_refused_once_by_all_processes(tmp_path: Path) -> None:
    done = start(2, command(tmp_path / "run", "--generator", "cyclegam"))
    assert done.returncode != 0
    assert done.stderr.count("error: there is no generator") + done.stderr.count("cyclegan") >= 1
    assert done.stderr.count("error: ") == 1
    assert not (tmp_path / "run").exists()


def test_without_torchrun_there_is_one_process_with_whole_batches() -> None:
    images = torch.arange(4.0)
    assert (processes(), leads(), share_of(3)) == (1, True, 3)
    assert torch.equal(own_share(whole_batch(images)), images)
