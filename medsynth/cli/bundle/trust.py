"""``medsynth bundle trust`` and ``distrust``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth.base.errors import InputError
from medsynth.cli.common.shared import Json, bundle_argument, friendly, print_table, say, say_json


@friendly
def trust_command(
    bundle: Annotated[Path | None, bundle_argument("BUNDLE", "Folder of a bundle or run.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="Show the trusted bundles instead.")] = False,
    as_json: Json = False,
) -> None:
    """Trust a bundle of somebody else, in exactly this state, to execute its code with your rights.

    What your runs write is trusted already. A changed bundle is another one: it needs trust again.
    """
    from medsynth.bundle.trust.granting import trust_bundle
    from medsynth.bundle.trust.memory import all_trusted

    if (bundle is None) != listing:
        raise InputError("give either BUNDLE or --list", hint="See: medsynth bundle trust --help")
    entries = all_trusted() if bundle is None else [trust_bundle(bundle)]
    if as_json:
        say_json({"trusted": [vars(entry) for entry in entries]})
    elif listing:
        rows = [(entry.name, entry.origin, entry.since, entry.digest) for entry in entries]
        print_table(("name", "trusted by", "since", "sha256"), rows)
    else:
        say(f"trusted: {entries[0].name}, sha256 {entries[0].digest}")


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
    from medsynth.bundle.format.manifest import MANIFEST, bundle_at, digest_of
    from medsynth.bundle.trust.memory import forget

    folder = bundle_at(Path(bundle))
    entry = forget(digest_of(folder) if (folder / MANIFEST).is_file() else bundle)
    say(f"no longer trusted: {entry.name}, sha256 {entry.digest}")
