"""One file of answers that a reading page saved."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medsynth.base.errors import InputError
from medsynth.data.problems import some
from medsynth.readers.keyed_study import ReadingStudy

COLUMNS = (
    "study", "task", "reader", "group", "position", "image", "decision", "confidence", "seconds", "rows", "check",
)  # fmt: skip
_AGAIN = "Ask the reader to save the answers again: the page still has them. Spreadsheets may change such files."
Row = Mapping[str, str]


@dataclass(frozen=True)
class Answers:
    """What one reader answered, in the order of the images.

    Args:
        path: of the file.
        study: name of the study.
        reader: who answered.
        group: of the reader; may be empty.
        rows: by column.
    """

    path: Path
    study: str
    reader: str
    group: str
    rows: tuple[Row, ...]


def read_answers(path: Path, studies: Mapping[str, ReadingStudy]) -> Answers:
    """Read a file of answers and compare it with the study's key.

    Raises:
        InputError: names the file, the line and what is wrong: it is damaged, or of another study.
    """
    rows = _rows(path)
    first = rows[0]
    study = studies.get(first["study"])
    if study is None:
        keys = ", ".join(studies)
        raise InputError(
            f"{path} is of the study {first['study']}, the key of {keys}",
            hint="Give with --key the key file that was written beside the page on which this reader worked.",
        )
    problems = [problem for line, row in enumerate(rows, start=2) for problem in _row_problems(line, row, first)]
    if not problems:
        problems = _order_problems(rows, study)
    if problems:
        raise InputError(f"{path} cannot be used: {some(problems)}", hint=_AGAIN)
    return Answers(path, study.name, first["reader"], first["group"], tuple(rows))


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        head, *lines = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {error}", hint="Give files that a reading page saved.") from None
    if tuple(head) != COLUMNS:
        raise InputError(
            f"{path} is no file of answers: its first line is not {','.join(COLUMNS)}",
            hint="Give files that a reading page saved, and nothing else.",
        )
    for number, cells in enumerate(lines, start=2):
        if len(cells) != len(COLUMNS):
            raise InputError(f"{path} is damaged: line {number} has {len(cells)} of {len(COLUMNS)} values", hint=_AGAIN)
        if cells[-1] != checksum(",".join(cells[:-1])):
            raise InputError(f"{path} is damaged: line {number} is not as it was written", hint=_AGAIN)
    if not lines:
        raise InputError(f"{path} has no answers", hint="Leave it out, or ask the reader to read some images.")
    return [dict(zip(COLUMNS, cells, strict=True)) for cells in lines]


def checksum(text: str) -> str:
    """Return the FNV-1a hash that the page puts at the end of a line, against accidents."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return f"c{value:08x}"


def _row_problems(line: int, row: Row, first: Row) -> list[str]:
    """Compare what all lines of a file have in common, and look at its values."""
    found = [
        f"line {line}: {name} {row[name]!r} is not {first[name]!r} as in line 2"
        for name in ("study", "task", "reader", "group", "rows")
        if row[name] != first[name]
    ]
    if row["decision"] not in ("0", "1"):
        found.append(f"line {line}: decision {row['decision']!r} is neither 0 nor 1")
    if not row["confidence"].isdecimal() or int(row["confidence"]) > 100:
        found.append(f"line {line}: confidence {row['confidence']!r} is no number from 0 to 100")
    if not row["seconds"].replace(".", "", 1).isdecimal():
        found.append(f"line {line}: seconds {row['seconds']!r} is no number")
    return found


def _order_problems(rows: Sequence[Row], study: ReadingStudy) -> list[str]:
    """Compare the images with the order in which the reader saw them."""
    reader, group = rows[0]["reader"], rows[0]["group"]
    if reader not in study.orders:
        return [f"reader {reader!r} is none of the study's, which are {some(list(study.orders))}"]
    if rows[0]["task"] != study.task:
        return [f"task {rows[0]['task']!r} is not the study's, {study.task!r}"]
    if group and group not in study.groups:
        return [f"group {group!r} is none of the study's, which are {some(list(study.groups)) or 'none'}"]
    found = [
        f"line {line}: unknown pseudonym {row['image']!r}"
        for line, row in enumerate(rows, start=2)
        if row["image"] not in study.names
    ]
    if rows[0]["rows"] != str(len(rows)):
        found.append(f"{rows[0]['rows']} answers were saved, {len(rows)} are in it")
    if not found and [row["image"] for row in rows] != list(study.orders[reader])[: len(rows)]:
        found.append(f"the images are not in the order in which {reader} saw them")
    return found
