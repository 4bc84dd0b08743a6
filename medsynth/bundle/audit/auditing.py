"""The audit of one bundle, in order: files, what is in them, then the configs together."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from medsynth.bundle.audit.by_content import Contents
from medsynth.bundle.audit.configs.pages import Configs
from medsynth.bundle.audit.configs.structured import Node
from medsynth.bundle.audit.file_types.members import members
from medsynth.bundle.audit.rules.findings import Audit, Ledger
from medsynth.bundle.audit.rules.names import outside
from medsynth.bundle.audit.rules.wordlists import words

_SHADOWED = sys.stdlib_module_names | words("shadowed")
_CODE = (".py", ".pyc", ".so", ".pyd")


def audit_bundle(bundle: Path) -> Audit:
    """Say what a bundle would execute, load, write or fetch when MONAI or medsynth uses it.

    Nothing is imported, unpickled, evaluated, unpacked to disk or written.

    Args:
        bundle: folder or zip file.

    Raises:
        InputError: it is neither.
    """
    ledger = Ledger()
    contents = Contents()
    paths = []
    with members(bundle, ledger) as found:
        for member in found:
            paths.append(member.path)
            contents.look(member, ledger.at(member.path))
    own = _own_modules(paths, ledger)
    Configs(contents.configs, own).judge()
    for config in contents.configs.values():
        if "large_files" in config.path.rpartition("/")[2]:
            _large_files(config.tree, config.page.file, ledger)
    return Audit(tuple(ledger.findings), len(paths))


def _own_modules(paths: Iterable[str], ledger: Ledger) -> frozenset[str]:
    """Return names of packages and modules that the bundle brings, at its root or one folder below (a zip's root)."""
    own = set()
    for path in paths:
        if not path.lower().endswith(_CODE):
            continue
        parts = path.split("/")
        names = {part.partition(".")[0] for part in parts[:2]}
        own |= names
        for part in parts[:2]:
            name = part.partition(".")[0]
            if name in _SHADOWED and (part == parts[-1] or part in parts[:-1]):
                ledger.at(path).refuse("code", path, f"would be imported instead of the real '{name}'")
    return frozenset(own)


def _large_files(tree: Node, file: str, ledger: Ledger) -> None:
    """Check the list of files that ``download_large_files`` fetches."""
    page = ledger.at(file)
    for key, entries in tree.children():
        for position, entry in entries.children() if key == "large_files" else ():
            place = f"{key}::{position}"
            path = entry.text("path") or ""
            if reason := outside(path):
                page.refuse("download", path, f"is written to a path that {reason}", place)
            elif entry.text("url") is not None and not entry.text("hash_val"):
                page.trust("download", path, "is fetched without a hash to compare with", place)
