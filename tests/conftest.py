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
