"""Weights: pickles are read and not carried out; other formats may not point elsewhere or hide bytes."""

import io
import json
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from medsynth.bundle.audit import Verdict, audit_bundle

from .samples import files, write


class _Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def _hostile(canary, protocol=2):
    return pickle.dumps({"weight": _Touch(canary)}, protocol)


def _state():
    return torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2)).state_dict()


def _saved(value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def _verdicts(audit, prefix):
    return {finding.verdict for finding in audit.objections if finding.file.startswith(prefix)}


def test_the_canary_sings_when_a_pickle_is_loaded(tmp_path):
    pickle.loads(_hostile(tmp_path / "bird"))
    assert (tmp_path / "bird").exists()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "name",
    [
        "a.pkl",
        "models/model.pt",
        "model.bin",
        "a.npy",
        "model.safetensors",
        "model.onnx",
        "a.png",
        "a.dat",
        "README.md",
    ],
)
def test_a_pickle_that_calls_something_is_refused_under_any_name(audited, canary, protocol, name):
    audit = audited({**files(), name: _hostile(canary, protocol)})
    assert Verdict.REFUSED in _verdicts(audit, name)
    assert any("Path.touch" in finding.what or "getattr" in finding.what for finding in audit.objections)


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
def test_weights_that_call_something_when_loaded_are_refused_at_their_pickle(audited, canary, options):
    audit = audited({**files(), "models/model.pt": _saved({"a": torch.zeros(2), "b": _Touch(canary)}, **options)})
    found = [finding for finding in audit.objections if finding.verdict is Verdict.REFUSED]
    assert found
    assert "pickle" in {finding.kind for finding in found}
    assert all(finding.file.startswith("models/model.pt") for finding in found)


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
def test_a_state_dict_of_any_type_of_numbers_is_allowed(tmp_path, options):
    types = (torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.int64, torch.bool, torch.complex64)
    state = {
        **_state(),
        **{str(kind): torch.zeros(3, dtype=kind) for kind in types},
        "p": torch.nn.Parameter(torch.ones(1)),
    }
    audit = audit_bundle(write(tmp_path, {**files(), "models/model.pt": _saved(state, **options)}))
    assert audit.objections == []


def test_a_whole_module_in_a_pickle_needs_trust(tmp_path):
    audit = audit_bundle(write(tmp_path, {**files(), "models/model.pt": _saved(torch.nn.Linear(1, 1))}))
    assert (
        _verdicts(audit, "models/model.pt") == {Verdict.TRUST, Verdict.REFUSED} or audit.verdict is not Verdict.ALLOWED
    )
    assert any("Linear" in finding.what for finding in audit.objections)


