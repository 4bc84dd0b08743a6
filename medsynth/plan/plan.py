"""The plan: what was asked, resolved once from preset and overrides, frozen and saved as plan.toml."""

from __future__ import annotations

import dataclasses
import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, TypeVar

from medsynth.api import ClassifierConfig, EvaluatorConfig, GeneratorConfig
from medsynth.base.configuration import as_dict, nearest, resolve
from medsynth.base.errors import InputError
from medsynth.data.config import DataConfig
from medsynth.plugins import Registry
from medsynth.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Parent:
    """What a plan takes over from a bundle.

    Args:
        digest: sha256 of its medsynth.json.
        generator, classifier: names of its plugins.
        values: by section of the plan, what it was trained with; of ``data`` only what its networks depend on.
    """

    digest: str
    generator: str
    classifier: str
    values: Mapping[str, Mapping[str, Any]]


T = TypeVar("T")
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

    def chosen(self, kind: str) -> tuple[str, GeneratorConfig | ClassifierConfig]:
        """Return name and options of the generator or classifier."""
        generator = self.generator, self.generator_config
        return generator if kind == "generator" else (self.classifier, self.classifier_config)

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
    inherited = parent.values if parent else {}
    layers = Layers(registry, preset, load_preset(preset), inherited, parse_overrides(overrides))
    return layers.plan(
        {"generator": generator, "classifier": classifier},
        evaluators,
        {"path": data},
        preset=preset,
        seeds=tuple(seeds),
        device=device,
        parent=parent.digest if parent else "",
    )


@dataclass(frozen=True)
class Layers:
    """Values of a plan by section, from the weakest to the strongest.

    Args:
        registry: of the plugins, whose presets count more than the core's.
        preset: its name, empty where there is none.
        values: of the core's preset, or of another plan.
        inherited: from the bundle that a run starts from.
        given: with ``--set``.
    """

    registry: Registry
    preset: str
    values: Mapping[str, Mapping[str, Any]]
    inherited: Mapping[str, Mapping[str, Any]]
    given: Mapping[str, Mapping[str, Any]]

    def core(self, config: type[T], section: str, asked: Mapping[str, Any] | None = None) -> T:
        """Resolve a section of the core; `asked` counts more than all but what was given with ``--set``."""
        layers = [self.values.get(section, {}), self.inherited.get(section, {}), asked or {}]
        return resolve(config, [*layers, self.given.get(section, {})], where=section)

    def plugin(self, kind: str, name: str) -> Any:
        """Resolve the section of a plugin."""
        section = f"evaluators.{name}" if kind == "evaluator" else kind
        spec = self.registry.load(kind, name)
        offered = {field.name for field in dataclasses.fields(spec.config)}
        # A preset is made for all plugins; one that lacks a field has no use for its value.
        common = {name: value for name, value in self.values.get(section, {}).items() if name in offered}
        layers = [common, spec.presets.get(self.preset, {}), self.inherited.get(section, {})]
        return resolve(spec.config, [*layers, self.given.get(section, {})], where=section)

    def plan(
        self, plugins: Mapping[str, Any], evaluators: Iterable[str], data: Mapping[str, Any], **facts: Any
    ) -> Plan:
        """Return the plan.

        Args:
            plugins: generator and classifier.
            evaluators: plugins, too.
            data: values of the section ``data`` that count more than all but those given with ``--set``.
            facts: what else a `Plan` holds.

        Raises:
            InputError: values are given for an evaluator that it has not, or a seed cannot be used.
        """
        names = list(dict.fromkeys(evaluators))
        _refuse_unasked(self.given, names)
        _refuse_seeds(facts["seeds"])
        return Plan(
            **plugins,
            **facts,
            data=self.core(DataConfig, "data", data),
            training=self.core(TrainingConfig, "training"),
            generator_config=self.plugin("generator", plugins["generator"]),
            classifier_config=self.plugin("classifier", plugins["classifier"]),
            evaluators={name: self.plugin("evaluator", name) for name in names},
        )


def _refuse_unasked(given: Mapping[str, Any], evaluators: Iterable[str]) -> None:
    """Refuse values for evaluators that a plan has not; the error names the nearest that it has."""
    unknown = [s for s in given if s.startswith("evaluators") and s.removeprefix("evaluators.") not in evaluators]
    if unknown:
        raise InputError(
            f"--set names the evaluator '{unknown[0]}', which is not part of this run",
            hint=nearest(unknown[0], [f"evaluators.{name}" for name in evaluators]),
        )


def _refuse_seeds(seeds: Sequence[int]) -> None:
    """Refuse no seeds, negative ones, and one that occurs twice."""
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise InputError(f"--seeds {','.join(map(str, seeds))!r} must be different whole numbers >= 0")
