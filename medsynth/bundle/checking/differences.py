"""What differs between two bundles, as far as they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from medsynth.bundle.checking.bundle_files import digest_of_member, files_of
from medsynth.bundle.checking.description import Description, describe_bundle
from medsynth.bundle.format.manifest import MANIFEST

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
