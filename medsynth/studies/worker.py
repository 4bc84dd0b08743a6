"""One run of a study in a process of its own: ``python -m medsynth.studies.worker STUDY RUN``.

It does not outlive the process that started it, see `medsynth.base.children`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rich.console import Console

from medsynth.base.children import end_with_parent
from medsynth.base.errors import Busy, MedsynthError
from medsynth.base.files import explained
from medsynth.base.progress import Lines
from medsynth.base.stopping import GRACE, stop_on_signals
from medsynth.flow.engine import run
from medsynth.flow.folder.sharing import Sharing
from medsynth.plugins import Registry
from medsynth.studies.folder import RUNS, STUDY
from medsynth.studies.study import read_resolved


def work(root: Path, name: str) -> None:
    """Carry out or continue the run of that name of the study in `root`.

    Raises:
        MedsynthError: as `medsynth.flow.engine.run` does.
    """
    study, registry = read_resolved(root / STUDY), Registry()
    plan = study.plan(next(found for found in study.runs() if found.name == name), registry)
    folder, lines = root / RUNS / name, Lines(Console(stderr=True))
    with stop_on_signals() as stop:
        end_with_parent(stop)
        until = time.monotonic() + GRACE  # as long as an old process may take to save
        while True:
            try:
                run(plan, registry, folder, watch=lines, stop=stop, sharing=Sharing(root, study.reuse))
                return
            except Busy:
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)  # the process of a killed study is about to end


if __name__ == "__main__":
    try:
        work(Path(sys.argv[1]), sys.argv[2])
    except (MedsynthError, OSError) as error:
        told = explained(error) if isinstance(error, OSError) else error
        sys.stderr.write(f"error: {told}\n")
        sys.exit(told.exit_code)
