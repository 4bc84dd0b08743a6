"""Terms that every generator can add to its own: mutual information and texture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from medsynth.adversarial.information import negative_information
from medsynth.adversarial.texture import sliced_texture_distance

if TYPE_CHECKING:
    from medsynth.api import AdversarialConfig


def regularizers(
    config: AdversarialConfig, *, source: Tensor, target: Tensor, fake_a: Tensor | None, fake_b: Tensor | None
) -> dict[str, Tensor]:
    """Return the unweighted terms whose weight is not 0, one per direction.

    ``information``: `negative_information` of an image and its own translation; ``texture``: `sliced_texture_distance`
    of translations and real images of their domain.

    Args:
        config: the generator's.
        source, target: real images, (B, C, H, W).
        fake_a, fake_b: their translations: `fake_b` is made from `source`, `fake_a` from `target`; None = none.
    """
    ways = {"ab": (source, fake_b, target), "ba": (target, fake_a, source)}
    made = {way: (image, fake, real) for way, (image, fake, real) in ways.items() if fake is not None}
    terms: dict[str, Tensor] = {}
    if config.information_weight:
        terms |= {f"information_{way}": negative_information(image, fake) for way, (image, fake, _) in made.items()}
    if config.texture_weight:
        terms |= {f"texture_{way}": sliced_texture_distance(fake, real) for way, (_, fake, real) in made.items()}
    return terms
