"""``medsynth export`` and ``medsynth predict`` as a person meets them: streams, exit codes, refusals, kills."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from tests import starting
from tests.leftovers import left_after, processes_of
from tests.shadows import COMMAND, executed, fill

ONE_THREAD = {"OMP_NUM_THREADS": "1"}


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


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_results_go_to_standard_output_and_progress_to_standard_error(medsynth, bundle, tmp_path, pictures):
    pictures(3)
    done = medsynth("predict", bundle, "in", "--out", "deep/p.csv", env=ONE_THREAD)
    assert done.returncode == 0
    first, second = done.stdout.splitlines()
    assert first.startswith("predicted 3, positive ")
    assert first.endswith("with pytorch")
    assert second == "out  deep/p.csv"
    assert "predict: 3/3 (100%)" in done.stderr
    assert [row["file"] for row in rows(tmp_path / "deep/p.csv")] == [f"in/{k:05}.png" for k in range(3)]


def test_failures_are_rows_and_end_with_exit_code_1_after_all_others(medsynth, bundle, tmp_path, pictures):
    pictures(3)
    (tmp_path / "in/[bold]00001.png").write_bytes(b"no picture")
    done = medsynth("predict", bundle, "in", "--json", env=ONE_THREAD)
    assert done.returncode == 1
    content = json.loads(done.stdout)
    assert (content["predicted"], content["failed"], content["out"]) == (3, 1, "predictions.csv")
    assert content["failures"][0]["file"] == "in/[bold]00001.png"
    assert "in/[bold]00001.png: cannot be decoded" in done.stderr
    assert [bool(row["error"]) for row in rows(tmp_path / "predictions.csv")] == [False, False, False, True]


def test_intervals_and_heatmaps_are_written_if_asked_for(medsynth, bundle, tmp_path, pictures):
    pictures(2)
    done = medsynth("predict", bundle, "in", "--tta", 3, "--heatmaps", "in/maps", env=ONE_THREAD)
    assert done.returncode == 0, done.stderr
    for row in rows(tmp_path / "predictions.csv"):
        assert float(row["low"]) <= float(row["probability"]) <= float(row["high"])
    assert sorted(path.name for path in tmp_path.glob("in/maps/*")) == [f"{k:05}.png.gradcam.png" for k in range(2)]
    again = medsynth("predict", bundle, "in", "--heatmaps", "in/maps", "--json", env=ONE_THREAD)
    assert json.loads(again.stdout)["predicted"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--runtime", "tensorrt"], "--runtime 'tensorrt' is unknown"),
        (["--runtime", "torchscript"], "holds no export in the format torchscript"),
        (["--device", "tpu"], "--device 'tpu' is not available"),
        (["--batch", "0"], "--batch"),
        (["gone.png"], "gone.png does not exist"),
    ],
    ids=" ".join,
)
def test_wrong_use_is_refused_with_exit_code_2_and_nothing_written(medsynth, bundle, tmp_path, arguments, message):
    done = medsynth("predict", bundle, bundle, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_export_is_used_until_it_is_changed(medsynth, bundle, tmp_path, pictures):
    pictures(2)
    folder = shutil.copytree(bundle, tmp_path / "bundle")
    before = medsynth("predict", folder, "in", "--out", "before.csv", env=ONE_THREAD)
    assert before.stdout.splitlines()[0].endswith("with pytorch")
    done = medsynth("export", folder, "--format", "torchscript", "--images", "in", "--json", env=ONE_THREAD)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert (content["given"], content["difference"] <= content["tolerance"]) == (2, True)
    after = medsynth("predict", folder, "in", "--out", "after.csv", env=ONE_THREAD)
    assert after.stdout.splitlines()[0].endswith("with torchscript")
    for one, other in zip(rows(tmp_path / "before.csv"), rows(tmp_path / "after.csv"), strict=True):
        assert float(one["probability"]) == pytest.approx(float(other["probability"]), abs=1e-4)
    with (folder / "models/model.ts").open("ab") as stream:
        stream.write(b"x")
    changed = medsynth("predict", folder, "in", "--out", "changed.csv", env=ONE_THREAD)
    assert changed.returncode == 2
    assert "model.ts was changed after it was checked" in changed.stderr
    assert "--format torchscript" in changed.stderr
    assert not (tmp_path / "changed.csv").exists()


def test_an_export_is_not_put_into_a_zip_file(medsynth, bundle, tmp_path):
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", bundle.parent, bundle.name)
    done = medsynth("export", packed, "--format", "torchscript")
    assert (done.returncode, f"{packed} is a zip file, which no export can be put into" in done.stderr) == (2, True)


def test_an_unknown_export_format_is_refused(medsynth, bundle):
    done = medsynth("export", bundle, "--format", "onxx")
    assert (done.returncode, "Choose one of torchscript, onnx, openvino." in done.stderr) == (2, True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_prediction_leaves_no_half_written_table(number, medsynth, bundle, tmp_path, pictures):
    pictures(2000)
    command = ["-m", "medsynth", "predict", str(bundle), "in", "--out", "p.csv", "--batch", "1"]
    environment = {**os.environ, **ONE_THREAD}
    started = starting.Python(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    while not any(path.stat().st_size for path in tmp_path.glob(".p.csv*")) and started.poll() is None:
        time.sleep(0.01)
    started.send_signal(number)
    _, told = started.communicate(timeout=120)
    assert started.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert not (tmp_path / "p.csv").exists()
    if number == signal.SIGTERM:
        assert "no table was written" in told
        assert not list(tmp_path.glob(".p.csv*"))


def test_a_killed_prediction_of_a_foreign_bundle_leaves_no_process_and_no_table(bundle, tmp_path, pictures):
    pictures(2000)
    fill(tmp_path)
    foreign = shutil.copytree(bundle, tmp_path / "foreign")
    command = [COMMAND, "predict", str(foreign), "in", "--out", "p.csv", "--batch", "1"]
    environment = {**os.environ, **ONE_THREAD, "MEDSYNTH_HOME": str(tmp_path / "home")}
    with subprocess.Popen([*command, "--trust"], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as started:
        while not any(path.stat().st_size for path in tmp_path.glob(".medsynth-*/.p.csv*")) and started.poll() is None:
            time.sleep(0.01)
        assert len(processes_of(tmp_path)) == 2
        started.kill()
    assert left_after(2, tmp_path) == []
    assert not (tmp_path / "p.csv").exists()
    assert executed(tmp_path) == []


def test_a_foreign_bundle_gives_what_an_own_one_does_and_stays_trusted_after_an_export(
    medsynth, bundle, tmp_path, pictures
):
    pictures(3)
    shutil.copytree(bundle, tmp_path / "foreign")
    own = medsynth("predict", bundle, "in", "--out", "deep/own.csv", "--heatmaps", "own", env=ONE_THREAD)
    home = ONE_THREAD | {"MEDSYNTH_HOME": str(tmp_path / "home")}
    exported = medsynth("export", "foreign", "--format", "torchscript", "--trust", env=home)
    arguments = ["--runtime", "pytorch", "--out", "deep/foreign.csv", "--heatmaps", "maps/foreign"]
    foreign = medsynth("predict", "foreign", "in", *arguments, env=home)
    assert [done.returncode for done in (own, exported, foreign)] == [0, 0, 0], exported.stderr + foreign.stderr
    assert len(list(tmp_path.glob("home/trust/*.json"))) == 2
    assert foreign.stdout == own.stdout.replace("own", "foreign")
    assert (tmp_path / "deep/foreign.csv").read_bytes() == (tmp_path / "deep/own.csv").read_bytes()
    assert len(list(tmp_path.glob("maps/foreign/*.png"))) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "foreign", "home", "in", "maps", "own"]


def test_exported_runtimes_need_neither_torch_nor_monai_nor_statistics_to_start():
    code = "import medsynth.inference.predict.asked_prediction, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"medsynth.inference.runtimes", "medsynth.inference.predict.prediction"} <= loaded
    assert not {"torch", "monai", "scipy.stats", "medsynth.bundle.writing.assembling"} & loaded
