"""The generator `example-tone`: learns one tone curve between two modalities."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth.api import GeneratorConfig, GeneratorSpec, hookimpl, option


@dataclass(frozen=True, kw_only=True)
class ToneConfig(GeneratorConfig):
    """Fields of `example-tone`."""

    knots: int = option(8, "hidden units of the tone curve", low=1, high=64)


@hookimpl
def medsynth_generator() -> GeneratorSpec:
    """Declare the generator."""
    return GeneratorSpec(
        name="example-tone",
        summary="Maps grey values by one learned curve that matches the target's mean and spread.",
        config=ToneConfig,
        factory="medsynth_example_tone.model:Tone",
        reference="example",
    )
