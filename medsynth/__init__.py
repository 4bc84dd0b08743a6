"""medsynth: unpaired image translation for medical screening, from images to a MONAI bundle.

`run`, `study` and `compare` do what the commands of these names do, `load` opens a bundle for one's own images,
``medsynth.data.check_folder`` looks at images before a run, ``medsynth.plugins.available`` lists plugins. Nothing
is imported before it is used.
"""

from medsynth.base.version import __version__

TYPE_CHECKING = False  # type checkers take it as true; importing typing costs more than all else here
if TYPE_CHECKING:
    from medsynth import data, plugins
    from medsynth.door.comparing import compare
    from medsynth.door.loaded import load
    from medsynth.door.one_run import run
    from medsynth.door.whole_study import study

__all__ = ["__version__", "compare", "data", "load", "plugins", "run", "study"]

_HOMES = {
    "run": "medsynth.door.one_run",
    "study": "medsynth.door.whole_study",
    "compare": "medsynth.door.comparing",
    "load": "medsynth.door.loaded",
}
_MODULES = ("data", "plugins")


def __getattr__(name: str) -> object:
    """Import what is used for the first time (PEP 562)."""
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"medsynth.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'medsynth' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
