from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from medsynth.networks.antialiasing import BlurSubsample, BlurUpsample


def reflected(place: int, size: int) -> int:
    return -place if place < 0 else 2 * size - 2 - place if place >= size else place


def slow(image: torch.Tensor) -> torch.Tensor:
    """One output pixel at a time."""
    height, width = image.shape
    taps = {-1: 0.25, 0: 0.5, 1: 0.25}
    rows = [
        [
            sum(
                u * v * image[reflected(row + i, height), reflected(column + j, width)]
                for i, u in taps.items()
                for j, v in taps.items()
            )
            for column in range(0, width, 2)
        ]
        for row in range(0, height, 2)
    ]
    return torch.tensor(rows)


@pytest.mark.parametrize("size", [(6, 8), (7, 5)])
def test_every_second_pixel_of_the_smoothed_image_is_kept(size: tuple[int, int]):
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([torch.stack([slow(channel) for channel in image]) for image in images])
    torch.testing.assert_close(BlurSubsample()(images), expected)


def test_a_constant_stays_constant_and_the_finest_pattern_vanishes():
    layer = BlurSubsample()
    assert torch.equal(layer(torch.full((1, 1, 8, 8), 3.0)), torch.full((1, 1, 4, 4), 3.0))
    stripes = torch.tensor([1.0, -1.0]).repeat(4).expand(1, 1, 8, 8)
    assert layer(stripes).abs().max() == 0


@pytest.mark.parametrize("layer", [BlurSubsample(), BlurUpsample()], ids=lambda layer: type(layer).__name__)
def test_there_are_no_parameters_and_there_is_nothing_to_save(layer: nn.Module):
    assert not list(layer.parameters())
    assert not layer.state_dict()


def test_doubling_is_bilinear_interpolation_with_the_same_gradient():
    features = torch.randn(2, 3, 5, 6, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    expected = F.interpolate(features, scale_factor=2, mode="bilinear")
    doubled = BlurUpsample()(features)
    torch.testing.assert_close(doubled, expected)
    gradients = [torch.autograd.grad(result.square().sum(), features)[0] for result in (doubled, expected)]
    torch.testing.assert_close(*gradients)


def test_a_doubled_pixel_is_nine_parts_its_own_and_seven_its_neighbors():
    features = torch.zeros(1, 1, 3, 3)
    features[0, 0, 1, 1] = 16.0
    row = torch.tensor([0.0, 1.0, 3.0, 3.0, 1.0, 0.0])
    assert torch.equal(BlurUpsample()(features)[0, 0], torch.outer(row, row))
