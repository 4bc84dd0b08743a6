"""The discriminator of several sizes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from medsynth.networks.multiscale import MultiScaleDiscriminator


@pytest.mark.parametrize(("channels", "one", "all_three"), [(1, 2_755_009, 8_265_027), (3, 2_757_057, 8_271_171)])
def test_it_has_the_published_size(channels: int, one: int, all_three: int):
    network = MultiScaleDiscriminator(channels)
    assert sum(p.numel() for p in network.scales[0].parameters()) == one
    assert sum(p.numel() for p in network.parameters()) == all_three


def test_maps_of_judgments_get_smaller_with_the_image():
    network = MultiScaleDiscriminator(1, width=2)
    assert [tuple(m.shape) for m in network(torch.rand(1, 1, 256, 256))] == [(1, 1, n, n) for n in (16, 8, 4)]
    assert [tuple(m.shape) for m in network(torch.rand(2, 1, 64, 64))] == [(2, 1, n, n) for n in (4, 2, 1)]


def test_each_scale_judges_means_of_three_by_three_pixels_of_the_one_before():
    torch.manual_seed(0)
    network, image = MultiScaleDiscriminator(1, width=2, levels=2, scales=2), torch.rand(1, 1, 16, 16)
    padded = F.pad(image, (1, 1, 1, 1), value=float("nan"))
    half = torch.empty(1, 1, 8, 8)
    for row in range(8):
        for column in range(8):
            half[0, 0, row, column] = padded[0, 0, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3].nanmean()
    full, small = network(image)
    torch.testing.assert_close(small, network.scales[1](half))
    torch.testing.assert_close(full, network.scales[0](image))


def test_a_judgment_sees_46_pixels():
    torch.manual_seed(0)
    network = MultiScaleDiscriminator(1, width=2, scales=1).double()
    image = torch.rand(1, 1, 128, 128, dtype=torch.float64, requires_grad=True)
    network(image)[0][0, 0, 4, 4].backward()
    rows = image.grad[0, 0].abs().sum(1).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 == 46
