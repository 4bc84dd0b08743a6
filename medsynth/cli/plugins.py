"""``medsynth plugins``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from medsynth.cli.common.completion import complete_any_plugin
from medsynth.cli.common.shared import Json, Set, errors, friendly, output, say, say_json

if TYPE_CHECKING:
    from medsynth.plugins import FoundPlugin, Registry

app = typer.Typer(help="List plugins; show, check or start one.", invoke_without_command=True, rich_markup_mode=None)


@app.callback()
@friendly
def plugins_command(
    context: typer.Context,
    as_json: Json = False,
) -> None:
    """List the plugins of this environment; those of other distributions are tried in a child process."""
    if context.invoked_subcommand:
        return
    from medsynth.plugins import Registry, probe

    found = probe(Registry().found)
    if as_json:
        say_json({"plugins": [vars(record) for record in found]})
        return
    table = Table(box=None, pad_edge=False)
    for column in ("kind", "name", "distribution", "version", "status"):
        table.add_column(column, no_wrap=True)
    for record in found:
        table.add_row(record.kind, record.name, record.distribution, record.version, record.status)
    output.print(table)
    for record in found:
        if record.status != "ready":
            named = f"{record.kind} '{record.name}' from {record.distribution} {record.version}"
            say(f"{named} is {record.status}: {record.cause}. {record.hint}", console=errors)


@app.command("show")
@friendly
def show_command(
    name: Annotated[str, typer.Argument(help="Plugin name.", autocompletion=complete_any_plugin)],
    wish: Annotated[
        str,
        typer.Option(
            "--match",
            metavar="COST=VALUE,...",
            help="Find the options that give a wished cost: macs, params, thop; for example macs=0.29G,params=400K.",
        ),
    ] = "",
    size: Annotated[int, typer.Option(help="With --match: height and width of the image in pixels.", min=16)] = 320,
    channels: Annotated[int, typer.Option(help="With --match: channels of the image.", min=1)] = 1,
    sets: Set = None,
    as_json: Json = False,
) -> None:
    """Show a plugin: what it is, its fields with type, default, range and help, its presets."""
    from medsynth.base.configuration import setting_text
    from medsynth.plugins import Registry

    registry = Registry()
    if wish:
        _match(registry, name, wish, size=size, channels=channels, sets=sets or [], as_json=as_json)
        return
    specs = [
        (record, registry.load(record.kind, name)) for record in registry.by_name(name) if record.kind != "observer"
    ]
    if as_json:
        say_json({"plugins": [_spec_dict(*pair) for pair in specs]})
        return
    for record, spec in specs:
        say(f"{record.kind} {spec.name} ({record.distribution} {record.version}, {spec.licence})")
        output.print(f"{spec.summary}\n{spec.reference}\n".rstrip(), markup=False, highlight=False)
        table = Table(box=None, pad_edge=False)
        table.add_column("field", no_wrap=True)
        for column in ("value", "default", "help"):
            table.add_column(column, overflow="fold")
        for row in _spec_dict(record, spec)["fields"]:
            words = (_value(row), setting_text(row["default"]), row["help"])
            table.add_row(row["name"], *map(Text, words))  # brackets are no markup
        output.print(table, highlight=False)
        for preset, values in spec.presets.items():
            shown = ", ".join(f"{key}={setting_text(value)}" for key, value in values.items()) or "defaults"
            say(f"preset {preset}: {shown}")


def _value(field: dict[str, Any]) -> str:
    """Return what a field takes: its choices, or its type with the range."""
    allowed = str(field["range"])
    return allowed.replace(", ", " or ") if allowed[:1].isalpha() else f"{field['type']} {allowed}".strip()


@app.command("new")
@friendly
def new_command(
    kind: Annotated[str, typer.Argument(help="generator, classifier, evaluator or extractor.")],
    name: Annotated[str, typer.Argument(help="Name of the plugin: lower-case words with hyphens.")],
    out: Annotated[Path | None, typer.Option(help="New folder; medsynth-NAME by default.")] = None,
) -> None:
    """Write an installable distribution with a plugin that works, to be changed into your own."""
    from medsynth.scaffold.writing import write_distribution

    folder = out or Path(f"medsynth-{name}")
    for file in write_distribution(kind, name, folder):
        typer.echo(folder / file)
    say(f"next: pip install -e {folder} && medsynth plugins check {name}", console=errors)


@app.command("check")
@friendly
def check_command(
    name: Annotated[str, typer.Argument(help="Plugin name.", autocompletion=complete_any_plugin)],
    sets: Set = None,
    as_json: Json = False,
) -> None:
    """Check a plugin against its contract, with the options of its quick preset; exit code 1 if it is broken."""
    from medsynth.plan.plan import parse_overrides
    from medsynth.plugins import KINDS, Registry

    registry, given = Registry(), parse_overrides(sets or [])
    records = [record for record in registry.by_name(name) if record.kind in KINDS]
    from medsynth.testing.contract_run import clauses

    found = []
    for record in records:
        spec = registry.load(record.kind, name)
        if not as_json:
            say(f"{record.kind} {name} ({record.distribution} {record.version})")
        section = f"evaluators.{name}" if record.kind == "evaluator" else record.kind
        for clause in clauses(spec, record.kind, given.get(section, {})):
            found.append({"kind": record.kind, **vars(clause)})
            if not as_json:
                say(f"broken  {clause.sentence}: {clause.fault}" if clause.fault else f"kept    {clause.sentence}")
    if as_json:
        say_json({"plugin": name, "clauses": found})
    if any(clause["fault"] for clause in found):
        raise typer.Exit(1)


def _match(
    registry: Registry, name: str, wish: str, *, size: int, channels: int, sets: list[str], as_json: bool
) -> None:
    """Print the options whose network comes nearest to a wished cost, as they are given to ``medsynth run``."""
    from medsynth.plan.plan import parse_overrides
    from medsynth.plan.wishes import parse_wish

    # Refused before torch is imported.
    registry.by_name(name), parse_wish(wish), parse_overrides(sets)
    from medsynth.plan.matching import find_match

    kind, match = find_match(registry, name, wish, size=size, channels=channels, overrides=sets)
    if as_json:
        shown = {"values": match.values, "costs": match.costs, "wish": match.wish, "deviations": match.deviations}
        say_json({"plugin": name, "kind": kind, "size": size, **shown})
        return
    options = " ".join(f"--set {kind}.{field}={value}" for field, value in match.values.items())
    typer.echo(options)
    for cost, reached in match.costs.items():
        typer.echo(f"{cost} {reached:,} ({match.deviations[cost]:+.1%} of the wished {match.wish[cost]:,.0f})")


def _spec_dict(record: FoundPlugin, spec: Any) -> dict[str, Any]:
    from medsynth.base.configuration import describe

    return {
        "kind": record.kind,
        "name": spec.name,
        "summary": spec.summary,
        "reference": spec.reference,
        "licence": spec.licence,
        "api": spec.api,
        "distribution": record.distribution,
        "version": record.version,
        "fields": [vars(field) for field in describe(spec.config)],
        "presets": {name: dict(values) for name, values in spec.presets.items()},
    }
