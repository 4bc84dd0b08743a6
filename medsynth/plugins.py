"""Find, check and load plugins: the only module that knows entry points and pluggy.

Finding reads installed metadata and imports nothing. Loading imports one plugin, by kind and name, so
that a broken one never stands in the way of another.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Any, ClassVar, cast

import pluggy

from medsynth import api, hookspecs
from medsynth.base.children import end_with_parent, environment, python
from medsynth.base.configuration import contract_faults, nearest
from medsynth.base.errors import PluginError
from medsynth.base.version import __version__

DISTRIBUTION = "medsynth-monai"
KINDS: dict[str, tuple[str, type[api.Spec], type]] = {
    "generator": ("medsynth.generators", api.GeneratorSpec, api.GeneratorConfig),
    "classifier": ("medsynth.classifiers", api.ClassifierSpec, api.ClassifierConfig),
    "evaluator": ("medsynth.evaluators", api.EvaluatorSpec, api.EvaluatorConfig),
    "extractor": ("medsynth.extractors", api.ExtractorSpec, api.ExtractorConfig),
}
OBSERVERS = "medsynth.observers"
BLOCK_VARIABLE = "MEDSYNTH_BLOCK"


@dataclasses.dataclass(frozen=True)
class FoundPlugin:
    """A plugin as its distribution's metadata declares it; nothing has been imported.

    Args:
        kind: generator, classifier, evaluator, extractor or observer.
        name: the entry point's name.
        package: the import package it names.
        distribution: the distribution that brings it, with `version`.
        status: ``ready`` or why it cannot be used: ``blocked``, ``duplicate``, ``unsupported``, ``broken``.
        cause: what is wrong, for people.
        hint: the next step.
    """

    kind: str
    name: str
    package: str
    distribution: str
    version: str
    status: str = "ready"
    cause: str = ""
    hint: str = ""

    @property
    def named(self) -> dict[str, str]:
        """Kind, name, distribution and version, as the record of a run and a bundle hold them."""
        return {field: getattr(self, field) for field in ("kind", "name", "distribution", "version")}

    def error(self) -> PluginError:
        """Return the error that using this plugin raises."""
        origin = f"from {self.distribution} {self.version}"
        return PluginError(f"{self.kind} '{self.name}' {origin} cannot be used: {self.cause}", hint=self.hint)

    def failed(self, status: str, cause: str, hint: str) -> FoundPlugin:
        """Return this record with another status."""
        return dataclasses.replace(self, status=status, cause=cause, hint=hint)


class Registry:
    """The plugins of this environment.

    Examples:
        >>> spec = Registry().load("generator", "cyclegan")
        >>> spec.name
        'cyclegan'
    """

    registered: ClassVar[dict[tuple[str, str], api.Spec]] = {}
    """What `register` was given, by kind and name."""

    def __init__(self) -> None:
        self.found = (*check(find()), *(_registered(kind, spec) for (kind, _), spec in self.registered.items()))
        self._specs: dict[tuple[str, str], api.Spec] = dict(self.registered)
        self._managers: dict[str, pluggy.PluginManager] = {}

    @classmethod
    def register(cls, spec: api.Spec) -> None:
        """Add a plugin that no distribution brings, for example one of a notebook; its factory may be the class.

        Every registry that is made afterwards in this process knows it; processes that a study starts do not. One of
        the same name that was registered before is replaced.

        Raises:
            PluginError: the spec is not as it should be, or an installed plugin has that name.
        """
        kind = next((kind for kind, (_, known, _) in KINDS.items() if isinstance(spec, known)), "")
        if not kind:
            raise PluginError(f"{spec!r} is no spec", hint="Give a GeneratorSpec, ClassifierSpec and so on.")
        record = _registered(kind, spec)
        faults = _spec_faults(record, [spec])
        if any((found.kind, found.name) == (kind, spec.name) for found in find()):
            faults.append("an installed plugin has that name")
        if faults:
            raise record.failed("broken", "; ".join(faults), "Change it, and register it again.").error()
        cls.registered[kind, spec.name] = spec

    def load(self, kind: str, name: str) -> api.Spec:
        """Import one plugin and return its spec.

        Raises:
            PluginError: naming kind, name, distribution, version, cause and next step.
        """
        if (kind, name) not in self._specs:
            record = self.record(kind, name)
            if record.status != "ready":
                raise record.error()
            manager, spec = _load(record)
            self._managers[record.package] = manager
            self._specs[kind, name] = spec
        return self._specs[kind, name]

    def create(self, spec: api.Spec, *arguments: Any) -> Any:
        """Resolve a spec's factory and call it."""
        if not isinstance(spec.factory, str):
            return spec.factory(*arguments)
        module, _, attribute = spec.factory.partition(":")
        try:
            factory = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise PluginError(
                f"plugin '{spec.name}' names the factory {spec.factory!r}, which cannot be imported: {error}",
                hint="Reinstall the plugin, or report this to its author.",
            ) from error
        return factory(*arguments)

    def observers(self) -> Iterator[pluggy.HookRelay]:
        """Yield the hooks of each loaded plugin and of each observer, one relay per plugin."""
        for record in self.found:
            if record.kind == "observer" and record.status == "ready" and record.package not in self._managers:
                self._managers[record.package] = _register(record)
        for manager in self._managers.values():
            yield manager.hook

    def names(self, kind: str) -> list[str]:
        """Return the usable plugin names of a kind."""
        return [record.name for record in self.found if record.kind == kind and record.status == "ready"]

    def record(self, kind: str, name: str) -> FoundPlugin:
        """Return what is known about a plugin without loading it.

        Raises:
            PluginError: it is unknown; shows the nearest names.
        """
        records = [record for record in self.found if record.kind == kind and record.name == name]
        if not records:
            raise PluginError(f"unknown {kind} '{name}'", hint=nearest(name, self.names(kind)))
        return records[0]

    def by_name(self, name: str) -> list[FoundPlugin]:
        """Return every plugin of that name, whatever its kind.

        Raises:
            PluginError: if there is none; shows the nearest names.
        """
        records = [record for record in self.found if record.name == name]
        if not records:
            raise PluginError(f"unknown plugin '{name}'", hint=nearest(name, {r.name for r in self.found}))
        return records


