"""What a bundle says about its classifier. Importing this module does not import torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medsynth.base.errors import InputError
from medsynth.bundle.opening.opened import CLASSIFIER, Opened, open_bundle
from medsynth.data.config import DataConfig


@dataclass(frozen=True, kw_only=True)
class BundleClassifier:
    """How a bundle classifies.

    Args:
        bundle: for its networks and exports.
        config: size, channels, fit and intensity of its images.
        threshold: a probability at or above it is called positive; chosen on validation images.
        temperature: logits are divided by it; 1 where the bundle names none.
        slices: central share of a volume's slices that training used.
        augment: strength of the changes that training made to its images.
        classes: names of the negative and the positive class.
    """

    bundle: Opened
    config: DataConfig
    threshold: float
    temperature: float = 1.0
    slices: float = 1.0
    augment: float = 1.0
    classes: tuple[str, str] = ("negative", "positive")

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Turn (B, 2) logits into the positive class's probabilities, (B,) float64."""
        scaled = logits.astype(np.float64) / self.temperature
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        result: np.ndarray = powers[:, 1] / powers.sum(axis=1)
        return result


def load_classifier(path: Path | Opened) -> BundleClassifier:
    """Read what the bundle at `path`, or of the run there, says about its classifier; arguments as in `open_bundle`.

    Raises:
        InputError: no bundle made by medsynth, a damaged one, or one this version cannot read.
    """
    bundle = open_bundle(path, CLASSIFIER)
    plan = bundle.origin.get("plan", {})
    try:
        return BundleClassifier(
            bundle=bundle,
            config=bundle.data_config(),
            threshold=float(bundle.origin["threshold"]),
            temperature=float(bundle.origin.get("temperature", 1.0)),
            slices=float(plan.get("data", {}).get("slices", 1.0)),
            augment=float(plan.get("classifier", {}).get("augment", 1.0)),
            classes=_classes(bundle),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"{bundle.root / 'medsynth.json'} says nothing usable about the classifier: {error}"
        raise InputError(message, hint="Copy the bundle again.") from error


def _classes(bundle: Opened) -> tuple[str, str]:
    """Return the names of the negative and the positive class as the bundle's metadata has them."""
    outputs = bundle.metadata.get("network_data_format", {}).get("outputs", {})
    named = outputs.get("pred", {}).get("channel_def", {})
    return str(named.get("0", "negative")), str(named.get("1", bundle.origin.get("positive", "positive")))
