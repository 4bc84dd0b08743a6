"""Time torchmetrics against what else computes the same, which decides where medsynth uses it.

Run: python benchmarks/torchmetrics_places.py
Prints for each figure the largest difference of the values and the ratio of times: 2 means that torchmetrics takes
twice as long. Times are the process's own CPU time, taken in pairs one after the other; the ratio is the median of the
pairs', so that what else the machine does weighs little.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from medsynth_mobilenet_v2.network import MobileNetV2
from monai.metrics import MultiScaleSSIMMetric, PSNRMetric, SSIMMetric
from torch import nn
from torchmetrics.functional.classification import binary_cohen_kappa, binary_roc
from torchmetrics.functional.clustering import normalized_mutual_info_score
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)
from torchmetrics.functional.nominal import fleiss_kappa as fleiss_of_torchmetrics
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd

from medsynth.data.images import Images, Record
from medsynth.flow.stages.classification import classify, positive_share, validate
from medsynth.statistics import (
    cohen_kappa,
    diagnostic_metrics,
    fleiss_kappa,
    frechet_distance,
    kernel_distance,
    mutual_information,
    roc_curve,
)
from medsynth.training.devices import Policy

EDGE = 5
"""Places at an image's edge where SSIM's window of 11 does not fit; torchmetrics pads there and counts them."""


class Pair(NamedTuple):
    """The same figure, computed by what is not torchmetrics and by torchmetrics; `slow` where three times must do."""

    name: str
    other: Callable[[], object]
    torchmetrics: Callable[[], object]
    slow: bool = False


def image_pairs(rng: np.random.Generator) -> Iterator[Pair]:
    """Yield SSIM and PSNR of a batch of 16 images, as the evaluator structure measures them, and MS-SSIM of larger."""
    for size in (64, 128, 256):
        first = torch.from_numpy(rng.random((16, 1, size, size), dtype=np.float32))
        noise = torch.from_numpy(rng.normal(0.0, 0.1, first.shape).astype(np.float32))
        second = (first + noise).clamp(0.0, 1.0)
        ssim, several = (kind(spatial_dims=2, data_range=1.0) for kind in (SSIMMetric, MultiScaleSSIMMetric))
        yield Pair(f"PSNR, {size} pixels", *_each(PSNRMetric(max_val=1.0), _psnr, first.double(), second.double()))
        yield Pair(f"SSIM, {size} pixels", *_each(ssim, _ssim, first, second))
        if size >= 176:
            yield Pair(f"MS-SSIM, {size} pixels", *_each(several, _ms_ssim, first, second))


def _each(monai: Callable, other: Callable, first: torch.Tensor, second: torch.Tensor) -> tuple[Callable, Callable]:
    return lambda: monai(second, first)[:, 0], lambda: other(second, first)


def _psnr(images: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    return peak_signal_noise_ratio(images, truth, data_range=1.0, reduction="none", dim=(1, 2, 3))


def _ssim(images: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    _, places = structural_similarity_index_measure(
        images, truth, data_range=1.0, reduction="none", return_full_image=True
    )
    return places[..., EDGE:-EDGE, EDGE:-EDGE].mean((1, 2, 3))


def _ms_ssim(images: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    return multiscale_structural_similarity_index_measure(images, truth, data_range=1.0, reduction="none")


def feature_pairs(rng: np.random.Generator) -> Iterator[Pair]:
    """Yield FID and KID of 120 images with the 1,280 features of EfficientNet-Lite0."""
    first, second = (rng.normal(shift, 1.0, (120, 1280)) for shift in (0.0, 0.1))
    one, two = torch.from_numpy(first), torch.from_numpy(second)

    def fid() -> float:
        metric = FrechetInceptionDistance(feature=Given(), input_img_size=(1280,)).set_dtype(torch.float64)
        metric.update(one, real=True)
        metric.update(two, real=False)
        return float(metric.compute())

    yield Pair("FID", lambda: frechet_distance(first, second), fid, slow=True)
    yield Pair(
        "KID, equal numbers", lambda: kernel_distance(first, second, subsets=0).value, lambda: poly_mmd(one, two)
    )
    yield Pair(
        "KID, 60 and 120", lambda: kernel_distance(first[:60], second, subsets=0).value, lambda: poly_mmd(one[:60], two)
    )


class Given(nn.Module):
    """A feature module that is given features."""

    num_features = 1280

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return them."""
        return features


