"""Time and peak memory of one training step of medsynth's generators against the same step as published code has it.

Both sides have equal networks, weights, images and losses, at the plugins' default sizes. Each has a process of its
own; they take turns, and a ratio is the median of those of the turns.

Beside it stands how far the gradients of one step differ, computed in float64: the largest difference of any weight's
gradient, relative to that gradient's length or, if that is more, to a thousandth of the longest one's. (Gradients of
biases in front of a norm are rounding only.) For it, the constant of UNIT's and MUNIT's norms, 1e-5, is 1e-12: medsynth
adds it inside a square root instead of outside.

    python benchmarks/train_step.py
    python benchmarks/train_step.py --generators dclgan --size 256 --parts patch-nce
    python benchmarks/train_step.py --device cuda --size 256     (medsynth in bf16, the plain side in fp32)

Parts: ``patch-nce``, one tap's contrastive loss with its gradient; ``adam``, one optimizer step on the parameters of
two generators; ``cache``, sixteen accesses to images in medsynth's cache against decoding PNG files of that size.
Ends with status 1 if a ratio is below its target or gradients differ.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

from train_step_subjects import FORMS, GENERATORS, PARTS, Options, Subject, build

TARGETS = {"cyclegan": 1.0, "unit": 1.08, "munit": 1.08, "sg-cyclegan": 1.08, "dclgan": 3.0, "dclgan 256": 1.25}
TARGETS |= {"patch-nce": 100.0, "adam": 1.0, "cache": 50.0}
GPU_TARGET = 2.5
DIFFERENCE = 1e-8
"""Allowed relative difference of gradients."""
FLOOR = 1e-3
SHORTEST_TURN = 0.2
"""Seconds for which a short action is repeated in each turn."""


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Compute in float64 throughout: casts to float32 and the place of a constant change nothing."""
    import plain_networks
    import torch

    from medsynth.networks import encoders as content

    kept = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    with (
        mock.patch.object(torch.Tensor, "float", torch.Tensor.double),
        mock.patch.object(plain_networks, "EPS", 1e-12),
        mock.patch.object(content, "EPS", 1e-12),
    ):
        try:
            yield
        finally:
            torch.set_default_dtype(kept)


def results(subject: Subject) -> dict[str, Any]:
    """Act once; return the gradients that each optimizer is given, and further results, by name."""
    import torch

    found: dict[str, Any] = {}

    def watch(name: str, optimizer: Any) -> None:
        def keep(*_: Any) -> None:
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            found.update({f"{name} {place}": weight.grad.clone() for place, weight in enumerate(weights)})

        optimizer.register_step_pre_hook(keep)

    for name, optimizer in subject.optimizers.items():
        watch(name, optimizer)
        for group in optimizer.param_groups:
            # Adam's first step is a sign: what is updated first would turn rounding into other judgments.
            group["lr"] = 0.0
    torch.manual_seed(1)
    subject.act()
    return found | subject.results()


def difference(expected: Mapping[str, Any], found: Mapping[str, Any]) -> float:
    """Return the largest relative difference of two sets of results; infinite if the names differ."""
    if not expected or expected.keys() != found.keys():
        return float("inf")
    floor = FLOOR * max(float(tensor.norm()) for tensor in expected.values())
    return max(
        float((found[name] - tensor).norm()) / max(float(tensor.norm()), floor) for name, tensor in expected.items()
    )


def check(name: str, options: Options, **fields: Any) -> float:
    """Return how far the results of both sides differ."""
    import torch

    torch.set_num_threads(options.threads)
    with exact_arithmetic():
        return difference(*(results(build(name, form, replace(options, exact=True), **fields)) for form in FORMS))


