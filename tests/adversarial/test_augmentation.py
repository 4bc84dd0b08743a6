from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from medsynth.adversarial.augmentation import (
    change_brightness,
    change_contrast,
    cut_out,
    differentiable_augmentation,
    shift,
)


def images(count: int = 64, height: int = 24, width: int = 16) -> Tensor:
    return torch.rand(count, 1, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_brightness_adds_one_number_within_a_half_to_each_image():
    torch.manual_seed(0)
    change = (change_brightness(images()) - images()).flatten(1)
    assert (change - change[:, :1]).abs().max() < 1e-6
    assert -0.5 <= change.min() < -0.4
    assert 0.4 < change.max() <= 0.5


def test_contrast_keeps_the_mean_and_scales_the_deviation_by_half_to_one_and_a_half():
    torch.manual_seed(0)
    changed = change_contrast(images())
    torch.testing.assert_close(changed.mean((1, 2, 3)), images().mean((1, 2, 3)))
    ratio = changed.flatten(1).std(1) / images().flatten(1).std(1)
    assert 0.5 <= ratio.min() < 0.6
    assert 1.4 < ratio.max() <= 1.5


def test_a_shift_moves_whole_images_by_up_to_an_eighth_and_fills_with_zeros():
    torch.manual_seed(0)
    seen = set()
    for before, after in zip(images().numpy()[:, 0], shift(images()).numpy()[:, 0], strict=True):
        padded = np.pad(before, 3)
        moves = [
            (row, column)
            for row in range(-3, 4)
            for column in range(-2, 3)
            if np.array_equal(padded[3 + row : 27 + row, 3 + column : 19 + column], after)
        ]
        assert len(moves) == 1
        seen.add(moves[0])
    assert len(seen) > 20


def test_a_square_of_half_the_side_or_its_part_inside_is_cut_out():
    torch.manual_seed(0)
    holes = cut_out(torch.ones(256, 1, 32, 32))[:, 0] == 0
    sizes = [(int(hole.any(1).sum()), int(hole.any(0).sum()), int(hole.sum())) for hole in holes]
    assert all(rows * columns == count for rows, columns, count in sizes)
    assert max(rows for rows, _, _ in sizes) == 15
    assert min(count for _, _, count in sizes) > 0


def test_augmentation_keeps_shape_and_type_and_has_gradients_almost_everywhere():
    torch.manual_seed(0)
    given = images().requires_grad_()
    made = differentiable_augmentation(given)
    assert made.shape == given.shape
    assert made.dtype == given.dtype
    made.sum().backward()
    assert (given.grad != 0).float().mean() > 0.3
