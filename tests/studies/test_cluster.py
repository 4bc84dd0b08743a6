"""A study on a Ray cluster of this machine, one of whose workers is killed at work."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from medsynth.cli import app
from tests.studies.test_study import SETTINGS, environment, working_processes

LIMIT = 900
"""Seconds after which a hanging cluster is given up."""


@contextmanager
def study(file: Path, out: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a study; when the block ends, wait for it and see that it went well."""
    command = [sys.executable, "-m", "medsynth", "study", str(file), "--preset", "quick", "--device", "cpu", "--json"]
    command += ["--out", str(out), *arguments]
    with (
        out.with_suffix(".err").open("w+") as said,
        out.with_suffix(".json").open("w+") as told,
        subprocess.Popen(command, env=environment(), stdout=told, stderr=said, text=True) as process,
    ):
        yield process
        assert process.wait(LIMIT) == 0, out.with_suffix(".err").read_text()
        assert out.with_suffix(".json").read_text() == (out / "study.json").read_text() + "\n"


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="the extra ray is not installed")
@pytest.mark.skipif(sys.platform != "linux", reason="looks for the worker in /proc")
def test_a_killed_worker_loses_one_run_which_is_done_again_with_the_same_scores(tmp_path: Path) -> None:
    file, on_ray, local = tmp_path / "tiny.toml", tmp_path / "on-ray", tmp_path / "local"
    file.write_text(
        "generators = ['cyclegan']\nclassifiers = ['mobilenet-v2']\nseeds = [3, 4]\n"
        f"evaluators = ['diagnostic']\nsettings = {[*SETTINGS, 'classifier.epoch_steps=1']}\n"
    )
    with study(file, on_ray, "--ray", "local") as process:
        checkpoint = on_ray / "runs/cyclegan--mobilenet-v2/3/generator/checkpoint.pt"
        until = time.monotonic() + LIMIT
        while not checkpoint.exists():
            assert process.poll() is None, on_ray.with_suffix(".err").read_text()
            assert time.monotonic() < until
            time.sleep(0.01)
        killed = next(p for p in working_processes(on_ray) if Path(f"/proc/{p}/cmdline").read_bytes().count(b"/3\0"))
        os.kill(parent(killed), signal.SIGKILL)
    assert "will be retried" in on_ray.with_suffix(".err").read_text()
    with study(file, local, "--workers", "2"):
        pass
    for seed in (3, 4):
        for name in ("scores.json", "generator/networks.pt", "classifier/synthetic/networks.pt"):
            place = Path("runs/cyclegan--mobilenet-v2") / str(seed) / name
            assert (on_ray / place).read_bytes() == (local / place).read_bytes(), place
    assert (on_ray / "comparison.csv").read_bytes() == (local / "comparison.csv").read_bytes()


def test_without_the_extra_the_command_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    file = tmp_path / "tiny.toml"
    file.write_text(f"settings = {SETTINGS}\n")
    done = CliRunner().invoke(app, ["study", str(file), "--ray", "local", "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert 'pip install "medsynth-monai[ray]"' in done.stderr
    assert not (tmp_path / "out").exists()
