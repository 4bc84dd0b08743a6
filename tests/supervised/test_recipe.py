"""What every classifier does to images, targets and weights while it trains."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from medsynth_efficientnet import EfficientNetConfig
from medsynth_efficientnet.model import EfficientNetClassifier
from medsynth_lsnet import LSNetConfig
from medsynth_lsnet.model import LSNetClassifier
from medsynth_mobilenet_v2 import MobileNetV2Config
from medsynth_mobilenet_v2.model import MobileNetV2Classifier
from medsynth_mobilevit import MobileViTConfig
from medsynth_mobilevit.model import MobileViTClassifier
from torch.nn import functional as F

from medsynth.api import Setup, exported
from medsynth.supervised.config import SupervisedConfig
from medsynth.supervised.recipe import Recipe
from medsynth.supervised.ultrasound import ultrasound_artifacts

CLASSIFIERS = {
    "efficientnet": (EfficientNetClassifier, EfficientNetConfig, {"width": 0.2, "depth": 0.5, "last": 16}),
    "lsnet": (LSNetClassifier, LSNetConfig, {"student_width": 0.2, "teacher_width": 0.1, "heads": 2}),
    "mobilenet-v2": (MobileNetV2Classifier, MobileNetV2Config, {"width": 0.1}),
    "mobilevit": (MobileViTClassifier, MobileViTConfig, {"width": 0.25, "token_width": 0.5}),
}
every = pytest.mark.parametrize("name", CLASSIFIERS)


def build(name, **options):
    factory, config, small = CLASSIFIERS[name]
    torch.manual_seed(0)
    return factory(config(**small, **options), Setup(channels=1, size=(32, 32)))


def batch(count=4):
    images = torch.rand(count, 1, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return {"image": images, "label": torch.arange(count) % 2}


def step(model, phase=0, iteration=1):
    torch.manual_seed(iteration)
    engine = SimpleNamespace(state=SimpleNamespace(iteration=iteration, max_epochs=1, epoch_length=10))
    return model.phases()[phase].step(engine, batch())


def trained_and_exported(model):
    trained = next(iter(model.phases()[0].state.values()))
    return trained, exported(model)


def snapshot(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


@every
def test_the_trained_network_is_exported_unless_weights_are_averaged(name):
    trained, exported = trained_and_exported(build(name))
    assert trained is exported
    assert "averages" not in build(name).phases()[0].state


@every
@pytest.mark.parametrize("phase", [0, 1])
def test_the_exported_weights_are_the_average_of_those_after_each_step(name, phase):
    model = build(name, ema_decay=0.5)
    trained, exported = trained_and_exported(model)
    expected = None
    for iteration in range(1, 4):
        step(model, phase, iteration)
        now = snapshot(trained)
        # the first step's weights are taken over; after it the decay rises as (1 + n) / (10 + n) up to 0.5
        decay = min(0.5, iteration / (9.0 + iteration))
        expected = now if expected is None else [
            decay * old + (1 - decay) * new for old, new in zip(expected, now, strict=True)
        ]  # fmt: skip
    for found, wanted, last in zip(snapshot(exported), expected, snapshot(trained), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)
        assert found.shape == last.shape
    assert any(not torch.equal(a, b) for a, b in zip(snapshot(exported), snapshot(trained), strict=True))


@every
def test_averages_are_saved_with_the_phase_and_restored(name):
    model, other = build(name, ema_decay=0.5), build(name, ema_decay=0.5)
    for iteration in (1, 2):
        step(model, iteration=iteration)
    for key, item in other.phases()[0].state.items():
        item.load_state_dict(copy.deepcopy(model.phases()[0].state[key].state_dict()))
    for found, wanted in zip(*(trained_and_exported(m)[1].state_dict().values() for m in (other, model)), strict=True):
        assert torch.equal(found, wanted)


@every
def test_artifacts_and_softened_labels_change_the_step_only_when_asked_for(name):
    plain = step(build(name))["classification"]
    assert torch.equal(step(build(name))["classification"], plain)
    for option in ({"speckle": 0.5}, {"shadow": 1.0}, {"depth_gain": 1.0}, {"label_smoothing": 0.2}):
        assert not torch.equal(step(build(name, **option))["classification"], plain)


def test_artifacts_are_those_of_the_options_and_targets_those_of_torch():
    recipe = Recipe(SupervisedConfig(speckle=0.2, depth_gain=0.3, label_smoothing=0.1), torch.nn.Linear(2, 2))
    torch.manual_seed(3)
    found = recipe.images(batch())
    torch.manual_seed(3)
    assert torch.equal(found, ultrasound_artifacts(batch()["image"], speckle=0.2, depth_gain=0.3))
    logits, labels = torch.tensor([[1.0, -2.0], [0.5, 3.0]]), torch.tensor([0, 0])
    targets = torch.tensor([[0.95, 0.05], [0.95, 0.05]])
    torch.testing.assert_close(recipe.classification(logits, labels), F.cross_entropy(logits, targets))


@every
def test_training_starts_from_the_weights_of_a_file(name, tmp_path):
    given = trained_and_exported(build(name))[0]
    with torch.no_grad():
        for parameter in given.parameters():
            parameter.add_(0.25)
    torch.save(given.state_dict(), tmp_path / "w.pt")
    trained, exported = trained_and_exported(build(name, weights=str(tmp_path / "w.pt"), ema_decay=0.9))
    for network in (trained, exported):
        assert all(torch.equal(a, b) for a, b in zip(snapshot(network), snapshot(given), strict=True))


def test_lsnets_head_of_other_classes_starts_anew_with_a_warning(tmp_path):
    state = trained_and_exported(build("lsnet"))[0].state_dict()
    state["classify.weight"] = torch.zeros(5, state["classify.weight"].shape[1])
    torch.save(state, tmp_path / "w.pt")
    with pytest.warns(UserWarning, match=r"classify\.weight \(5, "):
        trained, _ = trained_and_exported(build("lsnet", weights=str(tmp_path / "w.pt")))
    assert trained.classify.weight.abs().sum() > 0
