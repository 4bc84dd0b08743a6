from __future__ import annotations

import numpy as np
import pytest
import torch
from medsynth_efficiency import EfficiencyConfig
from medsynth_efficiency.model import Efficiency, peak_memory
from torch import Tensor, nn

from medsynth.api import Evidence, ImageSet
from medsynth.base.costs import count_parameters


def image(channels: int = 3, size: int = 8) -> Tensor:
    return torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(0))


def tiny() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1)).eval()


def evidence(**networks: nn.Module) -> Evidence:
    images = ImageSet(
        images=image(1, 16).numpy(), labels=np.zeros(1, int), patients=np.array(["p"]), names=np.array(["i"])
    )
    return Evidence(
        real=images,
        source=images,
        synthetic=images,
        truth=None,
        training=images,
        predictions={},
        networks=networks,
        extractor=lambda name: pytest.fail("not needed"),
    )


def test_peak_memory_is_weights_image_and_the_two_largest_neighbors():
    weights = 4 * count_parameters(tiny())
    assert peak_memory(tiny(), image(1, 16)) == weights + 4 * 16 * 16 * (1 + 4 + 4)


def test_peak_memory_counts_views_and_in_place_results_once():
    network = nn.Sequential(nn.Conv2d(1, 4, 1, bias=False), nn.ReLU(inplace=True), nn.Flatten(2))
    assert peak_memory(network, image(1, 16)) == 4 * (4 + 16 * 16 * (1 + 4))


def test_peak_memory_grows_when_an_early_result_is_kept():
    class Skip(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images + (images * 2).exp().exp().exp()

    # Alive at most: image, one result and the next.
    assert peak_memory(Skip(), image(1, 16)) == 3 * 4 * 16 * 16


def test_each_network_gets_four_scores_with_units():
    found = Efficiency(EfficiencyConfig(runs=2)).scores(evidence(generator=tiny(), classifier=tiny()))
    assert [(s.subject, s.name) for s in found] == [
        (subject, name)
        for subject in ("generator", "classifier")
        for name in ("parameters", "macs", "latency", "memory")
    ]
    assert {s.name: s.unit for s in found} == {"parameters": "", "macs": "", "latency": "ms", "memory": "MB"}
    assert all(s.value > 0 and s.n == 1 and s.higher_is_better is False for s in found)


def test_only_what_depends_on_the_machine_is_marked_measured_and_the_rest_repeats():
    judge, given = Efficiency(EfficiencyConfig(runs=1)), evidence(classifier=tiny())
    first, again = ([s for s in judge.scores(given) if not s.measured] for _ in range(2))
    assert [s.name for s in first] == ["parameters", "macs"]
    assert first == again


def test_the_clock_stops_after_the_allowed_seconds():
    calls = []
    network = tiny()
    network.register_forward_hook(lambda *_: calls.append(1))
    found = Efficiency(EfficiencyConfig(runs=50, warmup=2, seconds=0.0)).scores(evidence(classifier=network))
    assert "median of 1 runs" in next(s for s in found if s.name == "latency").detail
    assert len(calls) == 2 + 1 + 2  # warm-up, one timed run, multiply-accumulates and memory


def test_measuring_leaves_the_network_as_it_was():
    network = tiny()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    Efficiency(EfficiencyConfig(runs=1)).scores(evidence(classifier=network))
    assert not network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
