"""Terms that every generator can add to its own."""

from __future__ import annotations

import torch

from medsynth.adversarial.information import negative_information
from medsynth.adversarial.regularizers import regularizers
from medsynth.api import AdversarialConfig


def test_information_pairs_an_image_with_its_own_translation_and_texture_with_its_own_domain() -> None:
    draw = torch.Generator().manual_seed(0)
    rough, smooth = torch.rand(2, 1, 32, 32, generator=draw) * 2 - 1, torch.zeros(2, 1, 32, 32)
    config = AdversarialConfig(information_weight=2.0, texture_weight=3.0)
    # The source is rough, the target smooth; both translations look like the domain they are made for.
    terms = regularizers(config, source=rough, target=smooth, fake_a=rough.flip(0), fake_b=smooth)
    assert set(terms) == {"information_ab", "information_ba", "texture_ab", "texture_ba"}
    assert terms["texture_ab"] == 0.0
    assert terms["texture_ba"] < 1e-6
    assert terms["information_ab"] == negative_information(rough, smooth)
    assert terms["information_ba"] == negative_information(smooth, rough.flip(0))
    swapped = regularizers(config, source=rough, target=smooth, fake_a=smooth, fake_b=rough)
    assert min(swapped["texture_ab"], swapped["texture_ba"]) > 0.1
    one_way = regularizers(config, source=rough, target=smooth, fake_a=None, fake_b=smooth)
    assert set(one_way) == {"information_ab", "texture_ab"}


def test_terms_of_weight_zero_are_not_computed() -> None:
    image = torch.zeros(1, 1, 32, 32)
    assert regularizers(AdversarialConfig(), source=image, target=image, fake_a=image, fake_b=image) == {}
