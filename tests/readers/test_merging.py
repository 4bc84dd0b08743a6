"""Merging what readers saved."""

from __future__ import annotations

import csv
import re

import pytest
from medsynth_readers.table import read_readers
from typer.testing import CliRunner

from medsynth.base.errors import InputError
from medsynth.cli import app
from medsynth.readers import DIAGNOSE, REAL_OR_SYNTHETIC, draw_study, images_of_run, merge_answers
from medsynth.readers.answers import COLUMNS, checksum


@pytest.fixture
def keyed(finished, tmp_path):
    """Return a study and its key file."""

    def make(task=DIAGNOSE, **options):
        images = images_of_run(finished, task)
        options = {"readers": 3, "repeats": 0.25, "seed": 1, "groups": ("junior", "senior")} | options
        study = draw_study(images, task=task, **options)
        path = tmp_path / f"{study.name}-key.json"
        path.write_text(study.key_text())
        return study, path

    return make


def odd(name: str, again: int) -> int:
    """Call images of odd numbers positive, and nothing at the second look."""
    return 0 if again else int(name[-5]) % 2


def test_the_table_holds_what_each_reader_said_by_the_names_of_the_run(keyed, answer, tmp_path):
    study, key = keyed()
    files = [answer(study, "R02", odd, group="senior"), answer(study, "R01", odd, group="junior", number=4)]
    merged = merge_answers(files, [key], tmp_path / "readers.csv")
    assert merged.progress == {"R01": (4, 15), "R02": (15, 15)}
    with (tmp_path / "readers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == merged.rows == 19
    assert {row["case"] for row in rows if row["reader"] == "R02"} == set(study.cases)
    assert all(int(row["decision"]) == odd(row["case"], int(row["repeat"])) for row in rows)
    assert sum(row["repeat"] == "1" for row in rows) == 3


def test_the_evaluators_reader_takes_the_table_as_it_is(keyed, answer, tmp_path):
    (one, first), (two, second) = keyed(), keyed(REAL_OR_SYNTHETIC)
    files = [answer(one, "R01", odd, group="junior"), answer(two, "R01", odd, group="senior")]
    merged = merge_answers(files, [first, second], tmp_path / "readers.csv")
    assert set(merged.progress) == {"R01 (diagnose)", "R01 (real-or-synthetic)"}
    found = {reader.task: reader for reader in read_readers(str(tmp_path / "readers.csv"))}
    reader = found[DIAGNOSE]
    assert (reader.name, reader.group, found[REAL_OR_SYNTHETIC].group) == ("R01", "junior", "senior")
    assert reader.decisions == {name: odd(name, 0) for name in one.cases}
    assert set(reader.again.values()) == {0}
    assert len(reader.again) == 3
    assert set(reader.seconds.values()) == {2.5}
    assert reader.pixels == one.cases


def test_the_checksum_is_fnv_1a_as_published():
    assert [checksum(text) for text in ("", "a", "foobar")] == ["c811c9dc5", "ce40c292c", "cbf9cf968"]


def line(text: str) -> str:
    return f"{text},{checksum(text)}"


def edited(lines: list[str], number: int, column: str, value: str) -> list[str]:
    """Return lines in which one value is another, with the checksum that a forger or another program would add."""
    cells = lines[number].split(",")[:-1]
    cells[COLUMNS.index(column)] = value
    return [*lines[:number], line(",".join(cells)), *lines[number + 1 :]]


DAMAGE = {
    "is no file of answers": lambda lines: ["reader,case", *lines[1:]],
    "has no answers": lambda lines: lines[:1],
    "line 3 has 3 of 11 values": lambda lines: [*lines[:2], "a,b,c", *lines[3:]],
    "line 3 is not as it was written": lambda lines: [*lines[:2], lines[2].replace(",2.5,", ",25,"), *lines[3:]],
    "15 answers were saved, 14 are in it": lambda lines: lines[:-1],
    "line 4: unknown pseudonym 'i000000000000000'": lambda lines: edited(lines, 3, "image", "i000000000000000"),
    "not in the order in which R01 saw them": lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
    "line 2: decision '2' is neither": lambda lines: edited(lines, 1, "decision", "2"),
    "line 2: confidence 'high' is no": lambda lines: edited(lines, 1, "confidence", "high"),
    "line 2: seconds 'long' is no": lambda lines: edited(lines, 1, "seconds", "long"),
    "line 3: reader 'R02' is not 'R01' as in": lambda lines: edited(lines, 2, "reader", "R02"),
    "is of the study s0, the key of s": lambda lines: edited(lines, 1, "study", "s0"),
}


@pytest.mark.parametrize("message", DAMAGE)
def test_a_file_that_cannot_be_used_is_refused_by_name_and_nothing_is_written(keyed, answer, tmp_path, message):
    study, key = keyed()
    path = answer(study, "R01", odd)
    path.write_text("\n".join(DAMAGE[message](path.read_text().splitlines())) + "\n")
    out = tmp_path / "readers.csv"
    result = CliRunner().invoke(app, ["readers", "merge", str(path), "--key", str(key), "--out", str(out)])
    assert result.exit_code == 2
    assert message in result.output
    assert path.name in result.output
    assert not out.exists()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("reader", "R09", "reader 'R09' is none of the study's"),
        ("task", "guess", "task 'guess' is not the study's"),
        ("group", "chief", "group 'chief' is none of the study's, which are junior, senior"),
    ],
)
def test_what_the_study_does_not_have_is_refused(keyed, answer, tmp_path, column, value, message):
    study, key = keyed()
    path = answer(study, "R01", odd, number=1)
    path.write_text("\n".join(edited(path.read_text().splitlines(), 1, column, value)) + "\n")
    with pytest.raises(InputError, match=re.escape(message)):
        merge_answers([path], [key], tmp_path / "readers.csv")


