"""Findings as sentences and tables, the same in the terminal and on the page."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from medsynth.data.check import BY_CENTER, BY_CLASS, BY_PATIENT, LEFT_OUT, OBLONG, Findings

_SPLITS = ("train", "val", "test", "no split")
_KINDS = {"raster": "pictures", "nifti": "NIfTI", "dicom": "DICOM", "itk": "NRRD, MetaImage or ANALYZE"}
_ORDER = ("positive", "negative", "unknown", "patients")


def summary(findings: Findings) -> tuple[Literal["better", "worse", "uncertain"], str]:
    """Return ``better`` where nothing is wrong, ``worse`` where a run would refuse, and how it stands in a sentence."""
    errors, warnings, images = len(findings.errors), len(findings.warnings), findings.counts.get("images", 0)
    look = f"; {_number(warnings, 'thing')} {'deserves' if warnings == 1 else 'deserve'} a look" if warnings else ""
    if errors:
        return "worse", f"Not ready: {_number(errors, 'problem')} would stop a run{look}."
    patients = sum(findings.counts.get(BY_PATIENT, {}).values())
    domains = len({name.split()[0] for name in findings.counts.get(BY_PATIENT, {})} - {"oracle"})
    of = f" of {_number(patients, 'patient')}{' in both domains' if domains > 1 else ''}"
    return ("uncertain" if warnings else "better"), f"Ready: a run can use these {_number(images, 'image')}{of}{look}."


def count_table(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """Return head and rows: images by domain and class, and patients, with a column per split."""
    cells: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for name, count in findings.counts.get(BY_CLASS, {}).items():
        domain, label, split = name.split(" ", 2)
        cells[domain, label][split] = count
    for name, count in findings.counts.get(BY_PATIENT, {}).items():
        domain, split = name.split(" ", 1)
        cells[domain, "patients"][split] = count
    splits = [split for split in _SPLITS if any(split in row for row in cells.values())]
    rows = [
        [domain, label, *(f"{row.get(split, 0):,}" for split in splits), f"{sum(row.values()):,}"]
        for (domain, label), row in sorted(cells.items(), key=lambda one: (_domain(one[0][0]), _ORDER.index(one[0][1])))
    ]
    return ["domain", "class", *splits, "all"], rows


def center_rows(findings: Findings) -> list[tuple[str, str, str, int]]:
    """Return domain, center, split and number of images, where the manifest names centers."""
    found = []
    for name, count in findings.counts.get(BY_CENTER, {}).items():
        domain, rest = name.split(" ", 1)
        center, _, split = rest.rpartition(" ")
        found.append((domain, center, split, count))
    return found


def file_sentences(findings: Findings) -> list[tuple[str, str]]:
    """Return for each domain what its files are."""
    return [
        (domain, _files(facts))
        for domain, facts in findings.counts.items()
        if isinstance(facts, dict) and "files" in facts
    ]


def _files(facts: Mapping[str, Any]) -> str:
    kinds = facts["kinds"]
    for kind, words in _KINDS.items():
        kinds = kinds.replace(kind, words)
    spacing = facts["spacings (mm)"]
    known = "of unknown spacing" if spacing.startswith("unknown (") and "," not in spacing else f"spacing {spacing} mm"
    return (
        f"{_number(facts['files'], 'file')}: {kinds}; {facts['sizes (columns x rows x slices)']} pixels; "
        f"{known}; values {facts['values']}" + (f"; {OBLONG}: {facts[OBLONG]}" if OBLONG in facts else "")
    )


def without_left_out(warnings: Sequence[str]) -> list[str]:
    """Return the warnings without those that name what was left out, which is told by kind and number elsewhere."""
    return [warning for warning in warnings if not warning.startswith(f"{LEFT_OUT}, ")]


def next_command(findings: Findings, data: str, sets: Sequence[str]) -> str:
    """Return what to type next."""
    settings = "".join(f" --set {shlex.quote(one)}" for one in sets)
    command = "medsynth data check" if findings.errors else "medsynth run"
    return f"{command} --data {shlex.quote(data)}{settings}"


def _domain(name: str) -> int:
    return ("source", "target", "oracle").index(name)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
