"""Images and what is known about them: from files to splits, cached pixels and batches.

`inspect` validates without writing; `prepare` writes the resolved manifest, the split and the decoded pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth.base.errors import InputError
from medsynth.data.config import DataConfig
from medsynth.data.formats.windows import parse_windows
from medsynth.data.pseudonyms import Pseudonyms

if TYPE_CHECKING:
    from medsynth.data.formats.windows import Window
    from medsynth.data.images import Images, Record
    from medsynth.data.listing.examination import Examination
    from medsynth.data.problems import Warned

PHANTOM = "phantom"


@dataclass(frozen=True)
class Data:
    """Prepared data.

    Args:
        images: all images of all domains and splits.
        records: their records, in the same order.
        root: folder that images are relative to.
        split_hash: SHA-256 of who is in which split.
        warnings: what was left out or deserves a look, by kind.
        preprocessing: by domain the MONAI transform configs that read one file.
        windows: of the domains whose files are all scaled by the same values.
        positive: name of the positive class, ``positive`` where labels are numbers.
        known_truth: true counterparts of source images exist (domain ``oracle``).
        pseudonyms: what to call images and groups where others may read it.
    """

    images: Images
    records: tuple[Record, ...]
    root: Path
    split_hash: str
    warnings: tuple[Warned, ...]
    preprocessing: Mapping[str, list[dict[str, Any]]]
    positive: str
    known_truth: bool
    pseudonyms: Pseudonyms = field(default_factory=Pseudonyms)
    windows: Mapping[str, Window] = field(default_factory=dict)


def inspect(config: DataConfig, seed: int) -> tuple[tuple[Record, ...], Path, str]:
    """Validate everything about the data without writing anything.

    Every file is decoded once: missing, truncated, empty and constant images are refused here.

    Returns:
        Records with splits, the folder that they are relative to, and the split hash. The phantom is made by
        `prepare`; for it there is nothing to check, and no record is returned.

    Raises:
        InputError: with all problems of the first stage that has any: table and folders, files, splits.
    """
    parse_windows(config.window)
    if config.path == PHANTOM:
        _check_phantom(config)
        return (), Path(), ""
    found = _inspection(config, seed)
    return found.records, found.root, found.hash


def prepare(config: DataConfig, folder: Path, *, seed: int, progress: Callable[[int, int], None] | None = None) -> Data:
    """Resolve, split, validate and decode the data.

    Writes into `folder`: ``manifest.csv`` (resolved), ``split.json`` (hash and counts), ``preprocessing.json``, the
    decoded pixels, and for the phantom its images in ``phantom/``; then seals it. Calling it again reuses what is
    complete and unharmed.

    Args:
        config: where images come from, how they are read and split.
        folder: created if needed.
        seed: of the phantom and of drawn splits.
        progress: called with (images done, images in all).

    Raises:
        InputError: if the data cannot be used, see `inspect`; a file in `folder` is not as it was written, or the
            images are not those that it was made of.
    """
    from dataclasses import replace

    from medsynth.base.files import write_json
    from medsynth.base.seals import finish
    from medsynth.data.cache import load_images
    from medsynth.data.identity import check_prepared, identity, refuse_others
    from medsynth.data.listing.domains import domain_chains, domain_windows

    shown = config.show_names or config.path == PHANTOM  # nobody's names
    before, own = check_prepared(folder), config.path == PHANTOM
    if own:
        config = replace(config, path=str(write_phantom_for(config, folder, seed)))
    found = _inspection(config, seed)
    facts = identity(found.records, found.root, own=own)
    refuse_others(before, facts, found.root)
    places = [config.path, str(Path(config.path).absolute()), str(found.root), config.source, config.series]
    images = load_images(found.records, found.root, config, folder, progress, facts=found.facts)
    _write_manifest(found, folder / "manifest.csv")
    write_json(folder / "split.json", _summary(found))
    known = {name: digest for name, digest in before.get("files", {}).items() if name.startswith("pixels-")}
    finish(folder, known=known, facts=facts)
    return Data(
        images=images,
        records=found.records,
        root=found.root,
        split_hash=found.hash,
        # The phantom draws every patient anew: among many, some look alike by chance, and none can leak.
        warnings=(*found.warnings, *(() if own else _leak_warnings(images))),
        preprocessing=domain_chains(found.records, found.facts, config),
        positive=config.positive or "positive",
        known_truth=any(record.domain == "oracle" for record in found.records),
        windows=domain_windows(found.records, found.facts, config),
        pseudonyms=Pseudonyms.of(found.records, shown=shown, places=places),
    )


def _leak_warnings(images: Images) -> list[Warned]:
    """Name near-duplicates across splits, which make scores better than they are."""
    from medsynth.data.likeness import described, look_alikes
    from medsynth.data.problems import some

    pairs = [described(pair) for pair in look_alikes(images)]
    if not pairs:
        return []
    return [("look-alikes-across-splits", f"images look alike across splits, {len(pairs)} pairs: {some(pairs, 5)}")]


def _inspection(config: DataConfig, seed: int) -> Examination:
    from medsynth.data.listing.examination import inspect_data

    return inspect_data(config, seed)


def write_split(config: DataConfig, out: Path, *, seed: int) -> dict[str, Any]:
    """Write the manifest `out` with every patient's split, and return ``hash``, ``counts`` and ``warnings``.

    Raises:
        InputError: if the data cannot be used; see `inspect`.
    """
    if config.path == PHANTOM:
        raise InputError("the phantom comes with its splits", hint="give --data a manifest or a folder of images")
    found = _inspection(config, seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    _write_manifest(found, out)
    return _summary(found) | {"warnings": [{"kind": kind, "text": text} for kind, text in found.warnings]}


def _check_phantom(config: DataConfig) -> None:
    if config.neighbors or config.smooth:
        name = "data.neighbors" if config.neighbors else "data.smooth"
        hint = f"give --data volumes, or leave out {name}"
        raise InputError(f"{name} cannot be combined with the phantom, which has no volumes", hint=hint)
    if config.source:
        hint = "give --data the target images that these source images are to be translated to"
        raise InputError("data.source cannot be combined with the phantom", hint=hint)


def write_phantom_for(config: DataConfig, folder: Path, seed: int) -> Path:
    """Write the phantom once; it gets its final name when it is complete and sealed.

    Raises:
        InputError: a file of an earlier one is not as it was written.
    """
    from medsynth.base.files import new_folder
    from medsynth.base.seals import check, finish, is_finished
    from medsynth.data.phantom.cohort import write_phantom

    _check_phantom(config)
    final = folder / "phantom"
    if is_finished(final):
        check(final)
    else:
        with new_folder(final) as partial:
            write_phantom(
                partial,
                source=config.phantom_source,
                negative=config.phantom_negative,
                positive=config.phantom_positive,
                test=config.phantom_test,
                test_source=config.held_out_sources,
                size=config.size,
                seed=seed,
            )
            finish(partial)
    return final / "manifest.csv"


def _write_manifest(found: Examination, path: Path) -> None:
    from dataclasses import replace

    from medsynth.data.listing.image_table import write_manifest
    from medsynth.data.listing.paths import relative

    def moved(image: str) -> str:
        return relative(found.root / image, path.parent) if image else ""

    rows = [replace(record, image=moved(record.image), pair=moved(record.pair)) for record in found.records]
    write_manifest(rows, path)


def _summary(found: Examination) -> dict[str, Any]:
    from collections import Counter

    labels = {1: "positive", 0: "negative", None: "unknown"}
    counts = Counter(f"{record.domain} {labels[record.label]} {record.split}" for record in found.records)
    return {"hash": found.hash, "counts": dict(sorted(counts.items()))}
