"""What synthesis was worth in real positive patients, in finished runs that differ in the number of these."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from medsynth.api import Predictions
from medsynth.results.gains import predictions_of
from medsynth.results.reading import RunResult
from medsynth.statistics.worth import AREA, COMPARED, SENSITIVITY, Estimate, Level, Scarcity, scarcity


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What the synthetic images of one generator were worth to one classifier.

    Args:
        label: generator and classifier.
        scarcity: the figures.
    """

    label: str
    scarcity: Scarcity

    @property
    def sentence(self) -> str:
        """Return the worth with the fewest real positive patients, which is where synthesis is asked for."""
        found, worth = self.scarcity, self.scarcity.worth[0]
        few, most = found.numbers[0], found.numbers[-1]
        with_, without = (found.scores[subject][AREA][0].value for subject in COMPARED)
        start = f"{self.label}: with {few} real positive patients, synthetic images were worth"
        luck = "One training, whose luck is not in the interval" if found.trainings == 1 else f"{found.trainings} seeds"
        basis = f"{luck}, {found.patients:,} test patients."
        if not worth.value > 0.0:
            return f"{start} none (AUC {with_:.3f} with them, {without:.3f} without). {basis}"
        doubt = "" if worth.low > 0.0 else ", which cannot be told from none"
        if math.isinf(worth.value):
            reason = f"the rising curve of real images alone does not reach the AUC of {with_:.3f} with {most}"
        else:
            reason = f"real images alone take {few + round(worth.value)} for the same AUC of {with_:.3f}"
        return f"{start} {worth_text(worth, few, most)} further ones{doubt}: {reason}. {basis}"


def worths_of(rows: Sequence[Mapping[str, RunResult]], others: Sequence[RunResult]) -> tuple[Worth, ...]:
    """Return the worth for each generator and classifier of which runs differ in ``classifier.positives``.

    Args:
        rows: runs by seed, those of a row alike but for the seed.
        others: where the classifier on real images only is looked for that a run did not train itself.

    Returns:
        Nothing for those with a single number of positive patients, without real images only, or on other test images.
    """
    kinds: dict[str, list[Mapping[str, RunResult]]] = defaultdict(list)
    for row in rows:
        if row:
            kinds[_kind(next(iter(row.values())))].append(row)
    return tuple(found for alike in kinds.values() if (found := _worth(alike, others)) is not None)


def _kind(result: RunResult) -> str:
    """Return what rows have in common that differ in the number of positive patients only."""
    plan = {name: value for name, value in result.plan.items() if name not in ("seeds", "training")}
    classifier = {name: value for name, value in plan["classifier"].items() if name != "positives"}
    return json.dumps({**plan, "classifier": classifier}, sort_keys=True, default=str)


def _worth(rows: Sequence[Mapping[str, RunResult]], others: Sequence[RunResult]) -> Worth | None:
    # Numbers beyond those that there are name the same patients: the first row stands for all of them.
    by_number = {row_number: row for row in reversed(rows) if (row_number := _number(row))}
    seeds = [seed for seed in rows[0] if all(seed in row for row in by_number.values())]
    levels = [level for number, row in by_number.items() if (level := _level(number, row, seeds, others)) is not None]
    results = [row[seed] for row in by_number.values() for seed in seeds]
    if not seeds or len(levels) < 2 or len({result.test_data for result in results}) > 1:
        return None
    plan = results[0].plan
    return Worth(label=f"{plan['generator']['name']} + {plan['classifier']['name']}", scarcity=scarcity(levels))


def _number(row: Mapping[str, RunResult]) -> int:
    return next(iter(row.values())).positives


def _level(
    number: int, row: Mapping[str, RunResult], seeds: Sequence[str], others: Sequence[RunResult]
) -> Level | None:
    found: dict[str, list[Predictions]] = {}
    for subject in COMPARED:
        judged = [predictions_of(subject, row[seed], others) for seed in seeds]
        found[subject] = [one for one in judged if one is not None]
    complete = all(len(judged) == len(seeds) for judged in found.values())
    return Level(number=number, trainings=found) if complete else None


def worth_text(worth: Estimate, number: int, most: int) -> str:
    """Return a worth with its interval, with words where it lies beyond what was measured.

    Args:
        worth: of `number` real positive patients.
        number: of these.
        most: the largest number that was tried.
    """

    def shown(value: float) -> str:
        if math.isinf(value):
            return f"more than {most - number}" if value > 0 else "none"
        return f"{round(value)}"

    if math.isnan(worth.low):
        return shown(worth.value)
    return f"{shown(worth.value)} (95 % interval {shown(worth.low)} to {shown(worth.high)})"


WORTH_COLUMNS = (
    "real positive patients", "AUC, real images only", "AUC, with synthetic images",
    "sensitivity, real images only", "sensitivity, with synthetic images", "further real positives worth",
)  # fmt: skip


def worth_rows(found: Worth) -> list[list[str]]:
    """Return a row of text per number of real positive patients, under `WORTH_COLUMNS`."""
    numbers, scores = found.scarcity.numbers, found.scarcity.scores
    columns = [scores[subject][name] for name in (AREA, SENSITIVITY) for subject in reversed(COMPARED)]
    return [
        [
            f"{number}",
            *(f"{c[place].value:.3f} ({c[place].low:.3f} to {c[place].high:.3f})" for c in columns),
            worth_text(found.scarcity.worth[place], number, numbers[-1]).replace("95 % interval ", ""),
        ]
        for place, number in enumerate(numbers)
    ]


def as_records(found: Worth) -> dict[str, Any]:
    """Return it as study.json holds it; a worth beyond what was measured has no number but ``beyond``."""
    own = found.scarcity
    levels = [
        {
            "positives": number,
            "worth": _plain(own.worth[place]),
            **{
                f"{subject}.{name}": _plain(values[place])
                for subject in COMPARED
                for name, values in own.scores[subject].items()
            },
        }
        for place, number in enumerate(own.numbers)
    ]
    return {
        "kind": found.label,
        "sentence": found.sentence,
        "seeds": own.trainings,
        "patients": own.patients,
        "levels": levels,
    }


def _plain(estimate: Estimate) -> dict[str, float | str | None]:
    words = {math.inf: "above", -math.inf: "below"}
    return {name: words.get(value, None if math.isnan(value) else value) for name, value in asdict(estimate).items()}
