"""Whose image a file is, where no manifest says it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from medsynth.data.problems import Problem, Warned
from medsynth.reading import stem

_BIDS = re.compile(r"(?:^|[/_])(sub-[A-Za-z0-9]+)(?=[/_.]|$)")


def pseudonym(patient: str) -> str:
    """Return a stable name that does not show the DICOM PatientID."""
    return "p" + hashlib.sha256(patient.encode()).hexdigest()[:12]


def pattern_problems(pattern: str) -> list[Problem]:
    """Say what is wrong with ``data.patient_pattern``."""
    try:
        re.compile(pattern)
    except re.error as error:
        hint = "It is a regular expression, e.g. --set data.patient_pattern='^(P[0-9]+)_'."
        return [Problem(f"data.patient_pattern {pattern!r} cannot be understood: {error}", hint)]
    return []


def named_patient(name: str, pattern: str) -> str:
    """Return the patient that a file's path names; empty if it names none.

    BIDS' ``sub-`` comes before the pattern, of which the first group counts, or all where it has none.

    Examples:
        >>> named_patient("sub-02/anat/sub-02_T1w.nii.gz", "")
        'sub-02'
        >>> named_patient("P7_left.png", "^(P[0-9]+)_")
        'P7'
    """
    match = _BIDS.search(name)
    if match:
        return match[1]
    match = re.search(pattern, name) if pattern and not pattern_problems(pattern) else None
    return (match[1] if match.re.groups else match[0]) or "" if match else ""


def own_patient(name: str) -> str:
    """Return the name of a patient of whom nothing is known but the file."""
    return stem(name)


def unknown_patients(domain: str, patients: Iterable[str], known: bool) -> list[Warned]:
    """Warn where nothing tells which images of a domain are of one person."""
    count = len(set(patients))
    if known or count < 2:
        return []
    text = (
        f"nothing tells whose the {domain} images are, so they count as {count} patients: images of one person "
        "may lie in training and test. Name patients in a manifest, by folders, or with data.patient_pattern"
    )
    return [("patients-unknown", text)]
