from __future__ import annotations

import pytest
import torch
from torch import nn

from medsynth.networks.antialiasing import BlurSubsample
from medsynth.networks.blocks import InstanceNorm
from medsynth.networks.patchgan import PatchGan, PixelGan


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def field(network: nn.Module, size: int) -> int:
    """Width of the input region one judgment depends on, with norms taken out: they see the whole image."""
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, InstanceNorm):
                setattr(module, name, nn.Identity())
    image = torch.ones(1, 1, size, size, requires_grad=True)
    logits = network(image)
    middle = logits.shape[-1] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], image)
    return int((gradient[0, 0].abs().sum(0) > 0).sum())


@pytest.mark.parametrize(("channels", "parameters"), [(1, 2_762_689), (3, 2_764_737)])
@pytest.mark.parametrize("antialiased", [False, True])
def test_patchgan_has_the_published_number_of_parameters(channels: int, parameters: int, antialiased: bool):
    assert count(PatchGan(channels, antialiased=antialiased)) == parameters


@pytest.mark.parametrize(("channels", "parameters"), [(1, 4_856_001), (3, 4_858_049)])
def test_the_narrowing_form_has_the_published_number_of_parameters(channels: int, parameters: int):
    assert count(PatchGan(channels, narrowing=True)) == parameters


@pytest.mark.parametrize(("levels", "pixels"), [(1, 16), (2, 34), (3, 70)])
def test_a_judgment_sees_the_published_number_of_pixels(levels: int, pixels: int):
    assert field(PatchGan(1, width=2, levels=levels), 160) == pixels


def test_the_narrowing_form_sees_94_pixels():
    assert field(PatchGan(1, width=2, narrowing=True), 200) == 94


def test_pixelgan_judges_every_pixel_for_itself():
    assert field(PixelGan(1, width=2), 16) == 1
    assert PixelGan(3, width=2)(torch.zeros(2, 3, 16, 12)).shape == (2, 1, 16, 12)


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize(("size", "side"), [(256, 30), (128, 14), (64, 6)])
def test_the_map_has_one_eighth_minus_two_judgments_a_side(size: int, side: int, antialiased: bool):
    network = PatchGan(1, width=1, antialiased=antialiased)
    assert network(torch.zeros(1, 1, size, size)).shape == (1, 1, side, side)


def test_the_antialiased_form_subsamples_only_what_is_smoothed():
    layers = list(PatchGan(1, width=2, antialiased=True).layers)
    assert {layer.stride for layer in layers if isinstance(layer, nn.Conv2d)} == {(1, 1)}
    places = [place for place, layer in enumerate(layers) if isinstance(layer, BlurSubsample)]
    assert len(places) == 3
    assert all(isinstance(layers[place - 1], nn.LeakyReLU) for place in places)


def test_channels_double_up_to_eight_times_the_width_and_the_first_layer_has_no_norm():
    layers = list(PatchGan(1, width=2, levels=5).layers)
    assert [layer.out_channels for layer in layers if isinstance(layer, nn.Conv2d)] == [2, 4, 8, 16, 16, 16, 1]
    assert isinstance(layers[1], nn.LeakyReLU)
    assert sum(isinstance(layer, InstanceNorm) for layer in layers) == 5


def test_the_averaged_form_is_the_mean_of_the_map():
    torch.manual_seed(0)
    plain, averaged = PatchGan(1, width=2), PatchGan(1, width=2, average=True)
    averaged.load_state_dict(plain.state_dict())
    image = torch.rand(3, 1, 32, 32)
    torch.testing.assert_close(averaged(image), plain(image).mean((2, 3), keepdim=True))
