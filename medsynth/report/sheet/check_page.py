"""Fills the template of a check and writes it as one self-contained file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from medsynth.base.files import write_text
from medsynth.data.check import ASSUMED, LEFT_OUT, Checked, check_closely
from medsynth.data.checking import wording
from medsynth.data.config import DataConfig
from medsynth.data.pseudonyms import IMAGE, KEY, Pseudonyms
from medsynth.report.sheet.gathering import DomainSheet, Gathered, Thumbnail
from medsynth.report.writer import page_environment

DATA = "DATA"
"""What stands for the path of the data where names are hidden."""


def check_and_write(config: DataConfig, seed: int, path: Path, sets: Sequence[str] = ()) -> Checked:
    """Check images and write what was found as a page.

    Files, patients and centers have pseudonyms on it, unless ``show_names`` is set or the data are the phantom; what
    they stand for is then written beside it, see `key_beside`.

    Args:
        config: where images come from and how they are read.
        seed: of drawn splits.
        path: of the page.
        sets: what was given as ``--set``, for the next command.

    Raises:
        RunError: it cannot be written.
    """
    gathered = Gathered()
    checked = check_closely(config, seed, gathered.see)
    names = _names(config, checked)
    write_text(path, _page(config, checked, gathered, names, sets=sets))
    names.write_key(key_beside(path))
    return checked


def key_beside(path: Path) -> Path:
    """Return where the key to the pseudonyms of a page lies."""
    return path.with_name(f"{path.stem}-{KEY}")


def _names(config: DataConfig, checked: Checked) -> Pseudonyms:
    places = [config.path, str(Path(config.path).absolute()), str(checked.root), config.source, config.series]
    # a resolved path may stand in a message, too
    places += [str(Path(place).resolve()) for place in (config.path, checked.root)]
    shown = config.show_names or config.path == "phantom"
    return Pseudonyms.of(checked.records, shown=shown, places=places)


def _page(config: DataConfig, checked: Checked, gathered: Gathered, names: Pseudonyms, *, sets: Sequence[str]) -> str:
    findings, shown = checked.findings, names.shown
    tone, sentence = wording.summary(findings)
    head, rows = wording.count_table(findings)
    rows = [[f"{domain}, {label}", *cells] for domain, label, *cells in rows]
    values: dict[str, Any] = {
        "tone": tone,
        "sentence": sentence,
        "title": f"Check of {config.path}" if shown else "Check of images",
        "shown": shown,
        "errors": _errors(checked, names),
        "warnings": [names.hide(text) for text in wording.without_left_out(findings.warnings)],
        "head": ["images", *head[2:]],
        "rows": rows,
        "centers": [(f"{d}, {names.alias('center', c)}", s, n) for d, c, s, n in wording.center_rows(findings)],
        "files": wording.file_sentences(findings),
        "assumed": {names.hide(note): n for note, n in findings.counts.get(ASSUMED, {}).items()},
        "left_out": {names.hide(reason): n for reason, n in findings.counts.get(LEFT_OUT, {}).items()},
        "sheets": [_named(sheet, names) for sheet in gathered.sheets],
        "split_hash": findings.split_hash,
        "next": wording.next_command(findings, config.path if shown else DATA, [names.hide(one) for one in sets]),
    }
    return page_environment().get_template("check.html").render(**values)


def _errors(checked: Checked, names: Pseudonyms) -> list[str]:
    """Return what is wrong; where names are hidden, problems that may name files outside the table are counted."""
    if names.shown:
        return list(checked.findings.errors)
    hidden = len(checked.of_table)
    told = [names.hide(text) for text in checked.findings.errors[hidden:]]
    if hidden:
        noun = "1 problem" if hidden == 1 else f"{hidden} problems"
        told.insert(0, f"{noun} with the table or its folders; medsynth data check lists them with their names")
    return told


def _named(sheet: DomainSheet, names: Pseudonyms) -> dict[str, Any]:
    """Return a sheet with what its images are called."""

    def shown(one: Thumbnail) -> dict[str, str]:
        name = names.alias(IMAGE, one.record.name)
        return {"name": name, "address": one.address, "note": one.note, "alt": f"{sheet.domain} image {name}"}

    return {
        "domain": sheet.domain,
        "groups": [(name, count, [shown(one) for one in some]) for name, count, some in sheet.groups],
        "unusual": [shown(one) for one in sheet.unusual],
        "pairs": [(shown(one), shown(other), text) for one, other, text in sheet.pairs],
        "more_pairs": sheet.more_pairs,
        "histogram": Markup(sheet.histogram),
    }
