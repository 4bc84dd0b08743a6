"""Helpers every test may ask for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def medsynth(tmp_path: Path) -> Command:
    """Run the medsynth command in a process of its own, in `tmp_path`, with extra import paths if asked."""

    def run(*arguments: object, path: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 300):
        environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **(env or {})}
        if path is not None:
            environment["PYTHONPATH"] = str(path)
        return subprocess.run(
            [sys.executable, "-m", "medsynth", *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def example_plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install tests/example_plugin, a third-party distribution, into a folder of its own; return the folder."""
    target = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(target),
    ]
    subprocess.run([*command, str(Path(__file__).parent / "example_plugin")], check=True, capture_output=True)
    return target


@pytest.fixture(scope="session")
def make_bundle(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write the bundle of an untrained generator, and of a classifier; keywords are those of the data config."""
    import torch

    from medsynth.api import Setup
    from medsynth.bundle import BundleContents, PluginVersion, write_bundle
    from medsynth.data.config import DataConfig
    from medsynth.data.readers import DomainInfo, preprocessing_config
    from medsynth.plugins import Registry

    def make(name: str = "cyclegan", *, chain=None, eight_bit: bool = True, classifier=None, **fields) -> Path:
        from medsynth_mobilenet_v2.network import MobileNetV2

        config = DataConfig(**({"size": 32} | fields))
        chain = chain or preprocessing_config(DomainInfo(eight_bit=eight_bit), config)
        registry = Registry()
        spec = registry.load("generator", name)
        torch.manual_seed(1)
        options = spec.config(**spec.presets.get("quick", {}))
        generator = registry.create(spec, options, Setup(channels=config.channels, size=(config.size, config.size)))
        contents = BundleContents(
            name="toy",
            generator=next(iter(generator.networks().values())).eval(),
            classifier=classifier or MobileNetV2(channels=config.channels),
            source_preprocessing=chain,
            target_preprocessing=chain,
            size=(config.size, config.size),
            channels=config.channels,
            positive="positive",
            threshold=0.5,
            split_hash="0" * 64,
            plan={"data": {"intensity": config.intensity}},
            plugins=[PluginVersion(kind="generator", name=name, distribution="medsynth-monai", version="0.1.0")],
        )
        return write_bundle(tmp_path_factory.mktemp("made") / "toy", contents)

    return make
