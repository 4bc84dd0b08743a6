"""``medsynth bundle list``, ``show``, ``diff`` and ``index``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from medsynth.cli.common.shared import Json, answer, bundle_argument, friendly, print_table, say, say_json

_HEADLINE = "synthetic/diagnostic/roc_auc"
_SHORT = 12


@friendly
def list_command(
    place: Annotated[
        Path, typer.Argument(metavar="FOLDER|INDEX", help="Folder of bundles, or an index of one.", show_default=False)
    ],
    as_json: Json = False,
) -> None:
    """List the bundles below a folder, zip files too, or those that an index file names."""
    from medsynth.bundle.checking.description import shown_figures
    from medsynth.bundle.checking.registry import list_bundles

    entries = list_bundles(place)
    if as_json:
        say_json({"bundles": entries})
        return
    rows = [
        (
            entry["path"],
            f"{entry['name']} {entry['version']}",
            entry["form"],
            shown_figures(entry["figures"]).get(_HEADLINE, ""),
            f"{entry['bytes'] / 1e6:.1f} MB",
            _trust(entry["sha256"]),
            entry["sha256"][:_SHORT],
        )
        for entry in entries
    ]
    print_table(("path", "bundle", "form", "AUC", "size", "trusted by", "sha256"), rows)


def _trust(digest: str) -> str:
    from medsynth.bundle.trust.memory import find_trust

    entry = find_trust(digest) if digest else None
    return "" if entry is None else entry.origin


@friendly
def show_command(
    bundle: Annotated[Path, bundle_argument("BUNDLE|INDEX", "Bundle or run: folder or zip file; or an index.")],
    entry: Annotated[
        str, typer.Argument(metavar="PATH", help="Which bundle of the index, as it names it.", show_default=False)
    ] = "",
    as_json: Json = False,
) -> None:
    """Show what a bundle, or an index, says about a bundle; nothing of it is executed or checked."""
    from medsynth.bundle.checking.description import describe_bundle
    from medsynth.bundle.checking.registry import find_entry

    described = find_entry(bundle, entry) if entry else describe_bundle(bundle).as_dict()
    described["trusted"] = _trust(described["sha256"])
    if as_json:
        say_json(described)
    else:
        _show(described)


def _show(described: Mapping[str, Any]) -> None:
    from medsynth.bundle.checking.description import shown_figures

    for name in ("name", "version", "task", "description", "intended_use", "form", "sha256", "split"):
        say(f"{name}: {described[name]}")
    say(
        f"trusted by: {described['trusted'] or 'nobody here'}",
        f"files: {described['files']}, {described['bytes'] / 1e6:.1f} MB",
        f"exports: {', '.join(described['exports']) or 'none'}",
    )
    parts = {**described["plugins"], **described["packages"]}
    print_table(("made with", "version"), list(parts.items()))
    print_table(("figure", "value"), list(shown_figures(described["figures"]).items()))


@friendly
def diff_command(
    first: Annotated[Path, bundle_argument("A", "Bundle or run: folder or zip file.")],
    second: Annotated[Path, bundle_argument("B", "Bundle or run: folder or zip file.")],
    as_json: Json = False,
) -> None:
    """Show what differs between two bundles: words, plugins, versions, plan, figures, files."""
    from medsynth.bundle.checking.description import compare_bundles

    differences = compare_bundles(first, second)
    if as_json:
        say_json({"differences": [vars(one) for one in differences]})
    elif not differences:
        say("no difference")
    else:
        rows = [(one.kind, one.what, *map(_cut, (one.first, one.second))) for one in differences]
        print_table(("kind", "what", str(first), str(second)), rows)


@friendly
def index_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of bundles.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Write index.json into a folder of bundles: descriptions, figures and hashes, to be read before a download."""
    from medsynth.bundle.checking.registry import INDEX, write_index

    count, index = len(write_index(folder)), folder / INDEX
    answer(as_json, {"index": str(index), "bundles": count}, f"{count} bundles", f"out  {index}")


def _cut(text: str) -> str:
    is_hash = len(text) == 64 and set(text) <= set("0123456789abcdef")
    return text[:_SHORT] if is_hash else text
