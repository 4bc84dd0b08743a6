"""Where images come from: a manifest, the CycleGAN layout, class folders per domain, one's own source images.

Patients of folder layouts: the pseudonymized PatientID of a DICOM file; BIDS' ``sub-``; what ``data.patient_pattern``
finds; the first folder below the class (or below the domain, where there are no classes); else every file, or DICOM
series, is its own patient, with a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from medsynth.data.config import DataConfig
from medsynth.data.images import Record
from medsynth.data.listing.image_table import ImageTable, parse_manifest
from medsynth.data.listing.labels import label_values, source_label
from medsynth.data.listing.paths import FoundFiles, central_files, expand, find_domain, relative, unknown_series
from medsynth.data.listing.patients import named_patient, own_patient, pattern_problems, unknown_patients
from medsynth.data.problems import Problem, Warned, refuse
from medsynth.reading.leftovers import is_hidden

CYCLEGAN = {
    f"{split}{letter}": (domain, split)
    for letter, domain in (("A", "source"), ("B", "target"))
    for split in ("train", "val", "test")
}
_FORMS = (
    "give a manifest.csv, a folder with one, a folder with trainA trainB testA testB, or one with source and target"
)


@dataclass
class _Layout:
    """A layout of folders while it is searched.

    Args:
        root: folder that images are relative to.
        config: of the data.
        rows: records, each with its label as written.
        found: what the folders hold.
    """

    root: Path
    config: DataConfig
    rows: list[tuple[Record, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    found: list[FoundFiles] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)

    def add(self, folders: Sequence[tuple[Path, str]], domain: str, classes: set[str]) -> None:
        """Search the folders of a domain, each with its split."""
        found = find_domain([folder for folder, _ in folders], self.config.series)
        patients, known = [], False
        for (folder, split), files in zip(folders, found, strict=True):
            self.problems += files.problems
            folder = folder if folder.is_dir() else folder.parent
            for file in central_files(files.files, self.config.slices):
                parts = list(file.path.relative_to(folder).parts[:-1])
                label = parts.pop(0) if parts and parts[0] in classes else ""
                image = relative(file.path, self.root)
                sure = file.patient or named_patient(image, self.config.patient_pattern) or "".join(parts[:1])
                known = known or bool(sure)
                patients.append(sure or file.series or own_patient(image))
                self.rows.append((Record(image, domain, None, patients[-1], split), label))
        self.found += found
        self.warnings += unknown_patients(domain, patients, known)

    def table(self) -> ImageTable:
        """Return the records with their labels."""
        values, wrong = label_values((label for _, label in self.rows), self.config)
        records = [replace(record, label=values.get(label)) for record, label in self.rows]
        return ImageTable(self.root, records, self.problems + wrong, values, self.found, self.warnings)


def resolve_sources(config: DataConfig) -> tuple[list[Record], Path]:
    """Return the records that `config.path` (and `config.source`) stand for, and the folder they are relative to.

    Raises:
        InputError: with everything that is wrong with the table or the folders.
    """
    table = collect_sources(config)
    refuse(table.problems)
    return table.records, table.root


def refuse_missing(config: DataConfig) -> None:
    """Refuse data that are nowhere, before anything heavy is imported to read them.

    Raises:
        InputError: naming the path and the forms that there are.
    """
    if config.path != "phantom" and not Path(config.path).expanduser().exists():
        resolve_sources(config)


def resolve_labeled(config: DataConfig) -> ImageTable:
    """Return what `config.path` stands for, which may be a folder of two class folders with target images, too.

    Raises:
        InputError: with everything that is wrong with the table or the folders.
    """
    path = Path(config.path).expanduser()
    classes = _class_names([path]) if path.is_dir() else set()
    if not classes or (path / "manifest.csv").is_file() or classes & {"source", "target", *CYCLEGAN}:
        table = collect_sources(config)
        refuse(table.problems)
        return table
    layout = _Layout(path, config, problems=pattern_problems(config.patient_pattern))
    layout.add([(path, "")], "target", classes)
    table = layout.table()
    records, problems, _ = expand(table.records, path, config)
    refuse(table.problems + problems + unknown_series(table.found, config.series))
    return replace(table, records=records)


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
    records, problems, found = expand(table.records, table.root, config)
    found = table.found + found
    problems = table.problems + pattern_problems(config.patient_pattern) + problems
    table = replace(table, records=records, problems=problems + unknown_series(found, config.series), found=found)
    return _fill_source_labels(table, config)


def _cyclegan(path: Path, config: DataConfig) -> ImageTable:
    folders = [(name, *place) for name, place in CYCLEGAN.items() if (path / name).is_dir()]
    layout = _Layout(path, config)
    for domain in _domains(config):
        own = [(path / name, split) for name, of, split in folders if of == domain]
        if own:
            layout.add(own, domain, _class_names(folder for folder, _ in own))
    if not any(domain == "source" for _, domain, _ in folders) and not config.source:
        layout.problems.append(Problem(f"{path} has no trainA", _FORMS))
    return layout.table()


def _class_folders(path: Path, config: DataConfig) -> ImageTable:
    layout = _Layout(path, config)
    classes = _folders(path / "target")
    if len(classes) != 2:
        message = f"{path / 'target'} must hold one folder per class, two in all; it holds {sorted(classes) or 'none'}"
        layout.problems.append(Problem(message, "move what is no class out of it"))
    for domain in _domains(config):
        if (path / domain).is_dir():
            layout.add([(path / domain, "")], domain, classes)
        else:
            layout.problems.append(Problem(f"{path} has no folder {domain}", _FORMS))
    return layout.table()


def _domains(config: DataConfig) -> tuple[str, ...]:
    """Return the domains whose images lie in the folders."""
    return ("target",) if config.source else ("source", "target")


def _class_names(folders: Iterable[Path]) -> set[str]:
    names = {name for folder in folders for name in _folders(folder)}
    # two folders are classes; any other number can only be patients, as are those that BIDS calls so
    return names if len(names) == 2 and not any(named_patient(name, "") for name in names) else set()


def _folders(path: Path) -> set[str]:
    """Return the names of the folders in a folder that a person made."""
    return {entry.name for entry in path.iterdir() if entry.is_dir() and not is_hidden(entry.name)}


def _replace_source(table: ImageTable, config: DataConfig) -> ImageTable:
    path = Path(config.source).expanduser()
    # pairs pointed at source images that are no longer there
    others = [replace(record, pair="") for record in table.records if record.domain == "target"]
    if not path.exists():
        return replace(table, records=others, problems=[*table.problems, Problem(f"data.source {path} does not exist")])
    place = path.resolve()
    folder = place if place.is_dir() else place.parent
    layout = _Layout(folder.parent, config)
    layout.add([(place, "")], "source", set())
    problems = [*table.problems, *layout.problems]
    if not layout.rows and not layout.problems:
        problems.append(Problem(f"data.source {path} holds no images"))
    base = Path(relative(folder.parent, table.root))
    own = [replace(record, image=(base / record.image).as_posix()) for record, _ in layout.rows]
    return replace(
        table,
        records=own + others,
        problems=problems,
        found=[*table.found, *layout.found],
        warnings=table.warnings + layout.warnings,
    )


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