def case_pairs(rng: np.random.Generator) -> Iterator[Pair]:
    """Yield figures of two classes, of readers, and of the values of two images."""
    probabilities, labels = rng.random(600), (rng.random(600) < 0.5).astype(np.int64)
    shares, truth = torch.from_numpy(probabilities), torch.from_numpy(labels)
    yield Pair(
        "ROC curve, 600 cases",
        lambda: roc_curve(probabilities, labels).sensitivity,
        lambda: binary_roc(shares, truth)[1],
    )
    one, two = rng.integers(0, 2, 60), rng.integers(0, 2, 60)
    yield Pair(
        "Cohen's kappa, 60 cases",
        lambda: cohen_kappa(one, two),
        lambda: binary_cohen_kappa(torch.from_numpy(one), torch.from_numpy(two)),
    )
    counts = rng.multinomial(10, [0.4, 0.6], size=60)
    yield Pair(
        "Fleiss' kappa, 60 cases",
        lambda: fleiss_kappa(counts),
        lambda: fleiss_of_torchmetrics(torch.from_numpy(counts), mode="counts"),
    )
    image, other = rng.uniform(-1.0, 1.0, (2, 1, 1, 64, 64))
    levels = [torch.from_numpy(((x + 1.0) * 16).astype(np.int64).ravel()) for x in (image, other)]
    yield Pair(
        "mutual information, 64 pixels",
        lambda: mutual_information(image, other),
        lambda: normalized_mutual_info_score(*levels, "arithmetic"),
    )


def validation_pair(rng: np.random.Generator) -> Pair:
    """Return the validation of a classifier after an epoch: 40 images through the smallest network, then the scores."""
    torch.manual_seed(0)
    network = MobileNetV2(channels=1, halvings=3)
    records = tuple(Record(f"{k}", "target", k % 2, f"{k}", "val") for k in range(40))
    images = Images(records, rng.uniform(-1.0, 1.0, (40, 1, 64, 64)).astype(np.float32), np.arange(40))
    names = ("sensitivity", "specificity", "roc_auc")

    def before() -> list[float]:
        found = diagnostic_metrics(positive_share(classify(network, images, Policy("cpu"))), images.labels, 0.5)
        return [found[name] for name in names]

    def after() -> list[float]:
        values = validate(network, images, Policy("cpu"))[1]
        return [values[name] for name in names]

    return Pair("a classifier's validation", before, after)


def measured(pair: Pair, repeats: int) -> tuple[float, float, float]:
    """Return the largest difference, the median ratio of times, and the other's median time in milliseconds."""
    values = [np.asarray(compute(), dtype=np.float64) for compute in (pair.other, pair.torchmetrics)]
    ratios, times = [], []
    for _ in range(3 if pair.slow else repeats):
        spent = []
        for compute in (pair.other, pair.torchmetrics):
            start = time.process_time()
            compute()
            spent.append(max(time.process_time() - start, 1e-9))
        ratios.append(spent[1] / spent[0])
        times.append(1e3 * spent[0])
    return float(np.abs(values[0] - values[1]).max()), statistics.median(ratios), statistics.median(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=25, help="pairs of each figure")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    pairs = [*image_pairs(rng), *feature_pairs(rng), *case_pairs(rng), validation_pair(rng)]
    print(f"{'figure':32} {'difference':>12} {'ratio':>8} {'without torchmetrics':>22}")
    for pair in pairs:
        difference, ratio, spent = measured(pair, options.repeats)
        print(f"{pair.name:32} {difference:12.1e} {ratio:8.2f} {spent:19.2f} ms")


if __name__ == "__main__":
    main()
