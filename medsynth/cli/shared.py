"""What all commands share: consoles, common options, errors turned into one message and an exit code."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Column, Table

from medsynth.errors import InputError, MedsynthError

F = TypeVar("F", bound=Callable[..., Any])

errors = Console(stderr=True)
output = Console()


Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KIND.FIELD=VALUE", help="Change one value of the plan; repeat for more."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
DataPath = Annotated[str, typer.Option("--data", help="Manifest, folder of images, or 'phantom'.", show_default=True)]


BUNDLE_OR_RUN = "Bundle, as a folder or zip file, or the folder of the run that wrote it."


def _bundle_at(path: Path | None) -> Path | None:
    from medsynth.bundle.manifest import bundle_at

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
            return command(*args, **kwargs)
        except MedsynthError as error:
            # Processes started by torchrun refuse the same input alike: one of them says so.
            if error.exit_code == 2 and os.environ.get("RANK", "0") != "0":
                raise typer.Exit(2) from None
            errors.print(f"error: {error.message}", markup=False, highlight=False, soft_wrap=True)
            if error.hint:
                errors.print(error.hint, markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            errors.print("stopped at once; continue with --resume")
            raise typer.Exit(130) from None

    return wrapped  # type: ignore[return-value]
