"""Start weights from a local file. Nothing is downloaded, and no code in a file is executed."""

from __future__ import annotations

import json
import math
import pickle
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medsynth.base.errors import InputError

HEAD = "head."
"""Usual start of the names of those weights that may differ, because they belong to the classes."""
WRAPPERS = ("network", "state_dict", "model")
"""Keys under which training programs, medsynth's own among them, keep a network's weights."""
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}
SHOWN = 4


def load_weights(network: nn.Module, path: str, *, head: str = HEAD) -> None:
    """Copy the weights of a file into a network, in place.

    Weights of the head that are absent, left over or of another shape keep their start values, with a warning that
    names them. A network on torch's meta device is only compared with the file.

    Args:
        network: its keys start with `head` for the last layers.
        path: a .safetensors file, or a torch file that holds tensors only; its keys are those of
            ``network.state_dict()``, as in a bundle's ``models`` folder or a run's ``networks.pt``.
        head: start of the names of the last layers' weights.

    Raises:
        InputError: the file cannot be read, or anything but the head differs; names every kind of difference.
    """
    given, own = read_weights(path), network.state_dict()
    kinds = {
        "absent": sorted(own.keys() - given.keys()),
        "left over": sorted(given.keys() - own.keys()),
        "of another shape": sorted(k for k in own.keys() & given.keys() if own[k].shape != given[k].shape),
    }
    faults = {kind: [key for key in keys if not key.startswith(head)] for kind, keys in kinds.items()}
    if any(faults.values()):
        raise InputError(
            f"the weights in {path} do not fit {type(network).__name__}: {_differences(faults, own, given)}",
            hint="Choose the options and data.channels that the weights were trained with.",
        )
    if any(kinds.values()):
        warnings.warn(
            f"the head starts from random weights, because in {path} these differ: {_differences(kinds, own, given)}",
            stacklevel=2,
        )
    if any(value.is_meta for value in own.values()):
        return
    kept = {key for keys in kinds.values() for key in keys}
    network.load_state_dict(own | {key: value for key, value in given.items() if key not in kept})


def read_weights(path: str) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file or of a torch file, by name, on the CPU.

    Raises:
        InputError: there is no such file, or it holds anything but named tensors.
    """
    try:
        content = Path(path).read_bytes() if path.endswith(".safetensors") else None
        state = _unpack(torch.load(path, map_location="cpu", weights_only=True) if content is None else _parse(content))
    except OSError as error:
        raise InputError(
            f"the weights {path!r} cannot be read: {error.strerror or error}", hint="Give the path of a local file."
        ) from error
    except (ValueError, KeyError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"the weights {path!r} are no named tensors: {type(error).__name__}: {reason}",
            hint="Save network.state_dict() with torch.save, or as .safetensors.",
        ) from error
    return state


def _unpack(content: Any) -> dict[str, Tensor]:
    """Take the weights out of what training programs put around them."""
    for key in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise ValueError(f"found {type(content).__name__}")
    return dict(content)


def _parse(content: bytes) -> dict[str, Tensor]:
    """Read the safetensors format: length of the header (8 bytes), header in JSON, values.

    Source: https://github.com/huggingface/safetensors, section Format.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    return {name: _tensor(content, start, entry) for name, entry in header.items()}


def _tensor(content: bytes, start: int, entry: Mapping[str, Any]) -> Tensor:
    dtype, shape, (first, last) = DTYPES[entry["dtype"]], entry["shape"], entry["data_offsets"]
    count = math.prod(shape)
    if last - first != count * dtype.itemsize or start + last > len(content):
        raise ValueError("the file is cut or its header is wrong")
    if not count:
        return torch.empty(shape, dtype=dtype, device="cpu")
    return torch.frombuffer(bytearray(content[start + first : start + last]), dtype=dtype).reshape(shape)


def _differences(kinds: Mapping[str, Sequence[str]], own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    def named(kind: str, key: str) -> str:
        shapes = f" {tuple(given[key].shape)} instead of {tuple(own[key].shape)}" if kind == "of another shape" else ""
        return key + shapes

    return "; ".join(
        f"{kind}: {', '.join(named(kind, key) for key in keys[:SHOWN])}"
        + (f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else "")
        for kind, keys in kinds.items()
        if keys
    )
