"""Evaluator readers."""

from __future__ import annotations

import csv
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from medsynth_readers import ReadersConfig
from medsynth_readers.matching import match
from medsynth_readers.model import Readers
from medsynth_readers.simulation import RATES, SPREAD, simulate, write_simulated
from medsynth_readers.table import read_readers
from scipy.special import ndtri
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from typer.testing import CliRunner

from medsynth.api import Evidence, Predictions
from medsynth.base.configuration import resolve
from medsynth.base.errors import InputError
from medsynth.cli import app
from medsynth.data.config import DataConfig
from medsynth.data.phantom.cohort import write_phantom
from medsynth.plan.plan import load_preset
from medsynth.statistics import patient_draws

CASES = [f"images/c{k:02}.png" for k in range(40)]
LABELS = np.arange(40) % 2
PATIENTS = np.array([f"p{k // 2}" for k in range(40)], dtype=object)


def predictions(threshold: float = 0.5) -> Predictions:
    rng = np.random.default_rng(1)
    return Predictions(
        probabilities=np.clip(rng.normal(0.3 + 0.4 * LABELS, 0.2), 0, 1),
        labels=LABELS,
        patients=PATIENTS,
        threshold=threshold,
    )


@pytest.fixture
def given(judged) -> Evidence:
    return judged({"synthetic": predictions()}, names=CASES)


def written(path: Path, rows: list[dict], columns: tuple[str, ...] = ()) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns or list(rows[0]), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def rows(readers: int = 3, cases: list[str] = CASES) -> list[dict]:
    """Return the first readers' rows of simulated tables, juniors and seniors in turn."""
    everything = simulate(CASES, LABELS.tolist(), seed=5)
    names = sorted({row["reader"] for row in everything}, key=lambda name: (int(name[-2:]) - 1) % 5)[:readers]
    return [row for row in everything if row["reader"] in names and row["case"] in cases]


def scores(evidence: Evidence, path: str, **options) -> dict:
    found = Readers(ReadersConfig(path=path, **{"resamples": 100, **options})).scores(evidence)
    return {(score.subject, score.name): score for score in found}


def test_each_reader_has_the_rates_that_counting_gives(given, tmp_path):
    table = rows()
    found = scores(given, written(tmp_path / "r.csv", table))
    for reader in {row["reader"] for row in table}:
        own = [row for row in table if row["reader"] == reader]
        called = np.array([row["decision"] for row in own])
        confidence = [row["confidence"] for row in own]
        values = {n: found[f"reader {reader}", n].value for n in ("sensitivity", "specificity", "accuracy", "roc_auc")}
        assert values["sensitivity"] == pytest.approx(called[LABELS == 1].mean())
        assert values["specificity"] == pytest.approx(1 - called[LABELS == 0].mean())
        assert values["accuracy"] == pytest.approx((called == LABELS).mean())
        assert values["roc_auc"] == pytest.approx(roc_auc_score(LABELS, confidence))


