"""Bundles to start from: the configs, code and plan of a pipeline, with random weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from medsynth.api import Setup, exported
from medsynth.base.seeds import seed_everything
from medsynth.bundle.trust.memory import RUN, remember
from medsynth.bundle.writing.assembling import write_bundle
from medsynth.bundle.writing.contents import BundleContents, PluginVersion
from medsynth.data.formats.chains import DomainInfo, preprocessing_config
from medsynth.data.formats.windows import parse_windows
from medsynth.plan.plan import Plan
from medsynth.plugins import Registry


def write_template(plan: Plan, registry: Registry, out: Path) -> Path:
    """Write a bundle of `plan`'s untrained networks into a folder of `out` that is named after its plugins.

    It reads 8-bit images, or those within ``data.window``, until a run that starts from it has seen others.

    Args:
        plan: resolved; its first seed decides the weights.
        registry: of the plugins.
        out: folder that receives the bundle.

    Returns:
        The bundle's folder.

    Raises:
        InputError: ``data.window`` cannot be read, or the scale is to be measured on images, which it has none of.
        RunError: as `medsynth.bundle.write_bundle` does.
    """
    windows = parse_windows(plan.data.window)
    source, target = (
        preprocessing_config(DomainInfo(eight_bit=True, window=windows.get(domain)), config)
        for domain, config in (("source", plan.data), ("target", dataclasses.replace(plan.data, neighbors=0)))
    )
    size = (plan.data.size, plan.data.size)
    networks: dict[str, Any] = {}
    plugins = []
    for kind, channels in (("generator", plan.data.stacked), ("classifier", plan.data.channels)):
        name, config = plan.chosen(kind)
        seed_everything(plan.seeds[0], kind, "", "weights")
        spec = registry.load(kind, name)
        networks[kind] = exported(registry.create(spec, config, Setup(channels=channels, size=size))).eval()
        plugins.append(PluginVersion(**registry.record(kind, name).named, reference=spec.reference))
    contents = BundleContents(
        name=f"{plan.generator}-{plan.classifier}",
        **networks,
        source_preprocessing=source,
        target_preprocessing=target,
        windows=windows,
        size=size,
        channels=plan.data.channels,
        neighbors=plan.data.neighbors,
        positive=plan.data.positive or "positive",
        threshold=0.5,
        split_hash="",
        trained=False,
        plan=plan.as_dict(),
        plugins=plugins,
    )
    folder = write_bundle(out / contents.name, contents)
    remember(folder, contents.name, RUN)
    return folder
