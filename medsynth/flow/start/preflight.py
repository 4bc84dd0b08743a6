"""Everything that can be refused before a run writes its first byte."""

from __future__ import annotations

from pathlib import Path

from medsynth.api import GeneratorSpec, Spec
from medsynth.base.errors import InputError
from medsynth.data.preparing import inspect
from medsynth.flow.folder.choosing import check_disk
from medsynth.flow.start.footprint import needed_bytes
from medsynth.plan.plan import Plan
from medsynth.plugins import Registry
from medsynth.training.loggers import check_loggers


def check_plan(plan: Plan, registry: Registry, folder: Path) -> None:
    """Refuse unusable images, images that the plugins cannot take, unusable evaluators, and too little disk.

    Raises:
        InputError: with the field or file, its value and the next step.
    """
    check_plugins(plan, registry)
    records, _, _ = inspect(plan.data, plan.data.seed)
    check_disk(folder, needed_bytes(plan, registry, records))


def check_plugins(plan: Plan, registry: Registry) -> None:
    """Refuse images that the plugins cannot take, and unusable evaluators and loggers; looks at no image.

    Raises:
        InputError: with the field, its value and the next step.
    """
    check_loggers(plan.training)
    specs = [registry.load("generator", plan.generator), registry.load("classifier", plan.classifier)]
    for spec in specs:
        _check_assumptions(plan, spec)
    for name, config in plan.evaluators.items():
        # Created now, an evaluator that reads a file refuses it before hours of training, not after.
        registry.create(registry.load("evaluator", name), config)


def _check_assumptions(plan: Plan, spec: Spec) -> None:
    wants, size, channels = spec.assumptions, plan.data.size, plan.data.channels
    if plan.data.neighbors and isinstance(spec, GeneratorSpec):
        if wants.channels and plan.data.stacked not in wants.channels:
            raise InputError(
                f"data.neighbors = {plan.data.neighbors} makes {plan.data.stacked} channels, which do not suit "
                f"'{spec.name}'",
                hint=f"It takes {wants.channels}.",
            )
        channels = plan.data.stacked
    if wants.channels and channels not in wants.channels:
        raise InputError(f"data.channels = {channels} does not suit '{spec.name}'", hint=f"It takes {wants.channels}.")
    if size < wants.min_size or size % wants.multiple_of:
        raise InputError(
            f"data.size = {size} does not suit '{spec.name}'",
            hint=f"It takes multiples of {wants.multiple_of} from {wants.min_size} on.",
        )
