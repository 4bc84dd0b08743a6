import json
import os

import numpy as np
import pytest

from medsynth.base.errors import InputError, RunError
from medsynth.data.cache import cache_bytes, load_images
from medsynth.data.formats.chains import instantiate
from medsynth.data.listing.image_table import read_manifest


@pytest.fixture
def table(tmp_path, write, config):
    def build(rows=None):
        root = tmp_path / "in"
        rows = rows or write.rows(root, patients=3)
        return read_manifest(write.table(root, rows), config()), root

    return build


def test_the_cache_holds_what_the_saved_transforms_read(tmp_path, table, config):
    records, root = table()
    images = load_images(records, root, config(), tmp_path / "out")
    chains = json.loads((tmp_path / "out" / "preprocessing.json").read_text())
    for k, record in enumerate(records):
        expected = instantiate(chains[record.domain])({"image": str(root / record.image)})["image"]
        assert np.abs(images.read(k) - expected.numpy()).max() < 1e-6  # sums of another order


def test_a_complete_cache_is_reused_until_a_file_or_setting_changes(tmp_path, table, config):
    records, root = table()
    out = tmp_path / "out"
    load_images(records, root, config(), out)
    (first,) = out.glob("pixels-*")
    before = first.stat().st_mtime_ns
    load_images(records, root, config(), out)
    assert first.stat().st_mtime_ns == before
    os.utime(root / records[0].image, (1, 1))
    load_images(records, root, config(), out)
    (second,) = out.glob("pixels-*")
    load_images(records, root, config(fit="stretch"), out)
    assert len({first, second, *out.glob("pixels-*")}) == 3


def test_an_interrupted_cache_is_started_again(tmp_path, table, config):
    records, root = table()

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_images(records, root, config(), tmp_path, stop)
    assert [path.suffix for path in tmp_path.glob("pixels-*")] == [".partial"]
    assert len(load_images(records, root, config(), tmp_path)) == len(records)
    assert [path.suffix for path in tmp_path.glob("pixels-*")] == [".npy"]


def test_slices_of_volumes_land_in_the_rows_of_their_records(tmp_path, write, values, config, make_record):
    volume = values(0, (16, 16, 4), high=999)
    write.nifti(tmp_path / "v.nii", volume)
    write.png(tmp_path / "a.png")
    records = [make_record("v.nii", slice=2), make_record("a.png", domain="source"), make_record("v.nii", slice=0)]
    images = load_images(records, tmp_path, config(), tmp_path / "out")
    for k, index in ((0, 2), (2, 0)):
        shown = volume[::-1, ::-1, index].T
        assert np.corrcoef(images.read(k).ravel(), shown.ravel())[0, 1] > 0.99


def test_true_counterparts_are_read_like_the_target(tmp_path, write, values, config, make_record):
    write.nifti(tmp_path / "wide.nii", values(0, (16, 16), high=4000))
    write.png(tmp_path / "narrow.png")
    records = [make_record("wide.nii"), make_record("narrow.png", domain="oracle"), make_record("narrow.png")]
    images = load_images(records, tmp_path, config(), tmp_path / "out")
    assert np.array_equal(images.read(1), images.read(2))


def test_progress_ends_with_all_images(tmp_path, table, config):
    records, root = table()
    calls = []
    load_images(records, root, config(), tmp_path / "out", lambda done, total: calls.append((done, total)))
    assert calls == [(k, 6) for k in range(1, 7)]


def test_all_unreadable_files_are_refused_together(tmp_path, table, write, config):
    root = tmp_path / "in"
    records, _ = table(write.rows(root, patients=12))
    for record in records[:12]:
        (root / record.image).write_bytes(b"")
    with pytest.raises(InputError, match="12 problems") as caught:
        load_images(records, root, config(), tmp_path / "out")
    assert "source9.png is empty" in caught.value.message
    assert "and 2 more" in caught.value.message
    assert not (tmp_path / "out").exists()


def test_the_estimate_is_the_size_on_disk(tmp_path, table, config):
    records, root = table()
    load_images(records, root, config(channels=3), tmp_path / "out")
    (path,) = (tmp_path / "out").glob("pixels-*")
    assert path.stat().st_size == cache_bytes(records, config(channels=3))


def test_a_full_disk_is_told_and_leaves_no_partial_file(tmp_path, table, config, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    records, root = table()
    with pytest.raises(RunError, match="No space left on device"):
        load_images(records, root, config(), tmp_path / "out")
    assert not list((tmp_path / "out").glob("pixels-*"))


def test_the_phantom_is_estimated_before_it_exists(config):
    sizes = {"phantom_source": 20, "phantom_negative": 20, "phantom_positive": 10, "phantom_test": 10}
    assert cache_bytes([], config("phantom", **sizes)) == 128 + (2 * 40 + 30 + 20) * 16 * 16 * 4
