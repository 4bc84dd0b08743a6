"""Which processes are left of something that worked on a folder."""

from __future__ import annotations

import time
from pathlib import Path


def processes_of(folder: Path, word: str = "") -> list[int]:
    """Return the living processes whose command names the folder and `word`; none where there is no /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command, state = path.read_bytes(), path.with_name("stat").read_bytes().rpartition(b")")[2].split()[0]
        except OSError:
            continue  # it ended meanwhile
        if str(folder).encode() in command and word.encode() in command and state != b"Z":
            found.append(int(path.parent.name))
    return found


def left_after(seconds: float, folder: Path) -> list[int]:
    """Return the processes that are still there so many seconds from now; none as soon as there are none."""
    until = time.monotonic() + seconds
    while (found := processes_of(folder)) and time.monotonic() < until:
        time.sleep(0.02)
    return found
