from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from medsynth.networks.antialiasing import BlurSubsample


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


def test_it_has_no_parameters_and_nothing_to_save():
    layer = BlurSubsample()
    assert not list(layer.parameters())
    assert not layer.state_dict()


def test_its_counterpart_for_doubling_is_bilinear_interpolation():
    features = torch.randn(2, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = (torch.outer(taps, taps) / 64 * 4).expand(3, 1, 4, 4)
    padded = F.pad(features, (1, 1, 1, 1), mode="replicate")
    doubled = F.conv_transpose2d(padded, kernel, stride=2, groups=3)[:, :, 3:-3, 3:-3]
    torch.testing.assert_close(F.interpolate(features, scale_factor=2, mode="bilinear"), doubled)
