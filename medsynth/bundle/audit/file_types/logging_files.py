"""Logging configs: Python evaluates their fields when a workflow is built, before anything else runs.

``logging.config.fileConfig`` evaluates ``class``, ``args`` and ``kwargs`` of handlers, and from Python 3.12 on
``defaults`` of formatters, and imports what ``class`` of a formatter names. So every section and field is listed here.
"""

from __future__ import annotations

import ast
import configparser
import re

from medsynth.bundle.audit.rules.findings import Page

_STREAMS = ("StreamHandler", "logging.StreamHandler", "NullHandler", "logging.NullHandler")
_ARGUMENTS = ("(sys.stdout,)", "(sys.stderr,)", "(sys.stdout)", "(sys.stderr)", "()", "")
_NAMES = re.compile(r"[\w .,-]*")
_LEVELS = re.compile(r"(NOTSET|DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL|\d{1,3})?")
_FREE = re.compile(r"[^\n]*")
_STYLE = re.compile(r"%")
_CLASS = re.compile(r"(logging\.)?Formatter")
_FIELDS: dict[str, dict[str, re.Pattern[str] | None]] = {
    "loggers": {"keys": _NAMES},
    "handlers": {"keys": _NAMES},
    "formatters": {"keys": _NAMES},
    "logger_": {"level": _LEVELS, "handlers": _NAMES, "qualname": _NAMES, "propagate": _NAMES, "channel": _NAMES},
    "handler_": {"level": _LEVELS, "formatter": _NAMES, "class": None, "args": None, "kwargs": None},
    "formatter_": {"format": _FREE, "datefmt": _FREE, "style": _STYLE, "class": _CLASS, "validate": _NAMES},
}  # fmt: skip
"""Fields by section, or by the beginning of its name; None marks those that are looked into by themselves."""


def looks_like_logging(text: str) -> bool:
    """Return whether a text has the sections that ``logging.config.fileConfig`` reads."""
    return "[handler" in text or "[formatter" in text or "[loggers]" in text


def audit_logging(text: str, page: Page) -> None:
    """Write findings about every field: a bundle may write to the terminal only, and nothing of it may be evaluated."""
    try:
        parser = configparser.RawConfigParser(strict=True)
        parser.read_string(text)
    except (configparser.DuplicateSectionError, configparser.DuplicateOptionError) as error:
        page.refuse("logging", page.file, f"repeats a section or field in line {error.lineno}")
        parser = configparser.RawConfigParser(strict=False)
        parser.read_string(text)
    except (configparser.Error, ValueError) as error:
        page.refuse("logging", page.file, f"cannot be read: {str(error).splitlines()[0]}")
        return
    if parser.defaults():
        page.refuse("logging", "[DEFAULT]", "gives every section fields that they do not show")
    for name in parser.sections():
        _section(name, dict(parser.items(name)), page)


def _section(name: str, values: dict[str, str], page: Page) -> None:
    known = next((fields for start, fields in _FIELDS.items() if _is_section(name, start)), None)
    if known is None:
        # fileConfig reads no other sections.
        return
    for field, value in values.items():
        if field not in known:
            reason = "is a field that the audit does not know; Python may evaluate it"
            page.refuse("logging", value, reason, f"[{name}] {field}")
        elif (pattern := known[field]) is not None and not pattern.fullmatch(value.strip()):
            page.refuse("logging", value, "is not what this field may hold", f"[{name}] {field}")
    if name.startswith("handler_"):
        _handler(name, values, page)


def _is_section(name: str, start: str) -> bool:
    return name.startswith(start) if start.endswith("_") else name == start


def _handler(name: str, values: dict[str, str], page: Page) -> None:
    kind = values.get("class", "").strip()
    if kind not in _STREAMS:
        page.refuse("logging", kind, "is no stream handler: it may write files or reach the network", f"[{name}] class")
    else:
        page.allow("logging", kind, f"[{name}]")
    for field in ("args", "kwargs"):
        text = values.get(field, "").strip()
        if "".join(text.split()) not in _ARGUMENTS and not (field == "kwargs" and _empty(text)):
            page.refuse(
                "logging", text, "is evaluated; a stream handler takes sys.stdout or sys.stderr", f"[{name}] {field}"
            )


def _empty(text: str) -> bool:
    try:
        return bool(ast.literal_eval(text) == {})
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
