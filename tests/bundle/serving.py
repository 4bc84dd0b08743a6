"""A host on this machine that offers files in the ways that hosts do, good and bad ones."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Host:
    """What is offered, and what was asked.

    Args:
        url: address, without a slash at its end.
        files: by path.
        redirects: by path, where it leads.
        statuses: by path, what is answered instead.
        breaks: by path, how many times the connection ends after half of what was to come.
        ranges: whether parts are given, and a tag that says of which content.
        stalls: paths of which one byte comes, and then nothing until `released`.
        asked: path and headers of each request.
        answers: by path, what JSON is answered to what is sent there.
        sent: path and content of what was sent.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    breaks: dict[str, int] = field(default_factory=dict)
    ranges: bool = True
    stalls: set[str] = field(default_factory=set)
    stalled: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    answers: dict[str, Callable[[bytes], Any]] = field(default_factory=dict)
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


class _Handler(BaseHTTPRequestHandler):
    host: Host

    def do_GET(self) -> None:
        host, path = self.host, self.path
        host.asked.append((path, dict(self.headers)))
        if path in host.statuses:
            self._begin(host.statuses[path], 0)
        elif path in host.redirects:
            self._begin(302, 0, Location=host.redirects[path])
        elif path not in host.files:
            self._begin(404, 0)
        else:
            self._give(path, host.files[path])

    def do_POST(self) -> None:
        host, path = self.host, self.path.partition("?")[0]
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        host.sent.append((path, content))
        if path in host.statuses or path not in host.answers:
            self._begin(host.statuses.get(path, 404), 0)
            return
        answer = json.dumps(host.answers[path](content)).encode()
        self._begin(200, len(answer), Content_Type="application/json")
        self.wfile.write(answer)

    def _give(self, path: str, content: bytes) -> None:
        host = self.host
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(match[1]) if match and host.ranges and self.headers.get("If-Range") == '"tag"' else 0
        named = {"ETag": '"tag"'} if host.ranges else {}
        if start:
            named["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        left = content[start:]
        self._begin(206 if start else 200, len(left), **named)
        if path in host.stalls:
            self.wfile.write(left[:1])
            self.wfile.flush()
            host.stalled.set()
            host.released.wait(30)
        elif host.breaks.get(path, 0):
            host.breaks[path] -= 1
            self.wfile.write(left[: len(left) // 2])
        else:
            self.wfile.write(left)

    def _begin(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


def without_accounts(monkeypatch, home: Path) -> None:
    """Let a test trust nothing yet, have no token, and ask no proxy."""
    for name in ("HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("MEDSYNTH_HOME", str(home))


@contextmanager
def serving() -> Iterator[Host]:
    """Yield a host that answers while the block runs."""
    host = Host()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"host": host}))
    host.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        host.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
