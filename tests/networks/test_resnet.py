from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from medsynth.networks.blocks import Coordinates, InstanceNorm, ResidualBlock, WideConvolution
from medsynth.networks.resnet import EncoderDecoder, ResnetGenerator
from medsynth.networks.sampling import NearestConvolution

MODES = ["transposed", "nearest", "bilinear", "antialiased"]


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def small(mode: str = "nearest", channels: int = 1) -> ResnetGenerator:
    torch.manual_seed(0)
    return ResnetGenerator(channels, channels, width=4, blocks=1, mode=mode)


@pytest.mark.parametrize(
    ("channels", "blocks", "parameters"),
    [
        (1, 9, 11_365_633),
        (3, 9, 11_378_179),
        (1, 7, 9_005_313),
        (3, 7, 9_017_859),
        (1, 6, 7_825_153),
        (3, 6, 7_837_699),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_the_generator_has_the_published_number_of_parameters(channels: int, blocks: int, parameters: int, mode: str):
    with torch.device("meta"):
        network = ResnetGenerator(channels, channels, blocks=blocks, mode=mode)
    assert count(network) == parameters


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(32, 32), (33, 30), (27, 35)])
def test_every_size_keeps_its_shape_and_the_range(mode: str, size: tuple[int, int]):
    translated = small(mode)(images(2, 1, *size))
    assert translated.shape == (2, 1, *size)
    assert translated.abs().max() <= 1


def test_an_odd_size_equals_the_reflected_image_cropped_back():
    network, image = small(), images(1, 1, 30, 32)
    by_hand = torch.cat([image, image[:, :, [28, 27]]], dim=2)
    torch.testing.assert_close(network(image), network(by_hand)[:, :, :30])


@pytest.mark.parametrize("mode", MODES)
def test_training_and_evaluation_give_the_same_image(mode: str):
    network, image = small(mode), images(2, 1, 32, 32)
    torch.testing.assert_close(network.train()(image), network.eval()(image), rtol=0, atol=1e-5)


def test_an_image_does_not_depend_on_the_others_in_its_batch():
    network, batch = small(), images(3, 1, 32, 32)
    alone = torch.cat([network(image[None]) for image in batch])
    torch.testing.assert_close(network(batch), alone, rtol=0, atol=1e-5)


def test_arguments_survive_json_and_rebuild_the_network():
    network = ResnetGenerator(3, 1, width=4, blocks=2, mode="bilinear", dropout=0.5)
    rebuilt = ResnetGenerator(**json.loads(json.dumps(network.arguments)))
    rebuilt.load_state_dict(network.state_dict())
    image = images(1, 3, 16, 16)
    assert torch.equal(rebuilt.eval()(image), network.eval()(image))


def test_dropout_acts_in_training_only_and_is_off_unless_asked_for():
    network = ResnetGenerator(1, 1, width=4, blocks=1, dropout=0.5)
    image = images(1, 1, 16, 16)
    assert not torch.equal(network.train()(image), network(image))
    assert torch.equal(network.eval()(image), network(image))
    assert not any(isinstance(module, nn.Dropout) for module in small().modules())


def test_the_generator_equals_its_textbook_layer_list():
    network = small("transposed").eval()
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    first, down1, down2, block1, block2, up1, up2, last = convolutions

    def norm(x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), keepdim=True, correction=0) + 1e-5).sqrt()

    def conv(x: torch.Tensor, layer: nn.Module, pad: int) -> torch.Tensor:
        return F.conv2d(F.pad(x, (pad,) * 4, mode="reflect"), layer.weight, layer.bias)

    x = image = images(2, 1, 16, 16)
    x = norm(conv(x, first, 3)).relu()
    for down in (down1, down2):
        x = norm(F.conv2d(x, down.weight, down.bias, stride=2, padding=1)).relu()
    x = x + norm(conv(norm(conv(x, block1, 1)).relu(), block2, 1))
    for up in (up1, up2):
        x = norm(F.conv_transpose2d(x, up.weight, up.bias, stride=2, padding=1, output_padding=1)).relu()
    torch.testing.assert_close(network(image), conv(x, last, 3).tanh(), rtol=0, atol=1e-5)


