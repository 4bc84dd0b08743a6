"""What synthesis was worth in finished runs, over their seeds and test patients at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medsynth.api import Predictions, Subject
from medsynth.report.verdict import meaning_of
from medsynth.results.reading import RunResult
from medsynth.results.stage_keys import stage_key
from medsynth.statistics.gain import CONTROLS, Gain, gains

CONTROL_LABELS = dict(zip(CONTROLS, ("real images only", "source images untranslated"), strict=True))


@dataclass(frozen=True, kw_only=True)
class RowGains:
    """What one row's synthetic images were worth.

    Args:
        label: of the row.
        gains: over real images only, and over untranslated ones where there is such a row.
    """

    label: str
    gains: tuple[Gain, ...]

    @property
    def sentence(self) -> str:
        """Return the verdict, in words first."""
        over = "; ".join(f"{gain.shown} over {CONTROL_LABELS[gain.against]}" for gain in self.gains)
        return f"{self.label}: {meaning_of(self.gains)[1]}. AUC {over}; {self.gains[0].basis}."


def gains_of(results: Sequence[RunResult], others: Sequence[RunResult] = ()) -> tuple[Gain, ...]:
    """Return the gains of trainings of one kind, each with another seed.

    Args:
        results: the trainings.
        others: where a control is looked for that a training's own run did not train: the same training, by all that
            decides it, judged on the same images.
    """
    trainings: list[dict[str, Predictions]] = []
    for result in results:
        rows = {row: predictions_of(row, result, others) for row in (Subject.SYNTHETIC, *CONTROLS)}
        trainings.append({row: judged for row, judged in rows.items() if judged is not None})
    if len({result.test_data for result in results}) > 1:
        return ()
    return tuple(gains(trainings))


def predictions_of(row: str, result: RunResult, others: Sequence[RunResult]) -> Predictions | None:
    """Return what a training's classifier of a row predicted, or the same control's of another run; see `gains_of`."""
    own = result.predictions(row)
    if own is not None or row == Subject.SYNTHETIC:
        return own
    key = _key(row, result)
    same = (other for other in others if _key(row, other) == key and other.test_data == result.test_data)
    return next((found for other in same if (found := other.predictions(row)) is not None), None)


def _key(row: str, result: RunResult) -> str:
    """Return what tells the training of a control from others; it depends on no generator."""
    seed = int(result.plan["seeds"][0])
    return stage_key(result.plan, result.record, f"classifier/{row}", "classifier", seed=seed)
