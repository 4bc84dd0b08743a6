"""``medsynth bundle verify``, ``trust`` and ``distrust``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsynth.cli.foreign import GIB, MINUTES, MemoryLimit, TimeLimit, Trust
from medsynth.cli.shared import BundlePath, Json, bundle_argument, errors, friendly, output, print_table
from medsynth.errors import InputError

if TYPE_CHECKING:
    from medsynth.bundle.reproduction import Reproduction
    from medsynth.bundle.verification import Verification


@friendly
def verify_command(
    bundle: BundlePath,
    reproduce: Annotated[
        bool,
        typer.Option("--reproduce", help="Run the bundle on its samples, too, and compare; it must be trusted."),
    ] = False,
    sha256: Annotated[
        str, typer.Option(metavar="HASH", help="The published hash of the manifest: fail if it has another one.")
    ] = "",
    trust: Trust = False,
    time_limit: TimeLimit = MINUTES,
    memory_limit: MemoryLimit = GIB,
    as_json: Json = False,
) -> None:
    """Compare every file of a bundle with its manifest; nothing is executed unless --reproduce is given.

    Exit codes: 0 as listed, 1 a file was changed, is missing or was added, or a sample gives something else.
    """
    from medsynth.bundle.admission import trust_bundle
    from medsynth.bundle.verification import verify_bundle
    from medsynth.confinement import is_confined

    if not is_confined():
        if trust:
            trust_bundle(bundle)
        if reproduce:
            _confine(bundle, minutes=time_limit, gib=memory_limit)
    verification = verify_bundle(bundle, sha256=sha256)
    reproduction = None
    if reproduce and not verification.deviations:
        from medsynth.bundle.reproduction import reproduce as run_samples

        reproduction = run_samples(bundle)
    if as_json:
        content = verification.as_dict() | {"reproduction": None if reproduction is None else reproduction.as_dict()}
        typer.echo(json.dumps(content, indent=2))
    else:
        _show(verification, reproduction)
    if verification.install:
        _warn_versions(verification)
    if verification.deviations or (reproduction is not None and not reproduction.succeeded):
        raise typer.Exit(1)


def _confine(bundle: Path, *, minutes: float, gib: float) -> None:
    from medsynth.cli.foreign import run_again

    if not bundle.is_dir():
        raise InputError(f"{bundle} cannot be reproduced: it is not a folder", hint="Unpack it first.")
    run_again(sys.argv[1:], minutes=minutes, gib=gib)


def _show(verification: Verification, reproduction: Reproduction | None) -> None:
    lines = [
        f"{deviation.file}: {deviation.problem}" + (f" ({deviation.detail})" if deviation.detail else "")
        for deviation in verification.deviations
    ]
    if not lines:
        left = f"; {verification.results} results in eval/" if verification.results else ""
        lines = [f"all {verification.files} files are as listed{left}", f"sha256 {verification.digest}"]
    if reproduction is not None:
        lines.append(
            f"{'reproduced' if reproduction.succeeded else 'NOT reproduced'}: {reproduction.probabilities} "
            f"probabilities within {reproduction.difference:.2g} (allowed {reproduction.tolerance:g}), "
            f"{reproduction.translations} translations within {reproduction.grey_difference} grey levels "
            f"(allowed {reproduction.grey_tolerance})"
        )
    output.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _warn_versions(verification: Verification) -> None:
    pairs = ", ".join(
        f"{name} {theirs} (here {here or 'none'})" for name, (theirs, here) in verification.versions.items()
    )
    text = f"warning: made with other versions: {pairs}\nInstall them with: {verification.install}"
    errors.print(text, markup=False, highlight=False, soft_wrap=True)


@friendly
def trust_command(
    bundle: Annotated[Path | None, bundle_argument("BUNDLE", "Folder of a bundle or run.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="Show the trusted bundles instead.")] = False,
    as_json: Json = False,
) -> None:
    """Trust a bundle of somebody else, in exactly this state, to execute its code with your rights.

    What your runs write is trusted already. A changed bundle is another one: it needs trust again.
    """
    from medsynth.bundle.admission import trust_bundle
    from medsynth.bundle.trust import all_trusted

    if (bundle is None) != listing:
        raise InputError("give either BUNDLE or --list", hint="See: medsynth bundle trust --help")
    entries = all_trusted() if bundle is None else [trust_bundle(bundle)]
    if as_json:
        typer.echo(json.dumps({"schema": 1, "trusted": [vars(entry) for entry in entries]}, indent=2))
    elif listing:
        rows = [(entry.name, entry.origin, entry.since, entry.digest) for entry in entries]
        print_table(("name", "trusted by", "since", "sha256"), rows)
    else:
        output.print(f"trusted: {entries[0].name}, sha256 {entries[0].digest}", markup=False, soft_wrap=True)


@friendly
def distrust_command(
    bundle: Annotated[
        str,
        typer.Argument(
            metavar="BUNDLE|SHA256", help="Folder of a bundle or run, or a bundle's hash.", show_default=False
        ),
    ],
) -> None:
    """Trust a bundle no longer."""
    from medsynth.bundle.manifest import MANIFEST, bundle_at, digest_of
    from medsynth.bundle.trust import forget

    folder = bundle_at(Path(bundle))
    entry = forget(digest_of(folder) if (folder / MANIFEST).is_file() else bundle)
    output.print(f"no longer trusted: {entry.name}, sha256 {entry.digest}", markup=False, soft_wrap=True)
