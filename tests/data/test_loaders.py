import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import ndimage

from medsynth.base.errors import InputError
from medsynth.data.augment import flip_affine_gain_gamma, flip_and_crop
from medsynth.data.loaders import LabelledLoader, UnpairedLoader
from tests.leftovers import left_after, processes_of


def unpaired(make_images, source=5, target=12, **changes):
    options = {"batch_size": 2, "steps": 0, "seed": 1, "augment": False, "pinned": False} | changes
    return UnpairedLoader(make_images(source, domain="source"), make_images(target), **options)


def labelled(groups, **changes):
    options = {"batch_size": 4, "steps": 0, "seed": 1, "balance": True, "augment": False, "pinned": False} | changes
    return LabelledLoader(groups, **options)


def seen(loader, name):
    return torch.cat([batch[name] for batch in loader])


def partners(batches):
    rows = [batch[name][:, 0, 0, 0].tolist() for batch in batches for name in ("source", "target")]
    return {pair for k in range(0, len(rows), 2) for pair in zip(rows[k], rows[k + 1], strict=True)}


def assert_equal_batches(first, second):
    for left, right in zip(first, second, strict=True):
        assert all(torch.equal(left[name], right[name]) for name in left)


def test_an_epoch_goes_once_through_the_larger_domain_and_evenly_through_the_smaller(make_images):
    loader = unpaired(make_images)
    assert len(loader) == 6
    counts = {
        name: torch.unique(seen(loader, name)[:, 0, 0, 0], return_counts=True)[1] for name in ("source", "target")
    }
    assert counts["target"].tolist() == [1] * 12
    assert sorted(counts["source"].tolist()) == [2, 2, 2, 3, 3]


def test_partners_change_with_the_epoch_and_come_back_with_it(make_images):
    loader = unpaired(make_images, source=12)
    first = list(loader)
    loader.set_epoch(1)
    assert partners(first) != partners(list(loader))
    loader.set_epoch(0)
    assert_equal_batches(first, loader)


@pytest.mark.parametrize("augment", [False, True])
def test_worker_processes_do_not_change_the_batches(make_images, augment):
    assert_equal_batches(unpaired(make_images, augment=augment), unpaired(make_images, augment=augment, workers=2))
    group = [make_images(9)]
    assert_equal_batches(labelled(group, augment=augment), labelled(group, augment=augment, workers=2))


def test_the_global_random_state_neither_matters_nor_moves(make_images):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = list(unpaired(make_images, augment=True))
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(99)
    assert_equal_batches(first, unpaired(make_images, augment=True))


def test_steps_set_the_length_of_an_epoch(make_images):
    assert len(list(unpaired(make_images, steps=40))) == len(unpaired(make_images, steps=40)) == 40
    assert len(unpaired(make_images, source=1, target=1, batch_size=8)) == 1


