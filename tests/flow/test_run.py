"""Whole runs through the command: what they leave, that they survive being killed, what they refuse."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from medsynth.cli import app
from tests import starting

TINY_DATA = ["data.size=32", "data.phantom_source=20", "data.phantom_negative=20", "data.phantom_positive=10"]
TINY = [
    *TINY_DATA,
    "data.phantom_test=10",
    "generator.epochs=2",
    "generator.epoch_steps=6",
    "generator.batch_size=2",
    "classifier.batch_size=8",
    "classifier.pretrain_epochs=2",
    "classifier.finetune_epochs=1",
    "classifier.epoch_steps=3",
    "evaluators.diagnostic.resamples=200",
]
SMALL_GENERATOR = ["generator.width=4", "generator.blocks=1", "generator.discriminator_width=4"]


def command(out: Path, *more: str, sets: list[str] = TINY) -> list[str]:
    arguments = ["run", "--preset", "quick", "--device", "cpu", "--out", str(out), *more]
    return ["-m", "medsynth", *arguments, *(part for item in sets for part in ("--set", item))]


def environment(path: Path | None = None) -> dict[str, str]:
    extra = {"PYTHONPATH": str(path)} if path else {}
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **extra}


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


# ---------------------------------------------------------------- a finished run, made once


EXAMPLE = ["--generator", "cut", "--classifier", "mobilenet-v2"]
EXAMPLE += ["--evaluators", "image-quality,diagnostic,efficiency,example-brightness"]
EXAMPLE_SETS = [*TINY, *SMALL_GENERATOR]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, example_plugin: Path) -> Path:
    """A run with the third-party generator, evaluator and observer."""
    out = tmp_path_factory.mktemp("runs") / "example"
    done = starting.run(command(out, *EXAMPLE, "--json", sets=EXAMPLE_SETS), env=environment(example_plugin))
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["report"] == str(out / "report.html")
    record = json.loads((out / "run.json").read_text())
    assert (printed["verdict"], printed["warnings"]) == (record["verdict"], record["warnings"])
    return out


def test_a_run_leaves_the_promised_files_directly_in_its_folder(finished: Path) -> None:
    names = (
        "plan.toml",
        "run.json",
        "scores.json",
        "report.html",
        "synthetic/manifest.csv",
        "bundle/configs/metadata.json",
    )
    assert [name for name in names if not (finished / name).exists()] == []
    stages = json.loads((finished / "run.json").read_text())["stages"]
    assert [stage["status"] for stage in stages.values()] == ["finished"] * 7


def test_the_verdict_stands_in_the_record_the_report_and_its_gains_in_the_scores(finished: Path) -> None:
    verdict = json.loads((finished / "run.json").read_text())["verdict"]
    assert "one training, 20 patients" in verdict["sentence"]
    assert "with the source images untranslated" in verdict["sentence"]
    page = unescape((finished / "report.html").read_text())
    assert all(text in page for text in (verdict["sentence"], *verdict["remarks"]))
    scores = json.loads((finished / "scores.json").read_text())["scores"]
    areas = {score["subject"]: score["value"] for score in scores if score["name"] == "roc_auc"}
    found = {score["subject"]: score["value"] for score in scores if score["evaluator"] == "synthesis"}
    expected = {row: areas["synthetic"] - areas[row] for row in ("real-only", "untranslated")}
    assert found == pytest.approx(expected)


def test_scores_have_the_documented_fields_and_all_rows(finished: Path) -> None:
    content = json.loads((finished / "scores.json").read_text())
    assert content["schema"] == 1
    fields = {"evaluator", "name", "subject", "value", "low", "high", "n", "unit", "higher_is_better"}
    assert all(fields <= set(score) for score in content["scores"])
    rows = {score["subject"] for score in content["scores"] if score["evaluator"] == "diagnostic"}
    assert rows == {"synthetic", "real-only", "untranslated"}
    assert {s["subject"] for s in content["scores"] if s["name"] == "kid"} == {"synthetic", "source", "real"}


def test_the_bundle_carries_what_its_images_are_judged_by(finished: Path) -> None:
    facts = json.loads((finished / "bundle/configs/flags.json").read_text())
    assert facts["extractor"] == "efficientnet-lite0"
    assert facts["numbers"].keys() == {"edge_mismatch", "feature_distance", "real_feature_distance"}  # one way only
    assert all(found["images"] >= 4 for found in facts["numbers"].values())


def test_a_third_party_evaluator_and_observer_take_part(finished: Path) -> None:
    scores = json.loads((finished / "scores.json").read_text())["scores"]
    assert any(score["name"] == "brightness_difference" for score in scores)
    assert (finished / "journal.txt").read_text().splitlines()[0] == "data finished"
    assert "Grad-CAM, real images only" in (finished / "report.html").read_text()
    assert "scores were measured." in (finished / "report.html").read_text()


def test_synthetic_images_come_from_training_patients_and_keep_their_labels(finished: Path) -> None:
    data = {row["image"]: row for row in table(finished / "data/manifest.csv")}
    for row in table(finished / "synthetic/manifest.csv"):
        origin = data[row["source"]]
        assert (origin["domain"], origin["split"]) == ("source", "train")
        assert (row["label"], row["patient"], row["generator"]) == (origin["label"], origin["patient"], "cut")
        with Image.open(finished / "synthetic" / row["image"]) as image:
            assert image.size == (32, 32)


def test_the_bundle_gives_the_runs_probabilities_where_medsynth_cannot_be_imported(
    finished: Path, tmp_path: Path
) -> None:
    for package in ("medsynth", "medsynth_mobilenet_v2", "medsynth_cut"):
        (tmp_path / "shadow" / package).mkdir(parents=True)
        (tmp_path / "shadow" / package / "__init__.py").write_text("raise ImportError('not installed here')")
    predictions = table(finished / "evaluation/predictions-synthetic.csv")
    images = tmp_path / "images"
    images.mkdir()
    for row in predictions:
        (images / Path(row["image"]).name).write_bytes((finished / "data" / row["image"]).read_bytes())
    bundle = finished / "bundle"
    arguments = ["--config_file", str(bundle / "configs/inference.json"), "--bundle_root", str(bundle)]
    arguments += ["--dataset_dir", str(images), "--output_dir", str(tmp_path / "out")]
    command = ["-m", "monai.bundle", "run", *arguments]
    done = starting.run(command, imported=starting.MONAI, cwd=tmp_path, env=environment(tmp_path / "shadow"))
    assert done.returncode == 0, done.stderr
    rows = dict(line.split(",") for line in (tmp_path / "out/predictions.csv").read_text().split())
    expected = {Path(row["image"]).name: float(row["probability"]) for row in predictions}
    assert {name: float(value) for name, value in rows.items()} == pytest.approx(expected, abs=1e-5)


def test_the_bundle_is_as_its_manifest_lists_it_and_gives_on_its_samples_what_the_run_gave(finished: Path) -> None:
    done = starting.run(["-m", "medsynth", "bundle", "verify", str(finished), "--reproduce", "--json"])
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["intact"], found["install"]) == (True, "")
    assert found["reproduction"]["succeeded"]
    assert (found["reproduction"]["probabilities"], found["reproduction"]["translations"]) == (4, 4)


def test_a_finished_run_is_resumed_without_doing_anything_again(finished: Path, example_plugin: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("networks.pt")}
    again = command(finished, *EXAMPLE, "--resume", sets=EXAMPLE_SETS)
    done = starting.run(again, env=environment(example_plugin))
    assert done.returncode == 0
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("networks.pt")} == before


# ---------------------------------------------------------------- killed runs


STAGES = ("data", "generator", "synthesis", "classifier", "evaluation", "bundle", "report")
MAIN = ["--generator", "sg-cyclegan", "--classifier", "mobilenet-v2"]


def kill_in(stage: str, arguments: list[str], out: Path) -> None:
    """Start the run, wait until it is in `stage`, and end it with SIGKILL."""
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = starting.Python(arguments, env=environment(), **pipes)
    assert process.stderr is not None
    for line in process.stderr:
        if line.rstrip().endswith(f"] {stage}"):
            break
    if stage in ("generator", "classifier"):
        folder = out / ("generator" if stage == "generator" else "classifier/real-only")
        while not (folder / "checkpoint.pt").exists() and process.poll() is None:
            time.sleep(0.005)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL, f"the run ended before it could be killed in stage {stage}"


def test_a_run_killed_in_every_stage_and_resumed_equals_one_that_was_not(tmp_path: Path) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    sets = [*TINY, *SMALL_GENERATOR]
    starting.run(command(straight, *MAIN, sets=sets), env=environment()).check_returncode()
    for stage in STAGES:
        kill_in(stage, command(killed, *MAIN, *(["--resume"] if killed.exists() else []), sets=sets), killed)
    starting.run(command(killed, *MAIN, "--resume", sets=sets), env=environment()).check_returncode()
    weights = [path.relative_to(straight) for path in straight.rglob("*.pt")]
    assert len(weights) >= 6
    for name in ["scores.json", "synthetic/manifest.csv", *weights]:
        assert (straight / name).read_bytes() == (killed / name).read_bytes(), name


def test_a_polite_stop_saves_says_how_to_continue_and_exits_with_130(tmp_path: Path) -> None:
    out = tmp_path / "run"
    sets = [*TINY, *SMALL_GENERATOR, "generator.epochs=500"]
    process = starting.Python(command(out, *MAIN, sets=sets), env=environment(), stderr=subprocess.PIPE, text=True)
    while not (out / "generator/checkpoint.pt").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Continue with --resume" in errors
    assert "Traceback" not in errors


# ---------------------------------------------------------------- several seeds


def test_several_seeds_share_the_split_and_report_every_value(tmp_path: Path) -> None:
    out = tmp_path / "run"
    more = ["--generator", "cyclegan", "--classifier", "mobilenet-v2", "--seeds", "1,2", "--evaluators", "diagnostic"]
    starting.run(command(out, *more, sets=[*TINY, *SMALL_GENERATOR]), env=environment()).check_returncode()
    top = {(s["name"], s["subject"]): s for s in json.loads((out / "scores.json").read_text())["scores"]}
    one, two = (
        {
            (s["name"], s["subject"]): s["value"]
            for s in json.loads((out / f"seeds/{seed}/scores.json").read_text())["scores"]
        }
        for seed in (1, 2)
    )
    key, other = ("roc_auc", "synthetic"), ("roc_auc", "untranslated")
    assert top[key]["value"] == pytest.approx((one[key] + two[key]) / 2)
    assert "mean of 2 seeds" in top[key]["detail"]
    assert (out / "bundle/configs/inference.json").exists()
    assert (out / "synthetic/manifest.csv").exists()
    page = (out / "report.html").read_text()
    verdict = json.loads((out / "run.json").read_text())["verdict"]["sentence"]
    assert "2 seeds and 20 patients" in verdict
    assert verdict in unescape(page)
    gain = top["gain", "untranslated"]
    assert (gain["value"], gain["n"]) == (pytest.approx((one[key] + two[key] - one[other] - two[other]) / 2), 20)
    differences = page.partition("<caption>Differences seed by seed</caption>")[2].partition("</table>")[0]
    assert differences.count("<tr>") == 1 + 2 * 2 * 3  # a head, then seeds, other rows, scores


# ---------------------------------------------------------------- refusals


def write_set(
    folder: Path, rows: list[str] | None = None, header: str = "image,domain,label,patient,split,pair"
) -> Path:
    """A good tiny data set: 6 sources and 8 + 8 targets, or the given rows instead."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    default = [f"s{i}.png,source,{i % 2},P{i},{'test' if i > 3 else 'train'}," for i in range(6)]
    splits = ["train"] * 4 + ["val"] * 2 + ["test"] * 2
    default += [f"t{i}.png,target,{i % 2},Q{i},{splits[i // 2]}," for i in range(16)]
    for row in default:
        Image.fromarray(draw.integers(0, 255, (40, 40), dtype=np.uint8)).save(folder / row.split(",")[0])
    (folder / "manifest.csv").write_text("\n".join([header, *(default if rows is None else rows)]) + "\n")
    return folder


