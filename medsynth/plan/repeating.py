"""A plan read from the plan.toml of a run, to be repeated or changed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medsynth.base.errors import InputError
from medsynth.plan.plan import Layers, Plan, parse_overrides
from medsynth.plugins import Registry

FILE = "plan.toml"
_AS_WRITTEN = "Give the plan.toml that a run wrote, or the folder of a run."


def read_plan(
    path: Path,
    registry: Registry,
    *,
    overrides: Sequence[str] = (),
    seeds: Sequence[int] = (),
    device: str = "",
    data: str = "",
) -> Plan:
    """Read the plan of a run, to carry it out again or with changes.

    Args:
        path: of its plan.toml, or of the run's folder.
        registry: of the plugins.
        overrides: ``kind.field=value``, instead of what the plan says.
        seeds, device, data: instead of the plan's, if not empty.

    Raises:
        InputError: there is no plan, it is incomplete, or it names a plugin or a field that is not known here.
        PluginError: a plugin cannot be loaded.
    """
    content = _read(path)
    try:
        return _resolved(content, registry, parse_overrides(overrides), (seeds, device, data))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path} is no plan of a run: {problem}", hint=_AS_WRITTEN) from error


def _read(path: Path) -> dict[str, Any]:
    file = path / FILE if path.is_dir() else path
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"plan {file} cannot be read: {problem}", hint=_AS_WRITTEN) from None


def _resolved(
    content: Mapping[str, Any],
    registry: Registry,
    given: Mapping[str, Mapping[str, Any]],
    instead: tuple[Sequence[int], str, str],
) -> Plan:
    names = {kind: str(content[kind]["name"]) for kind in ("generator", "classifier")}
    values = {kind: {field: value for field, value in content[kind].items() if field != "name"} for kind in names}
    values |= {f"evaluators.{name}": options for name, options in content["evaluators"].items()}
    # a plan that does not name it is of a version that took all pixels as square
    values |= {"data": {"square": False, **content["data"]}, "training": content["training"]}
    layers = Layers(registry, "", values, {}, given)
    seeds, device, data = instead
    return layers.plan(
        names,
        content["evaluators"],
        {"path": data} if data else {},
        preset=str(content["preset"]),
        seeds=tuple(seeds or content["seeds"]),
        device=device or str(content["device"]),
        parent=str(content.get("parent", "")),
    )
