import copy
import io
import math
from types import SimpleNamespace

import pytest
import torch
from medsynth_mobilenet_v2 import MobileNetV2Config, medsynth_classifier
from medsynth_mobilenet_v2.model import MobileNetV2Classifier
from medsynth_mobilenet_v2.network import MobileNetV2

from medsynth.api import Setup


def engine(iteration=1, total=10):
    return SimpleNamespace(state=SimpleNamespace(iteration=iteration, max_epochs=1, epoch_length=total))


def batch(count=4, size=32):
    generator = torch.Generator().manual_seed(0)
    return {"image": torch.rand(count, 1, size, size, generator=generator) * 2 - 1, "label": torch.arange(count) % 2}


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    config = MobileNetV2Config(width=0.1, pretrain_epochs=1, finetune_epochs=1, batch_size=4)
    return MobileNetV2Classifier(config, Setup(channels=1, size=(32, 32)))


@pytest.mark.parametrize(
    ("width", "hidden", "classes", "weights"),
    [(0.45, 128, 2, 748_066), (0.56, 128, 2, 1_013_282), (1.0, 0, 2, 2_226_434), (1.0, 0, 1000, 3_504_872)],
)
def test_weight_counts_are_those_of_the_papers(width, hidden, classes, weights):
    network = MobileNetV2(channels=3, classes=classes, width=width, hidden=hidden)
    assert sum(parameter.numel() for parameter in network.parameters()) == weights


def test_the_paper_preset_builds_the_compared_variant():
    config = MobileNetV2Config(**medsynth_classifier().presets["paper"])
    network = MobileNetV2Classifier(config, Setup(channels=3, size=(320, 320))).networks()["network"]
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_013_282


def test_the_loss_starts_near_chance(classifier):
    losses = classifier.phases()[0].step(engine(), batch())
    assert losses["classification"].item() == pytest.approx(math.log(2), abs=0.1)


def test_two_steps_give_finite_losses_of_the_same_name(classifier):
    step = classifier.phases()[0].step
    outputs = [step(engine(i), batch()) for i in (1, 2)]
    assert [list(output) for output in outputs] == [["classification"], ["classification"]]
    assert all(output["classification"].isfinite() and not output["classification"].requires_grad for output in outputs)


def test_phases_are_pretraining_on_mixed_and_fine_tuning_on_real_images(classifier):
    assert [(p.name, p.data) for p in classifier.phases()] == [("pretrain", "mixed"), ("finetune", "real")]


@pytest.mark.parametrize(("skipped", "left"), [("pretrain_epochs", "finetune"), ("finetune_epochs", "pretrain")])
def test_a_phase_without_epochs_is_left_out(skipped, left):
    config = MobileNetV2Config(width=0.1, **{skipped: 0})
    phases = MobileNetV2Classifier(config, Setup(channels=1, size=(32, 32))).phases()
    assert [phase.name for phase in phases] == [left]


def test_fine_tuning_runs_at_the_reduced_rate_without_decay_of_vectors(classifier):
    (optimizer,) = classifier.phases()[1].optimizers.values()
    for group in optimizer.param_groups:
        assert group["lr"] == pytest.approx(5e-5)
        assert all((parameter.dim() > 1) == (group["weight_decay"] > 0) for parameter in group["params"])
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(
        list(classifier.networks()["network"].parameters())
    )


def test_training_continued_from_saved_state_equals_straight_training(classifier):
    other = copy.deepcopy(classifier)
    phase, twin = classifier.phases()[0], other.phases()[0]
    torch.manual_seed(1)
    phase.step(engine(1), batch())
    saved = io.BytesIO()
    torch.save([classifier.network.state_dict(), phase.optimizers["network"].state_dict()], saved)
    saved.seek(0)
    weights, moments = torch.load(saved, weights_only=True)
    other.network.load_state_dict(weights)
    twin.optimizers["network"].load_state_dict(moments)
    for current in (phase, twin):
        torch.manual_seed(2)
        current.step(engine(2), batch())
    pairs = zip(classifier.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
