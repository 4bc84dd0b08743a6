"""Classifier efficientnet."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from medsynth_efficientnet import EfficientNetConfig, medsynth_classifier
from medsynth_efficientnet.model import EfficientNetClassifier
from medsynth_efficientnet.network import EfficientNet, MBConv, SqueezeExcitation
from monai.networks.nets import EfficientNetBN

from medsynth.api import Setup
from medsynth.base.costs import count_macs, count_parameters, count_thop

SMALL = {"width": 0.2, "depth": 0.5, "last": 16, "hidden": 8}


def build(name: str, *, channels: int = 3, size: int = 320) -> EfficientNet:
    config = EfficientNetConfig(**medsynth_classifier().presets[name])
    return EfficientNetClassifier(config, Setup(channels=channels, size=(size, size))).networks()["network"].eval()


def test_weight_counts_are_those_of_the_papers():
    assert count_parameters(build("paper")) == 205_128
    assert count_parameters(build("b0")) == 4_010_110
    assert count_parameters(EfficientNet(channels=3, classes=1000)) == 5_288_548


def test_weight_counts_equal_monais():
    theirs = EfficientNetBN("efficientnet-b1", pretrained=False, num_classes=2)
    assert count_parameters(EfficientNet(channels=3, width=1.0, depth=1.1)) == count_parameters(theirs)


def test_costs_of_the_compared_variant_are_those_of_the_paper():
    image = torch.rand(1, 3, 320, 320)
    assert count_thop(build("paper"), image) == pytest.approx(519.9e6, rel=1e-3)
    assert count_macs(build("paper"), image) == pytest.approx(448.6e6, rel=1e-3)


def test_a_cut_network_keeps_the_resolution_of_its_last_stage():
    features = build("paper").features(torch.rand(1, 3, 64, 64))
    assert features.shape == (1, 320, 8, 8)


def test_squeeze_excitation_scales_channels_by_what_their_means_give():
    torch.manual_seed(0)
    module = SqueezeExcitation(4, 2).double()
    features = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    first, second = module.layers[1], module.layers[3]
    means = features.mean((2, 3))
    hidden = means @ first.weight[:, :, 0, 0].T + first.bias
    hidden = hidden / (1 + torch.exp(-hidden))
    scale = 1 / (1 + torch.exp(-(hidden @ second.weight[:, :, 0, 0].T + second.bias)))
    torch.testing.assert_close(module(features), features * scale[:, :, None, None])


def test_stochastic_depth_keeps_the_expected_sum():
    torch.manual_seed(0)
    block = MBConv(4, 4, expansion=1, kernel=3, stride=1, drop=0.25).eval()
    image = torch.randn(1, 4, 6, 6)
    branch = block(image) - image
    block.drop, block.training = 0.25, True
    with torch.no_grad():
        results = torch.cat([block(image.expand(500, -1, -1, -1)) - image for _ in range(8)])
    kept = results.flatten(1).abs().sum(1) > 0
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.03)
    torch.testing.assert_close(results[kept][0], branch[0] / 0.75, atol=1e-5, rtol=1e-4)


def test_evaluation_never_skips():
    network = EfficientNet(channels=1, drop_path=0.9, **SMALL).eval()
    image = torch.rand(2, 1, 64, 64)
    assert torch.equal(network(image), network(image))


def test_the_loss_starts_near_chance():
    torch.manual_seed(0)
    model = EfficientNetClassifier(EfficientNetConfig(**SMALL), Setup(channels=1, size=(64, 64)))
    batch = {"image": torch.rand(8, 1, 64, 64) * 2 - 1, "label": torch.arange(8) % 2}
    losses = model.phases()[0].step(SimpleNamespace(state=SimpleNamespace(iteration=1)), batch)
    assert losses["classification"].item() == pytest.approx(math.log(2), abs=0.1)
