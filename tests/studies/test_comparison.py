"""Comparisons: means over seeds, screening formulas, tests against independent computations, obstacles."""

from __future__ import annotations

import csv
import json
import statistics
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from medsynth.api import Score
from medsynth.base.errors import InputError
from medsynth.results.reading import differing, read_run
from medsynth.statistics import bootstrap_diagnostic, delong_test, holm
from medsynth.studies.comparison import Comparison, compare
from medsynth.studies.comparison_files import as_json, printed, to_csv
from medsynth.studies.study import StudyRow, StudyTable, load_study

AUC = "diagnostic.roc_auc"


def compared(results: dict, *rows: StudyRow, **table: object) -> Comparison:
    given = rows or tuple(StudyRow(label=label) for label in results)
    return compare(StudyTable(**{"columns": (AUC,), **table}), given, results)


def test_seeds_are_summarized_by_mean_and_standard_deviation(write_run) -> None:
    runs = {str(seed): write_run(f"r{seed}", seed=seed) for seed in (1, 2, 5)}
    cell = compared({"ours": runs}).rows[0].cells[AUC]
    assert cell.values == pytest.approx({"1": 0.1, "2": 0.2, "5": 0.5})
    assert cell.mean == pytest.approx(statistics.mean([0.1, 0.2, 0.5]))
    assert cell.deviation == pytest.approx(statistics.stdev([0.1, 0.2, 0.5]))


def test_a_cost_that_no_seed_changes_is_printed_without_a_deviation(write_run) -> None:
    cost = [Score(evaluator="efficiency", name="parameters", subject="classifier", value=1000.0)]
    runs = {str(seed): write_run(f"r{seed}", seed=seed, scores=cost) for seed in (1, 2)}
    found = compared({"ours": runs}, columns=("efficiency.parameters@classifier", AUC))
    assert printed(found)[1] == [["ours", "1,000", "0.150 ± 0.0707"]]


def test_a_row_without_a_run_is_left_out(write_run) -> None:
    found = compared({"ours": {"1": write_run("a")}, "none": {}})
    assert [row.row.label for row in found.rows] == ["ours"]


def test_a_paired_test_of_the_auc_is_delongs_with_images_summed_by_patient(write_run) -> None:
    one, two = write_run("a", shift=2.0), write_run("b", shift=0.5, seed=2)
    found = {pair.metric: pair for pair in compared({"one": {"1": one}, "two": {"1": two}}).pairs}["roc_auc"]
    first, second = two.predictions("synthetic"), one.predictions("synthetic")
    assert first is not None
    assert second is not None
    areas = [roc_auc_score(p.labels, p.probabilities) for p in (first, second)]
    assert found.difference.value == pytest.approx(areas[0] - areas[1])
    expected = delong_test(first.probabilities, second.probabilities, first.labels, first.patients)
    assert (found.test, found.p_value) == ("DeLong", pytest.approx(expected.p_value))


def test_sensitivity_is_tested_exactly_only_where_every_patient_has_one_image(write_run) -> None:
    one, two = write_run("a"), write_run("b", seed=2)
    tests = {pair.metric: pair.test for pair in compared({"one": {"1": one}, "two": {"1": two}}).pairs}
    assert tests["sensitivity"] == "patient-level bootstrap"
    for result in (one, two):
        for path in (result.folder / "evaluation").iterdir():
            rows = list(csv.DictReader(path.read_text().splitlines()))
            lines = [",".join([r["image"], r["image"], r["label"], r["probability"], r["decision"]]) for r in rows]
            path.write_text("\n".join(["image,patient,label,probability,decision", *lines]) + "\n")
    found = {pair.metric: pair for pair in compared({"one": {"1": one}, "two": {"1": two}}).pairs}["sensitivity"]
    calls = [result.predictions("synthetic") for result in (two, one)]
    right = [(p.probabilities >= 0.5)[p.labels == 1] for p in calls]
    only = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    assert (found.test, found.p_value) == ("exact McNemar", pytest.approx(binomtest(only[0], sum(only)).pvalue))


def test_holm_corrects_over_all_rows_and_seeds(write_run) -> None:
    results = {
        label: {str(s): write_run(f"{label}{s}", seed=s, shift=k) for s in (1, 2)}
        for label, k in (("a", 3), ("b", 0), ("c", 1))
    }
    pairs = compared(results).pairs
    assert len(pairs) == 2 * 2 * 3
    assert [pair.adjusted for pair in pairs] == pytest.approx(holm([pair.p_value for pair in pairs]).tolist())


