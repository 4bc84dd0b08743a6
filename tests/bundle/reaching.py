"""Finds MONAI's components that fetch, unpickle, start programs, write files or look names up, from its source alone.

``python -m tests.bundle.reaching`` prints them as they stand in reaching.txt. A test compares the two,
so that a new release of MONAI cannot add one, or turn a harmless one into one, without a person looking at it.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path
from textwrap import wrap

MARKS = {
    "fetch": {
        "hub", "from_pretrained", "load_state_dict_from_url", "hf_hub_download", "snapshot_download", "urlopen",
        "urlretrieve", "requests", "gdown", "mlflow", "clearml", "Task", "socket", "download", "read_csv",
    },
    "unpickle": {"pickle", "Unpickler", "dill", "joblib", "lmdb", "SUPPORTED_PICKLE_MOD"},
    "start": {"subprocess", "Popen", "run_cmd", "system", "breakpoint", "pdb", "load_library", "cpp_extension"},
    "write": {
        "makedirs", "mkdir", "write_text", "write_bytes", "savetxt", "to_csv", "dump", "safe_dump", "savefig", "imsave",
        "imwrite", "copyfile", "rmtree", "rename", "unlink", "touch", "FileHandler", "SummaryWriter", "DiskSaver",
        "extractall", "zarr", "write", "savez", "tofile",
    },
    "look up": {"import_module", "locate", "instantiate", "ConfigParser", "__import__"},
}  # fmt: skip
"""Names that give a component away wherever its code has them, as a name, attribute or called function."""
_KIND = {name: kind for kind, names in MARKS.items() for name in names}
_WORDS = {"url": "fetch", "download": "fetch", "pretrained": "fetch"}
"""Words whose mention in any name or argument is enough."""


@dataclass
class Module:
    """One file: what it defines, and what its names stand for elsewhere in the package."""

    name: str
    defined: dict[str, ast.AST] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)


def reaching(package: Path) -> dict[str, set[str]]:
    """Return kinds of reach by dotted name, for the public classes and functions of a package that have any.

    Args:
        package: folder of the package, which is read and not imported.
    """
    modules = {module.name: module for path in sorted(package.rglob("*.py")) for module in [_read(path, package)]}
    marks = {(m.name, name): set(_marks(node)) for m in modules.values() for name, node in m.defined.items()}
    uses: dict[tuple[str, str], list[tuple[str, str]]] = {
        (m.name, name): [place for used in _names(node) if (place := _where(modules, m.name, used)) is not None]
        for m in modules.values()
        for name, node in m.defined.items()
    }
    changed = True
    while changed:
        changed = False
        for place, others in uses.items():
            before = len(marks[place])
            marks[place].update(*(marks[other] for other in others))
            changed |= len(marks[place]) > before
    found = {f"{module}.{name}": kinds for (module, name), kinds in marks.items() if kinds and not name.startswith("_")}
    for module in modules.values():
        for alias, name in module.same.items():
            if kinds := found.get(f"{module.name}.{name}"):
                found.setdefault(f"{module.name}.{alias}", kinds)
    return found


def _read(path: Path, package: Path) -> Module:
    parts = path.relative_to(package.parent).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    module = Module(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                module.imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            module.defined[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            for target in ast.walk(node):
                if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store):
                    module.same[target.id] = node.value.id
    return module


def _where(modules: dict[str, Module], module: str, name: str) -> tuple[str, str] | None:
    """Return module and name of a definition that a name in a module stands for, if it is in the package."""
    for _ in range(8):
        here = modules.get(module)
        if here is None:
            return None
        name = here.same.get(name, name)
        if name in here.defined:
            return module, name
        if name not in here.imported:
            return None
        module, _, name = here.imported[name].rpartition(".")
    return None


def _names(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _marks(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        name = next((found for key in ("id", "attr", "arg", "name") if (found := getattr(inner, key, None))), None)
        if isinstance(inner, ast.Name) and inner.id in ("eval", "exec"):
            yield "look up"
        if isinstance(name, str):
            yield from {_KIND[name]} if name in _KIND else ()
            yield from (kind for word, kind in _WORDS.items() if word in name.lower().split("_"))
        if isinstance(inner, ast.Call):
            yield from _call(inner)


def _call(node: ast.Call) -> Iterator[str]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    library = isinstance(owner, ast.Name) and owner.id in ("torch", "np", "jit")
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    if name == "open" and not _reads(node, keywords):
        yield "write"
    if name == "save" and owner is not None:
        yield "write"
    if name == "load" and library and not _is(keywords.get("weights_only"), True):
        yield "unpickle"
    if "allow_pickle" in keywords and not _is(keywords["allow_pickle"], False):
        yield "unpickle"
    if name == "optional_import" and any(
        not isinstance(value, ast.Constant) for value in [*node.args[:1], *keywords.values()]
    ):
        yield "look up"


def _reads(node: ast.Call, keywords: dict[str | None, ast.expr]) -> bool:
    mode = keywords.get("mode", node.args[1] if len(node.args) > 1 else ast.Constant("r"))
    return isinstance(mode, ast.Constant) and isinstance(mode.value, str) and set(mode.value) <= set("rbt")


def _is(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def package_folder(name: str = "monai") -> Path:
    """Return the folder of an installed package without importing it."""
    spec = PathFinder.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{name} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def listed(found: dict[str, set[str]]) -> str:
    """Return the content of reaching.txt: a section for each combination of kinds, names without the package's."""
    sections: dict[str, list[str]] = {}
    for name, kinds in sorted(found.items()):
        sections.setdefault(", ".join(sorted(kinds)), []).append(name.partition(".")[2])
    text = _HEADER
    for title, names in sorted(sections.items()):
        text += f"\n[{title}]\n" + "\n".join(wrap(" ".join(names), 118, break_on_hyphens=False)) + "\n"
    return text


_HEADER = """\
# Public classes and functions of MONAI 1.6.1 whose code, or a base's, or one that it uses, fetches, unpickles, starts
# programs, writes files or looks names up. Made by `python -m tests.bundle.reaching`; a test compares it
# with the installed MONAI. The audit allows those of them alone that arguments.txt says how to call.
"""

if __name__ == "__main__":
    sys.stdout.write(listed(reaching(package_folder())))
