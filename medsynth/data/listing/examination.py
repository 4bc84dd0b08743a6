"""Looking at all data before anything is written: records, files, labels, splits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medsynth.base.errors import InputError
from medsynth.data.config import DataConfig
from medsynth.data.formats.probing import Facts, examine
from medsynth.data.formats.proportions import refuse_strip
from medsynth.data.formats.windows import parse_windows
from medsynth.data.images import Record
from medsynth.data.listing.domains import domain_of, domain_windows
from medsynth.data.listing.places import places_of
from medsynth.data.listing.repetitions import merge_patients, parted_copies
from medsynth.data.listing.sources import collect_sources
from medsynth.data.listing.splits import assign_splits, split_hash, split_problems
from medsynth.data.problems import Problem, Warned, problem_of, refuse, some
from medsynth.reading import LeftOut


@dataclass(frozen=True)
class Examination:
    """Usable data: every image can be read, every split is complete.

    Args:
        records: one per image, slice or frame, with splits.
        root: folder that images are relative to.
        facts: by `Record.image`, what decoding has shown.
        warnings: what was left out or deserves a look.
        hash: see `split_hash`.
    """

    records: tuple[Record, ...]
    root: Path
    facts: Mapping[str, Facts] = field(repr=False)
    warnings: tuple[Warned, ...]
    hash: str


def inspect_data(config: DataConfig, seed: int) -> Examination:
    """Validate everything about the data without writing anything.

    Raises:
        InputError: with all problems of the first stage that has any: table and folders, files, splits.
    """
    parse_windows(config.window)  # before minutes of reading
    table = collect_sources(config)
    refuse(table.problems)
    facts, problems = examine_files(table.records, table.root, config)
    refuse(problems)
    records, problems, warnings = settle(table.records, facts, config, seed=seed)
    refuse(problems)
    warnings = [*table.warnings, *left_out_warnings(table.left_out), *warnings]
    return Examination(tuple(records), table.root, facts, tuple(warnings), split_hash(records))


def settle(
    records: Sequence[Record], facts: Mapping[str, Facts], config: DataConfig, *, seed: int
) -> tuple[list[Record], list[Problem], list[Warned]]:
    """Leave out empty slices, join patients who share images, and give every record its split.

    Returns:
        The records, what makes them unusable, and what deserves a look.
    """
    records, dropped = without_empty_slices(records, facts)
    records, merged = merge_patients(records, facts, config)
    records, problems = assign_splits(records, config, seed=seed)
    if not problems:
        records, blank, problems = without_blank_slices(records, facts, config)
        dropped += blank
        problems += split_problems(records) + parted_copies(records, facts)
    return records, problems, [*dropped, *merged, *split_warnings(records)]


def left_out_warnings(left_out: Sequence[LeftOut]) -> list[Warned]:
    """Say in one sentence how many files and folders were left out, and why."""
    if not left_out:
        return []
    return [("left-out", f"{len(left_out)} files or folders were left out: {counted(left_out)}")]


def counted(left_out: Iterable[LeftOut]) -> str:
    """Return how many were left out for each reason, the most frequent first: ``localizers (3), .txt files (1)``."""
    return ", ".join(f"{reason} ({count})" for reason, count in Counter(one.reason for one in left_out).most_common())


def examine_files(records: Sequence[Record], root: Path, config: DataConfig) -> tuple[dict[str, Facts], list[Problem]]:
    """Decode every file once and report those that cannot be used, by `Record.image`."""
    facts: dict[str, Facts] = {}
    problems: list[Problem] = []
    slices: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        slices[record.image].append(record)
    for image, rows in slices.items():
        found = examine(
            root / image, channels=config.channels if config.intensity == "dataset" else 0, volume=config.volume
        )
        if isinstance(found, Problem):
            problems.append(found)
            continue
        facts[image] = found
        try:
            refuse_strip(found.header, config)
        except InputError as error:
            problems.append(problem_of(error))
        deepest = max((row.slice for row in rows if row.slice is not None), default=-1)
        if deepest >= max(found.format.depth, 1):
            problems.append(Problem(f"{root / image} has {found.format.depth} slices; the manifest asks for {deepest}"))
    problems += _intensity_problems(records, facts, root, config)
    return facts, problems + _neighbor_problems(records, facts, config)


def _intensity_problems(
    records: Sequence[Record], facts: Mapping[str, Facts], root: Path, config: DataConfig
) -> list[Problem]:
    problems = []
    for domain in ("source", "target"):
        own = list(dict.fromkeys(r.image for r in records if r.domain == domain and r.image in facts))
        scale = _scale(domain, [facts[image] for image in own], config)
        for image in own:
            fact = facts[image]
            if scale == "range" and not fact.eight_bit and (fact.low < 0 or fact.high > 255):
                message = f"{root / image} has values from {fact.low:g} to {fact.high:g}, not 0 to 255"
                problems.append(Problem(message, "use --set data.intensity=percentile"))
            if scale == "percentile" and fact.flat:
                message = f"{root / image} is constant but for less than 1 % of its pixels"
                problems.append(Problem(message, "leave it out, or use --set data.intensity=range for 8-bit images"))
    return problems


def _scale(domain: str, own: Sequence[Facts], config: DataConfig) -> str:
    """Return what scales the files of a domain: ``window``, ``range``, or each file's own ``percentile``."""
    if config.intensity == "dataset" or domain in parse_windows(config.window):
        return "window"
    if config.intensity == "auto":
        return "range" if all(fact.eight_bit for fact in own) else "percentile"
    return config.intensity


