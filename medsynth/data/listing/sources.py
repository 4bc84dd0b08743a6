"""Where images come from: a manifest, the CycleGAN layout, class folders per domain, one's own source images.

Patients of folder layouts: the first folder below the class (or below the domain, where there are no classes);
for files directly there, the pseudonymized PatientID of a DICOM file; else every file is its own patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from medsynth.data.config import DataConfig
from medsynth.data.images import Record
from medsynth.data.listing.image_table import ImageTable, parse_manifest
from medsynth.data.listing.labels import label_values, source_label
from medsynth.data.listing.paths import FoundFiles, central_files, expand, find_images, relative, unknown_series
from medsynth.data.problems import Problem, refuse

CYCLEGAN = {
    f"{split}{letter}": (domain, split)
    for letter, domain in (("A", "source"), ("B", "target"))
    for split in ("train", "val", "test")
}
_FORMS = (
    "give a manifest.csv, a folder with one, a folder with trainA trainB testA testB, or one with source and target"
)


def resolve_sources(config: DataConfig) -> tuple[list[Record], Path]:
    """Return the records that `config.path` (and `config.source`) stand for, and the folder they are relative to.

    Raises:
        InputError: with everything that is wrong with the table or the folders.
    """
    table = collect_sources(config)
    refuse(table.problems)
    return table.records, table.root


def resolve_labeled(config: DataConfig) -> tuple[list[Record], Path]:
    """Do the work of `resolve_sources`, also for a folder of two class folders, whose images are target images.

    Raises:
        InputError: with everything that is wrong with the table or the folders.
    """
    path = Path(config.path).expanduser()
    classes = _class_names([path]) if path.is_dir() else set()
    if not classes or (path / "manifest.csv").is_file() or classes & {"source", "target", *CYCLEGAN}:
        return resolve_sources(config)
    found = find_images(path, config.series)
    rows = _rows(found, path, path, Record("", "target", None, "", ""), classes, config)
    table = _labelled(path, rows, list(found.problems), config, list(map(str, found.ignored)))
    records, problems = expand(table.records, path, config)
    refuse(table.problems + problems)
    return records, path


def collect_sources(config: DataConfig) -> ImageTable:
    """Do the work of `resolve_sources`, collecting problems instead of raising."""
    path = Path(config.path).expanduser()
    if path.is_file():
        table = parse_manifest(path, config)
    elif (path / "manifest.csv").is_file():
        table = parse_manifest(path / "manifest.csv", config)
    elif (path / "trainA").is_dir() or (path / "trainB").is_dir():
        table = _cyclegan(path, config)
    elif (path / "target").is_dir():
        table = _class_folders(path, config)
    else:
        what = "has no manifest.csv and no known layout" if path.is_dir() else "does not exist"
        return ImageTable(path, [], [Problem(f"data path {path} {what}", _FORMS)])
    if config.source:
        table = _replace_source(table, config)
    records, problems = expand(table.records, table.root, config)
    table = replace(table, records=records, problems=table.problems + problems)
    return _fill_source_labels(table, config)


def _cyclegan(path: Path, config: DataConfig) -> ImageTable:
    folders = [(name, *place) for name, place in CYCLEGAN.items() if (path / name).is_dir()]
    rows: list[tuple[Record, str]] = []
    problems: list[Problem] = []
    ignored: list[str] = []
    for domain in ("source", "target"):
        own = [(path / name, split) for name, of, split in folders if of == domain]
        if not own:
            continue
        classes = _class_names(folder for folder, _ in own)
        for folder, split in own:
            found = find_images(folder, config.series)
            problems += found.problems
            ignored += map(str, found.ignored)
            rows += _rows(found, folder, path, Record("", domain, None, "", split), classes, config)
    if not any(domain == "source" for _, domain, _ in folders) and not config.source:
        problems.append(Problem(f"{path} has no trainA", _FORMS))
    return _labelled(path, rows, problems, config, ignored)


def _class_folders(path: Path, config: DataConfig) -> ImageTable:
    rows: list[tuple[Record, str]] = []
    problems: list[Problem] = []
    ignored: list[str] = []
    classes = {entry.name for entry in (path / "target").iterdir() if entry.is_dir()}
    if len(classes) != 2:
        message = f"{path / 'target'} must hold one folder per class, two in all; it holds {sorted(classes) or 'none'}"
        problems.append(Problem(message))
    for domain in ("source", "target"):
        folder = path / domain
        if not folder.is_dir():
            if not config.source:
                problems.append(Problem(f"{path} has no folder {domain}", _FORMS))
            continue
        found = find_images(folder, config.series)
        problems += found.problems
        ignored += map(str, found.ignored)
        rows += _rows(found, folder, path, Record("", domain, None, "", ""), classes, config)
    return _labelled(path, rows, problems, config, ignored)


def _class_names(folders: Iterable[Path]) -> set[str]:
    names = {entry.name for folder in folders for entry in folder.iterdir() if entry.is_dir()}
    # two folders are classes; any other number can only be patients
    return names if len(names) == 2 else set()


def _rows(
    found: FoundFiles, folder: Path, root: Path, template: Record, classes: set[str], config: DataConfig
) -> list[tuple[Record, str]]:
    """Make records of files, each with its label as written."""
    rows = []
    for file in central_files(found.files, config.slices):
        parts = list(file.path.relative_to(folder).parts[:-1])
        label = parts.pop(0) if parts and parts[0] in classes else ""
        image = relative(file.path, root)
        patient = parts[0] if parts else file.patient or image.removesuffix(file.path.suffix)
        rows.append((replace(template, image=image, patient=patient), label))
    return rows


def _labelled(
    root: Path, rows: Sequence[tuple[Record, str]], problems: list[Problem], config: DataConfig, ignored: list[str]
) -> ImageTable:
    values, wrong = label_values((label for _, label in rows), config)
    records = [replace(record, label=values.get(label)) for record, label in rows]
    return ImageTable(root, records, problems + wrong, values, tuple(ignored))


def _replace_source(table: ImageTable, config: DataConfig) -> ImageTable:
    path = Path(config.source).expanduser()
    others = [record for record in table.records if record.domain == "target"]
    if not path.exists():
        return replace(table, records=others, problems=[*table.problems, Problem(f"data.source {path} does not exist")])
    found = find_images(path.resolve(), config.series)
    problems = [*table.problems, *found.problems, *unknown_series(found.series, config)]
    if not found.files and not found.problems:
        problems.append(Problem(f"data.source {path} holds no images"))
    folder = path.resolve() if path.is_dir() else path.resolve().parent
    base = Path(relative(folder.parent, table.root))
    rows = _rows(found, folder, folder.parent, Record("", "source", None, "", ""), set(), config)
    own = [replace(record, image=(base / record.image).as_posix()) for record, _ in rows]
    # pairs pointed at source images that are no longer there
    others = [replace(record, pair="") for record in others]
    ignored = (*table.ignored, *map(str, found.ignored))
    return replace(table, records=own + others, problems=problems, ignored=ignored)


def _fill_source_labels(table: ImageTable, config: DataConfig) -> ImageTable:
    unknown = [record for record in table.records if record.domain == "source" and record.label is None]
    value, problems = source_label(config, table.values)
    if unknown and not config.source_label and not any("positive" in problem.hint for problem in table.problems):
        count = sum(record.domain == "source" for record in table.records)
        message = f"{len(unknown)} of {count} source images have no label"
        hint = "say what they all are with --set data.source_label=1 (positive) or --set data.source_label=0 (negative)"
        problems.append(Problem(message, hint))
    records = [
        replace(record, label=value) if record.domain == "source" and record.label is None else record
        for record in table.records
    ]
    return replace(table, records=records, problems=table.problems + problems)
