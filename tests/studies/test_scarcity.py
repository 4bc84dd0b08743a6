"""Runs that differ in the number of real positive patients: the worth of synthesis in words, table, figure and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medsynth.results.reading import RunResult
from medsynth.results.worths import worth_rows
from medsynth.studies.comparison import Comparison, compare
from medsynth.studies.comparison_files import as_json, write_comparison
from medsynth.studies.page import write_page
from medsynth.studies.study import StudyRow, StudyTable

PRESENT = 24
FACTS = {
    "title": "T",
    "about": "",
    "paper": "",
    "versions": {},
    "preset": "quick",
    "data": "phantom",
    "seeds": [1, 2],
    "settings": [],
    "warnings": [],
    "seconds": {},
}


@pytest.fixture
def levels(write_run) -> dict[str, dict[str, RunResult]]:
    """Two seeds with 4, 12 and all positive patients; one asks for more than there are."""
    asked = {"4": (2.2, 4), "12": (2.6, 12), "40": (6.0, 40), "all": (1.0, 0)}
    return {
        label: {
            str(seed): write_run(f"{label}-{seed}", f"classifier.positives={count}", seed=seed, shift=shift)
            for seed in (1, 2)
        }
        for label, (shift, count) in asked.items()
    }


def compared(levels: dict[str, dict[str, RunResult]]) -> Comparison:
    rows = [StudyRow(label=label) for label in levels]
    return compare(StudyTable(columns=("diagnostic.roc_auc",), tests=False), rows, levels)


def test_levels_are_the_patients_there_were_and_each_number_counts_once(levels) -> None:
    (worth,) = compared(levels).worths
    assert worth.scarcity.numbers == (4, 12, PRESENT)
    assert (worth.scarcity.trainings, worth.scarcity.patients) == (2, 20)
    judged = [found for run in levels["40"].values() if (found := run.predictions("real-only"))]
    expected = np.mean([roc_auc_score(one.labels, one.probabilities) for one in judged])
    assert worth.scarcity.scores["real-only"]["roc_auc"][-1].value == pytest.approx(expected)


def test_the_sentence_says_what_synthesis_was_worth_with_the_fewest_patients(levels) -> None:
    (worth,) = compared(levels).worths
    few = worth.scarcity.worth[0].value
    assert 0 < few < PRESENT - 4
    assert worth.sentence.startswith(
        "cyclegan + mobilenet-v2: with 4 real positive patients, "
        f"synthetic images were worth {round(few)} (95 % interval"
    )
    assert f"real images alone take {4 + round(few)} for the same AUC" in worth.sentence
    assert worth.sentence.endswith("2 seeds, 20 test patients.")


def test_a_worth_beyond_the_curve_is_said_to_be_more_than_it_shows(levels, write_run) -> None:
    strong = {
        str(seed): write_run(f"strong-{seed}", "classifier.positives=2", seed=seed, shift=30.0) for seed in (1, 2)
    }
    weak = {str(seed): write_run(f"weak-{seed}", "classifier.positives=3", seed=seed, shift=0.0) for seed in (1, 2)}
    (worth,) = compared({"strong": strong, "weak": weak}).worths
    assert "were worth more than 1 (95 % interval" in worth.sentence
    assert "the rising curve of real images alone does not reach the AUC of" in worth.sentence
    (none,) = compared({"few": weak, "all": levels["all"]}).worths
    assert "synthetic images were worth none (AUC" in none.sentence


def test_one_number_of_patients_or_other_test_images_give_no_worth(levels) -> None:
    assert compared({"40": levels["40"], "all": levels["all"]}).worths == ()
    assert compared({"4": levels["4"]}).worths == ()


def test_page_table_figure_and_json_show_it(levels, tmp_path: Path) -> None:
    found = compared(levels)
    (worth,) = found.worths
    rows = worth_rows(worth)
    assert [row[0] for row in rows] == ["4", "12", f"{PRESENT}"]
    write_comparison(tmp_path, found, FACTS)
    page = write_page(tmp_path, found, FACTS).read_text()
    assert worth.sentence.replace("'", "&#39;") in page
    assert rows[0][-1] in page
    assert "<caption>Worth of synthesis, cyclegan + mobilenet-v2</caption>" in page
    assert "<figcaption>cyclegan + mobilenet-v2. Mean over seeds" in page
    assert worth.sentence in (tmp_path / "comparison.md").read_text()
    assert "real positive patients in training" in (tmp_path / "figures/worth.svg").read_text()
    (record,) = json.loads(json.dumps(as_json(found, FACTS, tmp_path), allow_nan=False))["worths"]
    assert [level["positives"] for level in record["levels"]] == [4, 12, PRESENT]
    assert record["levels"][0]["worth"]["value"] == pytest.approx(worth.scarcity.worth[0].value)
    assert record["levels"][0]["real-only.roc_auc"]["value"] == worth.scarcity.scores["real-only"]["roc_auc"][0].value
