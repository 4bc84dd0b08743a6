"""Requests to the host of a bundle: no other scheme than http and https, no secrets for others, no endless waiting."""

from __future__ import annotations

import re
import socket
import ssl
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from urllib.error import URLError
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

from medsynth.base.errors import InputError, MedsynthError, RunError
from medsynth.base.version import __version__
from medsynth.bundle.audit.rules.findings import shown
from medsynth.bundle.fetching.addresses import Address, told

TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as broken."""
_REDIRECTS, _MOST_REDIRECTS = (301, 302, 303, 307, 308), 5
_LATER = (408, 425, 429, 500, 502, 503, 504)
_CLOSED = (401, 403)
_ABSENT = (404, 410)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class BrokenConnection(Exception):  # noqa: N818 - it is tried again
    """An answer did not come, or not to its end."""


class AbsentFile(InputError):  # noqa: N818 - some files need not be there
    """There is nothing at an address."""


@dataclass(frozen=True)
class Answer:
    """What a host answers.

    Args:
        response: from which the content is read.
        start: position of its first byte in the file.
        total: bytes of the whole file; None if the host does not say.
        tag: what changes with the content; empty if the host gives none.
    """

    response: HTTPResponse
    start: int
    total: int | None
    tag: str

    def read(self, length: int) -> bytes:
        """Return the next bytes; none at the end.

        Raises:
            BrokenConnection: it broke, or nothing came for `TIMEOUT` seconds.
        """
        try:
            return self.response.read(length)
        except (OSError, HTTPException) as error:
            raise BrokenConnection(str(error) or type(error).__name__) from error


class Server:
    """The host of a bundle, and those that it redirects to.

    Args:
        address: of the bundle.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._has_answered = False
        self._opener = OpenerDirector()  # without what follows redirects by itself, and without file: and ftp:
        for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler()):
            self._opener.add_handler(handler)

    @contextmanager
    def answer(self, url: str, start: int = 0, tag: str = "") -> Iterator[Answer]:
        """Ask for a file, from the byte `start` on if it still has the tag.

        Raises:
            AbsentFile: it is not there.
            InputError: the host is unknown, refuses, redirects to where nobody should follow.
            BrokenConnection: it may be there later.
        """
        more = {"Range": f"bytes={start}-", "If-Range": tag} if start and tag else {}
        with self._followed(url, more) as response:
            found = _answer(response)
            if found.start not in (0, start):
                raise BrokenConnection("it sends another part than was asked for")
            yield found

    def _followed(self, url: str, headers: dict[str, str]) -> HTTPResponse:
        asked = url
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._ask(url, headers)
            if response.status not in _REDIRECTS:
                return _checked(response, asked)
            location = response.headers.get("Location", "")
            response.close()
            url = _redirected(url, location)
        raise InputError(
            f"{told(asked)} redirects more than {_MOST_REDIRECTS} times", hint="Ask who offers the bundle."
        )

    def _ask(self, url: str, headers: dict[str, str]) -> HTTPResponse:
        named = {"User-Agent": f"medsynth/{__version__}", "Accept-Encoding": "identity", **headers}
        if self._address.token and _may_know(url, self._address.url):
            named["Authorization"] = f"Bearer {self._address.token}"
        try:
            answered = self._opener.open(Request(url, headers=named), timeout=TIMEOUT)
        except (OSError, HTTPException, ValueError) as error:
            if self._has_answered:  # it, or the way to it, is away for a moment
                raise BrokenConnection(_cause(error)) from error
            raise _unreached(url, error) from error
        self._has_answered = True
        if not isinstance(answered, HTTPResponse):
            raise InputError(f"{told(url)} cannot be fetched")
        return answered


def _may_know(url: str, own: str) -> bool:
    """Tell whether a token may be sent: to the host that it is for, and not in clear over a network."""
    asked, meant = urlsplit(url), urlsplit(own)
    safe = asked.scheme == "https" or asked.hostname in _LOOPBACK
    return safe and (asked.scheme, asked.netloc) == (meant.scheme, meant.netloc)


def _redirected(url: str, location: str) -> str:
    """Return where an answer leads: to https, or to where on the same host the question went.

    Raises:
        InputError: it leads elsewhere.
    """
    # Some hosts send letters that belong into no address; http.client reads them as ISO 8859-1.
    target = urljoin(url, quote(location, encoding="iso-8859-1", safe=string.punctuation))
    here, there = urlsplit(url), urlsplit(target)
    same = (here.scheme, here.netloc) == (there.scheme, there.netloc)
    if not location or not there.hostname or there.username is not None or not (there.scheme == "https" or same):
        raise InputError(
            f"{told(url)} redirects to {told(target)!r}, which is neither https nor the same host",
            hint="Nothing was fetched from there. Ask who offers the bundle.",
        )
    return target


def _answer(response: HTTPResponse) -> Answer:
    tag = response.headers.get("ETag", "")
    tag = "" if tag.startswith("W/") else tag  # which stands for content that is only alike
    if response.status == 206:
        match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None:
            raise BrokenConnection("it sends a part without saying which")
        return Answer(response, int(match[1]), int(match[2]), tag)
    length = response.headers.get("Content-Length", "")
    return Answer(response, 0, int(length) if length.isdecimal() else None, tag)


def _checked(response: HTTPResponse, url: str) -> HTTPResponse:
    if response.status in (200, 206):
        return response
    status = response.status
    response.close()
    if status in _LATER or status == 416:  # a part was asked for that is not there any more
        raise BrokenConnection(f"it answers with status {status}")
    if status in _ABSENT:
        raise AbsentFile(f"there is nothing at {told(url)} (status {status})", hint="Look at the address in a browser.")
    if status in _CLOSED:
        hint = (
            "The hub says so, too, of what is not there. Look at the address; set HF_TOKEN to read what is not public."
        )
        raise InputError(f"{told(url)} is not open to you, or not there (status {status})", hint=hint)
    raise InputError(f"{told(url)} answers with status {status}", hint="Look at the address in a browser.")


def _unreached(url: str, error: Exception) -> MedsynthError:
    """Return what to tell about a host that has not answered at all."""
    cause = error.reason if isinstance(error, URLError) else error
    host = shown(urlsplit(url).hostname or "")
    if isinstance(cause, socket.gaierror):
        return InputError(f"the host {host!r} is not known", hint="Look at the address, and at your connection.")
    if isinstance(cause, ssl.SSLCertVerificationError):
        hint = "Somebody may be between you and it. Behind a proxy of your house set SSL_CERT_FILE to its certificates."
        return InputError(f"{host!r} cannot prove who it is: {cause.verify_message}", hint=hint)
    if isinstance(cause, ConnectionRefusedError):
        return InputError(f"{host!r} takes no connections at {told(url)}", hint="Look at the address, or try later.")
    if isinstance(cause, ValueError):
        return InputError(f"{told(url)} is no address that can be asked: {_cause(error)}")
    hint = "Look at your connection; behind a proxy set HTTPS_PROXY. Nothing was kept."
    return RunError(f"{host!r} cannot be reached: {_cause(error)}", hint=hint)


def _cause(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    return shown(str(cause)) or type(cause).__name__
