from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medsynth.adversarial.discriminators import Discriminators
from medsynth.adversarial.image_pool import ImagePool
from medsynth.adversarial.objectives import (
    absolute_error,
    discriminator_objective,
    generator_objective,
    gradient_penalty,
)
from medsynth.adversarial.updating import adversarial_adam, frozen
from medsynth.api import AdversarialConfig
from medsynth.networks.patchgan import PatchGan

REAL, FAKE = np.array([1.5, -0.5, 0.25]), np.array([-2.0, 0.75, 1.25])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


GENERATOR: dict[str, Callable[[np.ndarray], float]] = {
    "lsgan": lambda f: np.mean((f - 1) ** 2),
    "vanilla": lambda f: -np.mean(np.log(sigmoid(f))),
    "hinge": lambda f: -np.mean(f),
}
DISCRIMINATOR: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "lsgan": lambda r, f: (np.mean((r - 1) ** 2) + np.mean(f**2)) / 2,
    "vanilla": lambda r, f: -(np.mean(np.log(sigmoid(r))) + np.mean(np.log(1 - sigmoid(f)))) / 2,
    "hinge": lambda r, f: (np.mean(np.maximum(0, 1 - r)) + np.mean(np.maximum(0, 1 + f))) / 2,
}


@pytest.mark.parametrize("objective", ["lsgan", "vanilla", "hinge"])
def test_objectives_equal_their_formulas(objective: str):
    real, fake = torch.tensor(REAL), torch.tensor(FAKE)
    assert generator_objective(fake, objective).item() == pytest.approx(GENERATOR[objective](FAKE), rel=1e-6)
    expected = DISCRIMINATOR[objective](REAL, FAKE)
    assert discriminator_objective(real, fake, objective).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("objective", ["lsgan", "vanilla", "hinge"])
def test_objectives_of_half_precision_logits_are_taken_in_float32(objective: str):
    logits = torch.full((4096,), 1.25).bfloat16()
    assert generator_objective(logits, objective).dtype == torch.float32
    assert discriminator_objective(logits, logits, objective).dtype == torch.float32
    assert absolute_error(logits, logits).dtype == torch.float32


def test_the_vanilla_objective_is_finite_for_extreme_logits():
    extreme = torch.tensor([-1e4, 1e4])
    assert torch.isfinite(generator_objective(extreme, "vanilla"))
    assert torch.isfinite(discriminator_objective(extreme, extreme, "vanilla"))


def numbered(start: int, stop: int) -> Tensor:
    return torch.arange(start, stop, dtype=torch.float32).view(-1, 1, 1, 1)


def test_a_pool_returns_the_new_images_until_it_is_full():
    pool = ImagePool(6, seed=0)
    assert torch.equal(pool.query(numbered(0, 4)), numbered(0, 4))
    assert torch.equal(pool.query(numbered(4, 6)), numbered(4, 6))


def test_half_of_the_images_come_from_history_once_the_pool_is_full():
    pool, old, n = ImagePool(50, seed=1), 0, 4000
    pool.query(numbered(0, 50))
    for i in range(50, 50 + n):
        old += int(pool.query(numbered(i, i + 1)).item() != i)
    assert old / n == pytest.approx(0.5, abs=4 * 0.5 / n**0.5)


def test_images_stay_in_the_pool_for_a_geometrically_distributed_time():
    # Each query replaces a given image with probability 1 / (2 * size), so the mean age of a returned one is 2 * size.
    pool, size, ages = ImagePool(10, seed=2), 10, []
    pool.query(numbered(0, size))
    for i in range(size, 8000):
        age = i - int(pool.query(numbered(i, i + 1)).item())
        ages += [age] if age else []
    assert np.mean(ages[200:]) == pytest.approx(2 * size, rel=0.08)


def test_every_image_is_returned_at_most_once_from_history():
    pool = ImagePool(5, seed=3)
    pool.query(numbered(0, 5))
    returned = [int(pool.query(numbered(i, i + 1)).item()) for i in range(5, 500)]
    history = [image for i, image in enumerate(returned, 5) if image != i]
    assert len(set(history)) == len(history)


def test_a_pool_of_size_zero_returns_the_images_without_gradient():
    images = numbered(0, 3).requires_grad_()
    shown = ImagePool(0, seed=0).query(images)
    assert torch.equal(shown, images)
    assert not shown.requires_grad


def test_a_restored_pool_continues_exactly_and_its_checkpoint_is_weights_only():
    pool = ImagePool(4, seed=4)
    pool.query(numbered(0, 9))
    buffer = io.BytesIO()
    torch.save(pool.state_dict(), buffer)
    restored = ImagePool(4, seed=99)
    restored.load_state_dict(torch.load(io.BytesIO(buffer.getvalue()), weights_only=True))
    straight = [pool.query(numbered(i, i + 3)) for i in range(9, 60, 3)]
    continued = [restored.query(numbered(i, i + 3)) for i in range(9, 60, 3)]
    assert torch.equal(torch.cat(straight), torch.cat(continued))


