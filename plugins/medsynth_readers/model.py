"""Readers' decisions on the test images: how good, how much alike, and how they compare with the model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from medsynth.api import Evidence, Score
from medsynth.base.configuration import nearest
from medsynth.base.errors import InputError
from medsynth.statistics import cohen_kappa, fleiss_kappa, holm, mcnemar_test
from medsynth_readers.matching import refuse_other_images
from medsynth_readers.panel import Measured, Panel, pooled
from medsynth_readers.repeated import own_scores
from medsynth_readers.scoring import interval_of, make_score
from medsynth_readers.table import DIAGNOSE, Reader, read_readers
from medsynth_readers.turing import turing_scores

if TYPE_CHECKING:
    from medsynth_readers import ReadersConfig

MODEL, EVERYBODY = "model", "all readers"
CLASSES = {"sensitivity": 1, "specificity": 0}


class Readers:
    """Scores every reader, every group of readers, all readers, and the model on the images that readers saw."""

    def __init__(self, config: ReadersConfig) -> None:
        self.config = config
        self.readers = read_readers(config.path)

    def scores(self, evidence: Evidence) -> Sequence[Score]:
        """Return metrics, differences to the model with exact McNemar tests, and kappas; for images that readers were
        to tell from synthetic ones, how well they did.
        """
        subject = self.config.subject
        if subject not in evidence.predictions:
            raise InputError(
                f"evaluators.readers.subject = {subject!r} is no row of this run",
                hint=nearest(subject, evidence.predictions),
            )
        called = {name: evidence.alias("reader", name) for name in sorted(reader.name for reader in self.readers)}
        renamed = [replace(reader, name=called[reader.name]) for reader in self.readers]
        readers = [reader for reader in renamed if reader.task == DIAGNOSE]
        found = self._diagnoses(readers, evidence) if readers else []
        return [*found, *turing_scores(renamed, evidence, self.config), *own_scores(renamed)]

    def _diagnoses(self, readers: Sequence[Reader], evidence: Evidence) -> list[Score]:
        refuse_other_images(readers, evidence.real.names.tolist(), evidence.real.images)
        panel = Panel(
            readers,
            evidence.predictions[self.config.subject],
            evidence.real.names.tolist(),
            resamples=self.config.resamples,
            seed=evidence.seed,
        )
        measured = {name: panel.measure(judge) for name, judge in panel.readers.items()}
        gaps = {
            name: panel.measure(panel.model.on(judge.rows)).minus(measured[name])
            for name, judge in panel.readers.items()
        }
        return [
            *self._measures(MODEL, panel.measure(panel.model), len(panel.seen)),
            *self._readers(panel, measured, gaps),
            *self._groups(readers, panel, measured, gaps, evidence.seed),
            *(self._pairs(panel) if self.config.pairs else ()),
        ]

    def _readers(self, panel: Panel, measured: Mapping[str, Measured], gaps: Mapping[str, Measured]) -> list[Score]:
        """Score each reader alone."""
        tests = _mcnemar(panel)
        found = []
        for name, judge in panel.readers.items():
            subject, cases = f"reader {name}", len(judge.rows)
            found += self._measures(subject, measured[name], cases)
            found += self._measures(subject, gaps[name], cases, ending="_gap")
            found += [replace(test, subject=subject) for test in tests[name]]
            kappas = [_kappa(panel, name, other) for other in panel.readers if other != name]
            known = [kappa for kappa, _ in kappas if np.isfinite(kappa)]
            if known:
                detail = f"mean of Cohen's kappa with {len(known)} other readers, {min(known):.2f} to {max(known):.2f}"
                found.append(
                    make_score("cohen_kappa", subject, float(np.mean(known)), cases, detail=detail, better=True)
                )
        return found

    def _groups(
        self,
        readers: Sequence[Reader],
        panel: Panel,
        measured: Mapping[str, Measured],
        gaps: Mapping[str, Measured],
        seed: int,
    ) -> list[Score]:
        """Score readers together: by group, where the table has groups, and all of them."""
        groups = {reader.group: f"group {reader.group}" for reader in readers if reader.group}
        members = {label: [r.name for r in readers if r.group == group] for group, label in groups.items()}
        members[EVERYBODY] = [reader.name for reader in readers]
        found = []
        for label, names in members.items():
            cases = sum(len(panel.readers[name].rows) for name in names)
            for table, ending in ((measured, ""), (gaps, "_gap")):
                # Sorted, so that resamples of readers do not depend on the order of the table.
                together = pooled([table[name] for name in sorted(names)], seed=seed)
                found += self._measures(label, together, cases, ending=ending, readers=len(names))
            found += self._fleiss(panel, label, names, seed)
        return found

    def _measures(self, subject: str, measured: Measured, n: int, *, ending: str = "", readers: int = 1) -> list[Score]:
        detail = "model minus reader on the same images; " if ending else ""
        if readers > 1:
            detail += f"mean of {readers} readers; n counts readings; interval resamples patients and readers"
        else:
            detail += "interval resamples patients"
        return [
            make_score(
                name + ending,
                subject,
                value,
                n,
                interval=interval_of(measured.resampled[name], self.config.confidence),
                better=None if ending else True,
                detail=detail,
            )
            for name, value in measured.values.items()
        ]

    def _fleiss(self, panel: Panel, label: str, names: Sequence[str], seed: int) -> list[Score]:
        """Score the agreement of several readers on the images that all of them judged."""
        rows = panel.shared(names)
        if len(names) < 2 or not len(rows):
            return []
        positive = np.sum([panel.readers[name].on(rows).decisions for name in names], axis=0)
        counts = np.stack([len(names) - positive, positive], axis=1)
        people, owner = np.unique(panel.patients[rows], return_inverse=True)
        share = np.full(len(people), 1.0 / len(people))
        drawn = np.random.default_rng(seed).multinomial(len(people), share, size=self.config.resamples)
        # A single patient shows no spread.
        draws = drawn if len(people) > 1 else drawn[:0]
        resampled = np.array([fleiss_kappa(np.repeat(counts, times[owner], axis=0)) for times in draws])
        detail = f"Fleiss' kappa of {len(names)} readers on the images that all of them judged"
        interval = interval_of(resampled, self.config.confidence)
        return [
            make_score(
                "fleiss_kappa", label, fleiss_kappa(counts), len(rows), interval=interval, better=True, detail=detail
            )
        ]

    def _pairs(self, panel: Panel) -> list[Score]:
        """Score each pair's agreement on the images that both judged."""
        found = []
        for one, two in combinations(panel.readers, 2):
            kappa, cases = _kappa(panel, one, two)
            found.append(make_score("cohen_kappa", f"readers {one} and {two}", kappa, cases, better=True))
        return found


