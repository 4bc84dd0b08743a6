"""Finding images below a folder: links followed, loops and repetitions told, everything left out counted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medsynth.base.errors import InputError
from medsynth.reading.dicom.dicom_header import dicom_header
from medsynth.reading.dicom.series import Choice, Series, choose_series, group_series
from medsynth.reading.leftovers import is_hidden, is_mask_folder, masks
from medsynth.reading.quietness import decoding
from medsynth.reading.recognition import recognize
from medsynth.reading.records import Header, Kind, NoImageError


@dataclass(frozen=True)
class Found:
    """A file with an image, or with many.

    Args:
        path: below the folder that was scanned, links unresolved.
        kind: who decodes it.
        header: of a DICOM file; others are not opened for a scan.
        series: that it is part of, for DICOM.
    """

    path: Path
    kind: Kind
    header: Header | None = None
    series: Series | None = None

    @property
    def stack(self) -> str:
        """Name of the volume whose slice it is; empty where it stands alone."""
        if self.series is None or len(self.series.headers) < 2:
            return ""
        return f"{self.series.first.path.parent}#{self.series.uid}#{self.series.part}"


@dataclass(frozen=True)
class LeftOut:
    """A file or folder that is not used.

    Args:
        path: which.
        reason: why, in the plural and equal for all of its kind: ``hidden files``.
        of: the image that a mask belongs to.
    """

    path: Path
    reason: str
    of: Path | None = None


@dataclass(frozen=True)
class Unusable:
    """A file or folder that should be readable and is not, or holds series that cannot be told apart.

    Args:
        path: which.
        error: what is wrong with it.
    """

    path: Path
    error: InputError


@dataclass(frozen=True)
class Scan:
    """What lies below a path.

    Args:
        files: with images; the slices of a volume in their order.
        left_out: everything else.
        unusable: files and folders that should be readable and are not, series that cannot be told apart.
        series: all DICOM series that were met, chosen or not.
    """

    files: tuple[Found, ...]
    left_out: tuple[LeftOut, ...]
    unusable: tuple[Unusable, ...]
    series: tuple[Series, ...]

    @property
    def problems(self) -> tuple[InputError, ...]:
        """What is wrong with the unusable ones."""
        return tuple(one.error for one in self.unusable)

    def reasons(self) -> dict[str, int]:
        """Return how many files and folders were left out for each reason, the most frequent first."""
        return dict(Counter(one.reason for one in self.left_out).most_common())

    def masks(self) -> dict[Path, list[Path]]:
        """Return the masks of each image that has any."""
        found: dict[Path, list[Path]] = {}
        for one in self.left_out:
            if one.of is not None:
                found.setdefault(one.of, []).append(one.path)
        return found


@dataclass
class _Walk:
    """A search in progress."""

    skip: frozenset[Path]
    left_out: list[LeftOut] = field(default_factory=list)
    unusable: list[Unusable] = field(default_factory=list)
    folders: set[tuple[int, int]] = field(default_factory=set)
    files: dict[tuple[int, int], Path] = field(default_factory=dict)


def scan(path: Path, *, series: str | None = "", skip: Sequence[Path] = ()) -> Scan:
    """Find the images at a path: a file, or a folder searched to any depth in sorted order.

    Links to files and folders are followed; a file or folder that is met again is left out, so that no image counts
    twice. Hidden files, leftovers of other programs and masks beside images are left out.

    Args:
        path: where to look.
        series: which DICOM series are wanted, as `choose_series` takes it; None for all.
        skip: folders to pass over, such as the output's.

    Raises:
        InputError: the path does not exist.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist", hint="Check its spelling.")
    walk = _Walk(frozenset(one.resolve() for one in skip))
    files: list[Found] = []
    headers: list[Header] = []
    for file, kind in _images(walk, path):
        if kind == "dicom":
            header = _header(walk, file)
            headers += [header] if header else []
        else:
            files.append(Found(file, kind))
    grouped = group_series(headers)
    files += _chosen(walk, path, grouped, series)
    files.sort(
        key=lambda one: (one.series.first.path if one.series else one.path).parts
    )  # stable: slices stay in order
    return Scan(tuple(files), tuple(walk.left_out), tuple(walk.unusable), tuple(grouped))


def _images(walk: _Walk, path: Path) -> Iterator[tuple[Path, Kind]]:
    folders = [(path.parent, [path.name])] if path.is_file() else _folders(walk, path)
    for folder, names in folders:
        of = masks(names) if len(names) > 1 else {}
        for name in names:
            file = folder / name
            if not _is_new(walk, file):
                continue
            if name in of:
                walk.left_out.append(LeftOut(file, "masks of other images", folder / of[name]))
                continue
            found = recognize(file)
            if found.kind is None:
                walk.left_out.append(LeftOut(file, found.reason))
            else:
                yield file, found.kind


def _folders(walk: _Walk, path: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield folders below a path, each once, with the sorted names of their files that are not hidden."""
    try:
        state = path.stat()
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError as error:
        problem = f"folder {path} cannot be read: {error.strerror or error}"
        walk.unusable.append(Unusable(path, InputError(problem, hint="Check its permissions.")))
        return
    if (state.st_dev, state.st_ino) in walk.folders:
        walk.left_out.append(LeftOut(path, "folders that were searched already, by links"))
        return
    walk.folders.add((state.st_dev, state.st_ino))
    below, names = [], []
    for entry in entries:
        folder = entry.is_dir()
        if is_hidden(entry.name):
            walk.left_out.append(LeftOut(path / entry.name, "hidden folders" if folder else "hidden files"))
        elif folder:
            below.append(entry.name)
        else:
            names.append(entry.name)
    yield path, names
    for name in below:
        if (path / name).resolve() in walk.skip:
            continue
        if is_mask_folder(name, below):
            walk.left_out.append(LeftOut(path / name, "folders of masks beside images"))
            continue
        yield from _folders(walk, path / name)


def _is_new(walk: _Walk, file: Path) -> bool:
    """Tell files that are there and were not met under another name."""
    try:
        state = file.stat()
    except OSError as error:
        if file.is_symlink():
            walk.left_out.append(LeftOut(file, "links that lead nowhere"))
        else:
            walk.unusable.append(Unusable(file, InputError(f"{file} cannot be read: {error.strerror or error}")))
        return False
    key = (state.st_dev, state.st_ino)
    if key in walk.files:
        walk.left_out.append(LeftOut(file, "further names of the same file"))
        return False
    walk.files[key] = file
    return True


def _header(walk: _Walk, file: Path) -> Header | None:
    try:
        if file.stat().st_size == 0:
            raise InputError(f"{file} is empty (0 bytes)", hint="Copy or export it again.")
        with decoding(file):
            return dicom_header(file)
    except NoImageError as error:
        walk.left_out.append(LeftOut(file, error.reason))
    except InputError as error:
        walk.unusable.append(Unusable(file, error))
    return None


def _chosen(walk: _Walk, path: Path, grouped: Sequence[Series], wanted: str | None) -> list[Found]:
    try:
        choice = Choice(tuple(grouped), ()) if wanted is None else choose_series(grouped, wanted)
    except InputError as error:
        walk.unusable.append(Unusable(path, error))
        return []
    for series, reason in choice.left_out:
        walk.left_out += [LeftOut(header.path, reason) for header in series.headers]
    return [Found(header.path, "dicom", header, series) for series in choice.chosen for header in series.headers]
