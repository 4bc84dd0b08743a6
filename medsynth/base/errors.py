"""Errors that medsynth raises on purpose.

MedsynthError
├── InputError        wrong use or unusable input: the command ends with exit code 2, nothing is written
│   ├── PluginError   a plugin that cannot be found, loaded or trusted
│   └── Busy          another process works in the folder
├── RunError          a run that failed on its way: exit code 1
└── Interrupted       a run that was asked to stop and can be resumed: exit code 130
"""

from __future__ import annotations


class MedsynthError(Exception):
    """An error with a message for people: what is wrong, with which value, and the next step.

    Args:
        message: names the file or field and the value.
        hint: one sentence that says what to do next; shown on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class InputError(MedsynthError):
    """The data, a field or an option cannot be used as it is."""

    exit_code = 2


class PluginError(InputError):
    """A plugin is unknown, broken, blocked or does not fit this version."""


class Busy(InputError):  # noqa: N818 - being busy is no error of the folder
    """Another medsynth process works in the folder; it will be free later."""


class RunError(MedsynthError):
    """A stage failed; what it had finished stays on disk."""

    exit_code = 1


class Interrupted(MedsynthError):  # noqa: N818 - stopping on request is no error
    """The run was stopped by a signal after saving; it continues with ``--resume``."""

    exit_code = 130
