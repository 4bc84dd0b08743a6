"""What a run is asked for, in the words of the command and of Python, and the plan that this makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth.base.configuration import setting_text
from medsynth.base.errors import InputError
from medsynth.plan.plan import DEFAULT_EVALUATORS, Plan, make_plan
from medsynth.plan.repeating import read_plan
from medsynth.plugins import Registry

if TYPE_CHECKING:
    from medsynth.flow.stages.finetuning import ParentBundle

PLUGINS = {"generator": "sg-cyclegan", "classifier": "lsnet"}
"""What a run uses where nothing else is asked for."""
_OF_THE_PLAN = ("generator", "classifier", "preset", "evaluators")
Settings = Mapping[str, object] | Sequence[str]
"""``{"kind.field": value}``, or ``["kind.field=value"]`` as for ``--set``."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a run is asked for; what is empty is taken from the plan, the bundle or the defaults.

    Args:
        plan: plan.toml of a run, or the run's folder, to be carried out again.
        generator, classifier, evaluators: plugins.
        preset: ``quick``, ``standard`` or ``paper``.
        start: bundle whose plugins, plan and weights the run starts from.
        data, seeds, device: as in a plan.
        settings: ``kind.field=value``, which count most.
    """

    plan: Path | None = None
    generator: str = ""
    classifier: str = ""
    evaluators: Sequence[str] | None = None
    preset: str = ""
    start: Path | None = None
    data: str = ""
    seeds: Sequence[int] = ()
    device: str = ""
    settings: Sequence[str] = ()


def resolve_plan(
    asked: Asked, registry: Registry, *, early: Callable[[Plan], object] = lambda _: None
) -> tuple[Plan, ParentBundle | None]:
    """Return the plan for what is asked, and the bundle whose weights it starts from, if any.

    Args:
        asked: by the user.
        registry: of the plugins.
        early: refuses plans, whose device may still be ``auto``, before torch is imported.

    Raises:
        InputError: for any unknown name or unusable value; PluginError for a plugin that cannot be loaded.
    """
    from medsynth.data.listing.sources import refuse_missing

    parent = _parent(asked.start)
    plan = _plan(asked, registry, parent)
    refuse_missing(plan.data)
    early(plan)
    # Names and values were checked before torch is imported, so that a typing error is answered at once.
    from medsynth.training.devices import resolve_device

    return _plan(replace(asked, device=resolve_device(plan.device)), registry, parent), parent


def as_settings(settings: Settings) -> list[str]:
    """Return settings as the command takes them.

    Examples:
        >>> as_settings({"generator.width": 8, "training.baselines": ["oracle"], "data.show_names": True})
        ['generator.width=8', 'training.baselines=oracle', 'data.show_names=true']
    """
    if not isinstance(settings, Mapping):
        return list(settings)
    return [f"{address}={setting_text(value)}" for address, value in settings.items()]


def _parent(start: Path | None) -> ParentBundle | None:
    if start is None:
        return None
    from medsynth.flow.stages.finetuning import read_parent

    return read_parent(start)


def _plan(asked: Asked, registry: Registry, parent: ParentBundle | None) -> Plan:
    return _new_plan(asked, registry, parent) if asked.plan is None else _old_plan(asked, registry, parent)


def _new_plan(asked: Asked, registry: Registry, parent: ParentBundle | None) -> Plan:
    device = asked.device or "auto"
    return make_plan(
        registry,
        generator=_plugin("generator", asked.generator, parent),
        classifier=_plugin("classifier", asked.classifier, parent),
        evaluators=DEFAULT_EVALUATORS if asked.evaluators is None else asked.evaluators,
        preset=asked.preset or ("quick" if device == "cpu" else "standard"),
        seeds=asked.seeds or (42,),
        device=device,
        data=asked.data or "phantom",
        overrides=asked.settings,
        parent=parent,
    )


def _plugin(kind: str, asked: str, parent: ParentBundle | None) -> str:
    """Return the plugin that was asked for, else the parent's or the default one."""
    own: str = getattr(parent, kind) if parent else PLUGINS[kind]
    if parent and asked not in ("", own):
        raise InputError(f"--{kind} {asked}: the bundle of --from holds weights of {own}", hint=f"Leave out --{kind}.")
    return asked or own


def _old_plan(asked: Asked, registry: Registry, parent: ParentBundle | None) -> Plan:
    path: Any = asked.plan
    if decided := [name for name in _OF_THE_PLAN if getattr(asked, name) not in ("", None)]:
        raise InputError(
            f"--{decided[0]} cannot be given with the plan {path}, which decides it",
            hint="Change values with --set, or leave out the plan.",
        )
    plan = read_plan(path, registry, overrides=asked.settings, seeds=asked.seeds, device=asked.device, data=asked.data)
    given = parent.digest if parent else ""
    if given != plan.parent:
        starts = f"the weights of the bundle {plan.parent[:12]}" if plan.parent else "new weights"
        hint = "Name that bundle with --from." if plan.parent else "Leave out --from."
        raise InputError(f"plan {path} starts from {starts}", hint=hint)
    return plan
