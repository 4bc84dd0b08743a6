"""Names become pseudonyms, the same for the same data, in tables and in sentences."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from medsynth.data.images import Record
from medsynth.data.pseudonyms import Pseudonyms, _letters

COLUMNS = {"center": ("9", "7", "7"), "device": ("Voluson", "", "Logiq"), "depth": ("1.5", "2", "")}


def records() -> tuple[Record, ...]:
    names = ("Doe 1.png", "cases/Doe 10.nii.gz", "cases/Roe.png")
    return tuple(
        Record(name, "target", k % 2, name[:3], "train", extra={c: values[k] for c, values in COLUMNS.items()})
        for k, name in enumerate(names)
    )


@pytest.fixture
def pseudonyms() -> Pseudonyms:
    return Pseudonyms.of(records(), shown=False, places=["/home/jane/cases", ""])


def test_images_are_numbered_in_an_order_that_is_not_that_of_their_names(pseudonyms: Pseudonyms) -> None:
    numbers = {pseudonyms.alias("image", record.image) for record in records()}
    assert numbers == {"image-1", "image-2", "image-3"}
    many = [Record(f"{k:03}.png", "target", 0, "p", "train") for k in range(30)]
    order = [Pseudonyms.of(many, shown=False).alias("image", record.image) for record in many]
    assert order not in (sorted(order, key=lambda n: int(n[6:])), sorted(order, key=lambda n: -int(n[6:])))
    again = Pseudonyms.of(many[::-1], shown=False)
    assert order == [again.alias("image", record.image) for record in many]


def test_a_slice_keeps_its_number_and_an_image_of_others_its_name(pseudonyms: Pseudonyms) -> None:
    volume = pseudonyms.alias("image", "cases/Doe 10.nii.gz")
    assert pseudonyms.alias("image", "cases/Doe 10.nii.gz#7") == f"{volume}#7"
    assert pseudonyms.alias("image", "images/000001.png") == "images/000001.png"


def test_values_of_columns_get_letters_but_numbers_only_where_they_are_centers(pseudonyms: Pseudonyms) -> None:
    columns = {name: np.array(values, dtype=object) for name, values in COLUMNS.items()}
    found = {name: values.tolist() for name, values in pseudonyms.groups(columns).items()}
    assert found == {
        "center": ["center B", "center A", "center A"],
        "device": ["device B", "", "device A"],
        "depth": ["1.5", "2", ""],
    }


def test_sentences_lose_names_and_places_the_longest_first(pseudonyms: Pseudonyms) -> None:
    said = "Doe 1.png and Doe 10.nii.gz of /home/jane/cases look alike, 7 bits differ; Logiq"
    hidden = pseudonyms.hide(said)
    first, second = (pseudonyms.alias("image", name) for name in ("Doe 1.png", "cases/Doe 10.nii.gz"))
    assert hidden == f"{first} and {second} of (removed) look alike, 7 bits differ; device A"


def test_others_get_letters_in_the_order_in_which_they_are_asked_for(pseudonyms: Pseudonyms) -> None:
    assert [pseudonyms.alias("reader", name) for name in ("Zoe", "Ann", "Zoe")] == ["A", "B", "A"]
    assert [_letters(number) for number in (0, 25, 26, 51, 52, 702)] == ["A", "Z", "AA", "AZ", "BA", "AAA"]


def test_the_key_resolves_everything_and_is_not_written_where_names_are_shown(pseudonyms, tmp_path) -> None:
    pseudonyms.alias("reader", "Zoe")
    pseudonyms.write_key(tmp_path / "key.csv")
    with (tmp_path / "key.csv").open(newline="") as stream:
        rows = {(row["kind"], row["pseudonym"]): row["name"] for row in csv.DictReader(stream)}
    assert rows["center", "A"] == "7"
    assert rows["reader", "A"] == "Zoe"
    assert rows["image", pseudonyms.alias("image", "Doe 1.png")] == "Doe 1.png"
    assert len(rows) == 3 + 2 + 2 + 2 + 1
    shown = Pseudonyms.of(records(), shown=True)
    assert (shown.alias("reader", "Zoe"), shown.hide("Doe 1.png")) == ("Zoe", "Doe 1.png")
    shown.write_key(tmp_path / "none.csv")
    assert not (tmp_path / "none.csv").exists()
