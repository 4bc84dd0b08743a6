from __future__ import annotations

import csv
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from medsynth_diagnostic import medsynth_report_sections
from medsynth_diagnostic.sections import RESAMPLES

from medsynth.api import Result, RunInfo, Score
from medsynth.statistics import delong_test, holm, net_benefit, paired_bootstrap

OWNER = np.repeat(np.arange(40), 2)
LABELS = OWNER % 2


def said(subject: str) -> np.ndarray:
    rng = np.random.default_rng(len(subject))
    gain = {"synthetic": 2.0, "real-only": 1.0, "oracle": 3.0}[subject]
    return 1 / (1 + np.exp(-gain * (LABELS - 0.5) - rng.normal(size=40)[OWNER] - 0.5 * rng.normal(size=80)))


def written(folder: Path, *subjects: str, labels: np.ndarray = LABELS) -> Result:
    """A result beside which the evaluation stage wrote its predictions."""
    (folder / "evaluation").mkdir()
    for subject in subjects:
        with (folder / "evaluation" / f"predictions-{subject}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "patient", "label", "probability", "decision"])
            for k, (owner, label, value) in enumerate(zip(OWNER, labels, said(subject).tolist(), strict=True)):
                writer.writerow([f"{k}.png", f"p{owner:02d}", label, value, int(value >= 0.4)])
    scores = [Score(evaluator="diagnostic", name="threshold", subject=subject, value=0.4) for subject in subjects]
    return Result(scores=scores, bundle="", report=str(folder / "report.html"))


def parts(result: Result) -> dict[str, ElementTree.Element]:
    run = RunInfo(folder="", plan={}, seed=5)
    found = medsynth_report_sections(run=run, result=result)
    return {section.title: ElementTree.fromstring(f"<div>{section.html}</div>") for section in found}


def rows(part: ElementTree.Element) -> list[list[str]]:
    return [["".join(cell.itertext()) for cell in row] for row in part.iterfind(".//tbody/tr")]


def test_each_other_classifier_is_compared_in_three_scores_with_adjusted_p_values(tmp_path):
    part = parts(written(tmp_path, "synthetic", "real-only", "oracle"))["Classifiers compared on the same images"]
    table = rows(part)
    assert [row[:2] for row in table] == [
        [label, score] for label in ("real images only", "oracle") for score in ("AUC", "sensitivity", "specificity")
    ]
    adjusted = holm([float(row[3].replace("< ", "")) for row in table])
    shown = np.array([float(row[4].replace("< ", "")) for row in table])
    np.testing.assert_allclose(shown, adjusted, atol=4e-3)


def test_areas_are_compared_by_delong_and_decisions_in_resamples_of_patients(tmp_path):
    table = rows(parts(written(tmp_path, "synthetic", "real-only"))["Classifiers compared on the same images"])
    area = delong_test(said("synthetic"), said("real-only"), LABELS, OWNER)
    resampled = paired_bootstrap(
        said("synthetic"), said("real-only"), LABELS, OWNER, thresholds=(0.4, 0.4), resamples=RESAMPLES, seed=5
    )
    low, high = resampled.interval("sensitivity")
    assert table[0][2] == f"{area.difference:+.3f}{area.low:+.3f} to {area.high:+.3f}"
    assert table[1][2] == f"{resampled.estimates['sensitivity']:+.3f}{low:+.3f} to {high:+.3f}"


def test_the_decision_curve_prints_the_net_benefit_of_every_classifier_and_of_treating_everybody(tmp_path):
    part = parts(written(tmp_path, "synthetic", "real-only"))["Decision curves"]
    for row in rows(part):
        threshold = [float(row[0])]
        expected = [
            float(net_benefit(values, LABELS, threshold)[0])
            for values in (said("synthetic"), said("real-only"), np.ones(80))
        ]
        assert [re.match(r"-?\d\.\d{3}", cell).group() for cell in row[1:]] == [f"{value:.3f}" for value in expected]
    assert part.find(".//*[@role='img']").get("aria-label").startswith("Decision curves of with synthetic images")


def test_the_parts_repeat_exactly(tmp_path):
    result = written(tmp_path, "synthetic", "real-only")
    first, again = (medsynth_report_sections(run=RunInfo(folder="", plan={}, seed=5), result=result) for _ in range(2))
    assert first == again


def test_one_classifier_alone_has_a_decision_curve_only(tmp_path):
    assert list(parts(written(tmp_path, "synthetic"))) == ["Decision curves"]


@pytest.mark.parametrize("label", [0, 1])
def test_test_images_of_one_class_have_neither_part(tmp_path, label):
    assert parts(written(tmp_path, "synthetic", "real-only", labels=np.full(80, label))) == {}


def test_a_report_without_predictions_beside_it_has_neither_part(tmp_path):
    score = Score(evaluator="diagnostic", name="threshold", subject="synthetic", value=0.4)
    assert parts(Result(scores=[score], bundle="", report=str(tmp_path / "report.html"))) == {}
