"""OpenSSF signatures of a bundle's manifest, which lists the hashes of all other files.

They are in the format of the package model-signing, whose own command verifies them, too. It is an extra.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsynth.base.errors import InputError, RunError
from medsynth.base.files import write_bytes
from medsynth.bundle.checking.bundle_files import files_of
from medsynth.bundle.checking.verification import SIGNATURE, Deviation, refuse_deviations
from medsynth.bundle.format.manifest import MANIFEST


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Who must have signed: the holder of a key, or a person or a workflow that an identity provider vouches for.

    Args:
        key: PEM file of a public elliptic-curve key (P-256, P-384 or P-521); None for an identity.
        identity: e-mail address, or address of a workflow, as Sigstore's certificate names it.
        issuer: address of the identity provider.
    """

    key: Path | None = None
    identity: str = ""
    issuer: str = ""


def sign_bundle(root: Path, *, key: Path | None = None, password: str = "") -> Path:
    """Sign the manifest of the bundle at `root`; return the path of the signature, ``model.sig``.

    Args:
        root: folder of a bundle.
        key: PEM file of a private elliptic-curve key. None: sign with Sigstore, which asks an identity provider in a
            browser who you are, and publishes that with the signature in a log that cannot be erased.
        password: of the key, if it is encrypted.

    Raises:
        InputError: model-signing is not installed, the bundle is not as its manifest lists it, or the key is unusable.
        RunError: Sigstore cannot be reached or refuses, or the file cannot be written.
    """
    signing = _model_signing("signing")
    if not root.is_dir():
        raise InputError(f"{root} cannot be signed: it is not a folder", hint="Unpack it first.")
    refuse_deviations(root, f"{root} cannot be signed")
    config = signing.Config()
    if key is not None:
        secret = password.encode() or None
        _read_key(key, lambda: config.use_elliptic_key_signer(private_key=key, password=secret))
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / SIGNATURE
        try:
            config.sign(root / MANIFEST, written)
        except Exception as error:  # Sigstore's client raises many types
            raise RunError(f"{root} was not signed: {_text(error)}") from error
        write_bytes(root / SIGNATURE, written.read_bytes())
    return root / SIGNATURE


def signature_deviation(bundle: Path, signer: Signer) -> Deviation | None:
    """Return why the manifest of a bundle is not signed by `signer`; None if it is.

    An identity is checked with Sigstore's published keys, which are fetched over the network.

    Raises:
        InputError: model-signing is not installed, the key is unusable, or `bundle` is neither folder nor zip.
    """
    verifying = _model_signing("verifying")
    with files_of(bundle) as files, tempfile.TemporaryDirectory() as folder:
        for name in (MANIFEST, SIGNATURE):
            content = files.text(name)
            if content is None:
                return Deviation(name, "missing", "so no signature can be checked")
            (Path(folder) / name).write_bytes(content)
        config = verifying.Config()
        if signer.key is not None:
            _read_key(signer.key, lambda: config.use_elliptic_key_verifier(public_key=signer.key))
        try:
            if signer.key is None:
                config.use_sigstore_verifier(identity=signer.identity, oidc_issuer=signer.issuer)
            config.verify(Path(folder) / MANIFEST, Path(folder) / SIGNATURE)
        except Exception as error:  # a foreign signature, and Sigstore's client, raise many types
            return Deviation(SIGNATURE, "not confirmed", _text(error))
    return None


def _read_key(path: Path, use: Callable[[], Any]) -> None:
    try:
        use()
    except OSError as error:
        raise InputError(f"key {path} cannot be read: {error.strerror}") from error
    except Exception as error:  # the file is no key, its curve is another, or its password is
        hint = "Make one with: openssl ecparam -genkey -name prime256v1 -noout -out key.pem"
        raise InputError(f"key {path} cannot be used: {_text(error)}", hint=hint) from error


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _model_signing(module: str) -> Any:
    try:
        return importlib.import_module(f"model_signing.{module}")
    except ImportError as error:
        hint = 'Install it with: pip install "medsynth-monai[sign]"'
        raise InputError(f"signatures need model-signing, which is not installed ({error})", hint=hint) from error
