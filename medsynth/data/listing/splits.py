"""Splits by patient: seeded, stratified by domain and label, hashed, and checked for leaks."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from medsynth.data.config import DataConfig
from medsynth.data.images import Record
from medsynth.data.problems import Problem, refuse, some

SPLITS = ("train", "val", "test")
FEWEST_SOURCES = 2
"""Source images in training: distances between sets of images ask for two in each."""


def split_hash(records: Sequence[Record]) -> str:
    """Return the SHA-256 of who is in which split: sorted (name, domain, label, patient, split)."""
    rows = sorted([r.name, r.domain, "" if r.label is None else str(r.label), r.patient, r.split] for r in records)
    return hashlib.sha256(json.dumps(rows, ensure_ascii=True).encode()).hexdigest()


def split_records(records: Sequence[Record], config: DataConfig, *, seed: int) -> list[Record]:
    """Give every record a split, the same for all records of a patient.

    Args:
        records: of all domains; `split` may be empty.
        config: `split`, `ratio` and `held_out_center`.
        seed: decides who is drawn.

    Raises:
        InputError: everything that makes the splits unusable (see `split_problems`).
    """
    result, problems = assign_splits(records, config, seed=seed)
    refuse(problems)
    refuse(split_problems(result))
    return result


def assign_splits(records: Sequence[Record], config: DataConfig, *, seed: int) -> tuple[list[Record], list[Problem]]:
    """Do the drawing of `split_records`, returning problems with the settings instead of raising."""
    ratio, problems = parse_ratio(config.ratio)
    if config.split == "draw" or config.held_out_center:
        records = [replace(record, split="") for record in records]
    if config.held_out_center:
        problems += _center_problems(records, config.held_out_center)
        records = [replace(r, split="test") if r.extra.get("center") == config.held_out_center else r for r in records]
        ratio = (ratio[0], ratio[1], 0.0)
    if problems:
        return list(records), problems
    known = {record.patient: record.split for record in records if record.split}
    records = [record if record.split else replace(record, split=known.get(record.patient, "")) for record in records]
    open_patients = [record for record in records if not record.split]
    drawn = _draw(open_patients, ratio, seed)
    records = [record if record.split else replace(record, split=drawn[record.patient]) for record in records]
    return _carve_validation(records, ratio, seed), []


def parse_ratio(text: str) -> tuple[tuple[float, float, float], list[Problem]]:
    """Read ``8:1:1`` as shares that sum to one."""
    if not re.fullmatch(r"\d+(\.\d+)?(:\d+(\.\d+)?){2}", text.strip()) or any(float(p) <= 0 for p in text.split(":")):
        hint = "write train:validation:test, three numbers above 0, e.g. 8:1:1"
        return (0.8, 0.1, 0.1), [Problem(f"data.ratio is {text!r}", hint)]
    train, val, test = (float(part) for part in text.split(":"))
    total = train + val + test
    return (train / total, val / total, test / total), []


def _center_problems(records: Sequence[Record], center: str) -> list[Problem]:
    centers = sorted({record.extra.get("center", "") for record in records} - {""})
    if center in centers:
        return []
    hint = f"centers found: {some(centers)}" if centers else "add a column center to the manifest"
    return [Problem(f"data.held_out_center is {center!r}, which no image has", hint)]


def _strata(records: Sequence[Record]) -> dict[str, list[str]]:
    """Group patients by the domains they appear in and by whether any of their images is positive."""
    domains: dict[str, set[str]] = defaultdict(set)
    positive: dict[str, bool] = defaultdict(bool)
    for record in records:
        domains[record.patient].add(record.domain)
        positive[record.patient] |= record.label == 1
    strata: dict[str, list[str]] = defaultdict(list)
    for patient in sorted(domains):
        strata[f"{'+'.join(sorted(domains[patient]))}/{int(positive[patient])}"].append(patient)
    return dict(sorted(strata.items()))


def _draw(records: Sequence[Record], ratio: tuple[float, float, float], seed: int) -> dict[str, str]:
    source = {record.patient for record in records if record.domain == "source"}
    others = {record.patient for record in records if record.domain == "target"}
    split: dict[str, str] = {}
    for name, patients in _strata(records).items():
        if len(source) < 3 and source >= set(patients) and not others & set(patients):
            split |= dict.fromkeys(patients, "train")
            continue
        counts = _counts(len(patients), ratio)
        order = [s for s, count in zip(SPLITS, counts, strict=True) for _ in range(count)]
        split |= dict(zip(_shuffled(patients, name, seed), order, strict=True))
    return split


def _shuffled(patients: Sequence[str], name: str, seed: int) -> list[str]:
    import numpy as np

    # every stratum has its own stream, so that adding source images leaves the target's split as it is
    order = np.random.default_rng([seed, zlib.crc32(name.encode())]).permutation(len(patients))
    return [patients[k] for k in order]


def _counts(total: int, ratio: tuple[float, float, float]) -> list[int]:
    """Share out patients by largest remainder; test, then validation get one as soon as there are 2, 3 patients."""
    exact = [total * share for share in ratio]
    counts = [int(value) for value in exact]
    for k in sorted(range(3), key=lambda k: counts[k] - exact[k])[: total - sum(counts)]:
        counts[k] += 1
    wanted = [k for k, needed in ((0, 1), (2, 2), (1, 3)) if total >= needed and ratio[k] > 0]
    for k in wanted:
        if counts[k] == 0:
            counts[counts.index(max(counts))] -= 1
            counts[k] = 1
    return counts


def _carve_validation(records: list[Record], ratio: tuple[float, float, float], seed: int) -> list[Record]:
    """Move training patients of the target to validation where the manifest has no validation images."""
    target = [record for record in records if record.domain == "target"]
    if any(record.split == "val" for record in target):
        return records
    training = {record.patient for record in target if record.split == "train"}
    share = ratio[1] / (ratio[0] + ratio[1])
    chosen: set[str] = set()
    for name, patients in _strata([r for r in records if r.patient in training and r.domain == "target"]).items():
        count = min(max(1, round(len(patients) * share)), len(patients) - 1)
        chosen |= set(_shuffled(patients, f"validation {name}", seed)[: max(count, 0)])
    return [replace(r, split="val") if r.patient in chosen and r.split == "train" else r for r in records]


def split_problems(records: Sequence[Record]) -> list[Problem]:
    """Say what makes the splits unusable: no images of a domain, leaking patients, absent classes."""
    problems = _leaks(records)
    source = [record for record in records if record.domain == "source"]
    target = [record for record in records if record.domain == "target"]
    if not source:
        problems.append(Problem("there are no source images", "add rows with domain source, or set data.source"))
    elif (training := sum(record.split == "train" for record in source)) < FEWEST_SOURCES:
        message = f"{training or 'none'} of the {len(source)} source images is in the training split"
        hint = f"a generator needs {FEWEST_SOURCES} to learn from and to be judged by: add images, or a volume's slices"
        problems.append(Problem(message, hint))
    if not target:
        return [*problems, Problem("there are no target images", "add rows with domain target")]
    if all(record.label is None for record in target):
        hint = "a classifier needs labels: fill the label column or sort the images into class folders"
        return [*problems, Problem(f"none of the {len(target)} target images has a label", hint)]
    return problems + _absent_classes(target)


def _leaks(records: Sequence[Record]) -> list[Problem]:
    splits: dict[str, set[str]] = defaultdict(set)
    for record in records:
        splits[record.patient].add(record.split)
    leaking = [
        f"{patient} ({', '.join(s for s in SPLITS if s in found)})"
        for patient, found in sorted(splits.items())
        if len(found) > 1
    ]
    if not leaking:
        return []
    hint = "correct the split column, or draw new splits by patient with --set data.split=draw"
    noun = "1 patient is" if len(leaking) == 1 else f"{len(leaking)} patients are"
    return [Problem(f"{noun} in more than one split: {some(leaking, 10)}", hint)]


def _absent_classes(target: Sequence[Record]) -> list[Problem]:
    problems = []
    for label, name in ((1, "positive"), (0, "negative")):
        patients = {record.patient for record in target if record.label == label}
        present = {record.split for record in target if record.label == label}
        absent = [split for split in SPLITS if split not in present]
        if absent:
            few = f"; only {len(patients)} {name} target patients exist, 3 are needed" if len(patients) < 3 else ""
            message = f"the target has no {name} images in {', '.join(absent)}{few}"
            hint = "every split needs images of both classes: add patients, or try --set data.split=draw"
            problems.append(Problem(message, hint))
    return problems
