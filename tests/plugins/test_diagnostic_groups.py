from __future__ import annotations

import numpy as np
import pytest
from medsynth_diagnostic.groups import counts, grouping

LABELS = np.arange(40) % 2
PATIENTS = np.array([f"p{k}" for k in range(40)], dtype=object)


def groups(values, *, labels=LABELS, minimum: int = 5):
    return grouping("column", [str(value) for value in values], labels, PATIENTS, minimum)


def test_text_makes_one_group_per_value_and_nothing_of_empty_ones():
    found = groups(["a"] * 10 + ["b"] * 20 + [""] * 10)
    assert {group.name: int(group.rows.sum()) for group in found.kept} == {"a": 10, "b": 20}
    assert [counts(group, LABELS) for group in found.kept] == [(5, 5), (10, 10)]


def test_the_minimum_holds_for_either_class():
    labels = np.array([1] * 4 + [0] * 16 + [1] * 5 + [0] * 15)
    found = groups(["a"] * 20 + ["b"] * 20, labels=labels)
    assert [group.name for group in found.kept] == ["b"]
    assert [group.name for group in found.left_out] == ["a"]


def test_a_few_numbers_are_groups_in_rising_order():
    assert [group.name for group in groups([10, 10, 2, 2] * 10).kept] == ["2", "10"]


def test_many_numbers_are_cut_into_thirds_that_name_their_range():
    ages = np.random.default_rng(0).permutation(np.arange(30, 70))
    found = groups(ages, minimum=1)
    assert [group.name for group in found.kept] == ["30 to 43", "44 to 56", "57 to 69"]
    for group in found.kept:
        low, high = (int(end) for end in group.name.split(" to "))
        np.testing.assert_array_equal(group.rows, (ages >= low) & (ages <= high))


@pytest.mark.parametrize("absent", ["0.0000", ""])
def test_a_depth_that_negative_images_do_not_have_groups_the_positive_ones_against_all_negatives(absent):
    depths = [f"{0.3 + 0.01 * k:.2f}" if LABELS[k] else absent for k in range(40)]
    found = groups(depths)
    assert len(found.kept) == 3
    assert all(group.all_negatives for group in found.kept)
    assert [counts(group, LABELS)[1] for group in found.kept] == [20, 20, 20]
    assert sum(counts(group, LABELS)[0] for group in found.kept) == 20


def test_names_of_lesions_group_the_positive_images_too():
    found = groups(["early" if k % 4 == 1 else "late" if LABELS[k] else "" for k in range(40)])
    assert [(group.name, *counts(group, LABELS)) for group in found.kept] == [("early", 10, 20), ("late", 10, 20)]


def test_a_number_that_also_negative_images_have_groups_both():
    found = groups(np.repeat([0, 1], 20))
    assert not any(group.all_negatives for group in found.kept)


@pytest.mark.parametrize("values", [[f"masks/{k}.png" for k in range(40)], ["same"] * 40, [""] * 40])
def test_file_names_and_equal_values_make_no_groups(values):
    assert groups(values) is None