def serve(connection: Connection, name: str, form: str, options: Options) -> None:
    """Build one side in this process; act whenever asked, then say what memory and operations that took."""
    import torch

    torch.set_num_threads(options.threads)
    cuda = options.device == "cuda"
    subject = build(name, form, options)
    synchronize = torch.cuda.synchronize if cuda else lambda: None

    def seconds(repetitions: int) -> float:
        start = time.perf_counter()
        for _ in range(repetitions):
            subject.act()
        synchronize()
        return (time.perf_counter() - start) / repetitions

    repetitions = 1 if seconds(1) > SHORTEST_TURN else max(1, int(SHORTEST_TURN / seconds(1)))
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    connection.send(None)
    while connection.recv() == "act":
        connection.send(seconds(repetitions))
    if cuda:
        facts = {"peak": torch.cuda.max_memory_allocated() / 2**20}
        facts |= operations(subject) if name not in PARTS else {}
    else:
        unit = 1024 if sys.platform != "darwin" else 1024**2
        facts = {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}
    connection.send(facts)


def operations(subject: Subject) -> dict[str, float]:
    """Return the floating-point operations of a step, and those per second of a large bf16 matrix product."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        subject.act()
    side, repetitions = 8192, 50
    matrix = torch.randn(side, side, device="cuda", dtype=torch.bfloat16)
    torch.mm(matrix, matrix)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repetitions):
        torch.mm(matrix, matrix)
    torch.cuda.synchronize()
    attained = repetitions * 2 * side**3 / (time.perf_counter() - start)
    return {"operations": counter.get_total_flops(), "attained": attained}


class Side:
    """One side in a process of its own, whose peak memory nothing else has raised."""

    def __init__(self, name: str, form: str, options: Options) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, name, form, options), daemon=True)
        self.process.start()
        other.close()
        self.connection.recv()

    def act(self) -> float:
        """Return the mean seconds of an action in one turn."""
        self.connection.send("act")
        return self.connection.recv()

    def finish(self) -> dict[str, float]:
        """End the process; return peak memory (MiB) and more."""
        self.connection.send("finish")
        facts = self.connection.recv()
        self.process.join()
        return facts


# ---------------------------------------------------------------- output


def compare(name: str, options: Options, steps: int) -> bool:
    """Measure and print one row; say whether it is as it should be."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
        apart = alone.submit(check, name, options).result()
    sides = [Side(name, form, options) for form in FORMS]
    turns = [[side.act() for side in sides] for _ in range(steps)]
    plain, own = (side.finish() for side in sides)
    ratio = statistics.median(before / after for before, after in turns)
    before, after = (statistics.median(column) for column in zip(*turns, strict=True))
    target = TARGETS.get(f"{name} {options.size}", TARGETS[name])
    if options.device == "cuda" and name not in PARTS:
        target = GPU_TARGET
    print(
        f"| {name} | {1e3 * before:.4g} | {1e3 * after:.4g} | {ratio:.2f} | {target:g} | {apart:.0e} | "
        f"{plain['peak']:.0f} | {own['peak']:.0f} |",
        flush=True,
    )
    if "operations" in own:
        rate, share = own["operations"] / after, own["operations"] / after / own["attained"]
        print(
            f"  {2 * options.batch / after:.1f} images/s, {rate / 1e12:.1f} TFLOP/s, "
            f"{share:.0%} of a large bf16 matrix product's {own['attained'] / 1e12:.0f}",
            flush=True,
        )
    return apart <= DIFFERENCE and ratio >= target


def parse() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generators", nargs="*", choices=GENERATORS, default=GENERATORS)
    parser.add_argument("--parts", nargs="*", choices=tuple(PARTS), default=tuple(PARTS))
    parser.add_argument("--size", type=int, nargs="+", default=[64, 256], help="height and width of images")
    parser.add_argument("--batch", type=int, default=1, help="images per domain in a step")
    parser.add_argument("--steps", type=int, default=5, help="turns of both sides")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main() -> int:
    """Print a table per size; return the exit status."""
    given, passed = parse(), []
    for size in given.size:
        print(
            f"\n{size} x {size}, batch {given.batch}, {given.device}, {given.threads} thread(s), {given.steps} turns\n"
        )
        print("| | plain, ms | medsynth, ms | ratio | at least | gradients differ by | plain, MiB | medsynth, MiB |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
        for name in [*given.generators, *given.parts]:
            with tempfile.TemporaryDirectory() as folder:
                options = Options(size, given.batch, given.device, given.threads, Path(folder))
                passed.append(compare(name, options, given.steps))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    raise SystemExit(main())
