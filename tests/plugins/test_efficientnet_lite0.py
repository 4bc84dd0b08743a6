from __future__ import annotations

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from medsynth_efficientnet_lite0 import EfficientNetLite0Config
from medsynth_efficientnet_lite0.model import EfficientNetLite0
from torch.nn import functional as F


@pytest.fixture(scope="module")
def extractor() -> EfficientNetLite0:
    return EfficientNetLite0(EfficientNetLite0Config())


def images(kind: str, n: int = 8) -> torch.Tensor:
    """Smooth blobs or fine noise, (n, 1, 64, 64) in [-1, 1]."""
    generator = torch.Generator().manual_seed(0)
    grid = 6 if kind == "blobs" else 64
    coarse = torch.rand(n, 1, grid, grid, generator=generator) * 2 - 1
    return F.interpolate(coarse, size=(64, 64), mode="bilinear", align_corners=False)


def test_features_are_finite_float32_of_the_stated_dimension(extractor):
    found = extractor.features(images("blobs", 2))
    assert found.shape == (2, extractor.dimension)
    assert found.dtype == torch.float32
    assert torch.isfinite(found).all()
    assert not found.requires_grad


def test_grey_images_give_the_same_features_as_their_three_equal_channels(extractor):
    grey = images("blobs", 2)
    torch.testing.assert_close(extractor.features(grey), extractor.features(grey.expand(-1, 3, -1, -1)))


def test_features_repeat_exactly_and_do_not_depend_on_the_batch(extractor):
    batch = images("blobs", 4)
    whole = extractor.features(batch)
    torch.testing.assert_close(extractor.features(batch), whole, rtol=0, atol=0)
    torch.testing.assert_close(torch.cat([extractor.features(one[None]) for one in batch]), whole, rtol=1e-3, atol=1e-4)


def test_two_halves_of_one_kind_are_closer_than_two_kinds(extractor):
    blobs, noise = extractor.features(images("blobs")), extractor.features(images("noise"))
    between = (blobs.mean(0) - noise.mean(0)).norm()
    within = (blobs[:4].mean(0) - blobs[4:].mean(0)).norm()
    assert between > 3 * within


def test_the_weights_are_those_trained_on_photographs(extractor):
    # A network with random weights calls everything alike; trained ones recognize what is in a photograph.
    from sklearn.datasets import load_sample_image

    flower = torch.from_numpy(load_sample_image("flower.jpg").copy()).permute(2, 0, 1)[None, :, :, 107:533]
    pooled = extractor.features(flower.float() / 127.5 - 1)
    network = extractor._network
    assert network._fc(pooled).argmax().item() == 985  # ImageNet: daisy


def test_building_leaves_the_random_numbers_of_the_caller_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    EfficientNetLite0(EfficientNetLite0Config())
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)


def test_nothing_is_printed(capfd):
    EfficientNetLite0(EfficientNetLite0Config()).features(images("blobs", 1))
    assert capfd.readouterr() == ("", "")


def test_two_channels_are_refused_with_their_shape(extractor):
    with pytest.raises(ValueError, match=r"need \(B, 1 or 3, H, W\) images, got shape \(1, 2, 8, 8\)"):
        extractor.features(torch.zeros(1, 2, 8, 8))


def test_features_are_bit_by_bit_those_of_the_packages_own_network(extractor):
    plain = EfficientNetLite0(EfficientNetLite0Config())
    with torch.random.fork_rng():
        network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(plain._network.state_dict())
    plain._network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    batch = images("noise", 2)
    assert torch.equal(extractor.features(batch), plain.features(batch))
