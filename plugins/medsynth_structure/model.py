"""Structure kept by translation, image by image, with intervals by patient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from monai.metrics import MultiScaleSSIMMetric, SSIMMetric

from medsynth.api import Evidence, Score, Subject
from medsynth.statistics import bootstrap_mean, edge_agreement, flicker, mutual_information, runs_of_slices
from medsynth_structure.junction import continuity
from medsynth_structure.tissues import CLASSES, JUNCTION, TissueClassifier, classes_of, dice

if TYPE_CHECKING:
    from medsynth_structure import StructureConfig

Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]
MULTISCALE_SIZE = 176
"""Smallest side on which five scales of an 11-pixel window fit: 11 * 2^4."""
BATCH = 16


class Structure:
    """Compares each synthetic image with its own source and, where it is known, with its true counterpart.

    Subject ``synthetic`` are the translations, ``source`` the same images before translation: what a translation must
    beat to be worth anything. Comparisons with the counterpart are made only where every source image has one.
    """

    def __init__(self, config: StructureConfig) -> None:
        self.config = config

    def scores(self, evidence: Evidence) -> Sequence[Score]:
        """Return what is kept of the source, how near the truth is, and on the phantom which tissues are recovered."""
        if not len(evidence.synthetic):
            return []
        source, synthetic = evidence.source.images, evidence.synthetic.images
        found = [
            self._score(evidence, "edge_agreement", Subject.SYNTHETIC, edge_agreement(source, synthetic)),
            self._score(evidence, "mutual_information", Subject.SYNTHETIC, self._shared(source, synthetic)),
        ]
        if evidence.truth is not None:
            truth = evidence.truth.images
            for name, measure in self._against_truth(min(truth.shape[-2:])).items():
                for subject, images in ((Subject.SYNTHETIC, synthetic), (Subject.SOURCE, source)):
                    found.append(self._score(evidence, name, subject, measure(truth, images)))
        return [*found, *self._flicker(evidence), *self._recovered(evidence)]

    def _flicker(self, evidence: Evidence) -> list[Score]:
        """Score how much translations change from slice to slice, where slices of one file follow each other."""
        volumes = runs_of_slices([str(name) for name in evidence.source.names])
        values = flicker(evidence.source.images, evidence.synthetic.images, volumes)
        if np.isnan(values).all():
            return []
        first = [rows[0] for rows in volumes]
        score = self._score(evidence, "flicker", Subject.SYNTHETIC, values, patients=evidence.source.patients[first])
        detail = f"mean of {score.n} runs of slices: change from slice to slice, as a multiple of the source's"
        return [replace(score, higher_is_better=False, detail=detail)]

    def _recovered(self, evidence: Evidence) -> list[Score]:
        """Score the tissues that are recovered from images, where true tissues are known (the phantom)."""
        if not {"source", "training"} <= set(evidence.tissues):
            return []
        classifier = TissueClassifier(evidence.training.images, evidence.tissues["training"], seed=evidence.seed)
        tissues = evidence.tissues["source"]
        subjects = {Subject.SYNTHETIC: evidence.synthetic, Subject.SOURCE: evidence.source}
        if evidence.truth is not None:
            subjects["truth"] = evidence.truth
        found = []
        for subject, judged in subjects.items():
            recovered = classifier.recover(judged.images)
            values = {f"dice_{name}": dice(recovered, classes_of(tissues), one) for name, one in CLASSES.items()}
            rays = [continuity(one, true, JUNCTION) for one, true in zip(recovered, tissues, strict=True)]
            values |= dict(zip(("junction_continuity", "breach_kept"), np.array(rays).T, strict=True))
            found += [
                self._score(evidence, name, subject, own, against="true tissues")
                for name, own in values.items()
                if not np.isnan(own).all()
            ]
        return found

    def _against_truth(self, side: int) -> dict[str, Measure]:
        """Return what is measured between true and judged images of a smallest `side`."""
        found: dict[str, Measure] = {
            "edge_agreement_true": edge_agreement,
            "mutual_information_true": self._shared,
            "ssim": _ssim,
            "psnr": _psnr,
        }
        return found | ({"ms_ssim": _ms_ssim} if side >= MULTISCALE_SIZE else {})

    def _shared(self, images: np.ndarray, others: np.ndarray) -> np.ndarray:
        return mutual_information(images, others, bins=self.config.bins)

    def _score(
        self,
        evidence: Evidence,
        name: str,
        subject: str,
        values: np.ndarray,
        *,
        against: str = "",
        patients: np.ndarray | None = None,
    ) -> Score:
        """Average over images, those without a value (NaN) left out; the interval resamples patients."""
        known = ~np.isnan(values)
        values = values[known]
        interval: tuple[float | None, float | None] = (None, None)
        if self.config.resamples and np.isfinite(values).all():
            interval = bootstrap_mean(
                values,
                (evidence.source.patients if patients is None else patients)[known],
                resamples=self.config.resamples,
                confidence=self.config.confidence,
                seed=evidence.seed,
            )
        if not against:
            own = name in ("edge_agreement", "mutual_information")
            against = "own source image" if own else "true counterpart"
        return Score(
            evaluator="structure",
            name=name,
            subject=subject,
            value=float(values.mean()),
            low=interval[0],
            high=interval[1],
            n=len(values),
            unit="dB" if name == "psnr" else "",
            higher_is_better=True,
            detail=f"mean of {len(values)} images, each against its {against}",
        )


def _ssim(truth: np.ndarray, images: np.ndarray) -> np.ndarray:
    return _batched(SSIMMetric(spatial_dims=2, data_range=1.0), truth, images)


def _ms_ssim(truth: np.ndarray, images: np.ndarray) -> np.ndarray:
    return _batched(MultiScaleSSIMMetric(spatial_dims=2, data_range=1.0), truth, images)


def _psnr(truth: np.ndarray, images: np.ndarray) -> np.ndarray:
    from torchmetrics.functional.image import peak_signal_noise_ratio

    return _batched(partial(peak_signal_noise_ratio, data_range=1.0, reduction="none", dim=(1, 2, 3)), truth, images)


def _batched(measure: Any, truth: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return a metric of MONAI or torchmetrics of each pair, (N,) float64, a few pairs at a time.

    Images are brought from [-1, 1] to [0, 1]: with values of both signs SSIM would take the negative of an image, mean
    and contrast turned around together, for similar.
    """
    parts = [np.zeros(0)]
    for start in range(0, len(images), BATCH):
        pair = [torch.from_numpy(0.5 * x[start : start + BATCH].astype(np.float64) + 0.5) for x in (images, truth)]
        parts.append(measure(*pair).reshape(len(pair[0]), -1).mean(dim=1).double().numpy())
    return np.concatenate(parts)
