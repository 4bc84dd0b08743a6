"""Exports say what PyTorch says, and a changed one is found out."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from medsynth.base.errors import InputError, RunError
from medsynth.base.files import sha256
from medsynth.bundle.checking.verification import verify_bundle
from medsynth.bundle.format.manifest import list_files
from medsynth.bundle.opening.opened import CLASSIFIER, open_bundle
from medsynth.bundle.trust.memory import RUN, remember
from medsynth.inference.bundle_classifier import load_classifier
from medsynth.inference.export import exporting
from medsynth.inference.export.exporting import compare, export_classifier
from medsynth.inference.export_formats import FORMATS, RUNTIMES
from medsynth.inference.exports import exported_file
from medsynth.inference.runtimes import choose_runtime, load_runtime, torch_runtime

NEEDED = {
    "torchscript": (),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),
}


def marked(name):
    absent = [package for package in NEEDED[name] if importlib.util.find_spec(package) is None]
    return pytest.param(name, marks=pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)}"))


EACH = [marked(name) for name in FORMATS]


@pytest.fixture(scope="module")
def lsnet_bundle(tmp_path_factory, make_bundle):
    """A bundle whose classifier is LSNet with norms that fit its features, so that its selections are distinct."""
    from medsynth_lsnet.network import LSNet

    def network():
        torch.manual_seed(3)
        made = LSNet(channels=1, width=0.5).train()
        with torch.no_grad():
            for _ in range(30):
                made(torch.rand(4, 1, 64, 64) * 2 - 1)
            made.classify.weight.mul_(30.0)
        return made.eval()

    return make_bundle(size=64, classifier=network())


@pytest.fixture
def classifier(lsnet_bundle, tmp_path):
    return load_classifier(shutil.copytree(lsnet_bundle, tmp_path / "bundle"))


@pytest.fixture
def snapshot(classifier):
    root = classifier.bundle.root
    return lambda: {p.relative_to(root).as_posix(): sha256(p) for p in root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", EACH)
def test_an_export_gives_pytorchs_probabilities_on_images_it_was_not_checked_on(name, classifier, tmp_path):
    pixels = np.random.default_rng(8).integers(0, 256, (70, 50), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "given.png")
    parity = export_classifier(classifier, name, [tmp_path / "given.png"])
    assert (parity.given, parity.seeded, parity.samples) == (1, exporting.SEEDED, 0)
    assert parity.difference <= exporting.TOLERANCE
    runtime = load_runtime(
        load_classifier(classifier.bundle.root), next(r for r in RUNTIMES if RUNTIMES[r] == name), threads=1
    )
    network = classifier.bundle.network()
    for count in (1, 2, 5):
        images = np.random.default_rng(count).random((count, 1, 64, 64), dtype=np.float32) * 2 - 1
        with torch.no_grad():
            expected = network(torch.from_numpy(images)).softmax(dim=1)[:, 1].numpy()
        assert np.abs(classifier.probabilities(runtime(images)) - expected).max() < exporting.TOLERANCE
    assert np.ptp(expected) > 0.01


@pytest.mark.parametrize("name", EACH)
def test_an_export_names_no_file_of_this_machine(name, classifier):
    export_classifier(classifier, name)
    for file in FORMATS[name]:
        path = classifier.bundle.root / "models" / file
        content = [path.read_bytes()]
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                content += [archive.read(entry) for entry in archive.infolist()]
        assert not any(b"site-packages" in part or str(path.parents[1]).encode() in part for part in content)


def test_the_record_holds_hashes_versions_and_the_comparison(classifier, snapshot):
    before = snapshot()
    parity = export_classifier(classifier, "torchscript")
    after = snapshot()
    assert set(after) - set(before) == {"models/model.ts", "models/exports.json"}
    assert {name for name in before if after[name] != before[name]} == {"medsynth.json"}
    assert verify_bundle(classifier.bundle.root).deviations == ()
    facts = json.loads((classifier.bundle.root / "models/exports.json").read_text())["exports"]["torchscript"]
    assert facts["files"] == {"model.ts": after["models/model.ts"]}
    assert facts["weights"] == after["models/model.pt"]
    assert facts["input"] == ["batch", 1, 64, 64]
    assert facts["parity"]["largest_difference"] == parity.difference
    assert facts["versions"] == {"torch": torch.__version__}


def test_a_changed_missing_or_foreign_export_is_refused_with_the_command_that_mends_it(classifier):
    root = classifier.bundle.root

    def exported():
        return exported_file(open_bundle(root, CLASSIFIER), "torchscript")

    with pytest.raises(InputError, match="holds no export in the format torchscript"):
        exported()
    export_classifier(classifier, "torchscript")
    file, record = root / "models/model.ts", root / "models/exports.json"
    good = file.read_bytes()
    opened = open_bundle(root, CLASSIFIER)
    assert exported_file(opened, "torchscript").read_bytes() == good
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(InputError, match=r"model.ts was changed after it was checked\nMake it with: medsynth export"):
        load_runtime(load_classifier(root), "torchscript", threads=1)
    file.unlink()
    with pytest.raises(InputError, match=f"{file} is missing"):
        exported()
    file.write_bytes(good)
    content = json.loads(record.read_text())
    content["exports"]["torchscript"]["weights"] = "0" * 64
    record.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"exports\.json was changed"):
        exported()
    list_files(root, ["models/exports.json"])
    remember(root, "toy", RUN)
    with pytest.raises(InputError, match="was made of other weights"):
        exported()
    record.write_text("[]")
    with pytest.raises(InputError, match=r"exports\.json was changed after it was checked\nDelete it and export again"):
        exported()
    list_files(root, ["models/exports.json"])
    remember(root, "toy", RUN)
    with pytest.raises(InputError, match="is no record of exports"):
        exported()


def test_an_export_is_not_put_into_a_bundle_that_was_changed_meanwhile(classifier, snapshot):
    assert classifier.bundle.digest
    (classifier.bundle.root / "LICENSE").write_text("other")
    list_files(classifier.bundle.root, ["LICENSE"])
    before = snapshot()
    with pytest.raises(RunError, match="was changed while it was exported"):
        export_classifier(classifier, "torchscript")
    assert snapshot() == before


def test_an_export_that_differs_is_not_kept(classifier, snapshot, monkeypatch):
    before = snapshot()

    class Off(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, images):
            return self.network(images) * 1.5

    convert = exporting.convert
    monkeypatch.setattr(exporting, "convert", lambda network, *rest: convert(Off(network).eval(), *rest))
    with pytest.raises(RunError, match=r"differs from PyTorch by .* more than 0.0001"):
        export_classifier(classifier, "torchscript")
    assert snapshot() == before


def test_a_comparison_that_is_no_number_is_a_difference(classifier):
    images = np.zeros((2, 1, 64, 64), np.float32)
    plain = torch_runtime(classifier.bundle.network(), "cpu")
    assert np.isnan(compare(classifier, plain, lambda x: np.full((len(x), 2), np.nan), images))


def test_an_image_to_compare_on_must_be_readable(classifier, snapshot, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    before = snapshot()
    with pytest.raises(InputError, match=r"bad.png: cannot be decoded"):
        export_classifier(classifier, "torchscript", [tmp_path / "bad.png"])
    assert snapshot() == before


def test_the_runtime_is_the_first_that_is_exported_and_installed(classifier, monkeypatch):
    assert choose_runtime(classifier.bundle, "auto", "cpu") == "pytorch"
    export_classifier(classifier, "torchscript")
    bundle = open_bundle(classifier.bundle.root, CLASSIFIER)
    assert choose_runtime(bundle, "auto", "cpu") == "torchscript"
    assert choose_runtime(bundle, "auto", "cuda") == "pytorch"
    record = bundle.root / "models/exports.json"
    content = json.loads(record.read_text())
    content["exports"] |= {"onnx": {}, "openvino": {}}
    record.write_text(json.dumps(content))
    list_files(bundle.root, ["models/exports.json"])
    bundle = open_bundle(bundle.root, CLASSIFIER)
    real = importlib.util.find_spec
    for present, expected in (({"openvino", "onnxruntime"}, "onnxruntime"), ({"openvino"}, "openvino")):
        with monkeypatch.context() as patch:
            patch.setattr(importlib.util, "find_spec", lambda name, p=present: name in p or None)
            assert choose_runtime(bundle, "auto", "cpu") == expected
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else real(name))
    with pytest.raises(InputError, match=r"onnxruntime is not installed\nInstall it with: pip install"):
        choose_runtime(bundle, "onnxruntime", "cpu")


def test_a_format_whose_packages_are_absent_is_refused_with_what_to_install(classifier, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs packages that are not installed: onnx, onnxscript, openvino\nInstall"):
        export_classifier(classifier, "openvino")


def test_a_program_has_the_same_bytes_wherever_the_networks_code_lies(tmp_path):
    code = "from torch import nn\n\n\nclass Network(nn.Module):\n    def forward(self, x):\n"
    code += "        return x.mean((1, 2, 3)) * 2\n"
    write = "from pathlib import Path; from network import Network; "
    write += "from medsynth.inference.export.conversion import trace; "
    write += "trace(Network().eval(), (1, 8, 8), Path('model.ts'))"
    for name in ("here", "elsewhere"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "network.py").write_text(code)
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / name)}
        subprocess.run([sys.executable, "-c", write], cwd=tmp_path / name, env=environment, check=True)
    first, second = ((tmp_path / name / "model.ts").read_bytes() for name in ("here", "elsewhere"))
    assert first == second
    assert str(tmp_path).encode() not in first
    assert torch.jit.load(tmp_path / "here/model.ts")(torch.ones(2, 1, 8, 8)).tolist() == [2.0, 2.0]
