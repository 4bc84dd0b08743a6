"""Where a bundle is fetched from: a zip file, a folder, or a repository of the Hugging Face hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit, urlunsplit

from medsynth.base.errors import InputError
from medsynth.bundle.audit.rules.findings import shown

HUB = "https://huggingface.co"
_REPOSITORY = re.compile(r"(hf:)?([A-Za-z0-9][\w.-]*)/([A-Za-z0-9][\w.-]*)", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
FORMS = "Give https://HOST/BUNDLE.zip, https://HOST/FOLDER/ with a slash at its end, or OWNER/NAME on the hub."


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a bundle lies.

    Args:
        url: of its zip file, or of its folder, which ends in a slash.
        name: of the folder that it gets here.
        token: who asks, told to the host of `url` alone; empty for anybody.
    """

    url: str
    name: str
    token: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether its files are fetched one by one."""
        return urlsplit(self.url).path.endswith("/")

    def of(self, name: str) -> str:
        """Return the address of one file of a folder."""
        return urljoin(self.url, quote(name))


def address_of(place: str, *, endpoint: str = HUB, revision: str = "main", token: str = "") -> Address:
    """Return where `place` is.

    Args:
        place: address of a zip file, of a folder (with a slash at its end) or of a page of the hub, or ``owner/name``.
        endpoint: address of the hub.
        revision: branch, tag or commit of a repository of the hub.
        token: of the hub; no other host gets it.

    Raises:
        InputError: it is none of these, or an address that a bundle is not fetched from.
    """
    hub = _split(endpoint, "the address of the hub")
    if match := _REPOSITORY.fullmatch(place):
        return _repository(hub, match[2], match[3], revision, token)
    parts = _split(place, "the address")
    path = parts.path.strip("/")
    if parts.netloc == hub.netloc and (match := _REPOSITORY.fullmatch(path)):
        return _repository(hub, match[2], match[3], revision, token)
    name = path.rpartition("/")[2].removesuffix(".zip")
    if not _NAME.fullmatch(name):
        name = "bundle"
    query = "" if parts.path.endswith("/") else parts.query
    return Address(url=urlunsplit((parts.scheme, parts.netloc, parts.path, query, "")), name=name)


def _repository(hub: SplitResult, owner: str, name: str, revision: str, token: str) -> Address:
    path = f"{hub.path.rstrip('/')}/{owner}/{name}/resolve/{quote(revision, safe='')}/"
    return Address(url=urlunsplit((hub.scheme, hub.netloc, path, "", "")), name=name, token=token)


def _split(text: str, what: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and text.isascii() and text.isprintable()
        _ = parts.port  # which is read now
    except ValueError:
        usable = False
    if not usable or " " in text:
        raise InputError(f"{what} {shown(text)!r} is none of http or https, and no OWNER/NAME", hint=FORMS)
    if parts.username is not None or parts.password is not None:
        raise InputError(
            f"{what} of {parts.hostname} holds a name or password, which would be seen by others",
            hint="Leave it out. For a repository of the hub that is not public set HF_TOKEN.",
        )
    return parts


def told(url: str) -> str:
    """Return an address for people: without its query, which may hold a key, and without what a terminal acts on."""
    return shown(url.partition("?")[0], 400)
