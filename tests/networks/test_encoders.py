"""Content, style, and what turns them into images."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medsynth.adversarial.initialization import initialize_kaiming
from medsynth.networks.encoders import (
    AdaptiveBlock,
    ContentEncoder,
    Decoder,
    ImageNorm,
    RepeatedConvolution,
    StyledDecoder,
    StyleEncoder,
    adaptive_norm,
)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("channels", "content", "style", "decoder", "unit"),
    [(1, 5_379_584, 2_758_664, 5_748_353, 11_127_937), (3, 5_385_856, 2_764_936, 5_754_627, 11_140_483)],
)
def test_networks_have_the_published_sizes(channels: int, content: int, style: int, decoder: int, unit: int):
    encoder, plain = ContentEncoder(channels, width=64, blocks=4), Decoder(channels, width=64, blocks=4)
    styled = StyledDecoder(channels, width=64, blocks=4, style=8, hidden=256)
    look = StyleEncoder(channels, width=64, length=8)
    assert (count(encoder), count(look), count(plain)) == (content, style, decoder)
    assert count(encoder) + count(plain) == unit
    assert count(styled.looks) == 1_120_768
    assert count(styled) - count(styled.looks) == decoder
    assert count(encoder) + count(look) + count(styled) == content + style + decoder + 1_120_768


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_levels_decide_how_small_content_is(levels: int):
    encoder, decoder = (kind(1, width=2, blocks=1, levels=levels) for kind in (ContentEncoder, Decoder))
    styled = StyledDecoder(1, width=2, blocks=1, style=3, hidden=4, levels=levels)
    content = encoder(torch.rand(2, 1, 32, 48))
    assert content.shape == (2, 2 * 2**levels, 32 / 2**levels, 48 / 2**levels)
    assert decoder(content).shape == styled(content, torch.rand(2, 3)).shape == (2, 1, 32, 48)


@pytest.mark.parametrize("size", [(3, 4), (7, 5), (8, 8)])
def test_repeating_pixels_before_the_convolution_gives_the_same_values_and_gradients(size: tuple[int, int]):
    torch.manual_seed(0)
    layer = RepeatedConvolution(3, 2).double()
    features = draw(2, 3, *size).requires_grad_()
    repeated = features.repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected = F.conv2d(F.pad(repeated, (2, 2, 2, 2), mode="reflect"), layer.weight, layer.bias)
    made = layer(features)
    torch.testing.assert_close(made, expected)
    weights = draw(*made.shape, seed=1)
    wanted = torch.autograd.grad((expected * weights).sum(), [features, *layer.parameters()])
    found = torch.autograd.grad((made * weights).sum(), [features, *layer.parameters()])
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_norm_of_an_image_divides_by_its_unbiased_deviation():
    norm = ImageNorm(3).double()
    nn.init.normal_(norm.shift)
    features = 2.0 * draw(2, 3, 4, 5) + 1.0
    images = []
    for image in features:
        normalized = (image - image.mean()) / (image.std(unbiased=True) + 1e-5)
        images.append(normalized * norm.gain[:, None, None] + norm.shift[:, None, None])
    torch.testing.assert_close(norm(features), torch.stack(images), rtol=2e-5, atol=2e-5)


def test_gains_of_the_norm_start_between_zero_and_one_and_survive_initialization():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(64, 256, 3), ImageNorm(1000))
    gain = layers[1].gain.clone()
    initialize_kaiming(layers)
    assert torch.equal(layers[1].gain, gain)
    assert 0.0 <= gain.min() < 0.01
    assert 0.99 < gain.max() < 1.0
    assert layers[0].weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert layers[0].bias.abs().max() == 0


def test_adaptive_norm_gives_every_channel_of_every_image_its_mean_and_deviation():
    features, shift, scale = 3.0 * draw(3, 4, 6, 5) - 1.0, draw(3, 4, seed=1), draw(3, 4, seed=2)
    expected = torch.empty_like(features)
    for image in range(3):
        for channel in range(4):
            x = features[image, channel]
            deviation = (x.var(unbiased=False) + 1e-5).sqrt()
            expected[image, channel] = scale[image, channel] * (x - x.mean()) / deviation + shift[image, channel]
    torch.testing.assert_close(adaptive_norm(features, shift, scale), expected)


def test_an_adaptive_block_takes_the_shift_first_then_the_scale_for_each_norm():
    torch.manual_seed(0)
    block, features, looks = AdaptiveBlock(2).double(), draw(2, 2, 5, 5), draw(2, 8, seed=1)

    def normed(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        x = (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
        return x * scale[..., None, None] + shift[..., None, None]

    def convolved(x: Tensor, layer: nn.Conv2d) -> Tensor:
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), layer.weight, layer.bias)

    inner = normed(convolved(features, block.first), looks[:, 0:2], looks[:, 2:4]).clamp(min=0)
    expected = features + normed(convolved(inner, block.second), looks[:, 4:6], looks[:, 6:8])
    torch.testing.assert_close(block(features, looks), expected)


def test_a_styled_decoder_hands_each_block_its_part_of_the_looks():
    torch.manual_seed(0)
    decoder = StyledDecoder(1, width=2, blocks=2, style=3, hidden=4).double()
    content, styles = draw(2, 8, 6, 6), draw(2, 3, seed=1)
    looks = decoder.looks(styles)
    features = decoder.blocks[1](decoder.blocks[0](content, looks[:, :32]), looks[:, 32:])
    torch.testing.assert_close(decoder(content, styles), decoder.image(features))


def test_images_of_a_batch_keep_their_own_styles_and_nothing_stays_behind():
    torch.manual_seed(0)
    decoder = StyledDecoder(1, width=2, blocks=1, style=3, hidden=4).double()
    content, styles = draw(3, 8, 6, 6), draw(3, 3, seed=1)
    together = decoder(content, styles)
    alone = torch.cat([decoder(content[n : n + 1], styles[n : n + 1]) for n in (2, 0, 1)])
    torch.testing.assert_close(together[[2, 0, 1]], alone)


def test_style_encoders_see_brightness_and_contrast():
    torch.manual_seed(0)
    look, images = StyleEncoder(1, width=4, length=5).double(), draw(2, 1, 32, 32)
    assert look(images).shape == (2, 5)
    assert not torch.allclose(look(images), look(0.5 * images), rtol=1e-3)
    assert not torch.allclose(look(images), look(images + 0.5), rtol=1e-3)
