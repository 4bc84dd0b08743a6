"""Time LSNet's three attention modes with the same weights, exported to ONNX Runtime and OpenVINO.

Prints the median time of one 320 x 320 image on one thread for each runtime and mode, and its ratio to dense
attention. The modes are measured in turn. Ends with status 1 unless the key subset takes less than 0.95 of dense
attention's time in at least one runtime. Needs the extra "deploy".

    python benchmarks/exported_attention.py --seconds 30

With --clock processor the processor time of this process is measured instead of the elapsed time: for machines that
other processes use too.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from medsynth_lsnet.network import LSNet

from medsynth.inference.export.conversion import convert
from medsynth.inference.runtimes import Runtime, load_file, torch_runtime

MODES = ("dense", "sparse", "subset")
RUNTIMES = ("onnxruntime", "openvino")
CLOCKS: dict[str, Callable[[], float]] = {"elapsed": time.perf_counter, "processor": time.process_time}
SIZE, FASTER, TOLERANCE = 320, 0.95, 1e-3


def student(mode: str) -> LSNet:
    """Return the paper's student with always the same weights."""
    torch.manual_seed(0)
    return LSNet(channels=3, attention=mode).eval()


def exported(mode: str, folder: Path) -> Path:
    """Export the student to ONNX, which both runtimes read."""
    path = folder / f"{mode}.onnx"
    convert(student(mode), (3, SIZE, SIZE), "onnx", path)
    return path


def loaded(mode: str, runtime: str, path: Path, image: np.ndarray) -> Runtime:
    """Load an export on one thread and compare its logits with PyTorch's."""
    run = load_file(runtime, path)
    np.testing.assert_allclose(run(image), torch_runtime(student(mode), "cpu")(image), atol=TOLERANCE)
    return run


def medians(
    runs: dict[str, Runtime], image: np.ndarray, clock: Callable[[], float], seconds: float
) -> dict[str, float]:
    """Return the median milliseconds of each mode, one image each in turn until `seconds` have passed."""
    times: dict[str, list[float]] = {mode: [] for mode in runs}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for mode, run in runs.items():
            start = clock()
            run(image)
            times[mode].append(1e3 * (clock() - start))
    print(f"  {len(times[MODES[0]])} images each")
    return {mode: statistics.median(values) for mode, values in times.items()}


def main() -> int:
    """Print the times and ratios; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="of measuring each runtime")
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="elapsed")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    image = np.random.default_rng(0).random((1, 3, SIZE, SIZE), dtype=np.float32) * np.float32(2) - np.float32(1)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        paths = {mode: exported(mode, Path(folder)) for mode in MODES}
        for runtime in RUNTIMES:
            print(f"{runtime}, {arguments.clock} time, 1 x 3 x {SIZE} x {SIZE}, one thread")
            runs = {mode: loaded(mode, runtime, path, image) for mode, path in paths.items()}
            found = medians(runs, image, CLOCKS[arguments.clock], arguments.seconds)
            for mode, value in found.items():
                print(f"  {mode:7s} {value:7.2f} ms, {value / found['dense']:.3f} of dense")
            ratios.append(found["subset"] / found["dense"])
    print(f"key subset / dense: {min(ratios):.3f} at best (below {FASTER:g})")
    return 0 if min(ratios) < FASTER else 1


if __name__ == "__main__":
    raise SystemExit(main())
