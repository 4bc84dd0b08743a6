"""What is seen of a generator while it trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from medsynth.data.images import Images, Record
from medsynth.training.devices import Policy
from medsynth.training.monitoring import Monitor, checkerboard_energy, fits_negative, problems_of, variety

SIZE, COUNT = 32, 10


def blobs(seed: int, count: int = COUNT) -> np.ndarray:
    """Dark images with one bright disk each, at random places: (N, 1, 32, 32)."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    centers = draw.uniform(8, 24, (count, 2))
    disks = [(rows - r) ** 2 + (columns - c) ** 2 < 25 for r, c in centers]
    values = np.where(np.stack(disks), 0.8, -0.8) + draw.normal(0, 0.05, (count, SIZE, SIZE))
    return values[:, None].clip(-1, 1).astype(np.float32)


def table(pixels: np.ndarray) -> Images:
    records = tuple(Record(f"{n}.png", "source", None, str(n), "val") for n in range(len(pixels)))
    return Images(records, pixels, np.arange(len(pixels)))


class Means:
    """Features: the means of 4 x 4 squares."""

    name, dimension = "means", 64

    def features(self, images: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(images, 4).flatten(1)


class Mapped:
    """A generator that applies a function."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def translate(self, images: Tensor) -> Tensor:
        return self.function(images)

    def networks(self) -> dict[str, nn.Module]:
        return {}


def monitor(function: Any, folder: Path, said: list[str], *, epochs: int = 0) -> Monitor:
    return Monitor(
        Mapped(function),
        table(blobs(1)),
        table(blobs(2)),
        extractor=Means(),
        folder=folder,
        policy=Policy("cpu"),
        say=said.append,
        epochs=epochs,
    )


def test_two_images_are_looked_at_without_an_error_of_their_distance(tmp_path: Path) -> None:
    look = Monitor(
        Mapped(lambda images: images),
        table(blobs(1)[:2]),
        table(blobs(2)[:2]),
        extractor=Means(),
        folder=tmp_path,
        policy=Policy("cpu"),
        say=lambda _: None,
    )
    key, values = look(1)
    assert np.isfinite([*key, *values.values()]).all()


def checkered(images: Tensor) -> Tensor:
    pattern = (-1.0) ** torch.arange(SIZE)
    return (images * 0.7 + 0.3 * pattern).clamp(-1, 1)


FAILURES = {
    "contrast inversion": lambda images: -images,
    "collapse": lambda images: images[:1].expand_as(images),
    "checkerboard": checkered,
}


@pytest.mark.parametrize("kind", FAILURES)
def test_each_failure_is_named_once_with_what_to_try(kind: str, tmp_path: Path) -> None:
    said: list[str] = []
    look = monitor(FAILURES[kind], tmp_path, said)
    look(1)
    look(2)
    assert [text.split(": ")[1] for text in said] == [kind]
    assert "epoch 1" in said[0]
    assert "Try " in said[0]


@pytest.mark.parametrize(("kind", "named"), [("collapse", 1), ("checkerboard", 4)])
def test_what_more_epochs_may_mend_is_named_from_half_of_them_on(kind: str, named: int, tmp_path: Path) -> None:
    said: list[str] = []
    look = monitor(FAILURES[kind], tmp_path, said, epochs=8)
    for epoch in range(1, 9):
        look(epoch)
    assert [text.split(": ")[0] for text in said] == [f"generator, epoch {named}"]


def test_a_good_translation_raises_no_alarm_and_has_a_larger_key_than_any_failure(tmp_path: Path) -> None:
    said: list[str] = []
    good, _ = monitor(lambda images: images * 0.95, tmp_path, said)(1)
    assert said == []
    for function in FAILURES.values():
        assert monitor(function, tmp_path, [])(1)[0] < good


def towards_target(share: float) -> Any:
    """Translate as an ever better generator does: disks grow darker rings, which the targets here have."""
    return lambda images: images * (1 - share) + share * ringed(images)


def ringed(images: Tensor) -> Tensor:
    """What images of the target show of the same scene: a disk with a dark middle on a brighter ground."""
    inner = nn.functional.avg_pool2d(images, 7, stride=1, padding=3)
    return (0.3 * images - 0.9 * (inner > 0.6) + 0.2).clamp(-1, 1)


def kept(epochs: list[Any], folder: Path) -> int:
    """Return the number of the epoch that training keeps, the first one being 1."""
    targets = ringed(torch.from_numpy(blobs(2))).numpy()
    look = Monitor(
        Mapped(None),
        table(blobs(1)),
        table(targets),
        extractor=Means(),
        folder=folder,
        policy=Policy("cpu"),
        say=lambda _: None,
    )
    best: tuple[Any, int] = ((), 0)
    for epoch, function in enumerate(epochs, start=1):
        look.generator = Mapped(function)
        best = max(best, (look(epoch)[0], epoch))
    return best[1]


def test_the_epoch_nearest_to_the_target_is_kept_unless_translations_no_longer_belong_to_their_sources(
    tmp_path: Path,
) -> None:
    same, one_target = lambda images: images, lambda images: ringed(images)[:1].expand_as(images)
    shuffled = lambda images: ringed(images).roll(1, 0)  # noqa: E731
    assert kept([towards_target(share) for share in (0.2, 0.4, 0.6, 0.8, 1.0)], tmp_path) == 5
    assert kept([same, towards_target(0.5), same], tmp_path) == 2
    assert kept([towards_target(0.5), one_target], tmp_path) == 1
    assert kept([towards_target(0.5), shuffled], tmp_path) == 1
    assert kept([towards_target(1.0), towards_target(0.5), same], tmp_path) == 1


def test_of_epochs_that_chance_tells_apart_only_the_last_is_kept(tmp_path: Path) -> None:
    assert kept([towards_target(1.0), towards_target(0.995), towards_target(0.999)], tmp_path) == 3


def test_the_gallery_shows_sources_above_their_translations(tmp_path: Path) -> None:
    monitor(lambda images: -images, tmp_path, [])(7)
    sheet = np.asarray(Image.open(tmp_path / "gallery" / "epoch-0007.png"))
    assert sheet.shape == (2 * SIZE, 6 * SIZE)
    assert np.abs(sheet[:SIZE].astype(int) + sheet[SIZE:] - 255).max() <= 1


def test_a_negative_is_recognized_by_the_distribution_of_its_values() -> None:
    assert fits_negative(-blobs(1), blobs(2))
    assert not fits_negative(blobs(1), blobs(2))


def test_variety_is_the_mean_deviation_of_pixels() -> None:
    images = np.stack([np.full((1, 2, 2), value) for value in (-1.0, 0.0, 1.0)])
    assert variety(images) == pytest.approx(np.sqrt(2 / 3))


def test_checkerboard_energy_is_the_share_in_two_pixel_patterns() -> None:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    slow, fast = np.sin(2 * np.pi * 3 * rows / SIZE), (-1.0) ** columns
    assert checkerboard_energy(fast[None, None]) == pytest.approx(1.0)
    assert checkerboard_energy(slow[None, None]) == pytest.approx(0.0, abs=1e-12)
    # The half spectrum holds one of the two lines of the slow wave's rows, so both count alike in both axes.
    both = checkerboard_energy((slow + fast)[None, None])
    assert 0.3 < both < 0.7


def history(**losses: list[float]) -> dict[str, Any]:
    return {"phases": [{"losses": losses, "validation": {}, "validated": []}]}


def test_a_loss_out_of_all_proportion_and_constant_features_are_reported_after_training() -> None:
    assert problems_of(history(cycle_a=[0.5, 0.4, 0.3], feature_variance=[0.2, 0.1, 0.05])) == []
    ((kind, exploded),) = problems_of(history(cycle_a=[0.5, 0.4, 30.0]))
    assert kind == "exploding-loss"
    assert "cycle_a" in exploded
    ((kind, collapsed),) = problems_of(history(feature_variance=[0.2, 0.1, 1e-4]))
    assert kind == "collapse"
    assert "features no longer depend" in collapsed


def test_failures_in_the_kept_epoch_are_reported_after_training_and_earlier_ones_are_not() -> None:
    values = {"kid": [0.1, 0.1], "kid_source": [0.5, 0.5], "structure": [0.5, 0.5], "checkerboard": [1.0, 1.0]}
    values |= {"tolerance": [0.1, 0.1], "recognized": [1.0, 0.5]}
    values |= {"intensity_correlation": [-0.8, 0.2], "inverted": [1.0, 0.0], "variety": [1.0, 0.05]}
    made = {"phases": [{"losses": {}, "validation": values, "validated": [2, 4]}], "best": {"epoch": 4}}
    ((kind, problem),) = problems_of(made)
    assert kind == "collapse"
    assert problem.startswith("generator, epoch 4: collapse")
    assert problem.endswith("Try a larger cycle weight or a smaller learning rate.")
    ((_, advised),) = problems_of(made, {"differentiable_augment"})
    assert advised.endswith("a smaller learning rate or generator.differentiable_augment=true.")
