from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from medsynth_dclgan import DclGanConfig, medsynth_generator
from medsynth_dclgan.contrast import MappingHead, ProjectionHead, draw_positions, patch_nce, unit_rows
from medsynth_dclgan.model import DclGan
from medsynth_dclgan.network import DclGanGenerator, tap_names, tap_places
from torch import Tensor, nn

from medsynth.api import Setup, learning_rate_schedule
from medsynth.base.errors import InputError
from medsynth.networks.blocks import InstanceNorm, ResidualBlock
from medsynth.networks.patchgan import PatchGan
from medsynth.networks.resnet import ResnetGenerator

TERMS = {f"{term}_{end}" for term in ("nce", "identity") for end in "ab"} | {"adversarial_ab", "adversarial_ba"}
JUDGED = {"discriminator_a", "discriminator_b"}
NAMES = TERMS | JUDGED
WEIGHTS = {"adversarial": 0.5, "nce": 1.0, "identity": 0.5, "similarity": 10.0}
SMALL = {
    "width": 4,
    "blocks": 2,
    "taps": ("down_1", "down_2", "block_1", "block_2"),
    "patches": 40,
    "projection_width": 16,
    "discriminator_width": 4,
}


def build(**fields: Any) -> DclGan:
    torch.manual_seed(0)
    return DclGan(DclGanConfig(**(SMALL | fields)), Setup(channels=1, size=(32, 32)))


def batch(size: int = 32) -> Mapping[str, Tensor]:
    """Smooth images: two batches of two, each a coarse 4 x 4 pattern."""
    draw = torch.Generator().manual_seed(1)
    coarse = {name: torch.rand(2, 1, 4, 4, generator=draw) * 2 - 1 for name in ("source", "target")}
    return {name: F.interpolate(images, (size, size), mode="bilinear") for name, images in coarse.items()}


def step(model: DclGan, data: Mapping[str, Tensor] | None = None) -> Mapping[str, Tensor]:
    torch.manual_seed(2)
    return model.phases()[0].step(None, data or batch())


def count(*networks: nn.Module) -> int:
    return sum(p.numel() for network in networks for p in network.parameters())


def mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).mean()


def rows(*shape: int, seed: int) -> Tensor:
    return unit_rows(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))


def slow_nce(queries: Tensor, keys: Tensor, temperature: float = 0.07) -> Tensor:
    """The published form for one tap: the positive in front, its place among the negatives masked by -10."""
    query, key = queries.flatten(0, 1), keys.flatten(0, 1)
    losses = []
    for i in range(len(query)):
        cosines = [torch.dot(query[i], other) / (query[i].norm() * other.norm()) for other in key]
        negatives = [cosine if j != i else torch.tensor(-10.0) for j, cosine in enumerate(cosines)]
        logits = torch.stack([cosines[i], *negatives]) / temperature
        losses.append(-F.log_softmax(logits, 0)[0])
    return mean(losses)


def features_of(generator: DclGanGenerator, image: Tensor) -> list[Tensor]:
    """The tapped features, layer by layer through the whole network."""
    layers, found = [*generator.encoder.layers, *generator.decoder], []
    names = {place: name for name, place in tap_places(nn.Sequential(*layers)).items()}
    for place, layer in enumerate(layers):
        image = layer(image)
        if names.get(place) in SMALL["taps"]:
            found.append(image)
    return found


