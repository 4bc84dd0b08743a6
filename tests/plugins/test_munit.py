from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from medsynth_munit import MunitConfig
from medsynth_munit.model import Munit
from torch import Tensor, nn

from medsynth.api import Setup

TERMS = {f"{term}_{end}" for term in ("reconstruction", "style", "content", "cycle") for end in "ab"} | {
    "adversarial_ab",
    "adversarial_ba",
}
JUDGED = {"discriminator_a", "discriminator_b"}
WEIGHTS = {"adversarial": 1.0, "reconstruction": 10.0, "style": 1.0, "content": 1.0, "cycle": 10.0}
SMALL = {"width": 4, "blocks": 2, "style_hidden": 8, "discriminator_width": 4}


def build(**fields: Any) -> Munit:
    torch.manual_seed(0)
    return Munit(MunitConfig(**(SMALL | fields)), Setup(channels=1, size=(64, 64)))


def batch(size: int = 64) -> Mapping[str, Tensor]:
    draw = torch.Generator().manual_seed(1)
    coarse = {name: torch.rand(2, 1, 4, 4, generator=draw) * 2 - 1 for name in ("source", "target")}
    return {name: F.interpolate(images, (size, size), mode="bilinear") for name, images in coarse.items()}


def step(model: Munit, data: Mapping[str, Tensor] | None = None) -> Mapping[str, Tensor]:
    torch.manual_seed(2)
    return model.phases()[0].step(None, data or batch())


def gradients(*networks: nn.Module) -> Tensor:
    return torch.cat([p.grad.flatten() for network in networks for p in network.parameters()])


