from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from medsynth_unit import UnitConfig
from medsynth_unit.model import Unit
from torch import Tensor, nn

from medsynth.api import Setup

TERMS = {f"{term}_{end}" for term in ("reconstruction", "kl", "cycle", "recoded") for end in "ab"} | {
    "adversarial_ab",
    "adversarial_ba",
}
JUDGED = {"discriminator_a", "discriminator_b"}
WEIGHTS = {"adversarial": 1.0, "reconstruction": 10.0, "kl": 0.01, "cycle": 10.0, "recoded": 0.01}
SMALL = {"width": 4, "blocks": 2, "discriminator_width": 4}


def build(**fields: Any) -> Unit:
    torch.manual_seed(0)
    return Unit(UnitConfig(**(SMALL | fields)), Setup(channels=1, size=(64, 64)))


def batch(size: int = 64) -> Mapping[str, Tensor]:
    draw = torch.Generator().manual_seed(1)
    coarse = {name: torch.rand(2, 1, 4, 4, generator=draw) * 2 - 1 for name in ("source", "target")}
    return {name: F.interpolate(images, (size, size), mode="bilinear") for name, images in coarse.items()}


def step(model: Unit, data: Mapping[str, Tensor] | None = None) -> Mapping[str, Tensor]:
    torch.manual_seed(2)
    return model.phases()[0].step(None, data or batch())


def gradients(*networks: nn.Module) -> Tensor:
    return torch.cat([p.grad.flatten() for network in networks for p in network.parameters()])


def slow_terms(model: Unit, a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """The terms, one image set and one pass at a time; noise is drawn in the order of the step."""
    encoder_a, encoder_b = model.translator_ab.encoder, model.translator_ba.encoder
    decoder_a, decoder_b = model.translator_ba.decoder, model.translator_ab.decoder
    h_a, h_b = encoder_a(a), encoder_b(b)
    z_a = h_a + torch.randn(h_a.shape)
    z_b = h_b + torch.randn(h_b.shape)
    fake_a, fake_b = torch.tanh(decoder_a(z_b)), torch.tanh(decoder_b(z_a))
    k_a, k_b = encoder_b(fake_b), encoder_a(fake_a)
    again_a = torch.tanh(decoder_a(k_a + torch.randn(k_a.shape)))
    again_b = torch.tanh(decoder_b(k_b + torch.randn(k_b.shape)))
    return {
        "reconstruction_a": (torch.tanh(decoder_a(z_a)) - a).abs().mean(),
        "reconstruction_b": (torch.tanh(decoder_b(z_b)) - b).abs().mean(),
        "kl_a": (h_a**2).mean(),
        "kl_b": (h_b**2).mean(),
        "cycle_a": (again_a - a).abs().mean(),
        "cycle_b": (again_b - b).abs().mean(),
        "recoded_a": (k_a**2).mean(),
        "recoded_b": (k_b**2).mean(),
        "adversarial_ab": sum(((scale - 1) ** 2).mean() for scale in model.discriminators.b(fake_b)),
        "adversarial_ba": sum(((scale - 1) ** 2).mean() for scale in model.discriminators.a(fake_a)),
    }


@pytest.mark.parametrize(("channels", "one_way", "judge"), [(1, 11_127_937, 8_265_027), (3, 11_140_483, 8_271_171)])
def test_the_default_networks_have_the_published_sizes(channels: int, one_way: int, judge: int):
    with torch.device("meta"):
        model = Unit.__new__(Unit)
        model.config = UnitConfig()
        networks = model._translator(channels), model._discriminator(channels)
    assert [sum(p.numel() for p in network.parameters()) for network in networks] == [one_way, judge]


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
        ({"kl_weight": 0.0}, {"kl_a", "kl_b"}),
        ({"cycle_weight": 0.0}, {"cycle_a", "cycle_b"}),
        ({"recoded_weight": 0.0}, {"recoded_a", "recoded_b"}),
        ({"cycle_weight": 0.0, "recoded_weight": 0.0}, {"cycle_a", "cycle_b", "recoded_a", "recoded_b"}),
    ],
)
def test_a_weight_of_zero_switches_a_term_off(fields: dict[str, float], absent: set[str]):
    assert set(step(build(**fields))) == (TERMS | JUDGED) - absent


def test_images_are_encoded_once_for_both_sides_of_a_step():
    model, encoded, decoded = build(), [], []
    for network in (model.translator_ab, model.translator_ba):
        network.encoder.register_forward_hook(lambda module, inputs, output: encoded.append(len(output)))
        network.decoder.register_forward_hook(lambda module, inputs, output: decoded.append(len(output)))
    step(model)
    assert sum(encoded) == 4 * 2
    assert sum(decoded) == (2 + 4 + 2) * 2


def test_translations_are_made_without_noise_even_in_training_mode():
    model, images = build(), batch()["source"]
    model.translator_ab.train()
    first = model.translate(images)
    model.translator_ab.eval()
    assert torch.equal(first, model.translate(images))


def test_noise_makes_training_translations_differ():
    model, data = build(), batch()
    made = model.forward(data["source"], data["target"])
    first, second = (model.shown(made)[1] for _ in range(2))
    assert not torch.equal(first, second)


def test_shared_blocks_are_one_and_are_trained_once():
    model = build(shared=True)
    ab, ba = model.translator_ab, model.translator_ba
    assert ab.encoder.blocks[-1] is ba.encoder.blocks[-1]
    assert ab.decoder.blocks[0] is ba.decoder.blocks[0]
    assert ab.encoder.blocks[0] is not ba.encoder.blocks[0]
    trained = [p for group in model.optimizer.param_groups for p in group["params"]]
    assert len(trained) == len({id(p) for p in trained})
    assert all(torch.isfinite(value) for value in step(model).values())


@pytest.mark.parametrize("adversarial", ["lsgan", "vanilla", "hinge"])
def test_two_steps_give_finite_losses_under_the_same_names(adversarial: str):
    model = build(adversarial=adversarial)
    first, second = step(model), step(model)
    assert set(first) == set(second) == TERMS | JUDGED
    assert all(torch.isfinite(value) and not value.requires_grad for value in [*first.values(), *second.values()])


def test_weights_decay_and_start_as_published():
    model = Unit(UnitConfig(width=16, blocks=1, discriminator_width=16), Setup(channels=1, size=(64, 64)))
    for optimizer in (model.optimizer, model.discriminators.optimizer):
        assert optimizer.param_groups[0]["weight_decay"] == 1e-4
        assert optimizer.param_groups[0]["betas"] == (0.5, 0.999)
    block = model.translator_ab.encoder.blocks[0].layers[0]
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
