import copy
import io
import json
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from medsynth_lsnet import LSNetConfig, medsynth_classifier
from medsynth_lsnet.agreement import overlap
from medsynth_lsnet.attention import Rule, attend, fuse, largest, normalize
from medsynth_lsnet.distillation import Distiller, GradientFeatures, key_likelihood, logit_divergence, row_divergence
from medsynth_lsnet.model import LSNetClassifier
from medsynth_lsnet.network import LSNet, StudentLayer
from medsynth_lsnet.schedule import distillation_weight, guidance, recency, simulation_weight
from medsynth_lsnet.simulator import Simulator, simulated_map
from medsynth_lsnet.teacher import Teacher, TeacherLayer

from medsynth.api import Setup
from medsynth.base.errors import InputError

SMALL = {"student_width": 0.2, "teacher_width": 0.1, "heads": 2, "pretrain_epochs": 1, "finetune_epochs": 1}
SMALL |= {"halvings": 5}  # as published: 16, 4 and 1 tokens of an image of 64 x 64 pixels
NAMES = ["classification", "teacher", "simulation", "distillation", "guidance"]
NAMES += ["agreement_a", "agreement_b", "agreement_c"]


def seeded(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def engine(iteration=1, total=10):
    return SimpleNamespace(state=SimpleNamespace(iteration=iteration, max_epochs=1, epoch_length=total))


def batch(count=4, size=64):
    return {"image": seeded(count, 1, size, size).tanh(), "label": torch.arange(count) % 2}


def build(**options):
    torch.manual_seed(0)
    return LSNetClassifier(LSNetConfig(**{**SMALL, **options}), Setup(channels=1, size=(64, 64)))


def count(*modules):
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def parts(network):
    stem = (network.stem[1:], network.halvings[0])
    stages = (network.blocks[0], network.halvings[1], network.blocks[1], network.halvings[2], network.blocks[2])
    return [count(network.stem[0]), count(*stem), *map(count, stages), count(network.last), count(network.classify)]


def weights(module):
    return copy.deepcopy(module.state_dict())


def unchanged(module, before):
    return all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


# ---------------------------------------------------------------- networks


def test_student_weights_are_the_papers_part_by_part():
    student = LSNet(channels=3)
    assert parts(student) == [464, 12_544, 50_040, 6_048, 119_664, 12_128, 172_184, 8_448, 256]
    assert [count(block.simulator) for block in student.blocks] == [2_120, 2_928, 3_864]
    assert count(student) == 381_776


def test_teacher_weights_are_the_papers_part_by_part():
    teacher = Teacher(channels=3)
    assert parts(teacher) == [464, 143_232, 871_424, 154_432, 2_388_480, 233_984, 2_845_824, 74_496, 768]
    assert count(teacher) == 6_713_104


@pytest.mark.parametrize("activation", ["relu6", "silu"])
def test_tokens_are_clipped_as_published_and_linear_with_silu_and_weights_stay_as_many(activation):
    torch.manual_seed(0)
    networks = LSNet(channels=3, activation=activation), Teacher(channels=3, activation=activation)
    assert [count(network) for network in networks] == [381_776, 6_713_104]
    for network in networks:
        tokens, _ = network.blocks[0].tokens(seeded(2, network.blocks[0].local[0][0].in_channels, 8, 8))
        assert (tokens.min() < 0) == (activation == "silu")
        kinds = {type(module) for module in network.modules()}
        assert (torch.nn.ReLU6 in kinds) == (activation == "relu6")


def test_the_paper_preset_deploys_the_papers_student():
    config = LSNetConfig(**medsynth_classifier().presets["paper"])
    networks = LSNetClassifier(config, Setup(channels=3, size=(64, 64))).networks()
    assert list(networks) == ["student", "teacher"]
    assert [count(network) for network in networks.values()] == [381_776, 6_713_104]


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (96, 96)])
@pytest.mark.parametrize("images", [1, 3])
def test_any_multiple_of_32_and_any_batch_size_gives_logits(size, images):
    network = LSNet(channels=1, width=0.2, heads=2).eval()
    pictures = seeded(images, 1, *size)
    logits = network(pictures)
    assert logits.shape == (images, 2)
    assert torch.allclose(logits[-1:], network(pictures[-1:]), atol=1e-5)


