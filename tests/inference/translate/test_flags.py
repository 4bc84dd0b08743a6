"""flags.csv says of each translation whether to distrust it, and why."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from medsynth.base.errors import Interrupted
from medsynth.bundle.opening.opened import TRANSLATOR, open_bundle
from medsynth.data.config import DataConfig
from medsynth.data.formats.chains import DomainInfo, preprocessing_config
from medsynth.inference.flags.judges import load_flags
from medsynth.inference.flags.measuring import Flags
from medsynth.statistics.flags.departures import Usual, edge_differences, residuals
from medsynth.statistics.flags.reference import CYCLE, EDGES, Distribution, Reference

SIZE = 32


class Eraser(nn.Module):
    """Keeps images, but blackens a corner of those that begin with a white pixel."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        result = images.clone()
        for image in result:
            if image[..., 0, 0].max() > 0.99:
                image[..., 16:24, 16:24] = -1.0
        return result


@pytest.fixture(scope="module")
def flags() -> Flags:
    """Judges by noise: what is unchanged is usual."""
    draw = np.random.default_rng(0)
    source = draw.uniform(-1, 1, (30, 1, SIZE, SIZE)).astype(np.float32)
    other = (source + draw.normal(0, 0.02, source.shape)).astype(np.float32)
    maps = {EDGES: edge_differences(source, other), CYCLE: residuals(source, other)}
    usual = {name: Usual.of(found) for name, found in maps.items()}
    numbers = {name: Distribution.of(usual[name].worst(found)) for name, found in maps.items()}
    return Flags(reference=Reference(numbers=numbers, maps=usual), back=lambda images: images)


@pytest.fixture
def save(tmp_path):
    """Write PNG files by name into tmp_path/in and return the folder."""

    def write(images: dict[str, np.ndarray]) -> Path:
        (tmp_path / "in").mkdir()
        for name, pixels in images.items():
            Image.fromarray(pixels).save(tmp_path / "in" / name)
        return tmp_path / "in"

    return write


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "flags.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def noise(shape: tuple[int, ...], seed: int, *, white: bool) -> np.ndarray:
    values = np.random.default_rng(seed).integers(1, 255, shape).astype(np.uint8)
    values.ravel()[1] = 0
    values[..., 0, 0] = 255 if white else 100
    values.ravel()[2] = 255
    return values


@pytest.mark.parametrize("size", ["network", "native"])
def test_an_erased_corner_is_suspicious_with_the_reason(size, flags, tmp_path, synthesize, translator, save):
    folder = save({"good.png": noise((SIZE, SIZE), 1, white=False), "bad.png": noise((SIZE, SIZE), 2, white=True)})
    summary = synthesize(folder, translator=translator(Eraser()), flags=flags, size=size)
    found = {row["source"]: row for row in rows(tmp_path / "out")}
    assert summary.suspicious == 1
    assert found["good.png"]["suspicious"] == ""
    assert "cycle_residual" in found["bad.png"]["suspicious"]
    assert "above all 30 validation images" in found["bad.png"]["suspicious"]
    assert (found["bad.png"]["image"], found["bad.png"]["slice"]) == ("bad.png", "")
    assert float(found["bad.png"]["suspicion"]) > 10 > float(found["good.png"]["suspicion"])


def test_each_slice_of_a_volume_has_a_row(flags, tmp_path, synthesize, translator, write_nifti):
    write_nifti(tmp_path / "v.nii.gz", noise((SIZE, SIZE, 3), 1, white=False), np.eye(4))
    synthesize(tmp_path / "v.nii.gz", translator=translator(Eraser()), flags=flags, size="network")
    assert [(row["image"], row["slice"]) for row in rows(tmp_path / "out")] == [("v.nii.gz", k) for k in "012"]


def test_interrupted_and_resumed_tells_what_straight_through_tells(flags, tmp_path, synthesize, save):
    folder = save({f"{k}.png": noise((SIZE, SIZE), k, white=False) for k in range(5)})
    straight = synthesize(folder, flags=flags, out=tmp_path / "straight")
    left = iter(range(4))

    class StopsSoon:
        def check(self) -> None:
            if next(left, None) is None:
                raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        synthesize(folder, flags=flags, batch=1, stop=StopsSoon())
    assert 0 < len(rows(tmp_path / "out")) < 5
    assert synthesize(folder, flags=flags, resume=True).suspicious == straight.suspicious
    assert rows(tmp_path / "out") == rows(tmp_path / "straight")


def test_what_was_translated_without_flags_is_said_to_be_unknown(flags, tmp_path, synthesize, save):
    folder = save({"a.png": noise((SIZE, SIZE), 1, white=False)})
    assert synthesize(folder).suspicious is None
    assert not (tmp_path / "out/flags.csv").exists()
    synthesize(folder, flags=flags, resume=True)
    assert rows(tmp_path / "out")[0]["suspicious"] == "unknown: it was translated before, without flags"


def test_neighbors_are_judged_by_their_middle_slice(make_bundle):
    chain = preprocessing_config(DomainInfo(True), DataConfig(size=SIZE, neighbors=1))
    flags = load_flags(open_bundle(make_bundle(neighbors=1, source_chain=chain, flags=True), TRANSLATOR), "cpu")
    assert flags is not None
    stacks = np.random.default_rng(0).uniform(-1, 1, (2, 3, SIZE, SIZE)).astype(np.float32)
    (first, _) = flags.of_translations(stacks, stacks)
    assert first.numbers[EDGES] == pytest.approx(
        flags.reference.maps[EDGES].worst(np.zeros((1, SIZE, SIZE)))[0]
    )  # equal edges: nothing but the usual departs


def test_a_bundle_of_old_has_no_flags(make_bundle):
    assert load_flags(open_bundle(make_bundle(), TRANSLATOR), "cpu") is None
