"""True tissues of the phantom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medsynth.data.config import DataConfig
from medsynth.data.phantom.cohort import draw_patient
from medsynth.data.phantom.masks import read_tissues
from medsynth.data.phantom.rendering import tissue_mask
from medsynth.data.preparing import Data, prepare
from medsynth.flow.outcome.evaluation import true_tissues


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    config = DataConfig(size=32, phantom_source=20, phantom_negative=20, phantom_positive=10, phantom_test=10, seed=7)
    return prepare(config, tmp_path_factory.mktemp("data"), seed=7)


def test_masks_come_in_the_order_of_the_images(data: Data) -> None:
    images = data.images.select(domain="target", split="test")
    found = read_tissues(images, data.root)
    assert found is not None
    assert found.shape == (20, 32, 32)
    for record, tissues in zip(images.records, found, strict=True):
        anatomy = draw_patient(int(record.patient[1:]), record.label or 0, 7)
        assert np.array_equal(tissues, tissue_mask(anatomy, 32))


def test_images_without_a_mask_have_no_tissues(data: Data, tmp_path: Path) -> None:
    bare = data.images.take([])
    assert read_tissues(bare, tmp_path) is None
    assert true_tissues(data, source=data.images.select(domain="source"), training=bare) == {}


def test_tissues_are_given_by_the_name_of_each_set(data: Data) -> None:
    source, training = data.images.select(domain="source", split="test"), data.images.select(domain="target")
    found = true_tissues(data, source=source, training=training)
    assert {name: len(tissues) for name, tissues in found.items()} == {"source": 20, "training": len(training)}
    with Image.open(data.root / source.records[0].extra["mask"]) as image:
        assert np.array_equal(found["source"][0], np.asarray(image))
