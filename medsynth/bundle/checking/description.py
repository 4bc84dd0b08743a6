"""What bundles say about themselves, and what differs between two, without executing any of it.

Text is cleaned of what a terminal would act on.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medsynth.base.errors import InputError
from medsynth.bundle.audit.rules.findings import shown
from medsynth.bundle.checking.bundle_files import Files, digest_of_member, files_of
from medsynth.bundle.format.manifest import MANIFEST
from medsynth.bundle.format.versions import stated_versions

_METADATA = "configs/metadata.json"
_EXPORTS = {"models/model.ts": "torchscript", "models/model.onnx": "onnx", "models/model.xml": "openvino"}
_LONGEST = 400
_DEEPEST = 4


@dataclass(frozen=True, kw_only=True)
class Description:
    """A bundle in words and figures.

    Args:
        name, version, task, description, intended_use: as its metadata say.
        form: ``source`` or ``portable`` as medsynth writes them, ``monai`` for any other bundle.
        sha256: of medsynth.json, which stands for the whole bundle; empty for any other bundle.
        files, bytes: number of its files and their size together.
        plugins: version by kind and name, e.g. ``generator cyclegan``.
        packages: library versions it was made with.
        exports: formats of `medsynth export` that it holds.
        split: hash of the split of its training data.
        figures: value, low, high and n by ``subject/evaluator/name``.
        plan: values by ``kind.field``.
    """

    name: str
    version: str
    task: str
    description: str
    intended_use: str
    form: str
    sha256: str
    files: int
    bytes: int
    plugins: Mapping[str, str]
    packages: Mapping[str, str]
    exports: tuple[str, ...]
    split: str
    figures: Mapping[str, Mapping[str, float]]
    plan: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Return the description as JSON holds it."""
        return asdict(self)


def describe_bundle(bundle: Path) -> Description:
    """Read what a bundle says about itself. Nothing of it was checked: see `verify_bundle`.

    Args:
        bundle: folder or zip file.

    Raises:
        InputError: it is neither, or holds no bundle.
    """
    with files_of(bundle) as files:
        if _METADATA not in files.members:
            hint = "Give the bundle's folder or zip."
            raise InputError(f"{bundle} holds no bundle: {_METADATA} is missing", hint=hint)
        metadata, origin = files.json(_METADATA), files.json(MANIFEST)
        words = {key: _word(metadata.get(key)) for key in ("name", "version", "task", "description", "intended_use")}
        words["name"] = words["name"] or shown(bundle.resolve().stem)
        return Description(
            **words,
            form=_word(origin.get("form")) or "monai",
            sha256=_digest(files),
            files=len(files.members),
            bytes=sum(member.size for member in files.members.values()),
            plugins=_plugins(origin.get("plugins")),
            packages=stated_versions(metadata),
            exports=tuple(name for file, name in _EXPORTS.items() if file in files.members),
            split=_word(origin.get("split")),
            figures=_figures(metadata.get("eval_metrics")),
            plan=dict(_flat(origin.get("plan"))),
        )


def stated_name(folder: Path) -> str:
    """Return the name of the bundle in a folder, as its metadata say."""
    try:
        metadata = json.loads((folder / _METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        metadata = None
    name = metadata.get("name") if isinstance(metadata, dict) else ""
    return _word(name) or "bundle"


def _word(value: Any) -> str:
    return shown(value, _LONGEST) if isinstance(value, str) else ""


def _digest(files: Files) -> str:
    text = files.text(MANIFEST)
    return "" if text is None else hashlib.sha256(text).hexdigest()


def _plugins(listed: Any) -> dict[str, str]:
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    return {f"{_word(entry.get('kind'))} {_word(entry.get('name'))}": _word(entry.get("version")) for entry in entries}


def _figures(stated: Any) -> dict[str, dict[str, float]]:
    """Return the finite numbers of ``eval_metrics``; other bundles give bare numbers there."""
    figures = {}
    for name, value in stated.items() if isinstance(stated, dict) else ():
        parts = value if isinstance(value, dict) else {"value": value}
        numbers = {shown(key): float(number) for key, number in parts.items() if _is_finite(number)}
        if numbers:
            figures[shown(name, _LONGEST)] = numbers
    return figures


def _is_finite(value: Any) -> bool:
    # Compared, not converted: JSON may hold whole numbers that no float can.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _flat(value: Any, *names: str) -> list[tuple[str, str]]:
    """Return nested values as (dotted name, text); deeper nesting than a plan's becomes text."""
    if isinstance(value, dict) and len(names) < _DEEPEST:
        return [pair for key, inner in value.items() for pair in _flat(inner, *names, key)]
    try:
        return [(shown(".".join(names)), shown(value, _LONGEST))] if names else []
    except RecursionError:
        return [(shown(".".join(names)), "nested too deeply")]


_WORDS = ("name", "version", "task", "description", "intended_use", "form", "split")


@dataclass(frozen=True)
class BundleDifference:
    """One thing that differs: what kind, which, and its text in the first and second bundle (empty = not there)."""

    kind: str
    what: str
    first: str
    second: str


def compare_bundles(first: Path, second: Path) -> list[BundleDifference]:
    """Return what differs between two bundles: words, plugins, library versions, plan, figures, then files.

    The manifest lists the others, so it is no difference of its own.

    Raises:
        InputError: one of them is no bundle.
    """
    pair = describe_bundle(first), describe_bundle(second)
    return [*_described(*pair), *_differing("file", _hashes(first), _hashes(second))]


def _described(first: Description, second: Description) -> Iterator[BundleDifference]:
    for word in _WORDS:
        if (a := getattr(first, word)) != (b := getattr(second, word)):
            yield BundleDifference("about", word, a, b)
    yield from _differing("plugin", first.plugins, second.plugins)
    yield from _differing("package", first.packages, second.packages)
    yield from _differing("plan", first.plan, second.plan)
    yield from _differing("figure", shown_figures(first.figures), shown_figures(second.figures))


def shown_figures(figures: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Return figures as text: value, and in brackets the interval."""
    return {name: _shown(parts) for name, parts in figures.items()}


def _shown(parts: Mapping[str, float]) -> str:
    if "value" not in parts:
        return ", ".join(f"{name} {number:.4g}" for name, number in parts.items())
    interval = f" ({parts['low']:.4g} to {parts['high']:.4g})" if {"low", "high"} <= parts.keys() else ""
    return f"{parts['value']:.4g}{interval}"


def _differing(kind: str, first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[BundleDifference]:
    for name in sorted(first.keys() | second.keys()):
        if first.get(name) != second.get(name):
            yield BundleDifference(kind, name, first.get(name, ""), second.get(name, ""))


def _hashes(bundle: Path) -> dict[str, str]:
    with files_of(bundle) as files:
        return {name: digest_of_member(member)[0] for name, member in files.members.items() if name != MANIFEST}
