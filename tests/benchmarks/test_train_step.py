"""What `benchmarks/train_step.py` measures medsynth's training steps against trains the same networks alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from medsynth.networks import encoders as content

WIDTHS = {"width": 4, "discriminator_width": 4}
SMALL: dict[str, dict[str, Any]] = {
    "cyclegan": {**WIDTHS, "blocks": 1},
    "unit": {**WIDTHS, "blocks": 1},
    "munit": {**WIDTHS, "blocks": 1, "style_hidden": 8},
    "dclgan": {**WIDTHS, "blocks": 5, "patches": 64, "projection_width": 16},
    "sg-cyclegan": {**WIDTHS, "blocks": 1, "features": 4, "classifier_width": 4},
}


@pytest.fixture
def train_step(benchmark_module: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark_module("train_step")


def options(module: ModuleType, folder: Path, *, batch: int = 2, size: int = 64) -> Any:
    return module.Options(size=size, batch=batch, device="cpu", threads=1, folder=folder)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("name", SMALL)
def test_every_gradient_of_a_step_equals_that_of_the_plain_step(
    train_step: ModuleType, tmp_path: Path, name: str, batch: int
):
    assert train_step.check(name, options(train_step, tmp_path, batch=batch), **SMALL[name]) < train_step.DIFFERENCE


@pytest.mark.parametrize("name", ["patch-nce", "adam", "cache"])
def test_every_part_gives_what_its_plain_form_gives(train_step: ModuleType, tmp_path: Path, name: str):
    assert train_step.check(name, options(train_step, tmp_path, batch=1, size=32)) < train_step.DIFFERENCE


def test_the_check_covers_every_generator_and_optimizer(train_step: ModuleType, tmp_path: Path):
    assert set(train_step.GENERATORS) == set(SMALL)
    subject = train_step.build("sg-cyclegan", "plain", options(train_step, tmp_path), **SMALL["sg-cyclegan"])
    found = train_step.results(subject)
    assert {name.split()[0] for name in found} == {"generators", "discriminators", "helpers"}
    assert all(torch.isfinite(gradient).all() for gradient in found.values())


def test_the_check_notices_one_weight_of_a_loss(train_step: ModuleType, tmp_path: Path):
    found = []
    for cycle in (10.0, 10.1):
        fields = SMALL["unit"] | {"cycle_weight": cycle}
        found.append(train_step.results(train_step.build("unit", "medsynth", options(train_step, tmp_path), **fields)))
    assert train_step.difference(*found) > 1e-3
    assert train_step.difference(found[0], {}) == float("inf")


def test_exact_arithmetic_is_float64_in_its_block_only(train_step: ModuleType):
    with train_step.exact_arithmetic():
        assert torch.ones(1).dtype == torch.ones(1).float().dtype == torch.float64
        assert content.EPS == 1e-12
    assert torch.ones(1).dtype == torch.ones(1, dtype=torch.float64).float().dtype == torch.float32
    assert content.EPS == 1e-5
