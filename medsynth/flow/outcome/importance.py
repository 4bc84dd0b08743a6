"""Where the classifiers look: importance maps of some real test images, for the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from medsynth.api import Classifier, ImageSet, Predictions, exported
from medsynth.inference.predict.heatmaps import attention_maps, grad_cam, overlay
from medsynth.report import ImportanceRow
from medsynth.report.tables import subject_label


def importance_rows(
    classifiers: Mapping[str, Classifier],
    real: ImageSet,
    judged: Predictions,
    *,
    main: str,
    called: Callable[[str], str] = lambda name: Path(name).name,
) -> list[ImportanceRow]:
    """Return some test images with Grad-CAM of every classifier, and attention of the main one where it has any.

    Args:
        classifiers: by subject.
        real: the test images.
        judged: what the main classifier said about them.
        main: its subject.
        called: returns what to call an image by its name.

    Raises:
        ValueError: a network has no features with height and width.
    """
    chosen = telling_cases(judged)
    networks = {subject: exported(one).eval() for subject, one in classifiers.items()}
    images = torch.from_numpy(np.ascontiguousarray(real.images[chosen]))
    found = {f"Grad-CAM, {subject_label(s)}": grad_cam(one, _beside(one, images)) for s, one in networks.items()}
    # The first block's map is the finest; those of deep blocks have few places that all receive alike.
    for block, heat in list(attention_maps(networks[main], _beside(networks[main], images)).items())[:1]:
        found[f"attention of block {block}, {subject_label(main)}"] = heat
    maps = {kind: heat.float().cpu().numpy() for kind, heat in found.items()}
    return [
        ImportanceRow(
            image=real.images[index],
            overlays={kind: _as_image(overlay(real.images[index], heats[place])) for kind, heats in maps.items()},
            caption=f"{called(str(real.names[index]))}: {_said(judged, index)}",
            empty=frozenset(kind for kind, heats in maps.items() if not heats[place].any()),
        )
        for place, index in enumerate(chosen)
    ]


def telling_cases(judged: Predictions) -> list[int]:
    """Return the images of either class that were called positive with the highest and the lowest probability."""
    found: list[int] = []
    for label in (1, 0):
        rows = np.flatnonzero(np.asarray(judged.labels) == label)
        if len(rows):
            shares = np.asarray(judged.probabilities)[rows]
            found += [int(rows[shares.argmax()]), int(rows[shares.argmin()])]
    return list(dict.fromkeys(found))


def _beside(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return images on the device of the network."""
    return images.to(next(network.parameters()).device)


def _as_image(pixels: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) uint8 as (3, H, W) in [-1, 1]."""
    return np.moveaxis(pixels.astype(np.float32) / 127.5 - 1.0, 2, 0)


def _said(judged: Predictions, index: int) -> str:
    truth = "positive" if judged.labels[index] == 1 else "negative"
    called = "positive" if judged.probabilities[index] >= judged.threshold else "negative"
    return f"truly {truth}, called {called} (probability {judged.probabilities[index]:.2f})"
