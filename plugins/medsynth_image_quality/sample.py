"""Features of images with their patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsynth.api import Extractor, ImageSet
from medsynth.statistics.features import extract


@dataclass(frozen=True)
class Sample:
    """Features of some images with their patients."""

    features: np.ndarray
    """(N, D) float32."""
    patients: np.ndarray
    """(N,) str."""

    @classmethod
    def of(cls, images: ImageSet, extractor: Extractor, *, device: str, batch_size: int) -> Sample:
        """Send all images through the extractor once."""
        return cls(extract(images.images, extractor, device=device, batch_size=batch_size), images.patients)

    def __len__(self) -> int:
        return len(self.features)

    def take(self, indices: np.ndarray) -> Sample:
        """Return the images at `indices`."""
        return Sample(self.features[indices], self.patients[indices])


@dataclass(frozen=True)
class Comparison:
    """A subject: judged images, the real ones they are compared with, and where both come from."""

    subject: str
    judged: Sample
    reference: Sample
    note: str = ""

    @property
    def size(self) -> int:
        """Images in the smaller set."""
        return min(len(self.judged), len(self.reference))

    def detail(self, extractor: Extractor) -> str:
        """Say how many images were compared with which, by which features."""
        counted = f"{len(self.judged)} against {len(self.reference)} real test images"
        if self.note:
            counted = f"{len(self.judged)} against {len(self.reference)} real images ({self.note})"
        return f"{counted}; extractor {extractor.name}, {extractor.dimension} features"
