"""What is to be predicted: the images at several paths, as one stream."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from medsynth.base.errors import InputError
from medsynth.data.listing.paths import relative
from medsynth.data.listing.patients import named_patient
from medsynth.inference.inputs.finding import Inputs, Refusal
from medsynth.inference.inputs.reasons import reason_of
from medsynth.reading import LeftOut, read_header

GIVE = "Give PNG, JPEG, TIFF, BMP, WebP, NIfTI, DICOM, NRRD or MetaImage files."


@dataclass(frozen=True)
class Source:
    """A file to read.

    Args:
        path: as the user would find it.
        name: below the folder that all inputs share, without ``..``; unique.
        problem: why it cannot be read, if that is known already.
        patient: as a manifest or the path names it, else empty.
    """

    path: Path
    name: str
    problem: str = ""
    patient: str = ""


class Listing:
    """The images at all paths, each of them a file, a folder searched to any depth, or a manifest.

    Args:
        paths: where to look. Of a manifest the rows count whose domain is ``target`` or empty.
        out: folder that is passed over.
    """

    def __init__(self, paths: Sequence[Path], out: Path) -> None:
        self._inputs = [Inputs(path, out, domain="target") for path in paths]
        folders = [path if path.is_dir() else path.parent for path in paths]
        self._root = Path(os.path.commonpath([folder.absolute() for folder in folders])) if paths else Path()

    def count(self) -> int:
        """Return the number of files to read.

        Raises:
            InputError: a path does not exist, or there is nothing to read.
        """
        # a file that was named is predicted or reported, never passed over
        files = sum(inputs.count() + len(_named_in_vain(inputs)) for inputs in self._inputs)
        if not files:
            shown = ", ".join(str(inputs.path) for inputs in self._inputs[:3])
            raise InputError(f"{shown} holds no images", hint=GIVE)
        return files

    @property
    def left_out(self) -> list[LeftOut]:
        """What lies in the folders and is not read."""
        return [one for inputs in self._inputs if not _named_in_vain(inputs) for one in inputs.left_out]

    def __iter__(self) -> Iterator[Source]:
        for inputs in self._inputs:
            for one in _named_in_vain(inputs):
                yield self._source(one.path, _problem_with(one))
            for item in inputs:
                if isinstance(item, Refusal):
                    yield self._source(inputs.path.parent / item.source, item.problem)
                else:
                    yield self._source(item.paths[0], patient=item.patient)

    def _source(self, path: Path, problem: str = "", patient: str = "") -> Source:
        name = relative(path.absolute(), self._root)
        safe = "/".join("_" if part == ".." else part for part in name.split("/"))
        return Source(path, safe, problem, patient or named_patient(path.as_posix(), ""))


def _problem_with(one: LeftOut) -> str:
    try:
        read_header(one.path)
    except InputError as error:
        return reason_of(error, one.path)
    return f"is not read: {one.reason}"


def _named_in_vain(inputs: Inputs) -> list[LeftOut]:
    """Return what is wrong with a path that is a file but no image."""
    return inputs.left_out if inputs.path.is_file() and not inputs.is_table else []