def test_the_antialiased_generator_convolves_at_full_size_and_subsamples_afterwards():
    network = small("antialiased").eval()
    first, down1, down2, block1, block2, up1, up2, last = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert {down1.stride, down2.stride, up1.stride, up2.stride} == {(1, 1)}

    def norm(x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), keepdim=True, correction=0) + 1e-5).sqrt()

    def conv(x: torch.Tensor, layer: nn.Module, pad: int, mode: str = "constant") -> torch.Tensor:
        return F.conv2d(F.pad(x, (pad,) * 4, mode=mode), layer.weight, layer.bias)

    def blurred(x: torch.Tensor) -> torch.Tensor:
        taps = torch.tensor([0.25, 0.5, 0.25])
        kernel = torch.outer(taps, taps)[None, None].repeat(x.shape[1], 1, 1, 1)
        return F.conv2d(F.pad(x, (1,) * 4, mode="reflect"), kernel, groups=x.shape[1])[..., ::2, ::2]

    x = image = images(2, 1, 16, 16)
    x = norm(conv(x, first, 3, "reflect")).relu()
    for down in (down1, down2):
        x = blurred(norm(conv(x, down, 1)).relu())
    x = x + norm(conv(norm(conv(x, block1, 1, "reflect")).relu(), block2, 1, "reflect"))
    for up in (up1, up2):
        x = norm(conv(F.interpolate(x, scale_factor=2, mode="bilinear"), up, 1)).relu()
    torch.testing.assert_close(network(image), conv(x, last, 3, "reflect").tanh(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kernel", [3, 5])
def test_nearest_upsampling_in_one_go_equals_repeating_pixels_then_convolving(kernel: int):
    layer = NearestConvolution(3, 2, kernel).double()
    features = images(2, 3, 5, 7).double().requires_grad_()
    repeated = features.repeat_interleave(2, 2).repeat_interleave(2, 3)
    slow = F.conv2d(repeated, layer.weight, layer.bias, padding=kernel // 2)
    weights = (features, layer.weight, layer.bias)
    torch.testing.assert_close(layer(features), slow)
    fast_gradients = torch.autograd.grad(layer(features).square().sum(), weights)
    torch.testing.assert_close(fast_gradients, torch.autograd.grad(slow.square().sum(), weights))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [(8, 10), (7, 9)])
def test_a_wide_convolution_equals_a_reflection_padded_one(training: bool, size: tuple[int, int]):
    layer = WideConvolution(3, 2).double().train(training)
    features = images(2, 3, *size).double().requires_grad_()
    slow = F.conv2d(F.pad(features, (3,) * 4, mode="reflect"), layer.weight, layer.bias)
    weights = (features, layer.weight, layer.bias)
    torch.testing.assert_close(layer(features), slow)
    fast_gradients = torch.autograd.grad(layer(features).square().sum(), weights)
    torch.testing.assert_close(fast_gradients, torch.autograd.grad(slow.square().sum(), weights))


def test_instance_norm_equals_torchs_and_needs_no_parameters():
    features = images(3, 4, 6, 5) * 3 + 2
    torch.testing.assert_close(InstanceNorm()(features), nn.InstanceNorm2d(4)(features), rtol=0, atol=1e-5)
    assert count(InstanceNorm()) == 0


@pytest.mark.parametrize("batch", [1, 2])
def test_the_gradient_of_instance_norm_does_not_depend_on_the_layout_it_comes_in(batch: int):
    # PyTorch 2.13's own instance norm fails this on a CPU for one image.
    features = images(batch, 8, 6, 5).requires_grad_()
    normalized, arriving = InstanceNorm()(features), images(batch, 8, 6, 5, seed=1)
    layouts = (torch.contiguous_format, torch.channels_last)
    straight, turned = (
        torch.autograd.grad(normalized, features, arriving.contiguous(memory_format=layout), retain_graph=True)[0]
        for layout in layouts
    )
    torch.testing.assert_close(turned, straight)


def test_norm_statistics_of_half_precision_features_are_exact():
    # A mean of 4096 values near 100 taken in bfloat16 would be off by far more than the values' own rounding.
    features = (images(1, 2, 64, 64) * 4 + 100).bfloat16()
    exact = nn.InstanceNorm2d(2)(features.double())
    normalized = InstanceNorm()(features)
    assert normalized.dtype == torch.bfloat16
    torch.testing.assert_close(normalized.double(), exact, rtol=0.01, atol=0.01)


def test_images_stay_float32_in_mixed_precision():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        translated = small()(images(1, 1, 16, 16))
    assert translated.dtype == torch.float32
    assert not torch.equal(translated, translated.bfloat16().float())


def test_a_residual_block_adds_to_its_input_without_activation():
    block = ResidualBlock(2)
    features = images(1, 2, 8, 8)
    torch.testing.assert_close(block(features) - features, block.layers(features))
    assert (block(features) < 0).any()


def test_levels_and_middle_layer_decide_where_the_network_works():
    seen = []
    middle = nn.Identity()
    middle.register_forward_hook(lambda module, args, output: seen.append(output.shape))
    network = EncoderDecoder(1, 2, width=2, levels=3, blocks=0, mode="nearest", kernel=5, middle=middle)
    assert network(images(1, 1, 24, 32)).shape == (1, 2, 24, 32)
    assert seen == [(1, 16, 3, 4)]


def test_skips_add_what_enters_a_halving_to_what_leaves_its_doubling():
    network = EncoderDecoder(1, 2, width=2, levels=2, blocks=1, mode="nearest", skips=True)
    layers, image = network.layers, images(2, 1, 16, 16)
    full = layers[:3](image)
    half = layers[3:6](full)
    quarter = layers[6:10](half)
    doubled = layers[10:13](quarter) + half
    expected = layers[16](layers[13:16](doubled) + full).tanh()
    torch.testing.assert_close(network(image), expected, rtol=0, atol=1e-6)
    plain = EncoderDecoder(1, 2, width=2, levels=2, blocks=1, mode="nearest")
    plain.load_state_dict(network.state_dict())
    torch.testing.assert_close(plain(image), layers(image).tanh(), rtol=0, atol=1e-6)


def test_coordinates_add_what_a_convolution_over_row_and_column_would():
    torch.manual_seed(0)
    place, features = Coordinates(5), torch.rand(2, 5, 6, 4)
    rows, columns = torch.meshgrid(torch.linspace(-7, 7, 6), torch.linspace(-7, 7, 4), indexing="ij")
    beside = torch.cat([features, torch.stack([rows, columns]).expand(2, -1, -1, -1)], 1)
    weight = torch.cat([torch.eye(5)[..., None, None], place.place.weight], 1)
    torch.testing.assert_close(place(features), F.conv2d(beside, weight))


def test_normalized_features_keep_their_size_however_small_the_weights_become():
    torch.manual_seed(0)
    options = {"width": 4, "levels": 1, "blocks": 0, "mode": "nearest"}
    plain, normalized = EncoderDecoder(1, 3, **options), EncoderDecoder(1, 3, **options, normalized=True)
    images = torch.rand(2, 1, 16, 16)
    for network in (plain, normalized):
        network.layers[-1 if network is plain else -2].weight.data.mul_(1e-2)
    assert plain(images).var() < 1e-3
    assert normalized(images).var() > 0.2


def test_the_side_of_the_convolutions_at_full_size_is_chosen():
    network = ResnetGenerator(1, 1, width=4, blocks=1, ends=3, coordinates=True)
    sides = [layer.kernel_size for layer in network.layers if isinstance(layer, WideConvolution)]
    assert sides == [(3, 3), (3, 3)]
    assert network(torch.rand(1, 1, 20, 22)).shape == (1, 1, 20, 22)
    rebuilt = ResnetGenerator(**json.loads(json.dumps(network.arguments)))
    rebuilt.load_state_dict(network.state_dict())
