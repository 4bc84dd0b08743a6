"""``medsynth data``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsynth.base.errors import InputError
from medsynth.cli.common.shared import DataPath, Json, Set, answer, friendly, left_out_shown, print_table, say, say_json
from medsynth.cli.importing import import_command

if TYPE_CHECKING:
    from medsynth.data.check import Findings

app = typer.Typer(help="Import, check and split images before a run.", no_args_is_help=True, rich_markup_mode=None)
app.command("import")(import_command)


def _data_config(data: str, sets: list[str] | None) -> Any:
    from medsynth.base.configuration import resolve
    from medsynth.data.config import DataConfig
    from medsynth.plan.plan import parse_overrides

    given = parse_overrides(sets or ())
    foreign = [section for section in given if section != "data"]
    if foreign:
        raise InputError(f"--set {foreign[0]}.… has no effect here", hint="This command takes data.FIELD=VALUE only.")
    return resolve(DataConfig, [{"path": data}, given.get("data", {})], where="data")


@app.command("check")
@friendly
def check_command(
    data: DataPath = "phantom",
    sets: Set = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with a contact sheet, too.", show_default=False)
    ] = None,
    show_names: Annotated[
        bool, typer.Option("--show-names", help="Call files, patients and centers by name on the page.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Report everything found in a data set: counts, sizes, faults, duplicates, identifying tags."""
    from medsynth.data.check import check_data

    config = _data_config(data, [*(sets or ()), *(["data.show_names=true"] if show_names else [])])
    if html is not None and html.is_dir():
        raise InputError(f"--html {html} is a folder", hint=f"Name a file, e.g. {html / 'check.html'}.")
    if html is not None:
        from medsynth.report.sheet.check_page import check_and_write

        findings = check_and_write(config, config.seed, html, sets or ()).findings
    else:
        findings = check_data(config, config.seed)
    if as_json:
        say_json(findings.as_dict())
    else:
        _show_findings(findings, data, sets or (), html)
    if findings.errors:
        raise typer.Exit(2)


def _show_findings(findings: Findings, data: str, sets: Sequence[str], html: Path | None) -> None:
    from medsynth.data.check import ASSUMED, LEFT_OUT
    from medsynth.data.checking import wording

    say(wording.summary(findings)[1], "")
    head, rows = wording.count_table(findings)
    if rows:
        print_table(head, rows)
        say("")
    if centers := wording.center_rows(findings):
        print_table(("domain", "center", "split", "images"), ([*names, f"{count:,}"] for *names, count in centers))
        say("")
    say(*(f"{domain}: {text}." for domain, text in wording.file_sentences(findings)))
    counts = findings.counts
    say(*(f"Assumed of {count:,} files: {note}." for note, count in counts.get(ASSUMED, {}).items()))
    say(*(f"{line[:1].upper()}{line[1:]}." for line in left_out_shown(counts.get(LEFT_OUT, {}))))
    for title, texts in (("Problems that a run would refuse", findings.errors), ("Worth a look", findings.warnings)):
        if texts:
            say("", f"{title}:", *(f"  - {text}" for text in texts))
    say("", *([f"splits   {findings.split_hash}"] if findings.split_hash else []))
    if html:
        say(f"page     {html}")
        from medsynth.report.sheet.check_page import key_beside

        if key_beside(html).is_file():
            say(f"key      {key_beside(html)}, which says what its pseudonyms stand for: keep it")
    again = " (once that is mended)" if findings.errors else ""
    say(f"next     {wording.next_command(findings, data, sets)}{again}")


@app.command("split")
@friendly
def split_command(
    out: Annotated[Path, typer.Option(help="Manifest to write, with the split column filled.")],
    data: DataPath = "phantom",
    sets: Set = None,
    as_json: Json = False,
) -> None:
    """Draw patient-level splits and write them as a manifest."""
    from medsynth.data.preparing import write_split

    config = _data_config(data, sets)
    summary = write_split(config, out, seed=config.seed)
    counts = [f"  {key}: {count}" for key, count in summary["counts"].items()]
    warned = [f"warning: {warning['text']}" for warning in summary["warnings"]]
    answer(as_json, summary, str(out), f"split hash {summary['hash']}", *counts, *warned)
