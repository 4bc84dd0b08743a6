"""A fuzzer that knows both readers: in archives that the audit allows, torch and Python find what the audit found.

Here it runs for some seconds, with the same archives every time; ``make fuzz`` runs it for long, with new ones.
"""

from __future__ import annotations

import io
import os
import re
import struct
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import fields, replace

import torch
from hypothesis import HealthCheck, currently_in_test_context, event, given, settings
from hypothesis import strategies as st

from medsynth.bundle.audit.by_content import Contents
from medsynth.bundle.audit.file_types.archives import read_directory, read_entry
from medsynth.bundle.audit.file_types.members import Member
from medsynth.bundle.audit.rules.findings import Ledger, Verdict, worst
from medsynth.bundle.opening.loading import torch_members

from .archives import Layout, Part, another_name, end_record, parts_of, two_directories

EXAMPLES = int(os.environ.get("MEDSYNTH_FUZZ_EXAMPLES", "0"))
SETTINGS = settings(
    max_examples=EXAMPLES or 300,
    derandomize=not EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)


class _Scaled(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image * 2.0 + 1.0


def _saved() -> bytes:
    buffer = io.BytesIO()
    torch.save({"weight": torch.arange(6.0), "bias": torch.zeros(2)}, buffer)
    return buffer.getvalue()


def _program() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(_Scaled(), torch.zeros(1, 2)), buffer)
    return buffer.getvalue()


SAVED = {"model.pt": _saved(), "model.ts": _program()}
BYTES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", end_record(0, 0, 0), b"archive/data.pkl", bytes(30)]),
)
NUMBERS = st.one_of(st.integers(0, 300), st.sampled_from([0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF, 1 << 16]))
NAMES = st.sampled_from(
    [
        b"archive/data.pkl",
        b"archive/DATA.PKL",
        b"archive/x",
        b"Archive/version",
        b"x",
        b"archive/",
        b"archive/\xe4",
        b"",
    ]
)
EXTRAS = st.one_of(
    st.builds(
        lambda kind, data: struct.pack("<HH", kind, len(data)) + data,
        st.sampled_from([1, 0x4246, 0x7075, 0x6375, 0x5455, 0x9999]),
        st.binary(max_size=24),
    ),
    BYTES,
)
KINDS = {"own_name": NAMES, "listed_name": NAMES, "own_extra": EXTRAS, "listed_extra": EXTRAS, "packed": BYTES}
PARTS = st.one_of(
    [
        st.tuples(st.just(field.name), KINDS.get(field.name, BYTES if field.name == "content" else NUMBERS))
        for field in fields(Part)
        if field.name != "name"
    ]
)
LAYOUT = st.one_of(
    [
        st.tuples(st.just(name), BYTES if name in ("before", "after", "between", "behind", "comment") else NUMBERS)
        for name in ("before", "after", "between", "behind", "comment", "count", "start", "length")
    ]
)


@st.composite
def rebuilt(draw: Callable) -> tuple[str, bytes]:
    """Return an archive of torch's that was put together again, with a few lies."""
    name = draw(st.sampled_from(sorted(SAVED)))
    parts = parts_of(SAVED[name])
    for number, (field, value) in draw(st.lists(st.tuples(st.integers(0, 99), PARTS), max_size=2)):
        if field in ("flags", "method"):
            value &= 0xFFFF
        parts[number % len(parts)] = replace(parts[number % len(parts)], **{field: value})
    parts += draw(st.lists(st.builds(Part, NAMES, BYTES), max_size=1))
    if draw(st.integers(0, 9)) == 0:
        parts[0] = another_name(parts[0], draw(NAMES))
    layout = Layout(parts=parts)
    for field, value in draw(st.lists(LAYOUT, max_size=2)):
        setattr(layout, field, value & 0xFFFF if field == "count" else value)
    return name, layout.build()


@st.composite
def doubled(draw: Callable) -> tuple[str, bytes]:
    """Return an archive with two directories."""
    name = draw(st.sampled_from(sorted(SAVED)))
    shown = {part.name: part.content for part in parts_of(SAVED[name])}
    hidden = dict(zip(shown, draw(st.permutations(list(shown.values()))), strict=True))
    return name, two_directories(shown, hidden)


@st.composite
def changed(draw: Callable) -> tuple[str, bytes]:
    """Return an archive as torch wrote it, with bytes that were changed, moved in or cut out near its records."""
    name = draw(st.sampled_from(sorted(SAVED)))
    data = bytearray(SAVED[name])
    for mark, delta, action, value in draw(
        st.lists(st.tuples(st.integers(0, 99), st.integers(0, 60), st.integers(0, 3), BYTES), min_size=1, max_size=3)
    ):
        marks = [match.start() for match in re.finditer(b"PK", bytes(data))] or [0]
        place = min(marks[mark % len(marks)] + delta, max(0, len(data) - 1))
        if action == 0:
            data[place : place + len(value)] = value
        elif action == 1:
            data[place:place] = value
        elif action == 2:
            del data[place : place + len(value)]
        elif data:
            data[place] = (data[place] + len(value) + 1) % 256
    return name, bytes(data)


def verdict(name: str, content: bytes) -> Verdict:
    ledger = Ledger()
    Contents().look(Member(name, len(content), lambda: io.BytesIO(content)), ledger.at(name))
    return worst(finding.verdict for finding in ledger.findings)


def by_python(content: bytes) -> dict[str, bytes]:
    with warnings.catch_warnings(), zipfile.ZipFile(io.BytesIO(content)) as archive:
        warnings.simplefilter("error")
        return {name: archive.read(name) for name in archive.namelist()}


def by_torch(content: bytes, folder: str) -> dict[str, bytes]:
    return {f"{folder}/{name}": data for name, data in torch_members(io.BytesIO(content))}


def check(name: str, content: bytes) -> None:
    judgement = verdict(name, content)
    if currently_in_test_context():
        event(judgement.value)
    if judgement is Verdict.REFUSED:
        return
    stream = io.BytesIO(content)
    found = {entry.name: read_entry(stream, entry) for entry in read_directory(stream)}
    assert by_python(content) == found
    try:
        seen = by_torch(content, next(iter(found)).partition("/")[0])
    except RuntimeError:
        return  # torch does not read it at all
    assert seen == found


@SETTINGS
@given(st.one_of(rebuilt(), doubled(), changed()))
def test_readers_agree_about_what_the_audit_does_not_refuse(sample):
    check(*sample)


def test_what_torch_wrote_is_allowed_as_it_is_and_put_together_again():
    for name, content in SAVED.items():
        for same in (content, Layout(parts=parts_of(content)).build()):
            assert verdict(name, same) is Verdict.ALLOWED
            check(name, same)
