"""Finding images: files of a folder, one record per image, slice or frame."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from medsynth.data.config import DataConfig
from medsynth.data.formats.probing import probe
from medsynth.data.images import Record
from medsynth.data.listing.patients import pseudonym
from medsynth.data.problems import Problem, problem_of
from medsynth.reading import Found, LeftOut, scan

T = TypeVar("T")


@dataclass(frozen=True)
class ImageFile:
    """An image file.

    Args:
        path: where it is.
        patient: pseudonym of the DICOM patient, empty where the file names none.
        series: pseudonym of the DICOM series, empty for other files.
        stack: names the stack of slices that the file is one of, empty where it stands alone.
    """

    path: Path
    patient: str = ""
    series: str = ""
    stack: str = ""


@dataclass(frozen=True)
class FoundFiles:
    """Image files below a path.

    Args:
        files: in a fixed order; the slices of a DICOM series in the order of their positions.
        problems: unreadable headers, series to choose from.
        left_out: what is not used, and why.
        series: the DICOM series that were seen, in words.
        chosen: some of them are used.
    """

    files: tuple[ImageFile, ...]
    problems: tuple[Problem, ...]
    left_out: tuple[LeftOut, ...]
    series: tuple[str, ...]
    chosen: bool


def find_images(path: Path, series: str = "") -> FoundFiles:
    """Find image files at `path`, a file or a folder searched to any depth in sorted order.

    Links are followed; hidden files, masks beside images and files of other kinds are left out and told. Of several
    DICOM volumes of a patient in one folder `series` must choose one, as `medsynth.reading.choose_series` takes it.
    """
    found = scan(path, series=series)
    return FoundFiles(
        files=tuple(_image_file(one) for one in found.files),
        problems=tuple(problem_of(problem) for problem in found.problems),
        left_out=found.left_out,
        series=tuple(str(one) for one in found.series),
        chosen=any(one.series for one in found.files),
    )


def find_domain(paths: Sequence[Path], series: str) -> list[FoundFiles]:
    """Do the work of `find_images` for all places of one domain.

    A choice of DICOM series that fits none of them is meant for the other domain.
    """
    found = [find_images(path, series) for path in paths]
    if series and any(one.series for one in found) and not any(one.chosen for one in found):
        return [replace(find_images(path), chosen=False) for path in paths]
    return found


def unknown_series(found: Iterable[FoundFiles], series: str) -> list[Problem]:
    """Report a choice of DICOM series that fits none of those that were found."""
    seen = [one for one in found if one.series]
    if not series or not seen or any(one.chosen for one in seen):
        return []
    listed = "; ".join(sorted({name for one in seen for name in one.series})[:20])
    return [Problem(f"data.series={series} fits none of the series found", f"series found: {listed}")]


def _image_file(found: Found) -> ImageFile:
    header = found.header
    if header is None:
        return ImageFile(found.path)
    patient = pseudonym(header.patient) if header.patient else ""
    return ImageFile(found.path, patient, pseudonym(header.series or str(found.path.parent)), found.stack)


def expand(
    records: Sequence[Record], root: Path, config: DataConfig
) -> tuple[list[Record], list[Problem], list[FoundFiles]]:
    """Turn rows into one record per 2D image: folders into files, volumes and cines into slices and frames.

    Of a volume, a cine or a DICOM series only the central share `config.slices` is kept, at least one. Records
    that name a slice stay as they are; missing files too, for `examine` to report. Also returns what was found in
    the folders.
    """
    result: list[Record] = []
    problems: list[Problem] = []
    searched = _searched(records, root, config.series)
    for record in records:
        path = root / record.image
        if record.slice is not None or not path.exists():
            result.append(record)
        elif path.is_dir():
            found = searched[record.domain, path]
            problems += found.problems
            if not found.files and not found.problems:
                problems.append(Problem(f"{path} holds no images"))
            for file in central_files(found.files, config.slices):
                result += _frames(replace(record, image=relative(file.path, root)), root, config)
        else:
            result += _frames(record, root, config)
    return result, problems, list(searched.values())


def _searched(records: Sequence[Record], root: Path, series: str) -> dict[tuple[str, Path], FoundFiles]:
    """Search the folders among the images, domain by domain."""
    folders: dict[str, list[Path]] = {}
    for record in records:
        path = root / record.image
        if record.slice is None and path.is_dir():
            folders.setdefault(record.domain, []).append(path)
    return {
        (domain, path): found
        for domain, paths in folders.items()
        for path, found in zip(paths, find_domain(paths, series), strict=True)
    }


def _frames(record: Record, root: Path, config: DataConfig) -> list[Record]:
    found = probe(root / record.image, config.volume)
    if isinstance(found, Problem) or found.depth <= 1:
        return [record]
    return central([replace(record, slice=k) for k in range(found.depth)], config.slices)


def central_files(files: Sequence[ImageFile], share: float) -> list[ImageFile]:
    """Keep the central share of every stack of slices and all files that stand alone."""
    stacks: dict[object, list[ImageFile]] = {}
    for file in files:
        stacks.setdefault(file.stack or file.path, []).append(file)
    return [file for stack in stacks.values() for file in central(stack, share)]


def central(records: list[T], share: float) -> list[T]:
    """Return the central share of a list, at least one.

    Examples:
        >>> central(list("abcdefgh"), 0.5)
        ['c', 'd', 'e', 'f']
    """
    count = max(1, round(len(records) * share))
    start = (len(records) - count) // 2
    return records[start : start + count]


def relative(path: Path, root: Path) -> str:
    """Return `path` relative to `root` with forward slashes, with ``..`` where it lies outside.

    A step up leads out of what a link points to, so both are resolved then; the name of a file never is.
    """
    if path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return Path(os.path.relpath(path.parent.resolve() / path.name, root.resolve())).as_posix()
