"""Finding images: files of a folder, one record per image, slice or frame."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from medsynth.data.config import DataConfig
from medsynth.data.formats.headers import SeriesHeader, choose_series, pseudonym, read_header
from medsynth.data.formats.probing import kind_of, probe
from medsynth.data.images import Record
from medsynth.data.problems import Problem

T = TypeVar("T")


@dataclass(frozen=True)
class ImageFile:
    """An image file.

    Args:
        path: where it is.
        patient: pseudonym of the DICOM patient, empty for other files.
        stack: names the stack of slices that the file is one of, empty where it stands alone.
    """

    path: Path
    patient: str = ""
    stack: str = ""


@dataclass(frozen=True)
class FoundFiles:
    """Image files below a path.

    Args:
        files: in a fixed order; the slices of a DICOM series in the order of their positions.
        problems: unreadable headers, mixed series.
        ignored: files that are no images.
        series: the SeriesInstanceUIDs that were seen.
    """

    files: tuple[ImageFile, ...]
    problems: tuple[Problem, ...]
    ignored: tuple[Path, ...]
    series: frozenset[str]


def find_images(path: Path, series: str = "") -> FoundFiles:
    """Find image files at `path`, a file or a folder searched to any depth in sorted order.

    Hidden files and files of other kinds are ignored and reported. DICOM files of one folder must belong to one
    series, or `series` must choose one.
    """
    files: list[ImageFile] = []
    problems: list[Problem] = []
    ignored: list[Path] = []
    seen: set[str] = set()
    folders = [(path.parent, [path.name])] if path.is_file() else _walk(path)
    for folder, names in folders:
        headers: list[SeriesHeader] = []
        for name in names:
            file = folder / name
            kind = "" if name.startswith(".") else kind_of(file)
            if kind == "dicom":
                header = read_header(file)
                if isinstance(header, Problem):
                    problems.append(header)
                else:
                    headers.append(header)
            elif kind:
                files.append(ImageFile(file))
            else:
                ignored.append(file)
        if headers:
            seen |= {header.series for header in headers}
            chosen, wrong = choose_series(folder, headers, series)
            problems += wrong
            files += [_image_file(header) for header in chosen]
    return FoundFiles(tuple(files), tuple(problems), tuple(ignored), frozenset(seen))


def _image_file(header: SeriesHeader) -> ImageFile:
    patient = pseudonym(header.patient or header.series or header.path.parent.name)
    return ImageFile(header.path, patient, str(header.path.parent) if header.frames == 1 else "")


def _walk(path: Path) -> Iterator[tuple[Path, list[str]]]:
    for folder, below, names in os.walk(path):
        below.sort()
        yield Path(folder), sorted(names)


def expand(records: Sequence[Record], root: Path, config: DataConfig) -> tuple[list[Record], list[Problem]]:
    """Turn rows into one record per 2D image: folders into files, volumes and cines into slices and frames.

    Of a volume, a cine or a DICOM series only the central share `config.slices` is kept, at least one. Records
    that name a slice stay as they are; missing files too, for `examine` to report.
    """
    result: list[Record] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for record in records:
        path = root / record.image
        if record.slice is not None or not path.exists():
            result.append(record)
        elif path.is_dir():
            found = find_images(path, config.series)
            seen |= found.series
            problems += found.problems
            if not found.files and not found.problems:
                problems.append(Problem(f"{path} holds no images"))
            for file in central_files(found.files, config.slices):
                result += _frames(replace(record, image=relative(file.path, root)), root, config)
        else:
            result += _frames(record, root, config)
    return result, problems + unknown_series(seen, config)


def unknown_series(seen: set[str] | frozenset[str], config: DataConfig) -> list[Problem]:
    """Report a chosen SeriesInstanceUID that none of the DICOM files has."""
    if not config.series or not seen or config.series in seen:
        return []
    listed = ", ".join(sorted(seen))
    return [Problem(f"data.series={config.series} is in none of the folders", f"series found: {listed}")]


def _frames(record: Record, root: Path, config: DataConfig) -> list[Record]:
    found = probe(root / record.image)
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
    """Return `path` relative to `root` with forward slashes, with ``..`` where it lies outside."""
    return Path(os.path.relpath(path, root)).as_posix()
