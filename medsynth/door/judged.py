"""The classifier of a bundle, scored on labeled images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from medsynth.api import Score
from medsynth.base.configuration import resolve
from medsynth.base.errors import InputError
from medsynth.base.progress import Watch
from medsynth.base.stopping import Stop
from medsynth.bundle.opening.opened import Opened
from medsynth.data.config import DataConfig
from medsynth.data.pseudonyms import KEY, Pseudonyms
from medsynth.door.finished import Scores
from medsynth.inference.bundle_classifier import BundleClassifier, load_classifier
from medsynth.inference.predict.judging import Labeled, as_evidence, find_labeled, predict_labeled
from medsynth.inference.runtimes import Runtime, choose_runtime, load_runtime
from medsynth.plan.plan import parse_overrides
from medsynth.plugins import Registry
from medsynth.results.score_files import write_scores

EVALUATOR = "diagnostic"
SECTIONS = ("data", f"evaluators.{EVALUATOR}")


def key_beside(out: Path) -> Path:
    """Return where the key lies that resolves the pseudonyms in the scores."""
    return out.with_name(f"{out.stem}-{KEY}")


@dataclass(frozen=True, kw_only=True)
class AskedJudgment:
    """Labeled images on which a bundle's classifier is scored, and how.

    Args:
        bundle: with the classifier.
        data: manifest or folder.
        out: file for the scores.
        split: ``train``, ``val`` or ``test``; empty = all.
        runtime: one of `medsynth.inference.export_formats.RUNTIMES`, or ``auto``.
        batch: images in one step.
        settings: ``data.FIELD=VALUE`` and ``evaluators.diagnostic.FIELD=VALUE``.
    """

    bundle: Opened
    data: str
    out: Path
    split: str = ""
    runtime: str = "auto"
    batch: int = 4
    settings: Sequence[str] = ()

    @cached_property
    def classifier(self) -> BundleClassifier:
        """What the bundle says about its classifier."""
        return load_classifier(self.bundle)

    @cached_property
    def given(self) -> dict[str, dict[str, str]]:
        """The settings by section, after refusing what has no effect here."""
        given = parse_overrides(self.settings)
        if foreign := [section for section in given if section not in SECTIONS]:
            hint = f"Use {' or '.join(SECTIONS)}.FIELD=VALUE."
            raise InputError(f"--set {foreign[0]}.… has no effect here", hint=hint)
        return given

    @cached_property
    def config(self) -> DataConfig:
        """How the images are listed and read."""
        positive = str(self.classifier.bundle.origin.get("positive", ""))
        known: dict[str, Any] = {"slices": self.classifier.slices}
        if positive not in ("", "positive"):  # a run calls the class so where labels are numbers
            known["positive"] = positive
        return resolve(DataConfig, [known, {"path": self.data}, self.given.get("data", {})], where="data")

    @cached_property
    def labeled(self) -> Labeled:
        """The images and their labels, and what was left out."""
        return find_labeled(self.config, self.split)

    @cached_property
    def evaluator(self) -> Any:
        """What turns predictions into scores."""
        registry = Registry()
        spec = registry.load("evaluator", EVALUATOR)
        options: Any = resolve(spec.config, [self.given.get(SECTIONS[1], {})], where=SECTIONS[1])
        return registry.create(spec, options)

    @cached_property
    def logits(self) -> Runtime:
        """The classifier, loaded."""
        return load_runtime(self.classifier, choose_runtime(self.bundle, self.runtime, "cpu"), threads=1)

    def carry_out(self, watch: Watch, stop: Stop) -> Scores:
        """Write the scores and the key, and return the scores of the evaluator.

        Raises:
            InputError: data or settings that cannot be used. Interrupted: on request; nothing is written.
        """
        config, evaluator = self.config, self.evaluator
        labeled = self.labeled
        found = predict_labeled(self.classifier, self.logits, labeled, batch=self.batch, watch=watch, stop=stop)
        pseudonyms = Pseudonyms.of(labeled.records, shown=config.show_names)
        found = replace(found, groups=pseudonyms.groups(found.groups))
        scores: list[Score] = list(evaluator.scores(as_evidence(found, config.seed)))
        write_scores(self.out, scores)
        if found.groups:
            pseudonyms.write_key(key_beside(self.out))
        return Scores(score for score in scores if score.evaluator == EVALUATOR)
