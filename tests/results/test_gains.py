"""What synthesis was worth in finished runs: controls found in other runs, all seeds at once, printed in words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from medsynth.results.gains import gains_of
from medsynth.results.reading import RunResult
from medsynth.statistics import crossed_difference
from medsynth.studies.comparison import Comparison, compare
from medsynth.studies.comparison_files import as_json, warning_texts, write_comparison
from medsynth.studies.study import StudyRow, StudyTable
from tests.studies.conftest import write_run as write_run

FACTS = {"title": "t", "preset": "quick", "data": "phantom", "seeds": [1, 2], "warnings": []}


def without_control(result: RunResult) -> RunResult:
    (result.folder / "evaluation/predictions-real-only.csv").unlink()
    return result


def compared(ours: list[RunResult], others: list[RunResult]) -> Comparison:
    rows = [StudyRow(label="ours"), StudyRow(label="control", subject="real-only")]
    results = {
        label: {str(result.plan["seeds"][0]): result for result in found}
        for label, found in (("ours", ours), ("control", others))
    }
    return compare(StudyTable(columns=("diagnostic.roc_auc",)), rows, results)


def test_the_gain_is_over_all_seeds_and_patients_of_a_rows_runs(write_run) -> None:
    runs = [write_run(f"r{seed}", seed=seed, shift=4.0) for seed in (1, 2)]
    (gain,) = gains_of(runs)
    judged = [[run.predictions(subject) for run in runs] for subject in ("synthetic", "real-only")]
    expected = crossed_difference(
        *(np.stack([one.probabilities for one in row]) for row in judged), judged[0][0].labels, judged[0][0].patients
    )
    assert (gain.value, gain.p_value, gain.patients) == (expected.value, expected.p_value, 20)


def test_a_control_that_a_run_lacks_is_taken_from_a_run_of_the_same_training_only(write_run) -> None:
    lacking = without_control(write_run("lacking", seed=1))
    same, slower = write_run("same", seed=1), write_run("slower", "classifier.learning_rate=0.1", seed=1)
    other_generator = write_run("generator", "generator.epochs=7", seed=1)
    assert gains_of([lacking]) == gains_of([lacking], [slower]) == ()
    assert gains_of([lacking], [slower, same]) == gains_of([same])
    assert gains_of([lacking], [other_generator])[0].against == "real-only"


def test_a_comparison_begins_with_the_verdict_and_counts_warnings(write_run, tmp_path: Path) -> None:
    ours = [without_control(write_run(f"a{seed}", seed=seed, shift=4.0)) for seed in (1, 2)]
    for result in ours:
        result.record["warnings"] = [{"kind": "collapse", "stage": "generator", "text": "it fell"}]
    found = compared(ours, [write_run(f"b{seed}", seed=seed) for seed in (1, 2)])
    (row,) = found.gains
    assert row.sentence.startswith("ours: ")
    assert "over real images only" in row.sentence
    assert row.sentence.endswith("2 seeds and 20 patients.")
    assert warning_texts(found) == ["ours: collapse in 2 of 2 runs"]
    content = as_json(found, FACTS, tmp_path)
    assert content["gains"][0]["difference"] == pytest.approx(row.gains[0].value)
    assert [one["warnings"] for one in content["rows"]] == [{"collapse": 2}, {}]
    write_comparison(tmp_path, found, FACTS)
    text = (tmp_path / "comparison.md").read_text()
    assert text.index(row.sentence) < text.index("| row |")
    assert "- ours: collapse in 2 of 2 runs" in text
    assert json.loads((tmp_path / "study.json").read_text())["gains"][0]["minus"] == "real-only"


def test_runs_on_other_test_images_have_no_common_gain(write_run) -> None:
    one, two = (write_run(f"r{seed}", seed=seed) for seed in (1, 2))
    for path in (two.folder / "evaluation").glob("*.csv"):
        path.write_text(path.read_text().replace("P00,", "Q00,"))
    assert gains_of([one, two]) == ()
    shutil.rmtree(one.folder / "evaluation")
    assert gains_of([]) == ()
