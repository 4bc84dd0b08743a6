"""The side of a confined process: what it gives up, and that it knows."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from medsynth.base import files
from medsynth.base.children import end_with_parent
from medsynth.confinement.restrictions import restrict

_confined = False


def is_confined() -> bool:
    """Tell whether this process is such a child."""
    return _confined


def enter() -> None:
    """Confine this process as its first argument says, and leave the others in ``sys.argv``."""
    confine(json.loads(sys.argv[1]))
    sys.argv = ["medsynth", *sys.argv[2:]]


def confine(settings: Mapping[str, Any]) -> None:
    """Confine this process as `prepared` says."""
    global _confined
    restrict([Path(path) for path in settings["writable"]])  # first of all: what follows starts a thread
    _limit(settings["memory"])
    end_with_parent(piped=not settings.get("serves", False))  # one that serves reads requests there until their end
    files.write_instead({Path(path): Path(place) for path, place in settings["staged"].items()})
    _confined = True


def _limit(memory: int) -> None:
    with suppress(ImportError, ValueError, OSError):  # Windows has no limits, macOS refuses this one
        import resource

        _, highest = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = memory if highest == resource.RLIM_INFINITY else min(memory, highest)
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, wanted))