def test_sparse_attention_with_all_keys_equals_dense_attention():
    network = LSNet(channels=1, width=0.2, heads=2, sparsity=1).eval()
    images = seeded(2, 1, 64, 64)
    network.rule = Rule(attention="sparse", sparsity=1)
    everything = network(images)
    network.rule = Rule(attention="dense")
    assert torch.equal(everything, network(images))


def test_one_set_of_weights_runs_with_every_attention():
    network = LSNet(channels=1, width=0.2, heads=2).eval()
    results = {}
    for attention in ("sparse", "dense", "subset"):
        network.rule = replace(network.rule, attention=attention)
        results[attention] = network(seeded(1, 1, 256, 256))
    assert not torch.allclose(results["sparse"], results["dense"], atol=1e-9)
    assert not torch.allclose(results["subset"], results["dense"], atol=1e-9)


@pytest.mark.parametrize("attention", ["sparse", "dense", "subset"])
def test_the_attention_that_patches_receive_adds_up_to_one_and_asking_changes_nothing(attention):
    torch.manual_seed(0)
    student, images = LSNet(channels=1, width=0.5, attention=attention).eval(), torch.rand(2, 1, 64, 96)
    with torch.no_grad():
        before = student(images)
        maps = student.attention(images)
        assert torch.equal(student(images), before)
    assert {name: tuple(received.shape) for name, received in maps.items()} == {
        "1": (2, 4, 6),
        "2": (2, 2, 3),
        "3": (2, 1, 2),
    }
    for received in maps.values():
        assert torch.allclose(received.sum(dim=(1, 2)), torch.ones(2))


def test_arguments_survive_json_and_rebuild_the_student():
    network = build(simulator="asymmetric", sign="signed", sparsity=3).student.eval()
    twin = LSNet(**json.loads(json.dumps(network.arguments))).eval()
    twin.load_state_dict(network.state_dict())
    images = batch()["image"]
    assert twin.rule == network.rule
    assert torch.equal(twin(images), network(images))


# ---------------------------------------------------------------- attention


def naive(queries, keys, values, indices):
    result = torch.zeros_like(queries)
    for b, p, h, n in torch.cartesian_prod(*map(torch.arange, queries.shape[:-1])):
        chosen = indices[b, p, h, n]
        scores = keys[b, p, h, chosen] @ queries[b, p, h, n] / queries.shape[-1] ** 0.5
        result[b, p, h, n] = torch.softmax(scores, 0) @ values[b, p, h, chosen]
    return result


def test_gathered_masked_and_naive_attention_agree():
    queries, keys, values = seeded(3, 2, 4, 3, 9, 5)
    indices = seeded(2, 4, 3, 9, 9, seed=1).topk(4).indices
    mask = torch.zeros(2, 4, 3, 9, 9, dtype=torch.bool).scatter_(-1, indices, True)
    scores = (queries @ keys.mT / 5**0.5).masked_fill(~mask, -torch.inf)
    gathered = attend(queries, keys, values, indices)
    assert torch.allclose(gathered, scores.softmax(-1) @ values, atol=1e-6)
    assert torch.allclose(gathered, naive(queries, keys, values, indices), atol=1e-6)


def test_attention_over_all_keys_and_over_a_shared_subset_match_the_naive_form():
    queries, keys, values = seeded(3, 1, 4, 2, 6, 3)
    everything = torch.arange(6).expand(1, 4, 2, 6, 6)
    subset = seeded(1, 4, 2, 6, seed=1).topk(3).indices
    shared = subset.unsqueeze(-2).expand(1, 4, 2, 6, 3)
    assert torch.allclose(attend(queries, keys, values, None), naive(queries, keys, values, everything), atol=1e-6)
    assert torch.allclose(attend(queries, keys, values, subset), naive(queries, keys, values, shared), atol=1e-6)


