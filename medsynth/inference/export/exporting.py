"""Export a bundle's classifier, check that the export says what PyTorch says, and record both."""

from __future__ import annotations

import importlib.metadata as distributions
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medsynth.base.errors import InputError, RunError
from medsynth.base.files import not_written, sha256
from medsynth.inference.bundle_classifier import BundleClassifier
from medsynth.inference.export.conversion import convert, require_packages
from medsynth.inference.export_formats import FORMATS, RUNTIMES
from medsynth.inference.exports import record_export
from medsynth.inference.inputs.decoding import InputDecoder
from medsynth.inference.inputs.listing import Listing
from medsynth.inference.inputs.reasons import reason_of
from medsynth.inference.runtimes import Runtime, load_file, torch_runtime

TOLERANCE = 1e-4
"""Largest difference of a probability between PyTorch and an export."""
SEEDED = 4
_SAMPLES = "samples/target"
_SIZES = (1, 3)
"""Batch sizes of the check: one that differs from the exporter's example, and one image alone."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How an export compares with PyTorch.

    Args:
        difference: largest difference of a probability.
        samples, given, seeded: images of the bundle, of the user, and of noise that were compared.
    """

    difference: float
    samples: int
    given: int
    seeded: int


def export_classifier(classifier: BundleClassifier, name: str, given: Sequence[Path] = ()) -> Parity:
    """Write the bundle's classifier in the format `name` below its ``models/``, with a record of the check.

    Args:
        classifier: of the bundle.
        name: one of `FORMATS`.
        given: images, folders or manifests to compare on, beside the bundle's samples and noise.

    Raises:
        InputError: packages are missing, or an image cannot be read.
        RunError: the network cannot be exported, the export differs by more than `TOLERANCE`, or the disk is full.
            The bundle stays as it was.
    """
    bundle = classifier.bundle
    with tempfile.TemporaryDirectory() as folder:
        facts, parity = write_checked(classifier, name, Path(folder), given)
        record_export(bundle, name, facts, Path(folder))
    return parity


def write_checked(
    classifier: BundleClassifier, name: str, folder: Path, given: Sequence[Path] = ()
) -> tuple[dict[str, Any], Parity]:
    """Write the bundle's classifier in the format `name` into `folder`, and compare; see `export_classifier`.

    Returns:
        What the bundle's record of exports says about it, and how it compares.
    """
    require_packages(name)
    bundle, config = classifier.bundle, classifier.config
    samples = bundle.copy / _SAMPLES
    images = [_read(classifier, [samples] if samples.is_dir() else []), _read(classifier, given), _noise(classifier)]
    network = bundle.network()
    path = folder / FORMATS[name][0]
    try:
        convert(network, (config.channels, config.size, config.size), name, path)
        runtime = load_file(next(r for r in RUNTIMES if RUNTIMES[r] == name), path)
    except OSError as error:
        raise not_written(path, error) from error
    except Exception as error:  # exporters raise many types
        lines = str(error).strip().splitlines()
        raise RunError(f"the classifier cannot be exported to {name}: {lines[0] if lines else error!r}") from error
    difference = compare(classifier, torch_runtime(network, "cpu"), runtime, np.concatenate(images))
    parity = Parity(difference=difference, samples=len(images[0]), given=len(images[1]), seeded=len(images[2]))
    if not difference <= TOLERANCE:
        raise RunError(
            f"the {name} export differs from PyTorch by {difference:.3g} in probability, more than {TOLERANCE:g}",
            hint="Nothing was written. Use another format.",
        )
    return _facts(classifier, name, parity, folder), parity


def compare(classifier: BundleClassifier, expected: Runtime, found: Runtime, images: np.ndarray) -> float:
    """Return the largest difference of a probability over (N, C, H, W) images, in batches of several sizes."""
    differences = [0.0]
    for size in _SIZES:
        for start in range(0, len(images), size):
            batch = images[start : start + size]
            pair = [classifier.probabilities(runtime(batch)) for runtime in (expected, found)]
            differences.append(float(np.abs(pair[0] - pair[1]).max()))
    return float(np.max(differences))


def _read(classifier: BundleClassifier, paths: Sequence[Path]) -> np.ndarray:
    config = classifier.config
    images = [np.zeros((0, config.channels, config.size, config.size), np.float32)]
    decoder = InputDecoder(config, classifier.slices)
    for source in Listing(paths, classifier.bundle.root / "models") if paths else ():
        try:
            if source.problem:
                raise InputError(source.problem)
            images += [image[None] for _, image in decoder.read(source.path) if isinstance(image, np.ndarray)]
        except InputError as error:
            text = f"{source.path}: {reason_of(error, source.path)}"
            raise InputError(text, hint="Leave it out or mend it.") from error
    return np.concatenate(images)


def _noise(classifier: BundleClassifier) -> np.ndarray:
    config = classifier.config
    noise = np.random.default_rng(0).random((SEEDED, config.channels, config.size, config.size), dtype=np.float32)
    return noise * np.float32(2.0) - np.float32(1.0)


def _facts(classifier: BundleClassifier, name: str, parity: Parity, folder: Path) -> dict[str, Any]:
    bundle, config = classifier.bundle, classifier.config
    packages = {"torchscript": (), "onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("openvino",)}[name]
    return {
        "files": {file: sha256(folder / file) for file in FORMATS[name]},
        "weights": bundle.listed[bundle.role.weights],
        "input": ["batch", config.channels, config.size, config.size],
        "parity": {
            "largest_difference": parity.difference,
            "tolerance": TOLERANCE,
            "samples": parity.samples,
            "given": parity.given,
            "seeded": parity.seeded,
        },
        "versions": {"torch": torch.__version__, **{package: distributions.version(package) for package in packages}},
    }
