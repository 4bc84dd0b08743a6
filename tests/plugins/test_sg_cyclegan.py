from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from medsynth_sg_cyclegan import SgCycleGanConfig, medsynth_generator
from medsynth_sg_cyclegan.model import SgCycleGan
from medsynth_sg_cyclegan.network import (
    DomainClassifier,
    RegionConvolution,
    Translator,
    reversal_strength,
    reverse_gradient,
    stretched,
)
from torch import Tensor, nn

from medsynth.api import Setup

SMALL = {
    "width": 4,
    "features": 3,
    "extractor_levels": 1,
    "branch_levels": 1,
    "blocks": 1,
    "discriminator_width": 4,
    "classifier_width": 4,
    "pool_size": 3,
}
TERMS = {f"{term}_{end}" for term in ("cycle", "feature", "identity") for end in "ab"}
TERMS |= {"adversarial_ab", "adversarial_ba", "domain"}
NAMES = TERMS | {"discriminator_a", "discriminator_b", "domain_accuracy", "feature_variance", "reversal"}
WEIGHTS = {"adversarial": 1.0, "cycle": 10.0, "feature": 1.0, "identity": 5.0, "domain": 5.0}


def build(**fields: Any) -> SgCycleGan:
    torch.manual_seed(0)
    return SgCycleGan(SgCycleGanConfig(**(SMALL | fields)), Setup(channels=1, size=(32, 32)))


def batch(size: int = 32) -> Mapping[str, Tensor]:
    """Smooth images: two batches of two, each a coarse 4 x 4 pattern."""
    draw = torch.Generator().manual_seed(1)
    coarse = {name: torch.rand(2, 1, 4, 4, generator=draw) * 2 - 1 for name in ("source", "target")}
    return {name: F.interpolate(images, (size, size), mode="bilinear") for name, images in coarse.items()}


def engine(iteration: int) -> SimpleNamespace:
    return SimpleNamespace(state=SimpleNamespace(iteration=iteration, max_epochs=5, epoch_length=10))


def step(model: SgCycleGan, data: Mapping[str, Tensor] | None = None, *, iteration: int = 26) -> Mapping[str, Any]:
    return model.phases()[0].step(engine(iteration), data or batch())


def count(*networks: nn.Module) -> int:
    return sum(p.numel() for p in {p for network in networks for p in network.parameters()})


def preset_networks(preset: str, channels: int) -> tuple[Translator, Translator]:
    """Both translators of a preset (or of the defaults), without memory for their weights."""
    model = SgCycleGan.__new__(SgCycleGan)
    model.config = SgCycleGanConfig(**medsynth_generator().presets.get(preset, {}))
    with torch.device("meta"):
        first = model._translator(channels)
        return first, model._translator(channels, extractor=first.extractor)


def slow_terms(model: SgCycleGan, a: Tensor, b: Tensor, strength: float = 1.0) -> dict[str, Tensor]:
    """The paper's terms, one image and one network pass at a time."""
    mafe, ab, ba = model.extractor, model.branch_ab, model.branch_ba
    judge_a, judge_b, classify = model.discriminators.a, model.discriminators.b, model.classifier
    bce = F.binary_cross_entropy_with_logits

    def mean(values: list[Tensor]) -> Tensor:
        return torch.stack(values).mean()

    def backwards(features: Tensor) -> Tensor:
        return features.detach() * (1 + strength) - features * strength  # value: features, gradient: -strength

    def goal(images: Tensor) -> Tensor:
        return mafe(images).detach() if model.config.detach_features else mafe(images)

    both = list(zip(a.split(1), b.split(1), strict=True))
    domain_a = mean([bce(classify(backwards(mafe(x))), torch.zeros(1)) for x, _ in both])
    domain_b = mean([bce(classify(backwards(mafe(y))), torch.ones(1)) for _, y in both])
    return {
        "adversarial_ab": mean([((judge_b(ab(mafe(x))) - 1) ** 2).mean() for x, _ in both]),
        "adversarial_ba": mean([((judge_a(ba(mafe(y))) - 1) ** 2).mean() for _, y in both]),
        "cycle_a": mean([(ba(mafe(ab(mafe(x)))) - x).abs().mean() for x, _ in both]),
        "cycle_b": mean([(ab(mafe(ba(mafe(y)))) - y).abs().mean() for _, y in both]),
        "feature_a": mean([(mafe(ab(mafe(x))) - goal(x)).abs().mean() for x, _ in both]),
        "feature_b": mean([(mafe(ba(mafe(y))) - goal(y)).abs().mean() for _, y in both]),
        "identity_a": mean([(ba(mafe(x)) - x).abs().mean() for x, _ in both]),
        "identity_b": mean([(ab(mafe(y)) - y).abs().mean() for _, y in both]),
        "domain": (domain_a + domain_b) / 2,
    }


