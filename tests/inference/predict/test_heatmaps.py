"""Heatmaps: Grad-CAM as MONAI computes it, overlays that show the image they belong to."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from medsynth_lsnet.network import LSNet
from medsynth_mobilenet_v2.network import MobileNetV2
from medsynth_mobilevit.network import MobileViT
from PIL import Image
from torch import nn

from medsynth.inference.predict.heatmaps import attention_maps, enlarge, grad_cam, make_painter, overlay


@pytest.fixture
def images():
    return torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_grad_cam_is_monais_on_the_last_features(images):
    from monai.visualize import GradCAM

    torch.manual_seed(0)
    network = MobileNetV2(channels=1, width=0.25).eval()
    with torch.no_grad():
        network.head[-1].weight[1] += 0.01  # something speaks for the positive class
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cam = GradCAM(
            nn_module=network, target_layers="features", postprocessing=lambda x: x, upsampler=lambda size: lambda x: x
        )
        expected = enlarge(cam(images, class_idx=1)[:, 0], (64, 64))
    found = grad_cam(network, images)
    assert found.shape == (3, 64, 64)
    assert found.amax() == pytest.approx(1.0)
    assert torch.allclose(found, expected, atol=1e-5)


def test_grad_cam_leaves_the_network_without_hooks_and_gradients(images):
    network = MobileNetV2(channels=1, width=0.25).eval()
    grad_cam(network, images)
    assert not any(module._forward_hooks for module in network.modules())
    assert all(weight.grad is None for weight in network.parameters())


def test_grad_cam_needs_features_with_places(images):
    with pytest.raises(ValueError, match="height and width"):
        grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(64 * 64, 2)), images)


@pytest.mark.parametrize("network", [LSNet(channels=1, width=0.5), MobileViT(channels=1, width=0.5)])
def test_attention_is_shown_where_the_network_has_some(images, network):
    maps = attention_maps(network.eval(), images)
    assert {name: tuple(found.shape) for name, found in maps.items()} == dict.fromkeys("123", (3, 64, 64))


def test_a_network_without_attention_shows_none(images):
    assert attention_maps(MobileNetV2(channels=1, width=0.25).eval(), images) == {}


def test_an_overlay_is_the_image_where_there_is_no_heat_and_bright_where_there_is():
    image = np.linspace(-1, 1, 16, dtype=np.float32).reshape(1, 4, 4)
    heat = np.zeros((4, 4))
    heat[0, 0] = 1.0
    found = overlay(image, heat)
    grey = np.round((image[0] + 1) * 127.5)
    assert (found[1:] == grey[1:, :, None]).all()
    assert found[0, 0].sum() > 200


def test_each_image_gets_its_overlays_in_folders_like_its_own(images, tmp_path):
    network = LSNet(channels=1, width=0.5).eval()
    make_painter(network, tmp_path)(images[:2].numpy(), ["a.png", "deep/b.nii#3"])
    kinds = ("attention-1", "attention-2", "attention-3", "gradcam")
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert files == [f"{name}.{kind}.png" for name in ("a.png", "deep/b.nii#3") for kind in kinds]
    expected = overlay(images[1].numpy(), grad_cam(network, images[:2])[1].numpy())
    assert (np.asarray(Image.open(tmp_path / "deep/b.nii#3.gradcam.png")) == expected).all()
