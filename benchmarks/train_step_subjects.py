"""What `train_step.py` measures: training steps of generators and parts of them, each in two forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

FORMS = ("plain", "medsynth")
GENERATORS = ("cyclegan", "unit", "munit", "dclgan", "sg-cyclegan")
ACCESSES = 16
HALFWAY = SimpleNamespace(state=SimpleNamespace(iteration=26, max_epochs=5, epoch_length=10))
"""An Ignite engine in the middle of its training."""


@dataclass(frozen=True)
class Options:
    """What a measurement depends on; `folder` is for files, `exact` forbids medsynth mixed precision on a GPU.

    `training` holds core settings of medsynth's form that are not the device's own.
    """

    size: int
    batch: int
    device: str
    threads: int
    folder: Path
    exact: bool = False
    training: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """What is measured: an action, and what it results in: gradients given to optimizers, or tensors by name."""

    act: Callable[[], object]
    optimizers: Mapping[str, Any] = field(default_factory=dict)
    results: Callable[[], dict[str, Any]] = dict


def build_step(name: str, form: str, options: Options, **fields: Any) -> Subject:
    """Return one training step of a generator; `fields` are of its plugin's options."""
    import torch
    from plain_autoencoders import PlainMunit, PlainUnit
    from plain_generators import CHANNELS, PlainCycleGan, PlainDclGan, PlainSgCycleGan

    from medsynth.adversarial.initialization import initialize_kaiming
    from medsynth.api import Setup
    from medsynth.plugins import Registry

    plain = dict(zip(GENERATORS, (PlainCycleGan, PlainUnit, PlainMunit, PlainDclGan, PlainSgCycleGan), strict=True))
    torch.manual_seed(0)
    registry = Registry()
    spec = registry.load("generator", name)
    fields |= {"batch_size": options.batch} | ({"pool_size": 0} if "pool_size" in spec.config.__annotations__ else {})
    setup = Setup(channels=CHANNELS, size=(options.size, options.size), device=options.device)
    model = registry.create(spec, spec.config(**fields), setup)
    for network in model.networks().values():
        # Plugins start some networks so small that their images, and with them gradients, are little but rounding.
        initialize_kaiming(network)
    drawn = torch.rand(2, options.batch, CHANNELS, options.size, options.size).to(options.device) * 2 - 1
    source, target = drawn.unbind()
    if form == "medsynth":
        return _own_step(model, {"source": source, "target": target}, options)
    other = plain[name](model)
    del model  # so that its memory is not counted
    return Subject(lambda: other.step(source, target), other.optimizers)


def _own_step(model: Any, batch: dict[str, Any], options: Options) -> Subject:
    import torch

    from medsynth.training.config import TrainingConfig
    from medsynth.training.devices import make_policy

    (phase,) = model.phases()
    precision = "fp32" if options.exact or options.device == "cpu" else "auto"
    settings = TrainingConfig(**{"precision": precision, **options.training})
    policy = make_policy(options.device, settings, options.size)
    for item in phase.state.values():
        if isinstance(item, torch.nn.Module):
            policy.apply(item.train())

    def step() -> None:
        with policy.autocast():
            phase.step(HALFWAY, batch)

    return Subject(step, phase.optimizers)


def build_patch_nce(form: str, options: Options) -> Subject:
    """Return the contrastive loss of one tap with its gradient: 256 positions of each image."""
    import torch
    from medsynth_dclgan.contrast import patch_nce
    from plain_generators import broadcast_nce

    torch.manual_seed(0)
    queries, keys = torch.randn(2, options.batch, 256, 256, device=options.device).unbind()
    queries.requires_grad_()

    def act() -> None:
        queries.grad = None
        if form == "plain":
            broadcast_nce(queries.flatten(0, 1), keys.flatten(0, 1)).backward()
        else:
            patch_nce([queries], [keys]).backward()

    return Subject(act, results=lambda: {"queries": queries.grad})


def build_adam(form: str, options: Options) -> Subject:
    """Return one step of Adam on the parameters of two generators."""
    import torch
    from plain_generators import adam

    from medsynth.adversarial.updating import adversarial_adam
    from medsynth.networks.resnet import ResnetGenerator

    torch.manual_seed(0)
    networks = torch.nn.ModuleList(ResnetGenerator(1, 1) for _ in range(2)).to(options.device)
    for parameter in networks.parameters():
        parameter.data.zero_()  # so that weights afterwards are the changes
        parameter.grad = torch.randn_like(parameter)
    plain = form == "plain"
    optimizer = adam(networks, rate=2e-4) if plain else adversarial_adam(networks.parameters(), 2e-4)
    return Subject(optimizer.step, results=lambda: {n: w.detach() for n, w in networks.named_parameters()})


def build_cache(form: str, options: Options) -> Subject:
    """Return accesses to grey images of this size: from medsynth's cache, or by decoding PNG files."""
    import numpy as np
    import torch
    from PIL import Image

    from medsynth.data.cache import load_images
    from medsynth.data.config import DataConfig
    from medsynth.data.images import Record
    from medsynth.data.phantom.cohort import draw_patient
    from medsynth.data.phantom.rendering import render_ultrasound

    folder, rng = options.folder / form, np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    records = [Record(f"{number}.png", "target", 0, str(number), "train") for number in range(ACCESSES)]
    for number, record in enumerate(records):
        shown = render_ultrasound(draw_patient(number, 0, seed=0), options.size, rng)
        Image.fromarray(np.round(255 * shown).astype(np.uint8)).save(folder / record.image)
    cached = load_images(records, folder, DataConfig(size=options.size), folder / "cache")

    def decode(number: int) -> np.ndarray:
        with Image.open(folder / records[number].image) as file:
            return np.asarray(file, np.float32)[None] / 127.5 - 1

    read = decode if form == "plain" else cached.read

    def act() -> None:
        for number in range(ACCESSES):
            read(number)

    return Subject(act, results=lambda: {"images": torch.from_numpy(np.stack([read(n) for n in range(ACCESSES)]))})


PARTS = {"patch-nce": build_patch_nce, "adam": build_adam, "cache": build_cache}


def build(name: str, form: str, options: Options, **fields: Any) -> Subject:
    """Return a part, or a generator's step; `fields` are of the generator's options."""
    return PARTS[name](form, options) if name in PARTS else build_step(name, form, options, **fields)
