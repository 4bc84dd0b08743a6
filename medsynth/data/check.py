"""`medsynth data check`: everything that can be said about a data set, all at once, raising for nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from medsynth.data.config import DataConfig
from medsynth.data.formats.probing import Facts
from medsynth.data.formats.proportions import oblong_files
from medsynth.data.formats.windows import parse_windows
from medsynth.data.images import Images, Record
from medsynth.data.listing.examination import examine_files, settle
from medsynth.data.listing.image_table import ImageTable
from medsynth.data.listing.paths import relative
from medsynth.data.listing.sources import collect_sources
from medsynth.data.listing.splits import split_hash
from medsynth.data.problems import Problem, some

See = Callable[[Images, Mapping[str, Facts]], None]
"""Shown the images of a domain as networks will see them, with what decoding their files has shown."""
BY_CLASS = "images by domain, class, split"
BY_PATIENT = "patients by domain, split"
BY_CENTER = "images by domain, center, split"
ASSUMED = "files by what was assumed"
LEFT_OUT = "left out"
OBLONG = "files with pixels that are not square"
"""What is counted, see `Findings.counts`; warnings of what was left out start with it, too."""
_LABELS = {1: "positive", 0: "negative", None: "unknown"}


@dataclass(frozen=True)
class Findings:
    """What a check has found.

    Args:
        errors: what a run would refuse.
        warnings: what deserves a look: near-duplicates across splits, identifying tags, burnt-in text.
        counts: images by domain, class, split, center; sizes, spacings and value ranges by domain; patients.
        split_hash: see `medsynth.data.listing.splits.split_hash`; empty if splits could not be made.
    """

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    counts: Mapping[str, Any] = field(default_factory=dict)
    split_hash: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain dicts and lists for JSON."""
        return {"schema": 1, **asdict(self), "errors": list(self.errors), "warnings": list(self.warnings)}


@dataclass(frozen=True)
class Checked:
    """A check with what is needed to tell of it without names.

    Args:
        findings: what was found.
        records: all images, unusable ones, too.
        root: folder that images are relative to.
        of_table: those errors that may name files which are no images of `records`.
    """

    findings: Findings
    records: tuple[Record, ...]
    root: Path
    of_table: tuple[str, ...]


def check_data(config: DataConfig, seed: int) -> Findings:
    """Look at all files, labels and splits of a data set and report everything at once.

    The phantom is written to a temporary folder first.

    Args:
        config: where images come from and how they are read.
        seed: of drawn splits.

    Raises:
        InputError: ``data.window`` cannot be read.
    """
    return check_closely(config, seed).findings


def check_closely(config: DataConfig, seed: int, see: See | None = None) -> Checked:
    """Do the work of `check_data`.

    Args:
        config, seed: see `check_data`.
        see: called once for each domain whose images can be used, while they are decoded.

    Raises:
        InputError: as of `check_data`.
    """
    parse_windows(config.window)  # which is not a matter of the data
    if config.path == "phantom":
        return _check_phantom(config, seed, see)
    table = collect_sources(config)
    facts, damaged = examine_files(table.records, table.root, config)
    usable = [record for record in table.records if record.image in facts]
    split, wrong, told = settle(usable, facts, config, seed=seed)
    warnings = [text for _, text in (*table.warnings, *told)] + _duplicates(split, facts, table.root)
    alike, unfit = _near_duplicates(split, table.root, config, facts, see)
    warnings += alike + _privacy(split, facts) + _left_out(table)
    of_table = tuple(map(_text, table.problems))
    findings = Findings(
        (*of_table, *map(_text, (*damaged, *wrong)), *unfit),
        tuple(warnings),
        _counts(split, facts, table, config),
        split_hash(split) if all(record.split for record in split) else "",
    )
    return Checked(findings, tuple(table.records), table.root, of_table)


def _left_out(table: ImageTable) -> list[str]:
    """Say what is not used, reason by reason."""
    names: dict[str, list[str]] = defaultdict(list)
    for one in table.left_out:
        names[one.reason].append(relative(one.path, table.root))
    return [f"{LEFT_OUT}, {reason}: {some(found)}" for reason, found in names.items()]


def _check_phantom(config: DataConfig, seed: int, see: See | None) -> Checked:
    from dataclasses import replace
    from tempfile import TemporaryDirectory

    from medsynth.data.preparing import write_phantom_for

    with TemporaryDirectory() as folder:
        path = write_phantom_for(config, Path(folder), seed)
        return check_closely(replace(config, path=str(path)), seed, see)


def _text(problem: Problem) -> str:
    return f"{problem.message} ({problem.hint})" if problem.hint else problem.message


