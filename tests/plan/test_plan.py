"""Plans: presets, overrides, files."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from medsynth.api import GeneratorConfig, GeneratorSpec
from medsynth.base.errors import InputError
from medsynth.plan.plan import Plan, load_preset, make_plan, parse_overrides, presets
from medsynth.plan.repeating import read_plan
from medsynth.plugins import Registry


def plan(*overrides: str, preset: str = "quick", **changes: object) -> Plan:
    given = {"generator": "cyclegan", "classifier": "mobilenet-v2", "seeds": [42], "device": "cpu", **changes}
    return make_plan(Registry(), preset=preset, overrides=overrides, **given)  # type: ignore[arg-type]


def test_an_override_beats_the_presets_and_the_default() -> None:
    assert plan().generator_config.epochs == load_preset("quick")["generator"]["epochs"]
    assert plan("generator.epochs=3").generator_config.epochs == 3


def test_a_plan_file_holds_every_value_and_reads_back() -> None:
    written = tomllib.loads(plan("data.size=32", "evaluators.diagnostic.resamples=200").to_toml())
    assert written["data"]["size"] == 32
    assert written["generator"]["name"] == "cyclegan"
    assert written["evaluators"]["diagnostic"]["resamples"] == 200


def test_a_plan_read_back_from_its_file_is_the_plan(tmp_path: Path) -> None:
    written = plan("data.positive=EC", "generator.identity_weight=0.1", seeds=[7, 8])
    (tmp_path / "plan.toml").write_text(written.to_toml())
    assert read_plan(tmp_path / "plan.toml", Registry()) == written


def test_a_plan_of_a_version_without_square_pixels_keeps_the_pixels_it_had(tmp_path: Path) -> None:
    before = plan().to_toml().replace("square = true\n", "")
    (tmp_path / "plan.toml").write_text(before)
    assert plan().data.square
    assert not read_plan(tmp_path / "plan.toml", Registry()).data.square


def test_equal_plans_have_equal_digests_and_others_do_not() -> None:
    assert plan().digest == plan().digest
    assert plan().digest != plan("data.size=32").digest


@pytest.mark.parametrize("name", presets())
def test_every_preset_resolves_for_every_generator_and_classifier(name: str) -> None:
    registry = Registry()
    for generator in registry.names("generator"):
        for classifier in registry.names("classifier"):
            assert plan(preset=name, generator=generator, classifier=classifier).preset == name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"generator": "cyclegam"}, "unknown generator 'cyclegam'\nDid you mean 'cyclegan'"),
        ({"preset": "quik"}, "unknown preset 'quik'\nDid you mean 'quick'"),
        ({"seeds": [1, 1]}, "--seeds '1,1' must be different"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        plan(**arguments)  # type: ignore[arg-type]
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("width=3", "cannot be read"),
        ("generater.width=3", "unknown kind 'generater'"),
        ("generator.widht=3", "unknown field generator.widht"),
        ("evaluators.privacy.k=3", "not part of this run"),
    ],
)
def test_an_override_that_hits_nothing_is_refused(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan(override)


def test_an_equals_sign_in_a_value_is_kept() -> None:
    assert parse_overrides(["data.path=a=b"]) == {"data": {"path": "a=b"}}


def test_a_generator_without_an_option_of_the_preset_is_planned_and_presets_name_known_options(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Registry, "registered", {})
    Registry.register(GeneratorSpec(name="plain", summary="s", config=GeneratorConfig, factory=list))
    registry = Registry()
    asked = {"generator": "plain", "classifier": "lsnet", "seeds": [42], "device": "cpu", "evaluators": []}
    found = make_plan(registry, preset="quick", **asked).generator_config  # type: ignore[arg-type]
    wished = load_preset("quick")["generator"]
    assert (found.epochs, found.ema_decay) == (wished["epochs"], wished["ema_decay"])
    assert "texture_weight" in wished
    assert not hasattr(found, "texture_weight")
    built_in = [registry.load("generator", name).config for name in registry.names("generator")]
    known = {field.name for config in built_in for field in dataclasses.fields(config)}
    assert all(set(load_preset(preset)["generator"]) <= known for preset in presets())
