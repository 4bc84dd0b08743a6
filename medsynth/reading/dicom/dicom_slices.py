"""Where the frames of a DICOM file lie and what their values mean, by the functional groups or the plain tags."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from medsynth.reading.dicom.dicom_tags import Tags
from medsynth.reading.geometry import distance
from medsynth.reading.records import Slice

_UNSPECIFIED = ("US", "UNSPECIFIED", "NONE")
_CENTIMETERS = 3
_PLACES = 3
"""Positions are told apart by thousandths of a millimeter."""


def slices_of(data: Any, count: int, notes: list[str]) -> tuple[list[Slice], int]:
    """Return the slices of a file, volume after volume and in each along its normal, and the number of volumes.

    Frames without positions stay in the order in which they are stored.

    Args:
        data: the header.
        count: number of frames.
        notes: appended to.
    """
    tags = Tags(data, notes)
    frames = tags.items("PerFrameFunctionalGroupsSequence")
    shared = next(iter(tags.items("SharedFunctionalGroupsSequence")), None)
    if frames and len(frames) != count:
        notes.append(f"{len(frames)} functional groups for {count} frames are ignored")
        frames = []
    slices = [_Groups(data, shared, frames[k] if frames else None, notes).slice(k) for k in range(count)]
    if count > 1 and not frames:
        slices = _spread(tags, slices)
    return order(slices)


def order(slices: Sequence[Slice]) -> tuple[list[Slice], int]:
    """Sort slices into volumes of equal size; return them with the number of volumes.

    A volume is a stack at a moment; where several slices of one lie at one place, each becomes part of another.
    """
    if any(distance(one) is None for one in slices):
        return sorted(slices, key=lambda one: one.time), 1
    met: Counter[tuple[str, int, float]] = Counter()
    keyed = []
    for one in slices:
        place = round(float(distance(one) or 0.0), _PLACES)
        key = (one.stack, one.time, place)
        keyed.append(((one.stack, one.time, met[key]), place, one))
        met[key] += 1
    sizes = Counter(volume for volume, _, _ in keyed)
    keyed.sort(key=lambda entry: entry[:2])
    equal = len(set(sizes.values())) == 1
    return [one for _, _, one in keyed], len(sizes) if equal else 1


class _Groups:
    """One frame's functional groups: its own before the shared ones before the plain tags of the file."""

    def __init__(self, data: Any, shared: Any, frame: Any, notes: list[str]) -> None:
        self._root, self._items, self._notes = data, [item for item in (frame, shared) if item is not None], notes

    def slice(self, number: int) -> Slice:
        """Return the place and the meaning of the frame."""
        plane = self._of("PlaneOrientationSequence")
        orientation = _unit(plane.numbers("ImageOrientationPatient", 6), self._notes)
        position = self._of("PlanePositionSequence").numbers("ImagePositionPatient", 3)
        measures = self._of("PixelMeasuresSequence")
        values = self._of("PixelValueTransformationSequence")
        content = self._of("FrameContentSequence")
        slope = values.number("RescaleSlope", 1.0)
        if slope == 0:
            self._notes.append("RescaleSlope 0 is ignored")
        return Slice(
            number=number,
            position=(position[0], position[1], position[2]) if position else None,
            orientation=orientation,
            spacing=self._spacing(measures),
            aspect=self._aspect(),
            thickness=max(measures.number("SliceThickness"), 0.0),
            slope=slope or 1.0,
            intercept=values.number("RescaleIntercept"),
            unit=self._unit(values),
            window=self._window(),
            curve=self._of("FrameVOILUTSequence").text("VOILUTFunction").upper() or "LINEAR",
            time=int(content.number("TemporalPositionIndex")),
            stack=content.text("StackID"),
        )

    def _of(self, name: str) -> Tags:
        for item in self._items:
            found = item.get(name)
            if found:
                return Tags(found[0], self._notes)
        return Tags(self._root, self._notes)

    def _spacing(self, measures: Tags) -> tuple[float, float] | None:
        for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
            found = measures.numbers(name, 2)
            if found and min(found) > 0:
                if name != "PixelSpacing":
                    self._notes.append(f"spacing by {name}")
                return found[0], found[1]
            if found:
                self._notes.append(f"{name} {found[0]:g}\\{found[1]:g} is ignored: it must be above 0")
        return self._ultrasound()

    def _aspect(self) -> float:
        found = Tags(self._root, self._notes).numbers("PixelAspectRatio", 2)
        return found[0] / found[1] if found and min(found) > 0 else 1.0

    def _ultrasound(self) -> tuple[float, float] | None:
        """Return the spacing of the only calibrated region of an ultrasound image."""
        regions = [Tags(item, self._notes) for item in Tags(self._root, []).items("SequenceOfUltrasoundRegions")]
        units = ("PhysicalUnitsXDirection", "PhysicalUnitsYDirection")
        known = {
            (abs(region.number("PhysicalDeltaY")) * 10, abs(region.number("PhysicalDeltaX")) * 10)
            for region in regions
            if all(region.number(name) == _CENTIMETERS for name in units)
        }
        if len(known) != 1 or min(next(iter(known))) <= 0:
            return None
        self._notes.append("spacing by its ultrasound region")
        return known.pop()

    def _unit(self, values: Tags) -> str:
        unit = values.text("RescaleType").upper()
        root = Tags(self._root, self._notes)
        modality = root.text("Modality")
        if modality == "PT" and (not unit or unit in _UNSPECIFIED):
            unit = root.text("Units")
        if not unit and modality == "CT" and values.numbers("RescaleIntercept"):
            return "HU"
        return "" if unit in _UNSPECIFIED else unit

    def _window(self) -> tuple[float, float] | None:
        tags = self._of("FrameVOILUTSequence")
        center, width = tags.numbers("WindowCenter"), tags.numbers("WindowWidth")
        return (center[0], width[0]) if center and width and width[0] >= 1 else None


def _unit(values: tuple[float, ...], notes: list[str]) -> tuple[float, float, float, float, float, float] | None:
    """Return two perpendicular unit vectors, or None."""
    if not values:
        return None
    row, column = np.array(values[:3]), np.array(values[3:])
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    if min(lengths) < 0.5 or abs(row @ column) > 1e-2 * math.prod(lengths):
        notes.append("ImageOrientationPatient is ignored: its directions are not perpendicular")
        return None
    a, b, c = (row / lengths[0]).tolist()
    d, e, f = (column / lengths[1]).tolist()
    return a, b, c, d, e, f


def _spread(tags: Tags, slices: list[Slice]) -> list[Slice]:
    """Place the frames of a file without functional groups: by the offsets of a dose grid, or not at all."""
    offsets = tags.numbers("GridFrameOffsetVector", len(slices))
    first = slices[0]
    if not offsets or first.position is None or first.orientation is None:
        return [replace(one, position=None) for one in slices]
    axis = np.cross(first.orientation[:3], first.orientation[3:])
    if offsets[0] != 0:  # the offsets are coordinates themselves (DICOM PS3.3, C.8.8.3.2)
        offsets = tuple(offset - offsets[0] for offset in offsets)
    places = [np.array(first.position) + offset * axis for offset in offsets]
    return [
        replace(one, position=(float(p[0]), float(p[1]), float(p[2]))) for one, p in zip(slices, places, strict=True)
    ]
