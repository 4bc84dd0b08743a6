"""Runs a bundle on its own samples and compares with the outputs that it holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from medsynth.base.errors import InputError
from medsynth.bundle.opening.opened import TRANSLATOR, Opened, read_json
from medsynth.data.formats.stacks import Stacks
from medsynth.data.png import to_bytes
from medsynth.inference.bundle_classifier import BundleClassifier, load_classifier
from medsynth.inference.inputs.decoding import InputDecoder
from medsynth.inference.inputs.reasons import reason_of
from medsynth.inference.runtimes import torch_runtime

if TYPE_CHECKING:
    from medsynth.inference.runtimes import Runtime

EXPECTED = "samples/expected.json"


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """How far outputs are from those that the bundle holds.

    Args:
        probabilities: number of classified samples.
        difference, tolerance: of a probability, the largest found and the largest allowed.
        translations: number of translated samples.
        grey_difference, grey_tolerance: the same for translations, in 8-bit grey levels.
    """

    probabilities: int
    difference: float
    tolerance: float
    translations: int
    grey_difference: int
    grey_tolerance: int

    @property
    def succeeded(self) -> bool:
        """Tell whether all outputs are within their tolerances."""
        return self.difference <= self.tolerance and self.grey_difference <= self.grey_tolerance

    def as_dict(self) -> dict[str, Any]:
        """Return the reproduction as ``--json`` prints it; a difference that is no number is None."""
        finite = {"difference": self.difference if math.isfinite(self.difference) else None}
        return {"succeeded": self.succeeded, **asdict(self), **finite}


def reproduce(bundle: Path | Opened) -> Reproduction:
    """Classify and translate a bundle's samples on the CPU and compare. This executes the bundle's network code.

    Args:
        bundle: folder or zip file, or one that is open already.

    Raises:
        InputError: the bundle is not trusted here or damaged, or holds no samples with expected outputs.
    """
    classifier = load_classifier(bundle)
    opened = classifier.bundle
    with opened.snapshot.errors():
        return _compared(classifier, opened.in_role(TRANSLATOR), _expected(opened))


def _compared(classifier: BundleClassifier, translator: Opened, expected: Mapping[str, Any]) -> Reproduction:
    logits = torch_runtime(classifier.bundle.network(), "cpu")
    decoder = InputDecoder(classifier.config)
    differences = [0.0]
    for name, probability in expected["probabilities"].items():
        found = classifier.probabilities(logits(_image(decoder, translator.copy / "samples/target" / name)))
        differences.append(abs(float(found[0]) - probability))
    return Reproduction(
        probabilities=len(expected["probabilities"]),
        difference=float(np.max(differences)),
        tolerance=expected["tolerance"],
        translations=len(expected["translations"]),
        grey_difference=_grey_difference(translator, torch_runtime(translator.network(), "cpu"), expected),
        grey_tolerance=expected["grey_tolerance"],
    )


def _expected(bundle: Opened) -> Mapping[str, Any]:
    path = bundle.copy / EXPECTED
    if not path.is_file():
        raise InputError(
            f"bundle {bundle.root} holds no samples with expected outputs", hint="It cannot be reproduced here."
        )
    content = read_json(path)
    try:
        return {
            "probabilities": {_file(name): float(value) for name, value in content["probabilities"].items()},
            "tolerance": float(content["tolerance"]),
            "translations": [_file(name) for name in content["translations"]],
            "grey_tolerance": int(content["grey_tolerance"]),
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is no list of expected outputs: {error}", hint="Copy the bundle again.") from error


def _file(name: str) -> str:
    if Path(name).name != name:
        raise ValueError(f"{name!r} is no plain file name")
    return name


def _grey_difference(bundle: Opened, translate: Runtime, expected: Mapping[str, Any]) -> int:
    config = bundle.data_config()
    decoder, stacks = InputDecoder(config), Stacks(config.neighbors)
    differences = [0]
    for name in expected["translations"]:
        image = np.tile(_image(decoder, bundle.copy / "samples/source" / name), (1, 2 * stacks.neighbors + 1, 1, 1))
        found = to_bytes(stacks.middle(translate(image))[0])
        stored = np.asarray(Image.open(bundle.copy / "samples/translated" / name))
        stored = stored[None] if stored.ndim == 2 else stored.transpose(2, 0, 1)
        if stored.shape != found.shape:
            shapes = f"{stored.shape}, the network's {found.shape}"
            raise InputError(f"the expected translation of {name} has shape {shapes}")
        differences.append(int(np.abs(found.astype(int) - stored.astype(int)).max()))
    return max(differences)


def _image(decoder: InputDecoder, path: Path) -> np.ndarray:
    """Return (1, C, H, W)."""
    try:
        _, image = next(decoder.read(path))
    except InputError as error:
        image = reason_of(error, path)
    if isinstance(image, str):
        raise InputError(f"{path} {image}", hint="Copy the bundle again.")
    return image[None]
