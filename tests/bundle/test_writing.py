"""A bundle runs with plain MONAI, equals the networks it was made of, and tells nothing about where it was made."""

import ast
import csv
import dataclasses
import hashlib
import importlib
import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import medsynth.networks
from medsynth.api import Score
from medsynth.base.errors import RunError
from medsynth.bundle.format.privacy import without_locations
from medsynth.bundle.format.vendoring import vendor
from medsynth.bundle.writing.assembling import rebuilding_arguments, write_bundle
from medsynth.bundle.writing.contents import BundleContents, PluginVersion, SourceSample, TargetSample
from medsynth.data.png import png
from tests import starting

SIZE = (24, 32)
PLANTED = ("/home/jane.doe/clinic", "jane.doe", "ward7-host", "Patient^Mueller", "1.2.840.113619.2")

BLOCKS = """
import torch
from torch import nn


class Gate(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.convolution(images))
"""
GENERATOR = '''
"""A translator whose result depends on the place, so that swapped axes show."""

import torch
from torch import nn

from medsynth.networks.gate import Gate  # carried along
from toy_translator.layers import ramp


class Translator(nn.Module):
    def __init__(self, *, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.arguments = {"channels": channels, "size": size}
        self.gate = Gate(channels)
        self.place = nn.Parameter(ramp(*size))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.tanh(2 * images * self.place + self.gate(images))
'''
LAYERS = """
import torch

import medsynth.networks.gate as gate_module


def ramp(height: int, width: int) -> torch.Tensor:
    assert gate_module.Gate
    return torch.linspace(-1, 1, height)[:, None] * torch.linspace(0.2, 1, width)
"""
CLASSIFIER = """
import torch
from torch import nn

from . import heads


class Student(nn.Module):
    def __init__(self, *, channels: int, classes: int) -> None:
        super().__init__()
        self.arguments = {"channels": channels, "classes": classes}
        self.features = nn.Sequential(nn.Conv2d(channels, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(3)
        self.head = heads.head(36, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.features(images)).flatten(1))
"""
HEADS = """
from torch import nn


def head(inputs: int, classes: int) -> nn.Module:
    return nn.Linear(inputs, classes)
"""
PREPROCESSING = [
    {
        "_target_": "LoadImaged",
        "keys": "image",
        "reader": "PILReader",
        "reverse_indexing": False,
        "ensure_channel_first": True,
    },
    {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": 0, "a_max": 255, "b_min": -1, "b_max": 1},
]


def write_plugin(folder: Path, name: str, modules: dict[str, str]) -> None:
    package = folder / name
    package.mkdir()
    (package / "__init__.py").write_text("from medsynth.api import hookimpl\n")
    for module, text in modules.items():
        (package / f"{module}.py").write_text(text)


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    """Two plugins and a shared building block, as installed ones would be."""
    folder = tmp_path_factory.mktemp("plugins")
    write_plugin(folder, "toy_translator", {"network": GENERATOR, "layers": LAYERS})
    write_plugin(folder, "toy_student", {"network": CLASSIFIER, "heads": HEADS})
    (folder / "shared").mkdir()
    (folder / "shared/gate.py").write_text(BLOCKS)
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setattr(medsynth.networks, "__path__", [*medsynth.networks.__path__, str(folder / "shared")])
        yield folder
    for name in set(sys.modules) - before:
        if name.startswith("toy_") or name == "medsynth.networks.gate":
            del sys.modules[name]


@pytest.fixture(scope="module")
def networks(plugins):
    torch.manual_seed(3)
    generator = importlib.import_module("toy_translator.network").Translator(channels=1, size=SIZE)
    classifier = importlib.import_module("toy_student.network").Student(channels=1, classes=2)
    classifier.features[1].running_mean.fill_(0.1)
    return {"generator": generator.eval(), "classifier": classifier.eval()}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Three images whose file names and comments identify a patient."""
    folder = tmp_path_factory.mktemp("Patient^Mueller")
    generator = np.random.default_rng(5)
    for number in range(3):
        image = Image.fromarray(generator.integers(0, 256, SIZE, dtype=np.uint8))
        image.info["comment"] = "Patient^Mueller"
        image.save(folder / f"Patient^Mueller {number}.png")
    return sorted(folder.iterdir())


def read(path: Path) -> torch.Tensor:
    pixels = np.asarray(Image.open(path), dtype=np.float32)
    return torch.from_numpy(pixels / 255 * 2 - 1)[None, None]


def translated(network: torch.nn.Module, path: Path) -> bytes:
    with torch.no_grad():
        return png(network(read(path))[0].numpy())


@pytest.fixture(scope="module")
def contents(networks, images):
    with torch.no_grad():
        probabilities = [torch.softmax(networks["classifier"](read(path)), 1)[0, 1].item() for path in images]
    return BundleContents(
        name="toy",
        **networks,
        source_preprocessing=PREPROCESSING,
        target_preprocessing=PREPROCESSING,
        size=SIZE,
        channels=1,
        positive="invasion",
        negative="no invasion",
        threshold=0.5,
        split_hash="0" * 64,
        plan={
            "data": {
                "path": PLANTED[0],
                "series": PLANTED[4],
                "patient_pattern": PLANTED[3],
                "held_out_center": PLANTED[2],
                "size": 64,
                "ratio": "8:1:1",
            },
            "training": {"mlflow": f"http://{PLANTED[2]}:5000", "wandb": PLANTED[1]},
            "generator": {"name": "toy", "weights": f"{PLANTED[0]}/weights.ts", "learning_rate": 2e-4},
        },
        scores=[
            Score(evaluator="diagnostic", name="roc_auc", subject="synthetic", value=0.9, low=0.8, high=0.95, n=60),
            Score(evaluator="diagnostic", name="sensitivity", subject="oracle", value=float("nan")),
            Score(evaluator="efficiency", name="latency", subject="classifier", value=3.0, measured=True),
        ],
        plugins=[PluginVersion(kind="generator", name="toy", distribution="toy-dist", version="1.2")],
        counts={"target train positive": 24},
        target_samples=[TargetSample(path=path, probability=p) for path, p in zip(images, probabilities, strict=True)],
        source_samples=[SourceSample(path=p, translation=translated(networks["generator"], p)) for p in images],
    )


@pytest.fixture(scope="module")
def bundle(contents, tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("bundles") / "toy", contents)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """An environment in which importing medsynth or a plugin fails."""
    folder = tmp_path_factory.mktemp("stranger")
    for name in ("medsynth", "toy_translator", "toy_student"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise ImportError('not installed here')\n")
    return {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}


def run_bundle(bundle: Path, config: str, environment: dict[str, str], folder: Path) -> None:
    command = ["-m", "monai.bundle", "run", "--config_file", str(bundle / "configs" / config)]
    command += ["--bundle_root", str(bundle)]
    done = starting.run(command, imported=starting.MONAI, cwd=folder, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_a_stranger_classifies_with_plain_monai_and_gets_the_same_probabilities(contents, bundle, stranger, tmp_path):
    run_bundle(bundle, "inference.json", stranger, tmp_path)
    with (bundle / "eval/predictions.csv").open() as stream:
        found = {name: float(probability) for name, probability in csv.reader(stream)}
    expected = json.loads((bundle / "samples/expected.json").read_text())["probabilities"]
    assert list(expected.values()) == [sample.probability for sample in contents.target_samples]
    assert found == pytest.approx(expected, abs=1e-6)
    assert len(set(found.values())) == 3


def test_a_strangers_probabilities_are_calibrated_where_the_bundle_is(contents, stranger, tmp_path):
    bundle = write_bundle(tmp_path / "toy", dataclasses.replace(contents, temperature=2.5))
    assert json.loads((bundle / "medsynth.json").read_text())["temperature"] == 2.5
    run_bundle(bundle, "inference.json", stranger, tmp_path)
    with (bundle / "eval/predictions.csv").open() as stream:
        found = [float(probability) for _, probability in csv.reader(stream)]
    with torch.no_grad():
        margins = [contents.classifier(read(s.path))[0].diff().item() for s in contents.target_samples]
    assert found == pytest.approx([1 / (1 + math.exp(-margin / 2.5)) for margin in margins], abs=1e-6)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_a_temperature_that_is_no_positive_number_is_refused(contents, tmp_path, temperature):
    with pytest.raises(RunError, match="temperature"):
        write_bundle(tmp_path / "toy", dataclasses.replace(contents, temperature=temperature))


def test_a_stranger_translates_with_plain_monai_and_gets_the_same_images(contents, bundle, stranger, tmp_path):
    run_bundle(bundle, "translate.json", stranger, tmp_path)
    written = sorted((bundle / "eval/translated").iterdir())
    assert [path.name for path in written] == [f"source-{number:02}_translated.png" for number in (1, 2, 3)]
    for path, sample in zip(written, contents.source_samples, strict=True):
        with torch.no_grad():
            expected = (contents.generator(read(sample.path))[0, 0].numpy() + 1) * 127.5
        found = np.asarray(Image.open(path), dtype=np.float32)
        assert found.shape == SIZE
        assert np.abs(found - expected).max() < 0.51


def test_weights_are_plain_tensors(contents, bundle):
    state = torch.load(bundle / "models/model.pt", weights_only=True)
    assert type(state) is dict
    torch.testing.assert_close(state, dict(contents.classifier.state_dict()))


def test_metadata_has_what_the_schema_requires(bundle):
    metadata = json.loads((bundle / "configs/metadata.json").read_text())
    required = "schema version monai_version pytorch_version numpy_version required_packages_version task description"
    assert set(f"{required} authors copyright network_data_format changelog name".split()) <= set(metadata)
    assert metadata["schema"].endswith("meta_schema_20240725.json")
    assert metadata["version"] in metadata["changelog"]
    assert {"fire", "pytorch-ignite", "nibabel"} <= set(metadata["required_packages_version"])


@pytest.mark.parametrize("entry", ["network_data_format", "translator_data_format"])
def test_each_network_is_described_completely(bundle, entry):
    described = json.loads((bundle / "configs/metadata.json").read_text())[entry]
    for tensor in (*described["inputs"].values(), *described["outputs"].values()):
        assert {"type", "format", "num_channels", "spatial_shape", "dtype", "value_range"} <= set(tensor)
    assert described["inputs"]["image"]["spatial_shape"] == list(SIZE)
    assert described["inputs"]["image"]["num_channels"] == 1


def test_metrics_hold_intervals_but_neither_missing_nor_machine_dependent_values(bundle):
    metrics = json.loads((bundle / "configs/metadata.json").read_text())["eval_metrics"]
    assert metrics == {"synthetic/diagnostic/roc_auc": {"value": 0.9, "low": 0.8, "high": 0.95, "n": 60}}


def test_no_file_tells_about_patients_places_or_machines(bundle, plugins, images):
    secrets = [*PLANTED, str(plugins), str(images[0].parent), str(Path.home() / "x")[:-1], os.uname().nodename]
    for path in bundle.rglob("*"):
        if path.is_file() and "eval" not in path.relative_to(bundle).parts:
            content = path.read_bytes()
            assert [secret for secret in secrets if secret.encode() in content] == [], path.name
            assert "Mueller" not in path.name


def test_harmless_plan_values_stay(bundle):
    plan = json.loads((bundle / "medsynth.json").read_text())["plan"]
    assert plan["data"]["size"] == 64
    assert plan["data"]["ratio"] == "8:1:1"
    assert plan["generator"] == {"name": "toy", "weights": "(removed)", "learning_rate": 2e-4}


def test_relative_locations_are_removed_too():
    plan = {
        "a": "./cases",
        "b": "model.ts",
        "c": r"D:\cases",
        "d": ["~/x"],
        "e": "sg-cyclegan",
        "f": None,
        "path": "phantom",
    }
    assert without_locations(plan) == {**dict.fromkeys("abc", "(removed)"), "d": ["(removed)"], "e": "sg-cyclegan",
                                       "f": None, "path": "phantom"}  # fmt: skip


def test_every_file_is_listed_with_its_hash(bundle):
    listed = json.loads((bundle / "medsynth.json").read_text())["files"]
    found = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert set(listed) == {name for name in found if not name.startswith("eval/")} - {"medsynth.json"}
    for name, digest in listed.items():
        assert hashlib.sha256((bundle / name).read_bytes()).hexdigest() == digest


def test_the_card_says_how_to_run_it_and_that_it_is_for_research(bundle):
    card = (bundle / "docs/README.md").read_text()
    for needed in (
        "pip install",
        "python -m monai.bundle run",
        "Research only",
        "0.9 (0.8 to 0.95)",
        "## Citation",
        "24",
    ):
        assert needed in card


def test_readme_is_the_card_with_the_figures_that_the_hub_reads(bundle):
    text, card = ((bundle / name).read_text() for name in ("README.md", "docs/README.md"))
    head, _, rest = text.removeprefix("---\n").partition("---\n\n")
    assert rest == card
    (index,) = yaml.safe_load(head)["model-index"]
    assert index["results"][0]["metrics"][0]["name"].startswith("roc_auc (0.8 to 0.95")


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_equal_contents_give_equal_bytes(contents, tmp_path):
    first = content_of(write_bundle(tmp_path / "first", contents))
    second = content_of(write_bundle(tmp_path / "second", contents))
    assert first == second


def test_a_bundle_replaces_an_older_one_completely(contents, tmp_path):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/leftover").write_text("old")
    assert "leftover" not in content_of(write_bundle(tmp_path / "toy", contents))
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


def test_two_bundles_with_different_code_meet_in_one_process(contents, plugins, tmp_path, monkeypatch):
    write_plugin(plugins, "toy_other", {"network": CLASSIFIER, "heads": HEADS + "\nOTHER = 1\n"})
    importlib.invalidate_caches()
    other = importlib.import_module("toy_other.network").Student(channels=1, classes=2)
    folders = [
        write_bundle(tmp_path / "one", contents),
        write_bundle(tmp_path / "two", dataclasses.replace(contents, classifier=other)),
    ]
    targets = []
    for folder in folders:
        monkeypatch.syspath_prepend(str(folder))
        targets.append(json.loads((folder / "configs/inference.json").read_text())["network_def"]["_target_"])
    heads = [importlib.import_module(target.rpartition(".")[0].replace("network", "heads")) for target in targets]
    assert [hasattr(head, "OTHER") for head in heads] == [False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import numpy\n", "not 'numpy'"),
        ("from medsynth.api import option\n", "not 'medsynth.api'"),
        ("def late():\n    import monai_extra.x\n", "line 2.*not 'monai_extra.x'"),
        ("import medsynth.networks.gate\n", "cannot be carried"),
        ("from toy_refused import hookimpl\n", "__init__"),
    ],
)
def test_network_code_that_a_bundle_cannot_carry_is_refused(contents, plugins, tmp_path, monkeypatch, text, message):
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    (tmp_path / "code").mkdir()
    write_plugin(
        tmp_path / "code",
        "toy_refused",
        {"network": CLASSIFIER.replace("from . import heads", "import torch.nn as heads")},
    )
    network = importlib.import_module("toy_refused.network")
    monkeypatch.setattr(network.heads, "head", torch.nn.Linear, raising=False)
    student = network.Student(channels=1, classes=2)
    source = tmp_path / "code/toy_refused/network.py"
    source.write_text(text + source.read_text())
    with pytest.raises(RunError, match=message):
        write_bundle(tmp_path / "bundle", dataclasses.replace(contents, classifier=student))
    for name in ("toy_refused", "toy_refused.network"):
        del sys.modules[name]
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (None, "no 'arguments'"),
        ({"channels": 3, "size": SIZE}, "cannot be rebuilt"),
        ({"channels": 1, "size": {1, 2}}, "cannot be rebuilt"),
    ],
)
def test_a_network_that_its_arguments_do_not_rebuild_is_refused(contents, tmp_path, monkeypatch, arguments, message):
    monkeypatch.setattr(contents.generator, "arguments", arguments)
    with pytest.raises(RunError, match=message):
        write_bundle(tmp_path / "bundle", contents)


def absolute_imports(text: str) -> set[str]:
    """Return the top-level packages that a module imports by absolute name."""
    nodes = list(ast.walk(ast.parse(text)))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {
        name.partition(".")[0]
        for name in plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    }


@pytest.mark.parametrize(
    ("module", "name", "arguments"),
    [
        ("medsynth_cyclegan.network", "CycleGanGenerator", {"inputs": 1, "outputs": 1, "width": 4, "blocks": 1}),
        ("medsynth_sg_cyclegan.network", "Translator", {"channels": 1, "width": 4, "features": 4, "blocks": 1}),
        ("medsynth_lsnet.network", "LSNet", {"channels": 1}),
        ("medsynth_mobilenet_v2.network", "MobileNetV2", {"channels": 1}),
    ],
)
def test_built_in_networks_can_be_carried_and_give_the_same_results(module, name, arguments, tmp_path, monkeypatch):
    torch.manual_seed(0)
    network = getattr(importlib.import_module(module), name)(**arguments).eval()
    code = vendor({"net": network})
    for path, text in code.files.items():
        (tmp_path / code.package / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / code.package / path).write_text(text)
        assert absolute_imports(text) <= {"torch", "monai"} | sys.stdlib_module_names
    monkeypatch.syspath_prepend(str(tmp_path))
    place, _, found = code.targets["net"].rpartition(".")
    twin = getattr(importlib.import_module(place), found)(**rebuilding_arguments("net", network)).eval()
    twin.load_state_dict(network.state_dict())
    images = torch.rand(2, 1, 32, 32) * 2 - 1
    with torch.no_grad():
        assert torch.equal(twin(images), network(images))


def test_preprocessing_outside_monai_is_refused(contents, tmp_path):
    foreign = dataclasses.replace(contents, target_preprocessing=[{"_target_": "os.system", "command": "true"}])
    with pytest.raises(RunError, match=r"'os\.system' is no MONAI component"):
        write_bundle(tmp_path / "bundle", foreign)
