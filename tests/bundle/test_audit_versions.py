"""The audit says the same under other versions of Python, where they are installed: their readers differ."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .samples import files, write
from .test_audit_archives import EITHER, TORCH, parts_of, saved
from .test_audit_files import KINDS

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, pathlib, sys
sys.path.insert(0, ".")
from medsynth.bundle.audit import audit_bundle
print(json.dumps({path.name: audit_bundle(path).verdict.value for path in pathlib.Path(sys.argv[1]).iterdir()}))
"""


def samples() -> dict[str, tuple[str, bytes, str]]:
    """Return by a name for each the file, its content, and the verdict."""
    parts = parts_of(saved())
    broken = {name: ("models/model.ts", make(parts), "refused") for name, make in {**EITHER, **TORCH}.items()}
    kinds = {f"kind {file.replace('/', ' ')}": (file, data, verdict.value) for file, (data, verdict) in KINDS.items()}
    return {**broken, **kinds, "harmless": ("models/model.pt", saved(), "allowed")}


def interpreter(version: str) -> str:
    """Return a Python of this version that runs; empty if there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for python in (f"python{version}", *map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python")))):
        if shutil.which(python) and not subprocess.run([python, "-V"], capture_output=True, check=False).returncode:
            return python
    return ""


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_verdicts_do_not_depend_on_the_version_of_python(version, tmp_path):
    python = interpreter(version)
    if not python:
        pytest.skip(f"Python {version} is not installed")
    expected = {}
    for name, (file, content, verdict) in samples().items():
        write(tmp_path / name, {**files(), file: content})
        expected[name] = verdict
    done = subprocess.run([python, "-c", PROGRAM, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected
