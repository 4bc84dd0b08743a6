"""A finished run as Python sees it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth.door.frame import Frame, html_pictures

if TYPE_CHECKING:
    from medsynth.api import Score

HEADLINES = {
    "image-quality": ("kid", "fid"),
    "structure": ("edge_agreement",),
    "diagnostic": ("roc_auc", "sensitivity", "specificity"),
    "synthesis": ("gain",),
}
"""Scores that are looked for first, by evaluator; the report has all of them."""
PICTURES = 3
"""Pairs of images that a notebook shows."""
_COLUMNS = ("evaluator", "name", "subject", "value", "low", "high", "n", "unit")


class Scores(tuple["Score", ...]):
    """The scores of a run, each a `medsynth.api.Score`."""

    __slots__ = ()

    def frame(self) -> Frame:
        """Return one row a score; ``pandas.DataFrame(scores.frame())`` makes a data frame of it."""
        return Frame({column: getattr(score, column) for column in _COLUMNS} for score in self)

    def headline(self) -> Scores:
        """Return the few that are looked for first."""
        return Scores(score for score in self if score.name in HEADLINES.get(score.evaluator, ()))

    def _repr_html_(self) -> str:
        return self.frame()._repr_html_()


@dataclass(frozen=True)
class FinishedRun:
    """What a run ends with; in a notebook the head of its report and a few images.

    Args:
        folder: of the run.
        scores: what its evaluators measured.
        report: report.html.
        bundle: folder of the bundle; `medsynth.load` opens it.
        leads: whether this process has the results; of several that torchrun started only one has.
    """

    folder: Path
    scores: Scores
    report: Path
    bundle: Path
    leads: bool = True

    @cached_property
    def record(self) -> Mapping[str, Any]:
        """Content of run.json: stages, versions, warnings, verdict."""
        content: Mapping[str, Any] = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        return content

    @property
    def verdict(self) -> str:
        """The sentence that the report begins with."""
        return str(self.record["verdict"]["sentence"])

    @property
    def answer(self) -> str:
        """The verdict in one short sentence; empty where nothing was compared."""
        return str(self.record["verdict"].get("answer", ""))

    def as_dict(self) -> dict[str, Any]:
        """Return what ``medsynth run --json`` prints."""
        return {
            **json.loads((self.folder / "scores.json").read_text(encoding="utf-8")),
            **{name: self.record[name] for name in ("verdict", "warnings")},
            "folder": str(self.folder),
            "report": str(self.report),
            "bundle": str(self.bundle),
        }

    def _repr_html_(self) -> str:
        title = f"<h3>{escape(self.folder.name)}</h3><p>{escape(self.verdict)}</p>"
        report = f"<p>report {escape(str(self.report))}<br>bundle {escape(str(self.bundle))}</p>"
        return title + self.scores.headline()._repr_html_() + html_pictures(sample_pictures(self.bundle)) + report


def sample_pictures(bundle: Path) -> dict[str, bytes]:
    """Return the first samples of a bundle's folder, each with its translation, as PNG files by caption."""
    names = sorted(path.name for path in (bundle / "samples/source").glob("*.png"))[:PICTURES]
    return dict(_pairs(bundle / "samples", names))


def _pairs(folder: Path, names: Iterable[str]) -> Iterable[tuple[str, bytes]]:
    for name in names:
        for kind, caption in (("source", "source"), ("translated", "synthetic")):
            if (folder / kind / name).is_file():
                yield f"{caption} {Path(name).stem.rpartition('-')[2]}", (folder / kind / name).read_bytes()
