"""``medsynth bundle verify`` and ``sign``, and how an audit is shown."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsynth.base.errors import InputError
from medsynth.cli.common.foreign import ENTRY, GIB, MINUTES, Confines, MemoryLimit, TimeLimit, Trust
from medsynth.cli.common.shared import BundlePath, Json, answer, bundle_argument, errors, friendly, say, say_json

if TYPE_CHECKING:
    from medsynth.bundle.audit import Audit
    from medsynth.bundle.checking.signing import Signer
    from medsynth.bundle.checking.verification import Verification
    from medsynth.inference.reproduction import Reproduction

_CHANGED = "was changed while it was verified"


@friendly
def verify_command(
    bundle: BundlePath,
    *,
    reproduce: Annotated[
        bool,
        typer.Option("--reproduce", help="Run the bundle on its samples, too, and compare; it must be trusted."),
    ] = False,
    sha256: Annotated[
        str, typer.Option(metavar="HASH", help="The published hash of the manifest: fail if it has another one.")
    ] = "",
    key: Annotated[
        Path | None, typer.Option(metavar="PUBLIC.pem", help="Fail if it was not signed with this key.")
    ] = None,
    identity: Annotated[
        str, typer.Option(metavar="EMAIL", help="Fail if it was not signed by this identity; needs --issuer.")
    ] = "",
    issuer: Annotated[str, typer.Option(metavar="URL", help="Identity provider that vouches for --identity.")] = "",
    trust: Trust = False,
    time_limit: TimeLimit = MINUTES,
    memory_limit: MemoryLimit = GIB,
    as_json: Json = False,
) -> None:
    """Compare every file of a bundle with its manifest; nothing is executed unless --reproduce is given.

    Says, too, which limits a foreign bundle is executed under on this machine, after trying them.

    Signatures need the package model-signing; checking an --identity reaches the network, nothing else does.
    Exit codes: 0 as listed, 1 a file was changed, is missing or was added, or a signature or sample does not fit,
    2 wrong use.
    """
    from medsynth.confinement.confined import is_confined
    from medsynth.confinement.limits import held

    signer = _signer(key, identity, issuer)
    verification = _verified(bundle, sha256, signer)
    reproduction = None
    if not verification.deviations and trust and not is_confined():
        _trust(bundle, verification, signer)
    if not verification.deviations and reproduce:
        reproduction = _reproduced(bundle, verification.digest, minutes=time_limit, gib=memory_limit)
    limits = {} if verification.deviations else held()
    if as_json:
        content = verification.as_dict() | {"reproduction": None if reproduction is None else reproduction.as_dict()}
        say_json(content | {"confinement": limits})
    else:
        _show(verification, reproduction)
        if limits:
            _show_limits(limits)
    if verification.install:
        _warn_versions(verification)
    if verification.deviations or (reproduction is not None and not reproduction.succeeded):
        raise typer.Exit(1)


def _signer(key: Path | None, identity: str, issuer: str) -> Signer | None:
    from medsynth.bundle.checking.signing import Signer

    if bool(identity) != bool(issuer) or (key is not None and identity):
        raise InputError("give either --key, or --identity with --issuer", hint="See: medsynth bundle verify --help")
    return Signer(key=key, identity=identity, issuer=issuer) if key is not None or identity else None


def _verified(bundle: Path, sha256: str, signer: Signer | None) -> Verification:
    from medsynth.bundle.checking.signing import signature_deviation
    from medsynth.bundle.checking.verification import verify_bundle

    verification = verify_bundle(bundle, sha256=sha256)
    if signer is None:
        return verification
    deviation = signature_deviation(bundle, signer)
    if deviation is None:
        return replace(verification, signed=True)
    return replace(verification, deviations=(*verification.deviations, deviation))


def _trust(bundle: Path, verification: Verification, signer: Signer | None) -> None:
    """Trust the state that was verified, and no other that has taken its place since."""
    from medsynth.bundle.trust.granting import trust_snapshot
    from medsynth.bundle.trust.snapshot import Snapshot

    snapshot = Snapshot(bundle)
    copied = _verified(snapshot.folder, verification.digest, signer)
    if copied.deviations:
        raise InputError(f"bundle {bundle} {_CHANGED}", hint="Verify it again.")
    trust_snapshot(snapshot)


def _reproduced(bundle: Path, digest: str, *, minutes: float, gib: float) -> Reproduction:
    """Run the samples of the state that was verified if this process is limited.

    Else run the same command in a limited one, and end with it.
    """
    from medsynth.confinement.confined import is_confined
    from medsynth.confinement.running import run_confined

    if not is_confined():
        limits = Confines(minutes=minutes, gib=gib)
        raise typer.Exit(run_confined(ENTRY, sys.argv[1:], seconds=limits.seconds, memory=limits.memory))
    from medsynth.bundle.opening.opened import CLASSIFIER, open_bundle
    from medsynth.inference.reproduction import reproduce

    opened = open_bundle(bundle, CLASSIFIER)
    if opened.digest != digest:
        raise InputError(f"bundle {bundle} {_CHANGED}", hint="Verify it again.")
    return reproduce(opened)


def _show(verification: Verification, reproduction: Reproduction | None) -> None:
    lines = [
        f"{deviation.file}: {deviation.problem}" + (f" ({deviation.detail})" if deviation.detail else "")
        for deviation in verification.deviations
    ]
    if not lines:
        left = f"; {verification.results} results in eval/" if verification.results else ""
        lines = [f"all {verification.files} files are as listed{left}", f"sha256 {verification.digest}"]
        lines += ["the signature is confirmed"] if verification.signed else []
    if reproduction is not None:
        lines.append(
            f"{'reproduced' if reproduction.succeeded else 'NOT reproduced'}: {reproduction.probabilities} "
            f"probabilities within {reproduction.difference:.2g} (allowed {reproduction.tolerance:g}), "
            f"{reproduction.translations} translations within {reproduction.grey_difference} grey levels "
            f"(allowed {reproduction.grey_tolerance})"
        )
    say(*lines)


def _show_limits(limits: Mapping[str, bool]) -> None:
    from medsynth.confinement.limits import LIMITS

    named = {wanted: ", ".join(LIMITS[name] for name, holds in limits.items() if holds == wanted) for wanted in (1, 0)}
    lacking = [f"this system does not offer: {named[0]}"] if named[0] else []
    say(f"a foreign bundle is confined here: {named[1] or 'not at all'}", *lacking)


def _warn_versions(verification: Verification) -> None:
    pairs = ", ".join(
        f"{name} {theirs} (here {here or 'none'})" for name, (theirs, here) in verification.versions.items()
    )
    say(f"warning: made with other versions: {pairs}", f"Install them with: {verification.install}", console=errors)


@friendly
def sign_command(
    bundle: Annotated[Path, bundle_argument("BUNDLE", "Folder of a bundle or run.")],
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="PRIVATE.pem", help="Elliptic-curve key to sign with; default: Sigstore.", show_default=False
        ),
    ] = None,
    password: Annotated[
        str, typer.Option(envvar="MEDSYNTH_KEY_PASSWORD", help="Password of the key.", show_default=False)
    ] = "",
    as_json: Json = False,
) -> None:
    """Sign the manifest of a bundle, and so all of it, in the format of OpenSSF model signing; writes model.sig.

    Needs the package model-signing. Without --key Sigstore opens a browser to ask who you are, and publishes your
    e-mail address with the signature in a log that cannot be erased.
    """
    from medsynth.bundle.checking.signing import sign_bundle

    path = sign_bundle(bundle, key=key, password=password)
    answer(as_json, {"signature": str(path)}, f"out  {path}")


def show_audit(audit: Audit) -> None:
    """Print what an audit objects to, what it looked at, and its verdict."""
    for finding in audit.objections:
        where = f"{finding.file}, {finding.place}" if finding.place else finding.file
        say(f"{finding.verdict}: {where}: {finding.kind} {finding.what}: {finding.reason}")
    counts = ", ".join(f"{count} {kind}" for kind, count in audit.counts.items())
    say(f"looked at {audit.files} files: {counts}", f"verdict: {audit.verdict}")
