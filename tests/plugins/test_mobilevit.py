"""Classifier mobilevit."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from medsynth_mobilevit import MobileViTConfig, medsynth_classifier
from medsynth_mobilevit.model import MobileViTClassifier
from medsynth_mobilevit.network import Layer, MobileViT

from medsynth.api import Setup
from medsynth.base.costs import count_macs, count_parameters, count_thop

SMALL = {"width": 0.25, "token_width": 0.5, "expansion": 1}


@pytest.mark.parametrize(
    ("variant", "classes", "weights"),
    [
        ("xxs", 1000, 1_272_024),
        ("xs", 1000, 2_317_848),
        ("s", 1000, 5_578_632),
        ("xxs", 2, 951_666),
        ("xs", 2, 1_933_618),
        ("s", 2, 4_938_914),
        ("compact", 2, 294_506),
    ],
)
def test_weight_counts_are_those_of_the_papers(variant, classes, weights):
    assert count_parameters(MobileViT(channels=3, classes=classes, variant=variant)) == weights


def test_the_paper_preset_builds_the_compared_variant():
    config = MobileViTConfig(**medsynth_classifier().presets["paper"])
    network = MobileViTClassifier(config, Setup(channels=3, size=(320, 320))).networks()["network"].eval()
    image = torch.rand(1, 3, 320, 320)
    assert count_parameters(network) == 294_506
    assert count_macs(network, image) == pytest.approx(558e6, rel=2e-3)
    assert count_thop(network, image) == pytest.approx(561.3e6, rel=1e-3)


def test_multiply_accumulates_include_the_attention_products():
    assert count_macs(MobileViT(channels=3, variant="xxs").eval(), torch.rand(1, 3, 320, 320)) == pytest.approx(
        705e6, rel=2e-3
    )


def test_a_layer_equals_a_loop_over_positions_heads_and_queries():
    torch.manual_seed(0)
    layer = Layer(8, 2, dropout=0.0).double().eval()
    tokens = torch.randn(1, 4, 5, 8, dtype=torch.float64)
    normed = layer.norm(tokens)
    values = normed @ layer.qkv.weight.T + layer.qkv.bias
    attended = torch.zeros_like(tokens)
    for position in range(4):
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            q, k, v = (values[0, position, :, 8 * n : 8 * n + 8][:, part] for n in range(3))
            for query in range(5):
                weights = torch.softmax(torch.stack([(q[query] * key).sum() / 2.0 for key in k]), 0)
                attended[0, position, query, part] = sum(w * value for w, value in zip(weights, v, strict=True))
    linear = layer.output[0]
    expected = tokens + attended @ linear.weight.T + linear.bias
    expected = expected + layer.feed_forward(expected)
    torch.testing.assert_close(layer(tokens), expected)


@pytest.mark.parametrize("size", [32, 64, 96])
def test_images_whose_patches_do_not_fit_are_stretched_and_shrunk_back(size):
    assert MobileViT(channels=1, **SMALL).eval()(torch.rand(2, 1, size, size)).shape == (2, 2)


def test_the_loss_starts_near_chance():
    torch.manual_seed(0)
    model = MobileViTClassifier(MobileViTConfig(**SMALL), Setup(channels=1, size=(64, 64)))
    batch = {"image": torch.rand(8, 1, 64, 64) * 2 - 1, "label": torch.arange(8) % 2}
    losses = model.phases()[0].step(SimpleNamespace(state=SimpleNamespace(iteration=1)), batch)
    assert losses["classification"].item() == pytest.approx(math.log(2), abs=0.15)


@pytest.mark.parametrize("shape", [(64, 96), (72, 64)])
def test_attention_shows_what_each_patch_receives_in_the_last_layer(shape):
    torch.manual_seed(3)
    network, seen = MobileViT(channels=1, **SMALL).eval(), []
    layer = network.features[6].layers[-2]
    torch.nn.init.normal_(layer.qkv.weight)  # at its start attention is even
    layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = torch.rand(2, 1, *shape) * 2 - 1
    with torch.no_grad():
        found = network.attention(images)
        tokens = layer.norm(seen[0])
        weight, bias = layer.qkv.weight, layer.qkv.bias
        queries, keys = (tokens @ weight[part].T + bias[part] for part in (slice(16), slice(16, 32)))
        expected = torch.zeros(2, tokens.shape[2])
        for head in range(4):
            own = slice(4 * head, 4 * head + 4)
            scores = torch.einsum("bpqd,bpkd->bpqk", queries[..., own], keys[..., own]) / 4**0.5
            expected += scores.softmax(-1).mean(dim=(1, 2)) / 4
    rows, columns = -(-shape[0] // 16), -(-shape[1] // 16)
    torch.testing.assert_close(found["1"], expected.reshape(2, rows, columns))
    assert expected.max() > 2 * expected.min()
    for received in found.values():
        torch.testing.assert_close(received.sum(dim=(1, 2)), torch.ones(2))
