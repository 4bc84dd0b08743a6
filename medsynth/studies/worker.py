"""One run of a study in a process of its own: ``python -m medsynth.studies.worker STUDY RUN``.

The process ends when its standard input does: whoever started it may vanish without a word, and must not be survived.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from rich.console import Console

from medsynth.engine import run
from medsynth.errors import InputError, MedsynthError
from medsynth.plugins import Registry
from medsynth.progress import Lines
from medsynth.sharing import Sharing
from medsynth.stopping import Stop, stop_on_signals
from medsynth.studies.config import read_resolved
from medsynth.studies.folder import INDEX, RUNS, STUDY

GRACE = 60.0
"""Seconds that a run has for saving when it is asked to end, and that a new one waits for an old one to do so."""


def work(root: Path, name: str) -> None:
    """Carry out or continue the run of that name of the study in `root`.

    Raises:
        MedsynthError: as `medsynth.engine.run` does.
    """
    study, registry = read_resolved(root / STUDY), Registry()
    plan = study.plan(next(found for found in study.runs() if found.name == name), registry)
    folder, lines = root / RUNS / name, Lines(Console(stderr=True))
    with stop_on_signals() as stop:
        threading.Thread(target=_follow_input, args=(stop,), daemon=True).start()
        until = time.monotonic() + GRACE
        while True:
            try:
                run(plan, registry, folder, watch=lines, stop=stop, sharing=Sharing(root / INDEX, root))
                return
            except InputError as error:
                if "in use by another" not in error.message or time.monotonic() > until:
                    raise
                time.sleep(0.5)  # the process of a killed study is about to end


def _follow_input(stop: Stop) -> None:
    while os.read(0, 1024):
        pass
    stop.requested = True
    time.sleep(GRACE)
    os._exit(130)


if __name__ == "__main__":
    try:
        work(Path(sys.argv[1]), sys.argv[2])
    except MedsynthError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