def test_the_key_of_another_study_a_damaged_key_and_a_foreign_file_are_refused(keyed, answer, tmp_path):
    (study, key), (_, other) = keyed(), keyed()
    path = answer(study, "R01", odd)
    with pytest.raises(InputError, match=f"is of the study {study.name}, the key of s"):
        merge_answers([path], [other], tmp_path / "readers.csv")
    key.write_text(key.read_text().replace(study.secret.hex(), "00" * 32))
    with pytest.raises(InputError, match="is damaged"):
        merge_answers([path], [key], tmp_path / "readers.csv")
    with pytest.raises(InputError, match="is damaged"):
        merge_answers([path], [path], tmp_path / "readers.csv")
    for content in (b"\xff\xfe", b"x" * 200_000):
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be read"):
            merge_answers([path], [other], tmp_path / "readers.csv")


def test_a_reader_who_comes_twice_and_a_table_over_its_own_input_are_refused(keyed, answer, tmp_path):
    study, key = keyed()
    path = answer(study, "R01", odd)
    twin = tmp_path / "twin.csv"
    twin.write_bytes(path.read_bytes())
    with pytest.raises(InputError, match="are both of reader R01"):
        merge_answers([path, twin], [key], tmp_path / "readers.csv")
    with pytest.raises(InputError, match="is one of the files to read"):
        merge_answers([path], [key], path)


def test_without_an_option_the_key_is_looked_for_in_the_working_directory_and_beside_the_answers(
    keyed, answer, tmp_path, monkeypatch
):
    study, key = keyed()
    path = answer(study, "R01", odd)
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    assert CliRunner().invoke(app, ["readers", "merge", str(path)]).exit_code == 0
    moved = path.rename(tmp_path / "elsewhere" / path.name)
    result = CliRunner().invoke(app, ["readers", "merge", str(moved)])
    assert result.exit_code == 2
    assert "no key of a reading page" in result.output
    key.rename(elsewhere / key.name)
    assert CliRunner().invoke(app, ["readers", "merge", moved.name]).exit_code == 0
    assert len(read_readers("readers.csv")) == 1
