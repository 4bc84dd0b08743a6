"""Frozen config dataclasses from defaults, presets, plan files and ``--set``; errors with the nearest name."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from medsynth.base.errors import InputError

T = TypeVar("T")
_WORDS: Mapping[Any, str] = {int: "whole number", float: "number", bool: "true or false", str: "text"}


@dataclasses.dataclass(frozen=True)
class FieldInfo:
    """One field of a config dataclass as `medsynth plugins show` prints it."""

    name: str
    type: str
    default: Any
    range: str
    help: str


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence that names the known names closest to `name`, or all of them if none is close."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return "Did you mean " + " or ".join(repr(candidate) for candidate in close) + "?"
    return "Known: " + ", ".join(names) + "."


def describe(config_type: type) -> list[FieldInfo]:
    """List the fields of a config dataclass in declaration order."""
    hints = typing.get_type_hints(config_type)
    return [
        FieldInfo(
            field.name,
            readable_type(hints[field.name]),
            field.default,
            _range_text(field.metadata),
            field.metadata.get("help", ""),
        )
        for field in dataclasses.fields(config_type)
    ]


def readable_type(hint: Any) -> str:
    """Return a type as users should read it.

    Examples:
        >>> readable_type(int), readable_type(tuple[float, ...]), readable_type(str | None)
        ('whole number', 'numbers, separated by commas', 'text or nothing')
        >>> readable_type(typing.Literal["linear", "cosine"])
        'linear or cosine'
    """
    kind, parts = typing.get_origin(hint), typing.get_args(hint)
    if kind is typing.Literal:
        return " or ".join(map(str, parts))
    if kind is tuple:
        return f"{_WORDS.get(parts[0], 'value')}s, separated by commas".replace("texts", "words")
    if kind in (typing.Union, types.UnionType):
        return " or ".join("nothing" if part is type(None) else readable_type(part) for part in parts)
    return _WORDS.get(hint, getattr(hint, "__name__", str(hint)))


def contract_faults(config_type: type, base: type) -> list[str]:
    """Return what is wrong with a plugin's config dataclass; empty when it follows the contract."""
    if not (isinstance(config_type, type) and dataclasses.is_dataclass(config_type)):
        return [f"config {config_type!r} is no dataclass"]
    faults = []
    if not issubclass(config_type, base):
        faults.append(f"config {config_type.__name__} does not inherit from {base.__name__}")
    if not config_type.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        faults.append(f"config {config_type.__name__} is not frozen")
    for field in dataclasses.fields(config_type):
        if field.default is dataclasses.MISSING or not field.metadata.get("help"):
            faults.append(f"config field {field.name!r} has no default or no help text (declare it with option())")
    return faults


def resolve(config_type: type[T], layers: Sequence[Mapping[str, Any]], *, where: str) -> T:
    """Build a config from its defaults and `layers`, later ones winning.

    Args:
        config_type: a frozen dataclass whose fields are declared with `medsynth.api.option`.
        layers: mappings from field name to value; strings are converted to the field's type.
        where: how the user addresses this config, e.g. ``generator`` or ``evaluators.diagnostic``.

    Raises:
        InputError: for an unknown field (the nearest one is shown) or a value outside type or range.
    """
    fields = {field.name: field for field in dataclasses.fields(config_type)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(config_type)
    values: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            if name not in fields:
                raise InputError(f"unknown field {where}.{name} = {value!r}", hint=nearest(name, fields))
            values[name] = _convert(value, hints[name], fields[name].metadata, f"{where}.{name}")
    return config_type(**values)


def as_dict(config: Any) -> dict[str, Any]:
    """Return a config's values as plain TOML and JSON types."""
    return {
        field.name: list(value) if isinstance(value := getattr(config, field.name), tuple) else value
        for field in dataclasses.fields(config)
    }


def setting_text(value: object) -> str:
    """Return a value as ``--set`` takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def options_for(config: Any, made: Callable[..., Any], prefix: str = "") -> dict[str, Any]:
    """Return the options that what is `made` takes as arguments of the same names.

    Args:
        config: a dataclass of options.
        made: a class or function.
        prefix: of the options' names, without which they are the arguments' names.
    """
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    taken = inspect.signature(made).parameters
    return {name: values[prefix + name] for name in taken if prefix + name in values}


def _convert(value: Any, hint: Any, rules: Mapping[str, Any], where: str) -> Any:
    # pydantic is imported here because it costs a tenth of a second that --help should not pay.
    from pydantic import TypeAdapter, ValidationError

    if typing.get_origin(hint) is tuple and isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if hint is str and isinstance(value, int | float):
        value = str(value)
    try:
        result = TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].lower()
        raise InputError(f"{where} = {value!r} is not valid, {readable_type(hint)} is expected: {reason}") from None
    if isinstance(result, float) and not math.isfinite(result):
        raise InputError(f"{where} = {value!r} is not a finite number")
    low, high, choices = rules.get("low"), rules.get("high"), rules.get("choices")
    if choices and not set(choices).issuperset(result if isinstance(result, tuple) else (result,)):
        raise InputError(f"{where} = {value!r} is not allowed", hint=f"Allowed: {_range_text(rules)}.")
    if (low is not None and result < low) or (high is not None and result > high):
        raise InputError(f"{where} = {value!r} is out of range", hint=f"Allowed: {_range_text(rules)}.")
    return result


def _range_text(rules: Mapping[str, Any]) -> str:
    if rules.get("choices"):
        return ", ".join(str(choice) for choice in rules["choices"])
    low, high = rules.get("low"), rules.get("high")
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if low is not None:
        return f">= {low:g}"
    return f"<= {high:g}" if high is not None else ""
