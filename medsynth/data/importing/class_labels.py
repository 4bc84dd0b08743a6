"""Labels as people write them, as class folders or in columns, to 1 and 0: the positive class is always named."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from medsynth.base.errors import InputError
from medsynth.data.importing.image_items import FoundImages, ImageItem, ImportRequest
from medsynth.data.problems import some

_UNKNOWN = ("", "nan", "na", "n/a", "unknown")


def normalized(label: str) -> str:
    """Return a label without what programs add to it: ``1.0`` is 1, ``NaN`` is unknown.

    Example:
        >>> normalized("1.0"), normalized(" NaN"), normalized("benign")
        ('1', '', 'benign')
    """
    text = label.strip()
    if text.casefold() in _UNKNOWN:
        return ""
    whole = text.removesuffix(".0")
    return whole if whole.isdecimal() else text


def label_by_folders(places: Sequence[FoundImages], request: ImportRequest) -> None:
    """Take first folders as classes where the positive one is among them, or where there are two, else as patients."""
    for found in places:
        if found.layout not in ("folder", "cyclegan", "domains"):
            continue
        for domain in ("source", "target"):
            own = [item for item in found.items if item.domain == domain and not item.label]
            if own and (classes := _classes(own, domain, found, request)):
                found.items = [_classed(item, classes) if item.domain == domain else item for item in found.items]


def _classes(items: Sequence[ImageItem], domain: str, found: FoundImages, request: ImportRequest) -> set[str]:
    names = {item.folders[0] for item in items if item.folders}
    if names & set(request.positive) or names == {"0", "1"}:
        found.said.append(f"The folders {some(sorted(names))} of the {domain} images are taken as classes.")
        return names
    elsewhere = request.label or request.labels or request.label_from_mask
    if len(names) == 2 and domain == "target" and not elsewhere and not _patients(items, names):
        one, other = sorted(names)
        message = f"{found.place}: the folders {one!r} and {other!r} of the {domain} images look like classes"
        hint = f"Name the positive one, e.g. --positive {other!r}, or get labels by --label or --label-from-mask."
        raise InputError(message, hint=hint)
    if len(names) > 1 and not all(item.patient for item in items):
        found.said.append(
            f"The {len(names)} folders of the {domain} images are taken as patients; if they are classes, name the "
            "positive one with --positive."
        )
    return set()


def _patients(items: Sequence[ImageItem], names: set[str]) -> bool:
    """Tell folders of one patient each, as far as something names patients."""
    owners = {name: {item.patient for item in items if item.folders[:1] == (name,)} for name in names}
    return all(len(one) == 1 and "" not in one for one in owners.values()) and len(set().union(*owners.values())) > 1


def _classed(item: ImageItem, classes: set[str]) -> ImageItem:
    if not item.folders or item.folders[0] not in classes:
        return item
    return replace(item, label=item.folders[0], folders=item.folders[1:])


def resolve_labels(places: Sequence[FoundImages], request: ImportRequest) -> list[str]:
    """Turn the labels of all images into ``1``, ``0`` or nothing, and say how.

    Raises:
        InputError: the positive class is not known, or no image has it.
    """
    said: list[str] = []
    positive = set(request.positive)
    everything: set[str] = set()
    for found in places:
        for domain in ("source", "target", "oracle"):
            names = {normalized(item.label) for item in found.items if item.domain == domain} - {""}
            everything |= names
            resolved = found.layout == "manifest" and names <= {"0", "1"}
            if names and not resolved and (values := _values(names, positive, domain)):
                said += values[1]
                found.items = [
                    replace(item, label=values[0].get(normalized(item.label), "")) if item.domain == domain else item
                    for item in found.items
                ]
    missing = sorted(positive - everything)
    if missing and any(found.layout != "manifest" for found in places):
        near = difflib.get_close_matches(missing[0], sorted(everything), n=1)
        known = f"Labels found: {some(sorted(everything), 10)}." if everything else "No labels were found."
        hint = f"Did you mean {near[0]!r}?" if near else known
        raise InputError(f"--positive {missing[0]!r}: no image has this label", hint=hint)
    return list(dict.fromkeys(said))


def _values(names: set[str], positive: set[str], domain: str) -> tuple[dict[str, str], list[str]]:
    if names & positive:
        others = sorted(names - positive)
        text = f"Label 1 is {' or '.join(sorted(names & positive))}"
        text += f", 0 is {some(others, 10)}." if others else "; there are no others."
        return {name: str(int(name in positive)) for name in names}, [text]
    if names <= {"0", "1"}:
        return {name: name for name in names}, []
    listed = some([repr(name) for name in sorted(names)], 10)
    hint = f"Name the positive class, e.g. --positive {sorted(names)[-1]!r}; repeat it for several."
    raise InputError(f"{domain} images have the labels {listed}; which is positive is not known", hint=hint)


def unknown_sources(items: Iterable[ImageItem]) -> int:
    """Return how many source images have no label."""
    return sum(item.domain == "source" and not item.label for item in items)
