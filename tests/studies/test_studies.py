"""Studies as TOML: what is filled in, what is refused, and the ones that come with medsynth."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import tomli_w

from medsynth.base.errors import InputError
from medsynth.cli.study import study_command
from medsynth.plugins import Registry
from medsynth.studies.comparison import address
from medsynth.studies.folder import STUDY, choose_folder, find_studies, write_study
from medsynth.studies.study import Study, load_study, read_resolved, ready_studies


def load(tmp_path: Path, text: str, **more: object) -> Study:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return load_study(str(path), **{"preset": "quick", "device": "cpu", **more})


GRID = "generators = ['cyclegan', 'unit']\nclassifiers = ['lsnet', 'mobilevit']\n"


def test_a_grid_has_every_combination_once_per_ablation(tmp_path: Path) -> None:
    study = load(
        tmp_path, GRID + "seeds = [1, 2]\n[ablations]\nfull = []\n'No calibration!' = ['classifier.calibrate=false']"
    )
    names = [run.name for run in study.runs()]
    assert len(names) == len(set(names)) == 16
    assert "unit--lsnet--no-calibration/2" in names


def test_runs_that_share_a_generator_do_not_follow_each_other(tmp_path: Path) -> None:
    runs = load(tmp_path, GRID).runs()
    assert all(one.generator != two.generator for one, two in pairwise(runs))


def test_a_preset_replaces_values_and_the_command_line_wins(tmp_path: Path) -> None:
    text = "seeds = [1]\nsettings = ['data.size=128']\n[presets.quick]\nseeds = [2]\nsettings = ['data.size=32']\n"
    assert load(tmp_path, text).grid.seeds == (2,)
    assert load(tmp_path, text, preset="paper").grid.seeds == (1,)
    study = load(tmp_path, text, seeds=[7], data="elsewhere", settings=["generator.epochs=1"])
    assert (study.grid.seeds, study.grid.data) == ((7,), "elsewhere")
    assert study.grid.settings == ("data.size=32", "generator.epochs=1")


def test_without_rows_every_combination_has_one_and_each_classifier_its_baselines_once(tmp_path: Path) -> None:
    study = load(tmp_path, GRID + "[ablations]\nwide = []\nnarrow = ['generator.width=4']\n")
    rows = [(row.subject, row.classifier) for row in study.rows]
    assert rows.count(("synthetic", "lsnet")) == 4
    for subject in ("real-only", "untranslated", "oracle"):
        assert rows.count((subject, "lsnet")) == rows.count((subject, "mobilevit")) == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("generator = ['cyclegan']", "unknown field study.generator"),
        ("[comparison]\ncolumn = ['x']", "unknown field comparison.column"),
        ("[[comparison.rows]]\nlable = 'x'", "unknown field comparison.rows.lable"),
        ("[[comparison.rows]]\ngenerator = 'unit'", "generator = 'unit' is not in this study"),
        ("[[comparison.rows]]\ngiven = [0.9]", "must be sensitivity and specificity"),
        ("seeds = 'x", "cannot be read"),
    ],
)
def test_faults_are_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(InputError, match=named.replace("[", r"\[")):
        load(tmp_path, text)


def test_an_unknown_study_shows_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean 'paper-table"):
        load_study("paper-tabel3", preset="quick", device="cpu")


@pytest.mark.parametrize("preset", ["quick", "standard", "paper"])
@pytest.mark.parametrize("name", ready_studies())
def test_every_ready_study_resolves_and_survives_its_own_file(tmp_path: Path, name: str, preset: str) -> None:
    study, registry = load_study(name, preset=preset, device="cpu"), Registry()
    write_study(study, tmp_path)
    assert read_resolved(tmp_path / STUDY) == study
    evaluators = set(study.grid.evaluators)
    for run in study.runs():
        study.plan(run, registry)
    for row in study.rows:
        assert set(row.paper) <= set(study.table.columns)
        assert {address(row, column)[0] for column in study.table.columns} <= evaluators


def test_the_file_of_a_study_that_was_run_repeats_it(tmp_path: Path) -> None:
    study = load_study("paper-table3", preset="standard", device="cpu", seeds=[7], settings=["data.size=32"])
    write_study(replace(study, reuse=(tmp_path,)), tmp_path)
    path = str(tmp_path / STUDY)
    # Its preset and name hold, folders of stages to reuse are those of another machine.
    assert load_study(path, device="cpu", default_preset="quick") == study
    assert load_study(path, device="cpu", preset="paper").preset == "paper"


def test_runs_train_the_baselines_that_the_comparison_shows_and_no_others(tmp_path: Path) -> None:
    study, registry = load_study("paper-table3", preset="quick", device="cpu"), Registry()
    found = {run.classifier: study.plan(run, registry).training.baselines for run in study.runs()}
    others = dict.fromkeys(("mobilenet-v2", "efficientnet", "mobilevit"), ("oracle",))
    assert found == {"lsnet": ("real-only", "oracle")} | others
    # Without rows of its own, a study shows all of them for each classifier, of its first generator.
    study = load(tmp_path, GRID)
    found = {run.generator: study.plan(run, registry).training.baselines for run in study.runs()}
    assert found.pop(study.grid.generators[0]) == ("real-only", "untranslated", "oracle")
    assert set(found.values()) <= {()}


def test_a_baseline_may_be_asked_for_by_a_column_a_setting_or_an_evaluators_option(tmp_path: Path) -> None:
    row = "[[comparison.rows]]\nlabel = 'ours'\n"
    for text, expected in [
        (row, ()),
        (f"[comparison]\ncolumns = ['diagnostic.roc_auc@oracle']\n{row}", ("oracle",)),
        (f"settings = ['training.baselines=real-only']\n{row}", ("real-only",)),
        (f"settings = ['evaluators.diagnostic.resamples=100', 'training.baselines=']\n{row}", ()),
    ]:
        study = load(tmp_path, text)
        assert study.plan(study.runs()[0], Registry()).training.baselines == expected


@pytest.mark.parametrize("preset", ["quick", "standard", "paper"])
def test_the_tables_of_one_classifier_share_its_generator(preset: str) -> None:
    registry = Registry()

    def trained(name: str) -> set[str]:
        study = load_study(name, preset=preset, device="cpu")
        plans = [study.plan(run, registry) for run in study.runs() if run.generator == "sg-cyclegan"]
        return {str((plan.data, plan.generator_config, plan.training.validate_epochs)) for plan in plans}

    lsnet = [trained(f"paper-table{number}") for number in (3, 4, 5, 6, 7)]
    assert all(len(found) == 1 and found == lsnet[0] for found in lsnet)
    assert trained("paper-table1") == trained("paper-table2") == lsnet[0]
    if preset == "standard":
        assert trained("paper-table8") == lsnet[0]
    else:
        assert trained("main-job") == trained("lsnet-attention") == lsnet[0]


def test_the_main_job_the_papers_eight_tables_and_three_questions_are_ready_and_named_in_the_help() -> None:
    tables = [f"paper-table{number}" for number in range(1, 9)]
    assert ready_studies() == ["lsnet-attention", "main-job", *tables, "scarcity", "structure-terms"]
    named = str(study_command.__doc__)
    assert [name for name in {*ready_studies()} - {*tables[1:-1]} if name not in named] == []


def test_a_folder_is_refused_unless_it_is_this_study_resumed(tmp_path: Path) -> None:
    study, registry, out = load(tmp_path, GRID), Registry(), tmp_path / "out"
    assert choose_folder(study, registry, out, resume=False) == out
    assert not out.exists()
    write_study(study, out)
    with pytest.raises(InputError, match="Add --resume"):
        choose_folder(study, registry, out, resume=False)
    assert choose_folder(study, registry, out, resume=True) == out
    with pytest.raises(InputError, match="holds other files"):
        choose_folder(study, registry, tmp_path, resume=True)


def test_a_study_may_grow_but_a_runs_plan_must_not_change(tmp_path: Path) -> None:
    study, registry, out = load(tmp_path, GRID + "seeds = [1]"), Registry(), tmp_path / "out"
    write_study(study, out)
    run = study.runs()[0]
    (out / "runs" / run.name).mkdir(parents=True)
    (out / "runs" / run.name / "plan.toml").write_text(tomli_w.dumps(study.plan(run, registry).as_dict()))
    assert choose_folder(load(tmp_path, GRID + "seeds = [1, 2]"), registry, out, resume=True) == out
    with pytest.raises(InputError, match="holds a run of another plan"):
        choose_folder(load(tmp_path, GRID + "seeds = [1]\nsettings = ['data.size=32']"), registry, out, resume=True)


def test_studies_to_reuse_survive_the_file_and_must_exist(tmp_path: Path) -> None:
    study = load(tmp_path, GRID)
    write_study(study, tmp_path / "first")
    second = replace(study, reuse=find_studies([tmp_path / "first"]))
    write_study(second, tmp_path / "second")
    assert read_resolved(tmp_path / "second" / STUDY) == second
    with pytest.raises(InputError, match=r"--reuse .*elsewhere: there is no study"):
        find_studies([tmp_path / "elsewhere"])
