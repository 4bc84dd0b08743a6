"""Bundles described, listed, indexed and compared without executing them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from medsynth.base.errors import InputError
from medsynth.base.files import sha256
from medsynth.bundle.checking.description import BundleDifference, compare_bundles, describe_bundle
from medsynth.bundle.checking.registry import INDEX, find_entry, list_bundles, read_index, write_index
from medsynth.bundle.format.manifest import digest_of, list_files
from medsynth.bundle.trust.memory import find_trust
from medsynth.cli import app

METADATA = "configs/metadata.json"


@pytest.fixture(scope="module")
def made(make_bundle) -> Path:
    return make_bundle()


@pytest.fixture
def bundle(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "bundles/toy"))


def restate(bundle: Path, **changes: object) -> None:
    """Change what the metadata say, as an author would who writes a fitting manifest."""
    content = json.loads((bundle / METADATA).read_text()) | changes
    (bundle / METADATA).write_text(json.dumps(content))
    list_files(bundle, [METADATA])


def test_a_bundle_is_described_by_what_it_says(bundle):
    restate(bundle, eval_metrics={"a/diagnostic/auc": {"value": 0.9, "low": 0.8, "high": 0.95, "n": 60}, "dice": 0.5})
    found = describe_bundle(bundle)
    assert (found.name, found.form, found.split) == ("toy", "source", "0" * 64)
    assert found.sha256 == digest_of(bundle)
    paths = [path for path in bundle.rglob("*") if path.is_file()]
    assert (found.files, found.bytes) == (len(paths), sum(path.stat().st_size for path in paths))
    assert found.plugins == {"generator cyclegan": "0.1.0"}
    assert found.packages["monai"] == json.loads((bundle / METADATA).read_text())["monai_version"]
    assert found.figures["a/diagnostic/auc"] == {"value": 0.9, "low": 0.8, "high": 0.95, "n": 60}
    assert found.figures["dice"] == {"value": 0.5}
    assert found.plan == {"data.intensity": "auto"}


def test_other_bundles_are_described_as_far_as_they_say_anything(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / METADATA).write_text('{"version": 3, "eval_metrics": [1], "required_packages_version": "no"}')
    found = describe_bundle(tmp_path)
    assert (found.name, found.version, found.form, found.sha256) == (tmp_path.name, "", "monai", "")
    assert (found.figures, found.packages, found.plugins, found.plan) == ({}, {}, {}, {})


def test_what_a_terminal_would_act_on_is_escaped(bundle):
    restate(bundle, task="\x1b[2Jgone \u202e", eval_metrics={"\x07bell": 1.0})
    found = describe_bundle(bundle)
    assert found.task == "\\x1b[2Jgone \\u202e"
    assert list(found.figures) == ["\\x07bell"]


@pytest.mark.parametrize("depth", [3, 50, 900])
@pytest.mark.parametrize("key", ["", "a", "a.b.c.d.e"])
def test_deeply_nested_plans_are_described(bundle, depth, key):
    (bundle / "medsynth.json").write_text('{"plan": ' + f'{{"{key}": ' * depth + "1" + "}" * depth + "}")
    assert len(describe_bundle(bundle).plan) == 1


def test_what_holds_no_bundle_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no bundle: configs/metadata\.json is missing"):
        describe_bundle(tmp_path)


def test_bundles_are_found_as_folders_and_as_zips_but_not_inside_bundles_or_behind_links(made, bundle, tmp_path):
    folder = bundle.parent
    shutil.copytree(bundle, folder / "deeper/other")
    shutil.copytree(made, bundle / "docs/inner")
    shutil.copytree(bundle, folder / ".hidden/toy")
    (folder / "link").symlink_to(folder / "deeper")
    packed = shutil.make_archive(str(folder / "packed"), "zip", bundle)
    shutil.make_archive(str(folder / "pictures"), "zip", bundle / "docs")
    found = {entry["path"]: entry for entry in list_bundles(folder)}
    assert set(found) == {"toy", "deeper/other", "packed.zip"}
    assert found["packed.zip"]["archive"] == sha256(Path(packed))
    assert found["packed.zip"]["sha256"] == found["toy"]["sha256"] == digest_of(bundle)


def test_an_index_says_what_the_folder_says_without_the_bundles(bundle, tmp_path):
    entries = write_index(bundle.parent)
    index = shutil.move(bundle.parent / INDEX, tmp_path / "elsewhere.json")
    shutil.rmtree(bundle)
    assert list_bundles(Path(index)) == json.loads(json.dumps(entries))
    assert find_entry(Path(index), "toy")["plan"] == {"data.intensity": "auto"}
    with pytest.raises(InputError, match="names no bundle 'other'"):
        find_entry(Path(index), "other")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"bundles": 3}',
        '{"bundles": [3]}',
        '{"bundles": [{"path": "a"}]}',
        "[" * 100_000,
    ],
)
def test_what_is_no_index_is_refused(tmp_path, text):
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(InputError, match="neither a folder of bundles nor an index"):
        read_index(tmp_path / INDEX)


@pytest.mark.parametrize(("field", "value"), [("bytes", "many"), ("figures", [1]), ("figures", {"a": {"value": "x"}})])
def test_an_index_with_values_of_other_types_is_refused(bundle, field, value):
    write_index(bundle.parent)
    path = bundle.parent / INDEX
    content = json.loads(path.read_text())
    content["bundles"][0][field] = value
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=field):
        read_index(path)


def test_a_number_beyond_floats_spoils_neither_its_bundle_nor_those_beside_it(bundle):
    shutil.copytree(bundle, bundle.parent / "other")
    huge = int("9" * 401)
    restate(bundle, eval_metrics={"a": huge, "b": {"value": 0.5, "low": -huge, "n": huge}, "c": [huge]})
    assert describe_bundle(bundle).figures == {"b": {"value": 0.5}}
    assert [entry["path"] for entry in write_index(bundle.parent)] == ["other", "toy"]
    for arguments in (
        ["list", bundle.parent],
        ["list", bundle.parent / INDEX],
        ["show", bundle],
        ["diff", bundle, bundle],
    ):
        done = CliRunner().invoke(app, ["bundle", *map(str, arguments)])
        assert (done.exit_code, done.exception) == (0, None), done.output


def test_a_folder_whose_name_is_no_text_is_listed_beside_others(bundle):
    shutil.copytree(bundle, Path(os.fsdecode(os.fsencode(bundle.parent) + b"/\xff")))
    assert {entry["path"] for entry in write_index(bundle.parent)} == {"toy", "\\udcff"}
    assert CliRunner().invoke(app, ["bundle", "list", str(bundle.parent)]).exit_code == 0


HOSTILE = {
    "bytes": [-1, 10**400, 1 << 63],
    "files": [-1, 10**400],
    "figures": [{"a": {"value": 10**400}}, {"a": {"value": float("nan")}}, {"a": {"value": float("inf")}}],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in HOSTILE.items() for value in values])
def test_an_index_with_numbers_that_none_can_be_is_refused(bundle, field, value):
    write_index(bundle.parent)
    path = bundle.parent / INDEX
    content = json.loads(path.read_text())
    content["bundles"][0][field] = value
    path.write_text(json.dumps(content))
    for command in (["list", path], ["show", path, "toy"]):
        done = CliRunner().invoke(app, ["bundle", *map(str, command)])
        assert done.exit_code == 2, done.output
        assert "nor an index of them" in done.stderr


@pytest.mark.parametrize("digest", ["../../secret", "x" * 5000, "a\0b", "\ud800"])
def test_an_index_with_a_strange_hash_is_listed_as_trusted_by_nobody(bundle, digest):
    write_index(bundle.parent)
    path = bundle.parent / INDEX
    content = json.loads(path.read_text())
    content["bundles"][0]["sha256"] = digest
    path.write_text(json.dumps(content))
    assert find_trust(digest) is None
    assert CliRunner().invoke(app, ["bundle", "list", str(path)]).exit_code == 0


def test_a_strangers_index_cannot_act_on_a_terminal(bundle):
    write_index(bundle.parent)
    path = bundle.parent / INDEX
    path.write_text(path.read_text().replace('"toy"', '"\\u001b[2J"'))
    (entry,) = read_index(path)
    assert (entry["path"], entry["name"]) == ("\\x1b[2J", "\\x1b[2J")


def test_equal_bundles_have_no_difference_whether_packed_or_not(bundle, tmp_path):
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", bundle))
    assert compare_bundles(bundle, packed) == []


def test_two_bundles_differ_in_what_was_changed_and_in_nothing_else(bundle, tmp_path):
    other = Path(shutil.copytree(bundle, tmp_path / "other"))
    restate(other, version="0.2.0", eval_metrics={"a/b/c": {"value": 0.5, "low": 0.25, "high": 0.75}})
    (other / "LICENSE").unlink()
    first, second = ((root / METADATA) for root in (bundle, other))
    assert compare_bundles(bundle, other) == [
        BundleDifference("about", "version", "0.1.0", "0.2.0"),
        BundleDifference("figure", "a/b/c", "", "0.5 (0.25 to 0.75)"),
        BundleDifference("file", "LICENSE", sha256(bundle / "LICENSE"), ""),
        BundleDifference("file", METADATA, sha256(first), sha256(second)),
    ]