def available(kind: str = "") -> list[FoundPlugin]:
    """Return the plugins of this environment, or those of a kind, as ``medsynth plugins`` lists them.

    Examples:
        >>> [plugin.name for plugin in available("extractor")]
        ['efficientnet-lite0']
    """
    return [record for record in check(find()) if kind in ("", record.kind)]


def _registered(kind: str, spec: api.Spec) -> FoundPlugin:
    return FoundPlugin(kind, spec.name, "", "this process", "unreleased")


def find() -> list[FoundPlugin]:
    """Read all entry points of all groups, sorted; the same plugin listed twice counts once."""
    groups = {group: kind for kind, (group, _, _) in KINDS.items()} | {OBSERVERS: "observer"}
    records = {
        FoundPlugin(groups[entry.group], entry.name, entry.value, distribution.name, distribution.version)
        for distribution in metadata.distributions()
        for entry in distribution.entry_points
        if entry.group in groups
    }
    return sorted(records, key=lambda r: (list(groups.values()).index(r.kind), r.name, r.distribution))


def check(records: Sequence[FoundPlugin]) -> list[FoundPlugin]:
    """Mark plugins that are blocked, of a doubtful name or made for another medsynth; imports nothing."""
    blocked = {item.strip() for item in os.environ.get(BLOCK_VARIABLE, "").split(",") if item.strip()}
    return [_checked(record, records, blocked) for record in records]


def _checked(record: FoundPlugin, records: Sequence[FoundPlugin], blocked: set[str]) -> FoundPlugin:
    if f"{record.kind}.{record.name}" in blocked or record.name in blocked:
        return record.failed("blocked", f"blocked by {BLOCK_VARIABLE}", f"Remove it from {BLOCK_VARIABLE}.")
    rivals = [r for r in records if (r.kind, r.name) == (record.kind, record.name) and r != record]
    if rivals and record.distribution != DISTRIBUTION:
        others = ", ".join(sorted(f"{r.distribution} {r.version}" for r in rivals))
        return record.failed(
            "duplicate", f"the name is also declared by {others}", f"Uninstall {record.distribution} or the other one."
        )
    unmet = _unmet_requirement(record.distribution)
    if unmet:
        return record.failed(
            "unsupported",
            f"it needs {unmet}, this is {DISTRIBUTION} {__version__}",
            f"Install a {record.distribution} release made for {__version__}, or the medsynth it asks for.",
        )
    return record


