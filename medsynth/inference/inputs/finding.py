"""What is to be translated, found one folder at a time, and what each translation is called."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from medsynth.base.errors import InputError
from medsynth.data.formats.headers import SUFFIXES, SeriesHeader, read_header
from medsynth.data.formats.probing import NIFTI, RASTER, Kind, kind_of
from medsynth.data.listing.paths import relative
from medsynth.data.problems import Problem
from medsynth.inference.translated_formats import FORMATS

FOLLOWING: dict[Kind, str] = {"raster": "png", "nifti": "nifti", "dicom": "dicom"}
"""The format of a translation where none is asked for."""


@dataclass(frozen=True, kw_only=True)
class InputItem:
    """A source and the names of its translation.

    Args:
        paths: one file, or the files of a DICOM series that become one volume, in the order of their slices.
        source: name of the source relative to the input.
        format: ``png``, ``nifti`` or ``dicom``.
        file: of the translation, relative to the output folder.
        folder: for the slices of a stack, relative to the output folder; empty where there can be none.
        label, patient: from a manifest, else empty.
    """

    paths: tuple[Path, ...]
    source: str
    format: str
    file: str
    folder: str = ""
    label: str = ""
    patient: str = ""


@dataclass(frozen=True)
class Refusal:
    """A source that cannot be read at all.

    Args:
        source: its name.
        problem: what is wrong with it.
    """

    source: str
    problem: str


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A source that has no names yet; fields as in `InputItem`."""

    paths: tuple[Path, ...]
    kind: Kind
    source: str
    label: str = ""
    patient: str = ""


