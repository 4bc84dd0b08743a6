"""Terms that every generator of two directions can add to its own: mutual information and texture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from medsynth.adversarial.information import negative_information
from medsynth.adversarial.texture import sliced_texture_distance

if TYPE_CHECKING:
    from medsynth.api import GeneratorConfig


def regularizer_weights(config: GeneratorConfig) -> dict[str, float]:
    """Return the weights of the terms that `regularizers` returns, by the start of their names."""
    return {"information": config.information_weight, "texture": config.texture_weight}


def regularizers(
    config: GeneratorConfig, *, source: Tensor, target: Tensor, fake_a: Tensor, fake_b: Tensor
) -> dict[str, Tensor]:
    """Return the unweighted terms whose weight is not 0, one per direction.

    ``information``: `negative_information` of an image and its own translation; ``texture``: `sliced_texture_distance`
    of translations and real images of their domain.

    Args:
        config: the generator's.
        source, target: real images, (B, C, H, W).
        fake_a, fake_b: their translations: `fake_b` is made from `source`, `fake_a` from `target`.
    """
    terms: dict[str, Tensor] = {}
    if config.information_weight:
        terms["information_ab"] = negative_information(source, fake_b)
        terms["information_ba"] = negative_information(target, fake_a)
    if config.texture_weight:
        terms["texture_ab"] = sliced_texture_distance(fake_b, target)
        terms["texture_ba"] = sliced_texture_distance(fake_a, source)
    return terms
