"""A contract carried out without pytest."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsynth.api import Spec
from medsynth.testing.contracts import (
    SIZE,
    ClassifierContract,
    EvaluatorContract,
    ExtractorContract,
    GeneratorContract,
    PluginContract,
)

CONTRACTS: Mapping[str, type[PluginContract]] = {
    contract.kind: contract
    for contract in (GeneratorContract, ClassifierContract, EvaluatorContract, ExtractorContract)
}


@dataclass(frozen=True, kw_only=True)
class Clause:
    """One sentence of a contract, and what is wrong with it; empty = kept."""

    sentence: str
    fault: str = ""


def clauses(spec: Spec, kind: str, fields: Mapping[str, Any]) -> Iterator[Clause]:
    """Carry out the contract of a plugin, clause by clause, with the options of its quick preset.

    Args:
        spec: of the plugin.
        kind: generator, classifier, evaluator or extractor.
        fields: option values above the preset.
    """
    wishes = spec.assumptions
    side = -(-max(SIZE, wishes.min_size) // wishes.multiple_of) * wishes.multiple_of
    values = {
        "name": spec.name,
        "small": {**spec.presets.get("quick", {}), **fields},
        "size": side,
        "channels": min(wishes.channels, default=1),
    }
    contract = type("Contract", (CONTRACTS[kind],), values)()
    for parent in reversed(type(contract).__mro__):
        for name in vars(parent):
            if name.startswith("test_"):
                yield Clause(sentence=name.removeprefix("test_").replace("_", " "), fault=_fault(contract, name))


def _fault(contract: PluginContract, name: str) -> str:
    test = getattr(contract, name)
    with tempfile.TemporaryDirectory() as folder:
        given = {"tmp_path": Path(folder)} if "tmp_path" in inspect.signature(test).parameters else {}
        try:
            test(**given)
        except (Exception, SystemExit) as error:
            lines = str(error).strip().splitlines() or [""]
            return lines[0] if isinstance(error, AssertionError) else f"{type(error).__name__}: {lines[0]}"
    return ""
