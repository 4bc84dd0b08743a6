"""Labels: 1 positive, 0 negative, or two class names of which the user states the positive one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from medsynth.data.config import DataConfig
from medsynth.data.problems import Problem, some


def label_values(names: Iterable[str], config: DataConfig) -> tuple[dict[str, int | None], list[Problem]]:
    """Map every label as written to 1, 0 or None (unknown).

    Args:
        names: labels as they stand in the manifest or as folder names; empty = unknown.
        config: `positive` names the positive class where labels are names.

    Returns:
        The mapping, and what is wrong with the labels. A label missing from the mapping is unusable.
    """
    values: dict[str, int | None] = {"": None}
    distinct = sorted(set(names) - {""})
    if set(distinct) <= {"0", "1"}:
        return values | {"0": 0, "1": 1}, []
    if config.positive:
        return _named(distinct, config.positive, values)
    if len(distinct) == 2 and not set(distinct) & {"0", "1"}:
        message = f"labels are the class names {distinct[0]!r} and {distinct[1]!r}; which one is positive is not known"
        return values, [Problem(message, f"say it with --set data.positive={distinct[1]}")]
    if set(distinct) & {"0", "1"}:
        return values | {"0": 0, "1": 1}, []
    hint = "use 1 and 0, or exactly two class names and --set data.positive=NAME"
    return values, [Problem(f"labels must be 1, 0 or two class names, got {some(distinct)}", hint)]


def _named(
    distinct: list[str], positive: str, values: dict[str, int | None]
) -> tuple[dict[str, int | None], list[Problem]]:
    if positive not in distinct:
        near = difflib.get_close_matches(positive, distinct, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"labels found: {some(distinct)}"
        return values, [Problem(f"data.positive is {positive!r}, but no image has this label", hint)]
    if len(distinct) > 2:
        hint = "merge or leave out classes until two are left"
        return values, [Problem(f"{len(distinct)} classes found where two are needed: {some(distinct)}", hint)]
    return values | {name: int(name == positive) for name in distinct}, []


def source_label(config: DataConfig, values: dict[str, int | None]) -> tuple[int | None, list[Problem]]:
    """Return `config.source_label` as 1 or 0, or None where it is not stated."""
    text = config.source_label.strip()
    if not text:
        return None, []
    if text in ("0", "1"):
        return int(text), []
    if text == config.positive:
        return 1, []
    if values.get(text) is not None:
        return values[text], []
    known = sorted({"0", "1"} | {name for name in values if name})
    return None, [Problem(f"data.source_label is {text!r}; it must be one of {some(known)}")]
