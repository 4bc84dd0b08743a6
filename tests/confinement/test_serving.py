"""A confined process that serves is asked for arrays, and nothing it says can do harm."""

from __future__ import annotations

import io
import json
import struct
import sys

import numpy as np
import pytest

from medsynth.base.errors import InputError, RunError
from medsynth.confinement.serving import Served, receive, send

MEMORY = 1 << 33
CODE = "from medsynth.confinement.serving import answer, enter_serving; pipes = enter_serving()\n"
KINDS = """
import os, sys
from medsynth.base.errors import InputError
def refuse(array): raise InputError("no\\x1b[31m", hint="give another")
def fail(array): raise MemoryError("too large")
def leave(array): os._exit(3)
def lie(array): return array[:1]
def write(array):
    try:
        open("beside.txt", "w")
    except OSError:
        return array
    return array + 1
def say(array): print("noise", flush=True); return 2 * array
answer(*pipes, {f.__name__: f for f in (refuse, fail, leave, lie, write, say)})
"""
ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(scope="module")
def served() -> Served:
    return Served(CODE + KINDS, [], seconds=60, memory=MEMORY)


def test_an_answer_is_an_array_whatever_the_process_prints(served):
    np.testing.assert_array_equal(served.ask("say", ARRAY, (2, 3)), 2 * ARRAY)


@pytest.mark.skipif(sys.platform != "linux", reason="writing is limited on Linux")
def test_the_process_is_confined(served, monkeypatch, tmp_path):
    np.testing.assert_array_equal(served.ask("write", ARRAY, (2, 3)), ARRAY)


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("refuse", InputError, r"^no\\x1b\[31m\ngive another$"),
        ("fail", RunError, "MemoryError: too large"),
        ("unknown", RunError, "KeyError"),
        ("lie", RunError, r"the shape \(1, 3\), not \(2, 3\)"),
        ("leave", RunError, "did not answer: it ended"),
    ],
)
def test_errors_are_told_and_the_next_request_is_answered(served, what, kind, message):
    with pytest.raises(kind, match=message):
        served.ask(what, ARRAY, (2, 3))
    np.testing.assert_array_equal(served.ask("say", ARRAY, (2, 3)), 2 * ARRAY)


def message(words: object, content: bytes = b"") -> io.BytesIO:
    told = json.dumps(words).encode()
    return io.BytesIO(struct.pack(">I", len(told)) + told + content)


@pytest.mark.parametrize(
    "stream",
    [
        io.BytesIO(struct.pack(">I", 1 << 30)),
        message({"shape": [2, 4]}, bytes(32)),
        message({"shape": [-1]}),
        message({"shape": [True]}),
        message({"shape": "2"}),
        message([]),
        message({"shape": [0] * 100}),
    ],
    ids=["long", "large", "negative", "bool", "text", "list", "deep"],
)
def test_what_is_no_message_or_larger_than_asked_for_is_refused(stream):
    with pytest.raises(ValueError, match=r"."):
        receive(stream, 6)


def test_a_message_is_received_as_it_was_sent_and_an_end_is_noticed():
    stream = io.BytesIO()
    send(stream, {"ask": "a"}, ARRAY)
    content = stream.getvalue()
    words, array = receive(io.BytesIO(content), 6)
    assert (words["ask"], array.tolist()) == ("a", ARRAY.tolist())
    with pytest.raises(EOFError):
        receive(io.BytesIO(content[:-1]), 6)