def test_balanced_epochs_show_both_classes_equally_often_and_take_turns_with_an_odd_image(make_images):
    rare = make_images(11, labels=[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    loader = labelled([rare], batch_size=5, steps=3)
    positives = []
    for epoch in range(4):
        loader.set_epoch(epoch)
        positives.append(int(seen(loader, "label").sum()))
    assert positives == [7, 8, 7, 8]


@pytest.mark.parametrize("balance", [True, False])
@pytest.mark.parametrize(("share", "expected"), [(0.5, 20), (0.25, 10), (0.3, 12), (1.0, 40)])
def test_a_share_of_what_is_drawn_is_real_however_few_there_are(make_images, balance, share, expected):
    real, synthetic = make_images(3, labels=[1, 0, 0]), make_images(30, labels=[1, 0] * 15)
    real.pixels[:], synthetic.pixels[:] = 1, -1
    loader = labelled([real, synthetic], batch_size=8, steps=5, balance=balance, real_share=share)
    drawn, labels = seen(loader, "image")[:, 0, 0, 0] > 0, seen(loader, "label")
    assert int(drawn.sum()) == expected
    if balance:
        assert int((drawn & (labels == 1)).sum()) == expected // 2


def test_a_share_of_real_images_asks_nothing_of_a_class_that_only_one_side_has(make_images):
    real, synthetic = make_images(4, labels=[0] * 4), make_images(4, labels=[1] * 4)
    assert len(list(labelled([real, synthetic], real_share=0.5))) == 2


def test_augmentation_changes_with_the_epoch(make_images):
    loader = labelled([make_images(1, labels=[1])], balance=False, steps=1, augment=True)
    first = seen(loader, "image")
    loader.set_epoch(1)
    assert not torch.equal(first, seen(loader, "image"))


def test_without_balance_every_image_comes_once_with_its_own_label(make_images):
    real, synthetic = make_images(5), make_images(7)
    batches = list(labelled([real, synthetic], batch_size=3, balance=False))
    values = {round(float(v), 4) for group in (real, synthetic) for v in group.pixels[:, 0, 0, 0]}
    assert {round(float(v), 4) for b in batches for v in b["image"][:, 0, 0, 0]} == values
    assert sum(len(b["label"]) for b in batches) == 12
    labels = {
        round(float(v), 4): r.label for g in (real,) for v, r in zip(g.pixels[:, 0, 0, 0], g.records, strict=True)
    }
    shown = [
        (round(float(v), 4), int(n)) for b in batches for v, n in zip(b["image"][:, 0, 0, 0], b["label"], strict=True)
    ]
    assert all((v, n) in shown for v, n in labels.items())


def test_images_without_label_are_refused(make_images):
    with pytest.raises(InputError, match="1 images have no label, first target1"):
        labelled([make_images(3, labels=[0, None, 1])])


def test_a_single_class_cannot_be_balanced(make_images):
    with pytest.raises(InputError, match="all 2 training images have label 1"):
        labelled([make_images(2, labels=[1, 1])])


def test_an_empty_domain_is_refused(make_images):
    with pytest.raises(InputError, match="no source images"):
        UnpairedLoader(make_images(0), make_images(2), batch_size=1, steps=0, seed=0, augment=False, pinned=False)


def test_flip_and_crop_equals_cutting_the_enlarged_image():
    image = torch.rand(1, 1, 16, 16) * 2 - 1
    large = torch.nn.functional.interpolate(image, size=(18, 18), mode="bilinear")
    plain = flip_and_crop(image, np.array([[0.9, 0.5, 0.99]]))
    assert torch.equal(plain[0], large[0, :, 1:17, 2:18])
    assert torch.equal(flip_and_crop(image, np.array([[0.1, 0.5, 0.99]])), plain.flip(-1))


def test_the_affine_augmentation_agrees_with_scipy():
    grid = np.mgrid[-1:1:33j, -1:1:33j]
    unit = np.exp(-8 * ((grid[0] - 0.2) ** 2 + (grid[1] + 0.1) ** 2))
    draws = np.array([[0.9, 1.0, 0.0, 0.5, 0.5, 0.5, 0.5]])
    angle, zoom, middle = np.radians(7), 0.9, 16.0
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / zoom
    expected = ndimage.affine_transform(unit, matrix, middle - matrix @ [middle, middle], order=1, mode="grid-constant")
    result = flip_affine_gain_gamma(torch.from_numpy(unit * 2 - 1).float()[None, None], draws)
    np.testing.assert_allclose((result[0, 0].numpy() + 1) / 2, expected, atol=1e-5)


def test_neutral_draws_leave_the_image_as_it_is_and_flips_mirror_it():
    image = torch.rand(1, 3, 12, 12) * 2 - 1
    neutral = np.full((1, 7), 0.5)
    torch.testing.assert_close(flip_affine_gain_gamma(image, neutral), image, atol=1e-5, rtol=0)
    neutral[0, 0] = 0.0
    torch.testing.assert_close(flip_affine_gain_gamma(image, neutral), image.flip(-1), atol=1e-5, rtol=0)


def test_the_strength_scales_every_change_but_the_flip():
    image = torch.rand(1, 1, 16, 16) * 2 - 1
    draws = np.random.default_rng(0).random((1, 7))
    halved = np.concatenate([draws[:, :1], 0.5 + 0.5 * (draws[:, 1:] - 0.5)], axis=1)
    expected = flip_affine_gain_gamma(image, halved)
    torch.testing.assert_close(flip_affine_gain_gamma(image, draws, strength=0.5), expected, atol=1e-5, rtol=0)


def test_augmented_images_stay_in_range_whatever_is_drawn():
    images = torch.rand(64, 1, 16, 16) * 2 - 1
    result = flip_affine_gain_gamma(images, np.random.default_rng(0).random((64, 7)))
    assert -1 <= float(result.min()) <= float(result.max()) <= 1
    assert not torch.allclose(result, images, atol=0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_worker_processes_do_not_outlive_the_one_that_they_load_for(tmp_path):
    code = (
        "import sys, time, numpy as np\n"
        "from medsynth.data.images import Images, Record\n"
        "from medsynth.data.loaders import LabelledLoader\n"
        "records = tuple(Record(str(k), 'target', k % 2, str(k), 'train') for k in range(8))\n"
        "images = Images(records, np.zeros((8, 1, 16, 16), np.float32), np.arange(8))\n"
        "how = dict(batch_size=2, steps=1000, seed=0, balance=True, augment=0, workers=2, pinned=False)\n"
        "loader = LabelledLoader([images], **how)\n"
        "batches = iter(loader)\n"
        "next(batches)\n"
        "print('ready', flush=True)\n"
        "time.sleep(100)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        assert len(processes_of(tmp_path)) == 3
        process.kill()
    assert left_after(2, tmp_path) == []
