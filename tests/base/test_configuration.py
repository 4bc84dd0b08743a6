"""Config dataclasses: layers, conversion, ranges and errors."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest

from medsynth.api import EvaluatorConfig, option
from medsynth.base.configuration import contract_faults, describe, nearest, options_for, resolve
from medsynth.base.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Example(EvaluatorConfig):
    width: int = option(64, "channels of the first layer", low=1, high=512)
    mode: str = option("a", "which one", choices=("a", "b"))
    rate: float = option(1e-3, "learning rate", low=0.0)
    sizes: tuple[int, ...] = option((1, 2), "levels")
    on: bool = option(True, "switch")


def test_later_layers_win_and_strings_are_converted() -> None:
    config = resolve(Example, [{"width": 8, "rate": 0.1}, {"width": "16", "on": "false", "sizes": "3, 4"}], where="x")
    assert (config.width, config.rate, config.on, config.sizes) == (16, 0.1, False, (3, 4))


def test_an_unknown_field_shows_the_nearest_one() -> None:
    with pytest.raises(InputError, match=r"unknown field generator.widht = 3\nDid you mean 'width'\?"):
        resolve(Example, [{"widht": 3}], where="generator")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("width", "wide", "x.width = 'wide' is not valid, whole number is expected"),
        ("width", 0, "x.width = 0 is out of range\nAllowed: 1 to 512"),
        ("width", "1000", "x.width = '1000' is out of range"),
        ("mode", "c", "x.mode = 'c' is not allowed\nAllowed: a, b"),
        ("rate", "nan", "x.rate = 'nan' is not a finite number"),
        ("rate", -1, "x.rate = -1 is out of range\nAllowed: >= 0"),
    ],
)
def test_an_unusable_value_is_named_with_field_and_rule(field: str, value: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve(Example, [{field: value}], where="x")
    assert message in str(caught.value)


def test_fields_are_described_in_order_with_type_default_range_and_help() -> None:
    first = describe(Example)[0]
    assert (first.name, first.type, first.default, first.range) == ("width", "whole number", 64, "1 to 512")
    assert first.help == "channels of the first layer"


def test_a_config_without_help_or_base_or_freezing_breaks_the_contract() -> None:
    @dataclass
    class Bad:
        width: int = 3

    faults = " ".join(contract_faults(Bad, EvaluatorConfig))
    assert "does not inherit" in faults
    assert "not frozen" in faults
    assert "'width' has no default or no help" in faults
    assert contract_faults(Example, EvaluatorConfig) == []


def test_nearest_lists_everything_when_nothing_is_close() -> None:
    assert nearest("zzz", ["beta", "alpha"]) == "Known: alpha, beta."


def test_what_is_made_takes_the_options_of_its_arguments_names_with_or_without_a_prefix():
    @dataclasses.dataclass(frozen=True)
    class Options:
        width: int = 8
        judge_width: int = 4
        judge_levels: int = 2
        epochs: int = 9

    def network(channels, *, width=1, levels=1, skips=False):
        return channels, width, levels, skips

    assert options_for(Options(), network) == {"width": 8}
    assert options_for(Options(), network, "judge_") == {"width": 4, "levels": 2}
