"""The evaluation stage: translate held-out sources, predict real test images, let evaluators judge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from medsynth.api import Classifier, Evidence, Generator, ImageSet, Predictions, Score, Subject, exported
from medsynth.base.seals import check, finish, is_finished
from medsynth.base.seeds import seed_everything
from medsynth.data.formats.stacks import Stacks
from medsynth.data.images import Images
from medsynth.data.phantom.masks import read_tissues
from medsynth.data.preparing import PHANTOM, Data
from medsynth.data.pseudonyms import KEY, Pseudonyms
from medsynth.flow.folder.runs import Run, SeedRun
from medsynth.flow.stages.building import load_extractor, policy_of
from medsynth.flow.stages.classification import judge, write_predictions
from medsynth.flow.stages.positives import keep_positives
from medsynth.flow.stages.prepare import listed_name
from medsynth.flow.stages.translating import translate
from medsynth.results.score_files import MEASUREMENTS, SCORES, read_scores, write_scores
from medsynth.statistics.features import RememberedFeatures
from medsynth.statistics.gain import gains


@dataclass(frozen=True)
class Evaluation:
    """What the evaluation stage found out, for bundle and report."""

    scores: list[Score]
    measurements: list[Score]
    predictions: Mapping[str, Predictions]
    evidence: Evidence
    histories: Mapping[str, Any]
    """Training histories: ``generator`` and one per classifier row."""


def evaluate(seed_run: SeedRun, data: Data, generator: Generator, classifiers: Mapping[str, Classifier]) -> Evaluation:
    """Translate held-out sources, predict the real test images, and let every evaluator judge."""
    run, folder = seed_run.run, seed_run.folder
    with run.stage(seed_run.stage_name("evaluation")):
        judged = is_finished(folder / "evaluation") and bool(check(folder / "evaluation"))
        predictions = _predict(seed_run, data, classifiers, write=not judged)
        evidence = _evidence(seed_run, data, generator, classifiers, predictions)
        if not judged:
            scores = [_hidden(score, data.pseudonyms) for score in _judge(run, evidence, folder / "evaluation")]
            scores += [gain.as_score() for gain in gains([predictions])]
            data.pseudonyms.write_key(folder / KEY)
            write_scores(folder / MEASUREMENTS, [score for score in scores if score.measured])
            write_scores(folder / SCORES, [score for score in scores if not score.measured])
            finish(folder / "evaluation", also=[f"../{name}" for name in (SCORES, MEASUREMENTS)])
        scores = read_scores(folder / SCORES)
        for score in scores:
            if score.warning:
                run.warn(f"{score.evaluator}-{score.name}".replace("_", "-").replace(" ", "-"), score.warning)
        trained = {"generator": folder / "generator"} | {n: folder / "classifier" / n for n in classifiers}
        return Evaluation(
            scores=scores,
            measurements=read_scores(folder / MEASUREMENTS),
            predictions=predictions,
            evidence=evidence,
            histories={name: json.loads((path / "history.json").read_text()) for name, path in trained.items()},
        )


def _predict(
    seed_run: SeedRun, data: Data, classifiers: Mapping[str, Classifier], *, write: bool
) -> dict[str, Predictions]:
    plan = seed_run.run.plan
    validation, real = (data.images.select(domain="target", split=split, labeled=True) for split in ("val", "test"))
    predictions = {}
    for name, classifier in classifiers.items():
        network = exported(classifier)
        judged = judge(
            network,
            validation,
            real,
            policy=policy_of(plan),
            threshold_policy=plan.training.threshold,
            calibrate=plan.classifier_config.calibrate,
        )
        predictions[name] = replace(judged, groups=data.pseudonyms.groups(judged.groups))
        if write:
            path = seed_run.folder / "evaluation" / f"predictions-{name}.csv"
            names = [listed_name(seed_run.run, data, record) for record in real.records]
            write_predictions(path, predictions[name], names)
    return predictions


def _evidence(
    seed_run: SeedRun,
    data: Data,
    generator: Generator,
    classifiers: Mapping[str, Classifier],
    predictions: Mapping[str, Predictions],
) -> Evidence:
    run = seed_run.run
    source = data.images.select(domain="source", split="test")
    if not len(source):
        text = "no source patient is held out: image quality is measured on translations of training images"
        run.warn("no-held-out-source", text)
        source = data.images.select(domain="source", split="train")
    translated = translate(seed_run, data, generator, source, "evaluation/translated")
    training = data.images.select(domain="target", split="train")
    training = keep_positives(training, run.plan.generator_config.positives, seed=seed_run.seed)
    networks = {
        "generator": on_single_images(exported(generator), source.neighbors),
        "classifier": exported(classifiers[Subject.SYNTHETIC]),
    }
    return Evidence(
        real=data.images.select(domain="target", split="test", labeled=True).as_set(),
        source=source.as_set(),
        synthetic=translated.as_set(),
        truth=true_counterparts(source, data.images),
        training=training.as_set(),
        predictions=predictions,
        networks={name: network.eval() for name, network in networks.items()},
        extractor=cache(lambda name: RememberedFeatures(load_extractor(run, name))),
        tissues=true_tissues(data, source=source, training=training) if run.plan.data.path == PHANTOM else {},
        device=run.plan.device,
        seed=seed_run.seed,
        alias=data.pseudonyms.alias,
    )


def on_single_images(network: nn.Module, neighbors: int) -> nn.Module:
    """Return a network of stacks as one of single images, which it sees as their own neighbors; costs are equal."""
    return _OnSingleImages(network, neighbors) if neighbors else network


class _OnSingleImages(nn.Module):
    def __init__(self, network: nn.Module, neighbors: int) -> None:
        super().__init__()
        self.network, self._stacks = network, Stacks(neighbors)

    def forward(self, images: Tensor) -> Tensor:
        repeated = images.repeat(1, 2 * self._stacks.neighbors + 1, 1, 1)
        middle: Tensor = self._stacks.middle(self.network(repeated))
        return middle


def true_counterparts(source: Images, images: Images) -> ImageSet | None:
    """Return the true target images of `source` in its order, or None unless every one has one."""
    rows = {(record.image, record.slice): index for index, record in enumerate(images.records)}
    found = [rows.get((record.pair, record.slice)) for record in source.records]
    return None if None in found else images.take([row for row in found if row is not None]).as_set()


def true_tissues(data: Data, **sets: Images) -> dict[str, np.ndarray]:
    """Return the phantom's tissue masks by the name of each set; nothing unless every image of every set has one."""
    found = {name: read_tissues(images, data.root) for name, images in sets.items()}
    known = {name: tissues for name, tissues in found.items() if tissues is not None}
    return known if len(known) == len(found) else {}


def _judge(run: Run, evidence: Evidence, folder: Path) -> list[Score]:
    scores: list[Score] = []
    with run.watch.task("evaluation", len(run.plan.evaluators)) as task:
        for done, (name, config) in enumerate(run.plan.evaluators.items(), start=1):
            run.stop.check()
            seed_everything(evidence.seed, "evaluation", name)
            spec = run.registry.load("evaluator", name)
            scores.extend(run.registry.create(spec, config).scores(replace(evidence, folder=str(folder / name))))
            task.advance(done)
    return scores


def _hidden(score: Score, pseudonyms: Pseudonyms) -> Score:
    return replace(score, detail=pseudonyms.hide(score.detail), warning=pseudonyms.hide(score.warning))