def test_a_saved_state_does_not_change_when_the_pool_goes_on():
    pool = ImagePool(2, seed=0)
    pool.query(numbered(0, 2))
    saved = pool.state_dict()["images"]
    pool.query(numbered(2, 20))
    assert torch.equal(saved, numbered(0, 2))


def test_frozen_networks_take_no_gradients_but_pass_them_on():
    network, other = nn.Linear(3, 1), nn.Linear(3, 3)
    with frozen(network):
        network(other(torch.ones(2, 3))).sum().backward()
    assert all(parameter.grad is None for parameter in network.parameters())
    assert other.weight.grad.abs().sum() > 0
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_frozen_leaves_parameters_frozen_that_were_so_before():
    network = nn.Linear(1, 1)
    network.bias.requires_grad_(False)
    with frozen(network):
        pass
    assert [parameter.requires_grad for parameter in network.parameters()] == [True, False]


def test_adam_is_fused_on_a_cpu_with_the_betas_of_the_references():
    optimizer = adversarial_adam(nn.Linear(2, 2).parameters(), 1e-3)
    assert optimizer.defaults["fused"] is True
    assert optimizer.defaults["betas"] == (0.5, 0.999)


class TwoScales(nn.Module):
    """Judges an image and its half, each by a PatchGAN."""

    def __init__(self) -> None:
        super().__init__()
        self.networks = nn.ModuleList(PatchGan(1, width=4, levels=1) for _ in range(2))

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.networks[0](images), self.networks[1](F.avg_pool2d(images, 2))]


def discriminators(
    *, network: Callable[[], nn.Module] | None = None, halved: bool = True, **fields: Any
) -> Discriminators:
    torch.manual_seed(0)
    networks = [network() if network else PatchGan(1, width=4, levels=2) for _ in range(2)]
    return Discriminators(*networks, config=AdversarialConfig(learning_rate=1e-3, **fields), halved=halved)


def batch(seed: int) -> Tensor:
    return torch.rand(2, 1, 24, 24, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_a_discriminators_update_equals_separate_passes_with_separate_optimizers():
    together, apart = discriminators(), discriminators()
    real_a, real_b, fake_a, fake_b = map(batch, range(4))
    losses = together.update(real_a=real_a, real_b=real_b, fake_a=fake_a, fake_b=fake_b)
    for name, network, real, fake in (("a", apart.a, real_a, fake_a), ("b", apart.b, real_b, fake_b)):
        loss = 0.5 * ((network(real) - 1) ** 2).mean() + 0.5 * (network(fake) ** 2).mean()
        optimizer = torch.optim.Adam(network.parameters(), 1e-3, betas=(0.5, 0.999))
        loss.backward()
        optimizer.step()
        torch.testing.assert_close(losses[f"discriminator_{name}"], loss.detach())
        weights = [(p, q) for p, q in zip(getattr(together, name).parameters(), network.parameters(), strict=True)]
        # Biases in front of a norm have zero gradients up to rounding, which Adam turns into steps of either sign.
        for p, q in weights:
            torch.testing.assert_close(p, q, rtol=0, atol=1e-4 if p.ndim > 1 else 2.1e-3)


def test_gradients_are_empty_after_an_update_and_fakes_get_none():
    made = discriminators()
    fake_a, fake_b = batch(2).requires_grad_(), batch(3).requires_grad_()
    made.update(real_a=batch(0), real_b=batch(1), fake_a=fake_a, fake_b=fake_b)
    assert fake_a.grad is None
    assert all(p.grad is None for network in made.networks().values() for p in network.parameters())


def test_each_direction_is_judged_by_the_discriminator_of_its_target():
    made = discriminators()
    fake_a, fake_b = batch(2), batch(3)
    terms = made.judge(fake_a=fake_a, fake_b=fake_b)
    torch.testing.assert_close(terms["adversarial_ab"], ((made.b(fake_b) - 1) ** 2).mean())
    torch.testing.assert_close(terms["adversarial_ba"], ((made.a(fake_a) - 1) ** 2).mean())


def test_both_pools_draw_differently_and_repeat_by_seed():
    first, second = discriminators(pool_size=5).state(), discriminators(pool_size=5).state()
    states = [made[name].state_dict()["random"] for made in (first, second) for name in ("pool_a", "pool_b")]
    assert torch.equal(states[0], states[2])
    assert not torch.equal(states[0], states[1])


def test_losses_of_several_scales_are_summed_without_the_half_where_asked():
    made = discriminators(network=TwoScales, halved=False)
    images = dict(zip(("real_a", "real_b", "fake_a", "fake_b"), map(batch, range(4)), strict=True))
    real, fake = (made.a(images[name]) for name in ("real_a", "fake_a"))
    expected = sum(
        ((on_real - 1) ** 2).mean() + (on_fake**2).mean() for on_real, on_fake in zip(real, fake, strict=True)
    )
    judged = sum(((scale - 1) ** 2).mean() for scale in made.b(images["fake_b"]))
    terms = made.judge(fake_a=images["fake_a"], fake_b=images["fake_b"])
    torch.testing.assert_close(terms["adversarial_ab"], judged)
    torch.testing.assert_close(made.update(**images)["discriminator_a"], expected.detach())


def test_the_gradient_penalty_equals_central_differences():
    torch.manual_seed(0)
    network, images = PatchGan(1, width=4, levels=2).double(), batch(0).double()

    def mean_judgment(image: Tensor) -> Tensor:
        return network(image).mean()

    expected = []
    for image in images.split(1):
        slopes = torch.zeros(image.numel(), dtype=torch.float64)
        for place in range(image.numel()):
            nudge = torch.zeros(image.numel(), dtype=torch.float64)
            nudge[place] = 1e-5
            change = mean_judgment(image + nudge.view_as(image)) - mean_judgment(image - nudge.view_as(image))
            slopes[place] = change.item() / 2e-5
        expected.append(slopes.square().sum())
    computed = gradient_penalty(network.float(), images.float())
    torch.testing.assert_close(computed.detach().double(), torch.stack(expected).mean(), rtol=1e-3, atol=0)


def test_the_gradient_penalty_trains_the_discriminator_with_half_its_weight():
    plain, penalized = discriminators(), discriminators(r1_weight=7.0)
    images = dict(zip(("real_a", "real_b", "fake_a", "fake_b"), map(batch, range(4)), strict=True))
    network = copy.deepcopy(plain.a)
    real, fake = network(images["real_a"]), network(images["fake_a"])
    loss = 0.5 * ((real - 1) ** 2).mean() + 0.5 * (fake**2).mean() + 3.5 * gradient_penalty(network, images["real_a"])
    loss.backward()
    torch.optim.Adam(network.parameters(), 1e-3, betas=(0.5, 0.999)).step()
    losses = penalized.update(**images)
    assert set(losses) - set(plain.update(**images)) == {"r1_a", "r1_b"}
    torch.testing.assert_close(penalized.a.layers[0].weight, network.layers[0].weight, rtol=0, atol=1e-4)
    assert (penalized.a.layers[0].weight - plain.a.layers[0].weight).abs().max() > 1e-3


def test_spectral_normalization_holds_every_convolution_to_a_largest_singular_value_of_one():
    made = discriminators(spectral_norm=True)
    for _ in range(20):
        made.judge(fake_a=batch(0), fake_b=batch(1))
    weights = [layer.weight for layer in made.b.modules() if isinstance(layer, nn.Conv2d)]
    assert weights
    for weight in weights:
        assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1.0, abs=0.05)


