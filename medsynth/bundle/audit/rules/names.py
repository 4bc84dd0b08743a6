"""Names that lead out of the bundle or look like other names."""

from __future__ import annotations

import re
import unicodedata

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)(\..*)?", re.IGNORECASE)
_ESCAPE = re.compile(r"(^|[/\\])\.\.([/\\]|$)")
_DRIVE = re.compile(r"[A-Za-z]:([/\\]|$)")
_ADDRESS = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]{1,15}://\S")
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU")


def disguise(text: str) -> str:
    """Return why a name may be read as another one; empty if it cannot.

    Invisible and direction-changing characters, letters that Python takes for others (identifiers are compared in
    NFKC form), and scripts with look-alike letters mixed in one word.
    """
    if text.isascii():
        return "holds control characters" if any(not letter.isprintable() for letter in text) else ""
    for letter in text:
        if unicodedata.category(letter) in ("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"):
            return f"holds the invisible character U+{ord(letter):04X}"
    if unicodedata.normalize("NFKC", text) != unicodedata.normalize("NFC", text):
        return "holds letters that Python takes for other letters"
    for word in re.findall(r"\w+", text):
        scripts = {unicodedata.name(letter, "").partition(" ")[0] for letter in word if letter.isalpha()}
        if len(scripts & set(_SCRIPTS)) > 1:
            return f"mixes look-alike letters of {' and '.join(sorted(scripts))} in one word"
    return ""


def unsafe_path(path: str) -> str:
    """Return why the path of a file in a bundle is unsafe on some system; empty if it is safe."""
    if not path or "\0" in path:
        return "is empty or holds a zero byte"
    if escape := outside(path):
        return escape
    if "\\" in path or ":" in path:
        return "holds a backslash or a colon, which other systems read as part of the path"
    parts = path.rstrip("/").split("/")
    if any(part in ("", ".") for part in parts):
        return "is not in plain form"
    if any(part.endswith((".", " ")) or _RESERVED.fullmatch(part) for part in parts):
        return "is a reserved name, or ends in a dot or a space"
    return disguise(path)


def outside(path: str) -> str:
    """Return why a path leads out of the bundle; empty if it stays inside."""
    if path.startswith(("/", "\\", "~")) or _DRIVE.match(path):
        return "is an absolute path"
    if _ESCAPE.search(path):
        return "leads to a parent folder"
    return ""


def looks_like_path_outside(text: str) -> str:
    """Return why a value of a config is a path out of the bundle; texts that are no paths give an empty answer."""
    if "\n" in text or len(text) > 4096 or is_address(text) or not re.match(r"[/\\~]\S|[A-Za-z]:[/\\]|.*\.\.", text):
        return ""
    return outside(text)


def is_address(text: str) -> bool:
    """Return whether a value begins as an address such as ``https://`` or ``file://``."""
    return _ADDRESS.match(text) is not None


def collision_key(path: str) -> str:
    """Return what two paths share that are one file on some system."""
    return unicodedata.normalize("NFKC", path).casefold().rstrip("/")
