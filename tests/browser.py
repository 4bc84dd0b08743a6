"""A headless Chromium driven through its debugging pipe, for tests of pages."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-pipe", "--window-size=1200,900",
)  # fmt: skip


def executable() -> str | None:
    """Return the browser's path, or None where none is installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One tab; `events` holds everything that it reported."""

    def __init__(self, commands: IO[bytes], answers: IO[bytes]) -> None:
        self._send, self._receive = commands, answers
        self._number, self._session, self._rest = 0, "", b""
        self.events: list[dict[str, Any]] = []
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._send.write(json.dumps(message).encode() + b"\0")
        self._send.flush()
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def wait(self, method: str, **wanted: Any) -> dict[str, Any]:
        """Return the parameters of the first event of that name with these values, earlier ones included."""
        for event in self.events:
            if event.get("method") == method and wanted.items() <= event["params"].items():
                return event["params"]
        while True:
            self.events.append(event := self._next())
            if event.get("method") == method and wanted.items() <= event["params"].items():
                return event["params"]

    def open(self, page: Path) -> None:
        """Load a file and wait until it is there."""
        self.command("Page.navigate", url=page.as_uri())
        self.wait("Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, awaited if it is a promise."""
        done = self.command("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def complaints(self) -> list[str]:
        """Return errors of the console and of scripts."""
        found = []
        for event in self.events:
            method, given = event.get("method"), event.get("params", {})
            if (
                method == "Runtime.exceptionThrown"
                or (method == "Runtime.consoleAPICalled" and given["type"] in ("error", "warning"))
                or (method == "Log.entryAdded" and given["entry"]["level"] in ("error", "warning"))
            ):
                found.append(json.dumps(given))  # fmt: skip
        return found

    def requested(self) -> list[str]:
        """Return the addresses that the page asked for."""
        sent = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = self._receive.read(2**20)
            assert part, "the browser ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer


# The browser talks through the descriptors 3 and 4; copies above 9 keep these two free until then.
CALL = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for place, end in zip((3, 4), ends):
    os.dup2(end, place)
os.execv(sys.argv[3], sys.argv[3:])
"""


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Run a browser with an empty profile in that folder."""
    (read_commands, send), (receive, write_answers) = os.pipe(), os.pipe()
    ends = (read_commands, write_answers)
    process = subprocess.Popen(
        [sys.executable, "-c", CALL, *map(str, ends), str(executable()), *SWITCHES, f"--user-data-dir={profile}"],
        pass_fds=ends,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(profile)},
    )
    for end in ends:
        os.close(end)
    with process, os.fdopen(send, "wb") as commands, os.fdopen(receive, "rb", buffering=0) as answers:
        try:
            yield Browser(commands, answers)
        finally:
            process.terminate()


CLIPPED = """[...document.querySelectorAll('main .scroll, main table, main .strip')].filter(one =>
  one.getClientRects().length && (one.scrollWidth > one.clientWidth + 1
  || one.getBoundingClientRect().right > document.querySelector('main').getBoundingClientRect().right + 1)
).map(one => one.outerHTML.slice(0, 200))"""


def clipped(tab: Browser) -> list[str]:
    """Return the tables and galleries of which some is cut off or has to be scrolled to."""
    found: list[str] = tab.evaluate(CLIPPED)
    return found


def printed_pages(tab: Browser) -> int:
    """Return on how many pages the browser prints what is shown."""
    pdf = tab.command("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"]
    return len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(pdf)))
