"""What a report is made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medsynth.api import Inspection, Predictions, Score, Section
from medsynth.report.cases import Case
from medsynth.statistics.gain import Gain

Curves = Mapping[str, Mapping[str, Sequence[float]]]
"""By training (e.g. ``generator``) and by loss or metric: one value per epoch."""


@dataclass(frozen=True, kw_only=True)
class GalleryRow:
    """One source image with what belongs beside it; arrays are (C, H, W) or (H, W) in [-1, 1].

    Args:
        source: before translation.
        synthetic: after translation.
        nearest: the most similar real image, or None.
        truth: the true counterpart, or None where it is not known.
        caption: of the row.
    """

    source: np.ndarray
    synthetic: np.ndarray
    nearest: np.ndarray | None = None
    truth: np.ndarray | None = None
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class ImportanceRow:
    """One real test image with what the classifiers looked at; arrays are (C, H, W) in [-1, 1].

    Args:
        image: as the classifiers were given it.
        overlays: by kind of map and classifier, the map laid over the image.
        caption: of the row.
        empty: kinds whose map is zero everywhere on this image.
    """

    image: np.ndarray
    overlays: Mapping[str, np.ndarray]
    caption: str = ""
    empty: Collection[str] = ()


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """A finished run as the report shows it. Parts that are empty are left out of the page.

    Args:
        title: of the page.
        plan: what was asked, resolved; nested mappings of plain values.
        run: what happened: versions, seeds, hardware, split hash; nested mappings of plain values.
        scores, measurements: what the evaluators returned.
        predictions: by subject, ``synthetic`` being the row that the run is about.
        gallery: some translated images.
        cases: every test image with what the main classifier said of it.
        importance: some test images with importance maps.
        inspection: what the main classifier found out about its own working on test images.
        gains: what synthesis was worth, with tests; None = of `predictions`, which are one training's.
        curves: training losses.
        validation: metrics on validation images.
        counts: table of the data: a row per group, a column per split, e.g.
            ``{"target, invasion": {"train": 24, "test": 60}}``.
        stage_seconds: how long each stage took.
        warnings: shown as they are.
        cautions: those of them that also stand beside the verdict.
        sections: further parts from plugins; their HTML is trusted.
        references: papers of the methods used.
        positive: name of the positive class.
        seed: of the resamples behind the ROC band.
    """

    title: str
    plan: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    scores: Sequence[Score] = ()
    measurements: Sequence[Score] = ()
    predictions: Mapping[str, Predictions] = field(default_factory=dict)
    gallery: Sequence[GalleryRow] = ()
    cases: Sequence[Case] = ()
    importance: Sequence[ImportanceRow] = ()
    inspection: Inspection | None = None
    gains: Sequence[Gain] | None = None
    curves: Curves = field(default_factory=dict)
    validation: Curves = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    cautions: Sequence[str] = ()
    sections: Sequence[Section] = ()
    references: Sequence[str] = ()
    positive: str = "positive"
    seed: int = 0
