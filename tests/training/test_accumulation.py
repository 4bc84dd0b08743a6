"""Gradient accumulation, averaged weights and recomputed blocks: options of every generator's training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from medsynth_cyclegan import CycleGanConfig
from medsynth_cyclegan.model import CycleGan
from torch import Tensor, nn

from medsynth.api import Setup
from medsynth.base.errors import Interrupted
from medsynth.networks.resnet import ResnetGenerator
from medsynth.testing import RandomBatches
from medsynth.training.accumulation import accumulating, in_parts, mean_of
from medsynth.training.averaging import Averages
from medsynth.training.checkpoint import NETWORKS
from medsynth.training.config import TrainingConfig
from medsynth.training.devices import Policy
from medsynth.training.job import Job
from medsynth.training.loop import train
from medsynth.training.recomputing import recompute_blocks
from tests.training.test_loop import Model

SMALL: dict[str, Any] = {"width": 4, "blocks": 1, "discriminator_width": 4, "pool_size": 0, "epochs": 1}


def test_an_optimizer_acts_on_every_nth_call_with_the_mean_gradient() -> None:
    weight, alone = (nn.Parameter(torch.zeros(3)) for _ in range(2))
    optimizer, plain = torch.optim.SGD([weight], 1.0), torch.optim.SGD([alone], 1.0)
    targets = torch.tensor([[1.0, 2.0, 3.0], [3.0, 0.0, -1.0]])
    with accumulating([optimizer], 2):
        for target in targets:
            optimizer.zero_grad()
            ((weight - target) ** 2).sum().backward()
            optimizer.step()
            if target is targets[0]:
                assert torch.equal(weight, torch.zeros(3))
    ((alone - targets) ** 2).sum(1).mean().backward()
    plain.step()
    torch.testing.assert_close(weight, alone)


def test_afterwards_optimizers_act_on_every_call_again() -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], 1.0)
    with accumulating([optimizer], 3):
        pass
    weight.grad = torch.ones(1)
    optimizer.step()
    assert weight.item() == -1.0


def test_a_batch_is_divided_in_order_and_losses_are_averaged() -> None:
    parts = in_parts({"image": torch.arange(6.0)}, 3)
    assert [part["image"].tolist() for part in parts] == [[0, 1], [2, 3], [4, 5]]
    assert mean_of([{"a": 1.0, "b": torch.tensor(2.0)}, {"a": 3.0, "b": torch.tensor(4.0)}]) == {"a": 2.0, "b": 3.0}


def trained(folder: Path, *, batch: int, checkpointing: bool = False, accumulate: int = 1) -> CycleGan:
    torch.manual_seed(0)
    model = CycleGan(CycleGanConfig(batch_size=batch, **SMALL), Setup(channels=1, size=(32, 32)))
    job = Job(
        name="toy",
        folder=folder,
        phases=model.phases(),
        networks=model.networks(),
        loader=lambda phase: RandomBatches(phase, 32, 1, steps=1),
        seed=1,
        policy=Policy("cpu"),
        training=TrainingConfig(tensorboard=False),
        accumulate=accumulate,
        checkpointing=checkpointing,
    )
    train(job)
    return model


def weights(model: CycleGan) -> list[Tensor]:
    """The convolutions' weights; biases in front of a norm have no gradient but rounding."""
    return [p for network in model.networks().values() for p in network.parameters() if p.ndim > 1]


def test_one_step_on_four_images_equals_one_on_twice_two(tmp_path: Path) -> None:
    whole, parts = trained(tmp_path / "1", batch=4), trained(tmp_path / "2", batch=4, accumulate=2)
    start = trained(tmp_path / "3", batch=4, accumulate=4)
    for first, second, third in zip(weights(whole), weights(parts), weights(start), strict=True):
        # Adam's first step has the size of the learning rate and the gradient's sign, whatever its size.
        assert ((first - second).abs() > 1e-4).float().mean() < 0.02
        assert ((first - third).abs() > 1e-4).float().mean() < 0.02


def test_recomputed_blocks_give_equal_weights(tmp_path: Path) -> None:
    plain, recomputed = trained(tmp_path / "1", batch=2), trained(tmp_path / "2", batch=2, checkpointing=True)
    for first, second in zip(weights(plain), weights(recomputed), strict=True):
        assert torch.equal(first, second)


def test_recomputed_blocks_hold_fewer_tensors_for_the_backward_pass() -> None:
    def held(network: nn.Module) -> int:
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            network(torch.rand(1, 1, 32, 32)).sum()
        return sum(sizes)

    network = ResnetGenerator(1, 1, width=8, blocks=6)
    before = held(network)
    recompute_blocks(network)
    assert held(network) < 0.7 * before


def test_averages_follow_their_formula_and_forget_the_first_weights() -> None:
    network = nn.Linear(1, 1, bias=False)
    averages, expected = Averages({"net": network}, 0.9), 0.0
    for step, value in enumerate([5.0, 1.0, 2.0, 4.0]):
        network.weight.data.fill_(value)
        averages.update()
        decay = min(0.9, (1 + step) / (10 + step)) if step else 0.0
        expected = decay * expected + (1 - decay) * value
    with averages.shown():
        assert network.weight.item() == pytest.approx(expected, rel=1e-6)
    assert network.weight.item() == 4.0
    averages.keep()
    assert network.weight.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("stop_at", [2, 5])
def test_a_resumed_training_has_the_same_averages(tmp_path: Path, stop_at: int) -> None:
    train(Model().job(tmp_path / "straight", ema_decay=0.5))
    with pytest.raises(Interrupted):
        train(Model(stop_at).job(tmp_path / "stopped", ema_decay=0.5))
    train(Model().job(tmp_path / "stopped", ema_decay=0.5))
    train(Model().job(tmp_path / "plain"))
    straight, stopped, plain = ((tmp_path / n / NETWORKS).read_bytes() for n in ("straight", "stopped", "plain"))
    assert straight == stopped
    assert straight != plain


def test_averaged_weights_are_validated_and_training_goes_on_with_its_own(tmp_path: Path) -> None:
    averaged, plain = Model(), Model()
    seen: dict[str, list[Tensor]] = {"averaged": [], "plain": []}

    def note(name: str, model: Model) -> Any:
        def validate(epoch: int) -> tuple[tuple[float, ...], dict[str, float]]:
            seen[name].append(model.net.weight.detach().clone())
            return (float(epoch),), {}

        return validate

    train(averaged.job(tmp_path / "averaged", ema_decay=0.9, validate=note("averaged", averaged)))
    train(plain.job(tmp_path / "plain", validate=note("plain", plain)))
    assert not torch.equal(seen["averaged"][0], seen["plain"][0])
    assert torch.equal(averaged.net.weight, seen["averaged"][-1])
    assert averaged.rates == plain.rates
