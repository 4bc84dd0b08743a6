"""What a plugin declares, and the marker of its hooks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pluggy

API = 1
"""Number of this contract. A spec states the number it was written for."""
hookimpl = pluggy.HookimplMarker("medsynth")
Kind = Literal["generator", "classifier", "evaluator", "extractor"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What a generator or classifier takes for granted about its images."""

    channels: tuple[int, ...] = ()
    """Accepted channel counts; empty = any."""
    multiple_of: int = 1
    """Height and width must be multiples of this."""
    min_size: int = 8
    """Smallest height and width in pixels."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """A plugin's declaration, returned by its hook.

    Args:
        name: equals the entry-point name; lower case with hyphens.
        summary: one sentence.
        config: a frozen dataclass type whose fields are declared with `option`.
        factory: ``"package.module:Class"``, resolved on first use, so that declaring never imports torch; or the class
            itself, of a plugin that is registered in a notebook.
        reference: the paper that describes the method.
        licence: SPDX identifier of the plugin's code.
        presets: field values per preset name (``quick``, ``standard``, ``paper``), for own fields.
        assumptions: what the plugin takes for granted about images.
        scalable: values per field, in rising order, among which ``plugins show NAME --match`` looks for a wished cost.
        api: the contract number it was written for.
    """

    name: str
    summary: str
    config: type
    factory: str | Callable[..., Any]
    reference: str = ""
    licence: str = "Apache-2.0"
    presets: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    assumptions: Assumptions = dataclasses.field(default_factory=Assumptions)
    scalable: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    api: int = API


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratorSpec(Spec):
    """Declares a generator; ``factory(config, setup)`` returns a `Generator`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifierSpec(Spec):
    """Declares a classifier; ``factory(config, setup)`` returns a `Classifier`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluatorSpec(Spec):
    """Declares an evaluator; ``factory(config)`` returns an `Evaluator`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExtractorSpec(Spec):
    """Declares a feature extractor; ``factory(config)`` returns an `Extractor`."""
