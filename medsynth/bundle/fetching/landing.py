"""A bundle from elsewhere: it comes into a folder that only this user can change, is judged there, and then moved."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from medsynth.base.errors import InputError, MedsynthError, RunError
from medsynth.base.files import sha256 as sha256_of
from medsynth.base.progress import Watch
from medsynth.bundle.audit import Audit, Verdict, audit_bundle
from medsynth.bundle.audit.file_types.archives import ArchiveError, NoArchiveError, read_directory
from medsynth.bundle.audit.rules.findings import shown
from medsynth.bundle.audit.rules.names import collision_key, unsafe_path
from medsynth.bundle.audit.rules.sizes import LIMITS
from medsynth.bundle.checking.description import stated_name
from medsynth.bundle.checking.verification import SIGNATURE, Verification, listing, verify_bundle
from medsynth.bundle.fetching.addresses import FORMS, Address, told
from medsynth.bundle.fetching.server import AbsentFile, Server
from medsynth.bundle.fetching.transfer import transfer
from medsynth.bundle.format.manifest import MANIFEST
from medsynth.bundle.trust.admission import worst_of
from medsynth.bundle.trust.memory import USER, find_trust, keep
from medsynth.bundle.trust.snapshot import unpack

_SHA256 = re.compile(r"[0-9a-f]{64}")
_AGAIN = "Fetch it again; if that does not help, ask who offers it."


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A bundle from elsewhere.

    Args:
        folder: where it lies now.
        digest: sha256 of its medsynth.json, which stands for all of it.
        archive: sha256 of the zip file that it came in; empty if it came as single files.
        audit: what it would execute, load, write or fetch.
    """

    folder: Path
    digest: str
    archive: str
    audit: Audit


def check_digest(text: str) -> str:
    """Return a sha256 in lower case; an empty text stays empty.

    Raises:
        InputError: it is none.
    """
    if text and not _SHA256.fullmatch(text.lower()):
        raise InputError(
            f"--sha256 {text!r} is no sha256", hint="It has 64 hexadecimal digits; medsynth bundle verify prints it."
        )
    return text.lower()


def fetch_bundle(address: Address, out: Path, *, sha256: str, trust: bool, watch: Watch) -> Fetched:
    """Fetch a bundle into a folder of `out`, if it is what was meant, intact, and may be executed.

    Args:
        address: where it lies.
        out: folder that receives it. Until the bundle is judged, it is in a hidden folder there, which vanishes.
        sha256: expected hash, of its medsynth.json or of the zip file; empty = unknown.
        trust: trust it from now on, in exactly this state, unless the audit refuses it.
        watch: shows progress.

    Raises:
        InputError: it cannot be fetched, is another one or not intact, or the audit objects; nothing was written.
        RunError: the connection broke, or there is no room; nothing was written.
    """
    target = out / address.name
    if target.exists() or target.is_symlink():
        raise InputError(f"{target} already exists", hint="Choose another --out, or remove it.")
    with _work(out, address) as work:
        place, archive = _fetched(address, work, sha256, watch)
        verification = _intact(place, address, archive, sha256)
        audit = audit_bundle(place)
        _admit(audit, verification.digest, address, trust=trust)
        if place.is_file():
            unpack(place, folder := work / "unpacked")
            place = folder
        name = stated_name(place)
        place.rename(target)
    if trust and find_trust(verification.digest) is None:
        keep(verification.digest, name, USER)
    return Fetched(folder=target, digest=verification.digest, archive=archive, audit=audit)


def look_at(address: Address, *, sha256: str, watch: Watch) -> Audit:
    """Fetch a bundle, audit it, and keep nothing of it.

    Raises:
        InputError: it cannot be fetched, or is another one.
        RunError: the connection broke, or there is no room.
    """
    with _work(Path(tempfile.gettempdir()), address) as work:
        place, archive = _fetched(address, work, sha256, watch)
        if archive:
            _refuse_other(address, sha256, verify_bundle(place).digest, archive)
        return audit_bundle(place)


@contextmanager
def _work(out: Path, address: Address) -> Iterator[Path]:
    """Yield a folder below `out` that vanishes, and let errors name the address instead of what lies there."""
    made = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{address.name}.", suffix=".part", dir=out) as folder:
            yield from _named(Path(folder), address)
    except OSError as error:
        why = error.strerror or str(error)
        raise RunError(
            f"{out / address.name} could not be written: {why}",
            hint="Make room or choose another --out. Nothing was kept.",
        ) from error
    finally:
        if made:
            with suppress(OSError):  # it holds the bundle
                out.rmdir()


def _named(folder: Path, address: Address) -> Iterator[Path]:
    try:
        yield folder
    except MedsynthError as error:
        texts = (re.sub(re.escape(str(folder)) + r"[^\s:]*", told(address.url), t) for t in (error.message, error.hint))
        message, hint = texts
        raise type(error)(message, hint=hint) from error