@dataclass
class Inputs:
    """The sources at `path`: an image, a volume, a DICOM file, a folder searched to any depth, or a manifest.

    Iterating holds the names of one folder at a time. Hidden files and folders, files of other kinds and DICOMDIR
    are passed over.

    Args:
        path: where to look.
        out: output folder, passed over where it lies inside.
        format: of all translations; empty = that of each source.
        domain: of the rows of a manifest that count, beside those without a domain.
    """

    path: Path
    out: Path
    format: str = ""
    domain: str = "source"
    ignored: int = field(default=0, init=False)
    """Files of other kinds met by the last `count`."""

    def count(self) -> int:
        """Return the number of files to read.

        Raises:
            InputError: the path does not exist, or is a table that cannot be read.
        """
        if not self.path.exists():
            raise InputError(f"input {self.path} does not exist")
        self.ignored = 0
        if not self._is_table():
            return self._count(self.path)
        paths = (self.path.parent / row["image"] for row in self._rows())
        return sum(self._count(path) if path.is_dir() else 1 for path in paths)

    def __iter__(self) -> Iterator[InputItem | Refusal]:
        if self._is_table():
            yield from self._listed()
            return
        root = self.path if self.path.is_dir() else self.path.parent
        yield from self._below(self.path, root)

    def _is_table(self) -> bool:
        return self.path.is_file() and self.path.suffix.lower() == ".csv"

    def _count(self, path: Path) -> int:
        files = 0
        for folder, names, _ in self._folders(path):
            images = sum(bool(_kind(folder / name)) for name in names)
            files, self.ignored = files + images, self.ignored + len(names) - images
        return files

    def _folders(self, path: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
        """Yield folders with the names of their files and of the folders below."""
        if path.is_file():
            yield path.parent, [path.name], []
            return
        out = self.out.resolve()
        for folder, below, names in os.walk(path, onerror=_stop):
            here = Path(folder)
            below[:] = sorted(n for n in below if not n.startswith(".") and (here / n).resolve() != out)
            yield here, sorted(names), below

    def _below(self, path: Path, root: Path, label: str = "", patient: str = "") -> Iterator[InputItem | Refusal]:
        for folder, names, below in self._folders(path):
            found = [
                _Found(
                    paths=(folder / name,),
                    kind=kind,
                    source=_safe(relative(folder / name, root)),
                    label=label,
                    patient=patient,
                )
                for name in names
                if (kind := _kind(folder / name))
            ]
            taken = [_safe(relative(folder / name, root)) for name in below]
            if self.format == "nifti":
                yield from self._volumes(folder, found, taken)
            else:
                yield from self._named(found, taken)

    def _volumes(self, folder: Path, found: Sequence[_Found], taken: Sequence[str]) -> Iterator[InputItem | Refusal]:
        """Join the DICOM files of a folder to one volume per series."""
        sources = [one for one in found if one.kind != "dicom"]
        series: dict[str, list[tuple[SeriesHeader, _Found]]] = {}
        for one in found:
            if one.kind == "dicom":
                header = read_header(one.paths[0])
                if isinstance(header, Problem):
                    yield Refusal(one.source, header.message)
                else:
                    key = header.series if header.frames == 1 else one.source
                    series.setdefault(key, []).append((header, one))
        stacks = [members for _, members in sorted(series.items()) if len(members) > 1]
        sources += [members[0][1] for members in series.values() if len(members) == 1]
        for number, members in enumerate(stacks, start=1):
            members.sort(key=lambda member: (member[0].position, member[0].path.name))
            name = folder.resolve().name + (f"-{number}" if len(stacks) > 1 else "")
            first = members[0][1]
            source = str(PurePosixPath(first.source).with_name(name))
            sources.append(replace(first, paths=tuple(one.paths[0] for _, one in members), source=source))
        yield from self._named(sources, taken)

    def _named(self, found: Sequence[_Found], taken: Sequence[str]) -> Iterator[InputItem]:
        """Name the translations of a folder's files, with their whole names if two would be called the same."""
        claims = Counter(name.casefold() for name in taken)
        for one in found:
            claims.update(name.casefold() for name in self._names(one, _stem(one.source)) if name)
        unique = max(claims.values(), default=0) < 2
        for one in found:
            file, folder = self._names(one, _stem(one.source) if unique else one.source)
            if folder and not unique:
                folder += ".slices"
            yield InputItem(
                paths=one.paths,
                source=one.source,
                format=self._format(one),
                file=file,
                folder=folder,
                label=one.label,
                patient=one.patient,
            )

    def _format(self, found: _Found) -> str:
        return self.format or FOLLOWING[found.kind]

    def _names(self, found: _Found, name: str) -> tuple[str, str]:
        """Return the name of a file, and of a folder where the source may be a stack whose slices become files."""
        kind = self._format(found)
        return name + FORMATS[kind], name if kind != "nifti" and found.kind != "raster" else ""

    def _rows(self) -> Iterator[dict[str, str]]:
        """Yield the manifest's rows that count; each image once."""
        seen: set[str] = set()
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as stream:
                for row in csv.DictReader(stream):
                    cells = {str(name).strip(): str(cell or "").strip() for name, cell in row.items()}
                    if "image" not in cells:
                        raise InputError(f"manifest {self.path} has no column 'image'")
                    wanted = cells.get("domain", "") in ("", self.domain)
                    if wanted and cells["image"] and cells["image"] not in seen:
                        seen.add(cells["image"])
                        yield cells
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"manifest {self.path} cannot be read: {error}") from error

    def _listed(self) -> Iterator[InputItem | Refusal]:
        root = self.path.parent
        found = []
        for row in self._rows():
            path, label, patient = root / row["image"], row.get("label", ""), row.get("patient", "")
            kind = _kind(path) if path.is_file() else ""
            if path.is_dir():
                yield from self._below(path, root, label, patient)
            elif kind:
                source = _safe(relative(path, root))
                found.append(_Found(paths=(path,), kind=kind, source=source, label=label, patient=patient))
            else:
                problem = "is no image of a known format" if path.exists() else "does not exist"
                yield Refusal(row["image"], problem)
        yield from self._named(found, ())


def _kind(path: Path) -> Kind:
    if path.name.startswith(".") or path.name.upper() == "DICOMDIR":
        return ""
    return kind_of(path)


def _safe(name: str) -> str:
    """Keep names of sources outside the input's folder inside the output's."""
    return "/".join("_" if part == ".." else part for part in name.split("/"))


def _stem(name: str) -> str:
    """Return a name without the suffix of an image."""
    known: Iterable[str] = (*NIFTI[::-1], *RASTER, *SUFFIXES)
    for suffix in known:
        if name.lower().endswith(suffix) and len(name.rpartition("/")[2]) > len(suffix):
            return name[: -len(suffix)]
    return name


def _stop(error: OSError) -> None:
    raise InputError(f"folder {error.filename} cannot be read: {error.strerror}")
