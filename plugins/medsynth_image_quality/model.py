"""FID and KID with what is needed to judge them: number of images, extractor, floor and starting point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.stats import norm

from medsynth.api import Evidence, Extractor, ImageSet, Score
from medsynth.statistics import frechet_distance, kernel_distance

if TYPE_CHECKING:
    from medsynth_image_quality import ImageQualityConfig


@dataclass(frozen=True)
class Sample:
    """Features of some images with their patients."""

    features: np.ndarray
    """(N, D) float32."""
    patients: np.ndarray
    """(N,) str."""

    def __len__(self) -> int:
        return len(self.features)

    def take(self, indices: np.ndarray) -> Sample:
        """Return the images at `indices`."""
        return Sample(self.features[indices], self.patients[indices])


class ImageQuality:
    """Measures three subjects against the real test images.

    ``synthetic``: translated source images. ``source``: the same images before translation, the distance that
    translation has to bridge. ``real``: real images of other patients, the floor that no generator can be expected to
    undercut; see `floor`.
    """

    def __init__(self, config: ImageQualityConfig) -> None:
        self.config = config

    def scores(self, evidence: Evidence) -> Sequence[Score]:
        """Return ``fid`` and ``kid`` of each subject; a subject of fewer than two images is left out."""
        extractor = evidence.extractor(self.config.extractor)
        real = self._sample(evidence.real, extractor, evidence.device)
        pairs = {
            "synthetic": (self._sample(evidence.synthetic, extractor, evidence.device), real, ""),
            "source": (self._sample(evidence.source, extractor, evidence.device), real, ""),
            "real": self._floor(evidence, real, extractor),
        }
        found: list[Score] = []
        for subject, (judged, reference, note) in pairs.items():
            if min(len(judged), len(reference)) >= 2:
                found += self._compare(
                    subject, judged, reference, evidence.seed, _detail(judged, reference, extractor, note)
                )
        return found

    def _sample(self, images: ImageSet, extractor: Extractor, device: str) -> Sample:
        """Send all images through the extractor once."""
        blocks = [np.zeros((0, extractor.dimension), np.float32)]
        for start in range(0, len(images), self.config.batch_size):
            batch = torch.from_numpy(np.ascontiguousarray(images.images[start : start + self.config.batch_size]))
            blocks.append(extractor.features(batch.to(device)).cpu().numpy())
        return Sample(np.concatenate(blocks), images.patients)

    def _floor(self, evidence: Evidence, real: Sample, extractor: Extractor) -> tuple[Sample, Sample, str]:
        """Return two sets of real images and a note on where they come from.

        The judged ones are as many training images as there are synthetic ones, drawn at random, because FID depends
        on the number of images. With fewer than two training images the real test images are halved by patient.
        """
        generator = np.random.default_rng(evidence.seed)
        if len(evidence.training) >= 2:
            count = min(len(evidence.synthetic) or len(real), len(evidence.training))
            drawn = np.sort(generator.permutation(len(evidence.training))[:count])
            return (
                self._sample(_take(evidence.training, drawn), extractor, evidence.device),
                real,
                "real training images",
            )
        names = generator.permutation(np.unique(real.patients))
        first = np.isin(real.patients, names[: len(names) // 2])
        halves = real.take(np.flatnonzero(first)), real.take(np.flatnonzero(~first))
        return *halves, "two halves of the real test images, split by patient"

    def _compare(self, subject: str, judged: Sample, reference: Sample, seed: int, detail: str) -> list[Score]:
        fid = frechet_distance(judged.features, reference.features)
        kid = kernel_distance(
            judged.features,
            reference.features,
            groups=(judged.patients, reference.patients),
            subsets=self.config.subsets,
            seed=seed,
        )
        few = "; fewer images than features: FID is biased upwards, compare rows of equal n only, prefer KID"
        low, high, spread = None, None, ""
        if math.isfinite(kid.error):
            reach = float(norm.ppf(0.5 + 0.5 * self.config.confidence)) * kid.error
            low, high, spread = kid.value - reach, kid.value + reach, f"; standard error {kid.error:.2g} by patient"
        scarce = min(len(judged), len(reference)) < judged.features.shape[1]
        return [
            _score("fid", subject, fid, n=len(judged), detail=detail + (few if scarce else "")),
            _score("kid", subject, kid.value, n=len(judged), detail=detail + spread, interval=(low, high)),
        ]


def _take(images: ImageSet, indices: np.ndarray) -> ImageSet:
    return ImageSet(
        images=images.images[indices],
        labels=images.labels[indices],
        patients=images.patients[indices],
        names=images.names[indices],
    )


def _detail(judged: Sample, reference: Sample, extractor: Extractor, note: str) -> str:
    counted = f"{len(judged)} against {len(reference)} real test images"
    if note:
        counted = f"{len(judged)} against {len(reference)} real images ({note})"
    return f"{counted}; extractor {extractor.name}, {extractor.dimension} features"


def _score(
    name: str,
    subject: str,
    value: float,
    *,
    n: int,
    detail: str,
    interval: tuple[float | None, float | None] = (None, None),
) -> Score:
    low, high = interval
    return Score(
        evaluator="image-quality",
        name=name,
        subject=subject,
        value=value,
        low=low,
        high=high,
        n=n,
        higher_is_better=False,
        detail=detail,
    )
