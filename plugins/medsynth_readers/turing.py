"""The visual Turing test: can readers tell synthetic images from real ones?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import fisher_exact

from medsynth.api import Evidence, Predictions, Score
from medsynth.base.errors import InputError
from medsynth.data.problems import some
from medsynth.statistics import holm
from medsynth_readers.matching import refuse_other_images
from medsynth_readers.panel import Judged, Measured, Panel, pooled
from medsynth_readers.scoring import interval_of, make_score
from medsynth_readers.table import REAL_OR_SYNTHETIC, Reader

if TYPE_CHECKING:
    from medsynth_readers import ReadersConfig

FOLDER = "evaluation/translated/"
"""Cases that begin so are synthetic: the path of a translation in its run."""
PARTS = ("decisions", "confidences", "pixels")
"""Fields of a reader that are kept by case and needed here."""
DETAILS = {
    "turing_accuracy": "mean of both shares below: 0.5 is guessing, and what synthesis aims at",
    "turing_d_prime": "z(synthetic called synthetic) - z(real called synthetic), log-linear correction: 0 is guessing",
    "turing_auc": "area under the curve of the confidence: 0.5 is guessing",
    "turing_synthetic": "share of synthetic images called synthetic",
    "turing_real": "share of real images called real",
}


def turing_scores(readers: Sequence[Reader], evidence: Evidence, config: ReadersConfig) -> list[Score]:
    """Return how well each reader, each group and all of them told synthetic images from real ones.

    Intervals resample patients, for groups readers, too. Each reader has Fisher's exact test of decision against
    truth, which holds whatever a reader prefers to say, adjusted by Holm for the number of readers.

    Raises:
        InputError: a case is no image of this run, or looks otherwise in it.
    """
    telling = [reader for reader in readers if reader.task == REAL_OR_SYNTHETIC]
    if not telling:
        return []
    panel = _panel(telling, evidence, config.resamples)
    measured = {name: _measured(panel, judge) for name, judge in panel.readers.items()}
    found = [
        *(s for name, judge in panel.readers.items() for s in _scores(f"reader {name}", measured[name], judge, config)),
        *_tests(panel),
    ]
    groups = {reader.group: f"group {reader.group}" for reader in telling if reader.group}
    members = {label: [r.name for r in telling if r.group == group] for group, label in groups.items()}
    members["all readers"] = [reader.name for reader in telling]
    for label, names in members.items():
        # Sorted, so that resamples of readers do not depend on the order of the table.
        together = pooled([measured[name] for name in sorted(names)], seed=evidence.seed)
        found += _scores(label, together, [panel.readers[name] for name in names], config)
    return found


def _panel(readers: Sequence[Reader], evidence: Evidence, resamples: int) -> Panel:
    """Put real and synthetic images in one row, synthetic ones under names that no path ends with."""
    real, synthetic = evidence.real, evidence.synthetic
    called = {FOLDER + str(name): f"synthetic#{row}" for row, name in enumerate(synthetic.names)}
    cases = {case for reader in readers for case in reader.decisions}
    if unknown := sorted(case for case in cases if case.startswith(FOLDER) and case not in called):
        raise InputError(
            f"readers decided on {len(unknown)} synthetic images that the run does not have: {some(unknown)}",
            hint="Score readers with the run whose images they saw.",
        )
    placed = [_placed(reader, called) for reader in readers]
    names = [*map(str, real.names), *called.values()]
    refuse_other_images(placed, names, [*real.images, *synthetic.images])
    truth = np.repeat([0, 1], [len(real), len(synthetic)])
    patients = np.concatenate([real.patients, synthetic.patients])
    known = Predictions(probabilities=truth.astype(np.float64), labels=truth, patients=patients, threshold=0.5)
    return Panel(placed, known, names, resamples=resamples, seed=evidence.seed)


def _placed(reader: Reader, called: Mapping[str, str]) -> Reader:
    """Return the reader with other names of cases."""
    parts: dict[str, Any] = {
        part: {called.get(case, case): value for case, value in getattr(reader, part).items()} for part in PARTS
    }
    return replace(reader, **parts)


def _measured(panel: Panel, judge: Judged) -> Measured:
    """Return the measures of `DETAILS` that the reader has."""
    own = panel.measure(judge)
    numbers = [np.count_nonzero(panel.labels[judge.rows] == label) for label in (1, 0)]
    parts = []
    for table in (own.values, own.resampled):
        found, true = np.asarray(table["sensitivity"]), np.asarray(table["specificity"])
        hits, alarms = (
            (share * number + 0.5) / (number + 1) for share, number in zip((found, 1 - true), numbers, strict=True)
        )
        part = {
            "turing_accuracy": (found + true) / 2,
            "turing_d_prime": ndtri(hits) - ndtri(alarms),
            "turing_synthetic": found,
            "turing_real": true,
        }
        parts.append(part | ({"turing_auc": np.asarray(table["roc_auc"])} if "roc_auc" in table else {}))
    return Measured({name: float(value) for name, value in parts[0].items()}, parts[1])


def _scores(subject: str, measured: Measured, judges: Judged | Sequence[Judged], config: ReadersConfig) -> list[Score]:
    several = [judges] if isinstance(judges, Judged) else list(judges)
    how = "interval resamples patients"
    if len(several) > 1:
        how = f"mean of {len(several)} readers; n counts readings; interval resamples patients and readers"
    found = []
    for name, value in measured.values.items():
        interval = interval_of(measured.resampled[name], config.confidence)
        n = sum(len(judge.rows) for judge in several)
        found.append(make_score(name, subject, value, n, interval=interval, detail=f"{DETAILS[name]}; {how}"))
    return found


def _tests(panel: Panel) -> list[Score]:
    """Return by reader the p-value of telling images apart no better and no worse than by chance."""
    p_values = []
    for judge in panel.readers.values():
        truth = panel.labels[judge.rows]
        table = [[np.count_nonzero((truth == t) & (judge.decisions == d)) for d in (0, 1)] for t in (0, 1)]
        p_values.append(float(fisher_exact(table).pvalue))
    adjusted = holm(p_values).tolist()
    return [
        make_score(
            "turing_p_value",
            f"reader {name}",
            adjusted[row],
            len(judge.rows),
            detail=f"Fisher's exact test of decision against truth; p = {p_values[row]:.3g} before Holm's correction "
            f"for {len(p_values)} tests; it takes images as independent",
        )
        for row, (name, judge) in enumerate(panel.readers.items())
    ]
