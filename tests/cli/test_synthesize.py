"""``medsynth synthesize`` as a person meets it: streams, exit codes, refusals, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import numpy as np
import pytest
from PIL import Image

from tests import starting


@pytest.fixture(scope="module")
def bundle(make_bundle):
    return make_bundle()


@pytest.fixture
def pictures(tmp_path):
    def write(count):
        (tmp_path / "in").mkdir()
        for k in range(count):
            pixels = np.random.default_rng(k).integers(0, 256, (20, 30), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"in/{k:05}.png")

    return write


def test_results_go_to_standard_output_and_progress_to_standard_error(medsynth, bundle, tmp_path, pictures):
    pictures(3)
    done = medsynth("synthesize", bundle, "in", "--out", "out", env={"OMP_NUM_THREADS": "1"})
    first, unjudged, last = done.stdout.splitlines()
    assert (done.returncode, first, last) == (0, "translated 3", "out  out")
    assert unjudged.startswith("no flags: the bundle holds nothing to judge translations by")
    assert "synthesize: 3/3 (100%)" in done.stderr
    assert "elapsed" in done.stderr
    assert len(list((tmp_path / "out").glob("*.png"))) == 3


def test_failures_are_reported_with_exit_code_1_after_all_others(medsynth, bundle, tmp_path, pictures):
    pictures(3)
    (tmp_path / "in/[bold]00001.png").write_bytes(b"no picture")
    done = medsynth("synthesize", bundle, "in", "--out", "out", "--json")
    assert done.returncode == 1
    content = json.loads(done.stdout)
    assert (content["translated"], content["failed"], content["skipped"]) == (3, 1, 0)
    assert (content["suspicious"], content["unjudged"][:8]) == (None, "no flags")
    assert content["failures"][0]["file"] == "[bold]00001.png"
    assert "[bold]00001.png: cannot be decoded" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "jpeg"], "--format 'jpeg' is unknown"),
        (["--size", "256"], "--size '256' is unknown"),
        (["--device", "tpu"], "--device 'tpu' is not available"),
        (["--batch", "0"], "--batch"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_is_refused_with_exit_code_2_and_nothing_written(medsynth, bundle, tmp_path, arguments, message):
    done = medsynth("synthesize", bundle, bundle / "samples", "--out", "out", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_no_bundle_is_refused_with_what_to_give(medsynth, tmp_path):
    done = medsynth("synthesize", tmp_path, tmp_path, "--out", "out")
    assert done.returncode == 2
    assert "holds no bundle" in done.stderr
    assert "Give the folder `bundle` of a run" in done.stderr


def test_ctrl_c_keeps_what_is_finished_and_resume_does_the_rest(medsynth, bundle, tmp_path, pictures):
    pictures(300)
    command = ["-m", "medsynth", "synthesize", str(bundle), "in", "--out", "out", "--batch", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = starting.Python(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("out/*.png")) and started.poll() is None:
        time.sleep(0.01)
    started.send_signal(signal.SIGINT)
    _, told = started.communicate(timeout=120)
    assert started.returncode == 130
    assert "Continue with --resume." in told
    finished = len(list(tmp_path.glob("out/*.png")))
    assert 0 < finished < 300
    done = medsynth("synthesize", bundle, "in", "--out", "out", "--resume", "--json")
    assert done.returncode == 0
    content = json.loads(done.stdout)
    assert (content["skipped"], content["translated"]) == (finished, 300 - finished)
    assert len((tmp_path / "out/manifest.csv").read_text().splitlines()) == 301
