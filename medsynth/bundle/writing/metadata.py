"""configs/metadata.json and medsynth.json: what a bundle is, in MONAI's words and in ours."""

from __future__ import annotations

import dataclasses
import math
import platform
from typing import Any

from medsynth.api import Score, Subject
from medsynth.bundle.format.privacy import without_locations
from medsynth.bundle.format.versions import installed
from medsynth.bundle.writing.contents import BundleContents
from medsynth.data.formats.windows import as_facts

SCHEMA = "https://project-monai.github.io/schema/meta_schema_20240725.json"
PAPER = "Efficient endometrial carcinoma screening via cross-modal synthesis and gradient distillation, 2026"
INTENDED_USE = "Research only. Not a medical device: not for diagnosis, screening or treatment of patients."
SUBJECTS = (
    Subject.SYNTHETIC, Subject.REAL_ONLY, Subject.UNTRANSLATED, Subject.ORACLE, Subject.SOURCE, Subject.REAL,
    "truth", "generator", "classifier", "model",
)  # fmt: skip
"""Whose scores go into a bundle. Other subjects are named after values of the data: centers, devices, readers."""
_REQUIRED = ("pytorch-ignite", "fire", "pillow", "nibabel", "itk-io")


def required_packages() -> dict[str, str]:
    """Return what running a bundle needs besides torch, MONAI and NumPy, with the versions used here."""
    found = {name: installed(name) for name in _REQUIRED}
    return {name: version for name, version in found.items() if version}


def kept_scores(contents: BundleContents) -> list[Score]:
    """Return the finite scores of `SUBJECTS` that do not depend on the machine's speed."""
    return [
        score
        for score in contents.scores
        if score.subject in SUBJECTS and not score.measured and math.isfinite(score.value)
    ]


def references(contents: BundleContents) -> list[str]:
    """Return what to cite: the paper, then what the plugins' methods were described in."""
    return [PAPER, *dict.fromkeys(plugin.reference for plugin in contents.plugins if plugin.reference)]


def metadata(contents: BundleContents) -> dict[str, Any]:
    """Return configs/metadata.json, valid against MONAI's schema of 2024-07-25."""
    classes = {"0": contents.negative, "1": contents.positive}
    stacked = contents.channels * (2 * contents.neighbors + 1)

    def images(what: str, channels: int) -> dict[str, Any]:
        return _tensor("image", "magnitude", contents.size, (-1, 1), {str(i): what for i in range(channels)})

    return {
        "schema": SCHEMA,
        "version": contents.version,
        "changelog": {contents.version: _change(contents)},
        "monai_version": installed("monai"),
        "pytorch_version": installed("torch"),
        "numpy_version": installed("numpy"),
        "required_packages_version": required_packages(),
        "name": contents.name,
        "task": f"classification of 2D images ({contents.positive}) and unpaired translation of source images",
        "description": _description(contents),
        "authors": "the users and authors of medsynth",
        "copyright": "see LICENSE",
        "data_source": "see docs/README.md",
        "data_type": "2D images: PNG, JPEG, TIFF, NIfTI, DICOM",
        "image_classes": f"{contents.channels} channel(s), intensities scaled to [-1, 1]",
        "pred_classes": classes,
        "eval_metrics": eval_metrics(contents),
        "intended_use": INTENDED_USE,
        "references": references(contents),
        "supported_apps": {},
        **({"intensity_windows": as_facts(contents.windows)} if contents.windows else {}),
        "network_data_format": {
            "inputs": {"image": images("image", contents.channels)},
            "outputs": {"pred": _tensor("logits", "classes", (1, 2), (-1000, 1000), classes)},
            "post_processed_outputs": {"pred": _tensor("probabilities", "classes", (1, 2), (0, 1), classes)},
        },
        "translator_data_format": {
            "inputs": {"image": images("image", stacked)},
            "outputs": {"pred": images("translated", stacked)},
        },
    }


def eval_metrics(contents: BundleContents) -> dict[str, Any]:
    """Return the kept scores by ``subject/evaluator/name``."""
    return {
        f"{score.subject}/{score.evaluator}/{score.name}": {
            key: value
            for key, value in (("value", score.value), ("low", score.low), ("high", score.high), ("n", score.n))
            if value is not None and math.isfinite(value)
        }
        for score in kept_scores(contents)
    }


def provenance(contents: BundleContents, hashes: dict[str, str]) -> dict[str, Any]:
    """Return medsynth.json.

    Args:
        contents: what the bundle was made of.
        hashes: sha256 by path of every other file.
    """
    return {
        "schema": 1,
        "form": "source",
        "medsynth": installed("medsynth-monai"),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "plugins": [dataclasses.asdict(plugin) for plugin in contents.plugins],
        "plan": without_locations(contents.plan),
        "split": contents.split_hash,
        **({"parent": contents.parent} if contents.parent else {}),
        "positive": contents.positive,
        "threshold": contents.threshold,
        "temperature": contents.temperature,
        "files": hashes,
    }


def _description(contents: BundleContents) -> str:
    if not contents.trained:
        return "An untrained classifier of target images, and an untrained network that translates source images."
    return (
        "A classifier of target images that was trained with synthetic images, and the network that made them from "
        "source images of another modality."
    )


def _change(contents: BundleContents) -> str:
    if not contents.trained:
        return "made by medsynth with random weights"
    if not contents.parent:
        return "exported by medsynth"
    return f"trained by medsynth from the weights of the bundle whose medsynth.json has the sha256 {contents.parent}"


def _tensor(
    kind: str, form: str, shape: tuple[int, int], value_range: tuple[int, int], channels: dict[str, str]
) -> dict[str, Any]:
    return {
        "type": kind,
        "format": form,
        "num_channels": len(channels),
        "spatial_shape": list(shape),
        "dtype": "float32",
        "value_range": list(value_range),
        "is_patch_data": False,
        "channel_def": channels,
    }
