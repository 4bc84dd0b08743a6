"""The search for options of a wished cost."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from medsynth.base.errors import InputError
from medsynth.cli import app
from medsynth.plan.matching import COUNTED, find_match
from medsynth.plan.wishes import COSTS, parse_wish
from medsynth.plugins import Registry


def match(wish: str, *overrides: str, name: str = "mobilenet-v2"):
    return find_match(Registry(), name, wish, size=64, channels=3, overrides=overrides)


def test_units_are_powers_of_a_thousand():
    assert parse_wish("macs=0.29G, params=400K") == {"macs": 2.9e8, "params": 4e5}
    assert parse_wish("thop=5m") == {"thop": 5e6}
    assert parse_wish("params=12345") == {"params": 12345.0}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("mac=1G", "'mac'"),
        ("macs", "'macs'"),
        ("macs=-1", "macs=-1"),
        ("macs=1Q", "macs=1Q"),
        ("macs=1,macs=2", "twice"),
    ],
)
def test_a_wish_that_cannot_be_read_is_named(text, named):
    with pytest.raises(InputError, match=named):
        parse_wish(text)


def test_a_cost_that_an_option_gives_exactly_is_found():
    kind, found = match("params=748066", "classifier.hidden=128")
    assert kind == "classifier"
    assert found.costs == {"params": 748_066}
    assert found.deviations == {"params": 0.0}
    assert "hidden" not in found.values


def test_two_searches_agree_and_come_nearer_than_the_default():
    first, second = match("params=300K,macs=30M"), match("params=300K,macs=30M")
    assert first == second
    assert all(abs(deviation) < 0.5 for deviation in first[1].deviations.values())


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(InputError, match="no generator or classifier"):
        match("macs=1G", name="diagnostic")
    with pytest.raises(InputError, match="no field that scales"):
        match("macs=1G", name="lsnet")
    with pytest.raises(InputError, match="no field left"):
        match("macs=1G", "classifier.width=1", "classifier.hidden=0")
    with pytest.raises(InputError, match="names 'generator'"):
        match("macs=1G", "generator.width=1")


def test_the_command_prints_options_that_run_understands():
    call = ["plugins", "show", "mobilenet-v2", "--match", "params=748066", "--size", "64", "--channels", "3"]
    result = CliRunner().invoke(app, [*call, "--set", "classifier.hidden=128"])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["--set classifier.width=0.45", "params 748,066 (+0.0% of the wished 748,066)"]


def test_the_command_refuses_an_unknown_cost():
    assert CliRunner().invoke(app, ["plugins", "show", "mobilenet-v2", "--match", "flops=1G"]).exit_code == 2


def test_every_cost_that_can_be_wished_is_counted():
    assert tuple(COUNTED) == COSTS
