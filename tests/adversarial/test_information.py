from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from medsynth.adversarial.information import negative_information


def pair(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    image = torch.rand(1, 1, 64, 64, generator=draw) * 2 - 1
    other = {"equal": image, "inverted": -image, "unrelated": torch.rand(1, 1, 64, 64, generator=draw) * 2 - 1}
    return image, other[kind]


def test_information_of_an_image_and_its_negative_equals_that_with_itself():
    """The term must not ask for equal contrast."""
    equal, inverted, unrelated = (negative_information(*pair(k)).item() for k in ("equal", "inverted", "unrelated"))
    assert inverted == pytest.approx(equal, rel=1e-3)
    assert equal < -1.0
    assert -0.1 < unrelated <= 1e-6


def test_information_follows_a_histogram_estimate_as_noise_grows():
    draw = np.random.default_rng(0)
    image = draw.uniform(-1, 1, (64, 64))
    computed, expected = [], []
    for noise in (0.05, 0.2, 0.4):
        other = np.clip(image + draw.normal(0, noise, image.shape), -1, 1)
        tensors = (torch.tensor(values, dtype=torch.float32)[None, None] for values in (image, other))
        computed.append(-negative_information(*tensors).item())
        bins = [np.digitize(values.ravel(), np.linspace(-1, 1, 17)[1:-1]) for values in (image, other)]
        expected.append(mutual_info_score(*bins))
    # Gaussian windows blur the joint density, so less information is left, more so where there was much.
    assert computed[0] > computed[1] > computed[2] > 0
    for found, wanted in zip(computed, expected, strict=True):
        assert 0.5 * wanted < found < 1.05 * wanted
