"""Everything that can be refused before a run writes its first byte."""

from __future__ import annotations

from pathlib import Path

from medsynth.api import Spec
from medsynth.data import inspect
from medsynth.data.cache import cache_bytes
from medsynth.data.images import Record
from medsynth.errors import InputError
from medsynth.plan import Plan
from medsynth.plugins import Registry
from medsynth.runs import check_disk
from medsynth.stages import make_setup

UNKNOWN_NETWORKS = 400_000_000
"""Bytes set aside for the weights of a plugin whose networks cannot be counted without building them."""


def check_plan(plan: Plan, registry: Registry, folder: Path) -> None:
    """Refuse unusable images, images that the plugins cannot take, unusable evaluators, and too little disk.

    Raises:
        InputError: with the field or file, its value and the next step.
    """
    check_plugins(plan, registry)
    records, _, _ = inspect(plan.data, plan.data.seed)
    check_disk(folder, needed_bytes(plan, registry, records))


def check_plugins(plan: Plan, registry: Registry) -> None:
    """Refuse images that the plugins cannot take, and unusable evaluators; looks at no image.

    Raises:
        InputError: with the field, its value and the next step.
    """
    specs = [registry.load("generator", plan.generator), registry.load("classifier", plan.classifier)]
    for spec in specs:
        _check_assumptions(plan, spec)
    for name, config in plan.evaluators.items():
        # Created now, an evaluator that reads a file refuses it before hours of training, not after.
        registry.create(registry.load("evaluator", name), config)


def _check_assumptions(plan: Plan, spec: Spec) -> None:
    wants, size, channels = spec.assumptions, plan.data.size, plan.data.channels
    if wants.channels and channels not in wants.channels:
        raise InputError(f"data.channels = {channels} does not suit '{spec.name}'", hint=f"It takes {wants.channels}.")
    if size < wants.min_size or size % wants.multiple_of:
        raise InputError(
            f"data.size = {size} does not suit '{spec.name}'",
            hint=f"It takes multiples of {wants.multiple_of} from {wants.min_size} on.",
        )


def needed_bytes(plan: Plan, registry: Registry, records: tuple[Record, ...]) -> int:
    """Estimate what a run writes: the image cache, translations as files and arrays, weights and checkpoints."""
    image = plan.data.size**2 * plan.data.channels
    sources = sum(record.domain == "source" for record in records)
    cache = cache_bytes(records, plan.data)
    if not records:  # the phantom, which is drawn later: sources with their true counterparts, then targets
        data = plan.data
        sources = data.phantom_source + 2 * data.held_out_sources
        cache = 5 * image * (2 * sources + data.phantom_negative + data.phantom_positive + 2 * data.phantom_test)
    per_seed = sources * image * 5
    per_seed += 4 * _weight_bytes(plan, registry, "generator") + 10 * _weight_bytes(plan, registry, "classifier")
    return cache + len(plan.seeds) * per_seed


def _weight_bytes(plan: Plan, registry: Registry, kind: str) -> int:
    """Count a plugin's weights on torch's meta device, which allocates nothing."""
    import torch

    plugin, config = (
        (plan.generator, plan.generator_config) if kind == "generator" else (plan.classifier, plan.classifier_config)
    )
    setup = make_setup(plan)
    meta = type(setup)(channels=setup.channels, size=setup.size, classes=setup.classes, device="meta")
    try:
        with torch.device("meta"):
            model = registry.create(registry.load(kind, plugin), config, meta)
    except Exception:  # a plugin is free to build its networks in a way that the meta device cannot follow
        return UNKNOWN_NETWORKS
    return sum(4 * weight.numel() for network in model.networks().values() for weight in network.parameters())