def test_the_order_of_images_in_a_run_does_not_matter(write_run) -> None:
    one, two = write_run("a"), write_run("b", seed=2)
    before = compared({"one": {"1": one}, "two": {"1": two}}).pairs
    path = two.folder / "evaluation/predictions-synthetic.csv"
    head, *lines = path.read_text().splitlines()
    path.write_text("\n".join([head, *reversed(lines)]) + "\n")
    assert compared({"one": {"1": one}, "two": {"1": read_run(two.folder)[0]}}).pairs == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"overrides": ["data.size=32"]}, "data.size: 64 and 32"),
        ({"overrides": ["generator.epochs=3"]}, "budget of the generator (epochs): 5 and 3"),
        ({"version": "2"}, "evaluator diagnostic: d 1 and d 2"),
        ({"split": "xyz"}, "split: hash abc and xyz"),
        ({"overrides": ["evaluators.diagnostic.resamples=200"]}, "evaluators.diagnostic.resamples: 10000 and 200"),
    ],
)
def test_rows_that_differ_in_data_budget_or_evaluator_are_marked(write_run, change, named) -> None:
    one = write_run("a")
    two = write_run("b", *change.pop("overrides", ()), **change)
    found = compared({"one": {"1": one}, "two": {"1": two}})
    assert found.rows[1].obstacles == (named,)
    assert printed(found)[1][1][0] == "two (not comparable)"
    assert not as_json(found, {}, Path())["rows"][1]["comparable"]


def test_what_changes_no_result_is_no_obstacle(write_run) -> None:
    two = write_run("b", "data.workers=2", "generator.width=8", "training.tensorboard=false")
    assert differing(write_run("a"), two) == []


def test_screening_of_given_rates_equals_the_formulas() -> None:
    study = load_study("paper-table7", preset="quick", device="cpu")
    found = compare(study.table, study.rows, {})
    se, sp, prevalence = 0.9950, 0.9722, 0.09
    positive = se * prevalence + (1 - sp) * (1 - prevalence)
    values = {column.partition(".")[2]: cell.mean for column, cell in found.rows[1].cells.items()}
    assert values["ppv"] == pytest.approx(se * prevalence / positive)
    assert values["npv"] == pytest.approx(sp * (1 - prevalence) / (1 - positive))
    assert values["number_needed"] == pytest.approx(1 / (se * prevalence))
    text = printed(found)[1][1]
    assert text[1::2] == ["35.79", "77.97 %", "99.95 %", "11.48 %", "11.17"]
    assert text[2::2] == ["35.79", "78.00 %", "99.95 %", "11.48 %", "11"]


def test_a_rows_prevalence_chooses_the_screening_score(write_run) -> None:
    score = Score(evaluator="screening", name="ppv_at_9%", subject="synthetic", value=0.5, low=0.25, high=0.75)
    row = StudyRow(label="ours", prevalence=0.09)
    found = compared({"ours": {"1": write_run("a", scores=[score])}}, row, columns=("screening.ppv",))
    assert printed(found)[1] == [["ours", "50.00 % (25.00 % to 75.00 %)"]]


def test_resamples_of_one_run_are_those_of_the_bootstrap(write_run) -> None:
    run = write_run("a")
    cell = compared({"ours": {"1": run}}, bootstrap=True).rows[0].cells[AUC].resampled
    judged = run.predictions("synthetic")
    drawn = bootstrap_diagnostic(
        judged.probabilities, judged.labels, judged.patients, threshold=0.5, resamples=10_000, seed=1
    ).values["roc_auc"]
    assert cell is not None
    assert (cell.mean, cell.deviation) == pytest.approx((drawn.mean(), drawn.std(ddof=1)))
    assert (cell.low, cell.high) == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])))


def test_json_and_csv_hold_every_seeds_value_and_no_nan(write_run) -> None:
    found = compared({"ours": {str(s): write_run(f"r{s}", seed=s) for s in (1, 2)}}, columns=(AUC, "efficiency.macs"))
    text = json.dumps(as_json(found, {}, Path()), allow_nan=False)
    assert json.loads(text)["rows"][0]["scores"][AUC]["values"] == pytest.approx({"1": 0.1, "2": 0.2})
    rows = list(csv.DictReader(to_csv(found).splitlines()))
    assert [(float(row["seed 1"]), float(row["seed 2"])) for row in rows] == [pytest.approx((0.1, 0.2))]


def test_an_unfinished_run_is_refused_by_name(write_run, tmp_path: Path) -> None:
    folder = write_run("a").folder
    (folder / "scores.json").unlink()
    with pytest.raises(InputError, match=r"a is not finished: scores\.json is missing"):
        read_run(folder)
    with pytest.raises(InputError, match=r"holds no run: plan\.toml is missing"):
        read_run(tmp_path)


def test_a_study_named_in_place_of_a_run_shows_its_runs(write_run, tmp_path: Path) -> None:
    folder = write_run("study/runs/unit--lsnet/42").folder
    for given, named in ((tmp_path / "study", f"such as {folder}."), (tmp_path / "x", "no such folder")):
        with pytest.raises(InputError) as found:
            read_run(given)
        assert named in (found.value.hint or "")
