"""The short way of reading 8-bit files gives what MONAI's transforms give."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from medsynth.data.config import DataConfig
from medsynth.data.formats.chains import DomainInfo, instantiate, preprocessing_config, quiet
from medsynth.data.formats.resizing import fit, resizing
from medsynth.inference.inputs.pixels import in_range
from medsynth.reading import read as decode

SIZES = [(32, 32), (32, 20), (20, 32), (64, 48), (100, 37), (31, 33), (9, 200), (17, 17), (150, 150)]


def read(path, config):
    return fit(in_range(decode(path), config.channels), config)


def by_monai(path, config):
    with quiet():
        return np.asarray(instantiate(preprocessing_config(DomainInfo(True), config))({"image": str(path)})["image"])


@pytest.mark.parametrize("fit", ["pad", "stretch"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_size_is_fitted_as_monai_does(size, fit, tmp_path):
    config = DataConfig(size=32, fit=fit)
    pixels = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.abs(read(tmp_path / "a.png", config) - by_monai(tmp_path / "a.png", config)).max() < 1e-5


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGB", "RGBA", "CMYK", "YCbCr"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_color_model_is_read_as_monai_does(mode, channels, tmp_path):
    config = DataConfig(size=32, channels=channels)
    pixels = np.random.default_rng(1).integers(0, 256, (40, 24, 3), dtype=np.uint8)
    path = tmp_path / ("a.tif" if mode in ("CMYK", "YCbCr") else "a.png")
    Image.fromarray(pixels).convert(mode).save(path)
    found = read(path, config)
    assert (found.shape, found.dtype) == ((channels, 32, 32), np.float32)
    assert np.abs(found - by_monai(path, config)).max() < 1e-5


def test_enlarging_keeps_a_constant_and_shrinking_keeps_it_away_from_the_edges():
    assert np.allclose(resizing(10, 25).sum(axis=1), 1.0)
    sums = resizing(100, 20).sum(axis=1)
    assert np.allclose(sums[3:-3], 1.0, atol=1e-4)
    assert sums[0] < 0.9