def _neighbor_problems(records: Sequence[Record], facts: Mapping[str, Facts], config: DataConfig) -> list[Problem]:
    """Say where slices have no neighbors, or neighbors of another scale."""
    if not config.neighbors:
        hint = "add --set data.neighbors=1"
        return [Problem("data.smooth has no stacks of slices to average", hint)] if config.smooth else []
    usable = [record for record in records if record.image in facts]
    places = places_of(usable, facts)
    if usable and not any(places):
        hint = "leave out data.neighbors, or give volumes or DICOM series"
        return [Problem(f"data.neighbors = {config.neighbors}, but every image stands alone", hint)]
    problems = []
    for domain in ("source", "target"):
        own = [(r, place) for r, place in zip(usable, places, strict=True) if r.domain == domain]
        parted = [record.image for record, place in own if place and record.slice is None]
        if parted and _scale(domain, [facts[record.image] for record, _ in own], config) == "percentile":
            message = f"{domain}: the slices of a series lie in files such as {parted[0]}, each with a scale of its own"
            hint = "give all one scale: --set data.intensity=dataset, or data.window=LOW:HIGH"
            problems.append(Problem(message, hint))
    return problems


def without_empty_slices(records: Sequence[Record], facts: Mapping[str, Facts]) -> tuple[list[Record], list[Warned]]:
    """Leave out constant slices, as at the ends of masked volumes, and say how many they were."""
    kept = [r for r in records if r.slice is None or r.slice not in facts[r.image].empty_slices]
    count = len(records) - len(kept)
    return kept, [("constant-slices", f"{count} constant slices of volumes were left out")] if count else []


def without_blank_slices(
    records: Sequence[Record], facts: Mapping[str, Facts], config: DataConfig
) -> tuple[list[Record], list[Warned], list[Problem]]:
    """Leave out slices of volumes and series that lie wholly below or above the window of their domain.

    Returns:
        The other records, how many were left out, and single images that show nothing.
    """
    try:
        windows = domain_windows(records, facts, config)
    except InputError as error:
        return list(records), [], [problem_of(error)]
    if not windows:
        return list(records), [], []
    kept, problems = [], []
    for record, place in zip(records, places_of(records, facts), strict=True):
        window, fact = windows.get(domain_of(record)), facts[record.image]
        low, high = fact.ends[record.slice or 0] if fact.ends else (fact.low, fact.high)
        if window is None or (low < window.high and high > window.low):
            kept.append(record)
        elif place is None:
            message = f"{record.name} shows nothing within the window {window}: its values are {low:g} to {high:g}"
            problems.append(Problem(message, "leave it out, or choose another data.window"))
    left_out = len(records) - len(kept) - len(problems)
    text = f"{left_out} slices of volumes that show nothing within the window were left out"
    return kept, [("constant-slices", text)] if left_out else [], problems


def split_warnings(records: Sequence[Record]) -> list[Warned]:
    """Say which target images have no label."""
    names = [record.name for record in records if record.domain == "target" and record.label is None]
    if not names:
        return []
    text = f"{len(names)} target images have no label and train the generator only: {some(names, 3)}"
    return [("unlabeled-targets", text)]