def test_intervals_of_a_reader_are_those_of_a_loop_over_resamples_of_patients(given, tmp_path):
    table = rows(1)
    score = scores(given, written(tmp_path / "r.csv", table))[f"reader {table[0]['reader']}", "roc_auc"]
    names, owner = np.unique(PATIENTS.astype(str), return_inverse=True)
    confidence = np.array([row["confidence"] for row in table])
    values = []
    for draw in np.concatenate(list(patient_draws(len(names), 100, seed=3))):
        picked = np.concatenate([np.flatnonzero(owner == patient) for patient in draw])
        values.append(roc_auc_score(LABELS[picked], confidence[picked]))
    assert (score.low, score.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_groups_and_all_readers_are_means_over_their_readers(given, tmp_path):
    table = rows(4)
    found = scores(given, written(tmp_path / "r.csv", table))
    group = {row["reader"]: row["group"] for row in table}
    for label in ("group junior", "group senior", "all readers"):
        members = [name for name in group if label in (f"group {group[name]}", "all readers")]
        for metric in ("sensitivity", "roc_auc", "specificity_gap"):
            values = [found[f"reader {name}", metric].value for name in members]
            assert found[label, metric].value == pytest.approx(np.mean(values))
    pooled = np.mean([row["decision"] for row in table if LABELS[CASES.index(row["case"])]])
    assert found["all readers", "sensitivity"].value == pytest.approx(pooled)
    assert found["all readers", "sensitivity"].n == 160


def test_resampling_readers_widens_the_interval_where_readers_differ(given, tmp_path):
    perfect = [{"reader": f"r{k}", "case": case, "decision": LABELS[i]} for k in (1, 2) for i, case in enumerate(CASES)]
    everybody = [{"reader": "r3", "case": case, "decision": 1} for case in CASES]
    found = scores(given, written(tmp_path / "r.csv", perfect + everybody), resamples=2000)
    score = found["all readers", "specificity"]
    # Patients do not matter: each reader is always or never right on negative cases. All three draws are of the one
    # who never is in 1 resample of 27, more often than 2.5 %.
    assert score.value == pytest.approx(2 / 3)
    assert (score.low, score.high) == (0.0, 1.0)


def test_the_model_is_compared_on_the_same_images_by_an_exact_mcnemar_test(given, tmp_path):
    some = CASES[:30]
    table = rows(1, some)
    found = scores(given, written(tmp_path / "r.csv", table))
    labels, called = LABELS[:30], np.array([row["decision"] for row in table])
    model = (predictions().probabilities[:30] >= 0.5).astype(int)
    p_values = {}
    for metric, label in (("sensitivity", 1), ("specificity", 0)):
        right, other = model[labels == label] == label, called[labels == label] == label
        gap = found[f"reader {table[0]['reader']}", f"{metric}_gap"]
        assert gap.value == pytest.approx(right.mean() - other.mean())
        assert gap.low <= gap.value <= gap.high
        disagree = int((right & ~other).sum()), int((other & ~right).sum())
        p_values[metric] = binomtest(disagree[0], sum(disagree)).pvalue if sum(disagree) else 1.0
    least = min(p_values, key=p_values.__getitem__)
    score = found[f"reader {table[0]['reader']}", f"{least}_p_value"]
    assert score.value == pytest.approx(min(1.0, 2 * p_values[least]))
    assert "though some are of the same patient" in score.detail
    assert found["model", "sensitivity"].value == pytest.approx(model[labels == 1].mean())
    assert found["model", "sensitivity"].n == 30


def test_kappas_are_those_of_scikit_learn_and_of_fleiss_formula(given, tmp_path):
    table = rows(3)
    found = scores(given, written(tmp_path / "r.csv", table), pairs=True)
    names = list(dict.fromkeys(row["reader"] for row in table))
    called = {name: np.array([row["decision"] for row in table if row["reader"] == name]) for name in names}
    kappas = {pair: cohen_kappa_score(*(called[name] for name in pair)) for pair in itertools.combinations(names, 2)}
    for (one, two), kappa in kappas.items():
        assert found[f"readers {one} and {two}", "cohen_kappa"].value == pytest.approx(kappa)
    own = [kappa for pair, kappa in kappas.items() if names[0] in pair]
    assert found[f"reader {names[0]}", "cohen_kappa"].value == pytest.approx(np.mean(own))
    share = np.mean([called[name] for name in names])
    agreeing = np.mean([np.mean(called[one] == called[two]) for one, two in kappas])
    chance = share**2 + (1 - share) ** 2
    fleiss = found["all readers", "fleiss_kappa"]
    assert fleiss.value == pytest.approx((agreeing - chance) / (1 - chance))
    assert fleiss.low < fleiss.value < fleiss.high


def test_pairs_are_scored_only_when_asked_for(given, tmp_path):
    found = scores(given, written(tmp_path / "r.csv", rows(3)))
    assert not [subject for subject, _ in found if " and " in subject]


def test_without_confidence_and_groups_there_is_neither_auc_nor_group(given, tmp_path):
    path = written(tmp_path / "r.csv", rows(2), ("reader", "case", "decision"))
    found = scores(given, path)
    assert {name for subject, name in found if subject != "model"}.isdisjoint({"roc_auc", "roc_auc_gap"})
    assert not [subject for subject, _ in found if subject.startswith("group")]


def test_a_single_patient_gives_no_interval(judged, tmp_path):
    alone = Predictions(
        probabilities=predictions().probabilities, labels=LABELS, patients=np.full(40, "p"), threshold=0.5
    )
    path = written(tmp_path / "r.csv", rows(2))
    found = scores(judged({"synthetic": alone}, names=CASES), path)
    assert {(score.low, score.high) for score in found.values()} == {(None, None)}


def test_the_order_of_rows_and_columns_does_not_matter(given, tmp_path):
    table = rows(2)
    turned = [dict(reversed(row.items())) for row in reversed(table)]
    one = scores(given, written(tmp_path / "a.csv", table))
    assert scores(given, written(tmp_path / "b.csv", turned)) == one


@pytest.mark.parametrize("case", ["run/data/images/c01.png", "images/c01.png", "c01.png"])
def test_a_case_may_have_more_or_fewer_folders(case):
    assert match([case], CASES) == {case: 1}


def test_cases_that_fit_no_image_or_several_are_named():
    with pytest.raises(InputError, match=r"2 cases that fit no test image, or several: nowhere\.png, other/c01"):
        match(["nowhere.png", "c00.png", "other/c01.png"], CASES)
    with pytest.raises(InputError, match=r"or several: a\.png"):
        match(["a.png"], ["one/a.png", "two/a.png"])
    with pytest.raises(InputError, match=r"fit the same test image: c01\.png, images/c01\.png"):
        match(["c01.png", "images/c01.png"], CASES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reader,image,decision\na,b,1\n", "has no column 'case'"),
        ("reader,case,decision\n", "has no rows"),
        (
            "reader,case,decision\na,x,maybe\n,y,1\n",
            "line 2: decision 'maybe' is none of 1, positive, 0, negative",
        ),
        ("reader,case,decision,confidence\na,x,1,high\n", "line 2: confidence 'high' is no number"),
        ("reader,case,decision,confidence\na,x,1,nan\n", "line 2: confidence 'nan' is no number"),
        ("reader,case,decision\na,x,1\na,x,0\n", "line 3: reader 'a' already decided on x in line 2"),
        ("reader,case,decision,group\na,x,1,old\na,y,0,new\n", "reader 'a' is in several groups: 'new', 'old'"),
        ("reader,case,decision,confidence\na,x,1,3\na,y,0,\n", "a confidence for 1 of 2 cases; give all or none"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_lines(tmp_path, text, message):
    path = tmp_path / "readers.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(message)):
        read_readers(str(path))


def test_names_with_spaces_a_byte_order_mark_and_words_for_decisions_are_read(tmp_path):
    path = tmp_path / "readers.csv"
    path.write_text("Reader, Case, Decision\r\n Ann , x.png, Positive\r\nAnn,y.png,negative\r\n", encoding="utf-8-sig")
    (reader,) = read_readers(str(path))
    assert (reader.name, reader.decisions, reader.confidences) == ("Ann", {"x.png": 1, "y.png": 0}, {})


def test_a_row_that_the_run_does_not_have_is_refused(given, tmp_path):
    path = written(tmp_path / "r.csv", rows(1))
    with pytest.raises(InputError, match="subject = 'oracle' is no row of this run"):
        scores(given, path, subject="oracle")


@pytest.mark.parametrize(
    ("sets", "message"), [([], "path is empty"), (["--set", "evaluators.readers.path=no.csv"], "'no.csv' cannot be")]
)
def test_a_missing_table_is_refused_before_anything_is_trained(tmp_path, sets, message):
    arguments = ["run", "--device", "cpu", "--out", str(tmp_path / "run"), "--evaluators", "diagnostic,readers", *sets]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert message in result.output.replace("\n", " ")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("preset", "example"), [("quick", "phantom"), ("standard", "phantom-standard")])
def test_a_shipped_example_is_what_the_simulation_makes_of_a_presets_phantom(tmp_path, preset, example):
    config = resolve(DataConfig, [load_preset(preset)["data"]], where="data")
    manifest = write_phantom(
        tmp_path / "phantom",
        source=config.phantom_source,
        negative=config.phantom_negative,
        positive=config.phantom_positive,
        test=config.phantom_test,
        test_source=config.held_out_sources,
        size=16,
        seed=config.seed,
    )
    with manifest.open(encoding="utf-8", newline="") as file:
        test = [row for row in csv.DictReader(file) if (row["domain"], row["split"]) == ("target", "test")]
    listed = written(tmp_path / "p.csv", [{**row, "image": f"phantom/{row['image']}"} for row in test])
    write_simulated(Path(listed), tmp_path / "readers.csv")
    assert read_readers(str(tmp_path / "readers.csv")) == read_readers(example)


def called_by_simulated_readers(labels: np.ndarray) -> np.ndarray:
    table = simulate([str(k) for k in labels], labels.tolist(), seed=0)
    assert all((row["confidence"] >= 50) == row["decision"] for row in table)
    return np.array([row["decision"] for row in table]).reshape(10, -1)


def test_simulated_readers_without_a_spread_have_the_rates_of_their_group(monkeypatch):
    monkeypatch.setattr("medsynth_readers.simulation.SPREAD", 0.0)
    labels = np.arange(20_000) % 2
    called = called_by_simulated_readers(labels)
    for group, of_group in zip(RATES.values(), (called[:5], called[5:]), strict=True):
        assert of_group[:, labels == 1].mean() == pytest.approx(group[0], abs=0.01)
        assert 1 - of_group[:, labels == 0].mean() == pytest.approx(group[1], abs=0.01)


def test_simulated_readers_of_a_group_differ_by_their_spread():
    labels = np.arange(20_000) % 2
    called = called_by_simulated_readers(labels)
    quantiles = ndtri([[of[labels == 1].mean(), 1 - of[labels == 0].mean()] for of in called]) - ndtri(
        [rates for rates in RATES.values() for _ in range(5)]
    )
    assert np.sqrt((quantiles**2).mean()) == pytest.approx(SPREAD, rel=0.4)
