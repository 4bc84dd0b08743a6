"""The stages that prepare, train and translate: each works in its own folder and returns what it made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import numpy as np

from medsynth.api import Classifier, Extractor, Generator, GeneratorConfig, Phase, Setup
from medsynth.base.progress import Task
from medsynth.base.seals import is_finished
from medsynth.base.seeds import derive_seed, seed_everything
from medsynth.data.images import Images, Record
from medsynth.data.listing.paths import relative
from medsynth.data.loaders import UnpairedLoader
from medsynth.data.preparing import Data, prepare
from medsynth.plan.plan import Plan
from medsynth.run.folder.runs import Run, SeedRun
from medsynth.run.stages.classification import MAIN_ROW, Row, make_rows, validate
from medsynth.run.stages.finetuning import start_from
from medsynth.run.stages.helpers import Team
from medsynth.run.stages.synthesis import Translation, synthesize
from medsynth.training.devices import Policy, make_policy
from medsynth.training.inspection import figures, inspect
from medsynth.training.loop import Job, train
from medsynth.training.monitoring import Key, Monitor, problems_of
from medsynth.training.processes import leader_first, processes, rank, share_of, wait_for_all


def prepare_data(run: Run) -> Data:
    """Read, check, split and cache the images."""
    with run.stage("data"), run.shared("data"), leader_first(), ExitStack() as shown:
        tasks: list[Task] = []

        def progress(done: int, total: int) -> None:
            if not tasks:
                tasks.append(shown.enter_context(run.watch.task("data: reading images", total)))
            tasks[0].advance(done)

        data = prepare(run.plan.data, run.folder / "data", seed=run.plan.data.seed, progress=progress)
        for kind, text in data.warnings:
            run.warn(kind, text)
        run.record["split"] = data.split_hash
    return data


def build(run: Run, kind: str, seed: int, *, name: str = "") -> Any:
    """Create the plan's generator or classifier with freshly seeded weights, or with those of its parent."""
    plan = run.plan
    plugin, config = (
        (plan.generator, plan.generator_config) if kind == "generator" else (plan.classifier, plan.classifier_config)
    )
    seed_everything(seed, kind, name, "weights")
    spec = run.registry.load(kind, plugin)
    model = run.registry.create(spec, config, make_setup(plan))
    if plan.parent:
        start_from(run.folder, kind, model)
    return model


def make_setup(plan: Plan) -> Setup:
    """Return what plugins are told about images and device."""
    return Setup(channels=plan.data.channels, size=(plan.data.size, plan.data.size), device=plan.device)


def policy_of(plan: Plan) -> Policy:
    """Return device, precision and layout of a plan."""
    return make_policy(plan.device, plan.training, plan.data.size)


def train_generator(seed_run: SeedRun, data: Data) -> Generator:
    """Train the generator on the unpaired images of training patients."""
    run, plan, config = seed_run.run, seed_run.run.plan, seed_run.run.plan.generator_config
    with run.stage(seed_run.stage_name("generator")), seed_run.shared("generator", "generator"):
        source = data.images.select(domain="source", split="train")
        target = data.images.select(domain="target", split="train")
        if plan.data.match_labels:
            target = match_labels(source, target)
        generator = cast(Generator, build(run, "generator", seed_run.seed))

        def loader(phase: Phase) -> UnpairedLoader:
            whole = phase.batch_size * config.accumulate
            share_of(whole)
            return UnpairedLoader(
                source,
                target,
                batch_size=whole,
                steps=phase.epoch_steps,
                seed=derive_seed(seed_run.seed, "generator", phase.name),
                augment=config.augment,
                pinned=policy_of(plan).pinned,
                workers=plan.data.workers,
                share=(rank(), processes()),
            )

        history = _train(
            seed_run,
            "generator",
            seed_run.folder / "generator",
            generator,
            loader,
            validate=_look(seed_run, data, generator),
            validate_epochs=plan.training.validate_epochs,
            generator_config=config,
        )
        for kind, text in problems_of(history):
            run.warn(kind, text)
    return generator


def _look(seed_run: SeedRun, data: Data, generator: Generator) -> Callable[[int], tuple[Key, dict[str, float]]]:
    """Return what judges the generator after an epoch; it is set up when it is first needed."""
    run, plan = seed_run.run, seed_run.run.plan
    monitor: list[Monitor] = []

    def look(epoch: int) -> tuple[Key, dict[str, float]]:
        if not monitor:
            made = Monitor(
                generator,
                _validation(data, "source"),
                _validation(data, "target"),
                extractor=load_extractor(run, "efficientnet-lite0"),
                folder=seed_run.folder / "generator",
                policy=policy_of(plan),
                say=run.watch.say,
            )
            monitor.append(made)
        key, values = monitor[0](epoch)
        return (key if plan.training.keep == "best" else (float(epoch),)), values

    return look


