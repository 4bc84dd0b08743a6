"""Agreement of LSNet's simulator with the teacher on held-out images, and the controls beside it."""

import copy
from dataclasses import replace

import pytest
import torch
from medsynth_lsnet import LSNetConfig
from medsynth_lsnet.agreement import overlap, rank_correlation
from medsynth_lsnet.attention import Rule, arbitrary
from medsynth_lsnet.model import INSPECTED, LSNetClassifier
from medsynth_lsnet.network import LSNet, StudentBlock
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from medsynth.api import Inspectable, Setup

SMALL = {"student_width": 0.2, "teacher_width": 0.1, "heads": 2}


def seeded(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def build(**options):
    torch.manual_seed(0)
    fields = {**SMALL, "halvings": 5, **options}  # only the first block has more tokens than keys
    return LSNetClassifier(LSNetConfig(**fields), Setup(channels=1, size=(64, 64)))


def common(first, second, count):
    """Share of a row's `count` largest entries that two rows have in common, sorted in plain Python."""
    best = [set(sorted(range(len(row)), key=lambda j, row=row: -row[j])[:count]) for row in (first, second)]
    return len(best[0] & best[1]) / count


def test_rank_correlation_is_the_mean_of_scipys_over_rows_with_ties():
    first, second = seeded(2, 3, 4, 30)
    second = (2 * second).round()
    rows = zip(first.reshape(-1, 30), second.reshape(-1, 30), strict=True)
    expected = sum(spearmanr(a.numpy(), b.numpy()).statistic for a, b in rows) / 12
    assert rank_correlation(first, second).item() == pytest.approx(expected, abs=1e-6)


def test_rank_correlation_is_one_for_equal_orders_and_nothing_without_any_order():
    values = seeded(3, 9)
    assert rank_correlation(values, values.exp()).item() == pytest.approx(1.0)
    assert rank_correlation(values, -values).item() == pytest.approx(-1.0)
    assert rank_correlation(values, torch.ones(3, 9)).item() == 0.0


@pytest.mark.parametrize("options", [{}, {"teacher_gradient": "margin"}, {"ema_decay": 0.5, "places": True}])
def test_inspection_equals_a_slow_comparison_image_by_image(options):
    classifier = build(**options)
    with torch.no_grad():  # so that the averaged weights are not the trained ones
        classifier.student.stem[0][0].weight.mul_(1.5)
    count = INSPECTED + 1
    images, labels = seeded(count, 1, 64, 64).tanh(), torch.arange(count) % 2
    found = classifier.inspect(images, labels)
    student, teacher = classifier.recipe.exported.eval(), copy.deepcopy(classifier.teacher).eval()
    block, sums = student.blocks[0], torch.zeros(3, dtype=torch.float64)
    for image, label in zip(images, labels, strict=True):
        outcome = teacher.observed(image[None])
        own, other = outcome.logits[0, label], outcome.logits[0, 1 - label]
        objective = (
            other - own if options.get("teacher_gradient") == "margin" else -outcome.logits.log_softmax(1)[0, label]
        )
        (gradient,) = torch.autograd.grad(objective, outcome.maps[0])
        with torch.no_grad():
            tokens, grid = block.tokens(student.halvings[0](student.stem(image[None])))
            left, right = block.simulator(tokens, grid)
            queries, keys = block.layers[0].qkv(block.layers[0].norm(tokens)).chunk(3, dim=-1)[:2]
        for p in range(4):
            for h in range(2):
                width = queries.shape[-1] // 2
                part = slice(h * width, (h + 1) * width)
                scores = queries[0, p, :, part] @ keys[0, p, :, part].T
                simulated, wanted = left[0, p, h] @ right[0, p, h].T, gradient[0, p, h].abs()
                for row in range(16):
                    guess, mine, truth = (x[row].tolist() for x in (simulated, scores, wanted))
                    sums[0] += common(guess, truth, 4)
                    sums[1] += common(mine, truth, 4)
                    sums[2] += spearmanr(guess, truth).statistic
    expected = (sums / (count * 4 * 2 * 16)).tolist()
    expected.append(roc_auc_score(labels, teacher(images).detach()[:, 1] - teacher(images).detach()[:, 0]))
    names = ("overlap", "own scores", "rank correlation", "teacher's AUC")
    assert list(found.rows) == ["block A"]
    assert found.rows["block A"] == pytest.approx(
        {"tokens": 16, "chance": 0.25, **dict(zip(names, expected, strict=True))}, abs=2e-3
    )


def test_an_inspection_changes_neither_weights_nor_gradients():
    classifier = build()
    assert isinstance(classifier, Inspectable)
    before = [copy.deepcopy(module.state_dict()) for module in (classifier.student, classifier.teacher)]
    first = classifier.inspect(seeded(2, 1, 64, 64).tanh(), torch.tensor([0, 1]))
    assert classifier.inspect(seeded(2, 1, 64, 64).tanh(), torch.tensor([0, 1])).rows == first.rows
    for module, state in zip((classifier.student, classifier.teacher), before, strict=True):
        assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
        assert all(parameter.grad is None for parameter in module.parameters())


def test_a_teacher_that_never_learned_is_no_measure():
    found = build(pretrain_epochs=0).inspect(seeded(2, 1, 64, 64).tanh(), torch.tensor([0, 1]))
    assert not found.rows


# ---------------------------------------------------------------- controls


def test_arbitrary_keys_are_the_same_for_every_image_evenly_spread_and_agree_with_others_by_chance():
    several = arbitrary(torch.zeros(3, 4, 4, 64, 5))
    maps = several[2]
    assert torch.equal(several, arbitrary(torch.ones(1, 4, 4, 64, 9)).expand_as(several))
    chosen = maps.topk(4).indices
    # 16 maps of 64 queries choose 4 of 64 keys: each key 64 times, standard deviation 7.7.
    counts = chosen.flatten().bincount(minlength=64)
    assert counts.min() > 64 - 4.5 * 7.7
    assert counts.max() < 64 + 4.5 * 7.7
    assert counts.double().std() == pytest.approx(7.7, rel=0.4)
    assert overlap(maps, seeded(4, 4, 64, 64), 4).item() == pytest.approx(1 / 16, abs=0.015)
    assert overlap(maps[:, :, :-1], maps[:, :, 1:], 4).item() == pytest.approx(1 / 16, abs=0.015)


@pytest.mark.parametrize("selection", ["scores", "random"])
def test_controls_choose_keys_without_simulator_and_teacher(selection, monkeypatch):
    torch.manual_seed(0)
    block = StudentBlock(8, 8, depth=2, heads=2, asymmetric=False, places=False, activation="relu6").eval()
    entry, target = seeded(2, 8, 8, 8), seeded(2, 4, 2, 16, 16, seed=1)
    tokens, grid = block.tokens(entry)
    queries, keys, _ = (
        x.reshape(2, 4, 16, 2, 4).transpose(2, 3)
        for x in block.layers[0].qkv(block.layers[0].norm(tokens)).chunk(3, -1)
    )
    scores = queries @ keys.mT if selection == "scores" else arbitrary(queries)
    expected = tokens
    for layer in block.layers:
        expected = layer(expected, grid, scores.topk(4).indices)
    rule = Rule(selection=selection)
    alone, _ = block(entry, rule)
    assert torch.allclose(alone, block.features(expected, grid, entry), atol=1e-5)
    guided, simulated = block(entry, rule, target, 1.0)
    assert torch.equal(guided, alone)
    assert simulated.shape == target.shape
    assert not torch.allclose(block(entry, replace(rule, selection="simulator"))[0], alone, atol=1e-4)


@pytest.mark.parametrize("selection", ["scores", "random"])
@pytest.mark.parametrize("attention", ["sparse", "subset", "dense"])
def test_controls_run_with_every_attention_and_cost_no_weights(selection, attention):
    torch.manual_seed(0)
    network = LSNet(channels=1, width=0.2, heads=2, selection=selection, attention=attention).eval()
    assert network.arguments["selection"] == selection
    size = 256 if attention == "subset" else 64
    with torch.no_grad():
        assert network(seeded(1, 1, size, size)).isfinite().all()
    assert {k: v.shape for k, v in network.state_dict().items()} == {
        k: v.shape for k, v in LSNet(channels=1, width=0.2, heads=2).state_dict().items()
    }
