"""What a shell offers to complete: plugins, presets, and the fields that ``--set`` changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from medsynth.plugins import Registry


def complete_plugin(kind: str) -> Callable[[str], list[str]]:
    """Return what completes names of plugins of a kind in a shell."""

    def complete(incomplete: str) -> list[str]:
        from medsynth.plugins import Registry

        return [name for name in Registry().names(kind) if name.startswith(incomplete)]

    return complete


def complete_any_plugin(incomplete: str) -> list[str]:
    """Complete the name of a plugin of any kind that can be shown."""
    from medsynth.plugins import Registry

    names = {record.name for record in Registry().found if record.kind != "observer"}
    return sorted(name for name in names if name.startswith(incomplete))


def complete_preset(incomplete: str) -> list[str]:
    """Complete the name of a preset."""
    from medsynth.plan.plan import presets

    return [name for name in presets() if name.startswith(incomplete)]


def complete_setting(context: typer.Context, incomplete: str) -> list[str]:
    """Complete ``KIND.FIELD=`` with the fields of the core and of the plugins that the command line names."""
    from medsynth.plugins import Registry

    found = (
        f"{section}.{field}=" for section, config in _sections(context.params, Registry()) for field in _fields(config)
    )
    return [address for address in found if address.startswith(incomplete)]


def _fields(config: type) -> list[str]:
    from dataclasses import fields

    return [field.name for field in fields(config)]


def _sections(given: Mapping[str, Any], registry: Registry) -> Iterator[tuple[str, type]]:
    """Yield the sections of a plan with their config dataclasses."""
    from medsynth.data.config import DataConfig
    from medsynth.door.asked import PLUGINS
    from medsynth.training.config import TrainingConfig

    named = given.get("name")
    if named and any(record.name == named for record in registry.found):  # medsynth plugins show NAME --set
        for record in registry.by_name(named):
            section = f"evaluators.{named}" if record.kind == "evaluator" else record.kind
            yield section, registry.load(record.kind, named).config
        return
    yield from (("data", DataConfig), ("training", TrainingConfig))
    for kind, default in PLUGINS.items():
        yield kind, registry.load(kind, given.get(kind) or default).config
    for name in registry.names("evaluator"):
        yield f"evaluators.{name}", registry.load("evaluator", name).config
