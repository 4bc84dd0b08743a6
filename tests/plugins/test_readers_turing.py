"""Evaluator readers: telling synthetic images from real ones, and agreement with oneself."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from medsynth_readers import ReadersConfig
from medsynth_readers.model import Readers
from medsynth_readers.table import read_readers
from scipy.stats import fisher_exact, norm
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from medsynth.api import Evidence, ImageSet
from medsynth.base.errors import InputError
from medsynth.data.png import pixel_digest, to_bytes
from medsynth.readers.shown_images import REAL_OR_SYNTHETIC, TRANSLATED
from medsynth.report.tables import score_tables
from medsynth.statistics import patient_draws

NUMBER = 12
REAL = [f"images/{k:06}.png" for k in range(NUMBER)]  # a user's own names may be those of translations
SYNTHETIC = [f"{TRANSLATED}/images/{k:06}.png" for k in range(NUMBER)]
TRUTH = np.repeat([0, 1], NUMBER)
PATIENTS = np.array([f"p{k % 8}" for k in range(2 * NUMBER)])


@pytest.fixture
def given(judged) -> Evidence:
    def image_set(seed: int, patients: np.ndarray) -> ImageSet:
        images = np.random.default_rng(seed).uniform(-1, 1, (NUMBER, 1, 8, 8)).astype(np.float32)
        names = np.array(REAL, dtype=object)
        return ImageSet(images=images, labels=np.zeros(NUMBER, int), patients=patients.astype(object), names=names)

    evidence = judged({"synthetic": None})
    return replace(evidence, real=image_set(1, PATIENTS[:NUMBER]), synthetic=image_set(2, PATIENTS[NUMBER:]))


def rows(reader: str, group: str, seed: int, skill: float) -> list[dict]:
    impression = np.random.default_rng(seed).normal(size=2 * NUMBER) + skill * TRUTH
    return [
        {
            "reader": reader, "group": group, "task": REAL_OR_SYNTHETIC, "case": case, "repeat": 0,
            "decision": int(value > skill / 2), "confidence": round(value, 3), "seconds": k,
        }
        for k, (case, value) in enumerate(zip(REAL + SYNTHETIC, impression, strict=True))
    ]  # fmt: skip


TABLE = [*rows("ann", "senior", 1, 1.5), *rows("bob", "junior", 2, 0.0), *rows("cid", "senior", 3, 1.0)]


def written(path: Path, table: list[dict]) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]), restval="")
        writer.writeheader()
        writer.writerows(table)
    return str(path)


def scores(evidence: Evidence, path: str) -> dict:
    found = Readers(ReadersConfig(path=path, resamples=300)).scores(evidence)
    return {(score.subject, score.name): score for score in found}


def said(reader: str, column: str) -> np.ndarray:
    return np.array([row[column] for row in TABLE if row["reader"] == reader])


def test_each_reader_has_the_scores_that_counting_gives(given, tmp_path):
    found = scores(given, written(tmp_path / "r.csv", TABLE))
    p_values = {}
    for reader in ("ann", "bob", "cid"):
        called, value = said(reader, "decision"), {n: s.value for (who, n), s in found.items() if who.endswith(reader)}
        hits, alarms = int(called[TRUTH == 1].sum()), int(called[TRUTH == 0].sum())
        assert value["turing_accuracy"] == pytest.approx((called == TRUTH).mean())
        assert value["turing_synthetic"] == pytest.approx(hits / NUMBER)
        assert value["turing_real"] == pytest.approx(1 - alarms / NUMBER)
        d_prime = norm.ppf((hits + 0.5) / (NUMBER + 1)) - norm.ppf((alarms + 0.5) / (NUMBER + 1))
        assert value["turing_d_prime"] == pytest.approx(d_prime)
        assert value["turing_auc"] == pytest.approx(roc_auc_score(TRUTH, said(reader, "confidence")))
        assert value["turing_seconds"] == 11.5
        p_values[reader] = fisher_exact([[NUMBER - alarms, alarms], [NUMBER - hits, hits]]).pvalue
    least = min(p_values, key=p_values.__getitem__)
    assert found[f"reader {least}", "turing_p_value"].value == pytest.approx(min(1, 3 * p_values[least]))
    assert found["reader ann", "turing_accuracy"].n == 2 * NUMBER
    assert not [name for _, name in found if not name.startswith("turing_")]


def test_groups_and_all_readers_are_means_over_their_readers(given, tmp_path):
    found = scores(given, written(tmp_path / "r.csv", TABLE))
    for label, members in (("group senior", ("ann", "cid")), ("all readers", ("ann", "bob", "cid"))):
        for name in ("turing_accuracy", "turing_d_prime", "turing_auc"):
            values = [found[f"reader {member}", name].value for member in members]
            score = found[label, name]
            assert score.value == pytest.approx(np.mean(values))
            assert score.low < score.value < score.high


def test_intervals_are_those_of_a_loop_over_resamples_of_patients(given, tmp_path):
    score = scores(given, written(tmp_path / "r.csv", TABLE))["reader ann", "turing_accuracy"]
    names, owner = np.unique(PATIENTS, return_inverse=True)
    right, values = said("ann", "decision") == TRUTH, []
    for draw in np.concatenate(list(patient_draws(len(names), 300, seed=3))):
        picked = np.concatenate([np.flatnonzero(owner == patient) for patient in draw])
        values.append(np.mean([right[picked][TRUTH[picked] == truth].mean() for truth in (0, 1)]))
    assert (score.low, score.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_calling_everything_real_is_guessing_whatever_the_mix(given, tmp_path):
    table = [{**row, "decision": 0, "confidence": 1} for row in TABLE[: NUMBER + 3]]
    found = scores(given, written(tmp_path / "r.csv", table))
    assert found["reader ann", "turing_accuracy"].value == 0.5
    assert found["reader ann", "turing_p_value"].value == 1.0


def test_agreement_with_oneself_is_that_of_the_cases_shown_twice(given, tmp_path):
    again = [{**row, "repeat": 1, "decision": row["decision"] ^ (k == 0)} for k, row in enumerate(TABLE[8:16])]
    path = written(tmp_path / "r.csv", TABLE + again)
    found = scores(given, path)
    first, second = said("ann", "decision")[8:16], [row["decision"] for row in again]
    assert found["reader ann", "turing_repeat_kappa"].value == pytest.approx(cohen_kappa_score(first, second))
    assert found["reader ann", "turing_repeat_agreement"].value == 7 / 8
    assert ("reader bob", "turing_repeat_kappa") not in found
    alone = scores(given, written(tmp_path / "s.csv", TABLE))
    assert {key: score for key, score in found.items() if "repeat" not in key[1]} == alone


def test_images_that_look_otherwise_in_this_run_are_refused(given, tmp_path):
    images = [*given.real.images, *given.synthetic.images]
    table = [{**row, "pixels": pixel_digest(to_bytes(image))} for row, image in zip(TABLE, images, strict=False)]
    assert scores(given, written(tmp_path / "r.csv", table))
    other = replace(given, synthetic=replace(given.synthetic, images=given.synthetic.images[::-1]))
    with pytest.raises(InputError, match="looked at 12 images that this run has otherwise"):
        scores(other, str(tmp_path / "r.csv"))


def test_synthetic_images_that_the_run_does_not_have_are_refused(given, tmp_path):
    table = [{**TABLE[0], "case": f"{TRANSLATED}/images/000099.png"}]
    with pytest.raises(InputError, match=re.escape("1 synthetic images that the run does not have")):
        scores(given, written(tmp_path / "r.csv", table))


def test_the_report_has_a_row_for_each_reader_group_and_all_under_names_that_people_know(given, tmp_path):
    found = scores(given, written(tmp_path / "r.csv", TABLE))
    table = score_tables(list(found.values()))["readers"]
    columns = " ".join(table.columns)
    assert all(name in columns for name in ("told apart", "d'", "told apart, AUC", "real recognized"))
    rows = [label for label, _, _ in table.rows]
    assert {"reader ann", "group senior", "group junior", "all readers"} <= set(rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "guess"}, "line 2: task 'guess' is none of diagnose, real-or-synthetic"),
        ({"repeat": "2"}, "line 2: repeat '2' is none of 0, 1"),
        ({"repeat": "1"}, "line 2: reader 'ann' repeats images/000000.png without a first decision"),
        ({"seconds": "long"}, "line 2: seconds 'long' is no number"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_lines(tmp_path, change, message):
    path = written(tmp_path / "r.csv", [TABLE[0] | change])
    with pytest.raises(InputError, match=re.escape(message)):
        read_readers(path)
