"""The stage that translates: stacks of slices, and the mean of overlapping ones."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from medsynth.base.progress import Silent
from medsynth.base.stopping import Stop
from medsynth.data.images import Images, Record
from medsynth.flow.stages.synthesis import Translation, synthesize


@pytest.mark.parametrize("smooth", [False, True])
def test_a_slice_is_the_middle_of_its_own_stack_or_the_mean_of_all_that_hold_it(tmp_path: Path, smooth: bool) -> None:
    # slices 0, 1 and 3 of a volume, in another order, and an image that stands alone
    names = [("v.nii", 1), ("v.nii", 3), ("v.nii", 0), ("a.png", None)]
    records = tuple(Record(name, "source", 0, name, "train", slice=index) for name, index in names)
    stacks = np.random.default_rng(0).uniform(-1, 1, (4, 3, 8, 8)).astype(np.float32)
    places = (("v.nii", 1), ("v.nii", 3), ("v.nii", 0), None)
    source = Images(records, stacks, np.arange(4), 1, places)
    generator: Any = SimpleNamespace(translate=lambda images: images)
    job = Translation(
        generator=generator,
        name="toy",
        source=source,
        origins=[record.name for record in records],
        policy=SimpleNamespace(device="cpu"),  # type: ignore[arg-type]
        watch=Silent(),
        stop=Stop(),
        smooth=smooth,
    )
    found = synthesize(job, tmp_path / "synthetic")
    expected = stacks[:, 1].copy()
    if smooth:
        expected[0] = (stacks[0, 1] + stacks[2, 2]) / 2
        expected[2] = (stacks[2, 1] + stacks[0, 0]) / 2
    assert found.pixels.shape == (4, 1, 8, 8)
    assert np.abs(found.pixels[:, 0] - expected).max() <= 0.5 / 127.5 + 1e-6
