"""How images are compared: by an extractor's features, and by pixels, in case the extractor sees no difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsynth.api import Evidence
from medsynth.data.likeness import shrink
from medsynth.statistics import Nearness, nearest_version
from medsynth.statistics.features import extract

MARGIN = 2
"""Largest shift that pixels are searched over, in 32nds of the image: as much as random crops in training move."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """The three sets as one way of looking sees them. V versions of each judged image, of which the nearest counts."""

    ending: str
    """Of the names of scores."""
    noun: str
    synthetic: np.ndarray
    """(V, N, D)."""
    held_out_versions: np.ndarray
    """(V, M, D): held-out images treated as synthetic ones are."""
    training: np.ndarray
    """(T, D)."""
    held_out: np.ndarray
    """(M, D)."""

    def nearness(self, evidence: Evidence) -> tuple[Nearness, Nearness]:
        """Compare synthetic images, then held-out ones, with training images and held-out ones of other patients."""
        patients = evidence.real.patients
        synthetic = Nearness.of((self.synthetic, evidence.synthetic.patients), self.training, (self.held_out, patients))
        return synthetic, Nearness.of((self.held_out_versions, patients), self.training, (self.held_out, patients))

    def to_synthetic(self, evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
        """Return the distances of training images, and of held-out ones, to synthetic images of other patients."""
        flat = self.synthetic.reshape(-1, self.synthetic.shape[-1])
        patients = np.tile(evidence.synthetic.patients, len(self.synthetic))
        sets = (self.training, evidence.training.patients), (self.held_out, evidence.real.patients)
        training, held_out = (nearest_version(one, flat, groups=(own, patients))[0] for one, own in sets)
        return training, held_out


def feature_space(evidence: Evidence, extractor: str, batch_size: int) -> Space:
    """Compare by the features of an extractor plugin."""
    plugin = evidence.extractor(extractor)
    synthetic, training, held_out = (
        extract(one.images, plugin, device=evidence.device, batch_size=batch_size)
        for one in (evidence.synthetic, evidence.training, evidence.real)
    )
    return Space(
        ending="",
        noun=f"features of {plugin.name}",
        synthetic=synthetic[None],
        held_out_versions=held_out[None],
        training=training,
        held_out=held_out,
    )


def pixel_space(evidence: Evidence) -> Space:
    """Compare by coarse pixels, whatever the brightness and contrast, mirrored and shifted a little, too."""
    plain = slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN)
    coarse = {
        name: np.array([shrink(image.mean(axis=0)) for image in one.images])
        for name, one in {"synthetic": evidence.synthetic, "training": evidence.training, "real": evidence.real}.items()
    }
    return Space(
        ending="_pixels",
        noun="coarse pixels, mirrored and shifted up to a sixteenth of the image, too",
        synthetic=_versions(coarse["synthetic"]),
        held_out_versions=_versions(coarse["real"]),
        training=_normalized(coarse["training"][:, *plain]),
        held_out=_normalized(coarse["real"][:, *plain]),
    )


def _versions(coarse: np.ndarray) -> np.ndarray:
    """Return all shifts of (N, 32, 32) images and of their mirror images, (V, N, D)."""
    size = coarse.shape[-1] - 2 * MARGIN
    steps = range(2 * MARGIN + 1)
    return np.stack(
        [
            _normalized(one[:, row : row + size, column : column + size])
            for one in (coarse, coarse[:, :, ::-1])
            for row in steps
            for column in steps
        ]
    )


def _normalized(coarse: np.ndarray) -> np.ndarray:
    """Return (N, D) pixels of mean 0 and length 1: their distance depends on the correlation only."""
    flat = coarse.reshape(len(coarse), -1)
    centered = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centered, axis=1, keepdims=True)
    normalized: np.ndarray = np.divide(centered, length, out=np.zeros_like(centered), where=length > 0)
    return normalized
