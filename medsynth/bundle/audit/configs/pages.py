"""Walks the configs of a bundle together, because ids, macros and imports reach from one into another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medsynth.bundle.audit.configs.components import Components
from medsynth.bundle.audit.configs.expression_texts import imported
from medsynth.bundle.audit.configs.expression_texts import references as references_in
from medsynth.bundle.audit.configs.grammar import Expressions
from medsynth.bundle.audit.configs.path_building import builds_path
from medsynth.bundle.audit.configs.references import Config, ConfigItem, References, children, split_macro
from medsynth.bundle.audit.configs.sight import Bundle
from medsynth.bundle.audit.rules.findings import Page
from medsynth.bundle.audit.rules.names import disguise, is_address, looks_like_path_outside, outside
from medsynth.bundle.audit.rules.sizes import LIMITS
from medsynth.bundle.audit.rules.targets import Names

SCHEMAS = (
    "https://project-monai.github.io/schema/",
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/",
)
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
    bundle: Bundle = field(init=False)
    expressions: Expressions = field(init=False)
    components: Components = field(init=False)
    left: int = LIMITS.nodes

    def __post_init__(self) -> None:
        aliases: dict[str, set[str]] = {"monai": {"monai"}, "torch": {"torch"}, "np": {"numpy"}, "numpy": {"numpy"}}
        references = References(self.configs)
        for text in references.import_texts:
            module, name, alias = imported(text) or ("", "", "")
            # `import a.b` binds `a`; MONAI binds the whole dotted text, which no expression can name.
            aliases.setdefault(alias, set()).add(".".join(filter(None, (module, name))))
        self.bundle = Bundle(Names(self.own, aliases), references)
        self.expressions = Expressions(self.bundle)
        self.components = Components(self.bundle)

    def judge(self) -> None:
        """Write findings about every config."""
        for config in self.configs.values():
            self.left = LIMITS.nodes
            self._walk(config, ConfigItem("", config.tree), "", 0)
        self._changes()
        self._image_writers()

    def _walk(self, config: Config, item: ConfigItem, place: str, depth: int) -> None:
        """Judge a value and all below.

        Args:
            config: the config that holds it.
            item: the value and its id.
            place: the keys that lead to it, as they are written.
            depth: levels above it.
        """
        node = item.node
        self.left -= 1
        if self.left == 0 or depth > LIMITS.depth:
            config.page.refuse("size", config.path, "is nested too deeply, or holds too many values", place)
        if self.left <= 0 or depth > LIMITS.depth or not isinstance(node.value, str | Mapping | list):
            return
        where = f"{place} (line {node.line})" if node.line else place
        if isinstance(node.value, Mapping):
            self.components.judge(config, item, where)
        if isinstance(node.value, str):
            self._text(config, item, where)
        for (key, _), child in zip(node.children(), children(item), strict=True):
            if self.left <= 0:
                return
            if isinstance(node.value, Mapping):
                self._key(config, key, where, depth)
            self._walk(config, child, f"{place}::{key}" if place else key, depth + 1)

    def _key(self, config: Config, key: str, where: str, depth: int) -> None:
        if reason := disguise(key):
            config.page.refuse("key", key, reason, where)
        if depth > 0 and ("::" in key or ("#" in key and not config.is_prose)):
            config.page.trust("key", key, "can be mistaken for the id of another value", where)

    def _text(self, config: Config, item: ConfigItem, where: str) -> None:
        page, text, key = config.page, str(item.node.value), item.place.rpartition("::")[2]
        if text.startswith("$"):
            self._expression(page, text, item.place, where)
        elif text.startswith("%"):
            self._macro(page, text, item.place, where)
        elif text.startswith("@"):
            self._reference(page, text, item.place, where)
        elif key in _PROSE or key == "_target_":
            return
        elif is_address(text) and (not config.is_prose or key in ("schema", "url")) and not text.startswith(SCHEMAS):
            page.trust("address", text, "may be fetched", where)
        elif not config.is_prose and (reason := looks_like_path_outside(text)):
            page.trust("path", text, reason, where)

    def _expression(self, page: Page, text: str, place: str, where: str) -> None:
        kind = "import" if imported(text) is not None else "expression"
        remarks = self.expressions.judge(text, place)
        if not remarks:
            page.allow(kind, text, where)
        for remark in remarks:
            reason = (
                f"{remark.what[:80]!r} {remark.judgement.reason}" if remark.what != text else remark.judgement.reason
            )
            page.write(remark.judgement.verdict, kind, text, reason, where)

    def _reference(self, page: Page, text: str, place: str, where: str) -> None:
        if reason := disguise(text):
            page.refuse("reference", text, reason, where)
        elif any(self.bundle.references.holds_module(path, place) for path in references_in(text)):
            page.refuse("reference", text, "gives a module as a value", where)

    def _macro(self, page: Page, text: str, place: str, where: str) -> None:
        path, ids = split_macro(text)
        if reason := disguise(text) or outside(path) or ("is an address" if is_address(path) else ""):
            page.refuse("macro", text, reason, where)
        elif path and self.bundle.references.file(path) is None:
            page.trust("macro", text, "includes a file that is not in the bundle or cannot be read", where)
        elif self.bundle.references.holds_module(ids, place):
            page.refuse("macro", text, "copies import statements", where)
        else:
            page.allow("macro", text, where)

    def _changes(self) -> None:
        """Object to keys such as ``train::trainer::amp`` that change nothing that the configs have."""
        find = self.bundle.references.find
        for config in self.configs.values():
            for item in children(ConfigItem("", config.tree)):
                parent, _, last = item.place.rpartition("::")
                if parent and not any(isinstance(each.node.value, Mapping | list) for each in find(parent)):
                    config.page.trust("key", last, "changes something that is not in the configs", item.place)

    def _image_writers(self) -> None:
        """Object to writers of images if the names that they write to may be put together by the bundle."""
        if not self.components.writers:
            return
        items = [item for config in self.configs.values() for item in self.bundle.references.items(config)]
        wanted = {strict for *_, strict in self.components.writers}
        found = {strict: builds_path(self.bundle, items, strict=strict) for strict in wanted}
        for page, name, where, strict in self.components.writers:
            if text := found[strict]:
                reason = f"writes to where the image's name says, which this may put together: {text[:100]}"
                page.trust("target", name, reason, where)
