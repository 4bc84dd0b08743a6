"""Logging configs: Python evaluates their fields when a workflow is built, before anything else runs."""

from __future__ import annotations

import ast
import configparser

from medsynth.bundle.audit.ledger import Page

_STREAMS = ("StreamHandler", "logging.StreamHandler", "NullHandler", "logging.NullHandler")
_FORMATTERS = ("logging.Formatter", "Formatter")
_ARGUMENTS = ("(sys.stdout,)", "(sys.stderr,)", "(sys.stdout)", "(sys.stderr)", "()", "")


def looks_like_logging(text: str) -> bool:
    """Return whether a text has the sections that ``logging.config.fileConfig`` reads."""
    return "[handler" in text or "[formatter" in text or "[loggers]" in text


def audit_logging(text: str, page: Page) -> None:
    """Write findings about handlers and formatters: a bundle may write to the terminal only."""
    # Two readers, as fileConfig takes interpolation and the values here must be what it sees.
    parser: configparser.RawConfigParser = configparser.ConfigParser(strict=False)
    try:
        parser.read_string(text)
        sections = {name: dict(parser.items(name)) for name in parser.sections()}
    except configparser.InterpolationError:
        parser = configparser.RawConfigParser(strict=False)
        parser.read_string(text)
        sections = {name: dict(parser.items(name)) for name in parser.sections()}
    except (configparser.Error, ValueError) as error:
        page.refuse("logging", page.file, f"cannot be read: {str(error).splitlines()[0]}")
        return
    _duplicates(text, page)
    for name, values in sections.items():
        if name.startswith("handler_"):
            _handler(name, values, page)
        elif name.startswith("formatter_") and values.get("class", _FORMATTERS[0]).strip() not in _FORMATTERS:
            page.refuse("logging", values["class"], "is no formatter of the logging package", f"[{name}] class")


def _duplicates(text: str, page: Page) -> None:
    try:
        configparser.RawConfigParser(strict=True).read_string(text)
    except (configparser.DuplicateSectionError, configparser.DuplicateOptionError) as error:
        page.refuse("logging", page.file, f"repeats a section or field in line {error.lineno}")
    except configparser.Error:
        return


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