def gradients(*networks: nn.Module) -> Tensor:
    return torch.cat([p.grad.flatten() for network in networks for p in network.parameters()])


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("preset", "channels", "one_way", "both_ways"),
    [
        ("default", 1, 9_943_969, 19_046_498),
        ("default", 3, 9_956_515, 19_065_318),
        ("released", 1, 69_361_641, 130_016_754),
        ("released", 3, 69_374_187, 130_035_574),
    ],
)
def test_translators_have_the_known_number_of_parameters(preset: str, channels: int, one_way: int, both_ways: int):
    ab, ba = preset_networks(preset, channels)
    assert count(ab) == one_way
    assert count(ab, ba) == both_ways


def test_the_paper_preset_has_the_213_mebi_parameters_of_the_paper():
    parameters = count(preset_networks("paper", 3)[0])
    assert parameters == 223_560_427
    assert round(parameters / 1024**2) == 213


def test_the_parts_of_the_released_network_have_their_known_sizes():
    ab, _ = preset_networks("released", 1)
    assert count(ab.extractor) == 8_706_528
    assert count(ab.branch) == 60_655_113
    assert count(*(m for m in ab.modules() if isinstance(m, RegionConvolution))) == 18_911_304
    # The published classifier ends in two logits, 4,884,162; one logit says the same with 257 weights fewer.
    assert count(DomainClassifier(32, width=64)) == 4_884_162 - 257


# ---------------------------------------------------------------- losses


@pytest.mark.parametrize("region_convolution", [False, True])
def test_every_loss_equals_its_slow_formula(region_convolution: bool):
    model, data = build(region_convolution=region_convolution), batch()
    expected = slow_terms(model, data["source"], data["target"])
    losses = step(model, data)
    assert set(losses) == NAMES
    for name in TERMS:
        torch.testing.assert_close(losses[name], expected[name].detach(), msg=name)


def test_discriminator_losses_equal_their_formula():
    model, data = build(), batch()
    translators = {"a": (model.translator_ba, "target", "source"), "b": (model.translator_ab, "source", "target")}
    expected = {}
    for name, (translator, given, real) in translators.items():
        judge = getattr(model.discriminators, name)
        fake = judge(translator(data[given]))
        expected[name] = 0.5 * ((judge(data[real]) - 1) ** 2).mean() + 0.5 * (fake**2).mean()
    losses = step(model, data)
    for name, value in expected.items():
        torch.testing.assert_close(losses[f"discriminator_{name}"], value.detach())


