"""Ids: what a key changes elsewhere, what a relative id or a macro leads to, in one config or in several."""

import json

import pytest

from medsynth.bundle.audit import Verdict

from .samples import files

SAVER = {"_target_": "SaveImaged", "keys": "pred", "output_dir": "eval"}
LISTING = "$[{'image': str(p)} for p in sorted(pathlib.Path(@bundle_root).rglob('*.png'))]"


def _audit(audited, configs, **entries):
    contents = files(**entries)
    contents |= {f"configs/{name}.json": json.dumps(tree).encode() for name, tree in configs.items()}
    return audited(contents)


CHANGES = {
    "a target": {"saver::_target_": "os.system"},
    "a target by the old separator": {"saver#_target_": "os.system"},
    "a folder": {"saver::output_dir": "$chr(47)"},
    "a folder of an item of a list": {"list::0::output_dir": "$chr(47)"},
    "a folder by merging": {"+saver": {"output_dir": "$chr(47)"}},
    "a folder in a merged list": {"+list": [{"_target_": "SaveImaged", "keys": "a", "output_dir": "$chr(47)"}]},
    "a folder at an unknown position": {"list::-1::output_dir": "eval"},
    "a folder of what is not there": {"nothing::output_dir": "eval"},
    "a folder with a blank": {" saver::output_dir": "eval"},
    "a mode": {"saver::_mode_": "callable"},
    "a target of a plain mapping": {"plain::_target_": "subprocess.run"},
    "an id inside": {"a": {"saver::output_dir": "eval"}},
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_key_that_changes_a_component_elsewhere_is_judged_with_it(audited, name):
    context = {"saver": SAVER, "list": [SAVER], "plain": {"args": "a"}}
    assert _audit(audited, {"other": CHANGES[name]}, **context).verdict is not Verdict.ALLOWED


def test_harmless_changes_of_the_usual_kind_are_allowed(audited):
    changes = {"saver#resample": False, "list::0::_disabled_": True, "+list": [SAVER], "+saver": {"scale": 255}}
    assert _audit(audited, {"other": changes}, saver=SAVER, list=[SAVER]).objections == []


MODULES = {
    "by an absolute id": "$@imports::0.replace('a', 'b')",
    "by a relative id": {"deep": ["$@::::::imports[0].replace('a', 'b')"]},
    "in the metadata": "$@_meta_::imports::0.replace('a', 'b')",
    "appended": "$@later[0].replace('a', 'b')",
    "by a macro of a file": "%configs/other.json::later",
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_no_value_whatever_id_leads_to_it(audited, name):
    configs = {"other": {"+later": ["$import os"]}, "metadata": {"imports": ["$import os"]}}
    audit = _audit(audited, configs, sample=MODULES[name])
    assert Verdict.REFUSED in {finding.verdict for finding in audit.objections if finding.place.startswith("sample")}


IMAGES = {
    "chr": "$chr(47) + 'tmp'",
    "join": "$'x'.join(@parts)",
    "strip": "$'x/etc'.lstrip('x')",
    "replacement": "$@parts[0].replace('x', '/')",
    "f-string": "$f'{@x}{@y}'",
    "sum": "$[a + b for a, b in zip(@parts, @parts)]",
    "percent": "$'%s' % @parts",
    "parents": "$str(pathlib.Path('a').resolve().parent.parent)",
    "division": "$[pathlib.Path(p) / 'a' for p in @parts]",
    "working folder": "$os.getcwd()",
    "separator": "$os.sep",
    "relative to elsewhere": "$[os.path.relpath(p, 'a/b/c') for p in @parts]",
    "part of a text": "$'x/etc'[1:]",
    "every second letter": "$(lambda x: x[::2])(@parts)",
    "regular expression": "$re.sub('x', '/', 'x')",
    "json": "$json.loads('1')",
}


@pytest.mark.parametrize("name", IMAGES)
def test_images_are_not_written_where_an_expression_may_lead_them(audited, name):
    imports = [f"$import {module}" for module in ("os", "glob", "pathlib", "re", "json")]
    audit = audited(files(imports=imports, parts=["x"], x=".", y="./", sample=IMAGES[name], saver=SAVER))
    assert "saver" in {finding.place for finding in audit.objections}


@pytest.mark.parametrize("keep", ["", "@bundle_root", "samples"])
def test_images_are_written_below_the_output_folder_where_names_come_from_listing_a_folder(audited, keep):
    imports = ["$import os", "$import glob", "$import pathlib"]
    name = "$[os.path.relpath(p, @bundle_root) for p in sorted(pathlib.Path(@bundle_root).rglob('*'))]"
    post = {"_target_": "Lambdad", "keys": "pred", "func": "$lambda x: x[:1]"}
    saver = {**SAVER, "output_postfix": "seg", "data_root_dir": keep}
    assert audited(files(imports=imports, items=LISTING, names=name, post=post, saver=saver)).objections == []


def test_a_part_of_a_text_matters_only_where_folders_of_what_is_read_are_kept(audited):
    entries = {"post": {"_target_": "Lambdad", "keys": "pred", "func": "$lambda x: x[1:]"}}
    assert audited(files(**entries, saver=SAVER)).objections == []
    kept = audited(files(**entries, saver={**SAVER, "data_root_dir": "samples"}))
    assert {finding.place for finding in kept.objections} == {"saver"}
