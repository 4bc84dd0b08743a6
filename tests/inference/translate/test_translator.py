"""A bundle's translator is rebuilt from the bundle alone, for every generator that is installed."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from medsynth.api import Setup
from medsynth.base.errors import InputError
from medsynth.bundle.format.manifest import list_files
from medsynth.data.config import DataConfig
from medsynth.data.formats.chains import DomainInfo, preprocessing_config
from medsynth.data.formats.probing import Format
from medsynth.data.formats.windows import Window, parse_windows
from medsynth.inference.translate.translator import load_translator
from medsynth.plugins import Registry

GENERATORS = Registry().names("generator")


def build(name: str, channels: int):
    """Return the generator that `make_bundle` puts into a bundle."""
    registry = Registry()
    spec = registry.load("generator", name)
    torch.manual_seed(1)
    setup = Setup(channels=channels, size=(32, 32))
    return registry.create(spec, spec.config(**spec.presets.get("quick", {})), setup)


@pytest.fixture(scope="module")
def bundle(make_bundle):
    return make_bundle()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("generator", GENERATORS)
def test_files_are_translated_as_the_generator_plugin_translates(
    generator, channels, make_bundle, tmp_path, synthesize, texture
):
    translator = load_translator(make_bundle(generator, channels=channels), "cpu")
    assert translator.generator == generator
    pixels = texture((32, 32) if channels == 1 else (32, 32, 3))
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert synthesize(tmp_path / "a.png", translator=translator, size="network").failures == []
    plugin = build(generator, channels)
    image = torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1).reshape(32, 32, channels).permute(2, 0, 1)
    for network in plugin.networks().values():
        network.eval()
    with torch.no_grad():
        expected = plugin.translate(image[None])[0].permute(1, 2, 0).squeeze(2 if channels == 1 else ()).numpy()
    found = np.asarray(Image.open(tmp_path / "out/a.png"), dtype=float)
    assert np.abs(found - (expected + 1) * 127.5).max() < 0.51


@pytest.mark.parametrize("generator", GENERATORS)
def test_every_generator_takes_padded_images_of_any_size(generator, make_bundle, tmp_path, synthesize, texture):
    translator = load_translator(make_bundle(generator), "cpu")
    Image.fromarray(texture((37, 51))).save(tmp_path / "a.png")
    assert synthesize(tmp_path / "a.png", translator=translator).failures == []
    assert np.asarray(Image.open(tmp_path / "out/a.png")).shape == (37, 51)


@pytest.mark.parametrize(
    ("fields", "found", "intensity"),
    [
        ({"fit": "stretch", "channels": 3}, Format("raster"), "auto"),
        ({"eight_bit": False}, Format("nifti", 9, "LPS"), "percentile"),
        ({"intensity": "range"}, Format("raster"), "range"),
        ({"eight_bit": False, "size": 48}, Format("dicom"), "percentile"),
        ({}, Format("dicom", 4), "auto"),
    ],
    ids=str,
)
def test_the_preprocessing_is_recognized(fields, found, intensity, make_bundle):
    config = DataConfig(**({"size": 32} | {name: value for name, value in fields.items() if name != "eight_bit"}))
    chain = preprocessing_config(DomainInfo(eight_bit=fields.get("eight_bit", True)), config, found)
    read = load_translator(make_bundle(chain=chain, **fields), "cpu").config
    assert (read.size, read.channels, read.fit) == (config.size, config.channels, config.fit)
    assert read.intensity == intensity


@pytest.mark.parametrize(("intensity", "eight_bit"), [("auto", False), ("range", True), ("dataset", True)])
def test_each_network_sees_its_own_window_and_translations_have_that_of_the_target(intensity, eight_bit, make_bundle):
    windows = {"source": Window(-160, 240, "HU"), "target": Window(0, 255)}
    chain = preprocessing_config(DomainInfo(eight_bit, windows["source"]), DataConfig(size=32), Format("dicom"))
    path = make_bundle(chain=chain, windows=windows, intensity=intensity)
    translator = load_translator(path, "cpu")
    assert parse_windows(translator.config.window)["source"] == Window(-160, 240)
    assert translator.window == windows["target"]
    assert json.loads((path / "configs/metadata.json").read_text())["intensity_windows"]["source"]["unit"] == "HU"
    assert "- source: -160 to 240 HU" in (path / "docs/README.md").read_text()


def test_a_run_s_folder_stands_for_its_bundle(bundle, tmp_path):
    shutil.copytree(bundle, tmp_path / "run/bundle")
    assert load_translator(tmp_path / "run", "cpu").name == "toy"


def test_a_bundle_stays_as_it_is(bundle):
    before = {path: path.stat().st_mtime_ns for path in bundle.rglob("*")}
    load_translator(bundle, "cpu")
    assert {path: path.stat().st_mtime_ns for path in bundle.rglob("*")} == before


def test_code_that_was_changed_afterwards_is_not_executed(bundle, tmp_path):
    folder = tmp_path / "toy"
    shutil.copytree(bundle, folder)
    (package,) = (path for path in folder.glob("medsynth_*") if path.is_dir())
    with (package / "generator/network.py").open("a") as stream:
        stream.write(f"\n__import__('pathlib').Path({str(tmp_path / 'executed')!r}).touch()\n")
    sys.modules.pop(package.name, None)
    with pytest.raises(InputError, match=r"generator/network\.py was changed after the bundle was written"):
        load_translator(folder, "cpu")
    assert not (tmp_path / "executed").exists()


def spoil_weights(folder: Path) -> None:
    (folder / "models/translator.safetensors").write_bytes(b"0")


def other_preprocessing(folder: Path) -> None:
    path = folder / "configs/translate.json"
    content = json.loads(path.read_text())
    content["preprocessing"]["transforms"][2]["a_max"] = 127.0
    path.write_text(json.dumps(content))
    list_files(folder, ["configs/translate.json"])


def no_provenance(folder: Path) -> None:
    (folder / "medsynth.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_weights, r"models/translator\.safetensors was changed"),
        (other_preprocessing, "preprocessing is not one that this version"),
        (no_provenance, "was not made by medsynth"),
        (lambda folder: (folder / "configs/translate.json").write_text("{"), "cannot be read|not made by medsynth"),
        (shutil.rmtree, "is no folder and no zip file"),
    ],
)
def test_a_damaged_or_foreign_bundle_is_refused(spoil, message, bundle, tmp_path):
    folder = tmp_path / "toy"
    shutil.copytree(bundle, folder)
    spoil(folder)
    with pytest.raises(InputError, match=message):
        load_translator(folder, "cpu")
