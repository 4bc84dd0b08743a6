"""Whose images they are, and whether a manifest can name them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from medsynth.data.importing.folder_items import FOLDERS
from medsynth.data.importing.image_items import ImageItem
from medsynth.data.listing.patients import unknown_patients
from medsynth.data.problems import Problem, refuse, some
from medsynth.reading import LeftOut


def with_patients(items: Sequence[ImageItem]) -> tuple[list[ImageItem], list[str]]:
    """Give every image its patient by the first rule that names one, and say which did."""
    known, said = [], []
    for item in items:
        if item.patient:
            known.append(item)
        elif item.folders:
            known.append(replace(item, patient=item.folders[0], basis=FOLDERS))
        else:
            known.append(replace(item, patient=item.otherwise))
    for domain in ("source", "target"):
        own = [item for item in known if item.domain == domain]
        count = len({item.patient for item in own})
        bases = list(dict.fromkeys(item.basis for item in own if item.basis))
        if bases:
            said.append(f"Patients of the {domain} images, {count:,}, are named by {' and '.join(bases)}.")
        said += [f"Caution: {text}." for _, text in unknown_patients(domain, (i.patient for i in own), bool(bases))]
    return known, said


def writable(items: Sequence[ImageItem]) -> tuple[list[ImageItem], list[LeftOut]]:
    """Leave out images whose names a manifest cannot hold."""
    kept, left = [], []
    for item in items:
        name = str(item.path)
        fits = name == name.strip() and "\n" not in name and "\r" not in name and name.isprintable()
        kept += [item] if fits else []
        left += [] if fits else [LeftOut(item.path, "files whose names a manifest cannot hold")]
    if left and not kept:
        message = f"{len(left)} images have names that a manifest cannot hold: {some([repr(str(left[0].path))])}"
        refuse([Problem(message, "Rename them.")])
    return kept, left