def slow_projection(head: ProjectionHead, features: list[Tensor], positions: list[Tensor]) -> list[Tensor]:
    """One position of one image at a time, (B, P, D) per tap."""
    projected = []
    for tap, maps, chosen in zip(head.taps, features, positions, strict=True):
        width = maps.shape[3]
        vectors = [[tap(image[:, int(p) // width, int(p) % width]) for p in chosen] for image in maps]
        projected.append(torch.stack([torch.stack([v / (v.norm() + 1e-7) for v in image]) for image in vectors]))
    return projected


def slow_terms(model: DclGan, a: Tensor, b: Tensor, *, similarity: bool = False) -> dict[str, Tensor]:
    """The paper's terms, one pass per image set, positions drawn in the order of the step."""
    ab, ba, of_a, of_b = model.generator_ab, model.generator_ba, model.projection_a, model.projection_b
    judge_a, judge_b, patches = model.discriminators.a, model.discriminators.b, model.config.patches
    fake_b, fake_a = ab(a), ba(b)
    real_a, real_b = features_of(ab, a), features_of(ba, b)
    again_a, again_b = features_of(ab, fake_a), features_of(ba, fake_b)
    terms = {
        "adversarial_ab": ((judge_b(fake_b) - 1) ** 2).mean(),
        "adversarial_ba": ((judge_a(fake_a) - 1) ** 2).mean(),
        "identity_a": (ba(a) - a).abs().mean(),
        "identity_b": (ab(b) - b).abs().mean(),
    }
    for name, real, own, again, other in (
        ("nce_a", real_a, of_a, again_b, of_b),
        ("nce_b", real_b, of_b, again_a, of_a),
    ):
        positions = draw_positions(real, patches)
        keys = [rows.detach() for rows in slow_projection(own, real, positions)]
        queries = slow_projection(other, again, positions)
        terms[name] = mean([slow_nce(query, key) for query, key in zip(queries, keys, strict=True)])
    if similarity:
        for end, project, real, fake in (("a", of_a, real_a, again_a), ("b", of_b, real_b, again_b)):
            summaries = []
            for kind, features in (("real", real), ("fake", fake)):
                head, projected = model.mappings[f"{kind}_{end}"], project(features, draw_positions(features, patches))
                fewest = min(rows.shape[1] for rows in projected)
                images = [torch.stack([rows[i, :fewest] for rows in projected]) for i in range(len(a))]
                vectors = [head.layers(image[None])[0] for image in images]
                summaries.append(torch.stack([v / (v.norm() + 1e-7) for v in vectors]))
            terms[f"similarity_{end}"] = (summaries[0] - summaries[1]).abs().mean()
    return terms


def gradients(*networks: nn.Module) -> Tensor:
    return torch.cat([p.grad.flatten() for network in networks for p in network.parameters()])


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize(("channels", "generator", "judge"), [(1, 11_365_633, 2_762_689), (3, 11_378_179, 2_764_737)])
def test_the_default_networks_have_the_published_sizes(channels: int, generator: int, judge: int):
    model = DclGan.__new__(DclGan)
    model.config = DclGanConfig()
    with torch.device("meta"):
        model.generator_ab = model._generator(channels)
        counts = [count(network) for network in (model.generator_ab, model._discriminator(channels))]
        assert [*counts, count(model._projection())] == [generator, judge, 493_568]


@pytest.mark.parametrize(("channels", "parameters"), [(1, 559_872), (3, 560_384)])
def test_a_head_that_also_taps_the_image_has_the_size_of_cuts(channels: int, parameters: int):
    assert count(ProjectionHead([channels, 128, 256, 256, 256])) == parameters


def test_each_of_the_four_mapping_heads_has_the_published_size():
    model = build(similarity_weight=10.0)
    assert sorted(model.mappings) == ["fake_a", "fake_b", "real_a", "real_b"]
    assert {count(head) for head in model.mappings.values()} == {count(MappingHead(4))} == {10_688}


def test_weights_start_as_xavier_with_gain_0_02():
    torch.manual_seed(0)
    model = DclGan(DclGanConfig(blocks=6, width=32), Setup(channels=1, size=(64, 64)))
    convolution, linear = model.generator_ab.decoder[0].layers[0], model.projection_a.taps[3][2]
    assert convolution.weight.std().item() == pytest.approx(0.02 * (2 / (2 * 128 * 9)) ** 0.5, rel=0.03)
    assert linear.weight.std().item() == pytest.approx(0.02 * (2 / 512) ** 0.5, rel=0.03)
    assert linear.bias.abs().max() == 0


# ---------------------------------------------------------------- networks


def test_the_generator_equals_the_residual_network_it_is_cut_from():
    torch.manual_seed(0)
    cut = DclGanGenerator(1, 1, width=4, blocks=6)
    whole = ResnetGenerator(1, 1, width=4, blocks=6, mode="antialiased")
    for ours, theirs in zip(cut.parameters(), whole.parameters(), strict=True):
        theirs.data.copy_(ours)
    image = batch()["source"]
    assert torch.equal(cut(image), whole(image))


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("mode", ["antialiased", "transposed", "nearest", "bilinear"])
def test_taps_are_found_by_name_whatever_the_layers_between_them(mode: str, levels: int):
    layers = ResnetGenerator(1, 1, width=4, blocks=6, mode=mode, levels=levels).layers
    places = tap_places(layers, levels)
    assert list(places) == tap_names(6, levels)
    for level in range(1, levels + 1):
        place = places[f"down_{level}"]
        assert isinstance(layers[place], nn.Conv2d)
        assert layers[place].out_channels == 4 * 2**level
        assert isinstance(layers[place + 1], InstanceNorm)
    blocks = [layer for layer in layers if isinstance(layer, ResidualBlock)]
    assert [layers[places[f"block_{number}"]] for number in range(1, 7)] == blocks


@pytest.mark.parametrize("levels", [1, 3])
def test_a_generator_of_other_levels_takes_any_size_and_is_rebuilt_from_its_arguments(levels: int):
    generator = DclGanGenerator(1, 1, width=4, blocks=2, levels=levels, taps=("down_1", "block_2"))
    again = DclGanGenerator(**generator.arguments)
    again.load_state_dict(generator.state_dict())
    image = torch.rand(1, 1, 27, 34)
    assert generator.encoder(image)[-1].shape == (1, 4 * 2**levels, -(-27 // 2**levels), -(-34 // 2**levels))
    assert generator(image).shape == image.shape
    assert torch.equal(again(image), generator(image))


def test_the_default_taps_are_the_published_modules():
    # Counted as in the published list, where the reflection padding of the first convolution is a module of its own.
    places = tap_places(ResnetGenerator(1, 1, width=1, blocks=9, mode="antialiased").layers)
    assert [places[name] + 1 for name in DclGanConfig().taps] == [4, 8, 12, 16]


def test_the_encoder_returns_the_features_of_its_taps_and_stops_there():
    generator, image = build().generator_ab, batch()["source"]
    features = generator.encoder(image)
    for found, expected in zip(features, features_of(generator, image), strict=True):
        assert torch.equal(found, expected)
    assert generator.encoder.widths == (8, 16, 16, 16)
    assert [tuple(maps.shape[1:]) for maps in features] == [(8, 32, 32), (16, 16, 16), (16, 8, 8), (16, 8, 8)]


@pytest.mark.parametrize(("taps", "message"), [(("down_1", "block_9"), "'block_9'"), ((), "at least one")])
def test_taps_that_the_generators_lack_are_refused_with_the_known_names(taps: tuple[str, ...], message: str):
    with pytest.raises(InputError, match=message) as refusal:
        build(taps=taps)
    assert "down_1, down_2, block_1, block_2" in refusal.value.hint


# ---------------------------------------------------------------- contrast


def test_patch_nce_equals_the_masked_form_summed_in_a_loop():
    queries, keys = [rows(2, 9, 5, seed=s) for s in (0, 1)], [rows(2, 9, 5, seed=s) for s in (2, 3)]
    expected = mean([slow_nce(query, key) for query, key in zip(queries, keys, strict=True)])
    torch.testing.assert_close(patch_nce(queries, keys), expected)


def test_the_gradient_of_patch_nce_equals_that_of_the_masked_form_and_keys_get_none():
    query, key = rows(1, 12, 6, seed=0).requires_grad_(), rows(1, 12, 6, seed=1).requires_grad_()
    (expected,) = torch.autograd.grad(slow_nce(query, key.detach()), query)
    patch_nce([query], [key]).backward()
    torch.testing.assert_close(query.grad, expected)
    assert key.grad is None


def test_the_length_of_projections_does_not_matter_to_patch_nce():
    query, key = rows(1, 12, 6, seed=0), rows(1, 12, 6, seed=1)
    torch.testing.assert_close(patch_nce([0.01 * query], [0.3 * key]), patch_nce([query], [key]))


def test_equal_patches_are_recognized_and_exchanged_ones_are_not():
    query = unit_rows(torch.eye(8))[None]
    assert patch_nce([query], [query]) < 1e-4
    assert patch_nce([query], [query.roll(1, 1)]) > 10


def test_negatives_come_from_all_images_of_the_batch():
    query, key = rows(2, 4, 3, seed=0), rows(2, 4, 3, seed=1)
    alone = mean([patch_nce([query[i : i + 1]], [key[i : i + 1]]) for i in range(2)])
    assert patch_nce([query, query], [key, key]) > alone + 0.1


def test_patch_nce_is_taken_in_float32_under_autocast():
    queries, keys = rows(1, 64, 32, seed=0), rows(1, 64, 32, seed=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = patch_nce([queries], [keys])
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, patch_nce([queries], [keys]), rtol=0, atol=0)


def test_a_map_with_fewer_positions_than_asked_gives_each_of_them_once():
    few, many = draw_positions([torch.zeros(2, 3, 4, 5), torch.zeros(2, 3, 40, 40)], 64)
    assert sorted(few.tolist()) == list(range(20))
    assert len(many) == len(set(many.tolist())) == 64


def test_positions_repeat_by_torchs_seed_and_differ_between_taps():
    drawn = []
    for _ in range(2):
        torch.manual_seed(5)
        drawn.append(draw_positions([torch.zeros(1, 1, 16, 16)] * 2, 32))
    assert all(torch.equal(first, second) for first, second in zip(*drawn, strict=True))
    assert not torch.equal(*drawn[0])


def test_a_projection_head_equals_one_position_at_a_time_and_returns_unit_vectors():
    torch.manual_seed(0)
    head = ProjectionHead([3, 5], outputs=4)
    features = [torch.randn(2, 3, 4, 5), torch.randn(2, 5, 3, 2)]
    positions = draw_positions(features, 7)
    projected = head(features, positions)
    for found, expected in zip(projected, slow_projection(head, features, positions), strict=True):
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(found.norm(dim=-1), torch.ones(found.shape[:2]))


def test_a_mapping_head_takes_the_first_rows_of_taps_that_have_more():
    torch.manual_seed(0)
    head, projected = MappingHead(2), [rows(3, 8, 16, seed=0), rows(3, 12, 16, seed=1)]
    summary = head(projected)
    assert torch.equal(summary, head([projected[0], projected[1][:, :8]]))
    torch.testing.assert_close(summary.norm(dim=-1), torch.ones(3))


# ---------------------------------------------------------------- training


@pytest.mark.parametrize("similarity", [False, True])
def test_every_term_equals_its_slow_formula(similarity: bool):
    model, data = build(similarity_weight=10.0 * similarity, patches=12), batch()
    a, b = data["source"], data["target"]
    torch.manual_seed(2)
    expected = slow_terms(model, a, b, similarity=similarity)
    torch.manual_seed(2)
    terms = model.update_generators(model.forward(a, b))
    assert set(terms) == set(expected) == TERMS | ({"similarity_a", "similarity_b"} if similarity else set())
    for name, value in terms.items():
        torch.testing.assert_close(value, expected[name].detach(), msg=name)


@pytest.mark.parametrize("similarity", [False, True])
def test_the_gradients_of_a_step_are_those_of_the_plain_loss(similarity: bool):
    fast, data = build(similarity_weight=10.0 * similarity, patches=12), batch()
    plain = copy.deepcopy(fast)
    a, b = data["source"], data["target"]
    torch.manual_seed(2)
    terms = slow_terms(plain, a, b, similarity=similarity)
    sum(WEIGHTS[name.partition("_")[0]] * term for name, term in terms.items()).backward()
    torch.manual_seed(2)
    fast.update_generators(fast.forward(a, b))
    for parts in (("generator_ab", "generator_ba"), ("projection_a", "projection_b", *["mappings"] * similarity)):
        expected, computed = (gradients(*(getattr(model, part) for part in parts)) for model in (plain, fast))
        assert (computed - expected).norm() / expected.norm() < 1e-4, parts


def test_discriminators_are_trained_first_on_the_fakes_that_the_generators_then_answer_for():
    model, data = build(), batch()
    judge, fake = copy.deepcopy(model.discriminators.b), model.generator_ab(data["source"]).detach()
    expected = 0.5 * ((judge(data["target"]) - 1) ** 2).mean() + 0.5 * (judge(fake) ** 2).mean()
    losses = step(model, data)
    torch.testing.assert_close(losses["discriminator_b"], expected.detach())
    after = ((model.discriminators.b(fake) - 1) ** 2).mean()
    torch.testing.assert_close(losses["adversarial_ab"], after.detach())
    assert after != ((judge(fake) - 1) ** 2).mean()


def test_discriminators_have_no_gradients_after_a_step_and_none_from_the_generators():
    model, data = build(), batch()
    a, b = data["source"], data["target"]
    model.update_generators(model.forward(a, b))
    judges = (model.discriminators.a, model.discriminators.b)
    assert all(p.grad is None and p.requires_grad for judge in judges for p in judge.parameters())
    step(model, data)
    assert all(p.grad is None for judge in judges for p in judge.parameters())


@pytest.mark.parametrize(
    ("fields", "absent", "images"),
    [
        ({}, set(), 12),
        ({"identity_weight": 0.0}, {"identity_a", "identity_b"}, 8),
        ({"nce_weight": 0.0}, {"nce_a", "nce_b"}, 8),
        ({"adversarial_weight": 0.0}, {"adversarial_ab", "adversarial_ba"} | JUDGED, 12),
    ],
)
def test_a_weight_of_zero_switches_a_term_and_its_passes_off(fields: dict[str, float], absent: set[str], images: int):
    model, encoded, judged = build(**fields), [], []
    for network in (model.generator_ab.encoder, model.generator_ba.encoder):
        network.register_forward_hook(lambda module, inputs, output: encoded.append(len(output[0])))
    model.discriminators.a.register_forward_hook(lambda module, inputs, output: judged.append(len(output)))
    assert set(step(model)) == NAMES - absent
    assert sum(encoded) == images
    assert bool(judged) == bool(JUDGED - absent)


def test_keys_are_kept_from_the_translation_and_take_no_gradient():
    model, data = build(), batch()
    made = model.forward(data["source"], data["target"])
    keys = [maps.detach().requires_grad_() for maps in made.features_a]
    terms = model.update_generators(replace(made, features_a=keys))
    assert terms["nce_a"] > 0
    assert all(maps.grad is None for maps in keys)


@pytest.mark.parametrize("adversarial", ["lsgan", "vanilla", "hinge"])
def test_two_steps_give_finite_losses_under_the_same_names(adversarial: str):
    model = build(adversarial=adversarial)
    first, second = step(model), step(model)
    assert set(first) == set(second) == NAMES
    assert all(torch.isfinite(value) and not value.requires_grad for value in [*first.values(), *second.values()])


def test_losses_in_mixed_precision_are_float32_and_close_to_the_exact_ones():
    exact = step(build(similarity_weight=1.0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = step(build(similarity_weight=1.0))
    assert all(value.dtype == torch.float32 for value in mixed.values())
    for name in NAMES:
        assert mixed[name].item() == pytest.approx(exact[name].item(), rel=0.05), name


def test_training_makes_patches_recognizable():
    model = build(learning_rate=2e-3)
    losses = [step(model)["nce_a"].item() for _ in range(30)]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("size", [33, medsynth_generator().assumptions.min_size])
def test_odd_and_smallest_sizes_train_and_keep_their_shape(size: int):
    model, data = build(similarity_weight=1.0), batch(size)
    assert all(torch.isfinite(value) for value in step(model, data).values())
    assert model.translate(data["source"]).shape == data["source"].shape


def test_the_source_to_target_generator_comes_first():
    model = build(similarity_weight=1.0)
    networks, image = model.networks(), batch()["source"]
    heads = ["projection_a", "projection_b", "mappings"]
    assert list(networks) == ["generator_ab", "generator_ba", *heads, "discriminator_a", "discriminator_b"]
    assert torch.equal(model.translate(image), networks["generator_ab"](image))


def test_optimizers_and_checkpoints_hold_every_parameter_once_and_heads_have_their_own_adam():
    model = build(constant_share=0.5, similarity_weight=1.0)
    (phase,) = model.phases()
    networks = [p for network in model.networks().values() for p in network.parameters()]
    held = [p for optimizer in phase.optimizers.values() for group in optimizer.param_groups for p in group["params"]]
    saved = [p for item in phase.state.values() if isinstance(item, nn.Module) for p in item.parameters()]
    for parameters in (held, saved):
        assert len(parameters) == len(networks)
        assert {id(p) for p in parameters} == {id(p) for p in networks}
    rates = {name: (o.defaults["lr"], o.defaults["betas"]) for name, o in phase.optimizers.items()}
    assert rates["helpers"] == (1e-3, (0.9, 0.999))
    assert rates["generators"] == rates["discriminators"] == (2e-4, (0.5, 0.999))
    assert [learning_rate_schedule(model.config)(p) for p in (0.25, 0.75)] == [1.0, 0.5]


def test_the_simdcl_preset_trains_heads_as_generators():
    preset = medsynth_generator().presets["simdcl"]
    model = DclGan(DclGanConfig(**(SMALL | preset)), Setup(channels=1, size=(32, 32)))
    group = model.optimizers["helpers"].param_groups[0]
    assert (group["lr"], group["betas"]) == (2e-4, (0.5, 0.999))
    assert {"similarity_a", "similarity_b"} < set(step(model))


def test_discriminators_smooth_before_they_subsample_unless_told_otherwise():
    judges = [build(discriminator_antialiased=smooth).discriminators.a for smooth in (True, False)]
    strides = [max(m.stride[0] for m in judge.modules() if isinstance(m, nn.Conv2d)) for judge in judges]
    assert all(isinstance(judge, PatchGan) for judge in judges)
    assert strides == [1, 2]


def test_the_information_term_is_added_when_asked_for():
    assert set(step(build(information_weight=0.5))) == NAMES | {"information_ab", "information_ba"}


def test_presets_leave_the_budget_to_the_core():
    budget = {"epochs", "epoch_steps", "batch_size", "learning_rate"}
    assert all(not budget & set(values) for values in medsynth_generator().presets.values())
