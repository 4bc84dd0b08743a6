"""From files of answers to the table that the evaluator ``readers`` takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medsynth.base.errors import InputError
from medsynth.base.files import csv_text, write_text
from medsynth.readers.answers import Answers, read_answers
from medsynth.readers.keyed_study import ReadingStudy, read_key
from medsynth.readers.reading_page import KEY_ENDING

COLUMNS = ("reader", "group", "task", "case", "decision", "confidence", "repeat", "seconds", "pixels")


@dataclass(frozen=True)
class Merged:
    """What was merged.

    Args:
        rows: of the table.
        progress: by reader the number of images read, of how many.
    """

    rows: int
    progress: Mapping[str, tuple[int, int]]


def merge_answers(files: Sequence[Path], keys: Sequence[Path], out: Path) -> Merged:
    """Resolve the pseudonyms of all files and write one table.

    Args:
        files: that reading pages saved, one per reader and study.
        keys: of their studies.
        out: the table.

    Raises:
        InputError: a file or key cannot be used, or a reader comes twice; nothing is written.
        RunError: the table cannot be written.
    """
    if out.resolve() in {path.resolve() for path in (*files, *keys)}:
        raise InputError(f"--out {out} is one of the files to read", hint="Choose another name for the table.")
    studies = {study.name: study for study in map(read_key, keys)}
    everybody = [read_answers(path, studies) for path in files]
    _refuse_twice(everybody)
    several = len({answers.study for answers in everybody}) > 1
    rows, progress = [], {}
    for answers in sorted(everybody, key=lambda one: (one.study, one.reader)):
        study = studies[answers.study]
        rows += _resolved(answers, study)
        called = f"{answers.reader} ({study.task})" if several else answers.reader
        progress[called] = len(answers.rows), len(study.orders[answers.reader])
    write_text(out, csv_text([COLUMNS, *rows]))
    return Merged(len(rows), progress)


def keys_near(files: Sequence[Path]) -> list[Path]:
    """Return the keys of reading pages in the working directory and beside the files.

    Raises:
        InputError: there is none.
    """
    folders = dict.fromkeys([Path(), *(path.parent for path in files)])
    found = {path.resolve(): path for folder in folders for path in sorted(folder.glob(f"*{KEY_ENDING}"))}
    if not found:
        raise InputError(
            f"no key of a reading page (*{KEY_ENDING}) lies here or beside the answers",
            hint="Give with --key the file that `medsynth readers make` wrote beside the page.",
        )
    return list(found.values())


def _refuse_twice(everybody: Sequence[Answers]) -> None:
    first: dict[tuple[str, str], Path] = {}
    for answers in everybody:
        before = first.setdefault((answers.study, answers.reader), answers.path)
        if before is not answers.path:
            raise InputError(
                f"{before} and {answers.path} are both of reader {answers.reader}",
                hint="Give only the last file that a reader saved. If two people took the same number, one has to "
                "read again under another.",
            )


def _resolved(answers: Answers, study: ReadingStudy) -> list[list[str]]:
    seen: Counter[str] = Counter()
    rows = []
    for row in answers.rows:
        name = study.names[row["image"]]
        said = (row["decision"], row["confidence"], str(seen[name]), row["seconds"])
        rows.append([answers.reader, answers.group, study.task, name, *said, study.cases[name]])
        seen[name] += 1
    return rows
