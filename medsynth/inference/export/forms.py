"""The two forms of a bundle: with network code, or with networks as TorchScript programs and no code at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medsynth.base.errors import InputError, RunError
from medsynth.base.files import new_folder, sha256, write_json, write_text
from medsynth.bundle.checking.verification import SIGNATURE, verify_bundle
from medsynth.bundle.format.hub_card import HUB_CARD
from medsynth.bundle.format.manifest import MANIFEST, digest_of, read_manifest, sealed
from medsynth.bundle.format.zips import write_zip
from medsynth.bundle.opening.opened import CLASSIFIER, RETURN, TRANSLATOR, Opened, Role, open_bundle, read_json
from medsynth.bundle.publishing.hub_folder import card_of
from medsynth.bundle.trust.memory import find_trust, remember
from medsynth.bundle.writing.evaluating import evaluate_config

if TYPE_CHECKING:
    from torch import nn

FORMS = ("portable", "source")
TOLERANCE = 1e-5
"""Largest difference of an output in the portable form from the network's own."""
_LEFT_OUT = ("models/exports.json", "models/model.ts", "models/model.onnx", "models/model.xml", "models/model.bin")
_EVALUATE = "configs/evaluate.json"
_CARD = "docs/README.md"
_PLACES = {"bundle_root": ".", "device": "cpu"}
"""What a program's entry refers to."""


def export_bundle(bundle: Path | Opened, out: Path, *, form: str, zipped: bool = False) -> Path:
    """Write a bundle in one of its forms into a folder or zip file named after it.

    The source form is the bundle as it is. The portable form holds each network as a TorchScript program that
    ``torch.jit.load`` reads, and no Python files; writing it executes the network code of `bundle`.

    Args:
        bundle: in source form: its folder or zip file, the folder of a run, or one that is open already.
        out: folder that receives it; an older export of the same name there is replaced.
        form: one of `FORMS`.
        zipped: write a zip file that unpacks into one folder.

    Raises:
        InputError: no bundle in source form, one that was changed, or one that may not be executed.
        RunError: a network cannot be traced, its program computes something else, or the disk is full.
    """
    opened = open_bundle(bundle, CLASSIFIER)
    with opened.snapshot.errors():
        name = _checked(opened.copy)
    if (out / name).resolve() == opened.root.resolve():
        raise InputError(f"--out {out} would replace the bundle itself", hint="Choose another folder.")
    with tempfile.TemporaryDirectory() if zipped else new_folder(out / name) as place:
        target = Path(place) / name if zipped else Path(place)
        _copy(opened.copy, target)
        if form == "portable":
            _make_portable(opened, target)
        _trust_alike(opened.copy, target)
        if not zipped:
            return out / name
        write_zip(target, out / f"{name}.zip")
    return out / f"{name}.zip"


def _checked(root: Path) -> str:
    deviations = verify_bundle(root).deviations
    if deviations:
        hint = f"See all with: medsynth bundle verify {root}"
        raise InputError(f"bundle {root} cannot be exported: {deviations[0].file} {deviations[0].problem}", hint=hint)
    if (form := read_manifest(root).get("form")) != "source":
        raise InputError(
            f"bundle {root} has the form {form!r}", hint="Export the bundle in source form it was made of."
        )
    return str(read_json(root / "configs/metadata.json")["name"])


def _copy(root: Path, target: Path) -> None:
    names = [*read_manifest(root)["files"], MANIFEST, *([SIGNATURE] if (root / SIGNATURE).is_file() else [])]
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, target / name)


def _make_portable(opened: Opened, target: Path) -> None:
    root, content = opened.copy, read_manifest(opened.copy)
    for name in (*_LEFT_OUT, SIGNATURE):
        (target / name).unlink(missing_ok=True)
    for role in (CLASSIFIER, TRANSLATOR):
        bundle = opened.in_role(role)
        config = bundle.data_config()
        _write_program(bundle.network(), (config.stacked, config.size, config.size), target / program_of(role))
        shutil.rmtree(target / read_json(root / role.config)["network_def"]["_target_"].partition(".")[0], True)
        write_json(target / role.config, portable_config(read_json(root / role.config), role))
    if (root / RETURN.weights).is_file():
        config = opened.in_role(TRANSLATOR).data_config()
        shape = (config.stacked, config.size, config.size)
        _write_program(opened.in_role(RETURN).network(), shape, target / program_of(RETURN))
        loaded = portable_config({**read_json(root / RETURN.config), "handlers": []}, RETURN)["network_def"]
        write_json(target / RETURN.config, {**_PLACES, **read_json(root / RETURN.config), "network_def": loaded})
    inference = read_json(target / CLASSIFIER.config)
    write_json(target / _EVALUATE, evaluate_config(inference, threshold=float(content["threshold"])))
    onnx = _write_onnx(opened, target)
    write_text(target / _CARD, (target / _CARD).read_text() + _card_section(digest_of(root), onnx=onnx))
    write_text(target / HUB_CARD, card_of(target))
    files = sorted(path for path in target.rglob("*") if path.is_file() and path != target / MANIFEST)
    hashes = {path.relative_to(target).as_posix(): sha256(path) for path in files}
    content.pop("checksum", None)
    write_text(target / MANIFEST, sealed({**content, "form": "portable", "source": digest_of(root), "files": hashes}))


def program_of(role: Role) -> str:
    """Return where the TorchScript program of a network lies in a portable bundle."""
    return str(Path(role.weights).with_suffix(".ts"))


def portable_config(config: Mapping[str, Any], role: Role) -> dict[str, Any]:
    """Return a bundle's config with the network as a program; its weights need no loading."""
    network = {
        "_target_": "torch.jit.load",
        "f": f"$@bundle_root + '/{program_of(role)}'",
        "map_location": "@device",
    }
    handlers = [handler for handler in config["handlers"] if handler["_target_"] != "CheckpointLoader"]
    return {**config, "network_def": network, "handlers": handlers}


def _write_program(network: nn.Module, shape: tuple[int, int, int], path: Path) -> None:
    from medsynth.inference.export.conversion import trace
    from medsynth.inference.runtimes import torch_runtime, torchscript_runtime

    try:
        trace(network, shape, path)
    except Exception as error:  # tracing raises many types
        raise RunError(f"{path.stem} cannot be written as a TorchScript program: {error}") from error
    images = np.random.default_rng(0).random((3, *shape), dtype=np.float32) * np.float32(2) - np.float32(1)
    own, written = torch_runtime(network, "cpu"), torchscript_runtime(path, "cpu")
    for batch in (images, images[:1]):
        difference = float(np.abs(own(batch) - written(batch)).max())
        if not difference <= TOLERANCE * max(1.0, float(np.abs(own(batch)).max())):
            raise RunError(
                f"{path.stem} as a TorchScript program differs by {difference:.3g}", hint="Nothing was written."
            )


def _write_onnx(opened: Opened, target: Path) -> bool:
    """Write the classifier as ONNX, too, where the packages are installed; tell whether that was done."""
    from medsynth.inference.bundle_classifier import load_classifier
    from medsynth.inference.export.conversion import absent_packages
    from medsynth.inference.export.exporting import write_checked
    from medsynth.inference.exports import RECORD

    if absent_packages("onnx"):
        return False
    facts, _ = write_checked(load_classifier(opened), "onnx", target / "models")
    write_json(target / RECORD, {"schema": 1, "exports": {"onnx": facts}})
    return True


def _card_section(digest: str, *, onnx: bool) -> str:
    beside = " `models/model.onnx` is the classifier for other runtimes." if onnx else ""
    return f"""
## Form

Portable: the networks are TorchScript programs, `models/model.ts` and `models/translator.ts`, and there is no Python
code in this bundle.{beside} It can be run, not trained further. It was made of the bundle in source form whose
`medsynth.json` has the sha256 `{digest}`.
"""


def _trust_alike(root: Path, target: Path) -> None:
    entry = find_trust(digest_of(root))
    if entry is not None:
        remember(target, entry.name, entry.origin)
