"""What a confined process and its parent say to each other: a few words as JSON, and one array of numbers.

Nothing that is received is executed or unpickled, and an array that is received has the shape that was asked for.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

_LENGTH = struct.Struct(">I")
_MOST_WORDS = 1 << 20
_NOTHING = np.empty(0, np.float32)


def send(stream: BinaryIO, words: Mapping[str, Any], array: np.ndarray = _NOTHING) -> None:
    """Write one message.

    Args:
        stream: to write to.
        words: what JSON can hold.
        array: of float32.
    """
    array = np.ascontiguousarray(array, dtype=np.float32)
    told = json.dumps({**words, "shape": list(array.shape)}).encode()
    stream.write(_LENGTH.pack(len(told)) + told)
    stream.write(array.tobytes())
    stream.flush()


def receive(stream: BinaryIO, most: int) -> tuple[dict[str, Any], np.ndarray]:
    """Read one message.

    Args:
        stream: to read from.
        most: numbers that the array may have.

    Raises:
        EOFError: the other side has ended.
        ValueError: it is no message, or too large.
    """
    length = _LENGTH.unpack(_exactly(stream, _LENGTH.size))[0]
    if length > _MOST_WORDS:
        raise ValueError("it is no message")
    words = json.loads(_exactly(stream, length))
    shape = words["shape"] if isinstance(words, dict) else None
    if not isinstance(shape, list) or not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError("it has no shape")
    if math.prod(shape) > most:
        raise ValueError(f"it is larger than {most} numbers")
    content = _exactly(stream, 4 * math.prod(shape))
    return words, np.frombuffer(content, np.float32).reshape(shape).copy()


def _exactly(stream: BinaryIO, length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return content
