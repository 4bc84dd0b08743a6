"""Feature extractor: EfficientNet-Lite0 trained on ImageNet, its weights installed from a package."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth.api import ExtractorConfig, ExtractorSpec, hookimpl


@dataclass(frozen=True, kw_only=True)
class EfficientNetLite0Config(ExtractorConfig):
    """EfficientNet-Lite0 has no options: features are comparable only if they are always made the same way."""


@hookimpl
def medsynth_extractor() -> ExtractorSpec:
    """Declare the extractor."""
    return ExtractorSpec(
        name="efficientnet-lite0",
        summary="1280 pooled features of EfficientNet-Lite0 trained on ImageNet; needs no download.",
        config=EfficientNetLite0Config,
        factory="medsynth_efficientnet_lite0.model:EfficientNetLite0",
        reference="Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019",
    )