def _kappa(panel: Panel, one: str, two: str) -> tuple[float, int]:
    """Return Cohen's kappa of two readers on the images that both judged, and their number; NaN without any."""
    rows = panel.shared([one, two])
    first, second = (panel.readers[name].on(rows).decisions for name in (one, two))
    return (cohen_kappa(first, second) if len(rows) else np.nan), len(rows)


def _mcnemar(panel: Panel) -> dict[str, list[Score]]:
    """Return by reader the p-values against the model, adjusted for the number of readers and metrics."""
    found = {}
    for name, judge in panel.readers.items():
        for metric, label in CLASSES.items():
            own = judge.on(np.flatnonzero(panel.labels == label))
            right = (judged.decisions == label for judged in (panel.model.on(own.rows), own))
            found[name, metric] = mcnemar_test(*right), len(own.rows)
    adjusted = holm([test.p_value for test, _ in found.values()])
    scores: dict[str, list[Score]] = {name: [] for name in panel.readers}
    for ((name, metric), (test, cases)), p_value in zip(found.items(), adjusted.tolist(), strict=True):
        detail = f"exact McNemar test against the model: {test.only_first} images right by the model alone, "
        detail += f"{test.only_second} by the reader alone; p = {test.p_value:.3g} before Holm's correction for "
        detail += f"{len(found)} tests"
        if len(panel.people) < len(panel.seen):
            detail += "; it takes images as independent, though some are of the same patient"
        scores[name].append(make_score(f"{metric}_p_value", name, p_value, cases, detail=detail))
    return scores
