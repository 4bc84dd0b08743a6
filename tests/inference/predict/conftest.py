"""A bundle of an untrained classifier, and files to predict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def bundle(make_bundle) -> Path:
    return make_bundle()


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., Path]:
    """Write `count` PNG files of noise into tmp_path/in and return the folder."""

    def write(count: int) -> Path:
        folder = tmp_path / "in"
        folder.mkdir()
        for k in range(count):
            pixels = np.random.default_rng(k).integers(0, 256, (24, 36), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{k:05}.png")
        return folder

    return write