def test_augmentation_in_front_of_the_discriminators_lets_gradients_through_to_the_generator():
    made = discriminators(differentiable_augment=True)
    fake = batch(3).requires_grad_()
    made.judge(fake_a=batch(2), fake_b=fake)["adversarial_ab"].backward()
    assert fake.grad.abs().sum() > 0
    torch.manual_seed(1)
    first = made.judge(fake_a=batch(2), fake_b=batch(3))["adversarial_ab"]
    second = made.judge(fake_a=batch(2), fake_b=batch(3))["adversarial_ab"]
    assert first != second


@pytest.mark.parametrize("halved", [True, False])
def test_a_flooded_discriminator_unlearns_where_it_is_better_than_the_level_allows(halved: bool):
    images = dict(zip(("real_a", "real_b", "fake_a", "fake_b"), map(batch, range(4)), strict=True))

    def change(flood: float) -> tuple[float, list[Tensor]]:
        made = discriminators(network=TwoScales, halved=halved, discriminator_flood=flood)
        before = [parameter.detach().clone() for parameter in made.a.parameters()]
        loss = made.update(**images)["discriminator_a"].item()
        return loss, [after.detach() - one for after, one in zip(made.a.parameters(), before, strict=True)]

    (plain, learned), (low, same), (high, unlearned) = (change(flood) for flood in (0.0, 0.1, 100.0))
    assert plain == low == high
    assert all(torch.equal(one, other) for one, other in zip(learned, same, strict=True))
    # Adam's first step has the sign of the gradient only, so a reversed gradient is a reversed step.
    moved = [(one, other) for one, other in zip(learned, unlearned, strict=True) if one.ndim > 1]
    assert all(torch.allclose(one, -other, atol=1e-6) for one, other in moved)


def test_noise_is_drawn_anew_for_all_images_that_a_discriminator_sees():
    made = discriminators(discriminator_noise=0.1)
    seen: list[Tensor] = []
    made.a.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    images = dict(zip(("real_a", "real_b", "fake_a", "fake_b"), map(batch, range(4)), strict=True))
    made.judge(fake_a=images["fake_a"], fake_b=images["fake_b"])
    made.update(**images)
    noises = [seen[0] - images["fake_a"], *(seen[1] - torch.cat([images["real_a"], images["fake_a"]])).chunk(2)]
    assert [noise.std().item() for noise in noises] == pytest.approx([0.1] * 3, rel=0.1)
    assert abs(torch.corrcoef(torch.stack([noise.flatten() for noise in noises])).fill_diagonal_(0)).max() < 0.1
