"""Walks the configs of a bundle together, because ids, macros and imports reach from one into another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from medsynth.bundle.audit.expression_texts import builds_text, imported
from medsynth.bundle.audit.expressions import UNPICKLES, judge_expression, unsafe_switch
from medsynth.bundle.audit.findings import Verdict, shown
from medsynth.bundle.audit.ledger import Page
from medsynth.bundle.audit.limits import LIMITS
from medsynth.bundle.audit.names import disguise, is_address, looks_like_path_outside, outside
from medsynth.bundle.audit.references import Config, References, split_macro, texts
from medsynth.bundle.audit.structured import Node
from medsynth.bundle.audit.targets import Names, judge_target

SCHEMAS = (
    "https://project-monai.github.io/schema/",
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/",
)
_LOCATED = ("reader", "writer", "merger_cls", "backbone", "workflow_type", "workflow_name")
"""Arguments whose text MONAI's components look up as a dotted name and then call."""
_DOWNLOADING = ("url", "pretrained_url", "model_url", "huggingface_url", "repo_id", "hf_repo", "filepath_or_url")
_PRETRAINED = re.compile(r"(EfficientNetBN(Features)?|PerceptualLoss|TorchVision\w*)$")
_PROSE = ("_desc_", "description", "desc", "comment")


@dataclass
class Configs:
    """All configs of a bundle.

    Args:
        configs: by path below the bundle.
        own: top-level packages and modules that the bundle brings.
    """

    configs: Mapping[str, Config]
    own: frozenset[str]
    names: Names = field(init=False)
    references: References = field(init=False)
    left: int = LIMITS.nodes

    def __post_init__(self) -> None:
        aliases: dict[str, set[str]] = {"monai": {"monai"}, "torch": {"torch"}, "np": {"numpy"}, "numpy": {"numpy"}}
        for config in self.configs.values():
            for text in texts(config.tree):
                if text.startswith("$") and "import" in text and (found := imported(text)) is not None:
                    module, name, alias = found
                    # `import a.b` binds `a`; MONAI binds the whole dotted text, which no expression can name.
                    aliases.setdefault(alias, set()).add(".".join(filter(None, (module, name))))
        self.names = Names(self.own, aliases)
        self.references = References(self.configs)

    def judge(self) -> None:
        """Write findings about every config."""
        for config in self.configs.values():
            self.left = LIMITS.nodes
            self._walk(config, config.tree, "", 0)

    def _walk(self, config: Config, node: Node, place: str, depth: int) -> None:
        self.left -= 1
        if self.left == 0 or depth > LIMITS.depth:
            config.page.refuse("size", config.path, "is nested too deeply, or holds too many values", place)
        if self.left <= 0 or depth > LIMITS.depth:
            return
        where = f"{place} (line {node.line})" if node.line else place
        if isinstance(node.value, Mapping) and "_target_" in node.value:
            self._component(config, node, where)
        if isinstance(node.value, str):
            self._text(config, node.value, place.rpartition("::")[2], where)
        for key, child in node.children():
            if self.left <= 0:
                return
            self._key(config, key, where)
            self._walk(config, child, f"{place}::{key}" if place else key, depth + 1)

    def _key(self, config: Config, key: str, where: str) -> None:
        if reason := disguise(key):
            config.page.refuse("key", key, reason, where)

    def _text(self, config: Config, text: str, key: str, where: str) -> None:
        page = config.page
        if text.startswith("$"):
            self._expression(page, text, where)
        elif text.startswith("%"):
            self._macro(page, text, where)
        elif text.startswith("@"):
            if reason := disguise(text):
                page.refuse("reference", text, reason, where)
        elif key in _PROSE or key == "_target_":
            return
        elif is_address(text) and (not config.is_prose or key in ("schema", "url")) and not text.startswith(SCHEMAS):
            page.trust("address", text, "may be fetched", where)
        elif not config.is_prose and (reason := looks_like_path_outside(text)):
            page.trust("path", text, reason, where)

    def _expression(self, page: Page, text: str, where: str) -> None:
        kind = "import" if imported(text) is not None else "expression"
        remarks = judge_expression(text, self.names)
        if not remarks:
            page.allow(kind, text, where)
        for remark in remarks:
            reason = (
                f"{remark.what[:80]!r} {remark.judgement.reason}" if remark.what != text else remark.judgement.reason
            )
            page.write(remark.judgement.verdict, kind, text, reason, where)

    def _macro(self, page: Page, text: str, where: str) -> None:
        path, _ = split_macro(text)
        if reason := disguise(text) or outside(path) or ("is an address" if is_address(path) else ""):
            page.refuse("macro", text, reason, where)
        elif path and self.references.file(path) is None:
            page.trust("macro", text, "includes a file that is not in the bundle or cannot be read", where)
        else:
            page.allow("macro", text, where)

    def _component(self, config: Config, node: Node, where: str) -> None:
        """Judge a target and the arguments that are targets too."""
        assert isinstance(node.value, Mapping)
        targets = [node.value["_target_"], *(value for key, value in node.shadowed if key == "_target_")]
        for target in targets:
            self._target(config, "target", target, where)
        name = node.text("_target_") or ""
        for key, value in node.value.items():
            here = f"{where}::{key}" if where else key
            if key in _LOCATED:
                self._located(config, value, here)
            if unsafe_switch(key, value.value):
                config.page.trust("argument", f"{key}={value.value}", UNPICKLES, here)
            if key in _DOWNLOADING or (key == "pretrained" and value.value not in (False, None)):
                config.page.trust("download", f"{key}={value.value}", "makes the component fetch weights", here)
            if key == "_debug_" or (key == "_mode_" and value.value not in ("default", "callable")):
                config.page.trust("argument", f"{key}={value.value}", "starts Python's debugger", here)
        if _PRETRAINED.search(name) and "pretrained" not in node.value:
            config.page.trust("download", name, "fetches weights unless pretrained is false", where)

    def _target(self, config: Config, kind: str, node: Node, where: str) -> None:
        """Judge everything that a target may stand for once references and macros are followed."""
        for meaning in self.references.meanings(node):
            verdict, reason = self._meant(meaning)
            if verdict is not Verdict.ALLOWED and meaning != node.value:
                reason = f"stands for {shown(meaning)!r}, which {reason}"
            config.page.write(verdict, kind, node.value, reason, where)

    def _meant(self, meaning: object) -> tuple[Verdict, str]:
        if not isinstance(meaning, str):
            return Verdict.TRUST, "is an object made elsewhere in the configs"
        if meaning.startswith(("@", "%")):
            return Verdict.REFUSED, "cannot be followed to a name"
        if meaning.startswith("$"):
            if builds_text(meaning):
                return Verdict.REFUSED, "is a name that is put together when it runs"
            return Verdict.TRUST, "is computed when it runs"
        judgement = judge_target(meaning, self.names)
        return judgement.verdict, judgement.reason

    def _located(self, config: Config, node: Node, where: str) -> None:
        items = list(node.value) if isinstance(node.value, list) else [node]
        for item in items:
            if isinstance(item.value, str) and not item.value.startswith("$") and item.value != "":
                self._target(config, "target", item, where)