def test_gathered_attention_has_the_gradient_of_masked_attention():
    inputs = [part.requires_grad_() for part in seeded(3, 1, 4, 2, 6, 3).double().unbind()]
    indices = seeded(1, 4, 2, 6, 6, seed=1).topk(2).indices
    mask = torch.zeros(1, 4, 2, 6, 6, dtype=torch.bool).scatter_(-1, indices, True)
    queries, keys, values = inputs
    masked = (queries @ keys.mT / 3**0.5).masked_fill(~mask, -torch.inf).softmax(-1) @ values
    expected = torch.autograd.grad(masked.square().sum(), inputs)
    actual = torch.autograd.grad(attend(*inputs, indices).square().sum(), inputs)
    assert all(torch.allclose(a, b) for a, b in zip(actual, expected, strict=True))


@pytest.mark.parametrize(("tokens", "keys"), [(400, 16), (100, 4), (25, 4), (3, 3), (1, 1)])
def test_a_query_sees_one_key_in_25_but_at_least_four_where_there_are_as_many(tokens, keys):
    assert Rule().keys(tokens) == keys


@pytest.mark.parametrize(("sparsity", "keys"), [(1, 400), (10, 40), (25, 16), (50, 8)])
def test_sparsity_gives_the_papers_key_counts(sparsity, keys):
    assert Rule(sparsity=sparsity).keys(400) == keys


def test_the_released_fusion_selects_what_the_raw_map_selects():
    maps = seeded(1, 4, 2, 40, 40).double()
    positive, negative = (maps / 0.5).softmax(-1), (-maps / 0.5).softmax(-1)
    fused = 0.7 * positive + 0.3 * (1 - negative)
    assert torch.equal(fused.topk(4).indices.sort().values, maps.topk(4).indices.sort().values)


def test_two_sided_fusion_also_selects_the_most_negative_links():
    row = torch.tensor([[3.0, 0.1, -0.1, -4.0, 0.2]])
    fused = fuse(row, share=0.7, temperature=0.5)
    assert set(fused.topk(2).indices.flatten().tolist()) == {0, 3}
    assert fused.sum().item() == pytest.approx(1.0)


def test_selection_follows_the_simulator_without_a_teacher_and_the_teacher_at_weight_one():
    left, target = seeded(1, 4, 2, 30, 3), seeded(1, 4, 2, 30, 30, seed=1)
    own = simulated_map(left, left).topk(4).indices.sort().values
    guided = target.topk(4).indices.sort().values
    rule = Rule()
    assert torch.equal(rule.select(left, left, None, 0.0).sort().values, own)
    assert torch.equal(rule.select(left, left, target, 0.0).sort().values, own)
    assert torch.equal(rule.select(left, left, target, 1.0).sort().values, guided)


def test_a_subset_holds_the_keys_with_the_largest_column_sums_of_the_simulated_product():
    left, right = seeded(2, 1, 4, 2, 256, 3)
    chosen = Rule(attention="subset").select(left, right, None, 0.0)
    columns = (left @ right.mT).sum(-2)
    assert torch.equal(chosen.sort().values, columns.topk(64).indices.sort().values)


def test_student_layer_keeps_position_head_token_and_channel_apart():
    torch.manual_seed(0)
    layer = StudentLayer(6, 2).eval()
    tokens, grid = seeded(3, 4, 12, 6), (3, 4)
    indices = seeded(3, 4, 2, 12, 12, seed=1).topk(5).indices
    expected = torch.zeros_like(tokens)
    for b in range(3):
        for p in range(4):
            sequence = tokens[b, p]
            q, k, v = layer.qkv(layer.norm(sequence)).split(6, dim=-1)
            heads = []
            for h in range(2):
                one = [part[None, None, None, :, 3 * h : 3 * h + 3] for part in (q, k, v)]
                heads.append(naive(*one, indices[b : b + 1, p : p + 1, h : h + 1])[0, 0, 0])
            sequence = sequence + layer.output(F.gelu(torch.cat(heads, dim=-1)))
            image = layer.grid_norm(sequence).T.reshape(1, 6, *grid)
            expected[b, p] = sequence + layer.grid(image).reshape(6, 12).T
    assert torch.allclose(layer(tokens, grid, indices), expected, atol=1e-5)


