from collections import Counter

import pytest

from medsynth.base.errors import InputError
from medsynth.data.listing.splits import assign_splits, parse_ratio, split_hash, split_problems, split_records


@pytest.fixture
def cohort(make_record):
    """Two images of each of 20 target patients (5 positive) and of 10 source patients."""

    def build(split=""):
        target = [make_record(f"t{p}_{k}", patient=f"t{p}", label=int(p < 5)) for p in range(20) for k in (0, 1)]
        source = [make_record(f"s{p}", patient=f"s{p}", domain="source", label=1) for p in range(10)]
        return target + source

    return build


def splits_of(records):
    found = {}
    for record in records:
        found.setdefault(record.patient, set()).add(record.split)
    return found


def test_patients_stay_whole_and_all_classes_are_everywhere(cohort, config):
    records = split_records(cohort(), config(), seed=3)
    assert all(len(splits) == 1 for splits in splits_of(records).values())
    target = {(r.label, r.split) for r in records if r.domain == "target"}
    assert target == {(label, split) for label in (0, 1) for split in ("train", "val", "test")}


def test_the_ratio_holds_within_every_stratum(cohort, config):
    records = split_records(cohort(), config(ratio="6:2:2"), seed=0)
    patients = {(r.patient, r.domain, r.label, r.split) for r in records}
    counts = Counter((domain, label, split) for _, domain, label, split in patients)
    assert [counts["source", 1, s] for s in ("train", "val", "test")] == [6, 2, 2]
    assert [counts["target", 0, s] for s in ("train", "val", "test")] == [9, 3, 3]


def test_the_same_seed_draws_the_same_whatever_the_row_order(cohort, config):
    first = split_records(cohort(), config(), seed=3)
    second = split_records(cohort()[::-1], config(), seed=3)
    assert split_hash(first) == split_hash(second)
    assert split_hash(first) != split_hash(split_records(cohort(), config(), seed=4))


def test_new_source_patients_do_not_move_target_patients(cohort, config, make_record):
    more = [make_record(f"n{p}", patient=f"n{p}", domain="source", label=1) for p in range(7)]
    before = {r.name: r.split for r in split_records(cohort(), config(), seed=0)}
    after = {r.name: r.split for r in split_records(cohort() + more, config(), seed=0)}
    assert all(before[name] == after[name] for name in before if name.startswith("t"))


def test_a_filled_split_column_is_kept_and_missing_validation_is_carved_from_training(cohort, config, make_record):
    filled = [
        make_record(r.image, patient=r.patient, domain=r.domain, label=r.label, split="test" if k % 4 < 2 else "train")
        for k, r in enumerate(cohort())
    ]
    records = split_records(filled, config(), seed=1)
    for before, after in zip(filled, records, strict=True):
        assert after.split == before.split or (before.split, after.split, after.domain) == ("train", "val", "target")
    assert {r.label for r in records if r.split == "val"} == {0, 1}


def test_draw_ignores_the_split_column(cohort, config, make_record):
    filled = [make_record(r.image, patient=r.patient, label=r.label, domain=r.domain, split="test") for r in cohort()]
    assert split_hash(split_records(filled, config(split="draw"), seed=2)) == split_hash(
        split_records(cohort(), config(), seed=2)
    )


def test_a_held_out_center_is_the_test_split(cohort, config, make_record):
    rows = [
        make_record(r.image, patient=r.patient, label=r.label, domain=r.domain, extra={"center": "AB"[k // 2 % 2]})
        for k, r in enumerate(cohort())
    ]
    records = split_records(rows, config(held_out_center="B"), seed=0)
    assert all((r.split == "test") == (r.extra["center"] == "B") for r in records)
    assert {"train", "val", "test"} == {r.split for r in records}


def test_an_unknown_center_lists_the_known_ones(cohort, config, make_record):
    rows = [make_record("a", extra={"center": "Oslo"})]
    _, problems = assign_splits(rows, config(held_out_center="Olso"), seed=0)
    assert problems[0].hint == "centers found: Oslo"


def test_a_patient_in_two_splits_is_refused_by_name(cohort, config, make_record):
    rows = [make_record("a1", patient="Ann", split="train"), make_record("a2", patient="Ann", split="test")]
    with pytest.raises(InputError, match=r"Ann \(train, test\)"):
        split_records(rows + split_records(cohort(), config(), seed=0), config(), seed=0)


def test_a_true_counterpart_in_another_split_is_a_leak(cohort, config, make_record):
    split = split_records(cohort(), config(), seed=0)
    source = next(r for r in split if r.domain == "source" and r.split == "train")
    oracle = make_record("truth", domain="oracle", patient=source.patient, split="test")
    with pytest.raises(InputError, match="1 patient is in more than one split"):
        split_records([*split, oracle], config(), seed=0)


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_source_patients_all_train(cohort, config, make_record, count):
    target = [r for r in cohort() if r.domain == "target"]
    source = [make_record(f"s{k}", patient=f"s{k % count}", domain="source") for k in range(6)]
    assert {r.split for r in split_records(target + source, config(), seed=0) if r.domain == "source"} == {"train"}


def test_absent_classes_name_the_split_and_the_number_of_patients(make_record):
    rows = [make_record(f"n{s}", split=s) for s in ("train", "val", "test")]
    rows += [make_record("p", label=1, split="train")]
    rows += [make_record(name, domain="source", split="train") for name in "st"]
    (problem,) = split_problems(rows)
    assert "no positive images in val, test; only 1 positive target patients exist, 3 are needed" in problem.message


def test_missing_domains_and_labels_are_refused(make_record):
    assert "there are no source images" in split_problems([make_record("a", split="train")])[0].message
    source = make_record("s", domain="source", split="test")
    messages = [problem.message for problem in split_problems([source])]
    assert messages == ["none of the 1 source images is in the training split", "there are no target images"]
    sources = [make_record(name, domain="source", split="train") for name in "rs"]
    unlabelled = split_problems([*sources, make_record("t", label=None)])
    assert "none of the 1 target images has a label" in unlabelled[0].message


@pytest.mark.parametrize("text", ["8:1", "8:1:x", "8:0:1", ""])
def test_a_wrong_ratio_is_a_problem(text):
    assert repr(text) in parse_ratio(text)[1][0].message


def test_a_single_source_image_is_refused_with_what_to_do(make_record, config):
    targets = [make_record(f"t{k}", label=k % 2, split=("train", "val", "test")[k // 2]) for k in range(6)]
    one = make_record("s", domain="source", split="train")
    (problem,) = split_problems([*targets, one])
    assert problem.message == "1 of the 1 source images is in the training split"
    assert "a generator needs 2" in problem.hint
    assert split_problems([*targets, one, make_record("s2", domain="source", split="train")]) == []
