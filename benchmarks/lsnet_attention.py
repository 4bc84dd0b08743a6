"""Time and memory of LSNet's attention against the same attention that repeats keys before it gathers them.

Prints the latency of one 320 x 320 image and the memory growth of a training step with four, both with equal
weights and outputs compared first. Ends with status 1 if the ratios are below 5 (time) or above 1/4 (memory).

    python benchmarks/lsnet_attention.py --threads 1
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F
from medsynth_lsnet import network
from medsynth_lsnet.attention import attend
from medsynth_lsnet.network import LSNet
from repeat_then_gather import repeat_then_gather
from torch import Tensor

FORMS = {"direct": attend, "repeated": repeat_then_gather}
SIZE, BATCH, REPEATS = 320, 4, 15
FASTER, SMALLER = 5.0, 0.25


def build() -> tuple[LSNet, Tensor]:
    """Return the paper's student and a batch of images, always the same ones."""
    torch.manual_seed(0)
    return LSNet(channels=3), torch.rand(BATCH, 3, SIZE, SIZE) * 2 - 1


def use(form: str) -> None:
    """Let all student layers compute attention in one of the two forms."""
    network.attend = FORMS[form]


@torch.inference_mode()
def latencies() -> dict[str, float]:
    """Return the median milliseconds per image of both forms, measured in turn after comparing their logits."""
    student, images = build()
    student.eval()
    logits, times = {}, {form: [] for form in FORMS}
    for repeat in range(REPEATS + 1):
        for form in FORMS:
            use(form)
            start = time.perf_counter()
            logits[form] = student(images[:1])
            if repeat:
                times[form].append(1e3 * (time.perf_counter() - start))
    torch.testing.assert_close(logits["direct"], logits["repeated"], atol=1e-5, rtol=1e-4)
    return {form: statistics.median(values) for form, values in times.items()}


def peak() -> float:
    """Return the largest resident memory of this process so far in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def step_growth(form: str) -> float:
    """Return by how many MiB one forward and backward pass raises this process's peak memory."""
    student, images = build()
    # A small step first, so that what the libraries allocate once is not counted.
    F.cross_entropy(student(images[:2, :, :64, :64]), torch.tensor([0, 1])).backward()
    use(form)
    before = peak()
    F.cross_entropy(student(images), torch.arange(BATCH) % 2).backward()
    return peak() - before


def fresh_growth(form: str, threads: int) -> float:
    """Return `step_growth` of a new process, whose peak nothing else has raised."""
    command = [sys.executable, __file__, "--threads", str(threads), "--step", form]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    """Print both comparisons; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--step", choices=tuple(FORMS), help="only print the memory growth of one form")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.step:
        print(step_growth(arguments.step))
        return 0
    times = latencies()
    growth = {form: fresh_growth(form, arguments.threads) for form in FORMS}
    faster, smaller = times["repeated"] / times["direct"], growth["direct"] / growth["repeated"]
    print(f"latency, 1 x {SIZE} x {SIZE}: direct {times['direct']:.1f} ms, repeated {times['repeated']:.1f} ms")
    print(f"ratio repeated / direct: {faster:.2f} (at least {FASTER:g})")
    print(f"training step, batch {BATCH}: direct {growth['direct']:.0f} MiB, repeated {growth['repeated']:.0f} MiB")
    print(f"ratio direct / repeated: {smaller:.3f} (at most {SMALLER:g})")
    return 0 if faster >= FASTER and smaller <= SMALLER else 1


if __name__ == "__main__":
    raise SystemExit(main())
