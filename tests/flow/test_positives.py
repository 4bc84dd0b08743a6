"""Few positive patients in training: who is left out, and which trainings are the same."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from medsynth.data.images import Images, Record
from medsynth.flow.stages.positives import keep_positives, positive_patients
from medsynth.flow.stages.train_classifiers import classifier_rows
from medsynth.plan.plan import Plan, make_plan
from medsynth.plugins import Registry
from medsynth.results.stage_keys import stage_key


def target() -> Images:
    """Six positive patients with a negative image each, six negative ones, and one whose label nobody knows."""
    rows: list[tuple[str, int | None]] = [(f"p{n}", label) for n in range(6) for label in (0, 1)]
    rows += [(f"n{n}", 0) for n in range(6)] + [("u", None)]
    records = tuple(Record(f"{k}.png", "target", label, patient, "train") for k, (patient, label) in enumerate(rows))
    return Images(records, np.zeros((len(rows), 1, 8, 8), np.float32), np.arange(len(rows)))


def plan(*overrides: str) -> Plan:
    names = {"generator": "cyclegan", "classifier": "mobilenet-v2", "preset": "quick"}
    return make_plan(Registry(), **names, seeds=[1], device="cpu", overrides=overrides)


def test_positive_patients_are_left_out_whole_and_nobody_else_is() -> None:
    kept = keep_positives(target(), 2, seed=3)
    assert len(positive_patients(kept)) == 2
    assert len(kept) == 2 * 2 + 6 + 1
    assert {record.patient for record in kept.records} >= {*(f"n{n}" for n in range(6)), "u"}


@pytest.mark.parametrize("count", [0, 6, 7])
def test_all_are_kept_where_all_or_more_are_asked_for(count: int) -> None:
    assert keep_positives(target(), count, seed=3).records == target().records


def test_more_patients_are_the_same_and_further_ones_and_another_seed_draws_others() -> None:
    drawn = [set(positive_patients(keep_positives(target(), count, seed=3))) for count in range(1, 7)]
    assert all(few < more for few, more in pairwise(drawn))
    assert len({tuple(positive_patients(keep_positives(target(), 3, seed=seed))) for seed in range(8)}) > 1


def test_every_classifier_of_a_run_sees_the_patients_of_its_training_seed() -> None:
    nothing = target().take([])
    data: Any = SimpleNamespace(
        images=SimpleNamespace(select=lambda *, domain, **_: target() if domain == "target" else nothing)
    )
    rows = classifier_rows(plan("classifier.positives=2"), data, target(), seed=3)
    assert set(rows) == {"synthetic", "real-only"}
    assert all(
        positive_patients(row.real) == positive_patients(keep_positives(target(), 2, seed=3)) for row in rows.values()
    )


def key(part: str, *overrides: str, present: int = 6) -> str:
    record = {"medsynth": "1", "versions": {}, "split": "s", "plugins": [], "positive_patients": present}
    depends = {"generator": ("generator",), "classifier/real-only": ("classifier",)}.get(
        part, ("generator", "classifier")
    )
    return stage_key(plan(*overrides).as_dict(), record, part, *depends, seed=1)


def test_a_generator_does_not_depend_on_the_patients_that_classifiers_see() -> None:
    assert key("generator", "classifier.positives=2") == key("generator")
    assert key("generator", "generator.positives=2") != key("generator")
    assert key("classifier/real-only", "generator.positives=2") == key("classifier/real-only")
    assert len({key("classifier/synthetic", f"{kind}.positives=2") for kind in ("generator", "classifier")}) == 2


def test_more_patients_than_there_are_is_the_same_training_as_all() -> None:
    for part in ("classifier/real-only", "classifier/synthetic"):
        assert key(part, "classifier.positives=9") == key(part, "classifier.positives=6") == key(part)
        assert key(part, "classifier.positives=5") != key(part)
