import pytest
import torch
from torch import nn

from medsynth.networks.attention import fold_patches, merge_heads, split_heads, unfold_patches
from medsynth.networks.mobile import (
    ConvNormActivation,
    InvertedResidual,
    halvings_for,
    initialize,
    round_channels,
    strides,
)


@pytest.mark.parametrize(
    ("channels", "rounded"),
    [(32 * 0.45, 16), (24 * 0.45, 16), (16 * 0.45, 8), (32 * 0.56, 24), (160 * 0.56, 88), (1, 8), (20, 24)],
)
def test_channels_round_to_multiples_of_eight_without_losing_a_tenth(channels, rounded):
    assert round_channels(channels) == rounded


@pytest.mark.parametrize("published", [3, 5])
def test_halvings_leave_eight_places_wherever_the_image_has_them_and_stay_as_published_for_large_ones(published):
    for size in range(16, 513):
        halvings = halvings_for(size, published)
        assert 1 <= halvings <= published
        assert sorted(strides(published, halvings)) == [1] * (published - halvings) + [2] * halvings
        assert size >> halvings >= 8
        assert halvings == published or size >> halvings + 1 < 8
    assert strides(published, published) == (2,) * published


def test_an_inverted_residual_has_the_parameters_of_its_three_convolutions():
    block = InvertedResidual(16, 24, stride=2, expansion=2)
    assert sum(p.numel() for p in block.parameters()) == (16 * 32 + 64) + (32 * 9 + 64) + (32 * 24 + 48)


def test_expansion_one_leaves_out_the_widening_convolution():
    block = InvertedResidual(16, 16, stride=1, expansion=1)
    assert sum(p.numel() for p in block.parameters()) == (16 * 9 + 32) + (16 * 16 + 32)


def test_an_inverted_residual_adds_its_input_only_where_shapes_agree():
    images = torch.rand(2, 8, 6, 6, generator=torch.Generator().manual_seed(0))
    for block, added in (
        (InvertedResidual(8, 8, stride=1, expansion=2), 1.0),
        (InvertedResidual(8, 8, stride=2, expansion=2), 0.0),
        (InvertedResidual(8, 16, stride=1, expansion=2), 0.0),
    ):
        nn.init.zeros_(block.layers[-1][0].weight)
        result = block.eval()(images)
        assert torch.equal(result, images) if added else not result.any()


def test_the_last_convolution_of_an_inverted_residual_has_no_activation():
    block = InvertedResidual(4, 4, stride=1, expansion=2, activation=nn.SiLU)
    kinds = [[type(layer) for layer in part] for part in block.layers]
    assert [nn.SiLU in part for part in kinds] == [True, True, False]


def test_an_odd_side_is_halved_upwards():
    assert ConvNormActivation(1, 4, kernel=3, stride=2)(torch.zeros(2, 1, 5, 8)).shape == (2, 4, 3, 4)


def test_start_weights_count_the_inputs_of_one_group_only():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(512, 512, 3, groups=512), nn.Conv2d(64, 512, 1), nn.Linear(512, 64))
    initialize(layers, linear_std=0.02)
    deviations = [layer.weight.std().item() for layer in layers]
    assert deviations == pytest.approx([(1 / 27) ** 0.5, (1 / 192) ** 0.5, 0.02], rel=0.05)
    assert not any(layer.bias.any() for layer in layers)


def test_folding_undoes_unfolding():
    features = torch.arange(2 * 3 * 4 * 6, dtype=torch.float32).reshape(2, 3, 4, 6)
    assert torch.equal(fold_patches(unfold_patches(features), (2, 3)), features)


def test_each_sequence_holds_one_pixel_position_of_every_patch():
    features = torch.arange(2 * 3 * 4 * 6, dtype=torch.float32).reshape(2, 3, 4, 6)
    tokens = unfold_patches(features)
    for position, (row, column) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        expected = features[:, :, row::2, column::2].flatten(2).transpose(1, 2)
        assert torch.equal(tokens[:, position], expected)


def test_heads_are_consecutive_channels_and_merge_back():
    tokens = torch.arange(2 * 4 * 5 * 18, dtype=torch.float32).reshape(2, 4, 5, 18)
    parts = split_heads(tokens, 2)
    for index, part in enumerate(parts):
        assert torch.equal(part[:, :, 1], tokens[..., 6 * index + 3 : 6 * index + 6])
        assert torch.equal(merge_heads(part), tokens[..., 6 * index : 6 * index + 6])
