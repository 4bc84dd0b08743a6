"""What a network costs."""

from __future__ import annotations

import pytest
import torch
from medsynth_mobilenet_v2.network import MobileNetV2
from medsynth_mobilevit.network import MobileViT
from torch import Tensor, nn
from torch.nn import functional as F

from medsynth.base.costs import count_macs, count_parameters, count_thop, shapes_only


class Attention(nn.Module):
    """Attention over pixels, fused or by explicit products; 16 channels, 4 heads, no weights."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.fused = fused

    def forward(self, images: Tensor) -> Tensor:
        tokens = images.flatten(2).transpose(1, 2).unflatten(2, (4, 4)).transpose(1, 2)  # (B, 4, H * W, 4)
        if self.fused:
            return F.scaled_dot_product_attention(tokens, tokens, tokens)
        return (tokens @ tokens.transpose(-1, -2) / 2.0).softmax(-1) @ tokens


class Transformer(nn.Module):
    """One encoder layer over pixels; torch has a fused fast path for it in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(2).transpose(1, 2))


def image(channels: int = 3, size: int = 8) -> Tensor:
    return torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("layer", "channels", "expected"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), 3, 8 * 8 * 8 * 3 * 9),
        (nn.Conv2d(3, 8, 3, stride=2, padding=1), 3, 4 * 4 * 8 * 3 * 9),
        (nn.Conv2d(6, 6, 5, padding=2, groups=6), 6, 8 * 8 * 6 * 25),
        (nn.Conv2d(4, 8, 1, groups=2), 4, 8 * 8 * 8 * 2),
        (nn.ConvTranspose2d(4, 6, 4, 2, 1), 4, 8 * 8 * 4 * 6 * 16),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 10)), 3, 192 * 10),
        (nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.AvgPool2d(2)), 3, 0),
        (Attention(fused=True), 16, 2 * 64 * 64 * 16),
        (Attention(fused=False), 16, 2 * 64 * 64 * 16),
        (Transformer(), 16, 64 * 16 * 16 * 4 + 2 * 64 * 64 * 16 + 2 * 64 * 16 * 32),
    ],
)
def test_multiply_accumulates_of_known_layers_are_exact(layer, channels, expected):
    assert count_macs(layer.eval(), image(channels)) == expected


def test_counting_leaves_the_fast_path_of_attention_as_it_was():
    count_macs(Transformer().eval(), image(16))
    assert torch.backends.mha.get_fastpath_enabled()


def test_shared_parameters_are_counted_once():
    shared = nn.Linear(4, 4)
    assert count_parameters(nn.Sequential(shared, shared, nn.BatchNorm1d(4))) == 20 + 8


@pytest.mark.parametrize(
    ("build", "size", "thop"),
    [
        (lambda: MobileNetV2(channels=3, width=0.45, hidden=128), 320, 207.6e6),
        (lambda: MobileNetV2(channels=3, width=0.45, hidden=128), 224, 101.8e6),
        (lambda: MobileNetV2(channels=3, width=0.56, hidden=128), 320, 338.32e6),
        (lambda: MobileViT(channels=3), 320, 561.3e6),
    ],
)
def test_thops_operations_are_those_that_the_paper_prints(build, size, thop):
    assert count_thop(build().eval(), image(3, size)) == pytest.approx(thop, rel=3e-4)


@pytest.mark.parametrize(
    ("module", "channels", "expected"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), 3, 8 * 8 * 8 * 27),
        (nn.BatchNorm2d(3), 3, 4 * 3 * 64),
        (nn.LayerNorm(8, elementwise_affine=False), 3, 2 * 3 * 64),
        (nn.Softmax(dim=-1), 3, 3 * 8 * (3 * 8 - 1)),
        (nn.AvgPool2d(2), 3, 3 * 16),
        (nn.AdaptiveAvgPool2d(1), 3, 3 * 64),
        (Attention(fused=True), 16, 4 * 64 * (3 * 64 - 1)),
        (nn.ReLU(), 3, 0),
    ],
)
def test_thops_operations_of_single_modules_follow_its_rules(module, channels, expected):
    assert count_thop(module.eval(), image(channels)) == expected


@pytest.mark.parametrize("build", [lambda: MobileNetV2(channels=1, width=0.2), lambda: MobileViT(channels=1)])
def test_a_network_of_shapes_alone_costs_what_the_real_one_costs(build):
    real = build().eval()
    with torch.device("meta"):
        outline = build().eval()
        empty = torch.empty(1, 1, 64, 64)
    with shapes_only():
        counted = count_macs(outline, empty), count_thop(outline, empty)
    assert counted == (count_macs(real, image(1, 64)), count_thop(real, image(1, 64)))
