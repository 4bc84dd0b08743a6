"""Making a reading: the page, its key, and what neither the page nor its order may tell."""

from __future__ import annotations

import base64
import json
import re
import shutil

import numpy as np
import pytest
from medsynth_readers import table
from typer.testing import CliRunner

from medsynth.base.errors import InputError
from medsynth.cli import app
from medsynth.cli import readers as cli
from medsynth.data.png import to_bytes
from medsynth.readers import (
    DIAGNOSE,
    REAL_OR_SYNTHETIC,
    TASKS,
    choose_images,
    draw_study,
    images_of_run,
    make_reading,
    read_key,
)
from medsynth.readers.reading_page import page_text
from tests.readers.conftest import write_run


def content(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="study">(.*?)</script>', page, re.DOTALL)[1])


def made(finished, task, **options):
    images = choose_images(images_of_run(finished, task), 0, equal=task == REAL_OR_SYNTHETIC, seed=1)
    study = draw_study(images, task=task, **{"readers": 3, "repeats": 0.2, "seed": 1} | options)
    return images, study, page_text(study, images, positive="invasion")


@pytest.mark.parametrize("task", TASKS)
def test_the_page_holds_no_name_patient_or_key_in_clear_or_encoded(finished, task):
    images, study, page = made(finished, task)
    manifests = [path.read_text() for path in finished.rglob("manifest.csv")]
    words = {cell for text in manifests for line in text.splitlines()[1:] for cell in line.split(",") if "-" in cell}
    words |= {cell.rpartition("/")[2].removesuffix(".png") for cell in words} | {image.name for image in images}
    words |= {study.secret.hex(), str(finished), *study.cases.values()}
    assert len(words) > 60
    for word in words:
        encoded = base64.b64encode(word.encode()).decode().rstrip("=")[:-1]
        assert word not in page, word
        assert encoded not in page, word
    assert set(content(page)) == {"study", "task", "size", "channels", "orders", "images"}


@pytest.mark.parametrize("task", TASKS)
def test_images_of_a_page_have_one_length_no_header_and_the_order_of_their_pseudonyms(finished, task):
    images, study, page = made(finished, task)
    shown = content(page)["images"]
    assert list(shown) == sorted(shown)
    assert len({len(text) for text in shown.values()}) == 1
    pixels = {image.name: image.pixels for image in images}
    for called, text in shown.items():
        assert re.fullmatch("i[0-9a-f]{15}", called)
        values = np.frombuffer(base64.b64decode(text), np.uint8).reshape(1, 64, 64)
        np.testing.assert_array_equal(values, pixels[study.names[called]])


def test_neither_page_nor_orders_depend_on_the_order_or_the_truth_of_the_images(finished):
    images, study, page = made(finished, REAL_OR_SYNTHETIC)
    options = {"task": REAL_OR_SYNTHETIC, "readers": 3, "repeats": 0.2, "seed": 1}
    again = draw_study(images[::-1], **options, secret=study.secret)
    assert page_text(again, images[::-1], positive="invasion") == page
    other = draw_study(images, **options)
    names = [[one.names[image] for image in one.orders["R01"]] for one in (study, other)]
    assert names[0] != names[1]  # the seed alone does not give the order away
    assert not set(study.names) & set(other.names)


def test_each_reader_has_an_order_of_its_own_in_which_some_images_come_again_much_later(finished):
    _, study, _ = made(finished, DIAGNOSE, repeats=0.25)
    orders = [tuple(order) for order in study.orders.values()]
    assert len(set(orders)) == 3
    for order in orders:
        assert len(order) == 15
        assert set(order) == set(study.names)
        places = {image: [k for k, other in enumerate(order) if other == image] for image in order}
        assert sorted(map(len, places.values())) == [1] * 9 + [2] * 3
        assert all(place[-1] - place[0] > 4 for place in places.values() if len(place) == 2)


def test_real_or_synthetic_shows_as_many_of_one_as_of_the_other_and_diagnose_what_is_labeled(finished):
    everything = images_of_run(finished, REAL_OR_SYNTHETIC)
    assert [image.truth for image in everything] == [0] * 12 + [1] * 10
    chosen = choose_images(everything, 0, equal=True, seed=3)
    assert [image.truth for image in chosen] == [0] * 10 + [1] * 10
    assert chosen == choose_images(everything, 0, equal=True, seed=3)
    assert [image.truth for image in choose_images(everything, 6, equal=True, seed=3)] == [0] * 3 + [1] * 3
    diagnose = images_of_run(finished, DIAGNOSE)
    assert {image.name for image in diagnose} == {f"ward/clinic-{k:02}.png" for k in range(12)}
    assert len(choose_images(diagnose, 5, equal=False, seed=3)) == 5


def test_pixels_are_those_of_the_run(finished):
    shown = {image.name: image.pixels for image in images_of_run(finished, REAL_OR_SYNTHETIC)}
    cached, translated = np.load(finished / "data/pixels-0.npy"), np.load(finished / "evaluation/translated/pixels.npy")
    np.testing.assert_array_equal(shown["ward/clinic-03.png"], to_bytes(cached[4]))
    np.testing.assert_array_equal(shown["evaluation/translated/images/clinic-03.png"], to_bytes(translated[3]))


def test_slices_are_shown_without_their_neighbors(tmp_path):
    run = write_run(tmp_path / "run", neighbors=1)
    shown = {image.name: image.pixels for image in images_of_run(run, REAL_OR_SYNTHETIC)}
    cached = np.load(run / "data/pixels-0.npy")
    assert {pixels.shape for pixels in shown.values()} == {(1, 64, 64)}
    np.testing.assert_array_equal(shown["ward/clinic-03.png"], to_bytes(cached[4, 1:2]))


def test_color_images_keep_their_three_channels(finished):
    images, study, _ = made(finished, DIAGNOSE)
    colored = [type(image)(image.name, image.truth, np.repeat(image.pixels, 3, axis=0)) for image in images]
    shown = content(page_text(study, colored, positive=""))
    assert shown["channels"] == 3
    assert {len(base64.b64decode(text)) for text in shown["images"].values()} == {3 * 64 * 64}


def test_the_command_writes_page_and_key_and_replaces_neither(finished, tmp_path):
    out = tmp_path / "reading.html"
    arguments = ["readers", "make", str(finished), "--out", str(out), "--groups", "junior, senior", "--readers", "2"]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    study = read_key(tmp_path / "reading-key.json")
    told = json.loads(result.stdout)
    assert (told["study"], told["images"], told["each"]) == (study.name, 12, 13)
    page = out.read_text()
    assert content(page)["orders"] == study.orders
    assert "Does this image show invasion?" in page
    assert "<option>senior</option>" in page
    assert not re.findall(r"(?:src|href)=|https?:", page)
    before = page
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2
    assert "reading.html exists" in refused.output.replace("\n", "")
    assert out.read_text() == before


def test_command_page_and_evaluator_know_the_same_tasks():
    assert cli.TASKS == table.TASKS == TASKS


def test_a_page_that_cannot_be_written_leaves_no_key(finished, tmp_path, monkeypatch):
    images, study, _ = made(finished, DIAGNOSE)
    monkeypatch.setattr("medsynth.readers.reading_page.page_text", lambda *_, **__: "\ud800")
    with pytest.raises(UnicodeEncodeError):
        make_reading(study, images, tmp_path / "reading.html", positive="")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--task", "guess"], "--task 'guess' is unknown"),
        (["--images", "13"], "--images 13 are more than the 12"),
        (["--repeats", "0.5"], "--repeats 0.5 is not between 0 and 0.333"),
        (["--groups", "a;b"], "'a;b' is no name of a group"),
        (["--out", "reading.txt"], "--out reading.txt is no name of a page"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_and_nothing_is_written(
    finished, tmp_path, monkeypatch, options, message
):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["readers", "make", str(finished), "--out", "reading.html", *options])
    assert result.exit_code == 2
    assert message in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("run.json", "run.json cannot be read"),
        ("data/seal.json", "data is missing or unfinished"),
        ("data/manifest.csv", "manifest.csv is missing"),
        ("evaluation/translated", "translated is missing or unfinished"),
    ],
)
def test_a_run_without_a_part_is_refused(finished, tmp_path, part, message):
    run = shutil.copytree(finished, tmp_path / "run")
    shutil.rmtree(run / part) if (run / part).is_dir() else (run / part).unlink()
    with pytest.raises(InputError, match=re.escape(message)):
        images_of_run(run, REAL_OR_SYNTHETIC)


def test_synthetic_images_of_several_trainings_are_refused(finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    (run / "seeds").mkdir()
    assert images_of_run(run, DIAGNOSE)
    with pytest.raises(InputError, match="several trainings"):
        images_of_run(run, REAL_OR_SYNTHETIC)