def _counts(
    records: Sequence[Record], facts: Mapping[str, Facts], table: ImageTable, config: DataConfig
) -> dict[str, Any]:
    by_class = Counter(f"{r.domain} {_LABELS[r.label]} {r.split or 'no split'}" for r in records)
    counts: dict[str, Any] = {"images": len(records), BY_CLASS: dict(sorted(by_class.items()))}
    patients: dict[str, set[str]] = defaultdict(set)
    for record in records:
        patients[f"{record.domain} {record.split or 'no split'}"].add(record.patient)
    counts[BY_PATIENT] = {name: len(found) for name, found in sorted(patients.items())}
    centers = Counter(f"{r.domain} {r.extra['center']} {r.split}" for r in records if r.extra.get("center"))
    if centers:
        counts[BY_CENTER] = dict(sorted(centers.items()))
    for domain in dict.fromkeys(record.domain for record in records):
        own = [facts[image] for image in dict.fromkeys(r.image for r in records if r.domain == domain)]
        counts[domain] = {
            "files": len(own),
            "kinds": _tally(f"{f.format.kind}{' 8-bit' if f.eight_bit else ''}" for f in own),
            "sizes (columns x rows x slices)": _tally(" x ".join(map(str, f.shape)) for f in own),
            "spacings (mm)": _tally(" x ".join(f"{s:g}" for s in f.spacing) or "unknown" for f in own),
            "values": f"{min(f.low for f in own):g} to {max(f.high for f in own):g}",
        }
        oblong = oblong_files((fact.header for fact in own), config)
        counts[domain] |= {OBLONG: oblong} if oblong else {}
    notes = Counter(note for image in dict.fromkeys(record.image for record in records) for note in facts[image].notes)
    counts |= {ASSUMED: dict(notes.most_common())} if notes else {}
    counts[LEFT_OUT] = dict(Counter(one.reason for one in table.left_out).most_common())
    return counts


def _tally(names: Any) -> str:
    common = Counter(names).most_common()
    shown = ", ".join(f"{name} ({count})" for name, count in common[:5])
    return shown if len(common) <= 5 else f"{shown} and {len(common) - 5} more"


def _duplicates(records: Sequence[Record], facts: Mapping[str, Facts], root: Path) -> list[str]:
    """Find images with equal pixels and say which contradict each other in label, domain or split."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in {record.image: record for record in records}.values():
        # true counterparts may repeat target images; they are for scoring only
        if record.domain != "oracle":
            groups[facts[record.image].hash].append(record)
    warnings: list[str] = []
    for same in groups.values():
        if len(same) < 2:
            continue
        names = some([f"{record.image} ({record.domain}, {_LABELS[record.label]}, {record.split})" for record in same])
        labels = {record.label for record in same if record.label is not None}
        if len({record.domain for record in same}) > 1:
            warnings.append(f"the same pixels in both domains: {names}")
        elif len(labels) > 1:
            warnings.append(f"the same pixels with different labels, one must be wrong: {names}")
        elif len({record.split for record in same}) == 1:
            identical = len({(root / record.image).read_bytes() for record in same}) == 1
            warnings.append(f"{'identical files' if identical else 'files with the same pixels'}: {names}")
    return warnings


def _near_duplicates(
    records: Sequence[Record], root: Path, config: DataConfig, facts: Mapping[str, Facts], see: See | None
) -> tuple[list[str], list[str]]:
    """Compare what networks will see, in both domains separately, across splits; also return what cannot be seen."""
    from tempfile import TemporaryDirectory

    from medsynth.base.errors import InputError
    from medsynth.data.cache import load_images
    from medsynth.data.likeness import described, look_alikes

    warnings, unfit = [], []
    with TemporaryDirectory() as folder:
        for domain in ("source", "target"):
            own = [record for record in records if record.domain == domain]
            if not own:
                continue
            try:
                images = load_images(own, root, config, Path(folder), facts=facts)
            except InputError as error:
                unfit.append(error.message)
                continue
            warnings += [
                f"look alike across splits: {described(pair)}"
                for pair in look_alikes(images)
                if facts[pair[0].image].hash != facts[pair[1].image].hash
            ]
            if see:
                see(images, facts)
            del images
    return warnings, unfit


def _privacy(records: Sequence[Record], facts: Mapping[str, Facts]) -> list[str]:
    tags: dict[str, list[str]] = defaultdict(list)
    burned: list[str] = []
    unsure: list[str] = []
    for image in dict.fromkeys(record.image for record in records):
        header = facts[image].header
        for name in header.identifying:
            tags[name].append(image)
        if header.burned_in.upper() == "YES":
            burned.append(image)
        elif header.modality == "US" and header.burned_in.upper() != "NO":
            unsure.append(image)
    warnings = [f"identifying DICOM tag {tag} is filled in {len(n)} files: {some(n, 3)}" for tag, n in tags.items()]
    if burned:
        warnings.append(f"burnt-in annotation in {len(burned)} files says the header: {some(burned, 3)}")
    if unsure:
        warnings.append(f"ultrasound that may show burnt-in text, {len(unsure)} files: {some(unsure, 3)}")
    return warnings
