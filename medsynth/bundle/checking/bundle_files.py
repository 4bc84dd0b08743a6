"""The files of a bundle by name, from its folder or its zip file, without executing or unpacking any of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsynth.bundle.audit.file_types.members import UNREADABLE, Member, members
from medsynth.bundle.audit.rules.findings import Finding, Ledger, Verdict, shown
from medsynth.bundle.format.manifest import digest

_LARGEST_TEXT = 64 << 20


@dataclass(frozen=True)
class Files:
    """What a bundle holds.

    Args:
        members: by path below the bundle.
        unsafe: what was left out, and why: links, names that lead elsewhere, packed bombs.
    """

    members: Mapping[str, Member]
    unsafe: tuple[Finding, ...]

    def text(self, name: str) -> bytes | None:
        """Return what a file holds; None if it is missing, unreadable or far too large for a text."""
        member = self.members.get(name)
        if member is None or member.size > _LARGEST_TEXT:
            return None
        try:
            with member.open() as stream:
                return stream.read()
        except UNREADABLE:
            return None

    def json(self, name: str) -> dict[str, Any]:
        """Return what a JSON file holds; empty if it cannot be read or holds no object."""
        try:
            content = json.loads(self.text(name) or b"{}")
        except (ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}


@contextmanager
def files_of(bundle: Path) -> Iterator[Files]:
    """Yield the files of a bundle while it is open; in a zip they may lie in one folder.

    Raises:
        InputError: `bundle` is neither a folder nor a readable zip file.
    """
    ledger = Ledger()
    with members(bundle, ledger) as found:
        listed = list(found)
        prefix = "" if bundle.is_dir() else _folder([member.path for member in listed])
        by_name = {member.path.removeprefix(prefix): member for member in listed}
        unsafe = tuple(finding for finding in ledger.findings if finding.verdict is Verdict.REFUSED)
        yield Files(by_name, unsafe)


def digest_of_member(member: Member) -> tuple[str, str]:
    """Return the sha256 of a file, or why it cannot be read."""
    try:
        with member.open() as stream:
            return digest(stream), ""
    except UNREADABLE as error:
        return "", f"cannot be read: {shown(str(error))}"


def _folder(paths: list[str]) -> str:
    """Return the one folder in which all `paths` lie, with its slash; empty if there is none."""
    folders = {path.partition("/")[0] for path in paths if "/" in path}
    folder = f"{folders.pop()}/" if len(folders) == 1 else ""
    return folder if folder and all(path.startswith(folder) for path in paths) else ""
