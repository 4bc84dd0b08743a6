"""What the page shows of each domain, gathered while its images are decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medsynth.data.formats.probing import Facts
from medsynth.data.images import Images, Record
from medsynth.data.likeness import near_pairs, perceptual_hashes
from medsynth.report.drawing.svg import DASHES, SERIES, new_figure, plain, to_svg
from medsynth.report.pictures import png_address
from medsynth.report.sheet.unusual import unusual

SIDE = 112
"""Largest side of a thumbnail in pixels."""
IN_A_GROUP, PAIRS = 12, 20
_LABELS = {1: "positive", 0: "negative", None: "unknown class"}
_SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Thumbnail:
    """A small picture of an image.

    Args:
        record: of the image.
        address: the picture as ``data:image/png;base64,...``.
        note: what is said of it.
    """

    record: Record
    address: str
    note: str = ""


@dataclass(frozen=True)
class DomainSheet:
    """What the page shows of one domain.

    Args:
        domain: ``source`` or ``target``.
        groups: by class and split: name, number of images, some of them.
        unusual: images that stand out.
        pairs: images of different patients that look alike, with what is said of them; across splits first.
        more_pairs: so many are not shown.
        histogram: figure of intensities.
    """

    domain: str
    groups: Sequence[tuple[str, int, Sequence[Thumbnail]]]
    unusual: Sequence[Thumbnail]
    pairs: Sequence[tuple[Thumbnail, Thumbnail, str]]
    more_pairs: int
    histogram: str


@dataclass
class Gathered:
    """Sheets of the domains, in the order in which they were seen."""

    sheets: list[DomainSheet] = field(default_factory=list)

    def see(self, images: Images, facts: Mapping[str, Facts]) -> None:
        """Take what the page needs of the images of one domain."""
        domain = images.records[0].domain
        pairs = _alike(images)
        self.sheets.append(
            DomainSheet(
                domain=domain,
                groups=_groups(images),
                unusual=[_thumbnail(images, index, note) for index, note in unusual(images, facts)],
                pairs=[(_thumbnail(images, i), _thumbnail(images, j), text) for i, j, text in pairs[:PAIRS]],
                more_pairs=max(0, len(pairs) - PAIRS),
                histogram=_histogram(domain, images),
            )
        )


def _thumbnail(images: Images, index: int, note: str = "") -> Thumbnail:
    return Thumbnail(images.records[index], png_address(images.read(index), SIDE), note)


def _groups(images: Images) -> list[tuple[str, int, list[Thumbnail]]]:
    """Return some images of each class and split, spread evenly over all of them."""
    found = []
    for label, name in _LABELS.items():
        for split in (*_SPLITS, ""):
            own = [k for k, record in enumerate(images.records) if record.label == label and record.split == split]
            if own:
                some = images.take(own).spread(IN_A_GROUP)
                shown = [_thumbnail(some, k) for k in range(len(some))]
                found.append((f"{name}, {split or 'no split'}", len(own), shown))
    return found


def _alike(images: Images) -> list[tuple[int, int, str]]:
    """Return near-duplicates of different patients: across splits first, then the more alike."""
    records = images.records
    pairs = near_pairs(perceptual_hashes(images), images.patients.astype(str))
    pairs.sort(key=lambda pair: (records[pair[0]].split == records[pair[1]].split, pair[2], pair[0], pair[1]))
    return [(i, j, _said(records[i], records[j], bits)) for i, j, bits in pairs]


def _said(one: Record, other: Record, bits: int) -> str:
    where = f"both in {one.split}" if one.split == other.split else f"{one.split} and {other.split}: a leak"
    classes = "" if one.label == other.label else f", {_LABELS[one.label]} and {_LABELS[other.label]}"
    return f"{where}{classes}; {bits} of 64 bits differ"


def _histogram(domain: str, images: Images) -> str:
    """Return how frequent intensities are, as networks will see them, one line per split."""
    figure = new_figure(5.2, 2.3)
    axes: Any = figure.add_subplot()
    plain(axes)
    edges = np.linspace(-1, 1, 65)
    by_split = {split: own for split in (*_SPLITS, "") if len(own := images.select(split=split))}
    for index, (split, own) in enumerate(by_split.items()):
        counts = sum(np.histogram(own.read(k), edges)[0] for k in range(len(own)))
        share = counts / max(1, int(np.sum(counts)))
        style = {"color": SERIES[index % len(SERIES)], "linestyle": DASHES[index % len(DASHES)], "linewidth": 1.6}
        axes.step(edges[:-1], share, where="post", label=split or "no split", **style)
    axes.set_yscale("log")
    axes.set(xlabel="intensity after scaling", ylabel="share of pixels")
    axes.legend(frameon=False, fontsize=9)
    return to_svg(figure, f"histogram-{domain}", f"Intensities of the {domain} images, by split")
