"""What the audit's tests share."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from medsynth.bundle.audit import Audit, audit_bundle

from .samples import write


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file that hostile samples make if anything executes them; it must not exist at the end."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "the audit executed the sample"


@pytest.fixture
def audited(tmp_path: Path, canary: Path) -> Callable[[Mapping[str, bytes]], Audit]:
    """Write files and audit them; nothing is written, and no module comes in from the bundle."""

    def run(contents: Mapping[str, bytes]) -> Audit:
        folder = write(tmp_path / "bundle", contents)
        before = _state(folder)
        modules = set(sys.modules)
        audit = audit_bundle(folder)
        assert _state(folder) == before
        new = {name.partition(".")[0] for name in set(sys.modules) - modules}
        assert new <= sys.stdlib_module_names | {"medsynth", yaml.__name__}
        return audit

    return run


def _state(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
