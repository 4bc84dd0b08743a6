"""Writes a bundle: all files beside, then one rename."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from PIL import Image
from torch import Tensor, nn

from medsynth.base.errors import RunError
from medsynth.base.files import new_folder, sha256, write_bytes, write_json, write_text
from medsynth.bundle.format.hub_card import HUB_CARD
from medsynth.bundle.format.inference_configs import LOGGING, inference_config, refuse_evaluated, translate_config
from medsynth.bundle.format.manifest import MANIFEST, sealed
from medsynth.bundle.format.vendoring import Vendored, vendor
from medsynth.bundle.writing.card import hub_page, license_text, model_card
from medsynth.bundle.writing.contents import BundleContents
from medsynth.bundle.writing.evaluating import LABELED, evaluate_config
from medsynth.bundle.writing.metadata import metadata, provenance

TOLERANCE = 1e-5
"""Largest difference of a reproduced probability; other processors round differently."""
GREY_TOLERANCE = 1
"""Largest difference of a reproduced translation in 8-bit grey levels: a tiny difference may round either way."""


def write_bundle(folder: Path, contents: BundleContents) -> Path:
    """Write a MONAI bundle that runs where neither medsynth nor its plugins are installed.

    Equal contents give equal bytes. No file holds a path of this machine, a patient, a host or a user name.

    Args:
        folder: of the bundle; replaced if it exists, untouched if anything fails.
        contents: networks, preprocessing, figures and samples.

    Returns:
        `folder`.

    Raises:
        RunError: network code that a bundle cannot carry, a network that its ``arguments`` do not rebuild, or a
            file that cannot be written.
    """
    _check(contents)
    networks = {"classifier": contents.classifier, "generator": contents.generator}
    arguments = {role: rebuilding_arguments(role, network) for role, network in networks.items()}
    code = vendor(networks | _of_another_class(contents))
    with new_folder(folder) as root:
        for path, text in code.files.items():
            write_text(root / code.package / path, text)
        classify = inference_config(
            code.targets["classifier"],
            arguments["classifier"],
            contents.target_preprocessing,
            temperature=contents.temperature,
        )
        write_json(root / "configs/inference.json", classify)
        write_json(root / "configs/evaluate.json", evaluate_config(classify, threshold=contents.threshold))
        write_json(
            root / "configs/translate.json",
            translate_config(
                code.targets["generator"],
                arguments["generator"],
                contents.source_preprocessing,
                middle=(contents.neighbors * contents.channels, contents.channels) if contents.neighbors else None,
            ),
        )
        write_json(root / "configs/metadata.json", metadata(contents))
        write_text(root / "configs/logging.conf", LOGGING)
        _write_weights(root / "models/model.pt", contents.classifier)
        _write_weights(root / "models/translator.pt", contents.generator)
        _write_flags(root, contents, code)
        _write_samples(root / "samples", contents)
        _write_words(root, contents)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        hashes = {path.relative_to(root).as_posix(): sha256(path) for path in files}
        write_text(root / MANIFEST, sealed(provenance(contents, hashes)))
    return folder


def _write_words(root: Path, contents: BundleContents) -> None:
    card, terms = model_card(contents), license_text()
    write_text(root / "docs/README.md", card)
    write_text(root / HUB_CARD, hub_page(contents, card, terms))
    write_text(root / "LICENSE", terms)


def _check(contents: BundleContents) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", contents.name):
        raise RunError(f"bundle name {contents.name!r} may hold letters, digits, '-' and '_' only")
    if contents.channels not in (1, 3):
        raise RunError(f"a bundle's images have 1 or 3 channels, not {contents.channels}")
    if not math.isfinite(contents.threshold):
        raise RunError(f"threshold {contents.threshold} is not a number")
    if not 0.0 < contents.temperature < math.inf:
        raise RunError(f"temperature {contents.temperature} is no positive number")


def rebuilding_arguments(role: str, network: nn.Module) -> dict[str, Any]:
    """Return the network's ``arguments`` as JSON holds them, after checking that they rebuild it.

    Raises:
        RunError: there are none, JSON cannot hold them, or the rebuilt network does not take the weights.
    """
    name = f"{role} network {type(network).__name__}"
    arguments = getattr(network, "arguments", None)
    if not isinstance(arguments, Mapping):
        raise RunError(f"the {name} has no 'arguments'", hint="Keep its keyword arguments in self.arguments.")
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(arguments), allow_nan=False))
        with torch.random.fork_rng(devices=[]):
            type(network)(**plain).load_state_dict(network.state_dict())
    except (TypeError, ValueError, RuntimeError) as error:
        raise RunError(
            f"the {name} cannot be rebuilt from its 'arguments': {error}",
            hint="They must be JSON-able keyword arguments of the class.",
        ) from error
    return plain


def _write_weights(path: Path, network: nn.Module) -> None:
    """Write a state dict of plain CPU tensors, and a safetensors copy."""
    state: dict[str, Tensor] = {
        name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_bytes(path, buffer.getvalue())
    write_bytes(path.with_suffix(".safetensors"), safetensors.torch.save(state))


def _of_another_class(contents: BundleContents) -> dict[str, nn.Module]:
    """Return the way back by its role, if its code is not that of the way there."""
    network = contents.returning if contents.flags else None
    return {} if network is None or type(network) is type(contents.generator) else {"returning": network}


def _write_flags(root: Path, contents: BundleContents, code: Vendored) -> None:
    if contents.flags is None:
        return
    from medsynth.bundle.format.flag_files import FLAGS, MAPS, NETWORK, maps_of, stated

    facts = stated(contents.flags)
    if contents.returning is not None:
        arguments = rebuilding_arguments("returning", contents.returning)
        refuse_evaluated(arguments, "the returning network's arguments")
        facts[NETWORK] = {"_target_": code.targets.get("returning", code.targets["generator"]), **arguments}
        _write_weights(root / "models/returning.pt", contents.returning)
    write_json(root / FLAGS, facts)
    write_bytes(root / MAPS, maps_of(contents.flags))


def _write_samples(folder: Path, contents: BundleContents) -> None:
    probabilities, translations = {}, []
    for number, sample in enumerate(contents.target_samples, start=1):
        name = f"target-{number:02}.png"
        write_bytes(folder / "target" / name, _pixels_only(sample.path))
        if sample.label is not None:
            write_bytes(folder.parent / LABELED / str(sample.label) / name, _pixels_only(sample.path))
        probabilities[name] = sample.probability
    for number, source in enumerate(contents.source_samples, start=1):
        name = f"source-{number:02}.png"
        write_bytes(folder / "source" / name, _pixels_only(source.path))
        write_bytes(folder / "translated" / name, source.translation)
        translations.append(name)
    if probabilities or translations:
        record = {
            "positive": contents.positive,
            "tolerance": TOLERANCE,
            "probabilities": probabilities,
            "grey_tolerance": GREY_TOLERANCE,
            "translations": translations,
        }
        write_json(folder / "expected.json", record)


def _pixels_only(path: Path) -> bytes:
    """Return a PNG file with the same pixels and nothing else: no comments, no dates, no profiles."""
    with Image.open(path) as image:
        image.load()
        image.info.clear()
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
    return buffer.getvalue()
