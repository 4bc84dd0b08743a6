from __future__ import annotations

import pytest
import torch
from torch import nn

from medsynth.adversarial.initialization import initialize_normal, initialize_xavier

LAYERS = [nn.Conv2d(32, 64, 3), nn.ConvTranspose2d(32, 64, 3), nn.Linear(128, 128)]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_weights_have_deviation_0_02_and_biases_are_zero(layer: nn.Module):
    torch.manual_seed(0)
    initialize_normal(layer)
    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.03)
    assert layer.weight.mean().item() == pytest.approx(0, abs=1e-3)
    assert layer.bias.abs().max() == 0


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_xavier_weights_have_the_variance_of_both_fans_and_biases_are_zero(layer: nn.Module):
    torch.manual_seed(0)
    initialize_xavier(layer)
    fans = sum(layer.weight.shape[:2]) * layer.weight[0, 0].numel()
    assert layer.weight.std().item() == pytest.approx(0.02 * (2 / fans) ** 0.5, rel=0.03)
    assert layer.bias.abs().max() == 0


def test_scales_of_batch_norms_are_drawn_around_one():
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4096)
    nn.init.ones_(norm.bias)
    initialize_normal(norm)
    assert norm.weight.mean().item() == pytest.approx(1, abs=2e-3)
    assert norm.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert norm.bias.abs().max() == 0


def test_layers_without_bias_and_norms_without_scale_are_left_alone():
    network = nn.Sequential(nn.Conv2d(1, 1, 3, bias=False), nn.BatchNorm2d(1, affine=False), nn.ReLU())
    for initialize in (initialize_normal, initialize_xavier):
        initialize(network)
    assert network[0].bias is None


def test_equal_seeds_give_equal_weights():
    weights = []
    for _ in range(2):
        torch.manual_seed(3)
        layer = nn.Conv2d(2, 2, 3)
        initialize_normal(layer)
        weights.append(layer.weight.detach())
    assert torch.equal(*weights)
