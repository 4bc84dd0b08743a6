"""A bundle from another host lands whole, judged and as it was meant, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path

import pytest
from typer.testing import CliRunner

from medsynth.base.errors import InputError
from medsynth.base.progress import Silent
from medsynth.bundle.audit.rules.sizes import LIMITS
from medsynth.bundle.checking.verification import verify_bundle
from medsynth.bundle.fetching import transfer as transferring
from medsynth.bundle.fetching.addresses import Address, address_of
from medsynth.bundle.fetching.server import Server
from medsynth.bundle.fetching.transfer import transfer
from medsynth.bundle.format.manifest import MANIFEST, digest_of, sealed
from medsynth.bundle.format.zips import write_zip
from medsynth.bundle.trust.memory import USER, find_trust
from medsynth.cli import app

from .samples import files, write, zipped
from .serving import Host, serving, without_accounts

HARMFUL = {"evil": {"_target_": "os.system", "command": "touch canary"}}
CODE = {"medsynth_1234/network.py": b"import torch\n"}


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch) -> None:
    """Trust nothing yet, ask no proxy, have no token, wait for nobody; work in an empty folder."""
    without_accounts(monkeypatch, tmp_path / "home")
    monkeypatch.setattr(transferring, "WAITS", (0.0, 0.0))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def host() -> Iterator[Host]:
    with serving() as offered:
        yield offered


def with_manifest(contents: dict[str, bytes]) -> dict[str, bytes]:
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return {**contents, MANIFEST: sealed({"form": "portable", "files": hashes}).encode()}


GOOD = with_manifest({**files(), "samples/target/a b.txt": b"x" * 5000})
DIGEST = hashlib.sha256(GOOD[MANIFEST]).hexdigest()


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> bytes:
    """A sealed zip file of the good bundle."""
    folder = tmp_path_factory.mktemp("packed")
    write_zip(write(folder / "toy", GOOD), folder / "toy.zip")
    return (folder / "toy.zip").read_bytes()


def offer(host: Host, folder: str, contents: dict[str, bytes]) -> None:
    host.files |= {f"{folder}{name.replace(' ', '%20')}": content for name, content in contents.items()}


def get(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["bundle", "get", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, " ".join(done.stderr.split())


def refused(*arguments: object, code: int = 2) -> str:
    """Return the error of a command that leaves nothing behind."""
    found, text, told = get(*arguments)
    assert (found, text) == (code, ""), told
    assert list(Path().iterdir()) == []
    assert told.count("error: ") == 1
    return told


def held(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ------------------------------------------------------------ what lands


def test_a_zip_file_lands_unpacked_with_the_hash_to_pin_it(host, archive):
    host.files["/toy.zip"] = archive
    code, text, _ = get(f"{host.url}/toy.zip?key=1#part", "--out", "some/where")
    assert code == 2  # the host knows no such path
    code, text, _ = get(f"{host.url}/toy.zip", "--out", "some/where")
    assert code == 0
    assert text.splitlines()[:2] == ["audit   allowed", f"sha256  {DIGEST}"]
    assert f"next time add: --sha256 {DIGEST}" in text
    assert held(Path("some/where/toy")) == GOOD
    assert [path.name for path in Path("some/where").iterdir()] == ["toy"]
    assert find_trust(DIGEST) is None


@pytest.mark.parametrize("place", ["{}/a/shelf/toy/", "maker/toy", "hf:maker/toy", "{}/maker/toy"])
def test_single_files_land_as_well_from_a_folder_or_a_hub(host, place):
    offer(host, "/a/shelf/toy/", GOOD)
    offer(host, "/maker/toy/resolve/main/", {**GOOD, "model.sig": b"{}", ".gitattributes": b"not listed"})
    code, text, told = get(place.format(host.url), "--endpoint", host.url, "--sha256", DIGEST.upper(), "--json")
    assert code == 0, told
    assert json.loads(text) == {"schema": 1, "bundle": "toy", "sha256": DIGEST, "archive": "", "audit": "allowed"}
    signature = {} if "shelf" in place else {"model.sig": b"{}"}
    assert held(Path("toy")) == {**GOOD, **signature}
    assert verify_bundle(Path("toy")).deviations == ()


def test_the_hub_is_told_who_asks_and_which_revision_is_meant(host, monkeypatch):
    offer(host, "/maker/toy/resolve/refs%2Fpr%2F1/", GOOD)
    monkeypatch.setenv("HF_ENDPOINT", host.url)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert get("maker/toy", "--revision", "refs/pr/1")[0] == 0
    assert {headers.get("Authorization") for _, headers in host.asked} == {"Bearer hf_secret"}
    host.files["/other.zip"] = b""
    get(f"{host.url}/other.zip")
    assert "Authorization" not in host.asked[-1][1]


def test_either_hash_of_a_zip_file_will_do_and_no_other(host, archive):
    host.files["/toy.zip"] = archive
    for number, digest in enumerate((DIGEST, hashlib.sha256(archive).hexdigest())):
        assert get(f"{host.url}/toy.zip", "--sha256", digest, "--out", number)[0] == 0
        shutil.rmtree(str(number))
    told = refused(f"{host.url}/toy.zip", "--sha256", "0" * 64)
    assert f"/toy.zip has the sha256 {DIGEST} or" in told
    assert "/toy.zip has the sha256" in refused(f"{host.url}/toy.zip", "--sha256", "0" * 64, "--audit")
    assert get(f"{host.url}/toy.zip", "--sha256", DIGEST, "--audit")[0] == 0
    assert "is no sha256" in refused(f"{host.url}/toy.zip", "--sha256", "abc")


def test_of_a_folder_with_another_hash_nothing_but_the_manifest_is_fetched(host):
    offer(host, "/toy/", GOOD)
    assert f"has the sha256 {DIGEST}, not 000" in refused(f"{host.url}/toy/", "--sha256", "0" * 64)
    assert host.paths == ["/toy/medsynth.json"]


def test_what_is_there_already_is_not_replaced_and_nobody_is_asked(host):
    Path("toy").mkdir()
    code, _, told = get(f"{host.url}/toy.zip")
    assert (code, "toy already exists" in told, host.asked) == (2, True, [])


# ------------------------------------------------------------ what is judged


@pytest.mark.parametrize("single", [True, False])
def test_of_what_the_audit_refuses_nothing_lands_whatever_is_said(host, single, tmp_path):
    bad = with_manifest(files(**HARMFUL))
    offer(host, "/toy/", bad)
    host.files["/toy.zip"] = zipped(tmp_path / "bad.zip", bad, root="toy/").read_bytes()
    url = f"{host.url}/toy/" if single else f"{host.url}/toy.zip"
    for more in ((), ("--trust",)):
        told = refused(url, *more)
        assert "is refused: " in told
        assert "os.system" in told
        assert "medsynth bundle get ADDRESS --audit . What the audit refuses cannot be trusted." in told
    code, text, _ = get(url, "--audit")
    assert (code, "verdict: refused" in text, list(Path().iterdir())) == (4, True, [])
    assert json.loads(get(url, "--audit", "--json")[1])["verdict"] == "refused"


def test_code_lands_only_if_it_is_trusted_and_is_so_from_then_on(host):
    bundle = with_manifest({**files(), **CODE})
    offer(host, "/toy/", bundle)
    told = refused(f"{host.url}/toy/")
    assert "needs trust: medsynth_1234/network.py: code" in told
    assert "add --trust" in told
    assert get(f"{host.url}/toy/", "--trust")[0] == 0
    entry = find_trust(digest_of(Path("toy")))
    assert entry is not None
    assert entry.origin == USER
    assert get(f"{host.url}/toy/", "--out", "again")[0] == 0  # the same state is trusted already


def test_a_member_that_leads_elsewhere_lands_nowhere(host, tmp_path):
    bad = with_manifest({**files(), "../../escaped.txt": b"here"})
    host.files["/toy.zip"] = zipped(tmp_path / "bad.zip", bad, root="toy/").read_bytes()
    offer(host, "/toy/", bad)
    assert "leads to a parent folder" in refused(f"{host.url}/toy.zip", "--trust")
    assert "lists a file '../../escaped.txt', which leads to a parent folder" in refused(f"{host.url}/toy/")
    assert host.paths[-1] == "/toy/medsynth.json"
    assert not list(tmp_path.rglob("escaped.txt"))


@pytest.mark.parametrize("name", [MANIFEST, "models", "LICENSE.", "/etc/x", "a//b", "license"])
def test_a_manifest_lists_no_name_that_is_none_or_another_one(host, name):
    offer(host, "/toy/", with_manifest({**files(), name: b""} if name == "models" else files()))
    if name != "models":
        listing = {"LICENSE": "", name: ""}
        host.files["/toy/medsynth.json"] = sealed({"files": listing}).encode()
        assert "lists a file" in refused(f"{host.url}/toy/")
    else:
        assert "needs trust" in refused(f"{host.url}/toy/")


def test_a_file_that_is_not_the_listed_one_is_named(host, archive):
    offer(host, "/toy/", {**GOOD, "LICENSE": b"Apachf"})
    assert f"{host.url}/toy/LICENSE is not the file that medsynth.json lists" in refused(f"{host.url}/toy/")
    changed = bytearray(archive)
    changed[60] ^= 1
    host.files["/toy.zip"] = bytes(changed)
    assert "is no intact bundle of medsynth: " in refused(f"{host.url}/toy.zip")
    host.files["/toy/medsynth.json"] = GOOD[MANIFEST].replace(b"LICENSE", b"LICENCE")
    assert "is damaged or no manifest of medsynth" in refused(f"{host.url}/toy/")


# ------------------------------------------------------------ what hosts do


def test_a_transfer_that_breaks_goes_on_where_it_broke(host, archive):
    host.files["/toy.zip"], host.breaks["/toy.zip"] = archive, 2
    assert get(f"{host.url}/toy.zip")[0] == 0
    assert held(Path("toy")) == GOOD
    half = len(archive) // 2
    assert [headers.get("Range") for _, headers in host.asked] == [
        None,
        f"bytes={half}-",
        f"bytes={half + (len(archive) - half) // 2}-",
    ]


def test_where_a_host_gives_no_parts_it_begins_again(host, archive):
    host.files["/toy.zip"], host.breaks["/toy.zip"], host.ranges = archive, 1, False
    assert get(f"{host.url}/toy.zip")[0] == 0
    assert held(Path("toy")) == GOOD
    assert [headers.get("Range") for _, headers in host.asked] == [None, None]


def test_a_connection_that_always_breaks_leaves_nothing(host, archive):
    host.files["/toy.zip"], host.breaks["/toy.zip"], host.ranges = archive, 99, False
    told = refused(f"{host.url}/toy.zip", "--out", "new", code=1)
    assert f"broke 3 times: it ended after {len(archive) // 2} of {len(archive)} bytes" in told
    host.statuses["/toy.zip"] = 503
    assert "answers with status 503" in refused(f"{host.url}/toy.zip", code=1)


def test_redirects_lead_to_the_same_host_or_to_https_only(host, archive):
    host.files["/there.zip"], host.redirects["/toy.zip"] = archive, "/there.zip"
    assert get(f"{host.url}/toy.zip", "--out", "a")[0] == 0
    shutil.rmtree("a")
    with serving() as other:
        other.files["/toy.zip"] = archive
        for target in ("file:///etc/passwd", "ftp://127.0.0.1/x", f"{other.url}/toy.zip", "https://a:b@127.0.0.1/", ""):
            host.redirects["/toy.zip"] = target
            assert "which is neither https nor the same host" in refused(f"{host.url}/toy.zip")
        assert other.asked == []
    host.redirects["/toy.zip"] = "/toy.zip"
    assert "redirects more than 5 times" in refused(f"{host.url}/toy.zip")


def test_a_token_goes_neither_to_another_host_nor_over_a_network_in_clear(monkeypatch):
    asked = []

    class Redirect(HTTPResponse):
        def __init__(self, to: str) -> None:
            self.status, self.headers, self.fp = 302, {"Location": to}, None

        def close(self) -> None:
            pass

    def record(address: Address, *targets: str) -> list[str | None]:
        asked.clear()
        server, left = Server(address), iter(targets)
        monkeypatch.setattr(
            server._opener, "open", lambda request, timeout: (asked.append(request), Redirect(next(left)))[1]
        )
        with pytest.raises(InputError), server.answer(address.of("x")):
            pass
        return [request.get_header("Authorization") for request in asked]

    address = address_of("maker/toy", token="secret")
    assert record(address, "https://cdn.example/x", "https://huggingface.co/y", "http://huggingface.co/z") == [
        "Bearer secret",
        None,
        "Bearer secret",
    ]
    assert record(address_of("maker/toy", endpoint="http://hub.example", token="secret"), "file:///x") == [None]


@pytest.mark.parametrize(
    ("status", "told"), [(404, "there is nothing at"), (401, "set HF_TOKEN"), (418, "answers with status 418")]
)
def test_a_host_that_says_no_is_quoted(host, status, told):
    host.statuses["/toy.zip"] = status
    assert told in refused(f"{host.url}/toy.zip")


def test_an_unknown_host_and_one_that_does_not_answer_are_named(host, monkeypatch):
    port = host.url.rpartition(":")[2]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    assert f"'127.0.0.1' takes no connections at http://127.0.0.1:{free}/toy.zip" in refused(
        f"http://127.0.0.1:{free}/toy.zip"
    )

    def unknown(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "the host 'nowhere.example' is not known" in refused(f"http://nowhere.example:{port}/toy.zip")


def test_a_host_that_is_out_of_reach_is_not_waited_for_but_one_that_went_away_is(host, archive, monkeypatch):
    genuine, asked = socket.create_connection, []

    def away(*arguments: object, **options: object) -> socket.socket:
        asked.append(arguments)
        if len(asked) in failing:
            raise TimeoutError("timed out")
        return genuine(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "create_connection", away)
    failing = {1}
    assert "'127.0.0.1' cannot be reached: timed out" in refused(f"{host.url}/toy.zip", code=1)
    assert len(asked) == 1
    asked.clear()
    failing = {2}
    host.files["/toy.zip"], host.breaks["/toy.zip"] = archive, 1
    assert get(f"{host.url}/toy.zip")[0] == 0
    assert len(asked) == 3


def test_what_is_no_zip_file_is_said_to_be_none(host):
    host.files["/toy"] = b"<html>Hello</html>"
    told = refused(f"{host.url}/toy")
    assert f"{host.url}/toy is no zip file" in told
    assert "https://HOST/FOLDER/ with a slash at its end" in told
    assert "holds no bundle of medsynth: there is nothing at" in refused(f"{host.url}/toy/")


@pytest.mark.parametrize(
    "place",
    ["file:///etc/passwd", "ftp://host/toy.zip", "toy", "http:///toy.zip", "https://host:x/", "http://h/\x1b[1m"],
)
def test_an_address_of_another_kind_is_none(place):
    told = refused(place)
    assert "is none of http or https, and no OWNER/NAME" in told
    assert "\x1b" not in told


def test_a_password_in_an_address_is_not_repeated():
    told = refused("https://jane:secret@host.example/toy.zip")
    assert "holds a name or password" in told
    assert "secret" not in told


# ------------------------------------------------------------ what there is room for


def test_more_bytes_than_allowed_are_not_taken(host, tmp_path, monkeypatch):
    host.files["/x"] = bytes(1000)
    for limit, expected in ((1000, None), (999, "more than the 999 bytes")):
        address = address_of(f"{host.url}/x")
        if expected is None:
            assert transfer(Server(address), address.url, tmp_path / "x", limit=limit, watch=Silent()) == 1000
        else:
            with pytest.raises(InputError, match=expected):
                transfer(Server(address), address.url, tmp_path / "x", limit=limit, watch=Silent())
    offer(host, "/toy/", GOOD)
    host.files["/toy/medsynth.json"] = bytes(LIMITS.text + 1)
    assert f"more than the {LIMITS.text} bytes" in refused(f"{host.url}/toy/")


def test_a_full_disk_is_noticed_before_or_when_it_is_full(host, archive, monkeypatch):
    host.files["/toy.zip"] = archive
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0))
        assert "there is no room for toy.zip" in refused(f"{host.url}/toy.zip", code=1)

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(transferring, "_receive", full)
    told = refused(f"{host.url}/toy.zip", "--out", "new", code=1)
    assert "new/toy could not be written: No space left on device Make room" in told


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_it_finds_nothing_half_written(host, archive, number):
    host.files["/toy.zip"] = archive
    host.stalls.add("/toy.zip")
    missed = []
    before = signal.signal(number, lambda *_: missed.append(number))

    def stop() -> None:
        if host.stalled.wait(30):
            os.kill(os.getpid(), number)

    threading.Thread(target=stop, daemon=True).start()
    try:
        assert "stopped on request; nothing was kept" in refused(f"{host.url}/toy.zip", code=130)
    finally:
        signal.signal(number, before)
    assert missed == []
