"""What predictions are written as: a table, and structured reports beside it. Importing this module takes no time."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from medsynth.base.errors import InputError

REPORTS = "dicom-sr"
FORMATS = ("csv", REPORTS)
"""The table alone, or with a DICOM structured report for each series."""


def reports_folder(out: Path) -> Path:
    """Return where the reports beside a table go.

    Examples:
        >>> reports_folder(Path("deep/predictions.csv")).as_posix()
        'deep/predictions-sr'
    """
    return out.with_name(f"{out.stem}-sr")


def check_reports(out: Path) -> None:
    """Refuse reports that cannot be written, before a bundle is opened.

    Raises:
        InputError: highdicom is not installed, the table is a pipe, or what is there would be overwritten.
    """
    if find_spec("highdicom") is None:
        hint = 'Install it with: pip install "medsynth-monai[sr]"'
        raise InputError(f"--format {REPORTS} needs highdicom, which is not installed", hint=hint)
    if out.exists() and not out.is_file():
        hint = "Name a file, for example predictions.csv."
        raise InputError(f"--format {REPORTS} puts reports beside the table, and --out {out} is no file", hint=hint)
    folder = reports_folder(out)
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        hint = "Remove it, or name another --out."
        raise InputError(f"{folder} exists, where the reports beside {out} would go", hint=hint)
