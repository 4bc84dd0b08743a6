"""Figures with their uncertainty: diagnostic metrics, operating points, patient-level bootstrap, FID and KID.

NumPy and SciPy only. Letters used in shapes: N cases, P patients, R resamples, D features.
"""

from __future__ import annotations

from medsynth.statistics.bootstrap import (
    Bootstrap,
    bootstrap_diagnostic,
    bootstrap_mean,
    patient_draws,
    percentile_interval,
)
from medsynth.statistics.calibration import TEMPERATURES, fit_temperature
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
from medsynth.statistics.structure import edge_agreement, intensity_correlation, mutual_information
from medsynth.statistics.thresholds import POLICIES, TARGET_SENSITIVITY, choose_threshold, selection_key

__all__ = [
    "METRICS",
    "POLICIES",
    "TARGET_SENSITIVITY",
    "TEMPERATURES",
    "Bootstrap",
    "Counts",
    "KernelDistance",
    "RocCurve",
    "bootstrap_diagnostic",
    "bootstrap_mean",
    "choose_threshold",
    "confusion",
    "diagnostic_metrics",
    "edge_agreement",
    "fit_temperature",
    "frechet_distance",
    "intensity_correlation",
    "kernel_distance",
    "mutual_information",
    "patient_draws",
    "percentile_interval",
    "rates",
    "roc_auc",
    "roc_curve",
    "selection_key",
    "weighted_roc_auc",
]
