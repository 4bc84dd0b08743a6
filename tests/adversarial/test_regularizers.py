"""Terms that every generator can add to its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter
from scipy.stats import wasserstein_distance
from sklearn.metrics import mutual_info_score

from medsynth.adversarial.regularizers import (
    DIRECTIONS,
    SIDE,
    negative_information,
    regularizers,
    sliced_texture_distance,
)
from medsynth.api import AdversarialConfig


def test_information_pairs_an_image_with_its_own_translation_and_texture_with_its_own_domain() -> None:
    draw = torch.Generator().manual_seed(0)
    rough, smooth = torch.rand(2, 1, 32, 32, generator=draw) * 2 - 1, torch.zeros(2, 1, 32, 32)
    config = AdversarialConfig(information_weight=2.0, texture_weight=3.0)
    # The source is rough, the target smooth; both translations look like the domain they are made for.
    terms = regularizers(config, source=rough, target=smooth, fake_a=rough.flip(0), fake_b=smooth)
    assert set(terms) == {"information_ab", "information_ba", "texture_ab", "texture_ba"}
    assert terms["texture_ab"] == 0.0
    assert terms["texture_ba"] < 1e-6
    assert terms["information_ab"] == negative_information(rough, smooth)
    assert terms["information_ba"] == negative_information(smooth, rough.flip(0))
    swapped = regularizers(config, source=rough, target=smooth, fake_a=smooth, fake_b=rough)
    assert min(swapped["texture_ab"], swapped["texture_ba"]) > 0.1
    one_way = regularizers(config, source=rough, target=smooth, fake_a=None, fake_b=smooth)
    assert set(one_way) == {"information_ab", "texture_ab"}


def test_terms_of_weight_zero_are_not_computed() -> None:
    image = torch.zeros(1, 1, 32, 32)
    assert regularizers(AdversarialConfig(), source=image, target=image, fake_a=image, fake_b=image) == {}


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


def speckle(seed: int, strength: float = 1.0) -> torch.Tensor:
    return strength * torch.randn(2, 1, 24, 24, generator=torch.Generator().manual_seed(seed))


def test_it_equals_the_wasserstein_distance_of_projected_details_averaged_over_directions() -> None:
    images, real = speckle(1), speckle(2, 0.5)
    torch.manual_seed(3)
    found = sliced_texture_distance(images, real)
    torch.manual_seed(3)
    top, left = (int(torch.randint(13, ())) for _ in range(2))
    directions = torch.randn(DIRECTIONS, SIDE * SIDE).double().numpy()
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    patches = []
    for stack in (images, real):
        window = stack[:, 0, top : top + 12, left : left + 12].double().numpy()
        details = window - uniform_filter(window, (0, 3, 3), mode="mirror")
        views = np.lib.stride_tricks.sliding_window_view(details, (SIDE, SIDE), (1, 2))
        patches.append(views.reshape(-1, SIDE * SIDE))
    wanted = np.mean([wasserstein_distance(patches[0] @ one, patches[1] @ one) for one in directions])
    assert abs(found.item() - wanted) < 1e-5


def test_smooth_translations_are_told_where_roughness_is_missing_and_what_is_shown_hardly_counts() -> None:
    real = speckle(1)
    torch.manual_seed(0)
    distances = [sliced_texture_distance(speckle(2, strength), real).item() for strength in (0.0, 0.5, 1.0)]
    assert distances[0] > distances[1] > distances[2]
    torch.manual_seed(0)
    ramp = torch.linspace(-1, 1, 24).expand(2, 1, 24, 24)
    brighter = sliced_texture_distance(speckle(2, 0.0) + ramp, real).item()
    assert abs(brighter - distances[0]) < 0.02 * distances[0]


def test_gradients_reach_translations_only_and_lower_the_distance() -> None:
    images, real = speckle(1, 0.3).requires_grad_(True), speckle(2).requires_grad_(True)
    torch.manual_seed(0)
    before = sliced_texture_distance(images, real)
    before.backward()
    assert real.grad is None
    torch.manual_seed(0)
    assert sliced_texture_distance(images.detach() - 100 * images.grad, real) < before
