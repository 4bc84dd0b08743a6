"""Write an installable distribution with one plugin that works, to be changed into one's own."""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from medsynth.base.configuration import nearest
from medsynth.base.errors import InputError
from medsynth.base.files import new_folder
from medsynth.base.version import __version__
from medsynth.plugins import KINDS, Registry

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PLACES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "tests.yml": ".github/workflows/tests.yml",
    "contract.py": "tests/test_${package}.py",
    "spec.py": "src/${package}/__init__.py",
    "network.py": "src/${package}/network.py",
    "model.py": "src/${package}/model.py",
}
"""Where a template's text goes."""


def write_distribution(kind: str, name: str, folder: Path) -> list[str]:
    """Write a distribution with one plugin into a new folder; return its files, relative to it.

    Args:
        kind: generator, classifier, evaluator or extractor.
        name: of the plugin: lower-case words with hyphens.
        folder: must not exist yet, or be empty.

    Raises:
        InputError: an unknown kind, an unusable or taken name, a folder that holds something or cannot be written.
    """
    if kind not in KINDS:
        raise InputError(f"unknown kind '{kind}'", hint=nearest(kind, KINDS))
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name of a plugin", hint="Use lower-case words with hyphens, like my-plugin.")
    if any((found.kind, found.name) == (kind, name) for found in Registry().found):
        raise InputError(f"there is a {kind} '{name}' already", hint="Choose another name; see: medsynth plugins")
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError(f"{folder} exists already", hint="Choose another folder with --out.")
    package = f"medsynth_{name.replace('-', '_')}"
    values = {
        "kind": kind,
        "name": name,
        "package": package,
        "class_name": "".join(word.capitalize() for word in name.split("-")),
        "release": __version__,
        "contract": f"{kind.capitalize()}Contract",
    }
    written = []
    with new_folder(folder) as new:
        for template in _templates(kind):
            place = Template(_PLACES[template.name.removesuffix(".template")]).substitute(values)
            (new / place).parent.mkdir(parents=True, exist_ok=True)
            text = Template(template.read_text(encoding="utf-8")).substitute(values)
            (new / place).write_text(text, encoding="utf-8")
            written.append(place)
    return sorted(written)


def _templates(kind: str) -> list[Traversable]:
    root = resources.files("medsynth.scaffold") / "templates"
    return [file for part in ("shared", kind) for file in (root / part).iterdir() if file.name.endswith(".template")]
