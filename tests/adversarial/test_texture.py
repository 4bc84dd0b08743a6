"""The distance between patches of translations and of real images."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import uniform_filter
from scipy.stats import wasserstein_distance

from medsynth.adversarial.texture import DIRECTIONS, SIDE, sliced_texture_distance


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
