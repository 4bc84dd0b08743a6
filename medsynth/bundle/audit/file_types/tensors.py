"""Formats of arrays and networks other than pickles: .npy, safetensors, ONNX."""

from __future__ import annotations

import ast
import io
import json
import re
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from medsynth.bundle.audit.file_types.pickles import audit_pickle
from medsynth.bundle.audit.rules.findings import Page
from medsynth.bundle.audit.rules.names import is_address, outside
from medsynth.bundle.audit.rules.sizes import LIMITS, MEBIBYTE

_MAXIMUM_HEADER = 16 * MEBIBYTE
_PLAIN_XML = re.compile(rb"(<\?xml version=[\"']1\.0[\"']\s*\?>)?\s*<net[\s>]([^<\0]|<[A-Za-z/])*")
"""One root without document types, processing instructions, entities or name spaces."""
_ONNX_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training")


def audit_npy(stream: BinaryIO, page: Page) -> None:
    """Write findings about a .npy file: arrays of Python objects are pickles."""
    head = stream.read(12)
    size = struct.unpack("<H", head[8:10])[0] if head[6:7] == b"\x01" else struct.unpack("<I", head[8:12])[0]
    stream.seek(10 if head[6:7] == b"\x01" else 12)
    if size > MEBIBYTE:
        page.refuse("array", f"header of {size} bytes", "is longer than any array needs")
        return
    header = stream.read(size)
    try:
        description = ast.literal_eval(header.decode("latin-1").strip())["descr"]
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
        page.refuse("array", page.file, "has a header that cannot be read")
        return
    if "O" in str(description):
        page.trust("array", str(description), "holds Python objects, which are unpickled")
        audit_pickle(stream, page)
    else:
        page.allow("array", str(description))


def audit_safetensors(stream: BinaryIO, size: int, page: Page) -> None:
    """Write findings about a safetensors file: a short JSON header that describes the rest exactly."""
    length = struct.unpack("<Q", stream.read(8))[0]
    if length > min(_MAXIMUM_HEADER, size - 8):
        page.refuse("safetensors", f"header of {length} bytes", "is longer than the file or the limit")
        return
    try:
        header = json.loads(stream.read(length), object_pairs_hook=_unique)
        names, spans = _spans(header)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        page.refuse("safetensors", page.file, f"has a header that cannot be read: {str(error)[:80]}")
        return
    end = 0
    for begin, stop in sorted(spans):
        if begin != end or stop < begin:
            page.refuse("safetensors", f"bytes {begin} to {stop}", "tensors overlap, or hide bytes between them")
            return
        end = stop
    if end != size - 8 - length:
        page.refuse("safetensors", f"{size - 8 - length - end} bytes", "do not belong to any tensor")
    else:
        page.allow("safetensors", f"{names} tensors")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse names that appear twice, of which readers take the first or the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name appears twice")
    return found


def _spans(header: Any) -> tuple[int, list[tuple[int, int]]]:
    spans = [
        (entry["data_offsets"][0], entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"
    ]
    if not all(isinstance(value, int) and not isinstance(value, bool) for span in spans for value in span):
        raise ValueError("offsets are no integers")
    return len(spans), spans


def audit_openvino(data: bytes, page: Page) -> None:
    """Write findings about the XML file of an OpenVINO model: layers only, nothing that a viewer of XML would run."""
    if len(data) > LIMITS.text or not _PLAIN_XML.fullmatch(data) or b"xmlns" in data:
        page.trust("file", page.file, "is no plain description of an OpenVINO network")
    else:
        page.allow("openvino", "a network of OpenVINO")


def audit_onnx(stream: BinaryIO, size: int, page: Page) -> None:
    """Write findings about an ONNX file: weights in other files, operators of other domains.

    Read as protocol buffers by the field numbers of onnx.proto; weights are skipped, not read.
    """
    strange: dict[tuple[str, str], None] = {}
    try:
        _Onnx(stream, strange).model(size)
    except (ValueError, EOFError, RecursionError) as error:
        page.refuse("onnx", page.file, f"cannot be read: {error}")
        return
    for kind, text in strange:
        if kind == "location" and (reason := outside(text) or ("is an address" if is_address(text) else "")):
            page.refuse("onnx", text, f"weights are read from there, which {reason}")
        elif kind == "location":
            page.allow("onnx", text, reason="weights are in this file beside")
        else:
            page.trust("onnx", text, "is a domain of operators that other libraries bring")
    if not strange:
        page.allow("onnx", "a graph of standard operators")


# field -> message, by message; names as in onnx.proto.
_INNER = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 9: "opset", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "tensor": {13: "external"},
}
_DOMAIN = {"opset": 1, "node": 7}


class _Onnx:
    """Walks the messages that may name files or domains."""

    def __init__(self, stream: BinaryIO, strange: dict[tuple[str, str], None]) -> None:
        self.stream = stream
        self.strange = strange
        self.left = 500_000

    def model(self, size: int) -> None:
        """Walk a whole file."""
        if not self._message("model", size, 0):
            raise ValueError("no graph")

    def _message(self, kind: str, end: int, depth: int) -> bool:
        """Walk a message up to `end`; return whether it holds a graph."""
        if depth > 24:
            raise ValueError("nested too deeply")
        graph = False
        for number, length in self._fields(end):
            stop = self.stream.tell() + length
            inner = _INNER.get(kind, {}).get(number)
            graph |= inner == "graph"
            if inner == "external":
                self._external(self.stream.read(length))
            elif inner is not None:
                self._message(inner, stop, depth + 1)
            elif _DOMAIN.get(kind) == number:
                domain = self.stream.read(length).decode("utf-8", "replace")
                if domain not in _ONNX_DOMAINS:
                    self.strange["domain", domain] = None
            self.stream.seek(stop)
        return graph

    def _external(self, entry: bytes) -> None:
        texts: dict[int, str] = {}
        inner = _Onnx(io.BytesIO(entry), {})
        for number, length in inner._fields(len(entry)):
            texts[number] = inner.stream.read(length).decode("utf-8", "replace")
        if texts.get(1) == "location":
            self.strange["location", texts.get(2, "")] = None

    def _fields(self, end: int) -> Iterator[tuple[int, int]]:
        """Yield number and length of each field with a length; the stream is at its first byte."""
        while self.stream.tell() < end:
            self.left -= 1
            if self.left < 0:
                raise ValueError("too many fields")
            key = self._varint()
            wire = key & 7
            length = {1: 8, 5: 4}.get(wire, 0)
            if wire == 0:
                self._varint()
            elif wire == 2:
                length = self._varint()
            elif not length:
                raise ValueError(f"wire type {wire}")
            if self.stream.tell() + length > end:
                raise ValueError("a field is longer than its message")
            if wire == 2:
                yield key >> 3, length
            else:
                self.stream.seek(length, io.SEEK_CUR)

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.stream.read(1)
            if not byte or shift > 63:
                raise ValueError("a number is cut off")
            value |= (byte[0] & 0x7F) << shift
            shift += 7
            if byte[0] < 0x80:
                return value
