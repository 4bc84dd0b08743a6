"""Configs: targets are found wherever they hide; JSON and YAML are read as MONAI reads them."""

import json

import pytest

from medsynth.bundle.audit import Verdict

from .samples import files


def _touch(target="os.system", **more):
    return {"_target_": target, "command": "touch CANARY", **more}


REFUSED = {
    "a program": _touch(),
    "disabled": _touch(_disabled_=True),
    "callable": _touch(_mode_="callable"),
    "in a requirement": {"_target_": "UNet", "_requires_": [_touch()]},
    "deep in arguments": {"_target_": "Compose", "transforms": [{"_target_": "Lambdad", "func": {"x": [[_touch()]]}}]},
    "as an argument of a disabled one": {"_target_": "UNet", "_disabled_": True, "act": _touch()},
    "through torch": _touch("torch.os.system"),
    "through monai": _touch("monai.utils.misc.subprocess.Popen"),
    "through a class": _touch("monai.transforms.Compose.__init__.__globals__"),
    "built-in": _touch("exec"),
    "named built-in": _touch("builtins.exec"),
    "posix": _touch("posix.system"),
    "hub": {"_target_": "torch.hub.load", "repo_or_dir": "a/b"},
    "extension": {"_target_": "torch.utils.cpp_extension.load", "name": "a"},
    "library": {"_target_": "torch.ops.load_library", "path": "models/a.so"},
    "pickle": {"_target_": "pickle.load", "file": "a"},
    "config parser": {"_target_": "monai.bundle.ConfigParser", "config": {}},
    "downloader": {"_target_": "monai.apps.download_url", "url": "a"},
    "elastic": {"_target_": "torch.distributed.elastic.multiprocessing.start_processes"},
    "fullwidth letters": _touch("\uff4f\uff53.system"),
    "Cyrillic letter": {"_target_": "t\u043erch.nn.Linear"},
    "zero-width letter": {"_target_": "UN\u200bet"},
    "one reference": {"_target_": "@text"},
    "two references": {"_target_": "@second"},
    "reference to an entry of a list": {"_target_": "@list::1"},
    "old separator": {"_target_": "@list#1"},
    "expression of a reference": {"_target_": "$@text"},
    "macro": {"_target_": "%text"},
    "macro of another file": {"_target_": "%configs/other.json::text"},
    "macro of another file, old separator": {"_target_": "%configs/other.json#text"},
    "reference into another file": {"_target_": "@elsewhere"},
    "put together": {"_target_": "$'o' + 's.system'"},
    "put together elsewhere": {"_target_": "@computed"},
    "formatted": {"_target_": "$f'{@bundle_root}s.system'"},
    "leading nowhere": {"_target_": "@missing"},
    "reader": {"_target_": "LoadImaged", "keys": "image", "reader": "os.system", "command": "touch CANARY"},
    "reader in a list": {"_target_": "LoadImage", "reader": ["ITKReader", "os.system"]},
    "reader by reference": {"_target_": "LoadImage", "reader": "@text"},
    "writer": {"_target_": "SaveImaged", "keys": "pred", "writer": "subprocess.Popen"},
    "merger": {"_target_": "PatchInferer", "merger_cls": "os.system"},
    "macro out of the bundle": "%../other.json::a",
    "macro of an absolute path": "%/etc/other.json::a",
    "macro of an address": "%https://example.org/a.json::a",
    "merged": {"+a": _touch()},
    "invisible key": {"a\u200b": 1},
    "deep": json.loads("[" * 60 + "]" * 60),
}
TRUSTED = {
    "own code": {"_target_": "scripts.nets.Net"},
    "another package": {"_target_": "torchvision.models.resnet50"},
    "unknown component": {"_target_": "SurpriseNet"},
    "application of MONAI": {"_target_": "monai.apps.DecathlonDataset", "root_dir": "data"},
    "computed by a reference": {"_target_": "$@network.forward"},
    "an object": {"_target_": "@network_def"},
    "number": {"_target_": 3},
    "list": {"_target_": ["UNet"]},
    "empty": {"_target_": ""},
    "template": {"_target_": "???"},
    "debugger": {"_target_": "UNet", "_mode_": "debug"},
    "mode by reference": {"_target_": "UNet", "_mode_": "@text"},
    "debugger as argument": {"_target_": "UNet", "_debug_": True},
    "pretrained": {"_target_": "DenseNet121", "pretrained": True},
    "pretrained by default": {"_target_": "EfficientNetBN", "model_name": "efficientnet-b0"},
    "perceptual": {"_target_": "PerceptualLoss", "spatial_dims": 2},
    "pickled arrays": {"_target_": "NumpyReader", "allow_pickle": True},
    "pickled weights": {"_target_": "torch.jit.load", "weights_only": False},
    "tracking server": {"_target_": "MLFlowHandler", "tracking_uri": "http://example.org"},
    "address": {"model": "https://example.org/model.pt"},
    "storage address": {"model": "s3://bucket/model.pt"},
    "absolute path": {"output_dir": "/tmp/out"},
    "home": {"output_dir": "~/out"},
    "parent folder": {"output_dir": "eval/../../out"},
    "drive": {"output_dir": "C:\\out"},
    "share": {"output_dir": "\\\\server\\out"},
    "missing macro": "%configs/missing.json::a",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_entry_is_refused_at_its_place_and_not_run(audited, canary, name):
    entry = json.loads(json.dumps(REFUSED[name]).replace("CANARY", str(canary)))
    contents = files(
        text="os.system", second="@text", list=["UNet", "subprocess.Popen"], computed="$'o' + 's.system'", sample=entry
    )
    contents["configs/other.json"] = json.dumps({"text": "os.system", "elsewhere": "os.system"}).encode()
    audit = audited(contents)
    found = [finding for finding in audit.objections if finding.place.startswith("sample")]
    assert Verdict.REFUSED in {finding.verdict for finding in found}


@pytest.mark.parametrize("name", TRUSTED)
def test_an_entry_that_is_not_known_to_be_harmless_needs_trust(audited, name):
    audit = audited(files(text="UNet", sample=TRUSTED[name]))
    assert audit.verdict is Verdict.TRUST
    assert all(finding.place.startswith("sample") for finding in audit.objections)


def test_the_reason_says_what_a_reference_stands_for(audited):
    audit = audited(files(text="os.system", sample={"_target_": "@text"}))
    (finding,) = audit.objections
    assert (finding.what, finding.reason.partition(",")[0]) == ("@text", "stands for 'os.system'")


YAML = {
    "python object": "a: !!python/object/apply:os.system ['touch CANARY']",
    "python name": "a: !!python/name:os.system",
    "python module": "a: !!python/module:os",
    "own tag": "a: !evil b",
    "tag on a key": "!evil a: b",
    "anchor": "x: &t os.system\na: {_target_: *t, command: touch CANARY}",
    "merge": "x: &t {_target_: os.system, command: touch CANARY}\na: {<<: *t, b: 1}",
    "merged list": "x: &t {_target_: os.system}\na: {<<: [{b: 1}, *t]}",
    "folded text": "a:\n  _target_: >-\n    os.system",
    "escaped text": 'a: {"_tar\\u0067et_": "os.syst\\x65m"}',
    "default value": "a: {_target_: !!str {=: os.system}}",
    "repeated key": "a: {_target_: os.system, _target_: UNet}",
    "alias in itself": "a: &a [*a]",
    "two documents": "a: 1\n---\na: {_target_: os.system}",
    "key that is a list": "? [a]\n: {_target_: os.system}",
    "bomb": "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)),
    "deep": "[" * 2000 + "]" * 2000,
    "large": "a: [" + "1, " * 200_000 + "1]",
    "broken": "a: [",
    "expression": "a: $__import__('os').system('touch CANARY')",
}


@pytest.mark.parametrize("name", YAML)
def test_a_hostile_yaml_config_is_refused_and_builds_no_object(audited, canary, name):
    contents = files()
    contents["configs/sample.yaml"] = YAML[name].replace("CANARY", str(canary)).encode()
    found = [finding for finding in audited(contents).objections if finding.file == "configs/sample.yaml"]
    assert Verdict.REFUSED in {finding.verdict for finding in found}


def test_findings_in_yaml_name_the_line(audited):
    contents = files()
    contents["configs/sample.yml"] = b"# first\na:\n  - _target_: os.system\n"
    (finding,) = audited(contents).objections
    assert (finding.file, finding.place) == ("configs/sample.yml", "a::0 (line 3)")


JSON = {
    "repeated key": b'{"a": {"_target_": "os.system", "_target_": "UNet"}}',
    "broken": b'{"a": ',
    "not UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "large": b'{"a": "' + b"x" * (5 << 20) + b'"}',
    "many values": b'{"a": [' + b"1," * 200_000 + b"1]}",
    "long number": b'{"a": ' + b"1" * 10_000 + b"}",
}


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize("file", ["configs/sample.json", "configs/metadata.json"])
def test_a_json_file_that_hides_something_is_refused(audited, name, file):
    found = audited({**files(), file: JSON[name]}).objections
    assert {(finding.file, finding.verdict) for finding in found} >= {(file, Verdict.REFUSED)}


def test_both_values_of_a_repeated_key_are_judged(audited):
    audit = audited({**files(), "configs/sample.json": JSON["repeated key"]})
    assert {"_target_", "os.system"} <= {finding.what for finding in audit.objections}


def test_metadata_is_a_config_too_and_may_hold_addresses_for_people_only(audited):
    contents = files()
    metadata = {"references": ["https://example.org"], "schema": "https://example.org/schema.json", "a": "$eval('1')"}
    contents["configs/metadata.json"] = json.dumps(metadata).encode()
    found = {(finding.place, finding.verdict) for finding in audited(contents).objections}
    assert found == {("schema", Verdict.TRUST), ("a", Verdict.REFUSED)}


def test_the_list_of_large_files_may_not_lead_out_of_the_bundle(audited):
    contents = files()
    contents["large_files.yml"] = b"""\
large_files:
- path: ../../.bashrc
  url: https://example.org/a
  hash_val: abc
- path: models/model.pt
  url: https://example.org/b
"""
    found = {
        (finding.place.partition(" ")[0], finding.kind): finding.verdict for finding in audited(contents).objections
    }
    assert found[("large_files::0", "download")] is Verdict.REFUSED
    assert found[("large_files::1", "download")] is Verdict.TRUST
    assert found[("large_files::1::url", "address")] is Verdict.TRUST


def test_without_a_yaml_reader_a_yaml_config_needs_trust(audited, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    audit = audited({**files(), "configs/sample.yaml": b"a: 1"})
    assert audit.verdict is Verdict.TRUST
    assert "pip install pyyaml" in audit.objections[0].reason


TANGLES = {
    "chain": {f"k{i}": {"_target_": f"@k{i + 1}::_target_"} for i in range(2000)},
    "relative chain": {f"k{i}": [{"_target_": f"@::k{i + 1}"}] for i in range(2000)},
    "fan": {**{f"k{i}": ["UNet"] * 50 for i in range(500)}, "s": [{"_target_": f"@::k{i}::0"} for i in range(1500)]},
    "circle": {"a": {"_target_": "@b"}, "b": "@c", "c": "@b"},
    "references": {"a": "$" + "+".join(["@a"] * 30_000)},
    "sum": {"a": "$" + "1+" * 20_000 + "1"},
}


@pytest.mark.parametrize("name", TANGLES)
def test_references_that_go_on_and_on_are_refused_instead_of_followed(audited, name):
    contents = {**files(), "configs/sample.json": json.dumps(TANGLES[name]).encode()}
    assert audited(contents).verdict is Verdict.REFUSED
