"""The medsynth command. Nothing heavy is imported at module level, so that help and listings answer at once."""

from __future__ import annotations

import io
import sys
from inspect import getdoc
from typing import Annotated

import typer

from medsynth.base.version import __version__
from medsynth.cli import data, plugins, readers
from medsynth.cli.bundle import app as bundle
from medsynth.cli.compare import compare_command
from medsynth.cli.evaluate import evaluate_command
from medsynth.cli.export import export_command
from medsynth.cli.predict import predict_command
from medsynth.cli.run import run_command
from medsynth.cli.study import study_command
from medsynth.cli.synthesize import synthesize_command

app = typer.Typer(
    name="medsynth",
    help="Translate unpaired medical images, train a screening classifier with them, evaluate both, make a bundle.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run_command)
app.command("study")(study_command)
app.command("compare")(compare_command)
app.command("synthesize")(synthesize_command)
app.command("export")(export_command)
app.command("predict")(predict_command)
app.command("evaluate")(evaluate_command)
app.add_typer(bundle.app, name="bundle")
app.add_typer(plugins.app, name="plugins")
app.add_typer(data.app, name="data")
app.add_typer(readers.app, name="readers")


def _whole_summaries(commands: typer.Typer) -> None:
    """Let ``--help`` list the whole first sentence of each command, which would be cut after a line otherwise."""
    for command in commands.registered_commands:
        command.short_help = (getdoc(command.callback) or "").partition("\n\n")[0].replace("\n", " ")
    for group in commands.registered_groups:
        assert group.typer_instance is not None
        group.short_help = group.typer_instance.info.help
        _whole_summaries(group.typer_instance)


_whole_summaries(app)


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


def main() -> None:
    """Entry point of the command. What a console cannot show is escaped, so that names stay whole."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()