@pytest.mark.parametrize("asymmetric", [False, True])
def test_simulator_keeps_position_head_token_and_channel_apart(asymmetric):
    torch.manual_seed(0)
    simulator = Simulator(6, 2, asymmetric=asymmetric).eval()
    tokens = seeded(3, 4, 12, 6)
    maps = simulated_map(*simulator(tokens, (3, 4)))
    assert maps.shape == (3, 4, 2, 12, 12)
    for b in range(3):
        for h in range(2):
            image = torch.stack([tokens[b, p, :, 3 * h + e].reshape(3, 4) for p in range(4) for e in range(3)])
            first = simulator.layers(image[None])
            second = simulator.second(first) / 3**0.5 if asymmetric else first
            for p in range(4):
                left, right = (x[0, 3 * p : 3 * p + 3].flatten(1) for x in (first, second))
                assert torch.allclose(maps[b, p, h], F.selu(left.T @ right), atol=1e-5)


def test_teacher_layer_gives_the_same_result_whether_or_not_it_keeps_its_scores():
    torch.manual_seed(0)
    layer, tokens = TeacherLayer(8, 2, 2), seeded(3, 4, 9, 8)
    kept, scores = layer(tokens, keep_scores=True)
    fast, nothing = layer(tokens)
    assert scores.shape == (3, 4, 2, 9, 9)
    assert nothing is None
    assert torch.allclose(kept, fast, atol=1e-5)


# ---------------------------------------------------------------- teacher's gradient


@pytest.mark.parametrize("source", ["loss", "margin"])
def test_rows_of_the_teachers_gradient_sum_to_zero(source):
    classifier = build(teacher_gradient=source)
    _, _, gradients = classifier._train_teacher(**dict(zip(("images", "labels"), batch().values(), strict=True)))
    for gradient in gradients[:2]:
        assert gradient.abs().max() > 0
        assert gradient.sum(-1).abs().max() < 1e-5 * gradient.abs().max()


def test_the_teacher_may_learn_more_slowly_than_the_student():
    optimizers = build(learning_rate=2e-3, teacher_rate=0.25).phases()[0].optimizers
    rates = {name: {group["lr"] for group in one.param_groups} for name, one in optimizers.items()}
    assert rates == {"student": {2e-3}, "teacher": {5e-4}}


def test_a_head_start_trains_the_teacher_and_nothing_else():
    classifier, data = build(teacher_epochs=2), batch()
    phases = classifier.phases()
    assert [(phase.name, phase.data, phase.epochs) for phase in phases] == [
        ("teacher", "mixed", 2),
        ("pretrain", "mixed", 1),
        ("finetune", "real", 1),
    ]
    student, distiller, teacher = (weights(x) for x in (classifier.student, classifier.distiller, classifier.teacher))
    assert list(phases[0].step(engine(), data)) == ["teacher"]
    assert unchanged(classifier.student, student)
    assert unchanged(classifier.distiller, distiller)
    assert not unchanged(classifier.teacher, teacher)


