"""The medsynth command. Nothing heavy is imported at module level, so that help and listings answer at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from medsynth import __version__
from medsynth.errors import InputError, MedsynthError

if TYPE_CHECKING:
    from medsynth.api import Result, Score
    from medsynth.plan import Plan
    from medsynth.plugins import Found, Registry

F = TypeVar("F", bound=Callable[..., Any])

app = typer.Typer(
    name="medsynth",
    help="Translate unpaired medical images, train a screening classifier with them, evaluate both, make a bundle.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
plugins_app = typer.Typer(help="List plugins, or show one.", invoke_without_command=True, rich_markup_mode=None)
data_app = typer.Typer(help="Check and split images before a run.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(plugins_app, name="plugins")
app.add_typer(data_app, name="data")

errors = Console(stderr=True)
output = Console()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"medsynth {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Translate unpaired medical images, train a screening classifier with them, evaluate both, make a bundle."""


def friendly(command: F) -> F:
    """Turn medsynth's own errors into one message and the right exit code."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except MedsynthError as error:
            errors.print(f"error: {error.message}", markup=False, highlight=False, soft_wrap=True)
            if error.hint:
                errors.print(error.hint, markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            errors.print("stopped at once; continue with --resume")
            raise typer.Exit(130) from None

    return wrapped  # type: ignore[return-value]


def _complete(kind: str) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        from medsynth.plugins import Registry

        return [name for name in Registry().names(kind) if name.startswith(incomplete)]

    return complete


def _complete_preset(incomplete: str) -> list[str]:
    from medsynth.plan import presets

    return [name for name in presets() if name.startswith(incomplete)]


Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KIND.FIELD=VALUE", help="Change one value of the plan; repeat for more."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
DataPath = Annotated[str, typer.Option("--data", help="Manifest, folder of images, or 'phantom'.", show_default=True)]


@app.command("run")
@friendly
def run_command(
    generator: Annotated[
        str, typer.Option(help="Generator plugin.", autocompletion=_complete("generator"))
    ] = "sg-cyclegan",
    classifier: Annotated[
        str, typer.Option(help="Classifier plugin.", autocompletion=_complete("classifier"))
    ] = "lsnet",
    data: DataPath = "phantom",
    evaluators: Annotated[
        str, typer.Option(help="Evaluator plugins, separated by commas.")
    ] = "image-quality,diagnostic,efficiency",
    preset: Annotated[
        str,
        typer.Option(
            help="quick, standard or paper; default: quick without a GPU, else standard.",
            autocompletion=_complete_preset,
        ),
    ] = "",
    seeds: Annotated[str, typer.Option(help="Training seeds, separated by commas.")] = "42",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    sets: Set = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the run; default: runs/DATA/GENERATOR--CLASSIFIER/NUMBER.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a run of the same plan.")] = False,
    as_json: Json = False,
) -> None:
    """Do all of it: data, generator, synthesis, classifier, evaluation, bundle, report."""
    from medsynth.plan import make_plan, presets
    from medsynth.plugins import Registry
    from medsynth.progress import watch
    from medsynth.runs import choose_folder

    registry = Registry()
    names = {
        "generator": generator,
        "classifier": classifier,
        "evaluators": [name.strip() for name in evaluators.split(",") if name.strip()],
        "seeds": _seeds(seeds),
        "data": data,
        "overrides": sets or (),
    }
    # Names and values are checked before torch is imported, so that a typing error is answered at once.
    make_plan(registry, preset=preset or presets()[0], device=device, **names)  # type: ignore[arg-type]
    from medsynth.devices import resolve_device

    device = resolve_device(device)
    plan = make_plan(
        registry,
        preset=preset or ("quick" if device == "cpu" else "standard"),
        device=device,
        **names,  # type: ignore[arg-type]
    )
    folder = choose_folder(plan, out, resume=resume)
    _show(_carry_out(plan, registry, folder, watch(errors)), folder, as_json)


def _carry_out(plan: Plan, registry: Registry, folder: Path, shown: Any) -> Result:
    from medsynth.engine import run
    from medsynth.preflight import check_plan
    from medsynth.stopping import stop_on_signals

    shown.say(
        f"{plan.generator} + {plan.classifier} on {plan.data.path}, preset {plan.preset}, {plan.device} -> {folder}"
    )
    check_plan(plan, registry, folder)
    with stop_on_signals() as stop:
        return run(plan, registry, folder, watch=shown, stop=stop)


def _seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise InputError(
            f"--seeds {text!r} is not a list of whole numbers", hint="Write for example 42,142,242."
        ) from None


def _show(result: Result, folder: Path, as_json: bool) -> None:
    if as_json:
        content = json.loads((folder / "scores.json").read_text())
        typer.echo(
            json.dumps({**content, "folder": str(folder), "report": result.report, "bundle": result.bundle}, indent=2)
        )
        return
    table = Table(title=None, box=None, pad_edge=False, show_edge=False)
    for column in ("evaluator", "score", "subject", "value", "95 % interval", "n"):
        table.add_column(column, justify="right" if column in ("value", "n") else "left")
    for score in result.scores:
        if score.name in ("kid", "fid", "roc_auc", "sensitivity", "specificity"):
            table.add_row(*_row(score))
    output.print(table)
    output.print(f"report  {result.report}\nbundle  {result.bundle}", highlight=False, soft_wrap=True)


def _row(score: Score) -> tuple[str, ...]:
    interval = f"{score.low:.4f} to {score.high:.4f}" if score.low is not None and score.high is not None else ""
    return score.evaluator, score.name, score.subject, f"{score.value:.4f}", interval, str(score.n or "")


# ---------------------------------------------------------------- plugins


@plugins_app.callback()
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
        typer.echo(json.dumps({"schema": 1, "plugins": [vars(record) for record in found]}, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("kind", "name", "distribution", "version", "status"):
        table.add_column(column, no_wrap=True)
    for record in found:
        table.add_row(record.kind, record.name, record.distribution, record.version, record.status)
    output.print(table)
    for record in found:
        if record.status != "ready":
            errors.print(_complaint(record), markup=False, highlight=False, soft_wrap=True)


def _complaint(record: Found) -> str:
    return (
        f"{record.kind} '{record.name}' from {record.distribution} {record.version} is {record.status}: "
        f"{record.cause}. {record.hint}"
    )


@plugins_app.command("show")
@friendly
def show_command(
    name: Annotated[str, typer.Argument(help="Plugin name.")],
    as_json: Json = False,
) -> None:
    """Show a plugin: what it is, its fields with type, default, range and help, its presets."""
    from medsynth.plugins import Registry

    registry = Registry()
    specs = [
        (record, registry.load(record.kind, name)) for record in registry.by_name(name) if record.kind != "observer"
    ]
    if as_json:
        typer.echo(json.dumps({"schema": 1, "plugins": [_spec_dict(*pair) for pair in specs]}, indent=2))
        return
    for record, spec in specs:
        output.print(
            f"{record.kind} {spec.name} ({record.distribution} {record.version}, {spec.licence})", highlight=False
        )
        output.print(f"{spec.summary}\n{spec.reference}\n".rstrip(), markup=False, highlight=False)
        table = Table(box=None, pad_edge=False)
        for column in ("field", "type", "default", "range", "help"):
            table.add_column(column, overflow="fold")
        for row in _spec_dict(record, spec)["fields"]:
            table.add_row(*(str(row[key]) for key in ("name", "type", "default", "range", "help")))
        output.print(table)
        for preset, values in spec.presets.items():
            shown = ", ".join(f"{key}={value}" for key, value in values.items()) or "defaults"
            output.print(f"preset {preset}: {shown}", markup=False, highlight=False, soft_wrap=True)


def _spec_dict(record: Found, spec: Any) -> dict[str, Any]:
    from medsynth.config import describe

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


# ---------------------------------------------------------------- data


def _data_config(data: str, sets: list[str] | None) -> Any:
    from medsynth.config import resolve
    from medsynth.data.config import DataConfig
    from medsynth.plan import parse_overrides

    given = parse_overrides(sets or ())
    foreign = [section for section in given if section != "data"]
    if foreign:
        raise InputError(f"--set {foreign[0]}.… has no effect here", hint="This command takes data.FIELD=VALUE only.")
    return resolve(DataConfig, [{"path": data}, given.get("data", {})], where="data")


@data_app.command("check")
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
                output.print(f"  {key}: {item}", markup=False, highlight=False, soft_wrap=True)
        else:
            output.print(f"{name}: {value}", markup=False, highlight=False, soft_wrap=True)


@data_app.command("split")
@friendly
def split_command(
    out: Annotated[Path, typer.Option(help="Manifest to write, with the split column filled.")],
    data: DataPath = "phantom",
    sets: Set = None,
    as_json: Json = False,
) -> None:
    """Draw patient-level splits and write them as a manifest."""
    from medsynth.data import write_split

    config = _data_config(data, sets)
    summary = write_split(config, out, seed=config.seed)
    if as_json:
        typer.echo(json.dumps({"schema": 1, **summary}, indent=2))
        return
    output.print(f"{out}\nsplit hash {summary['hash']}", highlight=False, soft_wrap=True)
    for key, count in summary["counts"].items():
        output.print(f"  {key}: {count}", highlight=False)


def main() -> None:
    """Entry point of the command."""
    app()


if __name__ == "__main__":
    main()
