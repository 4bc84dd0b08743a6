"""What a bundle says about one's own images, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medsynth.door.frame import Frame

if TYPE_CHECKING:
    import numpy as np

    from medsynth.statistics.flags.reference import Judgment


@dataclass(frozen=True)
class Predicted:
    """What a classifier says about images; in a notebook a table.

    Args:
        names: of the images: paths, with ``#index`` for a slice of several, or their number.
        probabilities: (N,) float64, of the positive class.
        decisions: (N,) bool: the probability is at least the bundle's threshold.
    """

    names: tuple[str, ...]
    probabilities: np.ndarray
    decisions: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def frame(self) -> Frame:
        """Return one row an image; ``pandas.DataFrame`` makes a data frame of it."""
        rows = zip(self.names, self.probabilities.tolist(), self.decisions.tolist(), strict=True)
        return Frame({"image": name, "probability": p, "decision": int(called)} for name, p, called in rows)

    def _repr_html_(self) -> str:
        return self.frame()._repr_html_()


@dataclass(frozen=True)
class Flagged:
    """Translations and how far each is to be trusted; in a notebook a table.

    Args:
        translations: as `LoadedBundle.translate` returns them, one for each image.
        names: of their slices: paths or numbers of images, with ``#index`` for a slice of several.
        judgments: of their slices: ``numbers``, ``percentiles``, ``suspicion`` and ``reason``.
    """

    translations: list[Any]
    names: tuple[str, ...]
    judgments: tuple[Judgment, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def suspicious(self) -> tuple[str, ...]:
        """Names of the slices that are to be distrusted."""
        return tuple(name for name, one in zip(self.names, self.judgments, strict=True) if one.reason)

    def frame(self) -> Frame:
        """Return one row a slice, with the columns of ``flags.csv``."""
        from medsynth.inference.flags.columns import number_cells, number_columns

        return Frame(
            {"image": name, **dict(zip(number_columns(one.numbers), number_cells(one, one.numbers), strict=True))}
            for name, one in zip(self.names, self.judgments, strict=True)
        )

    def _repr_html_(self) -> str:
        return self.frame()._repr_html_()