def test_the_teachers_gradient_is_that_of_the_summed_loss():
    classifier, data = build(), batch()
    twin = copy.deepcopy(classifier.teacher)
    _, _, gradients = classifier._train_teacher(data["image"], data["label"])
    outcome = twin.observed(data["image"])
    summed = F.cross_entropy(outcome.logits, data["label"], reduction="sum")
    for actual, expected in zip(gradients, torch.autograd.grad(summed, outcome.maps), strict=True):
        assert torch.allclose(actual, expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(("sign", "expected"), [("abs", [3, 4]), ("signed", [3, -4]), ("negated", [-3, 4])])
def test_targets_have_the_chosen_sign_and_unit_root_mean_square(sign, expected):
    distiller = build(sign=sign, smoothing=False).distiller
    gradient = torch.tensor([3.0, -4.0]).repeat(1, 4, 2, 2, 1) * 1e-7
    (target,) = distiller.targets([gradient], 0.5)
    assert torch.allclose(target[0, 0, 0, 0], torch.tensor(expected) / 12.5**0.5, atol=1e-4)


def test_smoothing_mixes_in_the_running_mean_over_images():
    distiller = build(sign="signed").distiller
    first, second = ([seeded(3, 4, 2, n, n, seed=s) for n in (16, 4, 1)] for s in (1, 2))
    distiller.targets(first, 0.0)
    prior = normalize(first[0]).mean(0)
    assert torch.allclose(distiller.prior_0, prior, atol=1e-6)
    smoothed = distiller.targets(second, 0.5)[0]
    prior = 0.9 * prior + 0.1 * normalize(second[0]).mean(0)
    assert torch.allclose(smoothed, normalize(0.7 * normalize(second[0]) + 0.3 * prior), atol=1e-5)


# ---------------------------------------------------------------- losses and schedules


def test_guidance_has_three_phases():
    values = [guidance(p, 0.3, 0.7) for p in (0.0, 0.29, 0.4, 0.5, 0.6, 0.7, 1.0)]
    assert values == pytest.approx([1, 1, 0.5 + 0.5 * math.cos(math.pi / 4), 0.5, 0.5 - 0.5 * 2**-0.5, 0, 0])
    assert guidance(0.5, 0.5, 0.5) == 0.0


def test_loss_weights_fade_to_a_tenth_and_recency_grows():
    assert [simulation_weight(p, 0.7) for p in (0.0, 0.7, 0.85, 1.0)] == pytest.approx([1, 1, 0.55, 0.1])
    assert [distillation_weight(w) for w in (1.0, 0.5, 0.0)] == [1.0, 0.5, 0.1]
    assert [recency(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([0.5, 0.7, 0.9])


def test_row_divergence_is_the_mean_kullback_leibler_divergence_of_rows():
    simulated, target = seeded(2, 2, 4, 2, 5, 5)
    p, q = target.softmax(-1), simulated.softmax(-1)
    assert row_divergence(simulated, target).item() == pytest.approx(
        (p * (p / q).log()).sum(-1).mean().item(), rel=1e-4
    )
    assert row_divergence(target, target).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("probabilities", [False, True])
def test_key_likelihood_is_the_mean_surprise_at_the_teachers_largest_keys(probabilities):
    scores, target = seeded(2, 2, 4, 2, 5, 5)
    rows = scores.softmax(-1)
    surprises = [
        -math.log(float(row[key]))
        for row, wanted in zip(rows.reshape(-1, 5), target.reshape(-1, 5), strict=True)
        for key in sorted(range(5), key=lambda key, wanted=wanted: -float(wanted[key]))[:2]
    ]
    found = key_likelihood(rows if probabilities else scores, target, 2, probabilities=probabilities)
    assert found.item() == pytest.approx(sum(surprises) / len(surprises), rel=1e-5)


def test_key_likelihood_rewards_the_wanted_keys_whatever_the_order_among_them():
    target = torch.tensor([[4.0, 3.0, 0.0, 1.0]])
    right, swapped, wrong = torch.tensor([[[9.0, 9, 0, 0]], [[9.0, 9, 0, 0]], [[0, 0, 9.0, 9]]])
    assert key_likelihood(right, target, 2, probabilities=False) < 0.7
    assert key_likelihood(swapped, target[:, [1, 0, 2, 3]], 2, probabilities=False) < 0.7
    assert key_likelihood(wrong, target, 2, probabilities=False) > 9


def test_logit_divergence_is_scaled_by_the_squared_temperature():
    student, teacher = seeded(2, 3, 2)
    p, q = (teacher / 3).softmax(1), (student / 3).softmax(1)
    expected = 9 * (p * (p / q).log()).sum(1).mean().item()
    assert logit_divergence(student, teacher).item() == pytest.approx(expected, rel=1e-4)


def test_overlap_counts_common_keys():
    simulated, target = torch.tensor([[4.0, 3, 2, 1], [4, 3, 2, 1]]), torch.tensor([[4.0, 3, 2, 1], [1, 4, 3, 2]])
    assert overlap(simulated, target, 2).item() == pytest.approx(0.75)
    assert overlap(simulated, target, 4).item() == 1.0


def test_gradient_features_have_unit_length_and_are_fixed():
    features = GradientFeatures(8)
    result = features(seeded(3, 4, 2, 25, 25))
    assert result.shape == (3, 128)
    assert torch.allclose(result.norm(dim=1), torch.ones(3), atol=1e-5)
    assert not any(parameter.requires_grad for parameter in features.parameters())


def test_alignment_is_zero_for_equal_directions_and_four_for_opposite_ones():
    distiller: Distiller = build().distiller
    teacher = seeded(6, distiller.anchor.in_features)
    distiller.project = torch.nn.Identity()
    projected = distiller.anchor(teacher)
    assert distiller.alignment(2 * projected, teacher).item() == pytest.approx(0.0, abs=1e-5)
    assert distiller.alignment(-projected, teacher).item() == pytest.approx(4.0, abs=1e-5)


def test_the_teachers_projection_is_orthogonal_and_fixed():
    anchor = build(teacher_width=1.0).distiller.anchor.weight
    assert torch.allclose(anchor @ anchor.T, torch.eye(128), atol=1e-4)
    assert not anchor.requires_grad


@pytest.mark.parametrize("distillation", ["cosine", "kl"])
def test_the_students_losses_leave_the_teacher_alone(distillation):
    classifier, data = build(distillation=distillation), batch()
    teacher, _, gradients = classifier._train_teacher(data["image"], data["label"])
    targets = classifier.distiller.targets(gradients, 0.0)
    classifier.teacher.zero_grad()
    student = classifier.student.guided(data["image"], targets, 0.5)
    loss = classifier._distillation(student, teacher) + classifier.distiller.simulation(student.maps, targets)
    loss.backward()
    assert all(parameter.grad is None for parameter in classifier.teacher.parameters())
    assert any(parameter.grad is not None for parameter in classifier.student.parameters())


def test_the_simulator_learns_from_the_simulation_loss_only():
    classifier, data = build(), batch()
    targets = [seeded(4, 4, 2, n, n) for n in (16, 4, 1)]
    student = classifier.student.guided(data["image"], targets, 0.5)
    simulators = [p for block in classifier.student.blocks for p in block.simulator.parameters()]
    F.cross_entropy(student.logits, data["label"]).backward(retain_graph=True)
    assert all(parameter.grad is None for parameter in simulators)
    classifier.student.zero_grad()
    classifier.distiller.simulation(student.maps, targets).backward()
    reached = {id(p) for p in classifier.student.parameters() if p.grad is not None and p.grad.any()}
    assert reached
    assert reached <= {id(parameter) for parameter in simulators}


@pytest.mark.parametrize("asymmetric", [False, True])
def test_a_prior_on_places_adds_to_each_key_what_the_image_position_and_head_say(asymmetric):
    torch.manual_seed(0)
    simulator = Simulator(6, 2, asymmetric=asymmetric, places=True).eval()
    plain = Simulator(6, 2, asymmetric=asymmetric).eval()
    plain.load_state_dict({name: value for name, value in simulator.state_dict().items() if name != "places"})
    torch.nn.init.normal_(simulator.places)
    tokens = torch.randn(3, 4, 64, 6)
    with torch.no_grad():
        left, right = simulator(tokens, (8, 8))
        first, second = plain(tokens, (8, 8))
        # asymmetric factors are divided by the root of the head's width anyway
        content = 0.25 * (first @ second.mT) / (1.0 if asymmetric else 3**0.5)
        for position in range(4):
            for head in range(2):
                added = 32 * simulator.places[head, position].reshape(1, 1, 64)
                found = (left @ right.mT)[:, position, head]
                torch.testing.assert_close(found, content[:, position, head] + added, atol=1e-4, rtol=1e-4)


def test_a_prior_on_places_costs_3072_weights_and_fits_any_size():
    assert count(LSNet(channels=3, places=True)) == 381_776 + 3 * 4 * 4 * 64
    network = LSNet(channels=1, width=0.5, places=True).eval()
    for size in (32, 96):
        assert network(torch.rand(1, 1, size, size)).shape == (1, 2)


def test_a_simulator_with_places_learns_in_a_few_steps_which_places_matter():
    torch.manual_seed(0)
    simulator, important = Simulator(8, 2, asymmetric=False, places=True), torch.randperm(64)[:4]
    target = torch.zeros(4, 4, 2, 64, 64)
    target[..., important] = 1.0
    optimizer = torch.optim.Adam(simulator.parameters(), lr=1e-3)
    for _ in range(40):
        maps = simulated_map(*simulator(torch.randn(4, 4, 64, 8), (8, 8)))
        optimizer.zero_grad()
        key_likelihood(maps, target, 4, probabilities=False).backward()
        optimizer.step()
    simulator.eval()
    # chance is 4 / 64
    assert overlap(simulated_map(*simulator(torch.randn(4, 4, 64, 8), (8, 8))), target, 4) > 0.5


def test_the_largest_products_are_found_whatever_order_the_keys_are_searched_in():
    left, right = seeded(2, 2, 4, 3, 20, 5)
    expected = (left @ right.mT).argsort(dim=-1, descending=True)[..., :6]
    found = largest(left, right, 6)
    assert torch.equal(found.sort(dim=-1).values, expected.sort(dim=-1).values)


# ---------------------------------------------------------------- training


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"simulator": "asymmetric", "row_loss": "mse", "smoothing": False, "feature_weight": 0.0},
        {"places": True, "row_loss": "keys"},
        {"sign": "signed", "row_loss": "keys"},
        {"sign": "signed", "teacher_gradient": "margin", "distillation": "kl"},
        {"sign": "negated", "fusion": "released", "attention": "dense"},
    ],
)
def test_two_steps_give_finite_values_with_stable_names(options):
    phase = build(**options).phases()[0]
    for iteration in (1, 6):
        values = phase.step(engine(iteration), batch(3))
        assert list(values) == NAMES
        assert all(math.isfinite(float(value)) for value in values.values())
        assert not any(getattr(value, "requires_grad", False) for value in values.values())


