"""Random artifacts of ultrasound."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from medsynth.supervised.ultrasound import SHADOWED, ultrasound_artifacts


def flat(value: float, count: int = 200, height: int = 48, width: int = 32, channels: int = 1) -> Tensor:
    return torch.full((count, channels, height, width), value * 2 - 1)


def factors(value: float = 0.4, **options: float) -> np.ndarray:
    """What flat images were multiplied by, (B, H, W)."""
    torch.manual_seed(0)
    return ((ultrasound_artifacts(flat(value), **options) + 1) / 2 / value).numpy()[:, 0]


def test_nothing_is_changed_or_drawn_unless_asked_for():
    before, images = torch.get_rng_state(), flat(0.4)
    assert ultrasound_artifacts(images) is images
    assert torch.equal(torch.get_rng_state(), before)


def test_speckle_has_mean_one_and_its_own_strength_up_to_the_largest_in_each_image():
    found = factors(speckle=0.3)
    strength = found.std(axis=(1, 2))
    assert found.mean() == pytest.approx(1.0, abs=0.005)
    assert strength.min() < 0.02
    assert 0.27 < strength.max() < 0.32
    assert strength.mean() == pytest.approx(0.15, abs=0.015)


def test_speckle_is_as_grainy_as_white_noise_after_a_small_blur():
    found = factors(speckle=0.3) - 1
    white = np.random.default_rng(0).standard_normal((200, 48, 32))
    blurred = ndimage.convolve1d(ndimage.convolve1d(white, [1, 2, 1], axis=1), [1, 2, 1], axis=2)

    def neighbors(noise: np.ndarray, axis: int) -> float:
        shifted = np.roll(noise, 1, axis=axis)
        return float((noise * shifted).sum() / (noise * noise).sum())

    for axis in (1, 2):
        assert neighbors(found, axis) == pytest.approx(neighbors(blurred, axis), abs=0.02)


def test_speckle_is_multiplicative_so_that_black_stays_black():
    torch.manual_seed(0)
    assert torch.equal(ultrasound_artifacts(flat(0.0), speckle=1.0), flat(0.0))


def test_half_of_the_images_get_a_shadow_that_darkens_to_the_bottom_and_takes_no_more_than_asked():
    found = factors(shadow=0.6)
    shadowed = found.min(axis=(1, 2)) < 0.999
    assert shadowed.mean() == pytest.approx(SHADOWED, abs=0.1)
    assert 0.4 <= found.min() < 0.45
    assert found.max() <= 1.0 + 1e-6
    assert (np.diff(found, axis=1) <= 1e-6).all()


def test_a_shadow_is_a_narrow_band_with_one_darkest_column():
    found = factors(shadow=0.6)
    bottom = found[found.min(axis=(1, 2)) < 0.8][:, -1]
    steps = np.sign(np.round(np.diff(bottom, axis=1), 5))
    assert ((steps[:, :-1] <= 0) | (steps[:, 1:] >= 0)).all()
    assert ((bottom < 0.9).mean(axis=1) < 0.5).all()


def test_depth_changes_gain_exponentially_with_the_row_and_leaves_the_middle():
    logs = np.log(factors(depth_gain=0.5))
    rows = (np.arange(48) + 0.5) / 48 * 2 - 1
    slopes = logs[:, -1, 0] / rows[-1]
    np.testing.assert_allclose(logs, slopes[:, None, None] * rows[:, None] * np.ones(32), atol=1e-5)
    assert -0.5 <= slopes.min() < -0.45
    assert 0.45 < slopes.max() <= 0.5


def test_all_channels_of_an_image_change_alike_and_stay_in_range():
    torch.manual_seed(0)
    images = (torch.rand(64, 1, 16, 16) * 2 - 1).repeat(1, 3, 1, 1)
    result = ultrasound_artifacts(images, speckle=1.0, shadow=1.0, depth_gain=2.0)
    assert torch.equal(result[:, 0], result[:, 2])
    assert -1 <= float(result.min()) <= float(result.max()) <= 1
    assert not torch.allclose(result, images, atol=0.1)