def _unmet_requirement(distribution: str) -> str:
    if distribution == DISTRIBUTION:
        return ""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    for text in metadata.requires(distribution) or ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) == DISTRIBUTION and not requirement.specifier.contains(
            __version__, prereleases=True
        ):
            return str(requirement)
    return ""


def _register(record: FoundPlugin) -> pluggy.PluginManager:
    """Import a plugin into a manager of its own, so that its hooks cannot disturb another's."""
    manager = pluggy.PluginManager("medsynth")
    manager.add_hookspecs(hookspecs)
    manager.register(importlib.import_module(record.package), f"{record.kind}.{record.name}")
    manager.check_pending()
    return manager


def _load(record: FoundPlugin) -> tuple[pluggy.PluginManager, api.Spec]:
    hint = f"Reinstall or update {record.distribution}, or uninstall it; other plugins are not affected."
    try:
        manager = _register(record)
        specs = getattr(manager.hook, f"medsynth_{record.kind}")()
    except (Exception, SystemExit) as error:
        raise record.failed("broken", f"{type(error).__name__}: {error}", hint).error() from error
    faults = _spec_faults(record, specs)
    if faults:
        raise record.failed("broken", "; ".join(faults), hint).error()
    return manager, cast(api.Spec, specs[0])


def _spec_faults(record: FoundPlugin, specs: list[Any]) -> list[str]:
    _, spec_type, config_base = KINDS[record.kind]
    hook = f"medsynth_{record.kind}"
    if len(specs) != 1:
        return [f"package {record.package} has no hook {hook} marked with @hookimpl"]
    spec = specs[0]
    if not isinstance(spec, spec_type):
        return [f"{hook} returned {type(spec).__name__}, expected {spec_type.__name__}"]
    if spec.api != api.API:
        return [f"it was written for plugin contract {spec.api}, medsynth {__version__} knows contract {api.API}"]
    faults = contract_faults(spec.config, config_base)
    if spec.name != record.name:
        faults.append(f"its spec is named '{spec.name}', its entry point '{record.name}'")
    return faults


def probe(records: Sequence[FoundPlugin]) -> list[FoundPlugin]:
    """Load the plugins of other distributions in a child process and mark those that fail.

    A child process keeps whatever a foreign package does at import (heavy imports, output, a crash) out of
    this one.
    """
    foreign = [r for r in records if r.distribution != DISTRIBUTION and r.status == "ready"]
    if not foreign:
        return list(records)
    command = python("-m", "medsynth.plugins", *(f"{r.kind}.{r.name}" for r in foreign))
    try:
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
        causes = json.loads(done.stdout.strip().splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError):
        causes = {f"{r.kind}.{r.name}": ["importing it ended the process or took over 60 s", ""] for r in foreign}
    return [
        record.failed("broken", *causes[f"{record.kind}.{record.name}"])
        if record in foreign and f"{record.kind}.{record.name}" in causes
        else record
        for record in records
    ]


def _probe_here(names: Sequence[str]) -> dict[str, list[str]]:
    causes = {}
    for record in check(find()):
        if f"{record.kind}.{record.name}" in names:
            try:
                _register(record) if record.kind == "observer" else _load(record)
            except PluginError as error:
                causes[f"{record.kind}.{record.name}"] = [error.message.split("cannot be used: ", 1)[-1], error.hint]
            except (Exception, SystemExit) as error:
                causes[f"{record.kind}.{record.name}"] = [
                    f"{type(error).__name__}: {error}",
                    "Reinstall or uninstall it.",
                ]
    return causes


if __name__ == "__main__":
    end_with_parent(piped=False)
    sys.stdout.write("\n" + json.dumps(_probe_here(sys.argv[1:])) + "\n")
