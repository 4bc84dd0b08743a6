"""What computes logits: ONNX Runtime, OpenVINO, TorchScript or PyTorch. Each imports only what it needs."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from medsynth.base.errors import InputError, RunError
from medsynth.bundle.opening.opened import Opened
from medsynth.inference.bundle_classifier import BundleClassifier
from medsynth.inference.export_formats import RUNTIMES
from medsynth.inference.exports import exported_file, read_exports

Runtime = Callable[[np.ndarray], np.ndarray]
"""Maps (B, C, H, W) float32 images in [-1, 1] to (B, 2) logits; several threads may call one that has run once."""
_PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino"}


def choose_runtime(bundle: Opened, wanted: str, device: str) -> str:
    """Return `wanted`, or for ``auto`` the first runtime that is installed and exported; PyTorch on other devices.

    Raises:
        InputError: the runtime is not installed, or computes on the CPU only.
    """
    if wanted == "auto":
        exports = read_exports(bundle) if device == "cpu" else {}
        return next((name for name in RUNTIMES if RUNTIMES[name] in exports and is_installed(name)), "pytorch")
    if wanted in _PACKAGES:
        require(wanted)
        if device != "cpu":
            raise InputError(f"--runtime {wanted} computes on the CPU, not on {device!r}", hint="Use --device cpu.")
    return wanted


def is_installed(runtime: str) -> bool:
    """Tell whether the package of a runtime can be imported; torch always can."""
    package = _PACKAGES.get(runtime)
    return package is None or importlib.util.find_spec(package) is not None


def require(runtime: str) -> None:
    """Refuse a runtime that is not installed.

    Raises:
        InputError: naming the command that installs it.
    """
    if not is_installed(runtime):
        hint = 'Install it with: pip install "medsynth-monai[deploy]"'
        raise InputError(f"{_PACKAGES[runtime]} is not installed", hint=hint)


def load_runtime(classifier: BundleClassifier, name: str, *, threads: int, device: str = "cpu") -> Runtime:
    """Load a bundle's classifier into a runtime, and run it once.

    Args:
        classifier: of the bundle.
        name: one of `RUNTIMES`.
        threads: how many threads will call it at once; each computes on one core.
        device: for ``torchscript`` and ``pytorch``.

    Raises:
        InputError: no such export, or a changed file.
        RunError: it does not run.
    """
    bundle, config = classifier.bundle, classifier.config
    if name == "pytorch":
        runtime = torch_runtime(bundle.network().to(device), device)
    else:
        runtime = load_file(name, exported_file(bundle, RUNTIMES[name]), threads=threads, device=device)
    try:
        # OpenVINO's bindings wait for each other forever if two threads are the first to call them
        runtime(np.zeros((1, config.channels, config.size, config.size), np.float32))
    except Exception as error:  # runtimes raise many types
        raise RunError(f"the classifier does not run with {name}: {type(error).__name__}: {error}") from error
    return runtime


def load_file(name: str, path: Path, *, threads: int = 1, device: str = "cpu") -> Runtime:
    """Load an exported file; arguments as in `load_runtime`."""
    if name == "onnxruntime":
        return onnx_runtime(path)
    if name == "openvino":
        return openvino_runtime(path, threads)
    return torchscript_runtime(path, device)


def onnx_runtime(path: Path) -> Runtime:
    """Load an ONNX file; the calling thread computes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(images: np.ndarray) -> np.ndarray:
        (logits,) = session.run(None, {"image": images})
        return np.asarray(logits)

    return run


def openvino_runtime(path: Path, threads: int) -> Runtime:
    """Load an OpenVINO model with one stream per calling thread, in float32 even where the processor has bfloat16."""
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": threads,
    }
    model = openvino.Core().compile_model(str(path), "CPU", settings)
    own = threading.local()

    def run(images: np.ndarray) -> np.ndarray:
        if not hasattr(own, "request"):
            own.request = model.create_infer_request()
        return np.array(own.request.infer([images])[0])

    return run


def torchscript_runtime(path: Path, device: str) -> Runtime:
    """Load a TorchScript file. This executes the program in it."""
    from medsynth.bundle.opening.loading import load_program

    return torch_runtime(load_program(path, device), device)


def torch_runtime(network: Any, device: str) -> Runtime:
    """Use a PyTorch network in evaluation mode."""
    import torch

    def run(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            logits: np.ndarray = network(torch.from_numpy(images).to(device)).float().cpu().numpy()
        return logits

    return run