def test_pretraining_teaches_both_networks_and_fine_tuning_the_student_only():
    classifier = build()
    pretrain, finetune = classifier.phases()
    assert [(p.name, p.data) for p in (pretrain, finetune)] == [("pretrain", "mixed"), ("finetune", "real")]
    before = weights(classifier.teacher), weights(classifier.student)
    pretrain.step(engine(), batch())
    assert not unchanged(classifier.teacher, before[0])
    assert not unchanged(classifier.student, before[1])
    before = weights(classifier.teacher), weights(classifier.student)
    assert list(finetune.step(engine(), batch())) == ["classification"]
    assert unchanged(classifier.teacher, before[0])
    assert not unchanged(classifier.student, before[1])


@pytest.mark.parametrize(("skipped", "left"), [("pretrain_epochs", "finetune"), ("finetune_epochs", "pretrain")])
def test_a_phase_without_epochs_is_left_out(skipped, left):
    assert [phase.name for phase in build(**{skipped: 0}).phases()] == [left]


def test_optimizers_hold_every_trained_parameter_once_and_spare_vectors_from_decay():
    classifier = build()
    optimizers = classifier.phases()[0].optimizers
    groups = [group for optimizer in optimizers.values() for group in optimizer.param_groups]
    assert {group["name"].removesuffix(" without decay") for group in groups} == {
        "student", "simulator", "distiller", "teacher",
    }  # fmt: skip
    held = [parameter for group in groups for parameter in group["params"]]
    state = classifier.phases()[0].state.values()
    assert {id(p) for p in held} == {id(p) for module in state for p in module.parameters() if p.requires_grad}
    assert len(held) == len({id(p) for p in held})
    assert all((p.dim() > 1) == (group["weight_decay"] > 0) for group in groups for p in group["params"])


def test_training_continued_from_saved_state_equals_straight_training():
    classifier, other = build(), build()
    phase, twin = classifier.phases()[0], other.phases()[0]
    phase.step(engine(1), batch())
    saved = io.BytesIO()
    content = [{name: item.state_dict() for name, item in part.items()} for part in (phase.state, phase.optimizers)]
    torch.save(content, saved)
    saved.seek(0)
    for part, values in zip((twin.state, twin.optimizers), torch.load(saved, weights_only=True), strict=True):
        for name, item in part.items():
            item.load_state_dict(values[name])
    for current in (phase, twin):
        current.step(engine(6), batch())
    assert unchanged(classifier.student, weights(other.student))
    assert unchanged(classifier.distiller, weights(other.distiller))


def test_an_impossible_hand_over_is_refused_by_name():
    with pytest.raises(InputError, match=r"hand_over_end = 0\.2 .*hand_over_start = 0\.3"):
        build(hand_over_end=0.2)