def edit(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        manifest = folder / "manifest.csv"
        assert old in manifest.read_text()
        manifest.write_text(manifest.read_text().replace(old, new))

    return change


def only(keep: Callable[[str], bool]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        header, *rows = (folder / "manifest.csv").read_text().splitlines()
        (folder / "manifest.csv").write_text("\n".join([header, *filter(keep, rows)]) + "\n")

    return change


def image(content: bytes | None) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "t3.png"
        path.unlink() if content is None else path.write_bytes(content)

    return change


def truncated(folder: Path) -> None:
    whole = (folder / "t3.png").read_bytes()
    (folder / "t3.png").write_bytes(whole[: len(whole) // 2])


def constant(folder: Path) -> None:
    Image.fromarray(np.full((40, 40), 7, np.uint8)).save(folder / "t3.png")


BAD_DATA = {
    "a patient in two splits": (edit("t15.png,target,1,Q15,test", "t15.png,target,1,Q1,test"), "Q1"),
    "a missing image": (image(None), "t3.png"),
    "a truncated image": (truncated, "t3.png"),
    "an empty image": (image(b""), "t3.png"),
    "a constant image": (constant, "t3.png"),
    "a text file for an image": (image(b"hello"), "t3.png"),
    "a missing column": (edit("patient,split", "person,split"), "patient"),
    "an unknown domain": (edit("s0.png,source", "s0.png,sauce"), "sauce"),
    "an unknown label": (edit("t3.png,target,1", "t3.png,target,maybe"), "maybe"),
    "no source": (only(lambda row: ",source," not in row), "source"),
    "a class absent from test": (
        only(lambda row: ",1," not in row or ",test," not in row or ",source," in row),
        "test",
    ),
    "a class absent from train": (only(lambda row: ",target,1," not in row or ",train," not in row), "train"),
    "unknown source labels": (edit("s0.png,source,0", "s0.png,source,"), "data.source_label"),
}


def refuse(*arguments: object) -> str:
    """Run the command in this process, expect exit code 2, return what it says on standard error."""
    done = CliRunner().invoke(app, [*map(str, arguments), "--device", "cpu"])
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("fault", BAD_DATA)
def test_unusable_data_is_refused_with_exit_code_2_and_nothing_written(tmp_path: Path, fault: str) -> None:
    change, named = BAD_DATA[fault]
    change(write_set(tmp_path / "set"))
    before = sorted(tmp_path.rglob("*"))
    assert named in refuse("run", "--data", tmp_path / "set", "--out", tmp_path / "out")
    assert sorted(tmp_path.rglob("*")) == before


def test_an_output_folder_of_another_plan_is_refused(finished: Path) -> None:
    before = (finished / "plan.toml").read_bytes()
    assert "holds a run of another plan" in refuse("run", "--out", finished, "--resume")
    assert (finished / "plan.toml").read_bytes() == before


def test_too_little_disk_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    sets = ["--set", "data.size=2048", "--set", "data.phantom_source=10000000"]
    assert "MB are free" in refuse("run", "--preset", "paper", *sets, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
