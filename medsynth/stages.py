"""The stages of a run: each reads what earlier ones left, works in its own folder, returns what it made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from medsynth.api import (
    Classifier,
    Evidence,
    Extractor,
    Generator,
    ImageSet,
    Phase,
    Predictions,
    Score,
    Setup,
)
from medsynth.classification import Row, make_rows, test, validate, write_predictions
from medsynth.data import Data, prepare
from medsynth.data.images import Images
from medsynth.data.loaders import UnpairedLoader
from medsynth.devices import Policy, make_policy
from medsynth.files import write_json
from medsynth.plan import Plan
from medsynth.runs import Run, SeedRun
from medsynth.seeds import derive_seed, seed_everything
from medsynth.synthesis import synthesize
from medsynth.training import Job, train

SCORES, MEASUREMENTS = "scores.json", "measurements.json"


@dataclass(frozen=True)
class Evaluation:
    """What the evaluation stage found out, for bundle and report."""

    scores: list[Score]
    measurements: list[Score]
    predictions: Mapping[str, Predictions]
    evidence: Evidence
    histories: Mapping[str, Any]
    """Training histories: ``generator`` and one per classifier row."""


def prepare_data(run: Run) -> Data:
    """Read, check, split and cache the images."""
    with run.stage("data"):
        shown = run.watch.task("data: reading images", 1)
        with shown as task:
            data = prepare(run.plan.data, run.folder / "data", seed=run.plan.data.seed,
                           progress=lambda done, total: task.advance(done / total))
        for text in data.warnings:
            run.warn(text)
        run.record["split"] = data.split_hash
    return data


def build(run: Run, kind: str, seed: int, *, name: str = "") -> Any:
    """Create the plan's generator or classifier with freshly seeded weights."""
    plan = run.plan
    plugin, config = (
        (plan.generator, plan.generator_config) if kind == "generator" else (plan.classifier, plan.classifier_config)
    )
    seed_everything(seed, kind, name, "weights")
    spec = run.registry.load(kind, plugin)
    return run.registry.create(spec, config, make_setup(plan))


def make_setup(plan: Plan) -> Setup:
    """Return what plugins are told about images and device."""
    return Setup(channels=plan.data.channels, size=(plan.data.size, plan.data.size), device=plan.device)


def policy_of(plan: Plan) -> Policy:
    """Return device, precision and layout of a plan."""
    return make_policy(plan.device, plan.training, plan.data.size)


def train_generator(seed_run: SeedRun, data: Data) -> Generator:
    """Train the generator on the unpaired images of training patients."""
    run, plan, config = seed_run.run, seed_run.run.plan, seed_run.run.plan.generator_config
    with run.stage(seed_run.stage_name("generator")):
        source = data.images.select(domain="source", split="train")
        target = data.images.select(domain="target", split="train")
        if plan.data.match_labels:
            target = match_labels(source, target)
        generator = cast(Generator, build(run, "generator", seed_run.seed))

        def loader(phase: Phase) -> UnpairedLoader:
            return UnpairedLoader(
                source,
                target,
                batch_size=phase.batch_size,
                steps=phase.epoch_steps,
                seed=derive_seed(seed_run.seed, "generator", phase.name),
                augment=config.augment,
                workers=plan.data.workers,
            )

        _train(seed_run, "generator", seed_run.folder / "generator", generator, loader)
    return generator


def match_labels(source: Images, target: Images) -> Images:
    """Repeat target images so that their share of positives equals the source's, where all labels are known.

    Otherwise the discriminator would ask translations to show as few lesions as the target domain does,
    and the generator would learn to remove them.
    """
    if (source.labels < 0).any() or (target.labels < 0).any():
        return target
    share = float(source.labels.mean())
    positive, negative = (np.flatnonzero(target.labels == label) for label in (1, 0))
    if share in (0.0, 1.0):
        return target.take(positive if share else negative)
    wanted = round(len(negative) * share / (1.0 - share))
    if wanted >= len(positive):
        return target.take(np.concatenate([negative, np.resize(positive, wanted)]))
    return target.take(np.concatenate([np.resize(negative, round(len(positive) * (1.0 - share) / share)), positive]))


def synthesize_training_set(seed_run: SeedRun, data: Data, generator: Generator) -> Images:
    """Translate the source images of training patients, and no others."""
    run = seed_run.run
    with run.stage(seed_run.stage_name("synthesis")):
        return _translate(seed_run, generator, data.images.select(domain="source", split="train"), "synthetic")


def _translate(seed_run: SeedRun, generator: Generator, source: Images, folder: str) -> Images:
    run = seed_run.run
    return synthesize(
        generator,
        source,
        seed_run.folder / folder,
        name=run.plan.generator,
        policy=policy_of(run.plan),
        watch=run.watch,
        stop=run.stop,
    )


def train_classifiers(seed_run: SeedRun, data: Data, synthetic: Images) -> dict[str, Classifier]:
    """Train one classifier per row, all under the same budget."""
    run, config = seed_run.run, seed_run.run.plan.classifier_config
    real = data.images.select(domain="target", split="train")
    oracle = data.images.select(domain="oracle", split="train")
    rows = make_rows(real, synthetic, oracle if len(oracle) else None, config.batch_size)
    with run.stage(seed_run.stage_name("classifier")):
        return {name: _train_row(seed_run, data, name, row) for name, row in rows.items()}


