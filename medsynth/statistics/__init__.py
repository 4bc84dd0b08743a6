"""Figures with their uncertainty: diagnostic metrics, operating points, patient-level bootstrap, FID and KID.

NumPy and SciPy only. Letters used in shapes: N cases, P patients, R resamples, D features.
"""

from __future__ import annotations

from medsynth.statistics.bootstrap import Bootstrap, bootstrap_diagnostic, patient_draws, percentile_interval
from medsynth.statistics.diagnostic import (
    METRICS,
    Counts,
    RocCurve,
    confusion,
    diagnostic_metrics,
    rates,
    roc_auc,
    roc_curve,
    weighted_roc_auc,
)
from medsynth.statistics.distances import KernelDistance, frechet_distance, kernel_distance
from medsynth.statistics.thresholds import POLICIES, TARGET_SENSITIVITY, choose_threshold, selection_key

__all__ = [
    "METRICS",
    "POLICIES",
    "TARGET_SENSITIVITY",
    "Bootstrap",
    "Counts",
    "KernelDistance",
    "RocCurve",
    "bootstrap_diagnostic",
    "choose_threshold",
    "confusion",
    "diagnostic_metrics",
    "frechet_distance",
    "kernel_distance",
    "patient_draws",
    "percentile_interval",
    "rates",
    "roc_auc",
    "roc_curve",
    "selection_key",
    "weighted_roc_auc",
]
