"""Random and mutated bundles: the audit never crashes, hangs or writes, and never executes anything."""

import io
import json
import pickle
import tempfile
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medsynth.base.errors import InputError
from medsynth.bundle.audit import Verdict, audit_bundle

from .samples import files, write

SETTINGS = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.text(st.sampled_from("$@%#:._()[]'\"+ abosx_lambda"), max_size=30).map(lambda text: f"${text}"),
    st.sampled_from(
        ["$os.system('a')", "@a", "@a::0", "%a", "%configs/a.json::a", "os.system", "UNet", "@@", "$", "%", "../a"]
    ),
)
KEYS = st.one_of(
    st.sampled_from(["_target_", "_mode_", "_requires_", "a", "imports", "+a", "<<", "reader"]), st.text(max_size=8)
)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=25
)
NAMES = st.sampled_from(
    [
        "a.json",
        "a.yaml",
        "a.pt",
        "a.pkl",
        "a.npy",
        "a.npz",
        "a.safetensors",
        "a.onnx",
        "a.ts",
        "a.conf",
        "a.md",
        "a.png",
        "a.nii.gz",
        "a.tar",
        "a.bin",
        "large_files.yml",
    ]
)
HEADS = st.sampled_from(
    [
        b"",
        b"PK\x03\x04",
        b"\x80\x04",
        b"\x93NUMPY\x01\x00",
        b"\x1f\x8b\x08\x00",
        b"\x7fELF",
        b"cos\nsystem\n",
        b"{",
        b"[handlers]\n",
    ]
)


def _audit(contents):
    """Audit a folder of these files and look whether anything changed."""
    with tempfile.TemporaryDirectory() as folder:
        root = write(Path(folder) / "bundle", contents)
        audit = audit_bundle(root)
        assert {
            path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
        } == contents
        assert [path.name for path in Path(folder).iterdir()] == ["bundle"]
    json.dumps(audit.as_dict())
    return audit


@SETTINGS
@given(TREES, st.sampled_from(["json", "yaml"]))
def test_any_config_is_audited(tree, suffix):
    text = json.dumps(tree) if suffix == "json" else yaml.safe_dump(tree)
    _audit({f"configs/a.{suffix}": text.encode("utf-8", "replace")})


@SETTINGS
@given(TREES)
def test_a_program_anywhere_in_any_config_makes_it_refused(tree):
    tree = {"a": tree, "sample": {"_target_": "subprocess.Popen"}}
    assert _audit({"configs/a.json": json.dumps(tree).encode()}).verdict is Verdict.REFUSED


@SETTINGS
@given(st.text(max_size=200))
def test_any_yaml_text_is_audited(text):
    _audit({"configs/a.yaml": text.encode("utf-8", "replace")})


@SETTINGS
@given(st.text(max_size=80))
def test_any_expression_is_audited(text):
    _audit({"configs/a.json": json.dumps({"a": f"${text}"}).encode()})


@SETTINGS
@given(NAMES, HEADS, st.binary(max_size=300))
def test_any_bytes_under_any_name_are_audited(name, head, data):
    _audit({name: head + data})


def _archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**files(), "data.pkl": pickle.dumps({"a": [1, 2.0, "b"]})}.items():
            archive.writestr(f"bundle/{name}", data)
    return buffer.getvalue()


CHANGES = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=8)


def _changed(data, changes, length):
    data = bytearray(data)
    for position, value in changes:
        data[position % len(data)] = value
    return bytes(data[: len(data) - length % 64])


@SETTINGS
@given(CHANGES, st.integers(0, 63))
def test_a_zip_with_changed_bytes_is_audited_or_is_no_zip(changes, length):
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        path = Path(folder) / "bundle.zip"
        path.write_bytes(_changed(_archive(), changes, length))
        with suppress(InputError):
            json.dumps(audit_bundle(path).as_dict())
        assert [entry.name for entry in Path(folder).iterdir()] == ["bundle.zip"]


@SETTINGS
@given(CHANGES, st.integers(0, 63), st.sampled_from(["models/a.pt", "a.npz", "a.ts"]))
def test_weights_with_changed_bytes_are_audited(changes, length, name):
    _audit({name: _changed(_archive(), changes, length)})


@SETTINGS
@given(CHANGES, st.integers(0, 63))
def test_a_pickle_with_changed_bytes_is_audited(changes, length):
    value = pickle.dumps([{"a": 1, "b": (2.0, "c" * 50)}, {1, 2}, b"d" * 40])
    _audit({"a.pkl": _changed(value, changes, length)})


@SETTINGS
@given(CHANGES, st.integers(0, 63), st.sampled_from(sorted(files())))
def test_a_bundle_with_a_changed_file_is_audited(changes, length, name):
    contents = files()
    _audit({**contents, name: _changed(contents[name], changes, length)})
