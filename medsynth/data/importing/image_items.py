"""What an import asks for, and the images that it finds on its way to a manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from medsynth.data.problems import Problem
from medsynth.reading import LeftOut, Series


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """What is to be imported, and what its user says about it; what is empty is found out or not known.

    Args:
        source: where source images lie, or images of both domains.
        target: where target images lie, if not in the same place.
        layout: name of the layout where it cannot be recognized, see `medsynth.data.importing.layouts`.
        source_series, target_series: which images are source and target, as ``data.series`` chooses DICOM series;
            of other images a pattern for their kind, first folder or file name.
        labels: CSV table of labels.
        join: its column that names images or patients.
        label: its column of labels; of a MedMNIST file with several labels the number of one.
        label_from_mask: images, slices of volumes, are positive where a mask of theirs is not empty.
        masks: pattern for the masks that count.
        positive: names of the positive classes.
        source_label: 1 or 0 for source images whose label is unknown.
        patient_pattern: as ``data.patient_pattern``.
    """

    source: Path
    target: Path | None = None
    layout: str = ""
    source_series: str = ""
    target_series: str = ""
    labels: Path | None = None
    join: str = ""
    label: str = ""
    label_from_mask: bool = False
    masks: str = ""
    positive: tuple[str, ...] = ()
    source_label: str = ""
    patient_pattern: str = ""

    def pattern(self, domain: str) -> tuple[str, str]:
        """Return which images of a domain are wanted, and the option that says it."""
        return (self.source_series if domain == "source" else self.target_series), f"--{domain}-series"

    def counts(self, mask: Path) -> bool:
        """Tell whether a mask is one of those that count."""
        return not self.masks or fits(mask.name, self.masks)


def fits(name: str, pattern: str) -> bool:
    """Tell whether a name fits a pattern such as ``*T1*``, whatever the case of its letters."""
    return fnmatchcase(name.casefold(), pattern.casefold())


@dataclass(frozen=True, kw_only=True)
class ImageItem:
    """An image, a volume, or a slice of one.

    Args:
        path: where it is; of an image that the import will write, where it will be below the new folder.
        written: the import writes it.
        domain: ``source`` or ``target``; empty where the layout does not say it.
        kind: what tells it from images of the other domain: modality and description, channel, folder.
        folders: between the place and the image, without those that mean a split or only hold images.
        label: as written; empty = unknown.
        patient: where something names it, and `basis` what does.
        otherwise: the patient if nothing names it.
        split, slice, extra: as in a manifest.
        pair: the true counterpart in the other domain.
        series: that a DICOM file is part of.
        keys: by kind, what tables may call it.
        masks: its segmentations.
    """

    path: Path
    written: bool = False
    domain: str = ""
    kind: str = ""
    folders: tuple[str, ...] = ()
    label: str = ""
    patient: str = ""
    basis: str = ""
    otherwise: str = ""
    split: str = ""
    slice: int | None = None
    pair: Path | None = None
    series: Series | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    masks: tuple[Path, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass
class FoundImages:
    """What a place holds.

    Args:
        place: file or folder.
        layout: name of the layout.
        items: its images.
        left_out: what is not used.
        problems: what is unusable.
        said: what was found and assumed, one sentence each.
        table: a table of labels that belongs to it.
        write: writes the images that are no files yet into the new folder.
    """

    place: Path
    layout: str
    items: list[ImageItem] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    table: Path | None = None
    write: Callable[[Path], None] | None = None
