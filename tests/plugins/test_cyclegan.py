from __future__ import annotations

import copy
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from medsynth_cyclegan import CycleGanConfig, medsynth_generator
from medsynth_cyclegan.model import CycleGan
from torch import Tensor, nn

from medsynth.api import Setup, learning_rate_schedule
from medsynth.base.errors import InputError
from medsynth.networks.patchgan import PixelGan

NAMES = {f"{term}_{end}" for term in ("cycle", "identity", "discriminator") for end in "ab"}
NAMES |= {"adversarial_ab", "adversarial_ba"}
ENGINE = SimpleNamespace(state=SimpleNamespace(iteration=1, max_epochs=1, epoch_length=10))
SMALL = {"width": 4, "blocks": 1, "discriminator_width": 4, "upsampling": "nearest", "pool_size": 3}


def build(*, channels: int = 1, **fields: Any) -> CycleGan:
    torch.manual_seed(0)
    return CycleGan(CycleGanConfig(**(SMALL | fields)), Setup(channels=channels, size=(32, 32)))


def batch(size: int = 32) -> Mapping[str, Tensor]:
    """Smooth images: two batches of two, each a coarse 4 x 4 pattern."""
    draw = torch.Generator().manual_seed(1)
    coarse = {name: torch.rand(2, 1, 4, 4, generator=draw) * 2 - 1 for name in ("source", "target")}
    return {name: F.interpolate(images, (size, size), mode="bilinear") for name, images in coarse.items()}


def step(model: CycleGan, data: Mapping[str, Tensor] | None = None) -> Mapping[str, Tensor]:
    return model.phases()[0].step(ENGINE, data or batch())


