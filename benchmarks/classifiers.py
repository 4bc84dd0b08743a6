"""Cost of the four classifiers with the preset "paper": weights, multiply-accumulates, latency and memory.

Prints a Markdown table: median time of one 3 x 320 x 320 image in PyTorch ("eager"), ONNX Runtime and OpenVINO on one
and two threads, and by how much that process's peak memory grew from before loading to the end. Each figure is taken
in a process of its own, one after the other. Weights are untrained. Needs the extra "deploy" and an idle machine.

    python benchmarks/classifiers.py --seconds 10
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import nn

    from medsynth.inference.runtimes import Runtime

SUBJECTS = {
    "lsnet": ("lsnet", {}),
    "lsnet, subset": ("lsnet", {"attention": "subset"}),
    "mobilenet-v2": ("mobilenet-v2", {}),
    "efficientnet": ("efficientnet", {}),
    "mobilevit": ("mobilevit", {}),
}
RUNTIMES = ("eager", "onnxruntime", "openvino")
THREADS = (1, 2)
CHANNELS, SIZE, WARM_UP = 3, 320, 5


def network(subject: str) -> nn.Module:
    """Return a subject's deployed network, with always the same weights."""
    import torch

    from medsynth.api import Setup
    from medsynth.base.configuration import resolve
    from medsynth.plugins import Registry

    (name, fields), registry = SUBJECTS[subject], Registry()
    spec = registry.load("classifier", name)
    config = resolve(spec.config, [spec.presets.get("paper", {}), fields], where="classifier")
    torch.manual_seed(0)
    networks = registry.create(spec, config, Setup(channels=CHANNELS, size=(SIZE, SIZE), device="cpu")).networks()
    return next(iter(networks.values())).eval()


def load(subject: str, runtime: str, threads: int, path: Path) -> Runtime:
    """Load a subject so that one image is computed on `threads` threads."""
    if runtime == "eager":
        import torch

        from medsynth.inference.runtimes import torch_runtime

        torch.set_num_threads(threads)
        return torch_runtime(network(subject), "cpu")
    if runtime == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return lambda images: np.asarray(session.run(None, {"image": images})[0])
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    model = openvino.Core().compile_model(str(path), "CPU", settings)
    return lambda images: np.asarray(model(images)[0])


def measure(subject: str, runtime: str, threads: int, path: Path, seconds: float) -> tuple[float, float]:
    """Return the median milliseconds of one image and the growth of this process's peak memory in MiB."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    _import(runtime)
    before = _peak()
    run = load(subject, runtime, threads, path)
    image = np.random.default_rng(0).random((1, CHANNELS, SIZE, SIZE), dtype=np.float32) * np.float32(2) - np.float32(1)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) <= WARM_UP:
        start = time.perf_counter()
        run(image)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[WARM_UP:]), _peak() - before


def _import(runtime: str) -> None:
    __import__({"eager": "torch"}.get(runtime, runtime))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def export(subject: str, path: Path) -> tuple[int, int, int]:
    """Export a subject to ONNX; return its weights, multiply-accumulates and those that thop would count."""
    import torch

    from medsynth.base.costs import count_macs, count_parameters, count_thop
    from medsynth.inference.export.conversion import convert

    model, image = network(subject), torch.zeros(1, CHANNELS, SIZE, SIZE)
    costs = count_parameters(model), count_macs(model, image), count_thop(model, image)
    convert(model, (CHANNELS, SIZE, SIZE), "onnx", path)
    return costs


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of measuring each figure")
    parser.add_argument("--subjects", nargs="*", choices=tuple(SUBJECTS), default=tuple(SUBJECTS))
    arguments = parser.parse_args()
    columns = list(itertools.product(RUNTIMES, THREADS))
    heads = [f"{runtime} {threads}, ms (MiB)" for runtime, threads in columns]
    print("| classifier | weights | MACs | as thop counts | " + " | ".join(heads) + " |")
    print("| --- |" + " ---: |" * (3 + len(heads)))
    spawn = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as alone,
    ):
        for subject in arguments.subjects:
            path = Path(folder) / f"{subject}.onnx"
            weights, macs, thop = alone.submit(export, subject, path).result()
            cells = [alone.submit(measure, subject, *column, path, arguments.seconds).result() for column in columns]
            shown = " | ".join(f"{milliseconds:.1f} ({memory:.0f})" for milliseconds, memory in cells)
            print(f"| {subject} | {weights:,} | {macs / 1e9:.3f} G | {thop / 1e9:.3f} G | {shown} |", flush=True)


if __name__ == "__main__":
    main()
