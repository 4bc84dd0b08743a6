"""What a DICOM file says about itself; its pixels are not read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from medsynth.base.errors import InputError
from medsynth.reading.dicom.dicom_slices import slices_of
from medsynth.reading.dicom.dicom_tags import IDENTIFYING, Tags, has_syntax, open_dicom
from medsynth.reading.geometry import plane_name, spacing_of, volume_affine
from medsynth.reading.records import Header

_LOCALIZER = re.compile(
    r"\b(loc|localizer|localiser|scout|survey|surview|topogram|scanogram|3[- ]?plane)\b|localizer", re.I
)
_MOST_FRAMES = 100_000
"""A damaged number must not make a loop of hours."""
_EXTRA = {"echo": "EchoTime", "acquisition": "AcquisitionNumber", "time": "TemporalPositionIdentifier"}


def dicom_header(path: Path) -> Header:
    """Read what a DICOM file says about itself.

    Raises:
        NoImageError: it is in order, but no image.
        InputError: it cannot be read.
    """
    return header_of(path, open_dicom(path, pixels=False))


def header_of(path: Path, data: Any) -> Header:
    """Return the facts of an open data set.

    Raises:
        InputError: it cannot be read.
    """
    notes: list[str] = []
    tags = Tags(data, notes)
    count = _frames(path, tags, notes)
    slices, volumes = slices_of(data, count, notes)
    first = slices[: count // volumes]
    affine, problem = volume_affine(first)
    if problem:
        notes.append(problem)
    if not has_syntax(data):
        notes.append("no preamble or transfer syntax; the byte order was guessed")
    units = {one.unit for one in slices}
    unit = units.pop() if len(units) == 1 else ""
    unit = tags.text("DoseUnits") or unit if "DoseGridScaling" in data else unit
    # optical density is how a film looks, no property of the tissue
    inverted = _is_inverted(tags) and unit in ("", "OD")
    return Header(
        path=path,
        kind="dicom",
        shape=(count // volumes, int(tags.number("Rows")), int(tags.number("Columns"))),
        channels=3 if _is_color(tags) else 1,
        eight_bit=_is_eight_bit(tags, data, slices),
        spacing=spacing_of(first, affine),
        affine=affine,
        volumes=volumes,
        slices=tuple(slices),
        unit="" if inverted else unit,
        inverted=inverted,
        orientation=plane_name(slices[0]),
        notes=tuple(dict.fromkeys(notes)),
        **_identity(tags),
    )


def _identity(tags: Tags) -> dict[str, Any]:
    description, kinds = tags.text("SeriesDescription"), tags.text("ImageType").upper()
    extra = {name: tags.numbers(tag)[0] for name, tag in _EXTRA.items() if tags.numbers(tag)}
    return {
        "patient": tags.text("PatientID"),
        "study": tags.text("StudyInstanceUID"),
        "series": tags.text("SeriesInstanceUID"),
        "instance": tags.text("SOPInstanceUID"),
        "frame_of_reference": tags.text("FrameOfReferenceUID"),
        "modality": tags.text("Modality"),
        "description": description,
        "number": int(tags.number("InstanceNumber")),
        "localizer": "LOCALIZER" in kinds or bool(_LOCALIZER.search(description.replace("_", " "))),
        "identifying": tuple(name for name in IDENTIFYING if tags.text(name)),
        "burned_in": tags.text("BurnedInAnnotation"),
        "extra": extra,
    }


def _frames(path: Path, tags: Tags, notes: list[str]) -> int:
    """Return NumberOfFrames, 1 where it is absent, empty or 0."""
    before = len(notes)
    found = tags.numbers("NumberOfFrames")
    if len(notes) > before or (found and (found[0] < 0 or found[0] % 1)):
        problem = notes[-1].split(" and is")[0] if len(notes) > before else f"NumberOfFrames is {found[0]:g}"
        raise InputError(f"{path} cannot be read: {problem}", hint="Correct the tag: it must be a whole number.")
    if found and found[0] > _MOST_FRAMES:
        hint = "Correct NumberOfFrames, or split the file."
        raise InputError(f"{path} says {found[0]:g} frames; more than {_MOST_FRAMES} are refused", hint=hint)
    if found and not found[0]:
        notes.append("NumberOfFrames 0 is read as 1")
    return int(found[0]) if found and found[0] else 1


def _is_color(tags: Tags) -> bool:
    return int(tags.number("SamplesPerPixel", 1)) == 3 or tags.text("PhotometricInterpretation") == "PALETTE COLOR"


def _is_inverted(tags: Tags) -> bool:
    """Tell whether low values are bright; both tags say the same and one of them may be absent."""
    white = tags.text("PhotometricInterpretation") == "MONOCHROME1"
    return white or (tags.text("PresentationLUTShape") == "INVERSE" and not _is_color(tags))


def _is_eight_bit(tags: Tags, data: Any, slices: list[Any]) -> bool:
    if tags.text("PhotometricInterpretation") == "PALETTE COLOR":
        return True
    small = tags.number("BitsAllocated", 16) <= 8 and tags.number("PixelRepresentation") == 0
    plain = all(one.slope == 1 and one.intercept == 0 for one in slices)
    mapped = "ModalityLUTSequence" in data or "DoseGridScaling" in data
    return small and plain and not mapped
