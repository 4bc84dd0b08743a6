"""Time a training step of the preset quick, changed in one thing at a time.

Prints a Markdown table: processor time of one step on one thread and its ratio to a step of the preset timed beside it,
medians over several rounds. Compilation needs a C++ compiler and is left out with a sentence where it fails.

    python benchmarks/budget.py --rounds 9
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from train_step_subjects import Options, build_step

from medsynth.plan.plan import make_plan
from medsynth.plugins import Registry

SIZE, STEPS = 64, 4
BASE = "SG-CycleGAN"
SETTINGS = {
    "batches of two": "generator.batch_size=2",
    "width 8 instead of 16": "generator.width=8",
    "width 24": "generator.width=24",
    "width 32": "generator.width=32",
    "7 x 7 convolutions at full size": "generator.ends=7",
    "branches of one level": "generator.branch_levels=1",
    "branches of three levels": "generator.branch_levels=3",
    "no texture term": "generator.texture_weight=0",
    "no mutual information": "generator.information_weight=0",
    "no features around smaller ones": "generator.skips=false",
    "no domain classifier": "generator.domain_weight=0",
    "discriminators of width 8": "generator.discriminator_width=8",
}
GENERATORS = {"CycleGAN": "cyclegan", "UNIT": "unit", "MUNIT": "munit", "DCLGAN": "dclgan"}


def step_of(registry: Registry, generator: str, *settings: str, **training: str) -> Callable[[], object]:
    """Return a training step of a generator of the preset quick, after three of them; `training` is of the core."""
    plan = make_plan(
        registry, generator=generator, classifier="lsnet", preset="quick", seeds=[0], device="cpu", overrides=settings
    )
    fields = dataclasses.asdict(plan.generator_config)
    options = Options(SIZE, fields.pop("batch_size"), "cpu", 1, Path(), training=training)
    act = build_step(generator, "medsynth", options, **fields).act
    for _ in range(3):
        act()
    return act


def variants(registry: Registry) -> dict[str, Callable[[], object]]:
    """Return a training step of each variant."""
    built = {BASE: step_of(registry, "sg-cyclegan")}
    built |= {label: step_of(registry, "sg-cyclegan", setting) for label, setting in SETTINGS.items()}
    built["bf16"] = step_of(registry, "sg-cyclegan", precision="bf16")
    built["channels last"] = step_of(registry, "sg-cyclegan", channels_last="on")
    built["bf16, channels last"] = step_of(registry, "sg-cyclegan", precision="bf16", channels_last="on")
    built |= {label: step_of(registry, name) for label, name in GENERATORS.items()}
    try:
        built["compiled"] = step_of(registry, "sg-cyclegan", compile="on")
    except Exception as error:  # whatever the compiler says, the other variants can be timed
        print(f"compiled: left out, {str(error).splitlines()[0]}\n")
    return built


def milliseconds(step: Callable[[], object]) -> float:
    """Return the processor time of one step, the mean over a few."""
    start = time.process_time()
    for _ in range(STEPS):
        step()
    return (time.process_time() - start) / STEPS * 1000


def compare(steps: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return each variant's times, each beside the preset's taken just before or after it.

    A machine's speed wanders by a tenth within minutes, so that only neighbors can be compared.
    """
    pairs: dict[str, list[tuple[float, float]]] = {label: [] for label in steps}
    for number in range(rounds):
        for label in steps:
            order = [BASE, label] if number % 2 else [label, BASE]
            taken = {name: milliseconds(steps[name]) for name in order}
            pairs[label].append((taken[label], taken[BASE]))
    return pairs


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| | a step, ms | ratio | lowest to highest |\n| --- | ---: | ---: | --- |")
    for label, pairs in compare(variants(Registry()), options.rounds).items():
        ratios = [own / base for own, base in pairs]
        taken, ratio = statistics.median(own for own, _ in pairs), statistics.median(ratios)
        print(f"| {label} | {taken:.1f} | {ratio:.2f} | {min(ratios):.2f} to {max(ratios):.2f} |")


if __name__ == "__main__":
    main()