@pytest.mark.parametrize(
    ("strength", "detach", "normalized"), [(0.0, True, False), (0.7, False, False), (0.7, True, True)]
)
def test_one_backward_pass_gives_the_gradients_of_the_plain_losses(strength: float, detach: bool, normalized: bool):
    fast, data = build(detach_features=detach, normalized=normalized), batch()
    plain = copy.deepcopy(fast)
    terms = slow_terms(plain, *data.values(), strength=strength)
    sum(WEIGHTS[name.partition("_")[0]] * term for name, term in terms.items()).backward()
    fast.strength = strength
    fast.update_generators(fast.forward(*data.values()))
    for part in ("extractor", "branch_ab", "branch_ba", "classifier"):
        expected, computed = gradients(getattr(plain, part)), gradients(getattr(fast, part))
        # The absolute differences of normalized features pass through 0, where rounding decides about their sign.
        assert (computed - expected).norm() / expected.norm() < (1e-2 if normalized else 1e-4), part


def test_the_values_to_watch_equal_their_definitions():
    model, data = build(), batch()
    of_a, of_b = (model.extractor(images).detach() for images in data.values())
    right = np.concatenate([model.classifier(of_a).detach().numpy() <= 0, model.classifier(of_b).detach().numpy() > 0])
    variances = [f.transpose(0, 1).flatten(1).numpy().var(axis=1, ddof=1).mean() for f in (of_a, of_b)]
    losses = step(model, data, iteration=26)
    assert losses["domain_accuracy"].item() == pytest.approx(right.mean())
    assert losses["feature_variance"].item() == pytest.approx(np.mean(variances), rel=1e-4)
    assert losses["reversal"] == pytest.approx(math.tanh(5 * 25 / 50 / 2))


def test_detached_features_still_pull_the_fakes_but_not_the_real_ones():
    only = {"cycle_weight": 0.0, "identity_weight": 0.0, "domain_weight": 0.0}
    norms = []
    for detach in (False, True):
        model, data = build(detach_features=detach, **only), batch()
        model.update_generators(model.forward(*data.values()))
        norms.append(gradients(model.extractor))
        assert gradients(model.branch_ab).norm() > 0
    assert not torch.allclose(*norms)


@pytest.mark.parametrize(
    ("weight", "gone"),
    [
        ("cycle_weight", {"cycle_a", "cycle_b"}),
        ("feature_weight", {"feature_a", "feature_b"}),
        ("identity_weight", {"identity_a", "identity_b"}),
        ("domain_weight", {"domain", "domain_accuracy"}),
    ],
)
def test_a_weight_of_zero_switches_a_term_off(weight: str, gone: set[str]):
    assert set(step(build(**{weight: 0.0}))) == NAMES - gone


def test_a_step_runs_the_extractor_on_four_and_the_branches_on_six_batches():
    model, seen = build(), {"extractor": 0, "branch_ab": 0, "branch_ba": 0, "classifier": 0}
    for name in seen:

        def note(module: nn.Module, inputs: Any, output: Tensor, name: str = name) -> None:
            seen[name] += len(output) // 2

        getattr(model, name).register_forward_hook(note)
    step(model)
    assert seen == {"extractor": 4, "branch_ab": 3, "branch_ba": 3, "classifier": 2}


def test_without_cycle_and_feature_terms_the_fakes_are_not_extracted():
    model, seen = build(cycle_weight=0.0, feature_weight=0.0), []
    model.extractor.register_forward_hook(lambda module, inputs, output: seen.append(1))
    step(model)
    assert len(seen) == 1


# ---------------------------------------------------------------- gradient reversal


def test_reversal_multiplies_a_numeric_gradient_by_minus_lambda_and_leaves_the_classifiers_alone():
    torch.manual_seed(0)
    extractor, classifier = nn.Linear(3, 2).double(), nn.Linear(2, 1).double()
    inputs, strength, epsilon = torch.randn(4, 3).double(), 0.3, 1e-6

    def loss(reverse: float | None = None) -> Tensor:
        features = extractor(inputs).tanh()
        return F.softplus(classifier(features if reverse is None else reverse_gradient(features, reverse))).mean()

    def numeric(weight: Tensor) -> float:
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[0, 0] += sign * epsilon
                values.append(loss().item())
                weight[0, 0] -= sign * epsilon
        return (values[0] - values[1]) / (2 * epsilon)

    of_extractor, of_classifier = torch.autograd.grad(loss(strength), [extractor.weight, classifier.weight])
    assert of_extractor[0, 0].item() == pytest.approx(-strength * numeric(extractor.weight), rel=1e-5)
    assert of_classifier[0, 0].item() == pytest.approx(numeric(classifier.weight), rel=1e-5)


