"""The generator `example-copy`: a planted leak, it learns training images by heart and returns them."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth.api import GeneratorConfig, GeneratorSpec, hookimpl, option


@dataclass(frozen=True, kw_only=True)
class CopyConfig(GeneratorConfig):
    """Fields of `example-copy`."""

    memory: int = option(12, "training images to learn by heart", low=1)


@hookimpl
def medsynth_generator() -> GeneratorSpec:
    """Declare the generator."""
    return GeneratorSpec(
        name="example-copy",
        summary="Returns a real training image for each source image.",
        config=CopyConfig,
        factory="medsynth_example_copy.model:Copy",
    )
