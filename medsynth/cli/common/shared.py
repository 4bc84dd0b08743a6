"""What all commands share: consoles, common options, errors turned into one message and an exit code."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Column, Table

from medsynth.base.errors import InputError, MedsynthError
from medsynth.base.files import explained
from medsynth.cli.common.completion import complete_setting

if TYPE_CHECKING:
    from medsynth.base.progress import Watch
    from medsynth.base.stopping import Stop

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_WRITTEN = ("out", "data", "heatmaps")
"""Parameters of commands that name files or folders and end up in files that medsynth writes."""

errors = Console(stderr=True)
output = Console()
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KIND.FIELD=VALUE",
        help="Change one value of the plan; repeat for more.",
        autocompletion=complete_setting,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
DataPath = Annotated[str, typer.Option("--data", help="Manifest, folder of images, or 'phantom'.", show_default=True)]
BUNDLE_OR_RUN = "Bundle, as a folder or zip file, or the folder of the run that wrote it."


def _bundle_at(path: Path | None) -> Path | None:
    from medsynth.bundle.format.manifest import bundle_at

    return None if path is None else bundle_at(path)


def bundle_argument(metavar: str, help: str) -> Any:
    """Declare an argument that names a bundle, or a run for the bundle in it."""
    return typer.Argument(metavar=metavar, help=help, callback=_bundle_at, show_default=False)


BundlePath = Annotated[Path, bundle_argument("BUNDLE", "Bundle or run: folder or zip file.")]


def check_choice(option: str, value: str, choices: Iterable[str]) -> None:
    """Refuse a value that is not one of `choices`; an empty choice means that nothing was given.

    Raises:
        InputError: naming the option and the choices.
    """
    if value not in choices:
        raise InputError(f"{option} {value!r} is unknown", hint=f"Choose one of {', '.join(filter(None, choices))}.")


def left_out_shown(reasons: Mapping[str, int]) -> list[str]:
    """Return a line that says how many files and folders were not read, and why; none if there are none."""
    if not reasons:
        return []
    listed = ", ".join(f"{reason} ({count})" for reason, count in reasons.items())
    return [f"left out {sum(reasons.values())}: {listed}"]


def carried_out(carry_out: Callable[[Watch, Stop], T], *, told: str = "", hint: str = "") -> T:
    """Do what is asked with progress on standard error, until it ends or somebody stops it.

    Args:
        carry_out: the work.
        told: what is said where it was stopped and nothing is left, and `hint` what to do then; empty: that
            everything up to there is saved, and to resume.
        hint: see `told`.
    """
    from medsynth.base.progress import watch
    from medsynth.base.stopping import Stop, stop_on_signals

    with stop_on_signals(Stop(told, hint=hint) if told else None) as stop:
        return carry_out(watch(errors), stop)


def say(*lines: str, console: Console = output) -> None:
    """Print lines of text that others wrote; nothing in them is markup, and the terminal alone breaks them."""
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def say_json(content: Mapping[str, Any]) -> None:
    """Print what ``--json`` asks for."""
    typer.echo(json.dumps({"schema": 1, **content}, indent=2))


def answer(as_json: bool, content: Mapping[str, Any], *lines: str) -> None:
    """Print what a command found, as JSON or as lines."""
    say_json(content) if as_json else say(*lines)


def print_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print a table of text that others wrote; nothing in it is markup, and nothing is cut off."""
    table = Table(*(Column(name, overflow="fold") for name in head), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    output.print(table, markup=False, highlight=False)


def friendly(command: F) -> F:
    """Turn medsynth's own errors into one message and the right exit code."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            _refuse_unreadable_names(kwargs)
            return command(*args, **kwargs)
        except MedsynthError as error:
            raise _told(error) from None
        except BrokenPipeError:  # who read the output went away, which is no fault
            raise
        except OSError as error:
            raise _told(explained(error)) from None
        except KeyboardInterrupt:
            errors.print("stopped at once; continue with --resume")
            raise typer.Exit(130) from None

    return wrapped  # type: ignore[return-value]


def _refuse_unreadable_names(given: Mapping[str, Any]) -> None:
    """Refuse names that cannot be written into the JSON, TOML and HTML files of what the command makes."""
    for option in _WRITTEN:
        name = os.fsencode(given.get(option) or "")
        if name.decode(errors="replace").encode() != name:
            raise InputError(f"--{option} {name!r} is not UTF-8", hint="Give or make a folder with another name.")


def _told(error: MedsynthError) -> typer.Exit:
    """Print an error and return what ends the command."""
    # Processes started by torchrun refuse the same input alike: one of them says so.
    if error.exit_code != 2 or os.environ.get("RANK", "0") == "0":
        say(*filter(None, (f"error: {error.message}", error.hint)), console=errors)
    return typer.Exit(error.exit_code)
