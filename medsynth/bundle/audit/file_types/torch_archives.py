"""What torch demands of an archive beyond what every reader does."""

from __future__ import annotations

import re
from collections.abc import Sequence

from medsynth.bundle.audit.file_types.archives import DEFLATED, PADDING, STORED, ZIP64, Entry

_PACKED_BY_TORCH = re.compile(r"[^/]+/code/.*\.(py|debug_pkl)")


def torch_objection(entries: Sequence[Entry]) -> str:
    """Return why torch would see an archive otherwise than its directory says; empty if it would not.

    torch strips the folder of the first member from all names, and compares names without regard to case.
    """
    folders = {entry.name.partition("/")[0] for entry in entries if "/" in entry.name}
    if len(folders) != 1 or not all("/" in entry.name for entry in entries):
        return "does not have all of its members in one folder"
    names = [entry.name.casefold() for entry in entries]
    if len(set(names)) < len(names):
        return "has two members whose names differ in case only"
    for entry in entries:
        if entry.extras - {ZIP64, PADDING}:
            return f"has an extra field at {entry.name!r} that torch does not write"
        if entry.method != STORED and not (entry.method == DEFLATED and _PACKED_BY_TORCH.fullmatch(entry.name)):
            return f"has {entry.name!r} packed, which torch stores"
    return ""
