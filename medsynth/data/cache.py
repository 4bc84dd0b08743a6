"""Pixels on disk: every image is decoded once into a memory map that all stages share."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth.base.errors import InputError
from medsynth.base.files import not_written, write_json
from medsynth.data.config import DataConfig
from medsynth.data.formats.chains import Chain, FileDecoder
from medsynth.data.formats.probing import Facts
from medsynth.data.formats.stacks import Stacks
from medsynth.data.listing.domains import domain_chains, domain_infos, domain_of
from medsynth.data.listing.places import join_series, places_of
from medsynth.data.problems import Problem, problem_of, refuse

if TYPE_CHECKING:
    import numpy as np

    from medsynth.data.images import Images, Record

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""


def cache_bytes(records: Sequence[Record], config: DataConfig) -> int:
    """Return the bytes that the decoded images take on disk; for a phantom that has no records yet, at most."""
    count = len(records)
    if not records and config.path == "phantom":
        sources, targets = config.phantom_source, config.phantom_negative + config.phantom_positive
        # every source image has a true counterpart, and the extra test patients come per class and domain
        count = 2 * (sources + 2 * config.held_out_sources) + targets + 2 * config.phantom_test
    return 128 + count * config.stacked * config.size**2 * 4


def load_images(
    records: Sequence[Record],
    root: Path,
    config: DataConfig,
    folder: Path,
    progress: Progress | None = None,
    *,
    facts: Mapping[str, Facts] | None = None,
) -> Images:
    """Decode every record once into a float32 memory map in `folder`, or reuse a complete one with the same key.

    The file appears under its final name only when it is complete, so a killed run never leaves a broken cache.
    One file at a time is in memory. Also writes ``preprocessing.json``: the transforms of each domain.

    Args:
        records: the images, in the order of the result.
        root: folder that `Record.image` is relative to.
        config: how images are read.
        folder: where the cache lies; created if needed.
        progress: told after every file.
        facts: by `Record.image`, if the files were examined before.

    Raises:
        InputError: names the first ten files that cannot be read or are constant.
    """
    import numpy as np

    from medsynth.data.images import Images

    if facts is None:
        from medsynth.data.listing.examination import examine_files

        facts, problems = examine_files(records, root, config)
        refuse(problems)
    folder.mkdir(parents=True, exist_ok=True)
    chains = domain_chains(records, facts, config)
    write_json(folder / "preprocessing.json", chains)
    path = folder / f"pixels-{_key(records, root, facts, config, chains)}.npy"
    if not path.exists():
        for stale in folder.glob("pixels-*"):
            stale.unlink()
        refuse(_decode(records, root, config, path, facts, progress))
    elif progress:
        progress(len(records), len(records))
    # As a plain array: selecting from a memmap object takes longer than copying a small image.
    pixels = np.load(path, mmap_mode="r").view(np.ndarray)
    places = tuple(places_of(records, facts)) if config.neighbors else ()
    return Images(tuple(records), pixels, np.arange(len(records)), config.neighbors, places)


def _key(
    records: Sequence[Record],
    root: Path,
    facts: Mapping[str, Facts],
    config: DataConfig,
    chains: Mapping[str, Chain],
) -> str:
    """Return what stands for the pixels: files, how they are made, and which values decoding gave."""
    settings = [chains, config.size, config.channels, *([config.neighbors] if config.neighbors else [])]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for record in records:
        stat = (root / record.image).stat()
        of_file = [stat.st_size, stat.st_mtime_ns, facts[record.image].hash]
        digest.update(json.dumps([record.name, domain_of(record), *of_file]).encode())
    return digest.hexdigest()[:16]


def _decode(
    records: Sequence[Record],
    root: Path,
    config: DataConfig,
    path: Path,
    facts: Mapping[str, Facts],
    progress: Progress | None,
) -> list[Problem]:
    partial = path.with_suffix(".partial")
    shape = (len(records), config.stacked, config.size, config.size)
    pixels = new_map(partial, shape)
    infos = domain_infos(records, facts, config)
    decoders: dict[str, FileDecoder] = {}
    problems: list[Problem] = []
    order = sorted(range(len(records)), key=lambda i: (records[i].image, domain_of(records[i])))
    done = 0
    for (image, domain), group in groupby(order, key=lambda i: (records[i].image, domain_of(records[i]))):
        rows = list(group)
        if domain not in decoders:
            decoders[domain] = FileDecoder(infos[domain], config)
        try:
            images = decoders[domain].read(root / image, [records[i].slice for i in rows])
        except InputError as error:  # it was changed since it was examined
            problems.append(problem_of(error))
            continue
        except Exception as error:  # transforms raise many types
            problems.append(Problem(f"{root / image} cannot be scaled and resized: {error}"))
            continue
        problems += [Problem(f"{records[i].name} is constant") for i, x in zip(rows, images, strict=True) if _flat(x)]
        for i, x in zip(rows, images, strict=True):
            pixels[i] = x
        done += len(rows)
        if progress:
            progress(done, len(records))
    if config.neighbors:
        join_series(pixels, records, places_of(records, facts), Stacks(config.neighbors))
    pixels.flush()
    del pixels
    _publish(partial, path, problems)
    return problems


def new_map(path: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.float32]]:
    """Create a NumPy file of float32 and map it, after claiming its blocks: a map on a full disk kills without a word.

    Raises:
        RunError: there is no room, or a limit on the size of files; the file is gone.
    """
    import numpy as np

    try:
        pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        if hasattr(os, "posix_fallocate"):
            with path.open("rb+") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        path.unlink(missing_ok=True)
        size = 4 * math.prod(shape)
        raise not_written(path, error, f"no room for {size / 2**20:.0f} MiB: ") from error
    return pixels


def _flat(image: np.ndarray) -> bool:
    return bool(image.min() == image.max())


def _publish(partial: Path, path: Path, problems: Sequence[Problem]) -> None:
    """Give the complete file its final name, or remove it if there are problems."""
    if problems:
        partial.unlink()
        return
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    partial.replace(path)
