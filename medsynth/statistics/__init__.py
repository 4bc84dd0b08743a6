"""Figures with their uncertainty: metrics, operating points, patient-level bootstrap, paired tests, FID and KID.

NumPy and SciPy only. Letters used in shapes: N cases, P patients, R resamples, D features.
"""

from __future__ import annotations

from medsynth.statistics.bootstrap import (
    Bootstrap,
    bootstrap_diagnostic,
    bootstrap_mean,
    bootstrap_predictions,
    patient_draws,
)
from medsynth.statistics.crossed import CrossedDifference, crossed_difference
from medsynth.statistics.decision import DecisionCurve, decision_curve, net_benefit
from medsynth.statistics.images.distances import KernelDistance, frechet_distance, kernel_distance
from medsynth.statistics.images.frechet import (
    distance_to_memory,
    extrapolated_frechet_distance,
    memorization_informed_distance,
)
from medsynth.statistics.images.manifolds import Overlap, neighbor_radii, overlap
from medsynth.statistics.images.neighbors import Nearness, distance_ratio, nearest, nearest_version
from medsynth.statistics.images.structure import (
    edge_agreement,
    flicker,
    intensity_correlation,
    mutual_information,
    recognized,
    runs_of_slices,
)
from medsynth.statistics.intervals import INTERVALS, IntervalKind, bca_interval, percentile_interval
from medsynth.statistics.paired import (
    Difference,
    McNemar,
    area_difference,
    bootstrap_p_value,
    differences,
    holm,
    mcnemar_test,
    paired_bootstrap,
)
from medsynth.statistics.scores.agreement import cohen_kappa, fleiss_kappa
from medsynth.statistics.scores.calibration import (
    CALIBRATION_BINS,
    TEMPERATURES,
    fit_temperature,
)
from medsynth.statistics.scores.delong import AreaDifference, area_covariance, delong_test
from medsynth.statistics.scores.diagnostic import (
    METRICS,
    Counts,
    RocCurve,
    confusion,
    diagnostic_metrics,
    matthews_correlation,
    rates,
    roc_auc,
    roc_curve,
    weighted_roc_auc,
)
from medsynth.statistics.scores.likelihoods import (
    CONSEQUENCES,
    LIKELIHOODS,
    Screening,
    consequences,
    likelihood_ratios,
    ratio_interval,
    screening_at,
)
from medsynth.statistics.scores.thresholds import POLICIES, TARGET_SENSITIVITY, choose_threshold, selection_key
from medsynth.statistics.scores.weightings import FURTHER_METRICS, LESS_IS_BETTER

__all__ = [
    "CALIBRATION_BINS",
    "CONSEQUENCES",
    "FURTHER_METRICS",
    "INTERVALS",
    "LESS_IS_BETTER",
    "LIKELIHOODS",
    "METRICS",
    "POLICIES",
    "TARGET_SENSITIVITY",
    "TEMPERATURES",
    "AreaDifference",
    "Bootstrap",
    "Counts",
    "CrossedDifference",
    "DecisionCurve",
    "Difference",
    "IntervalKind",
    "KernelDistance",
    "McNemar",
    "Nearness",
    "Overlap",
    "RocCurve",
    "Screening",
    "area_covariance",
    "area_difference",
    "bca_interval",
    "bootstrap_diagnostic",
    "bootstrap_mean",
    "bootstrap_p_value",
    "bootstrap_predictions",
    "choose_threshold",
    "cohen_kappa",
    "confusion",
    "consequences",
    "crossed_difference",
    "decision_curve",
    "delong_test",
    "diagnostic_metrics",
    "differences",
    "distance_ratio",
    "distance_to_memory",
    "edge_agreement",
    "extrapolated_frechet_distance",
    "fit_temperature",
    "fleiss_kappa",
    "flicker",
    "frechet_distance",
    "holm",
    "intensity_correlation",
    "kernel_distance",
    "likelihood_ratios",
    "matthews_correlation",
    "mcnemar_test",
    "memorization_informed_distance",
    "mutual_information",
    "nearest",
    "nearest_version",
    "neighbor_radii",
    "net_benefit",
    "overlap",
    "paired_bootstrap",
    "patient_draws",
    "percentile_interval",
    "rates",
    "ratio_interval",
    "recognized",
    "roc_auc",
    "roc_curve",
    "runs_of_slices",
    "screening_at",
    "selection_key",
    "weighted_roc_auc",
]
