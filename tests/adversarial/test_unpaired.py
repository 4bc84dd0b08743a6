"""The base of adversarial generators: names and weights of terms, one direction, order of updates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from medsynth.adversarial.objectives import absolute_error
from medsynth.adversarial.unpaired import Forward, UnpairedGenerator
from medsynth.api import AdversarialConfig, Setup, exported, option
from medsynth.base.errors import PluginError
from medsynth.networks.patchgan import PatchGan

Terms = Callable[[Forward], dict[str, Tensor]]


@dataclass(frozen=True, kw_only=True)
class ToyConfig(AdversarialConfig):
    similarity_weight: float = option(3.0, "weight of the likeness", low=0.0)


class Toy(UnpairedGenerator):
    """One convolution, judged by one discriminator; `own` gives its terms."""

    def __init__(self, own: Terms, **fields: Any) -> None:
        torch.manual_seed(0)
        self.own, self.seen = own, list[str]()
        generators = {"generator": nn.Conv2d(1, 1, 3, padding=1)}
        judge = PatchGan(1, width=4, levels=1)
        setup = Setup(channels=1, size=(16, 16))
        super().__init__(ToyConfig(**fields), setup, generators=generators, discriminators=[judge])
        self.optimizer.register_step_pre_hook(lambda *_: self.seen.append("generators"))
        self.discriminators.optimizer.register_step_pre_hook(lambda *_: self.seen.append("discriminators"))

    def terms(self, made: Forward) -> dict[str, Tensor]:
        return self.own(made)


def likeness(made: Forward) -> dict[str, Tensor]:
    return {"similarity": absolute_error(made.fake_b, made.source)}


def batch() -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(1)
    return {name: torch.rand(2, 1, 16, 16, generator=draw) * 2 - 1 for name in ("source", "target")}


def test_a_generator_of_one_direction_needs_its_own_terms_only():
    model = Toy(likeness, information_weight=1.0, texture_weight=1.0)
    losses = model.phases()[0].step(None, batch())
    assert set(losses) == {"similarity", "adversarial_ab", "information_ab", "texture_ab", "discriminator_b"}
    assert list(model.networks()) == ["generator", "discriminator_b"]
    assert exported(model) is model.generators["generator"]


def test_terms_are_weighted_by_the_options_of_their_names_and_logged_without_weights():
    model = Toy(likeness)
    made = model.forward(**batch())
    similar, judged = likeness(made)["similarity"], model.discriminators.b(made.fake_b)
    weight = model.generators["generator"].weight
    (expected,) = torch.autograd.grad(3.0 * similar + (judged - 1).square().mean(), weight, retain_graph=True)
    losses = model.update_generators(made)
    torch.testing.assert_close(weight.grad, expected)
    assert losses["similarity"] == similar


def test_directions_share_the_weight_of_their_term():
    def both(made: Forward) -> dict[str, Tensor]:
        return {f"similarity_{way}": absolute_error(made.fake_b, made.source) for way in ("a", "ba")}

    model = Toy(both)
    assert {"similarity_a", "similarity_ba"} < set(model.update_generators(model.forward(**batch())))


@pytest.mark.parametrize("name", ["similarty", "similarty_a", "_similarity"])
def test_a_misspelt_term_is_refused_with_the_nearest_name(name: str):
    model = Toy(lambda made: {name: absolute_error(made.fake_b, made.source)})
    with pytest.raises(PluginError, match=rf"Toy.terms returned '{name}', a term without a weight\n.*similarity"):
        model.phases()[0].step(None, batch())
    assert model.seen == []


@pytest.mark.parametrize("first", [False, True])
def test_the_order_of_updates_is_what_the_generator_says(first: bool):
    model = Toy(likeness)
    model.discriminators_first = first
    model.phases()[0].step(None, batch())
    assert model.seen == sorted(model.seen, reverse=not first)
    assert len(model.seen) == 2


def test_without_an_adversarial_weight_discriminators_rest():
    model = Toy(likeness)
    model.weights["adversarial"] = 0.0
    assert set(model.phases()[0].step(None, batch())) == {"similarity"}
    assert model.seen == ["generators"]
