"""Copies of training images, distance ratio and membership inference, by features and by pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medsynth.api import Evidence, Score, Subject
from medsynth.data.problems import some
from medsynth.statistics import Nearness, bootstrap_diagnostic, bootstrap_mean, distance_ratio
from medsynth_privacy.pairs import Pair, write_pairs
from medsynth_privacy.spaces import Space, feature_space, pixel_space

if TYPE_CHECKING:
    from medsynth_privacy import PrivacyConfig

CERTAIN = 0.999
"""A warning needs an interval of this share that excludes 0.5, so that hardly any honest run has one."""


class Privacy:
    """Looks for training images in synthetic ones, with held-out real images as the measure of what is normal.

    A held-out image resembles some training image, too, though it was never trained on. What is closer to a training
    image than that, relative to its distance to held-out images, has been learned by heart.
    """

    def __init__(self, config: PrivacyConfig) -> None:
        self.config = config

    def scores(self, evidence: Evidence) -> Sequence[Score]:
        """Return ``memorized`` and, by features and by pixels, ``distance_ratio`` and ``membership_auc``."""
        if not min(len(evidence.synthetic), len(evidence.training), len(evidence.real)):
            return []
        spaces = (feature_space(evidence, self.config.extractor, self.config.batch_size), pixel_space(evidence))
        near = [space.nearness(evidence) for space in spaces]
        found = self._memorized(evidence, near)
        for space, (synthetic, held_out) in zip(spaces, near, strict=True):
            if len(synthetic):
                found.append(self._ratio(evidence, space, synthetic, held_out))
            found += self._membership(evidence, space)
        return found

    def _memorized(self, evidence: Evidence, near: Sequence[tuple[Nearness, Nearness]]) -> list[Score]:
        """Score the share of memorized images, and of held-out ones that the same rule accuses."""
        pairs, closeness = self._pairs(evidence, near)
        if evidence.folder:
            write_pairs(Path(evidence.folder), pairs, self.config.shown)
        copies = [str(pair) for pair in pairs if pair.memorized]
        warning = (
            f"privacy: {len(copies)} of {len(pairs)} synthetic images look like copies of training images: "
            f"{some(copies, 3)}. Look at these pairs before anything is shared, the generator included."
        )
        accused = _closeness([(held_out, held_out) for _, held_out in near], len(evidence.real)).min(axis=0)
        rule = f"closeness below {self.config.closeness:g}, where 1 is what held-out real images have and 0 a copy"
        interval = bootstrap_mean(
            closeness < self.config.closeness,
            evidence.synthetic.patients,
            resamples=self.config.resamples,
            confidence=self.config.confidence,
            seed=evidence.seed,
        )
        return [
            _score(
                "memorized",
                len(copies) / len(pairs),
                len(pairs),
                interval=interval,
                detail=f"share of images with a {rule}; {some(copies, 10) if copies else f'closest: {pairs[0]}'}",
                warning=warning if copies else "",
            ),
            _score(
                "memorized",
                float(np.mean(accused < self.config.closeness)),
                len(accused),
                subject="real",
                detail="held-out real images that the same rule accuses: false alarms",
            ),
        ]

    def _pairs(self, evidence: Evidence, near: Sequence[tuple[Nearness, Nearness]]) -> tuple[list[Pair], np.ndarray]:
        """Return each synthetic image with its closest training image, the closest first, and (N,) closeness."""
        closeness = _closeness(near, len(evidence.synthetic))
        partners = np.zeros(closeness.shape, dtype=int)
        for row, (synthetic, _) in enumerate(near):
            partners[row, synthetic.rows] = synthetic.partner
        closest = closeness.min(axis=0)
        partner = partners[closeness.argmin(axis=0), np.arange(len(closest))]
        pairs = [
            Pair(
                synthetic=str(evidence.synthetic.names[i]),
                training=evidence.alias("image", str(evidence.training.names[partner[i]])),
                closeness=float(closest[i]),
                memorized=bool(closest[i] < self.config.closeness),
                images=(evidence.synthetic.images[i], evidence.training.images[partner[i]]),
            )
            for i in np.argsort(closest, kind="stable")
        ]
        return pairs, closest

    def _ratio(self, evidence: Evidence, space: Space, synthetic: Nearness, held_out: Nearness) -> Score:
        value, low, high = distance_ratio(
            synthetic, held_out, resamples=self.config.resamples, confidence=self.config.confidence, seed=evidence.seed
        )
        return _score(
            f"distance_ratio{space.ending}",
            value,
            len(synthetic),
            interval=(low, high),
            better=True,
            detail=f"distance to the nearest of {len(evidence.training)} training images, relative to the nearest of "
            f"{len(evidence.real)} held-out images, and to what held-out images have; by {space.noun}",
        )

    def _membership(self, evidence: Evidence, space: Space) -> list[Score]:
        """Score how well the distance to the nearest synthetic image tells training from held-out images."""
        training, held_out = space.to_synthetic(evidence)
        distances = np.concatenate([training, held_out])
        known = np.isfinite(distances)
        member = np.repeat([1, 0], [len(training), len(held_out)])[known]
        patients = np.concatenate([evidence.training.patients, evidence.real.patients])[known]
        if len(set(member.tolist())) < 2:
            return []
        bootstrap = bootstrap_diagnostic(
            -distances[known],
            member,
            patients,
            threshold=0.0,
            resamples=self.config.resamples,
            seed=evidence.seed,
            metrics=("roc_auc",),
        )
        value, least = bootstrap.estimates["roc_auc"], bootstrap.interval("roc_auc", CERTAIN)[0]
        warning = (
            "privacy: synthetic images tell which patients were trained on: membership inference by "
            f"{space.noun} has AUC {value:.2f}"
        )
        return [
            _score(
                f"membership_auc{space.ending}",
                value,
                len(member),
                interval=bootstrap.interval("roc_auc", self.config.confidence),
                detail=f"{int(member.sum())} training images told from {int((1 - member).sum())} held-out ones by the "
                f"distance to the nearest synthetic image; 0.5 = not at all; by {space.noun}",
                warning=warning if least > 0.5 else "",
            )
        ]


def _closeness(near: Sequence[tuple[Nearness, Nearness]], count: int) -> np.ndarray:
    """Return (spaces, count) distance ratios / that of held-out images; infinite where nothing is compared."""
    closeness = np.full((len(near), count), np.inf)
    for row, (judged, held_out) in enumerate(near):
        closeness[row, judged.rows] = judged.ratios / held_out.ratio
    return closeness


def _score(
    name: str,
    value: float,
    n: int,
    *,
    detail: str,
    subject: str = Subject.SYNTHETIC,
    interval: tuple[float, float] = (np.nan, np.nan),
    better: bool = False,
    warning: str = "",
) -> Score:
    # Where all resamples are alike, e.g. without any memorized image, they say nothing about chance.
    known = bool(np.isfinite(interval).all() and interval[0] < interval[1])
    return Score(
        evaluator="privacy",
        name=name,
        subject=subject,
        value=value,
        low=interval[0] if known else None,
        high=interval[1] if known else None,
        n=n,
        higher_is_better=better,
        detail=detail,
        warning=warning,
    )
