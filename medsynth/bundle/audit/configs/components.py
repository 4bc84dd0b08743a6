"""Judges ``_target_`` mappings: what they name, and what it is given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from medsynth.bundle.audit.configs.calls import UNPICKLES, unsafe_switch
from medsynth.bundle.audit.configs.expression_texts import builds_text, expression_of
from medsynth.bundle.audit.configs.references import Config, ConfigItem, children
from medsynth.bundle.audit.configs.sight import Bundle
from medsynth.bundle.audit.rules.arguments import Rule, objection, rule_of
from medsynth.bundle.audit.rules.findings import Page, Verdict, shown
from medsynth.bundle.audit.rules.targets import judge_target
from medsynth.bundle.audit.rules.wordlists import words

_LOCATED = ("reader", "writer", "merger_cls", "backbone", "workflow_type", "workflow_name")
"""Arguments whose text MONAI's components look up as a dotted name and then call."""
_DOWNLOADING = ("url", "pretrained_url", "model_url", "huggingface_url", "repo_id", "hf_repo", "filepath_or_url")
_KEYS = ("_target_", "_disabled_", "_requires_", "_desc_", "_mode_")
_SWITCHES = frozenset({*_DOWNLOADING, "allow_pickle", "weights_only", "_debug_", "_mode_"})
_BACKBONE = re.compile(r"(resnet|densenet|efficientnet-b)\d+")
_IMAGE_WRITER = re.compile(r"(.*\.)?SaveImage(d|D|Dict)")


@dataclass
class Components:
    """Judges the components of one bundle.

    Args:
        bundle: what names, ids and expressions stand for.
        writers: those that write images: page, name, place, and whether folders of what is read are kept.
    """

    bundle: Bundle
    writers: list[tuple[Page, str, str, bool]] = field(default_factory=list)

    def judge(self, config: Config, item: ConfigItem, where: str) -> None:
        """Write findings about a mapping, if it is a component: alone or with what other keys change in it."""
        changes = self.bundle.references.changes.get(item.place, [])
        given = [(child.place.rpartition("::")[2], child) for child in children(item)]
        given += [pair for pair in changes if pair[1].node not in [child.node for _, child in given]]
        targets = [child for key, child in given if key == "_target_"]
        if not targets:
            return
        for key, child in given:
            self._argument(config.page, key, child, f"{where}::{key}" if where else key)
        for target in targets:
            for name in self.target(config.page, target, where):
                if (rule := rule_of(name)) is not None:
                    self._rule(config.page, name, rule, given, where)
                self._weights(config.page, name, rule, given, where)

    def target(self, page: Page, item: ConfigItem, where: str) -> list[str]:
        """Judge everything that a target may stand for once references and macros are followed; return its names."""
        names = []
        for meaning in self.bundle.references.meanings(item):
            value = meaning.node.value
            verdict, reason = self._meant(value)
            if verdict is Verdict.ALLOWED:
                names.append(str(value))
            elif value != item.node.value:
                reason = f"stands for {shown(value if isinstance(value, str) else None)!r}, which {reason}"
            page.write(verdict, "target", item.node.value, reason, where)
        return names

    def _meant(self, meaning: object) -> tuple[Verdict, str]:
        if not isinstance(meaning, str):
            return Verdict.TRUST, "is an object made elsewhere in the configs"
        if meaning.startswith(("@", "%")):
            return Verdict.REFUSED, "cannot be followed to a name"
        if meaning.startswith("$"):
            if builds_text(meaning):
                return Verdict.REFUSED, "is a name that is put together when it runs"
            return Verdict.TRUST, "is computed when it runs"
        judgement = judge_target(meaning, self.bundle.names)
        return judgement.verdict, judgement.reason

    def _argument(self, page: Page, key: str, item: ConfigItem, here: str) -> None:
        """Judge an argument that means the same to every component."""
        value = item.node.value
        if key in _LOCATED:
            for each in children(item) if isinstance(value, list) else [item]:
                self._located(page, each, here)
        if key not in _SWITCHES:
            return
        values = self.bundle.values.of(item)
        shown_value = f"{key}={shown(value if isinstance(value, str | bool | int | float | None) else None)}"
        if unsafe_switch(key, values[0] if values is not None and len(values) == 1 else None):
            page.trust("argument", shown_value, UNPICKLES, here)
        if key in _DOWNLOADING and values != [None]:
            page.trust("download", shown_value, "makes the component fetch weights", here)
        if key == "_debug_" or (key == "_mode_" and not set(map(str, values or ["?"])) <= {"default", "callable"}):
            page.trust("argument", shown_value, "starts Python's debugger", here)

    def _located(self, page: Page, item: ConfigItem, where: str) -> None:
        """Judge a text that the component looks up as a name."""
        text = item.node.value
        # A backbone's name, such as resnet18 or efficientnet-b2, is looked up in a table; only a dotted one elsewhere.
        if not isinstance(text, str) or text == "" or _BACKBONE.fullmatch(text):
            return
        known = words("readers") | words("writers")
        if text.lower() in known or (text.startswith("$") and self._is_name(text)):
            return
        values = self.bundle.values.of(item)
        if values is not None and all(value is None or str(value).lower() in known for value in values):
            return
        if text.startswith("@") and all(
            isinstance(meaning.node.value, Mapping) for meaning in self.bundle.references.meanings(item)
        ):
            return
        self.target(page, item, where)

    def _is_name(self, text: str) -> bool:
        """Return whether an expression is a dotted name, which is judged as an expression."""
        tree = expression_of(text)
        return tree is not None and bool(self.bundle.names.paths(tree))

    def _rule(self, page: Page, name: str, rule: Rule, given: list[tuple[str, ConfigItem]], where: str) -> None:
        """Judge the arguments of a component that writes, fetches, loads or looks something up."""
        arguments = [(key, item) for key, item in given if key not in _KEYS]
        for key in sorted(rule.required - {key for key, _ in arguments}):
            page.trust("argument", key, f"must be given to {name}", where)
        for key, item in arguments:
            kind = rule.kind(key)
            if kind == "mapping":
                reason = self.bundle.values.mapping(item)
            else:
                reason = objection(kind, self.bundle.values.of(item), frozenset(self.bundle.names.own))
            if reason:
                value = item.node.value if isinstance(item.node.value, str | bool | int | float) else key
                page.trust("argument", value, f"{key} of {name} {reason}", f"{where}::{key}" if where else key)
        modes = [self.bundle.values.of(item) for key, item in given if key == "_mode_"]
        if (rule.kinds or rule.required) and any(mode != ["default"] for mode in modes):
            page.trust("argument", "_mode_", f"hands {name} on, so its arguments cannot be judged", where)
        if _IMAGE_WRITER.fullmatch(name):
            keeps = any(self.bundle.values.of(item) != [""] for key, item in given if key == "data_root_dir")
            self.writers.append((page, name, where, keeps))

    def _weights(
        self, page: Page, name: str, rule: Rule | None, given: list[tuple[str, ConfigItem]], where: str
    ) -> None:
        """Judge ``pretrained`` of a component that has no rule for it: most fetch weights then."""
        if rule is not None and "pretrained" in rule.kinds:
            return
        for key, item in given:
            values = self.bundle.values.of(item) if key == "pretrained" else [False]
            if values is None or any(value not in (False, None) for value in values):
                page.trust("download", f"{key} of {name}", "makes the component fetch weights", f"{where}::{key}")
