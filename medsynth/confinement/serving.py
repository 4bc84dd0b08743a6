"""A confined process that answers one request after the other, arrays in and arrays out.

It and its parent exchange a few words as JSON, and one array of numbers. Nothing that is received is executed or
unpickled, and an array that is received has the shape that was asked for.
"""

from __future__ import annotations

import json
import math
import os
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any, BinaryIO

import numpy as np

from medsynth.base.children import python
from medsynth.base.errors import InputError, MedsynthError, RunError
from medsynth.confinement.confined import confine
from medsynth.confinement.surroundings import prepared

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


Answer = Callable[[np.ndarray], np.ndarray]
_BROKEN = (OSError, EOFError, ValueError, KeyError, RecursionError)
"""What sending to and receiving from a process raises that ends, or says what it should not."""
_LONGEST = 2000
_ERRORS = {kind.__name__: kind for kind in (InputError, RunError)}


class Served:
    """The parent's side. The process starts with the first request, in each process that asks, and ends with it.

    Args:
        entry: Python code that calls `enter_serving`, then `answer`.
        arguments: ``sys.argv`` of the process.
        seconds: that an answer may take.
        memory: largest size of its data in bytes; not enforced on Windows and macOS.
    """

    def __init__(self, entry: str, arguments: Sequence[str], *, seconds: float, memory: int) -> None:
        self._entry, self._arguments, self._seconds, self._memory = entry, tuple(arguments), seconds, memory
        self._lock = threading.Lock()
        self._owner = 0
        self._child: subprocess.Popen[bytes] | None = None

    def ask(self, what: str, array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """Return the answer to a request, an array of this shape.

        Raises:
            InputError: the process refuses.
            RunError: it failed, took too long, ended, or answered with something else.
        """
        with self._lock:
            child = self._started()
            late = threading.Timer(self._seconds, child.kill)
            late.start()
            try:
                assert child.stdin is not None
                assert child.stdout is not None
                send(child.stdin, {"ask": what}, array)  # type: ignore[arg-type]
                words, result = receive(child.stdout, int(np.prod(shape)))  # type: ignore[arg-type]
            except BaseException as error:  # also Ctrl-C: what it still answers would be taken for the next answer
                child.kill()
                self._owner = 0
                if isinstance(error, _BROKEN):
                    raise self._ended(late, error) from None
                raise
            finally:
                late.cancel()
        if "error" in words:
            raise _told(words)
        if result.shape != tuple(shape):
            raise RunError(f"the bundle's process answered with the shape {result.shape}, not {tuple(shape)}")
        return result

    def _started(self) -> subprocess.Popen[bytes]:
        # a process that was forked from this one must not use the same pipes
        if self._child is None or self._owner != os.getpid() or self._child.poll() is not None:
            self._child, self._owner = self._start(), os.getpid()
        return self._child

    def _start(self) -> subprocess.Popen[bytes]:
        with ExitStack() as stack:
            settings, variables = stack.enter_context(prepared(self._memory))
            told = json.dumps({**json.loads(settings), "serves": True})
            command = [*python("-c", self._entry), told, *self._arguments]
            pipe = subprocess.PIPE
            child = subprocess.Popen(command, env=variables, stdin=pipe, stdout=pipe)
            weakref.finalize(self, _end, child, stack.pop_all(), os.getpid())
        return child

    def _ended(self, late: threading.Timer, error: Exception) -> RunError:
        if not late.is_alive():
            hint = "Allow more with time_limit, in minutes."
            return RunError(f"the bundle was stopped after {self._seconds / 60:g} minutes", hint=hint)
        problem = str(error) or "it ended"
        return RunError(f"the bundle's process did not answer: {problem}", hint="Allow more memory with memory_limit.")


def _end(child: subprocess.Popen[bytes], surroundings: ExitStack, owner: int) -> None:
    if owner != os.getpid():  # a process that was forked from its parent
        return
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    surroundings.close()


def _told(words: dict[str, object]) -> MedsynthError:
    kind = _ERRORS.get(str(words.get("kind")), RunError)
    return kind(_cleaned(words.get("error")), hint=_cleaned(words.get("hint", "")))


def _cleaned(text: object) -> str:
    """Return what a terminal may show: the process may be made to say anything."""
    letters = str(text)[:_LONGEST]
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in letters)


def enter_serving() -> tuple[BinaryIO, BinaryIO]:
    """Confine this process as its first argument says; return where requests come from and answers go to.

    What the process prints goes to standard error, so that it cannot be taken for an answer.
    """
    confine(json.loads(sys.argv[1]))
    sys.argv = ["medsynth", *sys.argv[2:]]
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, answers


def answer(requests: BinaryIO, answers: BinaryIO, known: dict[str, Answer]) -> None:
    """Answer requests until the parent has ended."""
    while True:
        try:
            words, array = receive(requests, sys.maxsize)
        except EOFError:
            return
        try:
            send(answers, {}, known[words["ask"]](array))
        except BrokenPipeError:
            return
        except MedsynthError as error:
            send(answers, {"error": error.message, "hint": error.hint, "kind": type(error).__name__})
        except Exception as error:  # the network is foreign code: too little memory, for example
            send(answers, {"error": f"{type(error).__name__}: {error}"})
