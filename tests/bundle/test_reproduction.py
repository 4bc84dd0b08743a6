"""A bundle gives on its samples what it says, or how far it is off."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from medsynth.base.errors import InputError
from medsynth.bundle.checking.verification import Verification, verify_bundle
from medsynth.bundle.format.manifest import list_files
from medsynth.bundle.trust.memory import USER, remember
from medsynth.cli import app
from medsynth.inference.reproduction import EXPECTED, reproduce


@pytest.fixture(scope="module")
def made(make_bundle) -> Path:
    return make_bundle(samples=3)


@pytest.fixture
def bundle(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "toy"))


def accept(bundle: Path, *names: str) -> None:
    """Take changed files for the bundle's own."""
    list_files(bundle, names)
    remember(bundle, "toy", USER)


def expect(bundle: Path, **changes: object) -> None:
    content = json.loads((bundle / EXPECTED).read_text()) | changes
    (bundle / EXPECTED).write_text(json.dumps(content))
    accept(bundle, EXPECTED)


def test_outputs_computed_elsewhere_are_reproduced(made):
    found = reproduce(made)
    assert found.succeeded
    assert (found.probabilities, found.translations) == (3, 3)
    assert found.difference < 1e-6
    assert (found.tolerance, found.grey_tolerance) == (1e-5, 1)


def test_a_probability_beyond_the_tolerance_is_found(bundle):
    stated = json.loads((bundle / EXPECTED).read_text())["probabilities"]
    expect(bundle, probabilities=stated | {"target-02.png": stated["target-02.png"] + 2e-5})
    found = reproduce(bundle)
    assert not found.succeeded
    assert found.difference == pytest.approx(2e-5, rel=0.05)


def test_a_translation_beyond_the_tolerance_is_found(bundle):
    path = bundle / "samples/translated/source-03.png"
    pixels = np.array(Image.open(path))
    pixels[4, 7] += 3 if pixels[4, 7] < 128 else -3
    Image.fromarray(pixels).save(path)
    accept(bundle, "samples/translated/source-03.png")
    found = reproduce(bundle)
    assert not found.succeeded
    assert abs(found.grey_difference - 3) <= 1


def test_other_weights_are_found(bundle):
    weights = load_file(bundle / "models/model.safetensors")
    name = next(name for name, tensor in weights.items() if tensor.shape == (2,))
    weights[name] += torch.tensor([0.0, 1.0])
    save_file(weights, bundle / "models/model.safetensors")
    accept(bundle, "models/model.safetensors")
    assert not reproduce(bundle).succeeded


def test_outputs_that_are_no_numbers_are_not_reproduced(bundle):
    weights = load_file(bundle / "models/model.safetensors")
    name = next(name for name, tensor in weights.items() if tensor.shape == (2,))
    weights[name][:] = float("nan")
    save_file(weights, bundle / "models/model.safetensors")
    accept(bundle, "models/model.safetensors")
    found = reproduce(bundle)
    assert not found.succeeded
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["difference"] is None


def test_a_translation_of_another_size_is_refused(bundle):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(bundle / "samples/translated/source-01.png")
    accept(bundle, "samples/translated/source-01.png")
    with pytest.raises(InputError, match=r"source-01\.png has shape \(1, 8, 8\), the network's \(1, 32, 32\)"):
        reproduce(bundle)


@pytest.mark.parametrize(
    "changes",
    [
        {"probabilities": {"../../medsynth.json": 0.5}},
        {"translations": ["a/b.png"]},
        {"translations": 3},
        {"tolerance": "much"},
    ],
)
def test_a_damaged_list_of_outputs_is_refused(bundle, changes):
    expect(bundle, **changes)
    with pytest.raises(InputError, match="is no list of expected outputs"):
        reproduce(bundle)


def test_a_sample_that_cannot_be_read_is_named(bundle):
    (bundle / "samples/target/target-01.png").write_bytes(b"no image")
    accept(bundle, "samples/target/target-01.png")
    with pytest.raises(InputError, match=r"target-01\.png"):
        reproduce(bundle)


def test_a_bundle_without_samples_cannot_be_reproduced(make_bundle):
    with pytest.raises(InputError, match="holds no samples with expected outputs"):
        reproduce(make_bundle())


@pytest.mark.parametrize("option", ["--trust", "--reproduce"])
def test_a_bundle_that_changes_after_it_was_verified_is_neither_trusted_nor_executed(bundle, monkeypatch, option):
    def verify(place: Path, *, sha256: str = "") -> Verification:
        found = verify_bundle(place, sha256=sha256)
        if place == bundle:
            (bundle / "LICENSE").write_text("other")
            accept(bundle, "LICENSE")
        return found

    monkeypatch.setattr("medsynth.bundle.checking.verification.verify_bundle", verify)
    monkeypatch.setattr("medsynth.confinement.confined.is_confined", lambda: option == "--reproduce")
    done = CliRunner().invoke(app, ["bundle", "verify", str(bundle), option])
    assert done.exit_code == 2
    assert f"{bundle} was changed while it was verified" in done.stderr.replace("\n", "")
