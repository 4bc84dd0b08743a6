"""Distances and overlap of features, with what is needed to judge them: n, extractor, floor and starting point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from medsynth.api import Evidence, Extractor, ImageSet, Score, Subject
from medsynth.statistics import (
    bootstrap_mean,
    distance_to_memory,
    extrapolated_frechet_distance,
    frechet_distance,
    kernel_distance,
    memorization_informed_distance,
    overlap,
)
from medsynth_image_quality.sample import Comparison, Sample

if TYPE_CHECKING:
    from medsynth_image_quality import ImageQualityConfig

BIASED = "FID is biased upwards, compare rows of equal n only, prefer KID"
FEWEST_PATIENTS = 4
"""In each set, for halves of them to say anything about the bias of FID."""


class ImageQuality:
    """Measures three subjects against the real test images.

    ``synthetic``: translated source images. ``source``: the same images before translation, the distance that
    translation has to bridge. ``real``: real images of other patients, the floor that no generator can be expected to
    undercut; see `floor`.
    """

    def __init__(self, config: ImageQualityConfig) -> None:
        self.config = config

    def scores(self, evidence: Evidence) -> Sequence[Score]:
        """Return distances and overlap of each subject; a subject of fewer than two images is left out."""
        extractor = evidence.extractor(self.config.extractor)

        def sample(images: ImageSet) -> Sample:
            return Sample.of(images, extractor, device=evidence.device, batch_size=self.config.batch_size)

        evidence = self._reduced(evidence)
        real = sample(evidence.real)
        training = sample(evidence.training if self.config.mifid else _drawn(evidence))
        subjects = (
            Comparison(Subject.SYNTHETIC, sample(evidence.synthetic), real),
            Comparison(Subject.SOURCE, sample(evidence.source), real),
            self._floor(evidence, real, training),
        )
        found: list[Score] = []
        for compared in subjects:
            if compared.size >= 2:
                found += self._distances(compared, extractor, evidence.seed)
                if compared.subject == Subject.SYNTHETIC and self.config.mifid and len(training):
                    found.append(self._mifid(compared, training, extractor))
                found += self._overlap(compared, extractor, evidence.seed)
        return found

    def _reduced(self, evidence: Evidence) -> Evidence:
        """Return the evidence with at most as many images as asked for; a translation stays with its source."""
        most = self.config.images
        return replace(
            evidence,
            real=_spread(evidence.real, most),
            source=_spread(evidence.source, most),
            synthetic=_spread(evidence.synthetic, most),
        )

    def _floor(self, evidence: Evidence, real: Sample, training: Sample) -> Comparison:
        """Return two sets of real images to compare.

        The judged ones are as many training images as there are synthetic ones, drawn at random, because FID depends
        on the number of images. With fewer than two training images the real test images are halved by patient.
        """
        if len(evidence.training) >= 2:
            judged = training.take(_draw(evidence)) if self.config.mifid else training
            return Comparison("real", judged, real, "real training images")
        names = np.random.default_rng(evidence.seed).permutation(np.unique(real.patients))
        first = np.isin(real.patients, names[: len(names) // 2])
        halves = real.take(np.flatnonzero(first)), real.take(np.flatnonzero(~first))
        return Comparison("real", *halves, "two halves of the real test images, split by patient")

    def _distances(self, compared: Comparison, extractor: Extractor, seed: int) -> list[Score]:
        """Score FID, extrapolated if that is asked for, and KID."""
        judged, reference, detail = compared.judged, compared.reference, compared.detail(extractor)
        groups = judged.patients, reference.patients
        scarce = compared.size < extractor.dimension
        few = f"; fewer images than features: {BIASED}" if scarce else ""
        fid = frechet_distance(judged.features, reference.features)
        found = [_score("fid", compared, fid, detail=detail + few)]
        if self.config.extrapolate and min(len(np.unique(names)) for names in groups) >= FEWEST_PATIENTS:
            unbiased = extrapolated_frechet_distance(judged.features, reference.features, groups=groups, seed=seed)
            left = "; fewer images than features: much of the bias is left" if scarce else ""
            found.append(_score("fid_infinity", compared, unbiased, detail=f"{detail}; from subsets of patients{left}"))
        return [*found, self._kid(compared, detail, seed)]

    def _kid(self, compared: Comparison, detail: str, seed: int) -> Score:
        kid = kernel_distance(
            compared.judged.features,
            compared.reference.features,
            groups=(compared.judged.patients, compared.reference.patients),
            subsets=self.config.subsets,
            seed=seed,
        )
        low, high, spread = None, None, ""
        if math.isfinite(kid.error):
            reach = float(norm.ppf(0.5 + 0.5 * self.config.confidence)) * kid.error
            low, high, spread = kid.value - reach, kid.value + reach, f"; standard error {kid.error:.2g} by patient"
        return _score("kid", compared, kid.value, detail=detail + spread, interval=(low, high))

    def _mifid(self, compared: Comparison, training: Sample, extractor: Extractor) -> Score:
        """Score FID, made larger where synthetic images are nearer to training images than held-out ones are."""
        judged, real = compared.judged.features, compared.reference.features
        memory, normal = (distance_to_memory(features, training.features) for features in (judged, real))
        threshold = self.config.memorization or 0.5 * normal
        value = memorization_informed_distance(frechet_distance(judged, real), memory, threshold)
        detail = (
            f"{compared.detail(extractor)}; mean cosine distance {memory:.3g} to the nearest of {len(training)} "
            f"training images, {normal:.3g} from held-out real images; FID is divided by it below {threshold:.3g}"
        )
        return _score("mifid", compared, value, detail=detail)

    def _overlap(self, compared: Comparison, extractor: Extractor, seed: int) -> list[Score]:
        """Score precision, recall, density and coverage; nothing with too few images for the neighbors."""
        if compared.size <= self.config.neighbors:
            return []
        found = overlap(compared.judged.features, compared.reference.features, neighbors=self.config.neighbors)
        sides = {"precision": compared.judged, "recall": compared.reference}
        sides |= {"density": compared.judged, "coverage": compared.reference}
        detail = f"{compared.detail(extractor)}; balls to neighbor {self.config.neighbors}"
        scores = []
        for name, side in sides.items():
            values = getattr(found, name)
            interval = self._interval(values, side, seed)
            scores.append(_score(name, compared, values.mean(), detail=detail, interval=interval, better=True))
        return scores

    def _interval(self, values: np.ndarray, side: Sample, seed: int) -> tuple[float | None, float | None]:
        """Return the interval of a mean over images, or nothing where all are alike: resamples show no spread then."""
        if not self.config.resamples or np.ptp(values) == 0:
            return None, None
        return bootstrap_mean(
            values, side.patients, resamples=self.config.resamples, confidence=self.config.confidence, seed=seed
        )


def _spread(images: ImageSet, most: int) -> ImageSet:
    """Return up to `most` images, evenly spread over the set; all where `most` is 0."""
    if not 0 < most < len(images):
        return images
    return _taken(images, np.linspace(0, len(images) - 1, most).round().astype(int))


def _taken(images: ImageSet, rows: np.ndarray) -> ImageSet:
    return ImageSet(
        images=images.images[rows],
        labels=images.labels[rows],
        patients=images.patients[rows],
        names=images.names[rows],
    )


def _draw(evidence: Evidence) -> np.ndarray:
    """Return the indices of as many training images as there are synthetic ones, in rising order."""
    count = min(len(evidence.synthetic) or len(evidence.real), len(evidence.training))
    return np.sort(np.random.default_rng(evidence.seed).permutation(len(evidence.training))[:count])


def _drawn(evidence: Evidence) -> ImageSet:
    return _taken(evidence.training, _draw(evidence))


def _score(
    name: str,
    compared: Comparison,
    value: float,
    *,
    detail: str,
    interval: tuple[float | None, float | None] = (None, None),
    better: bool = False,
) -> Score:
    low, high = interval
    return Score(
        evaluator="image-quality",
        name=name,
        subject=compared.subject,
        value=float(value),
        low=low,
        high=high,
        n=len(compared.judged),
        higher_is_better=better,
        detail=detail,
    )
