"""DICOM series: which files belong together, in which order, and which of a patient's series are wanted."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from medsynth.base.errors import InputError
from medsynth.reading.dicom.dicom_slices import order
from medsynth.reading.geometry import distance
from medsynth.reading.records import Header

_UID = re.compile(r"[0-9.]+")
_SIZE = re.compile(r"(>=|<=|)(\d+)(?:x(\d+))?")
_SAME_PLANE = 2
"""Decimals of the orientation by which slices of one stack agree."""
_HINT = 'Choose by description, e.g. data.series="t2*tra*", or by modality=MR, orientation=tra, size=384x384.'


@dataclass(frozen=True, kw_only=True)
class Series:
    """Files that belong together: a volume slice by slice, one file with all its frames, or one image.

    Args:
        headers: of the files, a volume's in the order of its slices.
        stack: the files or frames lie beside each other in space; else they are images of their own.
        part: of a series with several volumes (echoes, moments, orientations) which one, from 0.
    """

    headers: tuple[Header, ...]
    stack: bool
    part: int = 0

    @property
    def first(self) -> Header:
        """The header that describes the series."""
        return self.headers[0]

    @property
    def uid(self) -> str:
        """SeriesInstanceUID, or what stands for it where there is none."""
        return self.first.series or str(self.first.path.parent)

    @property
    def slices(self) -> int:
        """Number of slices or frames."""
        return sum(header.count for header in self.headers)

    def __str__(self) -> str:
        first = self.first
        words = [first.description or "no description", first.modality, first.orientation]
        size = f"{self.slices} of {first.shape[2]} x {first.shape[1]}"
        return f"{self.uid} ({', '.join(word for word in (*words, size) if word)})"


@dataclass(frozen=True)
class Choice:
    """Series that are used, and those that are not.

    Args:
        chosen: in the order of patients and series.
        left_out: each with the reason, which is short and equal for all of its kind.
    """

    chosen: tuple[Series, ...]
    left_out: tuple[tuple[Series, str], ...]


def group_series(headers: Iterable[Header]) -> list[Series]:
    """Sort the headers of DICOM files into series.

    A file with several frames stands alone. Others belong together if patient, study, series, size and orientation are
    equal. With positions they are volumes, split where several slices lie at one place; without, single images.
    """
    groups: dict[tuple[object, ...], list[Header]] = {}
    for header in headers:
        groups.setdefault(_key(header), []).append(header)
    series: list[Series] = []
    parts: dict[tuple[str, str], int] = {}
    for key in sorted(groups, key=repr):
        for members, stack in _volumes(groups[key]):
            one = Series(headers=tuple(members), stack=stack)
            place = (one.first.patient, one.uid)
            parts[place] = parts.get(place, -1) + 1
            series.append(replace(one, part=parts[place] if stack else 0))
    return series


def choose_series(series: Sequence[Series], wanted: str = "") -> Choice:
    """Choose among the series of each patient.

    Args:
        series: of any number of patients.
        wanted: a SeriesInstanceUID; a pattern for the description (``t2*tra*``, case does not matter); or
            ``key=value`` pairs parted by commas: ``description``, ``modality``, ``orientation`` (tra, cor, sag), and
            ``size``: ``384x384``, ``>=256`` or ``largest`` (of a folder's series that with most slices). Without,
            localizers are left out beside other series, and single images beside a volume.

    Raises:
        InputError: nothing matches, or several volumes of one patient in one folder are left to choose from.
    """
    matches, largest = _parsed(wanted)
    chosen: list[Series] = []
    left: list[tuple[Series, str]] = []
    several: list[str] = []
    for group in _by(series, lambda one: (one.first.patient, one.first.study)):
        kept = [one for one in group if matches(one)]
        left += [(one, f"series that are not {wanted}") for one in group if not matches(one)]
        kept, without = _without_localizers(kept) if not wanted else (kept, [])
        left += [(one, "localizers") for one in without]
        for folder in _by(kept, lambda one: str(one.first.path.parent)):
            found, without = _one_volume(folder, largest, wanted)
            left += [(one, "smaller series" if largest else "single images beside a volume") for one in without]
            chosen += found
            if len({one.uid for one in found if one.stack}) > 1:
                listed = "; ".join(str(one) for one in found if one.stack)
                several.append(f"{folder[0].first.path.parent} holds several series: {listed}")
    if several:
        raise InputError("\n".join(several), hint=_HINT)
    if series and not chosen:
        listed = "; ".join(sorted({str(one) for one in series})[:20])
        raise InputError(f"data.series={wanted} fits none of the series: {listed}", hint=_HINT)
    return Choice(tuple(chosen), tuple(left))


def _key(header: Header) -> tuple[object, ...]:
    if header.count > 1:
        return (header.patient, header.study, header.series, str(header.path))
    axes = header.slices[0].orientation if header.slices else None
    plane = tuple(round(value, _SAME_PLANE) + 0.0 for value in axes) if axes else ()
    series = header.series or str(header.path.parent)
    return (header.patient, header.study, series, header.shape, header.channels, plane)


def _volumes(members: list[Header]) -> list[tuple[list[Header], bool]]:
    """Return the files of a group, volume by volume, with whether they are volumes."""
    members.sort(key=lambda one: (one.number, one.path.name))
    if len(members) == 1:
        return [(members, members[0].count > 1 and distance(members[0].slices[0]) is not None)]
    if any(distance(one.slices[0]) is None for one in members):
        return [([one], False) for one in members]
    moments = sorted({_moment(one) for one in members})
    complete = len(moments) > 1 and len(members) % len(moments) == 0 and _repeats(members)
    slices = [
        replace(one.slices[0], number=k, time=moments.index(_moment(one)) if complete else 0)
        for k, one in enumerate(members)
    ]
    ordered, count = order(slices)
    size = len(ordered) // count
    volumes = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    return [([members[one.number] for one in volume], True) for volume in volumes]


def _moment(header: Header) -> tuple[float, ...]:
    return tuple(header.extra.get(name, 0.0) for name in ("time", "echo", "acquisition"))


def _repeats(members: Sequence[Header]) -> bool:
    places = [round(float(distance(one.slices[0]) or 0.0), 3) for one in members]
    return len(set(places)) < len(places)


def _by(series: Iterable[Series], key: Callable[[Series], object]) -> list[list[Series]]:
    groups: dict[object, list[Series]] = {}
    for one in series:
        groups.setdefault(key(one), []).append(one)
    return list(groups.values())


def _without_localizers(group: list[Series]) -> tuple[list[Series], list[Series]]:
    kept = [one for one in group if not one.first.localizer]
    return (kept, [one for one in group if one.first.localizer]) if kept else (group, [])


def _one_volume(group: list[Series], largest: bool, wanted: str) -> tuple[list[Series], list[Series]]:
    """Return the series of a folder that are used, and the others."""
    if largest:
        best = max(group, key=lambda one: (one.slices, one.first.shape[1] * one.first.shape[2], one.uid)).uid
        return [one for one in group if one.uid == best], [one for one in group if one.uid != best]
    stacks = [one for one in group if one.stack]
    if wanted or not stacks:
        return group, []
    return stacks, [one for one in group if not one.stack]


def _parsed(wanted: str) -> tuple[Callable[[Series], bool], bool]:
    """Return whether a series is wanted, and whether the largest of them is."""
    if not wanted:
        return lambda _: True, False
    if _UID.fullmatch(wanted):
        return lambda one: one.uid == wanted, False
    if "=" not in wanted:
        return lambda one: _fits(one.first.description, wanted), False
    rules = [part.strip().partition("=")[::2] for part in re.split(r",(?=\s*\w+=)", wanted)]
    tests = [_rule(key.strip(), value.strip()) for key, value in rules if value.strip() != "largest"]
    return lambda one: all(test(one) for test in tests), ("size", "largest") in rules


def _rule(key: str, value: str) -> Callable[[Series], bool]:
    if key in ("description", "modality", "orientation"):
        return lambda one: _fits(str(getattr(one.first, key)), value)
    size = _SIZE.fullmatch(value) if key in ("size", "size>", "size<") else None
    if size is None:
        hint = "Known are description, modality, orientation and size (384x384, >=256 or largest)."
        raise InputError(f"data.series: {key}={value} cannot be understood", hint=hint)
    sign = size[1] or {"size>": ">=", "size<": "<="}.get(key, "")
    columns, rows = int(size[2]), int(size[3] or size[2])

    def fits(one: Series) -> bool:
        _, height, width = one.first.shape
        if sign == ">=":
            return width >= columns and height >= rows
        return (width <= columns and height <= rows) if sign == "<=" else (width, height) == (columns, rows)

    return fits


def _fits(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text.casefold(), pattern.casefold())
