"""Plugins built and trained as a run's plan says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from medsynth.api import (
    Classifier,
    ClassifierConfig,
    Extractor,
    Generator,
    GeneratorConfig,
    Phase,
    Setup,
    learning_rate_schedule,
)
from medsynth.base.seeds import seed_everything
from medsynth.flow.folder.runs import Run, SeedRun
from medsynth.flow.stages.finetuning import start_from
from medsynth.plan.plan import Plan
from medsynth.training.devices import Policy, make_policy
from medsynth.training.job import Job
from medsynth.training.loop import train
from medsynth.training.processes import processes


def build(run: Run, kind: str, seed: int, *, name: str = "") -> Any:
    """Create the plan's generator or classifier with freshly seeded weights, or with those of its parent."""
    plan = run.plan
    plugin, config = plan.chosen(kind)
    seed_everything(seed, kind, name, "weights")
    spec = run.registry.load(kind, plugin)
    model = run.registry.create(spec, config, make_setup(plan, kind))
    if plan.parent:
        start_from(run.folder, kind, model)
    return model


def make_setup(plan: Plan, kind: str) -> Setup:
    """Return what a generator or classifier is told about its images and the device."""
    channels = plan.data.stacked if kind == "generator" else plan.data.channels
    return Setup(channels=channels, size=(plan.data.size, plan.data.size), device=plan.device)


def policy_of(plan: Plan) -> Policy:
    """Return device, precision and layout of a plan."""
    return make_policy(plan.device, plan.training, plan.data.size)


def load_extractor(run: Run, name: str) -> Extractor:
    """Load a feature extractor plugin with its default config."""
    spec = run.registry.load("extractor", name)
    return cast(Extractor, run.registry.create(spec, spec.config()))


def train_model(
    seed_run: SeedRun,
    name: str,
    folder: Path,
    model: Generator | Classifier,
    loader: Callable[[Phase], Any],
    *,
    validate: Callable[[int], Any],
    observe: Callable[[], Mapping[str, float]] | None = None,
    validate_epochs: int = 1,
    options: GeneratorConfig | ClassifierConfig,
) -> dict[str, Any]:
    """Train a model as the plan says, see `medsynth.training.job.Job`; return its history."""
    run = seed_run.run
    own: dict[str, Any] = {}
    if isinstance(options, GeneratorConfig):
        own = {name: getattr(options, name) for name in ("accumulate", "ema_decay", "checkpointing")}
        own["together"] = processes() > 1
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
            schedule=learning_rate_schedule(options),
            **own,
            watch=run.watch,
            stop=run.stop,
        )
    )