def _fetched(address: Address, work: Path, sha256: str, watch: Watch) -> tuple[Path, str]:
    """Return the zip file or folder that was fetched, and the sha256 of the zip file."""
    if address.is_folder:
        return _fetch_files(address, work / address.name, sha256, watch), ""
    path = work / f"{address.name}.zip"
    transfer(Server(address), address.url, path, limit=LIMITS.total, watch=watch)
    with path.open("rb") as stream:
        try:
            read_directory(stream)
        except NoArchiveError as error:
            raise InputError(f"{told(address.url)} is no zip file: it {error}", hint=FORMS) from error
        except ArchiveError:
            pass  # which the audit refuses, in its words
    return path, sha256_of(path)


def _fetch_files(address: Address, folder: Path, sha256: str, watch: Watch) -> Path:
    """Fetch the manifest, then exactly the files that it lists, each of which must have the hash that stands there."""
    server = Server(address)
    folder.mkdir()
    try:
        transfer(server, address.of(MANIFEST), folder / MANIFEST, limit=LIMITS.text, watch=watch)
    except AbsentFile as error:
        raise InputError(
            f"{told(address.url)} holds no bundle of medsynth: {error.message}", hint=error.hint
        ) from error
    listed = _listed(folder / MANIFEST, address, sha256)
    left = LIMITS.total
    with watch.task(address.name, len(listed)) as task:
        for number, (name, digest) in enumerate(listed.items(), start=1):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            left -= transfer(server, address.of(name), path, limit=min(left, LIMITS.file), watch=watch)
            if sha256_of(path) != digest:
                raise InputError(f"{told(address.of(name))} is not the file that {MANIFEST} lists", hint=_AGAIN)
            task.advance(number)
    try:
        transfer(server, address.of(SIGNATURE), folder / SIGNATURE, limit=LIMITS.text, watch=watch)
    except AbsentFile:  # most bundles are not signed
        (folder / SIGNATURE).unlink()
    return folder


def _listed(manifest: Path, address: Address, sha256: str) -> dict[str, str]:
    """Return the files of a manifest, all of which may be written below a folder."""
    text = manifest.read_bytes()
    _refuse_other(address, sha256, hashlib.sha256(text).hexdigest())
    listed = listing(text)
    if listed is None:
        raise InputError(f"{told(address.of(MANIFEST))} is damaged or no manifest of medsynth", hint=_AGAIN)
    seen = {collision_key(MANIFEST), collision_key(SIGNATURE)}
    for name in listed:
        reason = unsafe_path(name) or ("is there twice" if collision_key(name) in seen else "")
        if reason or name.endswith("/"):
            raise InputError(f"{told(address.url)} lists a file {shown(name)!r}, which {reason or 'is a folder'}")
        seen.add(collision_key(name))
    if len(listed) > LIMITS.files:
        raise InputError(f"{told(address.url)} lists {len(listed)} files; a bundle may have {LIMITS.files}")
    return listed


def _intact(place: Path, address: Address, archive: str, sha256: str) -> Verification:
    """Return the comparison with the manifest, which found nothing."""
    verification = verify_bundle(place)
    if archive:
        _refuse_other(address, sha256, verification.digest, archive)
    if verification.deviations:
        first = verification.deviations[0]
        more = f" and {len(verification.deviations) - 1} more" if len(verification.deviations) > 1 else ""
        why = f" ({shown(first.detail)})" if first.detail else ""
        raise InputError(
            f"{told(address.url)} is no intact bundle of medsynth: {first.file} {first.problem}{why}{more}", hint=_AGAIN
        )
    return verification


def _refuse_other(address: Address, sha256: str, *found: str) -> None:
    if sha256 and sha256 not in found:
        raise InputError(
            f"{told(address.url)} has the sha256 {' or '.join(filter(None, found))}, not {sha256}",
            hint="It is another bundle than you were told of: ask whoever gave you the hash.",
        )


def _admit(audit: Audit, digest: str, address: Address, *, trust: bool) -> None:
    """Return if the bundle may be executed here: it is trusted, or will be, or the audit allows it."""
    verdict = audit.verdict
    if verdict is Verdict.ALLOWED or find_trust(digest) is not None or (trust and verdict is Verdict.TRUST):
        return
    look = "Look at it with: medsynth bundle get ADDRESS --audit"
    hint = f"{look} . What the audit refuses cannot be trusted."
    if verdict is Verdict.TRUST:
        hint = f"{look} . If you trust whoever gave it to you, add --trust."
    raise InputError(f"{told(address.url)} {_VERDICTS[verdict]}: {worst_of(audit)}; nothing was kept", hint=hint)


_VERDICTS = {Verdict.TRUST: "needs trust", Verdict.REFUSED: "is refused"}
