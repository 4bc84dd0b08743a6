"""Images of finished runs: what several runs made of the same source images, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medsynth.base.errors import InputError
from medsynth.results.reading import RunResult
from medsynth.results.run_images import translations_of
from tests.results.conftest import write_run


def test_translations_of_one_source_image_stand_beside_each_other_though_runs_hold_others(tmp_path: Path) -> None:
    one, data, first = write_run(tmp_path / "one", sources=["a", "b", "c"])
    two, _, second = write_run(tmp_path / "two", sources=["a", "b", "d"], made=2)
    found = translations_of({"one": one, "two": two}, 9)
    assert [image.label for image in found] == [0, 1]
    for number, image in enumerate(found):
        np.testing.assert_array_equal(image.source, data[1 + 2 * number])
        np.testing.assert_array_equal(image.truth, data[2 + 2 * number])
        np.testing.assert_array_equal(image.made["one"], first[number])
        np.testing.assert_array_equal(image.made["two"], second[number])


def test_what_two_runs_made_alike_is_shown_once_and_other_slices_are_no_pair(tmp_path: Path) -> None:
    one, again = (write_run(tmp_path / name, sources=["a", "b"])[0] for name in ("one", "again"))
    assert [list(image.made) for image in translations_of({"one": one, "again": again}, 9)] == [["one"]] * 2
    turned, _, _ = write_run(tmp_path / "turned", sources=["b", "a"])
    assert translations_of({"one": one, "turned": turned}, 9) == []


def test_of_many_images_few_are_shown_from_the_first_to_the_last(tmp_path: Path) -> None:
    run, _, translated = write_run(tmp_path / "run", sources=list("abcdefghi"))
    found = translations_of({"run": run}, 3)
    for image, number in zip(found, (0, 4, 8), strict=True):
        np.testing.assert_array_equal(image.made["run"], translated[number])


def test_slices_are_shown_without_their_neighbors(tmp_path: Path) -> None:
    run, data, _ = write_run(tmp_path / "run", sources=["a"], neighbors=1)
    (image,) = translations_of({"run": run}, 4)
    np.testing.assert_array_equal(image.source, data[1, 1:2])
    np.testing.assert_array_equal(image.truth, data[2, 1:2])


def test_training_images_stand_in_where_no_source_patient_is_held_out(tmp_path: Path) -> None:
    run, data, _ = write_run(tmp_path / "run", sources=["a", "b"], split="train")
    assert [image.source.tolist() for image in translations_of({"run": run}, 4)] == data[[1, 3]].tolist()


def test_a_seed_of_a_run_finds_the_data_of_the_run(tmp_path: Path) -> None:
    run, _, _ = write_run(tmp_path / "run", sources=["a"])
    (tmp_path / "run/seeds/7").mkdir(parents=True)
    (tmp_path / "run/evaluation").rename(tmp_path / "run/seeds/7/evaluation")
    assert len(translations_of({"run": RunResult(tmp_path / "run/seeds/7", run.plan, {})}, 4)) == 1


def test_runs_without_images_are_left_out_and_damaged_ones_refused(tmp_path: Path) -> None:
    run, _, _ = write_run(tmp_path / "run", sources=["a"])
    gone, _, _ = write_run(tmp_path / "gone", sources=["a"], made=2)
    for path in sorted((gone.folder / "evaluation/translated").iterdir()):
        path.unlink()
    assert [list(image.made) for image in translations_of({"gone": gone, "run": run}, 4)] == [["run"]]
    assert translations_of({"gone": gone}, 4) == []
    path = run.folder / "evaluation/translated/pixels.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(InputError, match=r"pixels\.npy is damaged"):
        translations_of({"run": run}, 4)
    path.unlink()
    with pytest.raises(InputError, match=r"pixels\.npy is missing"):
        translations_of({"run": run}, 4)
