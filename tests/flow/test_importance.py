"""Importance maps of the report: which images are shown, and what is laid over them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from medsynth_lsnet.network import LSNet
from medsynth_mobilenet_v2.network import MobileNetV2
from torch import nn

from medsynth.api import ImageSet, Predictions
from medsynth.flow.outcome.importance import importance_rows, telling_cases
from medsynth.inference.predict.heatmaps import attention_maps, grad_cam, overlay


def judged(probabilities: list[float], labels: list[int]) -> Predictions:
    patients = np.array([f"p{index}" for index in range(len(labels))], dtype=object)
    return Predictions(probabilities=np.array(probabilities), labels=np.array(labels), patients=patients, threshold=0.5)


SAID = judged([0.1, 0.9, 0.6, 0.4, 0.2, 0.7], [0, 0, 0, 1, 1, 1])


@pytest.fixture
def real() -> ImageSet:
    images = np.random.default_rng(0).uniform(-1, 1, (6, 1, 64, 64)).astype(np.float32)
    names = np.array([f"folder/i{index}.png" for index in range(6)])
    return ImageSet(images=images, labels=SAID.labels, patients=SAID.patients, names=names)


def classifier(network: nn.Module) -> SimpleNamespace:
    return SimpleNamespace(networks=lambda: {"student": network, "teacher": nn.Identity()})


def test_of_either_class_the_highest_and_the_lowest_probability_are_shown() -> None:
    assert telling_cases(SAID) == [5, 4, 1, 0]


def test_a_class_with_one_image_shows_it_once_and_a_missing_class_nothing() -> None:
    assert telling_cases(judged([0.3, 0.4, 0.1], [1, 0, 0])) == [0, 1, 2]
    assert telling_cases(judged([0.3, 0.4], [0, 0])) == [1, 0]


def test_each_image_has_a_map_of_every_classifier_and_attention_of_the_main_one(real) -> None:
    torch.manual_seed(0)
    ours, others = LSNet(channels=1, width=0.5), MobileNetV2(channels=1, width=0.25)
    rows = importance_rows(
        {"synthetic": classifier(ours), "real-only": classifier(others)}, real, SAID, main="synthetic"
    )
    shown = torch.from_numpy(real.images[[5, 4, 1, 0]])
    expected = {
        "Grad-CAM, with synthetic images": grad_cam(ours.eval(), shown),
        "Grad-CAM, real images only": grad_cam(others.eval(), shown),
        "attention of block 1, with synthetic images": attention_maps(ours, shown)["1"],
    }
    assert [set(row.overlays) for row in rows] == [set(expected)] * 4
    for place, (row, index) in enumerate(zip(rows, [5, 4, 1, 0], strict=True)):
        assert (row.image == real.images[index]).all()
        for kind, heats in expected.items():
            pixels = overlay(real.images[index], heats[place].detach().numpy())
            assert np.allclose((row.overlays[kind] + 1) * 127.5, np.moveaxis(pixels, 2, 0), atol=1e-4), kind


def test_captions_say_what_is_true_and_what_was_called(real) -> None:
    rows = importance_rows({"synthetic": classifier(MobileNetV2(channels=1, width=0.25))}, real, SAID, main="synthetic")
    assert [row.caption for row in rows] == [
        "i5.png: truly positive, called positive (probability 0.70)",
        "i4.png: truly positive, called negative (probability 0.20)",
        "i1.png: truly negative, called positive (probability 0.90)",
        "i0.png: truly negative, called negative (probability 0.10)",
    ]


def test_a_network_without_places_is_refused(real) -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(64 * 64, 2))
    with pytest.raises(ValueError, match="height and width"):
        importance_rows({"synthetic": classifier(flat)}, real, SAID, main="synthetic")
