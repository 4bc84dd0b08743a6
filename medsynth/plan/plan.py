"""The plan: what was asked, resolved once from preset and overrides, frozen and saved as plan.toml."""

from __future__ import annotations

import dataclasses
import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from medsynth.api import ClassifierConfig, EvaluatorConfig, GeneratorConfig
from medsynth.base.configuration import as_dict, nearest, resolve
from medsynth.base.errors import InputError
from medsynth.data.config import DataConfig
from medsynth.plan.parent import Parent
from medsynth.plugins import Registry
from medsynth.training.config import TrainingConfig

SECTIONS = ("data", "training", "generator", "classifier", "evaluators")
DEFAULT_EVALUATORS = ("image-quality", "structure", "diagnostic", "screening", "efficiency")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A resolved plan. Equal plans on equal data and versions give equal results.

    Args:
        preset: name of the preset it started from.
        seeds: one full training per seed; the data split does not depend on them.
        device: cpu, cuda or mps.
        data, training: core settings.
        generator, classifier, evaluators: plugin names with their configs.
        parent: sha256 of the manifest of the bundle whose weights it starts from; empty for new weights.
    """

    preset: str
    seeds: tuple[int, ...]
    device: str
    data: DataConfig
    training: TrainingConfig
    generator: str
    generator_config: GeneratorConfig
    classifier: str
    classifier_config: ClassifierConfig
    evaluators: Mapping[str, EvaluatorConfig]
    parent: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as it is written to plan.toml."""
        return {
            "schema": 1,
            "preset": self.preset,
            "seeds": list(self.seeds),
            "device": self.device,
            **({"parent": self.parent} if self.parent else {}),
            "data": as_dict(self.data),
            "training": as_dict(self.training),
            "generator": {"name": self.generator, **as_dict(self.generator_config)},
            "classifier": {"name": self.classifier, **as_dict(self.classifier_config)},
            "evaluators": {name: as_dict(config) for name, config in self.evaluators.items()},
        }

    def to_toml(self) -> str:
        """Return the text of plan.toml."""
        import tomli_w

        return tomli_w.dumps(self.as_dict())

    @property
    def digest(self) -> str:
        """sha256 of plan.toml."""
        return hashlib.sha256(self.to_toml().encode()).hexdigest()


def presets() -> list[str]:
    """Return the names of the presets that come with medsynth."""
    folder = resources.files("medsynth.plan") / "presets"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load_preset(name: str) -> dict[str, Any]:
    """Read a preset by name.

    Raises:
        InputError: for an unknown name.
    """
    if name not in presets():
        raise InputError(f"unknown preset '{name}'", hint=nearest(name, presets()))
    return tomllib.loads((resources.files("medsynth.plan") / "presets" / f"{name}.toml").read_text())


def parse_overrides(items: Sequence[str]) -> dict[str, dict[str, str]]:
    """Turn ``kind.field=value`` strings into values by section.

    Examples:
        >>> parse_overrides(["generator.width=16", "evaluators.diagnostic.resamples=500"])
        {'generator': {'width': '16'}, 'evaluators.diagnostic': {'resamples': '500'}}
    """
    sections: dict[str, dict[str, str]] = {}
    for item in items:
        address, equals, value = item.partition("=")
        section, dot, field = address.strip().rpartition(".")
        if not (equals and dot and field):
            raise InputError(f"--set {item!r} cannot be read", hint="Write --set kind.field=value.")
        if section.partition(".")[0] not in SECTIONS:
            raise InputError(f"--set {item!r} names the unknown kind '{section}'", hint=nearest(section, SECTIONS))
        sections.setdefault(section, {})[field] = value.strip()
    return sections


def make_plan(
    registry: Registry,
    *,
    generator: str,
    classifier: str,
    evaluators: Sequence[str] = DEFAULT_EVALUATORS,
    preset: str,
    seeds: Sequence[int],
    device: str,
    data: str = "phantom",
    overrides: Sequence[str] = (),
    parent: Parent | None = None,
) -> Plan:
    """Resolve a plan: defaults, the core's preset, the plugin's preset, the parent's values, then overrides.

    Raises:
        InputError: for any unknown name or unusable value; PluginError for a plugin that cannot be loaded.
    """
    values, inherited = load_preset(preset), parent.values if parent else {}
    given = parse_overrides(overrides)
    unknown = [s for s in given if s.startswith("evaluators") and s.removeprefix("evaluators.") not in evaluators]
    if unknown:
        raise InputError(
            f"--set names the evaluator '{unknown[0]}', which is not part of this run",
            hint=nearest(unknown[0], [f"evaluators.{name}" for name in evaluators]),
        )

    def config(kind: str, name: str, section: str) -> Any:
        spec = registry.load(kind, name)
        offered = {field.name for field in dataclasses.fields(spec.config)}
        layers = [
            # A preset is made for all plugins; one that lacks a field has no use for its value.
            {field: value for field, value in values.get(section, {}).items() if field in offered},
            spec.presets.get(preset, {}),
            inherited.get(section, {}),
            given.get(section, {}),
        ]
        return resolve(spec.config, layers, where=section)

    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise InputError(f"--seeds {','.join(map(str, seeds))!r} must be different whole numbers >= 0")
    return Plan(
        preset=preset,
        seeds=tuple(seeds),
        device=device,
        data=resolve(
            DataConfig,
            [values.get("data", {}), inherited.get("data", {}), {"path": data}, given.get("data", {})],
            where="data",
        ),
        training=resolve(TrainingConfig, [values.get("training", {}), given.get("training", {})], where="training"),
        generator=generator,
        generator_config=config("generator", generator, "generator"),
        classifier=classifier,
        classifier_config=config("classifier", classifier, "classifier"),
        evaluators={name: config("evaluator", name, f"evaluators.{name}") for name in dict.fromkeys(evaluators)},
        parent=parent.digest if parent else "",
    )


def read_plan(path: Path, registry: Registry) -> Plan:
    """Read the plan.toml of a run.

    Raises:
        InputError: it names a plugin or a field that is not known here; PluginError: a plugin cannot be loaded.
    """
    content = tomllib.loads(path.read_text(encoding="utf-8"))

    def named(kind: str) -> tuple[str, Any]:
        values = dict(content[kind])
        name = values.pop("name")
        return name, resolve(registry.load(kind, name).config, [values], where=kind)

    (generator, generator_config), (classifier, classifier_config) = named("generator"), named("classifier")
    return Plan(
        preset=content["preset"],
        seeds=tuple(content["seeds"]),
        device=content["device"],
        data=resolve(DataConfig, [content["data"]], where="data"),
        training=resolve(TrainingConfig, [content["training"]], where="training"),
        generator=generator,
        generator_config=generator_config,
        classifier=classifier,
        classifier_config=classifier_config,
        evaluators={
            name: resolve(registry.load("evaluator", name).config, [values], where=f"evaluators.{name}")
            for name, values in content["evaluators"].items()
        },
        parent=content.get("parent", ""),
    )