def test_lambda_starts_at_zero_rises_monotonically_and_has_the_known_values():
    values = [reversal_strength(p, rate=5.0) for p in np.linspace(0, 1, 50)]
    assert values[0] == 0
    assert all(b > a for a, b in itertools.pairwise(values))
    known = {5.0: (0.245, 0.848, 0.987), 10.0: (0.462, 0.987, 0.9999)}
    for rate, expected in known.items():
        assert [reversal_strength(p, rate=rate) for p in (0.1, 0.5, 1.0)] == pytest.approx(expected, abs=5e-4)


def test_lambda_follows_the_engines_progress_so_a_resumed_run_sees_the_same():
    model = build()
    seen = [step(model, iteration=iteration)["reversal"] for iteration in (1, 11, 50)]
    assert seen[0] == 0
    assert seen == sorted(seen)
    assert step(build(), iteration=11)["reversal"] == seen[1]


# ---------------------------------------------------------------- order and sharing


def test_discriminators_have_no_gradients_after_the_generators_step():
    model, data = build(), batch()
    step(model, data)
    model.strength = 0.5
    model.update_generators(model.forward(*data.values()))
    judges = (model.discriminators.a, model.discriminators.b)
    assert all(p.grad is None and p.requires_grad for judge in judges for p in judge.parameters())


def test_the_order_decides_which_discriminators_the_generators_are_judged_by():
    data, by_hand = batch(), build()
    fakes = {f"fake_{end}": getattr(by_hand.forward(*data.values()), f"fake_{end}").detach() for end in "ab"}
    expected = [by_hand.discriminators.judge(**fakes)]
    by_hand.discriminators.update(real_a=data["source"], real_b=data["target"], **fakes)
    expected.append(by_hand.discriminators.judge(**fakes))
    for order, terms in zip(("generators-first", "discriminators-first"), expected, strict=True):
        losses = step(build(order=order), data)
        torch.testing.assert_close({name: losses[name] for name in terms}, {n: t.detach() for n, t in terms.items()})
    assert expected[0]["adversarial_ab"] != expected[1]["adversarial_ab"]


def test_the_shared_extractor_is_held_once_by_optimizers_and_checkpoints():
    model = build()
    (phase,) = model.phases()
    held = [p for optimizer in phase.optimizers.values() for group in optimizer.param_groups for p in group["params"]]
    networks = {id(p) for network in model.networks().values() for p in network.parameters()}
    saved = [p for item in phase.state.values() if isinstance(item, nn.Module) for p in item.parameters()]
    assert len(held) == len(saved) == len(networks)
    assert {id(p) for p in held} == {id(p) for p in saved} == networks
    assert model.translator_ba.extractor is model.extractor


def test_the_exported_network_holds_the_extractor_and_one_branch_only():
    model = build()
    name, exported = next(iter(model.networks().items()))
    assert name == "translator_ab"
    assert {id(p) for p in exported.parameters()} == {
        id(p) for network in (model.extractor, model.branch_ab) for p in network.parameters()
    }
    data = batch()
    assert torch.equal(model.translate(data["source"]), model.branch_ab(model.extractor(data["source"])))


@pytest.mark.parametrize("adversarial", ["lsgan", "vanilla", "hinge"])
def test_two_steps_give_finite_losses_under_the_same_names(adversarial: str):
    model = build(adversarial=adversarial, discriminator_average=True, discriminator_narrowing=True)
    for losses in (step(model), step(model)):
        assert set(losses) == NAMES
        assert all(math.isfinite(value) for value in losses.values())
        assert not any(value.requires_grad for value in losses.values() if isinstance(value, Tensor))