def _old_tar(content):
    """Return an archive as tar wrote it before it had a signature; ``torch.load`` opens such files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo("pickle")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    data = bytearray(buffer.getvalue())
    data[257:265] = bytes(8)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


def test_the_bare_weights_of_an_openvino_model_are_allowed(tmp_path):
    weights = np.random.default_rng(0).standard_normal(500).astype(np.float32)
    for name, content in {"zeros": bytes(400), "numbers": weights.tobytes()}.items():
        audit = audit_bundle(write(tmp_path / name, {**files(), "models/model.bin": content}))
        assert audit.objections == []


def test_other_files_of_that_name_are_not(audited, canary):
    hostile = _old_tar(_hostile(canary))
    assert tarfile.is_tarfile(io.BytesIO(hostile))
    for content in (hostile, b"cos\nsystem\n(S'touch x'\ntR\xff"):
        assert _verdicts(audited({**files(), "models/model.bin": content}), "models/model.bin") == {Verdict.REFUSED}
    assert _verdicts(audited({**files(), "models/model.pt": bytes(400)}), "models/model.pt") == {Verdict.REFUSED}


PICKLES = {
    "old text": b"cos\nsystem\n(S'touch CANARY'\ntR.",
    "instance": b"(S'touch CANARY'\nios\nsystem\n.",
    "object": b"(cos\nsystem\nS'touch CANARY'\no.",
    "stack": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0ctouch CANARY\x85R.",
    "memo": b"\x80\x04\x8c\x02os\x940\x8c\x06system\x940h\x00h\x01\x93\x8c\x0ctouch CANARY\x85R.",
    "computed name": b"\x80\x04\x8c\x02os\x8c\x06system\x86\x8c\x01x0\x93.",
    "extension": b"\x80\x02\x82\x01.",
    "second pickle": b"\x80\x04N.\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0ctouch CANARY\x85R.",
    "broken after the call": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0ctouch CANARY\x85R\xff",
    "cut off": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0ctouch",
    "through torch": b"\x80\x02ctorch.serialization\nos.system\n(X\x0c\x00\x00\x00touch CANARYtR.",
    "loader": b"\x80\x02ctorch.storage\n_load_from_bytes\n(X\x01\x00\x00\x00atR.",
    "getattr": b"\x80\x02cbuiltins\ngetattr\n.",
    "numpy runner": b"\x80\x02cnumpy.testing._private.utils\nrunstring\n.",
    "hub": b"\x80\x02ctorch.hub\nload\n.",
    "many": b"\x80\x04" + b"N0" * 3_000_000 + b".",
}


@pytest.mark.parametrize("name", PICKLES)
def test_a_handmade_pickle_is_refused(audited, canary, name):
    audit = audited({**files(), "models/model.pkl": PICKLES[name].replace(b"CANARY", str(canary).encode())})
    assert Verdict.REFUSED in _verdicts(audit, "models/model.pkl")


def test_an_array_of_objects_is_looked_into(audited, canary):
    buffer = io.BytesIO()
    np.save(buffer, np.array([_Touch(canary)], dtype=object), allow_pickle=True)
    assert _verdicts(audited({**files(), "samples/a.npy": buffer.getvalue()}), "samples/a.npy") == {
        Verdict.TRUST,
        Verdict.REFUSED,
    }


def test_arrays_of_objects_in_an_npz_are_looked_into(audited, canary):
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([_Touch(canary)], dtype=object), b=np.zeros(2))
    audit = audited({**files(), "samples/a.npz": buffer.getvalue()})
    assert Verdict.REFUSED in _verdicts(audit, "samples/a.npz!/a.npy")


def test_ordinary_arrays_are_allowed(tmp_path):
    one, several = io.BytesIO(), io.BytesIO()
    np.save(one, np.zeros((2, 3)))
    np.savez_compressed(several, a=np.zeros(3), b=np.ones(2, dtype=[("x", "f4"), ("y", "i2")]))
    audit = audit_bundle(write(tmp_path, {**files(), "a.npy": one.getvalue(), "b.npz": several.getvalue()}))
    assert audit.objections == []


@pytest.mark.parametrize("header", [b"{'descr': __import__('os').system('touch x')}", b"", b"[" * 500, b"{'a': 1}"])
def test_an_array_header_that_is_no_literal_is_refused_and_not_evaluated(audited, header):
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    assert _verdicts(audited({**files(), "a.npy": data}), "a.npy") == {Verdict.REFUSED}


def _safetensors(header, data=bytes(8), length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def test_ordinary_safetensors_are_allowed(tmp_path):
    data = _safetensors({"__metadata__": {"format": "pt"}, "a": TENSOR})
    audit = audit_bundle(write(tmp_path, {**files(), "models/model.safetensors": data}))
    assert audit.objections == []


SAFETENSORS = {
    "long header": _safetensors(b"{}", length=1 << 40),
    "hidden bytes": _safetensors({"a": TENSOR}, bytes(100)),
    "overlap": _safetensors({"a": TENSOR, "b": TENSOR}),
    "gap": _safetensors({"a": {**TENSOR, "data_offsets": [4, 8]}}),
    "backwards": _safetensors({"a": {**TENSOR, "data_offsets": [8, 0]}}),
    "not JSON": _safetensors(b"hello"),
    "list": _safetensors([1]),
    "no offsets": _safetensors({"a": {}}),
    "short": b"abc",
    "nested": _safetensors(b"[" * 100_000),
}


@pytest.mark.parametrize("name", SAFETENSORS)
def test_safetensors_that_do_not_add_up_are_refused(audited, name):
    audit = audited({**files(), "models/model.safetensors": SAFETENSORS[name]})
    assert _verdicts(audit, "models/model.safetensors") == {Verdict.REFUSED}


def _field(number, data):
    return bytes([number << 3 | 2, *_varint(len(data))]) + data


def _varint(value):
    out = []
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return [*out, value]


def _onnx(location=b"", domain=b""):
    external = _field(13, _field(1, b"location") + _field(2, location)) if location else b""
    tensor = _field(5, _field(8, b"weight") + external + _field(9, bytes(300)))
    node = _field(1, _field(4, b"Conv") + (_field(7, domain) if domain else b""))
    opset = _field(8, bytes([0x10, 17]))
    return b"\x08\x08" + opset + _field(7, node + tensor)


def test_a_self_contained_onnx_file_is_allowed(tmp_path):
    contents = {**files(), "models/model.onnx": _onnx(), "models/b.onnx": _onnx(location=b"b.data")}
    assert audit_bundle(write(tmp_path, contents)).objections == []


@pytest.mark.parametrize("location", [b"/etc/passwd", b"../../secret", b"C:\\secret", b"https://example.org/a"])
def test_onnx_weights_outside_the_bundle_are_refused(audited, location):
    audit = audited({**files(), "models/model.onnx": _onnx(location)})
    assert [finding.what for finding in audit.objections] == [location.decode()]
    assert audit.verdict is Verdict.REFUSED


def test_onnx_operators_of_other_libraries_need_trust(audited):
    audit = audited({**files(), "models/model.onnx": _onnx(domain=b"evil.ops")})
    assert (audit.verdict, audit.objections[0].what) == (Verdict.TRUST, "evil.ops")


@pytest.mark.parametrize("data", [b"", b"\x3a\xff\xff\xff\xff\x0f", b"\xff" * 40, b"hello world"])
def test_an_onnx_file_that_cannot_be_read_is_refused(audited, data):
    assert _verdicts(audited({**files(), "models/model.onnx": data}), "models/model.onnx") == {Verdict.REFUSED}


class _Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.InstanceNorm2d(4), torch.nn.GELU())

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.layers(image)
        if features.shape[0] > 1:
            features = torch.nn.functional.interpolate(features, scale_factor=2.0)
        return features.flatten(1).mean(dim=1)


def _script(module, tmp_path):
    torch.jit.script(module).save(str(tmp_path / "scripted.ts"))
    return (tmp_path / "scripted.ts").read_bytes()


def test_torchscript_of_tensor_operators_is_allowed(tmp_path):
    traced = torch.jit.trace(_Network().layers[::2], torch.zeros(1, 1, 8, 8))
    traced.save(str(tmp_path / "traced.ts"))
    contents = {"models/a.ts": _script(_Network(), tmp_path), "models/b.ts": (tmp_path / "traced.ts").read_bytes()}
    audit = audit_bundle(write(tmp_path / "bundle", {**files(), **contents}))
    assert audit.objections == []
    assert audit.counts["torchscript"] > 2


def _replaced(data, old, new):
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(old, new) if name.endswith(".py") else source.read(name))
    return buffer.getvalue()


OPERATORS = {
    "save": (b"torch.save(image, 'canary')", Verdict.REFUSED),
    "file": (b"torch.from_file('canary', True, 8)", Verdict.REFUSED),
    "other library": (b"ops.evil.run(image)", Verdict.TRUST),
    "unknown": (b"torch._unknown(image)", Verdict.TRUST),
    "function": (b"surprise(image)", Verdict.TRUST),
    "by another name": (b"([_9 := torch.save][0])(image)", Verdict.TRUST),
    "broken": (b"(((", Verdict.TRUST),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_other_operators_of_torchscript_are_found(audited, tmp_path, name):
    text, verdict = OPERATORS[name]
    data = _replaced(_script(_Network(), tmp_path), b"torch.flatten(", b"torch.flatten(" + text + b", ")
    audit = audited({**files(), "models/model.ts": data})
    assert _verdicts(audit, "models/model.ts!/") == {verdict}


def test_a_config_inside_torchscript_is_judged_too(audited, tmp_path):
    torch.jit.save(
        torch.jit.script(_Network()), tmp_path / "a.ts", _extra_files={"inference.json": '{"a": "$eval(\'1\')"}'}
    )
    audit = audited({**files(), "models/model.ts": (tmp_path / "a.ts").read_bytes()})
    assert [finding.file.rpartition("/")[2] for finding in audit.objections] == ["inference.json"]
