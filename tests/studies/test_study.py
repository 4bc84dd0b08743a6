"""A whole study through the command: killed, restarted with more workers, and equal to plain runs."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests import starting
from tests.leftovers import left_after, processes_of
from tests.shadows import COMMAND, executed, fill

SETTINGS = [
    "data.size=32",
    "data.phantom_source=20",
    "data.phantom_negative=20",
    "data.phantom_positive=10",
    "data.phantom_test=10",
    "generator.epochs=3",
    "generator.epoch_steps=4",
    "generator.batch_size=2",
    "generator.width=4",
    "generator.blocks=1",
    "generator.discriminator_width=4",
    "classifier.batch_size=8",
    "classifier.pretrain_epochs=1",
    "classifier.finetune_epochs=1",
    "classifier.epoch_steps=3",
    "evaluators.diagnostic.resamples=200",
    "training.baselines=real-only,oracle",
]
GENERATORS, CLASSIFIERS = ("cyclegan", "sg-cyclegan"), ("mobilenet-v2", "mobilevit")


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def working_processes(folder: Path) -> list[int]:
    """Return the processes that carry out a run of the study in `folder`; none where there is no /proc."""
    return processes_of(folder, "medsynth.studies.worker")


def kill_when(path: Path, asked: list[str], out: Path, shadows: Path) -> None:
    """Start a study and kill it as soon as `path` exists; its processes end with it."""
    with subprocess.Popen(
        [COMMAND, *asked], cwd=shadows, env=environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as first:
        while not path.exists():
            assert first.poll() is None, "the study ended before it could be killed"
            time.sleep(0.005)
        assert working_processes(out)
        first.kill()
    assert left_after(2, out) == []


def written(run: Path) -> dict[str, int]:
    """Return when each file of the finished stages of a run was written, by path."""
    files = [*(run / "data").glob("pixels-*.npy"), *run.glob("generator/networks.pt"), *run.glob("synthetic/*.npy")]
    return {str(path): path.stat().st_mtime_ns for path in files}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid of 2 x 2 that was killed while it trained the first generator, and again during the first classifier."""
    folder = tmp_path_factory.mktemp("studies")
    (folder / "tiny.toml").write_text(
        f"title = 'Tiny'\ngenerators = {list(GENERATORS)}\nclassifiers = {list(CLASSIFIERS)}\nseeds = [3]\n"
        f"evaluators = ['diagnostic']\nsettings = {SETTINGS}\n"
        "[comparison]\ncolumns = ['diagnostic.roc_auc', 'diagnostic.sensitivity']\npaper = 'Table 0'\n"
        "[[comparison.rows]]\nlabel = 'Cycle'\ngenerator = 'cyclegan'\nclassifier = 'mobilevit'\n"
        "paper = { 'diagnostic.roc_auc' = 0.9 }\n"
        "[[comparison.rows]]\nlabel = 'Real'\nsubject = 'real-only'\nclassifier = 'mobilevit'\n"
    )
    out = folder / "out"
    asked, shadows = ["study", str(folder / "tiny.toml"), "--preset", "quick"], fill(folder / "shadows")
    asked += ["--device", "cpu", "--out", str(out)]
    run = out / "runs/cyclegan--mobilenet-v2/3"
    kill_when(run / "generator/checkpoint.pt", asked, out, shadows)
    data = written(run)
    kill_when(run / "classifier/synthetic/checkpoint.pt", [*asked, "--resume"], out, shadows)
    stages = written(run)
    assert (len(data), len(stages)) == (1, 3)
    assert executed(shadows) == []
    done = starting.run(["-m", "medsynth", *asked, "--resume", "--workers", "2"], env=environment())
    assert done.returncode == 0, done.stderr
    # A stage that was finished before a kill was never done again.
    assert written(run) == stages
    assert stages.items() >= data.items()
    return out


def files(study: Path, part: str) -> set[int]:
    """Return the distinct files that a part of all four runs consists of."""
    names = [study / f"runs/{g}--{c}/3/{part}" for g in GENERATORS for c in CLASSIFIERS]
    return {name.stat().st_ino for name in names}


def test_every_stage_of_equal_plan_and_inputs_is_done_once(study: Path) -> None:
    assert len(files(study, "generator/networks.pt")) == 2
    assert len(files(study, "synthetic/pixels.npy")) == 2
    assert len(files(study, "evaluation/translated/pixels.npy")) == 2
    assert len(files(study, "classifier/real-only/networks.pt")) == 2
    assert len(files(study, "classifier/oracle/networks.pt")) == 2
    assert len(files(study, "classifier/synthetic/networks.pt")) == 4
    assert len(files(study, "scores.json")) == 4


def test_the_record_says_where_a_stage_came_from(study: Path) -> None:
    shared = json.loads((study / "study.json").read_text())["shared"]
    origins = [parts["generator"] for parts in shared.values() if "generator" in parts]
    assert len(origins) >= 2
    assert all((study / origin / "networks.pt").exists() for origin in origins)


def test_a_run_that_took_everything_from_others_equals_a_plain_run(study: Path, tmp_path: Path) -> None:
    plain, run = tmp_path / "plain", study / "runs/cyclegan--mobilevit/3"
    command = ["-m", "medsynth", "run", "--generator", "cyclegan", "--classifier", "mobilevit", "--seeds", "3"]
    command += ["--preset", "quick", "--device", "cpu", "--evaluators", "diagnostic", "--out", str(plain)]
    command += [part for setting in SETTINGS for part in ("--set", setting)]
    starting.run(command, env=environment()).check_returncode()
    weights = [path.relative_to(plain) for path in plain.rglob("networks.pt")]
    assert len(weights) == 4
    same = ["scores.json", "plan.toml", "synthetic/manifest.csv", "evaluation/predictions-synthetic.csv", *weights]
    for name in same:
        assert (plain / name).read_bytes() == (run / name).read_bytes(), name


def test_the_comparison_holds_the_runs_scores_and_the_papers_figures(study: Path) -> None:
    scores = json.loads((study / "runs/cyclegan--mobilevit/3/scores.json").read_text())["scores"]
    expected = {s["subject"]: s["value"] for s in scores if s["name"] == "roc_auc"}
    rows = {(r["row"], r["score"]): r for r in csv.DictReader((study / "comparison.csv").read_text().splitlines())}
    ours = rows["Cycle", "diagnostic.roc_auc"]
    assert (float(ours["mean"]), float(ours["seed 3"])) == (expected["synthetic"], expected["synthetic"])
    assert (ours["paper"], ours["comparable"]) == ("0.9", "yes")
    assert float(rows["Real", "diagnostic.roc_auc"]["mean"]) == expected["real-only"]


def test_the_comparison_is_there_as_markdown_latex_and_page(study: Path) -> None:
    assert "| Cycle |" in (study / "comparison.md").read_text()
    assert r"\toprule" in (study / "comparison.tex").read_text()
    page = (study / "report.html").read_text()
    assert "<h1>Tiny</h1>" in page
    assert 'href="runs/cyclegan--mobilevit/3/report.html"' in page
    assert {path.stem for path in (study / "figures").iterdir()} == {"scores", "roc"}


def test_rows_are_tested_against_the_first_with_holms_correction(study: Path) -> None:
    tests = json.loads((study / "study.json").read_text())["tests"]
    assert [(t["row"], t["minus"], t["score"]) for t in tests] == [
        ("Real", "Cycle", name) for name in ("roc_auc", "sensitivity", "specificity")
    ]
    assert all(test["p_holm"] >= test["p"] for test in tests)