def test_losses_in_mixed_precision_are_float32_and_close_to_the_exact_ones():
    exact, data = step(build(order="discriminators-first"), batch()), batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = step(build(order="discriminators-first"), data)
    assert all(mixed[name].dtype == torch.float32 for name in TERMS)
    for name in TERMS:
        assert mixed[name].item() == pytest.approx(exact[name].item(), rel=0.05), name


def test_training_reduces_the_cycle_error():
    model = build(learning_rate=2e-3)
    errors = [step(model)["cycle_a"].item() for _ in range(25)]
    assert errors[-1] < 0.8 * errors[0]


@pytest.mark.parametrize("size", [33, 38])
def test_odd_sizes_train_and_keep_their_shape(size: int):
    model, data = build(branch_levels=2), batch(size)
    assert all(math.isfinite(value) for value in step(model, data).values())
    assert model.translate(data["source"]).shape == data["source"].shape


def test_the_smallest_declared_size_trains_with_the_paper_presets_depth():
    depth = {name: medsynth_generator().presets["paper"][name] for name in ("extractor_levels", "branch_levels")}
    losses = step(build(region_convolution=True, **depth), batch(medsynth_generator().assumptions.min_size))
    assert all(math.isfinite(value) for value in losses.values())


def test_presets_leave_the_budget_to_the_core():
    budget = {"epochs", "epoch_steps", "batch_size", "learning_rate"}
    assert all(not budget & set(values) for values in medsynth_generator().presets.values())


# ---------------------------------------------------------------- region convolution and stretch


def regions(channels: int = 3) -> RegionConvolution:
    torch.manual_seed(0)
    return RegionConvolution(channels).double()


def test_region_convolution_applies_the_best_regions_kernel_at_every_position():
    layer, features = regions(), torch.randn(2, 3, 4, 5).double()
    kernels = layer.kernels(features).view(2, 8, 3, 3)
    best = layer.guide(features).argmax(1)
    slow = torch.empty_like(features)
    for b, y, x in np.ndindex(2, 4, 5):
        slow[b, :, y, x] = kernels[b, best[b, y, x]] @ features[b, :, y, x]
    assert len(best.unique()) > 1
    torch.testing.assert_close(layer(features), slow)


def test_the_guide_of_a_region_convolution_learns_through_the_softmax():
    layer, features = regions(), torch.randn(2, 3, 4, 5).double()
    kernels = layer.kernels(features).view(2, 8, 3, 3)
    results = torch.einsum("brij,bjyx->briyx", kernels, features)
    weights = torch.randn(2, 3, 4, 5).double()
    soft = (results * layer.guide(features).softmax(1).unsqueeze(2)).sum(1)
    expected = torch.autograd.grad((soft * weights).sum(), layer.guide.weight)
    computed = torch.autograd.grad((layer(features) * weights).sum(), layer.guide.weight)
    torch.testing.assert_close(computed, expected, rtol=1e-5, atol=1e-6)


def test_a_stretched_image_runs_from_its_first_to_its_99th_percentile():
    images = torch.rand(3, 1, 40, 40, generator=torch.Generator().manual_seed(0)) * 0.3
    low, high = np.percentile(images.numpy(), [1, 99], axis=(1, 2, 3), keepdims=True)
    expected = np.clip((images.numpy() - low) / (high - low) * 2 - 1, -1, 1)
    np.testing.assert_allclose(stretched(images).numpy(), expected, atol=1e-5)
    assert torch.isfinite(stretched(torch.zeros(1, 1, 8, 8))).all()


def test_the_stretch_is_part_of_the_exported_network_and_off_by_default():
    plain, wide, image = build(), build(stretch=True), batch()["source"]
    assert torch.equal(wide.translate(image), stretched(plain.translate(image)))
    assert wide.translator_ab.arguments["stretch"] is True
