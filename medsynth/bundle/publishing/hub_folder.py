"""A bundle as a repository of the Hugging Face hub holds it: its files, and a README.md with the hub's YAML."""

from __future__ import annotations

import shutil
from pathlib import Path

from medsynth.base.errors import InputError
from medsynth.base.files import new_folder, write_text
from medsynth.bundle.audit import Verdict, audit_bundle
from medsynth.bundle.checking.description import describe_bundle
from medsynth.bundle.checking.verification import SIGNATURE, refuse_deviations
from medsynth.bundle.format.hub_card import HUB_CARD, hub_card
from medsynth.bundle.format.manifest import MANIFEST, digest_of, list_files, read_manifest
from medsynth.bundle.publishing.identities import identifying
from medsynth.bundle.trust.admission import worst_of
from medsynth.bundle.trust.memory import pass_on
from medsynth.bundle.trust.snapshot import Snapshot
from medsynth.data.pseudonyms import Pseudonyms

_MOST_SHOWN = 3


def write_hub_folder(bundle: Path, folder: Path, *, names: Pseudonyms | None) -> str:
    """Write a bundle as the hub has it; return the sha256 of its manifest.

    It holds what the manifest lists, and its signature; not what running it has left in ``eval/``. A bundle without
    README.md gets one, which makes it another bundle: it is listed in the manifest, and the signature is left out.

    Args:
        bundle: folder or zip file.
        folder: must not exist.
        names: of the images that it was trained on, none of which it may hold; None if they are not known.

    Raises:
        InputError: it is not intact, the audit refuses it, or it may tell about people; or `folder` exists.
        RunError: the folder cannot be written.
    """
    if folder.exists():
        raise InputError(f"{folder} already exists", hint="Choose another folder, or remove it.")
    snapshot = Snapshot(bundle)
    with snapshot.errors():
        _refuse_unfit(snapshot.folder, names)
    listed = [*read_manifest(snapshot.folder)["files"], MANIFEST]
    signed = (snapshot.folder / SIGNATURE).is_file() and HUB_CARD in listed
    with new_folder(folder) as place:
        for name in [*listed, *([SIGNATURE] if signed else [])]:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(snapshot.folder / name, place / name)
        if HUB_CARD not in listed:
            write_text(place / HUB_CARD, card_of(place))
            list_files(place, [HUB_CARD])
    pass_on(digest_of(snapshot.folder), digest := digest_of(folder))
    return digest


def card_of(root: Path) -> str:
    """Return README.md for the bundle at `root`, made of its docs/README.md, metadata and manifest."""
    described = describe_bundle(root)
    plugins = [name.partition(" ")[2] for name in described.plugins if name.startswith(("generator", "classifier"))]
    card, license_text = (root / "docs/README.md"), (root / "LICENSE")
    return hub_card(
        card.read_text(encoding="utf-8") if card.is_file() else f"# {described.name}\n\n{described.description}\n",
        name=described.name,
        figures=described.figures,
        plugins=plugins,
        phantom=described.plan.get("data.path") == "phantom",
        license_text=license_text.read_text(encoding="utf-8") if license_text.is_file() else "",
    )


def _refuse_unfit(root: Path, names: Pseudonyms | None) -> None:
    refuse_deviations(root, f"bundle {root} cannot be pushed")
    audit = audit_bundle(root)
    if audit.verdict is Verdict.REFUSED:
        hint = f"See all with: medsynth bundle audit {root}"
        raise InputError(f"bundle {root} cannot be pushed, the audit refuses it: {worst_of(audit)}", hint=hint)
    found = list(identifying(root, read_manifest(root)["files"], names))
    if found:
        more = f" (and {len(found) - _MOST_SHOWN} more)" if len(found) > _MOST_SHOWN else ""
        raise InputError(
            f"bundle {root} may tell about people: {'; '.join(found[:_MOST_SHOWN])}{more}",
            hint="Nothing was written. Remove or rename what names somebody, e.g. a class, and write the bundle again.",
        )
