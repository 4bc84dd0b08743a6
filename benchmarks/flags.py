"""Whether flags find translations in which a lesion was erased or invented.

Takes a finished run on the phantom. Each held-out source gets other anatomies: without its lesion, with its breach of
the junctional zone closed, with a lesion or a breach that it does not have. Their MRI, with the same noise, are
translated by the run's own generator, and the results pass for translations of the unaltered source: nothing but the
lesion is wrong with them. The area under the ROC curve says how well `suspicion` tells them from what the generator
makes of the sources themselves. All thresholds come from the run's validation images.

    python benchmarks/flags.py RUN
"""

from __future__ import annotations

import argparse
import csv
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from medsynth.bundle.opening.opened import TRANSLATOR, open_bundle
from medsynth.data.phantom.anatomy import Anatomy, draw_anatomy
from medsynth.data.phantom.cohort import _random, draw_patient
from medsynth.data.phantom.rendering import render_mri
from medsynth.inference.flags.judges import load_flags
from medsynth.inference.translate.translator import load_translator
from medsynth.statistics.flags.reference import Judgment
from medsynth.statistics.scores.delong import area_covariance

BATCH = 16


def altered(anatomy: Anatomy, rng: np.random.Generator) -> Iterator[tuple[str, Anatomy]]:
    """Yield what a translation could wrongly show instead of an anatomy, and what it is called."""
    lesion = anatomy.lesion
    if lesion is None:
        yield "lesion invented", replace(anatomy, lesion=draw_anatomy(rng, positive=True).lesion)
    elif lesion.depth > 0.0:
        yield "lesion erased", replace(anatomy, lesion=None)
        yield "breach erased", replace(anatomy, lesion=replace(lesion, depth=0.0))
    else:
        yield "breach invented", replace(anatomy, lesion=replace(lesion, depth=rng.uniform(0.3, 0.85)))
        yield "confined lesion erased", replace(anatomy, lesion=None)


def scanned(anatomy: Anatomy, number: int, size: int, seed: int) -> np.ndarray:
    """Return the MRI of an anatomy as the phantom writes it, (1, size, size) in [-1, 1]; its noise is the patient's."""
    image = render_mri(anatomy, size, _random(seed, number, "mri"))
    grey = np.round(np.clip(image, 0.0, 1.0) * 255.0)
    return (grey / 127.5 - 1.0).astype(np.float32)[None]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    plan = tomllib.loads((run / "plan.toml").read_text())["data"]
    opened = open_bundle(run, TRANSLATOR)
    translator, flags = load_translator(opened, "cpu"), load_flags(opened, "cpu")
    if flags is None:
        raise SystemExit(f"{run} holds no bundle with flags")

    def judged(sources: Sequence[np.ndarray], shown: Sequence[np.ndarray]) -> list[Judgment]:
        found: list[Judgment] = []
        for start in range(0, len(sources), BATCH):
            own, other = (np.stack(images[start : start + BATCH]) for images in (sources, shown))
            found += flags.of_translations(own, translator.translate(torch.from_numpy(other)).numpy())
        return found

    sources, pairs = read_pairs(run, int(plan["size"]), int(plan["seed"]))
    unaltered = judged([image for _, image in sources], [image for _, image in sources])
    wrong = judged([sources[row][1] for row, _, _ in pairs], [image for _, _, image in pairs])
    patients = [number for number, _ in sources] + [sources[row][0] for row, _, _ in pairs]
    show(unaltered, wrong, [kind for _, kind, _ in pairs], patients, flags.numbers)


def read_pairs(
    run: Path, size: int, seed: int
) -> tuple[list[tuple[int, np.ndarray]], list[tuple[int, str, np.ndarray]]]:
    """Return held-out sources with their patients, and other anatomies for each: its row, their kind, their MRI."""
    with (run / "data/manifest.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if (row["domain"], row["split"]) == ("source", "test")]
    sources, pairs = [], []
    for row in rows:
        number = int(row["patient"].removeprefix("P"))
        anatomy = draw_patient(number, int(row["label"]), seed)
        for kind, other in altered(anatomy, _random(seed, number, "altered")):
            pairs.append((len(sources), kind, scanned(other, number, size, seed)))
        sources.append((number, scanned(anatomy, number, size, seed)))
    return sources, pairs


def show(
    unaltered: Sequence[Judgment],
    wrong: Sequence[Judgment],
    kinds: Sequence[str],
    patients: Sequence[int],
    numbers: Sequence[str],
) -> None:
    """Print a line for each kind of alteration, and for all; intervals by DeLong, clustered by patient."""
    print(f"| altered | n | suspicion | {' | '.join(numbers)} | suspicious |")
    print(f"| --- | --- | --- | {'--- | ' * len(numbers)}--- |")
    for kind in ("all", *dict.fromkeys(kinds)):
        rows = [row for row, own in enumerate(kinds) if kind in ("all", own)]
        both = [*unaltered, *(wrong[row] for row in rows)]
        labels = [0] * len(unaltered) + [1] * len(rows)
        owners = np.array([*patients[: len(unaltered)], *(patients[len(unaltered) + row] for row in rows)]).astype(str)
        values = [[one.suspicion for one in both], *([one.numbers[name] for one in both] for name in numbers)]
        areas, covariance = area_covariance(np.array(values), labels, owners)
        half = 1.96 * float(np.sqrt(covariance[0, 0]))
        first = f"{areas[0]:.3f} ({areas[0] - half:.3f} to {min(1.0, areas[0] + half):.3f})"
        found = np.mean([bool(wrong[row].reason) for row in rows])
        print(f"| {' | '.join([kind, str(len(rows)), first, *(f'{a:.3f}' for a in areas[1:]), f'{found:.0%}'])} |")
    print(f"unaltered: {len(unaltered)}, suspicious {np.mean([bool(one.reason) for one in unaltered]):.1%}")


if __name__ == "__main__":
    main()