def slow_terms(model: Munit, a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """The terms, one image set and one pass at a time; styles are drawn in the order of the step."""
    ab, ba = model.translator_ab, model.translator_ba
    content_a, content_b, look_a, look_b = ab.content, ba.content, ba.look, ab.look
    s_a, s_b = torch.randn(len(b), 8), torch.randn(len(a), 8)
    c_a, c_b, own_a, own_b = content_a(a), content_b(b), look_a(a), look_b(b)
    fake_a, fake_b = torch.tanh(ba.decoder(c_b, s_a)), torch.tanh(ab.decoder(c_a, s_b))
    again_a, again_b = content_b(fake_b), content_a(fake_a)
    return {
        "reconstruction_a": (torch.tanh(ba.decoder(c_a, own_a)) - a).abs().mean(),
        "reconstruction_b": (torch.tanh(ab.decoder(c_b, own_b)) - b).abs().mean(),
        "style_a": (look_a(fake_a) - s_a).abs().mean(),
        "style_b": (look_b(fake_b) - s_b).abs().mean(),
        "content_a": (again_a - c_a).abs().mean(),
        "content_b": (again_b - c_b).abs().mean(),
        "cycle_a": (torch.tanh(ba.decoder(again_a, own_a)) - a).abs().mean(),
        "cycle_b": (torch.tanh(ab.decoder(again_b, own_b)) - b).abs().mean(),
        "adversarial_ab": sum(((scale - 1) ** 2).mean() for scale in model.discriminators.b(fake_b)),
        "adversarial_ba": sum(((scale - 1) ** 2).mean() for scale in model.discriminators.a(fake_a)),
    }


@pytest.mark.parametrize(("channels", "whole", "judge"), [(1, 15_007_369, 8_265_027), (3, 15_026_187, 8_271_171)])
def test_the_default_networks_have_the_published_sizes(channels: int, whole: int, judge: int):
    with torch.device("meta"):
        model = Munit.__new__(Munit)
        model.config = MunitConfig()
        networks = model._translator(channels), model._discriminator(channels)
    assert [sum(p.numel() for p in network.parameters()) for network in networks] == [whole, judge]


def test_every_term_equals_its_slow_formula():
    model, data = build(), batch()
    a, b = data["source"], data["target"]
    torch.manual_seed(2)
    expected = slow_terms(model, a, b)
    torch.manual_seed(2)
    terms = model.update_generators(model.forward(a, b))
    assert set(terms) == set(expected) == TERMS
    for name, value in terms.items():
        torch.testing.assert_close(value, expected[name].detach(), msg=name)


def test_the_gradients_of_a_step_are_those_of_the_plain_loss():
    fast, data = build(), batch()
    plain = copy.deepcopy(fast)
    a, b = data["source"], data["target"]
    torch.manual_seed(2)
    sum(WEIGHTS[name.partition("_")[0]] * term for name, term in slow_terms(plain, a, b).items()).backward()
    torch.manual_seed(2)
    fast.update_generators(fast.forward(a, b))
    expected, computed = (gradients(model.translator_ab, model.translator_ba) for model in (plain, fast))
    assert (computed - expected).norm() / expected.norm() < 1e-4


def test_discriminators_are_trained_first_with_the_sum_of_the_scales_and_without_the_half():
    model, data = build(), batch()
    a, b = data["source"], data["target"]
    judge = copy.deepcopy(model.discriminators.b)
    torch.manual_seed(2)
    _, fake = model.shown(model.forward(a, b))
    expected = sum(((r - 1) ** 2).mean() + (f**2).mean() for r, f in zip(judge(b), judge(fake), strict=True))
    torch.testing.assert_close(step(model)["discriminator_b"], expected.detach())


def test_discriminators_may_learn_from_the_generators_own_translations():
    model, data = build(reuse_translations=True), batch()
    judge = copy.deepcopy(model.discriminators.b)
    torch.manual_seed(2)
    before = copy.deepcopy(model)
    made = before.forward(data["source"], data["target"])
    before.update_generators(made)
    fake = made.fake_b.detach()
    torch.manual_seed(2)
    losses = step(model)
    pairs = zip(judge(data["target"]), judge(fake), strict=True)
    expected = sum(((r - 1) ** 2).mean() + (f**2).mean() for r, f in pairs)
    torch.testing.assert_close(losses["discriminator_b"], expected.detach())


def test_discriminators_have_no_gradients_after_a_step_and_none_from_the_generators():
    model, data = build(), batch()
    a, b = data["source"], data["target"]
    model.update_generators(model.forward(a, b))
    judges = (model.discriminators.a, model.discriminators.b)
    assert all(p.grad is None and p.requires_grad for judge in judges for p in judge.parameters())
    step(model)
    assert all(p.grad is None for judge in judges for p in judge.parameters())


@pytest.mark.parametrize(
    ("fields", "absent"),
    [
        ({"reconstruction_weight": 0.0}, {"reconstruction_a", "reconstruction_b"}),
        ({"style_weight": 0.0}, {"style_a", "style_b"}),
        ({"content_weight": 0.0}, {"content_a", "content_b"}),
        ({"cycle_weight": 0.0}, {"cycle_a", "cycle_b"}),
        ({"content_weight": 0.0, "cycle_weight": 0.0}, {"content_a", "content_b", "cycle_a", "cycle_b"}),
        (
            {"reconstruction_weight": 0.0, "cycle_weight": 0.0},
            {"reconstruction_a", "reconstruction_b", "cycle_a", "cycle_b"},
        ),
    ],
)
def test_a_weight_of_zero_switches_a_term_off(fields: dict[str, float], absent: set[str]):
    assert set(step(build(**fields))) == (TERMS | JUDGED) - absent


def test_content_is_encoded_once_for_both_sides_of_a_step():
    model, contents, looks, decoded = build(), [], [], []
    for network in (model.translator_ab, model.translator_ba):
        network.content.register_forward_hook(lambda module, inputs, output: contents.append(len(output)))
        network.look.register_forward_hook(lambda module, inputs, output: looks.append(len(output)))
        network.decoder.register_forward_hook(lambda module, inputs, output: decoded.append(len(output)))
    step(model)
    assert [sum(passes) for passes in (contents, looks, decoded)] == [4 * 2, 4 * 2, (2 + 4 + 2) * 2]


def test_both_sides_of_a_step_draw_their_own_styles():
    model, data, drawn = build(), batch(), []
    model.translator_ab.decoder.register_forward_pre_hook(lambda module, inputs: drawn.append(inputs[1].detach()))
    step(model, data)
    discriminators, generators, cycle = drawn
    assert not torch.equal(discriminators, generators[:2])
    own_b = build().translator_ab.style_of(data["target"])
    torch.testing.assert_close(generators[2:], own_b.detach())
    torch.testing.assert_close(cycle, own_b.detach())


def test_translations_show_the_mean_style():
    model, images = build(), batch()["source"]
    assert torch.equal(model.translate(images), model.translator_ab(images, torch.zeros(2, 8)))
    assert torch.equal(model.translate(images), model.translate(images))


def test_one_image_has_many_translations_that_repeat_with_their_seed():
    model, images = build(), batch()["source"]
    several = model.translate_variously(images, 3, seed=5)
    assert several.shape == (2, 3, 1, 64, 64)
    assert torch.equal(several, model.translate_variously(images, 3, seed=5))
    assert not torch.equal(several[:, 0], several[:, 1])
    torch.testing.assert_close(several[1:], model.translate_variously(images[1:], 3, seed=5))


def test_a_reference_image_gives_its_style():
    model, data = build(), batch()
    found = model.translate_like(data["source"], data["target"][:1])
    style = model.translator_ab.style_of(data["target"][:1])
    torch.testing.assert_close(found, model.translator_ab(data["source"], style.expand(2, -1)))
    assert not torch.equal(found, model.translate(data["source"]))


@pytest.mark.parametrize("adversarial", ["lsgan", "vanilla", "hinge"])
def test_two_steps_give_finite_losses_under_the_same_names(adversarial: str):
    model = build(adversarial=adversarial)
    first, second = step(model), step(model)
    assert set(first) == set(second) == TERMS | JUDGED
    assert all(torch.isfinite(value) and not value.requires_grad for value in [*first.values(), *second.values()])


def test_weights_decay_and_start_as_published():
    model = Munit(MunitConfig(width=16, blocks=1, discriminator_width=16), Setup(channels=1, size=(64, 64)))
    for optimizer in (model.optimizer, model.discriminators.optimizer):
        assert optimizer.param_groups[0]["weight_decay"] == 1e-4
        assert optimizer.param_groups[0]["betas"] == (0.5, 0.999)
    block = model.translator_ab.content.blocks[0].layers[0]
    assert block.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.03)
    assert model.discriminators.a.scales[0][4].weight.std().item() == pytest.approx(0.02, rel=0.03)


def test_training_reduces_the_reconstruction_error():
    model = build(learning_rate=2e-3)
    losses = [step(model)["reconstruction_a"].item() for _ in range(25)]
    assert losses[-1] < 0.8 * losses[0]


def test_odd_sizes_train_and_keep_their_shape():
    model, data = build(), batch(67)
    assert all(torch.isfinite(value) for value in step(model, data).values())
    assert model.translate(data["source"]).shape == data["source"].shape
