"""Helpers every test may ask for."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from medsynth.scaffold.writing import write_distribution
from tests import starting
from tests.newcomer import install, write_cut

Command = Callable[..., "subprocess.CompletedProcess[str]"]
_FIRST = (
    "studies/test_study.py",
    "flow/test_run.py",
    "flow/test_helpers.py",
    "bundle/test_planted_secrets.py",
    "training/test_processes.py",
    "door/test_python.py",
    "cli",
    "flow",
)
"""Files and folders that take longest: begun first, so that no process is still at one when the others are done."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; with xdist say --no-loadscope-reorder."""
    tests = Path(__file__).parent
    places = {tests / name: number for number, name in enumerate(_FIRST)}
    assert all(place.exists() for place in places)

    def turn(item: pytest.Item) -> int:
        return min(places.get(place, len(places)) for place in (item.path, *item.path.parents))

    items.sort(key=turn)


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what medsynth remembers for a user out of the home of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDSYNTH_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture
def medsynth(tmp_path: Path) -> Command:
    """Run the medsynth command in a process of its own, in `tmp_path`, with extra import paths if asked."""

    def run(*arguments: object, path: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 300):
        variables = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **(env or {})}
        if path is not None:
            variables["PYTHONPATH"] = str(path)
        return starting.run(["-m", "medsynth", *map(str, arguments)], cwd=tmp_path, env=variables, timeout=timeout)

    return run


@pytest.fixture(scope="session")
def example_plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install a newcomer's generator and evaluator and an observer into a folder of their own; return the folder."""
    site, work = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("work")
    write_distribution("evaluator", "example-brightness", work / "evaluator")
    for distribution in (write_cut(work / "generator"), work / "evaluator"):
        install(distribution, site)
    shutil.copytree(Path(__file__).parent / "journal_plugin", site, dirs_exist_ok=True)
    information = site / "medsynth_example_journal-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: medsynth-example-journal\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[medsynth.observers]\nexample-journal = medsynth_example_journal\n")
    return site


@pytest.fixture(scope="session")
def make_bundle(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write the bundle of an untrained generator, and of a classifier; keywords are those of the data config.

    `samples` is the number of images that come with it, for a bundle of 8-bit images of one channel; with `flags` it
    says which translations are usual.
    """
    from dataclasses import replace

    import torch

    from medsynth.api import Setup, exported, returning
    from medsynth.bundle.trust.memory import RUN, remember
    from medsynth.bundle.writing.assembling import write_bundle
    from medsynth.bundle.writing.contents import BundleContents, PluginVersion
    from medsynth.data.config import DataConfig
    from medsynth.data.formats.chains import DomainInfo, preprocessing_config
    from medsynth.plugins import Registry

    def make(
        name: str = "cyclegan",
        *,
        chain=None,
        source_chain=None,
        eight_bit: bool = True,
        classifier=None,
        samples: int = 0,
        windows=None,
        flags: bool = False,
        **fields,
    ) -> Path:
        config = DataConfig(**({"size": 32} | fields))
        alone = replace(config, neighbors=0)
        chain = chain or preprocessing_config(DomainInfo(eight_bit=eight_bit), alone)
        stacks = {"neighbors": config.neighbors, "smooth": config.smooth} if config.neighbors else {}
        registry = Registry()
        spec = registry.load("generator", name)
        torch.manual_seed(1)
        options = spec.config(**spec.presets.get("quick", {}))
        generator = registry.create(spec, options, Setup(channels=config.stacked, size=(config.size, config.size)))
        translator = exported(generator).eval()
        classifier = classifier or _classifier(config.channels)
        drawn = _draw(tmp_path_factory.mktemp("drawn"), samples, config.size)
        contents = BundleContents(
            name="toy",
            generator=translator,
            classifier=classifier,
            target_samples=[_target_sample(classifier.eval(), path, label % 2) for label, path in enumerate(drawn)],
            source_samples=[_source_sample(translator, path) for path in drawn],
            source_preprocessing=source_chain or chain,
            target_preprocessing=chain,
            size=(config.size, config.size),
            channels=config.channels,
            positive="positive",
            windows=windows or {},
            neighbors=config.neighbors,
            flags=_reference(config.size) if flags else None,
            returning=returning(generator).eval() if flags else None,
            threshold=0.5,
            split_hash="0" * 64,
            plan={"data": {"intensity": config.intensity, **stacks}},
            plugins=[PluginVersion(kind="generator", name=name, distribution="medsynth-monai", version="0.1.0")],
        )
        bundle = write_bundle(tmp_path_factory.mktemp("made") / "toy", contents)
        remember(bundle, "toy", RUN)
        return bundle

    return make


def _reference(size: int):
    """Return what is usual of translations that nobody made."""
    import numpy as np

    from medsynth.statistics.flags.departures import Usual
    from medsynth.statistics.flags.reference import CYCLE, EDGES, Distribution, Reference

    draw = np.random.default_rng(2)
    return Reference(
        numbers={EDGES: Distribution.of(draw.normal(3.0, 0.2, 20)), CYCLE: Distribution.of(draw.normal(9.0, 1.0, 25))},
        maps={name: Usual.of(draw.normal(0, 0.3, (8, size, size))) for name in (EDGES, CYCLE)},
    )


def _classifier(channels: int):
    """Return a classifier whose probabilities lie on both sides of 0.5 and differ by far more than rounding.

    Without norms that fit their features, all images would have one probability but for the tenth digit. Norms that
    fit noise magnify rounding: the smaller last weights keep it below a millionth.
    """
    import torch
    from medsynth_mobilenet_v2.network import MobileNetV2

    torch.manual_seed(1)
    network = MobileNetV2(channels=channels).train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network(torch.rand(16, channels, 32, 32) * 2 - 1)
        network.head[-1].weight *= 0.1
        network.head[-1].bias.copy_(torch.tensor([0.0, 0.145]))
    return network.eval()


def _draw(folder: Path, number: int, size: int) -> list[Path]:
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(7)
    paths = [folder / f"{index}.png" for index in range(number)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (size, size), dtype=np.uint8)).save(path)
    return paths


def _target_sample(network, path: Path, label: int):
    from medsynth.bundle.writing.contents import TargetSample

    odds = _output(network, path)[1] - _output(network, path)[0]
    return TargetSample(path=path, probability=float(1 / (1 + (-odds).exp())), label=label)


def _source_sample(network, path: Path):
    import numpy as np
    from PIL import Image

    from medsynth.bundle.writing.contents import SourceSample

    grey = np.rint((_output(network, path)[0].clip(-1, 1).numpy() + 1) / 2 * 255)
    buffer = io.BytesIO()
    Image.fromarray(grey.astype(np.uint8)).save(buffer, "PNG")
    return SourceSample(path=path, translation=buffer.getvalue())


def _output(network, path: Path):
    """Return what a network gives for a file, read without medsynth."""
    import numpy as np
    import torch
    from PIL import Image

    pixels = np.asarray(Image.open(path), dtype=np.float64)
    with torch.no_grad():
        return network(torch.from_numpy(pixels / 127.5 - 1).float()[None, None])[0].double()
