"""Classifiers that look at their own working: which images they are given, and what is logged of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from medsynth.api import Inspection
from medsynth.data.images import Images, Record
from medsynth.training.devices import Policy
from medsynth.training.inspection import IMAGES, figures, inspect

ROWS = {"block A": {"tokens": 64.0, "own scores": 0.1}, "block B": {"tokens": 16.0, "own scores": 0.3}}
FOUND = Inspection(title="t", note="n", rows=ROWS, logged=["own scores"])


class Looker:
    def __init__(self, rows=ROWS) -> None:
        self.rows, self.given = rows, None

    def inspect(self, images, labels):
        self.given = images, labels
        return Inspection(title="t", note="n", rows=self.rows)


def images(labels: list[int | None]) -> Images:
    records = [Record(f"i{row}", "target", label, f"p{row}", "val") for row, label in enumerate(labels)]
    pixels = np.arange(len(labels), dtype=np.float32).reshape(-1, 1, 1, 1) * np.ones((1, 1, 2, 2), np.float32)
    return Images(tuple(records), pixels, np.arange(len(labels)))


def test_images_without_a_label_are_left_out() -> None:
    looker = Looker()
    assert inspect(looker, images([0, None, 1]), Policy("cpu")).rows == ROWS
    shown, labels = looker.given
    assert shown[:, 0, 0, 0].tolist() == [0.0, 2.0]
    assert labels.tolist() == [0, 1]


def test_of_many_images_some_are_taken_from_first_to_last() -> None:
    looker = Looker()
    inspect(looker, images([row % 2 for row in range(3 * IMAGES)]), Policy("cpu"))
    shown = looker.given[0][:, 0, 0, 0].tolist()
    assert len(shown) == IMAGES
    assert (shown[0], shown[-1]) == (0.0, 3.0 * IMAGES - 1)
    assert set(np.diff(shown)) <= {3.0, 4.0}


@pytest.mark.parametrize(
    ("classifier", "labels"),
    [(SimpleNamespace(), [0, 1]), (Looker(), [None, None]), (Looker(), []), (Looker(rows={}), [0, 1])],
)
def test_a_classifier_that_does_not_look_or_has_nothing_to_see_shows_nothing(classifier, labels) -> None:
    assert inspect(classifier, images(labels), Policy("cpu")) is None


def test_logged_columns_are_named_by_column_and_row() -> None:
    assert figures(FOUND) == {"own_scores_block_a": 0.1, "own_scores_block_b": 0.3}
    assert figures(None) == {}
