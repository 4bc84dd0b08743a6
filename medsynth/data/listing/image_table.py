"""The manifest: a CSV table of images, read with all its problems at once, and written back resolved."""

from __future__ import annotations

import csv
import difflib
import io
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medsynth.base.files import csv_text, write_text
from medsynth.data.config import DataConfig
from medsynth.data.images import Record
from medsynth.data.listing.labels import label_values
from medsynth.data.listing.paths import FoundFiles
from medsynth.data.problems import Problem, Warned, refuse
from medsynth.reading import LeftOut

COLUMNS = ("image", "domain", "label", "patient", "split", "pair")
NEEDED = ("image", "domain", "label", "patient")
DOMAINS = ("source", "target", "oracle")
SPLITS = {"": "", "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val"}
SPLITS["test"] = SPLITS["testing"] = "test"


@dataclass(frozen=True)
class ImageTable:
    """What a source of images holds.

    Args:
        root: folder that images are relative to.
        records: of all images; split empty where unknown.
        problems: what makes them unusable.
        values: what labels mean.
        found: what was found in folders, used or left out.
        warnings: what deserves a look.
    """

    root: Path
    records: list[Record]
    problems: list[Problem] = field(default_factory=list)
    values: dict[str, int | None] = field(default_factory=dict)
    found: list[FoundFiles] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)

    @property
    def left_out(self) -> list[LeftOut]:
        """What lies in the folders and is not used."""
        return [one for found in self.found for one in found.left_out]


def read_manifest(path: Path, config: DataConfig) -> list[Record]:
    """Read a manifest CSV.

    Args:
        path: the CSV file; images are relative to its folder.
        config: `positive` names the positive class where labels are names.

    Raises:
        InputError: with everything that is wrong with the table.
    """
    table = parse_manifest(path, config)
    refuse(table.problems)
    return table.records


def parse_manifest(path: Path, config: DataConfig) -> ImageTable:
    """Read a manifest CSV and collect its problems instead of raising.

    A byte-order mark, CRLF, blank lines and spaces around values are tolerated. Row numbers in messages are
    line numbers of the file, the header being 1.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        hint = "save it as UTF-8, in Excel as CSV UTF-8"
        return ImageTable(path.parent, [], [Problem(f"manifest {path} is not UTF-8: {error}", hint)])
    except OSError as error:
        return ImageTable(path.parent, [], [Problem(f"manifest {path} cannot be read: {error}")])
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip() for name in next(reader, [])]
    problems = _missing_columns(path, header)
    if problems:
        return ImageTable(path.parent, [], problems)
    rows = [
        (reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=False)))
        for cells in reader
        if any(cell.strip() for cell in cells)
    ]
    if not rows:
        return ImageTable(path.parent, [], [Problem(f"manifest {path} has no rows")])
    values, problems = label_values([row.get("label", "") for _, row in rows], config)
    label_problem = bool(problems)
    records = []
    for line, row in rows:
        wrong = _row_problems(path, line, row, None if label_problem else values)
        problems += wrong
        if not wrong:
            records.append(_record(row, values))
    return ImageTable(path.parent, records, problems + _table_problems(rows), values)


def _missing_columns(path: Path, header: Sequence[str]) -> list[Problem]:
    problems = []
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and mark in header[0]:
            return [Problem(f"manifest {path} separates its columns by {name}", "save it with commas between columns")]
    for name in NEEDED:
        if name not in header:
            near = difflib.get_close_matches(name, header, n=1, cutoff=0.5)
            present = f"nearest column present: {near[0]!r}" if near else f"columns present: {', '.join(header)}"
            problems.append(Problem(f"manifest {path} has no column {name!r} ({present})"))
    doubled = [name for name, count in Counter(header).items() if count > 1 and name]
    return problems + [Problem(f"manifest {path} has the column {name!r} twice") for name in doubled]


def _row_problems(path: Path, line: int, row: dict[str, str], values: dict[str, int | None] | None) -> list[Problem]:
    where = f"{path.name} row {line}"
    problems = []
    image = row.get("image", "")
    if not image:
        problems.append(Problem(f"{where}: image is empty"))
    elif not (path.parent / image).exists():
        problems.append(Problem(f"{where}: image {image} does not exist", _other_spelling(path.parent, image)))
    if row.get("domain", "") not in DOMAINS:
        problems.append(Problem(f"{where}: domain {row.get('domain', '')!r} is unknown", f"use {', '.join(DOMAINS)}"))
    if values is not None and row.get("label", "") not in values:
        known = ", ".join(repr(name) for name in values if name)
        problems.append(
            Problem(f"{where}: label {row.get('label', '')!r} is unknown", f"use {known} or leave it empty")
        )
    if not row.get("patient", ""):
        problems.append(Problem(f"{where}: patient is empty"))
    if row.get("split", "").lower() not in SPLITS:
        problems.append(
            Problem(f"{where}: split {row['split']!r} is unknown", "use train, val, test or leave it empty")
        )
    if row.get("slice", "") and not row["slice"].isdecimal():
        problems.append(Problem(f"{where}: slice {row['slice']!r} is not a number from 0"))
    return problems


def _other_spelling(folder: Path, image: str) -> str:
    """Return what to write instead, if the image is there under a name that only looks the same."""
    slashes = image.replace("\\", "/")
    for form in (slashes, *(unicodedata.normalize(form, slashes) for form in ("NFC", "NFD"))):
        if form != image and (folder / form).exists():
            reason = "backslashes part its folders" if form == slashes else "its accented letters are stored otherwise"
            return f"a file of this name is there, but {reason}: write {form!a}"
    return ""


def _table_problems(rows: Sequence[tuple[int, dict[str, str]]]) -> list[Problem]:
    problems = []
    first: dict[tuple[str, str], int] = {}
    images = {row.get("image", "") for _, row in rows}
    for line, row in rows:
        key = (os.path.normpath(row["image"]) if row.get("image") else "", row.get("slice", ""))
        if key[0] and first.setdefault(key, line) != line:
            problems.append(Problem(f"row {line}: image {key[0]} is already in row {first[key]}"))
        pair = row.get("pair", "")
        if pair and pair not in images:
            problems.append(Problem(f"row {line}: pair {pair} names no image of the manifest"))
    return problems


def _record(row: dict[str, str], values: dict[str, int | None]) -> Record:
    return Record(
        image=Path(row["image"]).as_posix(),
        domain=row["domain"],
        label=values.get(row.get("label", "")),
        patient=row["patient"],
        split=SPLITS[row.get("split", "").lower()],
        pair=Path(row["pair"]).as_posix() if row.get("pair") else "",
        slice=int(row["slice"]) if row.get("slice") else None,
        extra={name: value for name, value in row.items() if name and name not in (*COLUMNS, "slice")},
    )


def write_manifest(records: Sequence[Record], path: Path) -> None:
    """Write records as a manifest that `read_manifest` reads back equal; columns end with ``slice`` and extras."""
    extras = sorted({name for record in records for name in record.extra})
    # the csv module writes None as an empty cell
    rows = (
        [r.image, r.domain, r.label, r.patient, r.split, r.pair, r.slice, *(r.extra.get(name, "") for name in extras)]
        for r in records
    )
    write_text(path, csv_text([[*COLUMNS, "slice", *extras], *rows]))
