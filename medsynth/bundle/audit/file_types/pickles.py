"""Pickles, read as a list of instructions and never carried out."""

from __future__ import annotations

import io
import pickletools
import re
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

from medsynth.bundle.audit.rules.findings import Page, Verdict
from medsynth.bundle.audit.rules.sizes import LIMITS
from medsynth.bundle.audit.rules.targets import Names, judge_path
from medsynth.bundle.audit.rules.wordlists import words

_TENSORS = words("tensor pickles")
_TORCH_PICKLES = 5
_TORCHSCRIPT = ("torch.jit._pickle.", "__torch__.")
_INSTRUCTIONS = 2_000_000
_LONG = 100
_DOTTED = re.compile(r"[A-Za-z_][\w.]* [A-Za-z_][\w.]*")
_CALLS = frozenset({"REDUCE", "INST", "OBJ", "BUILD", "NEWOBJ", "NEWOBJ_EX"})
_CLASSES = frozenset({"torch", "monai", "numpy", "collections", "datetime", "pathlib", "ignite"})
_STORAGE = re.compile(
    r"(Double|Float|Half|Long|Int|Short|Char|Byte|Bool|BFloat16|Complex(Double|Float)|Untyped)Storage"
)
_TYPE = re.compile(r"(bfloat|float|u?int|complex)\d+|bool|half|float|double")
_TEXTS = frozenset(
    {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "SHORT_BINSTRING", "BINSTRING"}
)
_KEEPS = frozenset({"MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"})
_FETCHES = frozenset({"GET", "BINGET", "LONG_BINGET"})


def audit_pickle(stream: BinaryIO, page: Page, *, raw: bool = False) -> None:
    """Write a finding about each object that unpickling would import.

    Old files of ``torch.save`` are several pickles in a row, followed by raw values; all pickles are looked at.

    Args:
        stream: at the beginning of a pickle.
        page: of the file.
        raw: it may be no pickle but bare numbers, which break off as a pickle before they name anything.
    """
    data = stream.read(LIMITS.pickle)
    if raw and _breaks_at_the_end(data):
        # A first instruction that takes a text longer than what was read hides the ones behind it.
        data += stream.read(LIMITS.unpacked)
    pickles = io.BytesIO(data)
    names: dict[str, None] = {}
    position = count = 0
    while count < _TORCH_PICKLES or data[position : position + 1] == b"\x80":
        try:
            for name, end in _names(pickles, position):
                names[name] = None
                position = end
        except Exception as error:  # pickletools raises whatever a broken stream makes it meet
            if raw and not names:
                page.allow("weights", "bare numbers")
                return
            if count < _TORCH_PICKLES and (not count or data[position : position + 1] == b"\x80"):
                page.refuse("pickle", page.file, f"is broken or too long: {type(error).__name__}: {str(error)[:80]}")
            break
        count += 1
    names.pop("", None)
    for name in names:
        _judge(name, page)
    if not names:
        page.allow("pickle", "plain values")


def _breaks_at_the_end(data: bytes) -> bool:
    stream = io.BytesIO(data)
    try:
        deque(_names(stream, 0), maxlen=0)
    except Exception:  # as above
        return len(data) == LIMITS.pickle and stream.tell() == len(data)
    return False


def _judge(name: str, page: Page) -> None:
    package, _, last = name.rpartition(".")
    if name.startswith(_TORCHSCRIPT) and "!/" not in page.file:
        page.refuse("pickle", name, "is a name of TorchScript, which means something in its archives only")
    elif harmless(name):
        page.allow("pickle", name)
    elif (
        package.partition(".")[0] in _CLASSES
        and last[:1].isupper()
        and judge_path(name, Names()).verdict is not Verdict.REFUSED
    ):
        page.trust("pickle", name, "is no part of plain tensors: loading with weights_only refuses it")
    else:
        page.refuse("pickle", name, "is imported and may be called when the file is unpickled")


def harmless(name: str) -> bool:
    """Return whether a pickled name belongs to plain tensors."""
    # TorchScript's own types, which no Python module defines.
    if name in _TENSORS or name.startswith("__torch__."):
        return True
    package, _, last = name.rpartition(".")
    if package == "torch":
        return _TYPE.fullmatch(last) is not None or _STORAGE.fullmatch(last) is not None
    return (package == "numpy" and _TYPE.fullmatch(last) is not None) or (
        package == "numpy.dtypes" and last.endswith("DType")
    )


def _names(stream: BinaryIO, start: int) -> Iterator[tuple[str, int]]:
    """Yield the dotted names that a pickle imports, each with the position after it, and last ``""`` with the end.

    A name that is not made of two constant texts is yielded as ``?``.
    """
    texts: deque[str | None] = deque((None, None), maxlen=2)
    memo: dict[int, str | None] = {}
    stream.seek(start)
    for number, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        kind = opcode.name
        if number > _INSTRUCTIONS:
            raise ValueError(f"more than {_INSTRUCTIONS} instructions")
        if kind in ("GLOBAL", "INST"):
            yield ".".join(str(argument).split(" ", 1)), start
            texts.append(None)
        elif kind == "STACK_GLOBAL":
            module, name = texts
            yield f"{module}.{name}" if module is not None and name is not None else "?", start
            texts.append(None)
        elif kind in ("EXT1", "EXT2", "EXT4"):
            yield f"extension {argument}", start
        elif kind in _TEXTS:
            texts.append(argument if isinstance(argument, str) else str(argument))
        elif kind in _KEEPS:
            memo[len(memo) if kind == "MEMOIZE" else int(str(argument))] = texts[-1]
        elif kind in _FETCHES:
            texts.append(memo.get(int(str(argument))))
        elif kind not in ("PROTO", "FRAME"):
            texts.append(None)
    yield "", stream.tell()


def looks_like_pickle(head: bytes, *, whole: bool) -> bool:
    """Return whether the first bytes of a file are a pickle's, whatever the file is named.

    Newer pickles begin with a protocol mark. Older ones are known by what they do before anything breaks: name a
    global and call it, or go on as instructions up to the end of what was read.

    Args:
        head: first bytes.
        whole: whether this is the whole file.
    """
    if head[:1] == b"\x80" and len(head) > 1 and head[1] <= 5:
        return True
    stream = io.BytesIO(head)
    named, count = False, 0
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            count += 1
            kind = opcode.name
            if kind == "STACK_GLOBAL" or (kind in ("GLOBAL", "INST") and _DOTTED.fullmatch(str(argument))):
                named = True
            if named and kind in _CALLS:
                return True
    except Exception:  # whatever a file that is no pickle makes it meet
        return not whole and count > _LONG and stream.tell() == len(head)
    return named
