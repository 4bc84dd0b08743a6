"""Where medsynth keeps what it remembers for a user."""

from __future__ import annotations

import os
from pathlib import Path

from medsynth.base.errors import RunError


def data_folder() -> Path:
    """Return the folder of medsynth's data of this user: ``MEDSYNTH_HOME``, or ``medsynth`` in XDG's data folder.

    Raises:
        RunError: neither is set and the user has no home.
    """
    if own := os.environ.get("MEDSYNTH_HOME"):
        return Path(own)
    if shared := os.environ.get("XDG_DATA_HOME"):
        return Path(shared) / "medsynth"
    try:
        return Path.home() / ".local/share/medsynth"
    except RuntimeError as error:
        raise RunError("the user has no home folder", hint="Set MEDSYNTH_HOME to a folder of yours.") from error