def slow_terms(model: CycleGan, a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """The paper's terms, one image and one network pass at a time."""

    def mean(values: list[Tensor]) -> Tensor:
        return torch.stack(values).mean()

    ab, ba, judge_a, judge_b = model.generator_ab, model.generator_ba, model.discriminators.a, model.discriminators.b
    both = list(zip(a.split(1), b.split(1), strict=True))
    return {
        "adversarial_ab": mean([((judge_b(ab(x)) - 1) ** 2).mean() for x, _ in both]),
        "adversarial_ba": mean([((judge_a(ba(y)) - 1) ** 2).mean() for _, y in both]),
        "cycle_a": mean([(ba(ab(x)) - x).abs().mean() for x, _ in both]),
        "cycle_b": mean([(ab(ba(y)) - y).abs().mean() for _, y in both]),
        "identity_a": mean([(ba(x) - x).abs().mean() for x, _ in both]),
        "identity_b": mean([(ab(y) - y).abs().mean() for _, y in both]),
    }


def gradients(networks: list[nn.Module]) -> Tensor:
    return torch.cat([p.grad.flatten() for network in networks for p in network.parameters()])


def test_every_loss_equals_its_slow_formula():
    model, data = build(), batch()
    expected = slow_terms(model, data["source"], data["target"])
    fakes = model.generator_ba(data["target"]), model.generator_ab(data["source"])
    for name, judge, real, fake in zip(
        "ab", (model.discriminators.a, model.discriminators.b), data.values(), fakes, strict=True
    ):
        value = 0.5 * ((judge(real) - 1) ** 2).mean() + 0.5 * (judge(fake) ** 2).mean()
        expected[f"discriminator_{name}"] = value
    losses = step(model, data)
    assert set(losses) == NAMES
    for name, value in losses.items():
        torch.testing.assert_close(value, expected[name].detach(), msg=name)


def test_batched_passes_and_frozen_discriminators_give_the_gradients_of_the_plain_loss():
    fast, data = build(), batch()
    plain = copy.deepcopy(fast)
    terms = slow_terms(plain, data["source"], data["target"])
    weights = {"adversarial": 1.0, "cycle": 10.0, "identity": 5.0}
    sum(weights[name.partition("_")[0]] * term for name, term in terms.items()).backward()
    fast.update_generators(fast.forward(*data.values()))
    expected = gradients([plain.generator_ab, plain.generator_ba])
    computed = gradients([fast.generator_ab, fast.generator_ba])
    assert (computed - expected).norm() / expected.norm() < 1e-4


def test_discriminators_have_no_gradients_after_the_generators_step():
    model, data = build(), batch()
    step(model, data)
    model.update_generators(model.forward(*data.values()))
    judges = (model.discriminators.a, model.discriminators.b)
    assert all(p.grad is None and p.requires_grad for judge in judges for p in judge.parameters())


def test_discriminators_see_the_fakes_from_before_the_generators_update():
    model, data = build(pool_size=0), batch()
    judge, fake = copy.deepcopy(model.discriminators.b), model.generator_ab(data["source"])
    expected = 0.5 * ((judge(data["target"]) - 1) ** 2).mean() + 0.5 * (judge(fake) ** 2).mean()
    torch.testing.assert_close(step(model, data)["discriminator_b"], expected.detach())


@pytest.mark.parametrize(
    ("fields", "absent", "passes"),
    [
        ({}, set(), 4),
        ({"identity_weight": 0.0}, {"identity_a", "identity_b"}, 4),
        ({"cycle_weight": 0.0}, {"cycle_a", "cycle_b", "identity_a", "identity_b"}, 2),
    ],
)
def test_a_weight_of_zero_switches_a_term_and_its_passes_off(fields: dict[str, float], absent: set[str], passes: int):
    model, seen = build(**fields), []
    for network in (model.generator_ab, model.generator_ba):
        network.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    assert set(step(model)) == NAMES - absent
    assert len(seen) == passes
    assert sum(seen) == {0: 12, 2: 8, 4: 4}[len(absent)]


@pytest.mark.parametrize("adversarial", ["lsgan", "vanilla", "hinge"])
def test_two_steps_give_finite_losses_under_the_same_names(adversarial: str):
    model = build(adversarial=adversarial)
    first, second = step(model), step(model)
    assert set(first) == set(second) == NAMES
    assert all(torch.isfinite(value) and not value.requires_grad for value in [*first.values(), *second.values()])


def test_losses_in_mixed_precision_are_float32_and_close_to_the_exact_ones():
    exact, data = step(build(), batch()), batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = step(build(), data)
    assert all(mixed[name].dtype == torch.float32 for name in NAMES)
    for name in NAMES:
        assert mixed[name].item() == pytest.approx(exact[name].item(), rel=0.05), name


def test_training_reduces_the_cycle_error():
    model = build(learning_rate=2e-3)
    errors = [step(model)["cycle_a"].item() for _ in range(20)]
    assert errors[-1] < 0.8 * errors[0]


def test_odd_sizes_train_and_keep_their_shape():
    model, data = build(), batch(33)
    assert all(torch.isfinite(value) for value in step(model, data).values())
    assert model.translate(data["source"]).shape == data["source"].shape


def test_the_smallest_declared_size_trains():
    losses = step(build(), batch(medsynth_generator().assumptions.min_size))
    assert all(torch.isfinite(value) for value in losses.values())


def test_identity_between_different_channel_counts_is_refused_at_construction():
    with pytest.raises(InputError, match=r"identity_weight = 0.5 .* 1 channels .* 3"):
        CycleGan(CycleGanConfig(**SMALL), Setup(channels=1, size=(32, 32)), target_channels=3)


def test_without_identity_grey_images_can_become_colored_ones():
    config = CycleGanConfig(**(SMALL | {"identity_weight": 0.0}))
    model = CycleGan(config, Setup(channels=1, size=(32, 32)), target_channels=3)
    data = batch()
    assert step(model, {"source": data["source"], "target": data["target"].repeat(1, 3, 1, 1)})
    assert model.translate(data["source"]).shape == (2, 3, 32, 32)


def test_the_default_networks_have_the_published_sizes():
    with torch.device("meta"):
        config = CycleGanConfig()
        model = CycleGan.__new__(CycleGan)
        model.config = config
        counts = [sum(p.numel() for p in n.parameters()) for n in (model._generator(1, 1), model._discriminator(1))]
    assert counts == [11_365_633, 2_762_689]


def test_zero_discriminator_levels_judge_single_pixels():
    model = build(discriminator_levels=0)
    assert isinstance(model.discriminators.a, PixelGan)
    assert set(step(model)) == NAMES


def test_the_source_to_target_generator_comes_first():
    model = build()
    networks = model.networks()
    assert list(networks) == ["generator_ab", "generator_ba", "discriminator_a", "discriminator_b"]
    image = batch()["source"]
    assert torch.equal(model.translate(image), networks["generator_ab"](image))


def test_optimizers_hold_every_parameter_once_and_the_schedule_follows_the_config():
    model = build(constant_share=0.5)
    (phase,) = model.phases()
    held = [p for optimizer in phase.optimizers.values() for group in optimizer.param_groups for p in group["params"]]
    networks = [p for network in model.networks().values() for p in network.parameters()]
    assert len(held) == len(networks)
    assert {id(p) for p in held} == {id(p) for p in networks}
    assert phase.schedule is None
    assert [learning_rate_schedule(model.config)(p) for p in (0.25, 0.75)] == [1.0, 0.5]


def test_presets_leave_the_budget_to_the_core():
    budget = {"epochs", "epoch_steps", "batch_size", "learning_rate"}
    assert all(not budget & set(values) for values in medsynth_generator().presets.values())
