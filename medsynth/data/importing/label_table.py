"""A table of labels beside images: read whatever its separators, joined on what it calls images or patients."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medsynth.base.configuration import nearest
from medsynth.base.errors import InputError
from medsynth.data.importing.folder_items import MANIFEST
from medsynth.data.importing.image_items import FoundImages, ImageItem, ImportRequest
from medsynth.data.listing.image_table import SPLITS
from medsynth.data.problems import some

TAKEN = ("patient", "split", "center")
"""Columns that are taken over under their name."""


@dataclass(frozen=True)
class LabelTable:
    """Rows of a table by the value of the column that it is joined on.

    Args:
        path: of the table.
        join, label: the two columns.
        rows: by value.
    """

    path: Path
    join: str
    label: str
    rows: dict[str, dict[str, str]]


def label_by_table(places: Sequence[FoundImages], request: ImportRequest) -> list[str]:
    """Give images the labels of the table that was named, or that lies beside them, and say how.

    The table is then none of the files that were left out.

    Raises:
        InputError: it cannot be read, a column is unknown, rows contradict each other, or none fits an image.
    """
    asked = request.labels or request.join or request.label
    if not asked or (not request.labels and not request.join and any(found.layout == "medmnist" for found in places)):
        return []
    paths = list(dict.fromkeys(found.table for found in places if found.table))
    if request.labels is None and len(paths) != 1:
        option = "--label" if request.label else "--join"
        several = f" ({some([str(path) for path in paths])})" if paths else ""
        message = f"{option} names a column, but {len(paths) or 'no'} tables lie beside the images{several}"
        raise InputError(message, hint="Name the table with --labels FILE.")
    items = [item for found in places for item in found.items]
    table, kind = _table(request.labels or paths[0], items, request)
    matched = 0
    for found in places:
        joined = [_joined(item, table, kind) for item in found.items]
        matched += sum(item is not None for item in joined)
        found.items = [new or old for new, old in zip(joined, found.items, strict=True)]
    for found in places:
        found.left_out = [one for one in found.left_out if one.path.resolve() != table.path.resolve()]
    taken = [name for name in TAKEN if any(name in row for row in table.rows.values())]
    return [
        f"Labels are the column {table.label} of {table.path}, joined on {table.join} as the {kind}: it has a row for "
        f"{matched:,} of {len(items):,} images.",
        *([f"Its columns {', '.join(taken)} are taken over."] if taken else []),
    ]


def read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Read a table of text whose columns are parted by commas, semicolons or tabs; return header and rows.

    Raises:
        InputError: it cannot be read, or has no rows.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"table {path} is not UTF-8: {error}", hint="Save it as CSV UTF-8.") from error
    except OSError as error:
        raise InputError(f"table {path} cannot be read: {error.strerror}", hint="Check its spelling.") from error
    first = text.partition("\n")[0]
    mark = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    header = [name.strip() for name in next(reader, [])]
    rows = [dict(zip(header, (cell.strip() for cell in cells), strict=False)) for cells in reader if any(cells)]
    if not rows:
        raise InputError(f"table {path} has no rows", hint="Its first line names the columns.")
    return header, rows


def _table(path: Path, items: Sequence[ImageItem], request: ImportRequest) -> tuple[LabelTable, str]:
    """Read the table and find out what its values call images."""
    header, rows = read_rows(path)
    for option, name in (("--join", request.join), ("--label", request.label)):
        if name and name not in header:
            raise InputError(f"table {path} has no column {name!r} ({option})", hint=nearest(name, header))
    label = request.label or ("label" if "label" in header else "")
    if not label:
        raise InputError(f"which column of {path} holds labels is not known", hint=f"Say --label: {', '.join(header)}.")
    columns = [request.join] if request.join else [name for name in header if name != label]
    kinds = list(dict.fromkeys(kind for item in items for kind in item.keys))
    count, column, kind = max(
        ((_matches(rows, column, items, kind), column, kind) for column in columns for kind in kinds),
        key=lambda found: found[0],
        default=(0, "", ""),
    )
    if not count:
        named = f"column {request.join}" if request.join else "columns"
        example = some([row.get(columns[0], "") for row in rows if columns], 3)
        message = f"no image is called as the {named} of {path} say ({example})"
        hint = f"Name the column of paths, file names or patients with --join; an image is {_called(items)}."
        raise InputError(message, hint=hint)
    return LabelTable(path, column, label, _by_value(path, rows, column, label)), kind


def _matches(rows: Sequence[dict[str, str]], column: str, items: Sequence[ImageItem], kind: str) -> int:
    values = {row.get(column, "") for row in rows} - {""}
    return sum(item.keys.get(kind, "") in values for item in items)


def _called(items: Sequence[ImageItem]) -> str:
    return items[0].keys.get("path") or str(items[0].path) if items else "not there"


def _by_value(path: Path, rows: Sequence[dict[str, str]], column: str, label: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        value = row.get(column, "")
        before = found.setdefault(value, row) if value else row
        if before.get(label, "") != row.get(label, ""):
            message = f"table {path} gives {value!r} the labels {before.get(label, '')!r} and {row.get(label, '')!r}"
            raise InputError(message, hint="Join on a column that names each image once, or correct the table.")
    return found


def _joined(item: ImageItem, table: LabelTable, kind: str) -> ImageItem | None:
    row = table.rows.get(item.keys.get(kind, "") or "\0")
    if row is None:
        return None
    split = SPLITS.get(row.get("split", "").lower(), "")
    center = {"center": row["center"]} if row.get("center") else {}
    patient = row.get("patient", "")
    return replace(
        item,
        label=row.get(table.label, ""),
        split=split or item.split,
        extra={**item.extra, **center},
        patient=patient or item.patient,
        basis=MANIFEST if patient else item.basis,
    )
