"""Runs that start from the plan and the weights of a bundle. Nothing of the bundle is executed."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth.base.errors import InputError, RunError
from medsynth.base.files import write_bytes
from medsynth.base.seals import check, finish
from medsynth.bundle.checking.verification import refuse_deviations
from medsynth.bundle.format.manifest import bundle_at, digest_of, read_manifest
from medsynth.bundle.format.privacy import REMOVED, without_locations
from medsynth.bundle.opening.opened import METADATA, read_json, tensors_of
from medsynth.bundle.trust.snapshot import Snapshot
from medsynth.data.formats.windows import from_facts, window_text
from medsynth.plan.plan import Parent

if TYPE_CHECKING:
    from medsynth.api import Classifier, Generator

FOLDER = "parent"
"""Folder of a run that holds the weights it starts from."""
_WEIGHTS = {"generator": "models/translator.pt", "classifier": "models/model.pt"}
_IMAGES = ("size", "channels", "fit", "intensity")
_STACKS = ("neighbors", "smooth", "volume")


@dataclass(frozen=True, kw_only=True)
class ParentBundle(Parent):
    """The bundle that a run starts from.

    Args:
        snapshot: its files as they were verified.
    """

    snapshot: Snapshot


def read_parent(path: Path) -> ParentBundle:
    """Read the bundle at `path`, or that of the run there.

    Raises:
        InputError: it is no folder of a bundle in source form, it was changed, or it does not hold its whole plan.
    """
    root = bundle_at(path)
    if not root.is_dir():
        raise InputError(f"--from {path} is not a folder", hint="Give a bundle in source form; unpack a zip first.")
    snapshot = Snapshot(root)
    with snapshot.errors():
        content = read_manifest(snapshot.folder)
    if content.get("form") != "source":
        hint = "Export it in source form: medsynth bundle export RUN --form source --out DIR"
        raise InputError(f"--from {path} is no bundle in source form, which alone can be trained", hint=hint)
    with snapshot.errors():
        refuse_deviations(snapshot.folder, f"--from {path}")
    try:
        plan = content["plan"]
        return ParentBundle(
            snapshot=snapshot,
            digest=digest_of(snapshot.folder),
            generator=str(plan["generator"]["name"]),
            classifier=str(plan["classifier"]["name"]),
            values={
                "data": {name: plan["data"][name] for name in _IMAGES}
                # a bundle that does not say so took all pixels as square
                | {"square": plan["data"].get("square", False)}
                | {name: plan["data"][name] for name in _STACKS if name in plan["data"]}
                | _windows(snapshot),
                **{kind: _kept(plan[kind]) for kind in ("generator", "classifier")},
            },
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"--from {path} does not say how it was trained: {error}") from error


def _windows(snapshot: Snapshot) -> dict[str, str]:
    """Return the values that the networks saw as -1 and 1, measured or asked for, as a plan asks for them."""
    facts = read_json(snapshot.folder / METADATA).get("intensity_windows", {})
    try:
        return {"window": window_text(from_facts(facts))} if facts else {}
    except ValueError as error:
        raise TypeError(str(error)) from error


def _kept(values: Mapping[str, Any]) -> dict[str, Any]:
    # what a bundle says is not to make this machine open a file
    known = without_locations(values)
    return {name: value for name, value in known.items() if name != "name" and value != REMOVED}


def take_weights(parent: ParentBundle, folder: Path) -> None:
    """Copy the weights of `parent` into the run's folder, so that the run can be resumed without it.

    Raises:
        RunError: they cannot be written.
    """
    root = parent.snapshot.folder
    for kind, name in _WEIGHTS.items():
        file = tensors_of(name, read_manifest(root)["files"])
        write_bytes(folder / FOLDER / f"{kind}{Path(file).suffix}", (root / file).read_bytes())
    finish(folder / FOLDER)


def start_from(folder: Path, kind: str, model: Generator | Classifier) -> None:
    """Load the weights of `take_weights` into the network of `model` that a bundle holds; others keep theirs.

    Raises:
        InputError: they are not as they were copied. RunError: they do not fit, or cannot be read.
    """
    from medsynth.api import exported
    from medsynth.bundle.opening.loading import load_state

    check(folder / FOLDER)
    network = exported(model)
    path = folder / FOLDER / f"{kind}.safetensors"
    try:
        network.load_state_dict(load_state(path if path.is_file() else path.with_suffix(".pt")))
    except (OSError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        lines = str(error).splitlines()
        raise RunError(
            f"the {kind} cannot start from the bundle's weights: {lines[-1].strip() if lines else error!r}",
            hint="Leave out --set of options that change the network's size, and install the bundle's plugin version.",
        ) from error
