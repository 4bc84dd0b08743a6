"""A study's folder: what lies where, which one is taken, and whether it may be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medsynth.base.errors import InputError
from medsynth.base.files import write_text
from medsynth.plugins import Registry
from medsynth.results.run_record import PLAN
from medsynth.studies.study import Study

STUDY, RUNS, LOGS = "study.toml", "runs", "logs"


def write_study(study: Study, folder: Path) -> None:
    """Write study.toml, which the processes of the runs read."""
    import tomli_w

    write_text(folder / STUDY, tomli_w.dumps(study.as_dict()))


def choose_folder(study: Study, registry: Registry, out: Path | None, *, resume: bool) -> Path:
    """Return the folder a study will use, after refusing one that it must not touch. Writes nothing.

    A study may have grown since: runs whose plan is unchanged are kept, new ones are added.

    Args:
        study: resolved.
        registry: of the plugins.
        out: the folder; None = ``studies/NAME-PRESET``.
        resume: continue what is there.

    Raises:
        InputError: the folder holds other files, the same study without `resume`, or a run of another plan.
    """
    folder = out or Path("studies") / f"{study.name}-{study.preset}"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not (folder / STUDY).exists():
            raise InputError(f"--out {folder} holds other files", hint="Name a folder that does not exist yet.")
        if not resume:
            raise InputError(f"{folder} already holds a study", hint="Add --resume to continue it, or choose --out.")
        _refuse_changed(study, registry, folder)
    return folder


def _refuse_changed(study: Study, registry: Registry, folder: Path) -> None:
    for run in study.runs():
        path = folder / RUNS / run.name / PLAN
        if path.exists() and path.read_text(encoding="utf-8") != study.plan(run, registry).to_toml():
            raise InputError(
                f"{path.parent} holds a run of another plan than the study now asks for",
                hint="Choose another --out, or remove that run.",
            )


def find_studies(folders: Sequence[Path]) -> tuple[Path, ...]:
    """Return the folders of other studies, absolute.

    Raises:
        InputError: one holds no study.
    """
    for folder in folders:
        if not (folder / STUDY).is_file():
            raise InputError(f"--reuse {folder}: there is no study ({STUDY} is missing)", hint="Name a study's folder.")
    return tuple(folder.resolve() for folder in folders)
