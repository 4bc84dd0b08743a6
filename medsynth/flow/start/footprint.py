"""How much a run writes to disk, counted before it writes anything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from medsynth.api import GeneratorConfig
from medsynth.data.cache import cache_bytes
from medsynth.data.images import Record
from medsynth.data.preparing import PHANTOM
from medsynth.flow.stages.building import make_setup
from medsynth.plan.plan import Plan
from medsynth.plugins import Registry

FIXED = 1_000_000
"""Bytes of report, figures, tables, and of a bundle's code and samples: hardly different from run to run."""
_SHOWN = 12
"""Images in a picture of the gallery."""


@dataclass(frozen=True)
class Trained:
    """What training a plugin's networks writes, in bytes.

    Args:
        weights: of all its networks.
        exported: of the one that goes into the bundle.
        checkpoint: largest of its checkpoints.
    """

    weights: int
    exported: int
    checkpoint: int


def needed_bytes(plan: Plan, registry: Registry, records: tuple[Record, ...]) -> int:
    """Return the largest size that a run's folder reaches, as far as it can be foreseen.

    While a checkpoint is replaced, the old and the new one are there. The run and the helper that trains control
    rows beside it each have a checkpoint, of which one at a time is counted twice.

    Args:
        plan: of the run.
        registry: of the plugins.
        records: the images; none for a phantom that is still to be drawn.
    """
    generator, classifier = trained(plan, registry, "generator"), trained(plan, registry, "classifier")
    rows = 1 + len(plan.training.baselines) - (0 if _has_oracle(plan, records) else "oracle" in plan.training.baselines)
    beside = _beside(plan)
    data, translated = _data(plan, records)
    bundle = 2 * (generator.exported + classifier.exported)  # as .pt and as .safetensors
    before_rows = generator.weights + _gallery(plan) + translated
    one_seed = before_rows + rows * classifier.weights + bundle + FIXED
    while_rows = before_rows + (rows - beside) * classifier.weights + (beside + 1) * classifier.checkpoint
    controls = (beside - 1) * ((rows - beside) * classifier.weights + classifier.checkpoint)
    copies = bundle + translated + FIXED if len(plan.seeds) > 1 else 0
    earlier = (len(plan.seeds) - 1) * one_seed
    return data + earlier + max(2 * generator.checkpoint + controls, while_rows, one_seed + copies)


def trained(plan: Plan, registry: Registry, kind: str) -> Trained:
    """Count what training the plan's generator or classifier writes."""
    model, config = _model(plan, registry, kind)
    sizes = [_bytes(network.state_dict().values()) for network in model.networks().values()]
    weights, phases = sum(sizes), list(model.phases())
    unique = {id(item): item for phase in phases for item in phase.state.values()}
    state = sum(_bytes(item.state_dict().values()) for item in unique.values())
    # Adam keeps two moments of each parameter.
    moments = max(2 * sum(_bytes(_parameters(one)) for one in phase.optimizers.values()) for phase in phases)
    averages = weights if getattr(config, "ema_decay", 0.0) else 0
    pools = 2 * getattr(config, "pool_size", 0) * 4 * plan.data.size**2 * plan.data.stacked
    # The best weights so far are kept, too.
    return Trained(weights, sizes[0], state + moments + weights + averages + pools)


def _model(plan: Plan, registry: Registry, kind: str) -> tuple[Any, Any]:
    """Build a plugin's networks on torch's meta device, which allocates nothing, or else on the CPU."""
    import torch

    plugin, config = plan.chosen(kind)
    setup, spec = make_setup(plan, kind), registry.load(kind, plugin)

    def build(device: str) -> Any:
        with torch.random.fork_rng(devices=[]), torch.device(device):
            return registry.create(spec, config, replace(setup, device=device))

    try:
        return build("meta"), config
    except Exception:  # a plugin is free to build its networks in a way that the meta device cannot follow
        return build("cpu"), config


def _parameters(optimizer: Any) -> Iterable[Any]:
    return (parameter for group in optimizer.param_groups for parameter in group["params"])


def _bytes(values: Iterable[Any]) -> int:
    return sum(value.numel() * value.element_size() for value in values if hasattr(value, "element_size"))


def _data(plan: Plan, records: tuple[Record, ...]) -> tuple[int, int]:
    """Return the bytes of the prepared images, and of the translated ones as arrays and as files."""
    data, sources = plan.data, sum(record.domain == "source" for record in records)
    cache = cache_bytes(records, data)
    if data.path == PHANTOM:
        sources = data.phantom_source + 2 * data.held_out_sources
        cache = cache * 5 // 4  # its files, a byte a pixel
    return cache, sources * data.size**2 * data.channels * 5


def _has_oracle(plan: Plan, records: tuple[Record, ...]) -> bool:
    return plan.data.path == PHANTOM or any(record.domain == "oracle" for record in records)


def _gallery(plan: Plan) -> int:
    config: GeneratorConfig = plan.generator_config
    return (config.epochs // plan.training.validate_epochs + 1) * _SHOWN * plan.data.size**2 * plan.data.channels


def _beside(plan: Plan) -> int:
    """Return how many processes train, see `medsynth.flow.stages.helpers.beside`."""
    import torch

    return 1 if plan.device != "cpu" or torch.get_num_threads() == 1 or not plan.training.baselines else 2
