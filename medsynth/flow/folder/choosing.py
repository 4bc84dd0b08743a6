"""Which folder a run uses, and whether it may: nothing of it is another plan's, and there is room."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from medsynth.base.errors import InputError
from medsynth.plan.plan import Plan
from medsynth.results.run_record import PLAN, RECORD, read_record


def choose_folder(plan: Plan, out: Path | None, *, resume: bool) -> Path:
    """Return the folder a run will use, after refusing one that it must not touch. Writes nothing.

    Without `out` it is ``runs/<data>/<generator>--<classifier>/<number>``: with `resume` the newest one of
    the same plan, otherwise a new number.

    Raises:
        InputError: the folder holds another plan's run, other files, or the same run without `resume`.
    """
    if out is None:
        return _default_folder(plan, resume)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return out
    if not out.is_dir():
        raise InputError(f"--out {out} is a file", hint="Name a folder that does not exist yet.")
    if not (out / PLAN).exists() and not (out / RECORD).exists():
        raise InputError(f"--out {out} holds other files", hint="Name a folder that does not exist yet.")
    _refuse_other_plan(out, plan)
    if not resume:
        raise InputError(f"--out {out} already holds a run of this plan", hint="Add --resume to continue it.")
    return out


def refuse_nothing_to_resume(plan: Plan, out: Path | None) -> None:
    """Refuse what `choose_folder` would refuse to resume of every device; imports nothing heavy.

    Raises:
        InputError: there is no run of these data and plugins.
    """
    parent, numbers = _numbered(plan)
    if out is None and not numbers:
        raise _no_run(parent)


def _no_run(parent: Path) -> InputError:
    return InputError(f"no run of this plan under {parent}", hint="Leave out --resume to start it.")


def _numbered(plan: Plan) -> tuple[Path, list[int]]:
    """Return the folder of the runs of these data and plugins, and the numbers of those that there are."""
    data = Path(plan.data.path).resolve()
    name = "phantom" if plan.data.path == "phantom" else (data.parent.name if data.is_file() else data.name)
    parent = Path("runs") / name / f"{plan.generator}--{plan.classifier}"
    return parent, sorted(int(item.name) for item in parent.glob("*") if item.name.isdigit())


def _default_folder(plan: Plan, resume: bool) -> Path:
    parent, numbers = _numbered(plan)
    if resume:
        for number in reversed(numbers):
            folder = parent / str(number)
            if _is_of(folder, plan):
                _refuse_other_plan(folder, plan)
                return folder
        raise _no_run(parent)
    return parent / str(numbers[-1] + 1 if numbers else 1)


def _is_of(folder: Path, plan: Plan) -> bool:
    """Tell whether plan.toml, or else an intact run.json, says that the run in `folder` is of the plan."""
    if (folder / PLAN).exists() and (folder / PLAN).read_bytes() == plan.to_toml().encode():
        return True
    try:
        return bool(read_record(folder)["plan"] == plan.digest)
    except (InputError, KeyError):
        return False


def _refuse_other_plan(folder: Path, plan: Plan) -> None:
    """Refuse a folder whose plan.toml is not that of the plan; without plan.toml its run.json decides."""
    path, asked = folder / PLAN, plan.to_toml()
    found = path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
    if found == asked:
        return
    if _is_of(folder, plan):  # as run.json says
        if found is None:
            return
        hint = "Remove it and continue with --resume, which writes it again."
        raise InputError(f"{path} is damaged: it is not as it was written", hint=hint)
    hint = "Use another --out, or repeat that run's own command with --resume."
    difference = f"{PLAN} is missing" if found is None else f"{path}: {_first_difference(found, asked)}"
    raise InputError(f"--out {folder} holds a run of another plan: {difference}", hint=hint)


def _first_difference(old: str, new: str) -> str:
    for left, right in zip(old.splitlines(), new.splitlines(), strict=False):
        if left != right:
            return f"'{left}' there, '{right}' asked for"
    return "its length differs"


def check_disk(folder: Path, needed: int) -> None:
    """Refuse a folder that cannot be written, and a run that would fill the disk.

    Args:
        folder: the run's folder, which may not exist yet.
        needed: bytes the plan will write.

    Raises:
        InputError: for the disk with both figures.
    """
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        why = "cannot be written to" if existing.is_dir() else "is not a folder"
        raise InputError(f"--out {folder}: {existing} {why}", hint="Choose another --out.")
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise InputError(
            f"--out {folder}: the plan will write about {needed / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free",
            hint="Make room, choose another --out, or reduce data.size.",
        )
