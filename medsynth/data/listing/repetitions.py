"""Images that come twice: under two names, by links, or as copies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from medsynth.data.config import DataConfig
from medsynth.data.formats.probing import Facts
from medsynth.data.images import Record
from medsynth.data.problems import Problem, Warned, some


def merge_patients(
    records: Sequence[Record], facts: Mapping[str, Facts], config: DataConfig
) -> tuple[list[Record], list[Warned]]:
    """Make one patient of those who share an image, so that a drawn split cannot part its copies; tell it."""
    stated = config.split != "draw"
    names = {record.patient: record.patient for record in records}

    def first(patient: str) -> str:
        while names[patient] != patient:
            patient = names[patient]
        return patient

    told = []
    for same in _equal(records, facts):
        splits = {record.split for record in same if stated and record.split}
        patients = sorted({first(record.patient) for record in same})
        if len(patients) < 2 or len(splits) > 1 or config.held_out_center:
            continue
        names |= dict.fromkeys(patients[1:], patients[0])
        told.append(" and ".join(record.image for record in same[:2]))
    if not told:
        return list(records), []
    text = f"images of different patients are equal, so these patients count as one: {some(told, 3)}"
    return [replace(record, patient=first(record.patient)) for record in records], [("equal-images", text)]


def parted_copies(records: Sequence[Record], facts: Mapping[str, Facts]) -> list[Problem]:
    """Name equal images of one domain in different splits: what was trained on would be tested on."""
    problems = []
    for same in _equal(records, facts):
        by_split = {record.split: record for record in same}
        if len(by_split) > 1:
            named = " and ".join(f"{record.image} ({record.split})" for record in by_split.values())
            hint = "leave one out, or draw new splits with --set data.split=draw"
            problems.append(Problem(f"{named} are the same image in different splits", hint))
    return problems


def _equal(records: Sequence[Record], facts: Mapping[str, Facts]) -> list[list[Record]]:
    """Return the files with equal pixels, one record each; true counterparts may repeat target images."""
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in {record.image: record for record in records if record.domain != "oracle"}.values():
        groups[record.domain, facts[record.image].hash].append(record)
    return [same for same in groups.values() if len(same) > 1]
