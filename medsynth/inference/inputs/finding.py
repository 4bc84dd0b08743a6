"""What is to be translated, and what each translation is called."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from medsynth.base.errors import InputError
from medsynth.data.listing.paths import relative
from medsynth.inference.inputs.reasons import reason_of
from medsynth.inference.translated_formats import FORMATS
from medsynth.reading import Found, Kind, LeftOut, Scan, recognize, scan, stem

FOLLOWING: dict[Kind, str] = {"raster": "png", "nifti": "nifti", "dicom": "dicom", "itk": "nifti"}
"""The format of a translation where none is asked for."""


@dataclass(frozen=True, kw_only=True)
class InputItem:
    """A source and the names of its translation.

    Args:
        paths: one file, or the files of a DICOM series that become one volume, in the order of their slices.
        kind: who decodes them.
        source: name of the source relative to the input.
        format: ``png``, ``nifti`` or ``dicom``.
        file: of the translation, relative to the output folder.
        folder: for the slices of a stack, relative to the output folder; empty where there can be none.
        label, patient: from a manifest, else empty.
    """

    paths: tuple[Path, ...]
    kind: Kind
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
class _Nameless:
    """A source that has no names yet; fields as in `InputItem`."""

    paths: tuple[Path, ...]
    kind: Kind
    source: str
    label: str = ""
    patient: str = ""


@dataclass
class Inputs:
    """The sources at `path`: an image, a volume, a DICOM file, a folder searched to any depth, or a manifest.

    Every DICOM series counts. What `medsynth.reading.scan` leaves out is passed over, unless `path` names it.

    Args:
        path: where to look.
        out: output folder, passed over where it lies inside.
        format: of all translations; empty = that of each source.
        domain: of the rows of a manifest that count, beside those without a domain.
        joined: the files of a DICOM series are one source in every format, because their slices are neighbors.
    """

    path: Path
    out: Path
    format: str = ""
    domain: str = "source"
    joined: bool = False
    _scans: dict[Path, Scan] = field(default_factory=dict, init=False, repr=False)

    def count(self) -> int:
        """Return the number of files to read.

        Raises:
            InputError: the path does not exist, or is a table that cannot be read.
        """
        if not self.path.exists():
            raise InputError(f"input {self.path} does not exist")
        if self.is_table:
            return sum(len(self._scan(row).files) if row.is_dir() else 1 for row in self._images)
        return len(self._whole.files) + len(self._whole.unusable)

    @property
    def is_table(self) -> bool:
        """The path is a manifest."""
        return self.path.is_file() and self.path.suffix.lower() == ".csv"

    @property
    def left_out(self) -> list[LeftOut]:
        """What lies in the folders and is not read."""
        scans = [self._scan(path) for path in self._images if path.is_dir()] if self.is_table else [self._whole]
        return [one for found in scans for one in found.left_out]

    def __iter__(self) -> Iterator[InputItem | Refusal]:
        if self.is_table:
            yield from self._listed()
            return
        root = self.path if self.path.is_dir() else self.path.parent
        yield from self._below(self._whole, root)

    @property
    def _whole(self) -> Scan:
        return self._scan(self.path)

    @property
    def _images(self) -> list[Path]:
        return [self.path.parent / row["image"] for row in self._rows()]

    def _scan(self, path: Path) -> Scan:
        if path not in self._scans:
            self._scans[path] = scan(path, series=None, skip=[self.out])
        return self._scans[path]

    def _below(self, found: Scan, root: Path, label: str = "", patient: str = "") -> Iterator[InputItem | Refusal]:
        for one in found.unusable:
            yield Refusal(_safe(relative(one.path, root)), reason_of(one.error, one.path))
        folders: dict[Path, list[Found]] = {}
        for file in found.files:
            folders.setdefault(file.path.parent, []).append(file)
        for folder in sorted(folders, key=lambda path: path.parts):
            files = folders[folder]
            joined = self.joined or self.format == "nifti"
            sources = self._volumes(files, root) if joined else [_single(file, root) for file in files]
            below = {path.parts[len(folder.parts)] for path in folders if path != folder and folder in path.parents}
            taken = [_safe(relative(folder / name, root)) for name in below]
            yield from self._named([replace(one, label=label, patient=patient) for one in sources], taken)

    def _volumes(self, files: Sequence[Found], root: Path) -> list[_Nameless]:
        """Join the DICOM files of a folder to one volume per series."""
        stacks: dict[str, list[Found]] = {}
        for file in files:
            stacks.setdefault(file.stack, []).append(file)
        sources = [_single(file, root) for file in stacks.pop("", [])]
        for number, members in enumerate(stacks.values(), start=1):
            folder = members[0].path.parent
            name = folder.resolve().name + (f"-{number}" if len(stacks) > 1 else "")
            source = _safe(relative(folder / name, root))
            paths = tuple(file.path for file in members)
            sources.append(_Nameless(paths=paths, kind="dicom", source=source))
        return sources

    def _named(self, found: Sequence[_Nameless], taken: Sequence[str]) -> Iterator[InputItem]:
        """Name the translations of a folder's files, with their whole names if two would be called the same."""
        claims = Counter(name.casefold() for name in taken)
        for one in found:
            claims.update(name.casefold() for name in self._names(one, stem(one.source)) if name)
        unique = max(claims.values(), default=0) < 2
        for one in found:
            file, folder = self._names(one, stem(one.source) if unique else one.source)
            if folder and not unique:
                folder += ".slices"
            yield InputItem(
                paths=one.paths,
                kind=one.kind,
                source=one.source,
                format=self._format(one),
                file=file,
                folder=folder,
                label=one.label,
                patient=one.patient,
            )

    def _format(self, found: _Nameless) -> str:
        return self.format or FOLLOWING[found.kind]

    def _names(self, found: _Nameless, name: str) -> tuple[str, str]:
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
            kind = recognize(path).kind if path.is_file() else None
            if path.is_dir():
                yield from self._below(self._scan(path), root, label, patient)
            elif kind:
                source = _safe(relative(path, root))
                found.append(_Nameless(paths=(path,), kind=kind, source=source, label=label, patient=patient))
            else:
                problem = "is no image of a known format" if path.exists() else "does not exist"
                yield Refusal(row["image"], problem)
        yield from self._named(found, ())


def _single(file: Found, root: Path) -> _Nameless:
    return _Nameless(paths=(file.path,), kind=file.kind, source=_safe(relative(file.path, root)))


def _safe(name: str) -> str:
    """Keep names of sources outside the input's folder inside the output's."""
    return "/".join("_" if part == ".." else part for part in name.split("/"))
