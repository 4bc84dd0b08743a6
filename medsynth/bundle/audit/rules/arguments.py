"""What the arguments of components and functions may be that write, fetch, load or look something up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from medsynth.bundle.audit.rules.names import outside
from medsynth.bundle.audit.rules.wordlists import words

UNKNOWN = None
"""Stands for values that nobody can tell before the config runs."""
_WORD = re.compile(r"[\w ,.=+-]*")
_PART = re.compile(r"[\w-][\w .=+-]*|\.")
_BACKENDS = ("nccl", "gloo", "mpi", "xccl", None)
_SIMPLE = {
    "false": (False,),
    "true": (True,),
    "none": (None,),
    "backend": _BACKENDS,
    "environment": ("env://", None),
}


@dataclass(frozen=True)
class Rule:
    """What a component takes.

    Args:
        kinds: by parameter, in their order.
        required: parameters that must be given.
        others: what parameters may be that are not named; empty if none may be.
    """

    kinds: dict[str, str]
    required: frozenset[str]
    others: str

    def kind(self, parameter: str) -> str:
        """Return what a parameter may be; empty if nothing is known of it."""
        return self.kinds.get(parameter, self.others)


def rule_of(path: str) -> Rule | None:
    """Return the rule for a component's bare name, or for a dotted path; None if its arguments are free."""
    root, _, last = path.rpartition(".")
    return _rules().get(last if root.partition(".")[0] in ("", "monai") else path)


def rules() -> dict[str, Rule]:
    """Return all rules by name."""
    return dict(_rules())


@cache
def _rules() -> dict[str, Rule]:
    text = (files(__package__) / "arguments.txt").read_text("utf-8")
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("  "):
            lines[-1] += line
        elif line and not line.startswith(("#", "[")):
            lines.append(line)
    found = {}
    for line in lines:
        names, _, parameters = line.partition(":")
        for name in names.split():
            for spelling in _spellings(name):
                found[spelling] = _rule(parameters)
    return found


def _spellings(name: str) -> Iterator[str]:
    stem, bracket, _ = name.partition("[d]")
    yield from (f"{stem}d", f"{stem}D", f"{stem}Dict") if bracket else (name,)


def _rule(text: str) -> Rule:
    pairs = [part.split("=") for part in text.split()]
    kinds = {name.rstrip("!"): kind for name, kind in pairs if name != "*"}
    required = frozenset(name.rstrip("!") for name, _ in pairs if name.endswith("!"))
    return Rule(kinds, required, next((kind for name, kind in pairs if name == "*"), ""))


def objection(kind: str, values: list[object] | None, own: frozenset[str]) -> str:
    """Return why values that an argument may have are not of the kind; empty if they all are.

    Args:
        kind: as arguments.txt says.
        values: known beforehand, or `UNKNOWN`.
        own: top-level packages and modules of the bundle, which nothing may overwrite.
    """
    if kind == "any":
        return ""
    if not kind:
        return "is an argument that the audit does not know"
    if values is UNKNOWN:
        return f"is put together when it runs; it must be {_WANTED.get(kind, f'a plain {kind}')}"
    return next((reason for value in values if (reason := _objection(kind, value, own))), "")


_WANTED = {"folder": "a plain path below the current folder", "file": "a plain path below the current folder"}


def _objection(kind: str, value: object, own: frozenset[str]) -> str:
    if kind in _SIMPLE:
        allowed = any(value is each or (isinstance(value, str) and value == each) for each in _SIMPLE[kind])
        return "" if allowed else f"may be {' or '.join(map(str, _SIMPLE[kind]))} only"
    if value is None and kind in ("word", "filename", "suffix", "root"):
        return ""
    if not isinstance(value, str):
        return f"is no {kind}"
    if kind == "word":
        return "" if _WORD.fullmatch(value) and ".." not in value else "holds more than letters, digits and signs"
    if kind == "suffix":
        return "" if not value or f".{value.lstrip('.').lower()}" in words("written") else "is no ending of a data file"
    if kind == "filename":
        plain = _PART.fullmatch(value) and value.lower().endswith(tuple(words("written")))
        return "" if plain else "is no plain name of a data file"
    return _path(kind, value, own)


def _path(kind: str, value: str, own: frozenset[str]) -> str:
    if not value and kind == "root":
        return ""
    if reason := outside(value) or ("is an address" if ":" in value else ""):
        return reason
    parts = [part for part in value.split("/") if part not in ("", ".")]
    if not all(_PART.fullmatch(part) for part in parts) or "\\" in value:
        return "is no plain path"
    if kind == "folder" and not parts:
        return "writes into the current folder itself; it must be a folder below"
    if kind == "folder" and parts[0].casefold() in words("kept") | own:
        return f"writes into '{parts[0]}' of the bundle"
    return ""
