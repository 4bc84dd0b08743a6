"""The stage that trains the generator, and what judges it meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np

from medsynth.api import Generator, Phase
from medsynth.base.configuration import as_dict
from medsynth.base.seeds import derive_seed
from medsynth.data.images import Images
from medsynth.data.loaders import UnpairedLoader
from medsynth.data.preparing import Data
from medsynth.flow.folder.runs import SeedRun
from medsynth.flow.stages.building import build, load_extractor, policy_of, train_model
from medsynth.flow.stages.positives import keep_positives
from medsynth.training.monitoring import Key, Monitor, problems_of
from medsynth.training.processes import processes, rank, share_of


def train_generator(seed_run: SeedRun, data: Data) -> Generator:
    """Train the generator on the unpaired images of training patients."""
    run, plan, config = seed_run.run, seed_run.run.plan, seed_run.run.plan.generator_config
    with run.stage(seed_run.stage_name("generator")), seed_run.shared("generator", "generator"):
        source = data.images.select(domain="source", split="train")
        target = data.images.select(domain="target", split="train")
        target = keep_positives(target, config.positives, seed=seed_run.seed)
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

        history = train_model(
            seed_run,
            "generator",
            seed_run.folder / "generator",
            generator,
            loader,
            validate=_look(seed_run, data, generator),
            validate_epochs=plan.training.validate_epochs,
            options=config,
        )
        for kind, text in problems_of(history, as_dict(config)):
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
                offered=as_dict(plan.generator_config),
                epochs=plan.generator_config.epochs,
            )
            monitor.append(made)
        key, values = monitor[0](epoch)
        return (key if plan.training.keep == "best" else (float(epoch),)), values

    return look


def _validation(data: Data, domain: str) -> Images:
    """Return a domain's validation images, or its training images where fewer than two are held out."""
    held_out = data.images.select(domain=domain, split="val")
    return held_out if len(held_out) >= 2 else data.images.select(domain=domain, split="train")


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
