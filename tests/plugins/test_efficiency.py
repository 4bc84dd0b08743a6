from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from medsynth_efficiency import EfficiencyConfig, medsynth_evaluator
from medsynth_efficiency.model import Efficiency, count_macs, count_parameters, peak_memory
from torch import Tensor, nn
from torch.nn import functional as F

from medsynth.api import Evidence, ImageSet


class Attention(nn.Module):
    """Attention over pixels, fused or by explicit products; 16 channels, 4 heads, no weights."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.fused = fused

    def forward(self, images: Tensor) -> Tensor:
        tokens = images.flatten(2).transpose(1, 2).unflatten(2, (4, 4)).transpose(1, 2)  # (B, 4, H * W, 4)
        if self.fused:
            return F.scaled_dot_product_attention(tokens, tokens, tokens)
        return (tokens @ tokens.transpose(-1, -2) / 2.0).softmax(-1) @ tokens


class Transformer(nn.Module):
    """One encoder layer over pixels; torch has a fused fast path for it in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(2).transpose(1, 2))


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


def test_declaring_imports_no_torch():
    code = "import sys, medsynth_efficiency as p; p.medsynth_evaluator(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert medsynth_evaluator().name == "efficiency"


@pytest.mark.parametrize(
    ("layer", "channels", "expected"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), 3, 8 * 8 * 8 * 3 * 9),
        (nn.Conv2d(3, 8, 3, stride=2, padding=1), 3, 4 * 4 * 8 * 3 * 9),
        (nn.Conv2d(6, 6, 5, padding=2, groups=6), 6, 8 * 8 * 6 * 25),
        (nn.Conv2d(4, 8, 1, groups=2), 4, 8 * 8 * 8 * 2),
        (nn.ConvTranspose2d(4, 6, 4, 2, 1), 4, 8 * 8 * 4 * 6 * 16),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 10)), 3, 192 * 10),
        (nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.AvgPool2d(2)), 3, 0),
        (Attention(fused=True), 16, 2 * 64 * 64 * 16),
        (Attention(fused=False), 16, 2 * 64 * 64 * 16),
        (Transformer(), 16, 64 * 16 * 16 * 4 + 2 * 64 * 64 * 16 + 2 * 64 * 16 * 32),
    ],
)
def test_multiply_accumulates_of_known_layers_are_exact(layer, channels, expected):
    assert count_macs(layer.eval(), image(channels)) == expected


def test_counting_leaves_the_fast_path_of_attention_as_it_was():
    count_macs(Transformer().eval(), image(16))
    assert torch.backends.mha.get_fastpath_enabled()


def test_shared_parameters_are_counted_once():
    shared = nn.Linear(4, 4)
    assert count_parameters(nn.Sequential(shared, shared, nn.BatchNorm1d(4))) == 20 + 8


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
