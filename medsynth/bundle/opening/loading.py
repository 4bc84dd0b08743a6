"""Loads weights and programs of a bundle: from bytes that were read once, and that torch reads as they were judged.

An archive is taken apart by the audit's own reader. Its members are put into a fresh archive, and torch loads that, so
nothing of the file but what was judged can reach it.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from medsynth.bundle.audit.file_types.archives import read_directory, read_entry
from medsynth.bundle.audit.file_types.torchscript import torch_objection

_DATE = (1980, 1, 1, 0, 0, 0)


def load_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file, or of a torch archive that holds tensors only, on the CPU.

    Raises:
        ValueError: it is damaged, or torch would see another archive than the audit.
        RuntimeError, pickle.UnpicklingError: it holds other things than tensors.
    """
    if path.suffix == ".safetensors":
        try:
            return safetensors.torch.load(path.read_bytes())
        except safetensors.SafetensorError as error:
            raise ValueError(f"{path.name} is damaged: {error}") from error
    state: Any = torch.load(judged_archive(path), map_location="cpu", weights_only=True)
    return dict(state)


def load_program(path: Path, device: str = "cpu") -> nn.Module:
    """Load a TorchScript program in evaluation mode.

    Raises:
        ValueError: it is damaged, or torch would see another archive than the audit.
        RuntimeError: it is no program.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
        network: nn.Module = torch.jit.load(judged_archive(path), map_location=device)  # type: ignore[no-untyped-call]
    return network.eval()


def judged_archive(path: Path) -> io.BytesIO:
    """Return a fresh archive of the members that the audit's reader finds in a file of torch's.

    Raises:
        ValueError: readers could differ about the file, or torch does not find exactly these members in the new one.
    """
    stream = io.BytesIO(path.read_bytes())
    entries = read_directory(stream)
    if reason := torch_objection(entries):
        raise ValueError(f"{path.name} {reason}")
    members = {entry.name: read_entry(stream, entry) for entry in entries}
    fresh = io.BytesIO()
    with zipfile.ZipFile(fresh, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), content)
    judged = {name.partition("/")[2]: content for name, content in members.items()}
    if not all(judged.pop(name, None) == content for name, content in torch_members(fresh)) or judged:
        raise ValueError(f"{path.name} is not what torch would read")
    fresh.seek(0)
    return fresh


def torch_members(archive: io.BytesIO) -> Iterator[tuple[str, bytes]]:
    """Yield what torch's own reader finds in an archive: names without their folder, and contents.

    Nothing is unpickled.

    Raises:
        RuntimeError: it finds no archive.
    """
    archive.seek(0)
    reader = torch._C.PyTorchFileReader(archive)
    for name in reader.get_all_records():
        yield name, reader.get_record(name)
