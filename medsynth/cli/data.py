"""``medsynth data``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from medsynth.base.errors import InputError
from medsynth.cli.common.shared import DataPath, Json, Set, friendly, output
from medsynth.cli.importing import import_command

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
def check_command(data: DataPath = "phantom", sets: Set = None, as_json: Json = False) -> None:
    """Report everything found in a data set: counts, sizes, faults, duplicates, identifying tags."""
    from medsynth.data.check import check_data

    config = _data_config(data, sets)
    findings = check_data(config, config.seed)
    if as_json:
        typer.echo(json.dumps(findings.as_dict(), indent=2))
    else:
        _show_findings(findings.as_dict())
    if findings.errors:
        raise typer.Exit(2)


def _show_findings(findings: dict[str, Any]) -> None:
    for name, value in findings.items():
        if name in ("errors", "warnings"):
            output.print(f"{name}: {len(value)}", highlight=False)
            for line in value:
                output.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
        elif isinstance(value, dict):
            output.print(name, highlight=False)
            for key, item in value.items():
                output.print(f"  {key}: {_line(item)}", markup=False, highlight=False, soft_wrap=True)
        else:
            output.print(f"{name}: {value}", markup=False, highlight=False, soft_wrap=True)


def _line(item: Any) -> str:
    """Return counts as ``name (count), name (count)``, facts as ``name: fact; name: fact``."""
    if not isinstance(item, dict):
        return str(item)
    if all(isinstance(value, int) for value in item.values()):
        return ", ".join(f"{name} ({count})" for name, count in item.items()) or "none"
    return "; ".join(f"{name}: {value}" for name, value in item.items())


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
    if as_json:
        typer.echo(json.dumps({"schema": 1, **summary}, indent=2))
        return
    output.print(f"{out}\nsplit hash {summary['hash']}", highlight=False, soft_wrap=True)
    for key, count in summary["counts"].items():
        output.print(f"  {key}: {count}", highlight=False)
    for warning in summary["warnings"]:
        output.print(f"warning: {warning['text']}", markup=False, highlight=False, soft_wrap=True)
