"""The bundle that comes with the project can be used as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from medsynth.bundle.audit import Verdict, audit_bundle
from medsynth.bundle.checking.verification import verify_bundle
from medsynth.inference.reproduction import reproduce

BUNDLE = Path(__file__).parents[2] / "bundles/sg-cyclegan-lsnet"


def test_it_needs_no_trust_and_is_complete() -> None:
    assert audit_bundle(BUNDLE).verdict is Verdict.ALLOWED
    assert verify_bundle(BUNDLE).deviations == ()


def test_it_gives_what_it_states() -> None:
    found = reproduce(BUNDLE)
    assert found.succeeded
    assert (found.probabilities, found.translations) == (4, 4)


@pytest.mark.parametrize("command", ["predict", "synthesize"])
def test_it_runs_from_anywhere(command: str, tmp_path: Path) -> None:
    images = BUNDLE / "samples" / ("target" if command == "predict" else "source")
    arguments = [sys.executable, "-m", "medsynth", command, str(BUNDLE), str(images), "--out", "out"]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(line.startswith(f"{command}: ") for line in done.stderr.split("\n") if line), done.stderr
    assert (tmp_path / "out").exists()
    assert verify_bundle(BUNDLE).deviations == ()