def _validation(data: Data, domain: str) -> Images:
    """Return a domain's validation images, or its training images where fewer than two are held out."""
    held_out = data.images.select(domain=domain, split="val")
    return held_out if len(held_out) >= 2 else data.images.select(domain=domain, split="train")


def load_extractor(run: Run, name: str) -> Extractor:
    """Load a feature extractor plugin with its default config."""
    spec = run.registry.load("extractor", name)
    return cast(Extractor, run.registry.create(spec, spec.config()))


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
    with run.stage(seed_run.stage_name("synthesis")), leader_first():
        source = data.images.select(domain="source", split="train")
        return translate(seed_run, data, generator, source, "synthetic")


def translate(seed_run: SeedRun, data: Data, generator: Generator, source: Images, folder: str) -> Images:
    """Translate `source` into a folder of the run."""
    run = seed_run.run
    job = Translation(
        generator=generator,
        name=run.plan.generator,
        source=source,
        origins=[listed_name(run, data, record) for record in source.records],
        policy=policy_of(run.plan),
        watch=run.watch,
        stop=run.stop,
    )
    with seed_run.shared(folder, "generator"):
        return synthesize(job, seed_run.folder / folder)


def listed_name(run: Run, data: Data, record: Record) -> str:
    """Return how the run's data/manifest.csv names an image, with the slice behind ``#`` where there is one."""
    name = relative(data.root / record.image, run.folder / "data")
    return name if record.slice is None else f"{name}#{record.slice}"


def train_classifiers(seed_run: SeedRun, data: Data, synthetic: Images, team: Team) -> dict[str, Classifier]:
    """Train one classifier per row, all under the same budget.

    What the team's helper trains is waited for; processes that train together share out the rows.
    """
    rows = classifier_rows(seed_run.run.plan, data, synthetic)
    left = [name for name in rows if not is_finished(seed_run.folder / "classifier" / name)]
    with seed_run.run.stage(seed_run.stage_name("classifier")):
        for name in left[rank() :: processes()]:
            if name not in team.rows:
                train_row(seed_run, data, name, rows[name])
        team.wait()
        wait_for_all()
        # What is trained already, here or by another process, is loaded.
        return {name: train_row(seed_run, data, name, row) for name, row in rows.items()}


def classifier_rows(plan: Plan, data: Data, synthetic: Images) -> dict[str, Row]:
    """Return the images of each classifier row that the plan asks for, by its name."""
    real, source, oracle = (data.images.select(domain=name, split="train") for name in ("target", "source", "oracle"))
    added = {MAIN_ROW: synthetic, "untranslated": source, "oracle": oracle}
    rows = make_rows(real, added, plan.classifier_config.batch_size)
    return {name: row for name, row in rows.items() if name in (MAIN_ROW, *plan.training.baselines)}


def train_row(seed_run: SeedRun, data: Data, name: str, row: Row) -> Classifier:
    """Train the classifier of one row."""
    run, plan = seed_run.run, seed_run.run.plan
    config, policy = plan.classifier_config, policy_of(plan)
    # The rows share initial weights and, as far as their images agree, batches: they differ in data only.
    classifier = cast(Classifier, build(run, "classifier", seed_run.seed))
    network = next(iter(classifier.networks().values()))
    validation = data.images.select(domain="target", split="val")

    def loader(phase: Phase) -> Any:
        return row.loader(
            phase,
            seed=derive_seed(seed_run.seed, "classifier", phase.name),
            balance=config.balance,
            augment=config.augment,
            pinned=policy.pinned,
            workers=plan.data.workers,
        )

    depends = ("generator", "classifier") if name == MAIN_ROW else ("classifier",)
    with seed_run.shared(f"classifier/{name}", *depends):
        _train(
            seed_run,
            f"classifier {name}",
            seed_run.folder / "classifier" / name,
            classifier,
            loader,
            validate=lambda _: validate(network, validation, policy),
            observe=lambda: figures(inspect(classifier, validation, policy)),
        )
    return classifier


def _train(
    seed_run: SeedRun,
    name: str,
    folder: Path,
    model: Generator | Classifier,
    loader: Callable[[Phase], Any],
    *,
    validate: Callable[[int], Any],
    observe: Callable[[], Mapping[str, float]] | None = None,
    validate_epochs: int = 1,
    generator_config: GeneratorConfig | None = None,
) -> dict[str, Any]:
    run, options = seed_run.run, generator_config
    return train(
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
            observe=observe,
            validate_epochs=validate_epochs,
            accumulate=options.accumulate if options else 1,
            ema_decay=options.ema_decay if options else 0.0,
            checkpointing=options.checkpointing if options else False,
            together=options is not None and processes() > 1,
            watch=run.watch,
            stop=run.stop,
        )
    )