def _train_row(seed_run: SeedRun, data: Data, name: str, row: Row) -> Classifier:
    run, plan = seed_run.run, seed_run.run.plan
    config, policy = plan.classifier_config, policy_of(plan)
    # The rows share initial weights and, as far as their images agree, batches: they differ in data only.
    classifier = cast(Classifier, build(run, "classifier", seed_run.seed))
    network = next(iter(classifier.networks().values()))
    validation = data.images.select(domain="target", split="val")

    def loader(phase: Phase) -> Any:
        seed = derive_seed(seed_run.seed, "classifier", phase.name)
        return row.loader(phase, seed=seed, balance=config.balance, augment=config.augment, workers=plan.data.workers)

    _train(seed_run, f"classifier {name}", seed_run.folder / "classifier" / name, classifier, loader,
           validate=lambda: validate(network, validation, policy))
    return classifier


def _train(
    seed_run: SeedRun,
    name: str,
    folder: Path,
    model: Generator | Classifier,
    loader: Callable[[Phase], Any],
    validate: Callable[[], Any] | None = None,
) -> None:
    run = seed_run.run
    train(
        Job(
            name=name,
            folder=folder,
            phases=model.phases(),
            networks=model.networks(),
            loader=loader,
            seed=seed_run.seed,
            policy=policy_of(run.plan),
            training=run.plan.training,
            validate=validate,
            watch=run.watch,
            stop=run.stop,
        )
    )


def evaluate(
    seed_run: SeedRun, data: Data, generator: Generator, classifiers: Mapping[str, Classifier]
) -> Evaluation:
    """Translate held-out sources, predict the real test images, and let every evaluator judge."""
    run, folder = seed_run.run, seed_run.folder
    with run.stage(seed_run.stage_name("evaluation")):
        predictions = _predict(seed_run, data, classifiers)
        evidence = _evidence(seed_run, data, generator, classifiers, predictions)
        if not (folder / SCORES).exists():
            scores = _judge(run, evidence)
            write_scores(folder / MEASUREMENTS, [score for score in scores if score.measured])
            write_scores(folder / SCORES, [score for score in scores if not score.measured])
        trained = {"generator": folder / "generator"} | {n: folder / "classifier" / n for n in classifiers}
        return Evaluation(
            scores=read_scores(folder / SCORES),
            measurements=read_scores(folder / MEASUREMENTS),
            predictions=predictions,
            evidence=evidence,
            histories={name: json.loads((path / "history.json").read_text()) for name, path in trained.items()},
        )


def _predict(seed_run: SeedRun, data: Data, classifiers: Mapping[str, Classifier]) -> dict[str, Predictions]:
    plan = seed_run.run.plan
    validation, real = (data.images.select(domain="target", split=split) for split in ("val", "test"))
    predictions = {}
    for name, classifier in classifiers.items():
        network = next(iter(classifier.networks().values()))
        predictions[name] = test(
            network, validation, real, policy=policy_of(plan), threshold_policy=plan.training.threshold
        )
        path = seed_run.folder / "evaluation" / f"predictions-{name}.csv"
        write_predictions(path, predictions[name], [record.name for record in real.records])
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
        run.warn("no source patient is held out: image quality is measured on translations of training images")
        source = data.images.select(domain="source", split="train")
    translated = _translate(seed_run, generator, source, "evaluation/translated")
    networks = {
        "generator": next(iter(generator.networks().values())),
        "classifier": next(iter(classifiers["synthetic"].networks().values())),
    }
    return Evidence(
        real=data.images.select(domain="target", split="test").as_set(),
        source=source.as_set(),
        synthetic=translated.as_set(),
        truth=true_counterparts(source, data.images),
        training=data.images.select(domain="target", split="train").as_set(),
        predictions=predictions,
        networks={name: network.eval() for name, network in networks.items()},
        extractor=lambda name: load_extractor(run, name),
        device=run.plan.device,
        seed=seed_run.seed,
    )


def load_extractor(run: Run, name: str) -> Extractor:
    """Load a feature extractor plugin with its default config."""
    spec = run.registry.load("extractor", name)
    return cast(Extractor, run.registry.create(spec, spec.config()))


def true_counterparts(source: Images, images: Images) -> ImageSet | None:
    """Return the true target images of `source` in its order, or None unless every one has one."""
    rows = {(record.image, record.slice): index for index, record in enumerate(images.records)}
    found = [rows.get((record.pair, record.slice)) for record in source.records]
    return None if None in found else images.take([row for row in found if row is not None]).as_set()


def _judge(run: Run, evidence: Evidence) -> list[Score]:
    scores: list[Score] = []
    with run.watch.task("evaluation", len(run.plan.evaluators)) as task:
        for done, (name, config) in enumerate(run.plan.evaluators.items(), start=1):
            run.stop.check()
            seed_everything(evidence.seed, "evaluation", name)
            spec = run.registry.load("evaluator", name)
            scores.extend(run.registry.create(spec, config).scores(evidence))
            task.advance(done)
    return scores


def write_scores(path: Path, scores: list[Score]) -> None:
    """Write scores as JSON; a value that is not a number becomes null."""

    def plain(score: Score) -> dict[str, Any]:
        values = {key: value for key, value in asdict(score).items() if key != "measured"}
        return {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in values.items()}

    write_json(path, {"schema": 1, "scores": [plain(score) for score in scores]})


def read_scores(path: Path) -> list[Score]:
    """Read what `write_scores` wrote."""
    rows = json.loads(path.read_text())["scores"]
    measured = path.name == MEASUREMENTS
    return [
        Score(**{**row, "value": float("nan") if row["value"] is None else row["value"], "measured": measured})
        for row in rows
    ]
