"""Writing a classifier in the formats of other runtimes: any batch size, the height and width of its bundle."""

from __future__ import annotations

import importlib
import importlib.util
import io
import logging
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medsynth.base.errors import InputError

OPSET = 20
_NEEDED = {
    "torchscript": (),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),
}


def require_packages(name: str) -> None:
    """Refuse a format whose packages are not installed.

    Raises:
        InputError: naming them and the command that installs them.
    """
    absent = absent_packages(name)
    if absent:
        hint = 'Install them with: pip install "medsynth-monai[deploy]"'
        raise InputError(f"--format {name} needs packages that are not installed: {', '.join(absent)}", hint=hint)


def absent_packages(name: str) -> list[str]:
    """Return the packages that a format needs and that are not installed."""
    return [package for package in _NEEDED[name] if importlib.util.find_spec(package) is None]


def trace(network: nn.Module, shape: tuple[int, int, int], path: Path) -> None:
    """Write a network as a TorchScript program that keeps the names of its weights; arguments as in `convert`."""
    with _quiet(), torch.no_grad():
        _save(torch.jit.trace(network, _example(shape), check_trace=False), path)  # type: ignore[no-untyped-call]


def convert(network: nn.Module, shape: tuple[int, int, int], name: str, path: Path) -> None:
    """Write a network.

    Args:
        network: maps (B, C, H, W) images to (B, classes) logits; in evaluation mode on the CPU.
        shape: (C, H, W).
        name: of the format.
        path: the first of the format's files; others lie beside it.
    """
    example = _example(shape)
    with _quiet():
        if name == "torchscript":
            _write_torchscript(network, example, path)
        elif name == "onnx":
            _write_onnx(network, example, path)
        else:
            _write_openvino(network, example, path)


def _example(shape: tuple[int, int, int]) -> Tensor:
    # two images, because an exporter takes a size of one for a constant
    return torch.rand(2, *shape) * 2.0 - 1.0


def _write_torchscript(network: nn.Module, example: Tensor, path: Path) -> None:
    with torch.no_grad():
        traced: Any = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
        # frozen, batch norms are folded into convolutions
        traced = torch.jit.freeze(traced)
    _save(traced, path)


def _save(traced: Any, path: Path) -> None:
    buffer = io.BytesIO()
    torch.jit.save(traced, buffer)
    # what is left out says in which files of this machine each operation was written, and what follows from that
    with zipfile.ZipFile(buffer) as full, zipfile.ZipFile(path, "w") as plain:
        for entry in full.infolist():
            if not entry.filename.endswith((".debug_pkl", ".data/serialization_id")):
                plain.writestr(entry, full.read(entry))


def _write_onnx(network: nn.Module, example: Tensor, path: Path) -> None:
    program: Any = torch.onnx.export(
        network,
        (example,),
        dynamo=True,
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        opset_version=OPSET,
        verbose=False,
    )
    for graph in (program.model.graph, *program.model.functions.values()):
        for node in graph.all_nodes():
            node.metadata_props.clear()  # the same for ONNX
    program.save(str(path), external_data=False)


def _write_openvino(network: nn.Module, example: Tensor, path: Path) -> None:
    """Go through ONNX and OpenVINO's reader of it: its converter reports on its use over the network."""
    openvino: Any = importlib.import_module("openvino")
    between = path.with_suffix(".onnx")
    _write_onnx(network, example, between)
    openvino.save_model(openvino.Core().read_model(str(between)), str(path), compress_to_fp16=False)
    between.unlink()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what exporters say about packages that are absent and about their own future."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
