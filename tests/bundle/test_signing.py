"""Who signed a bundle: keys tell holders apart, and a signature fits one state of one bundle."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medsynth.base.errors import InputError
from medsynth.bundle.audit import audit_bundle
from medsynth.bundle.checking.signing import Signer, sign_bundle, signature_deviation
from medsynth.bundle.checking.verification import verify_bundle
from medsynth.bundle.format.manifest import list_files

INSTALLED = importlib.util.find_spec("model_signing") is not None
SIGNING = pytest.mark.skipif(not INSTALLED, reason="not installed: model-signing")


@pytest.fixture(scope="module")
def made(make_bundle) -> Path:
    return make_bundle()


@pytest.fixture
def bundle(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "bundle"))


def make_key(folder: Path, name: str, curve: str = "SECP256R1", password: str = "") -> tuple[Path, Path]:
    """Write a private and a public key as PEM files."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(getattr(ec, curve)())
    locked = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    files = folder / f"{name}.pem", folder / f"{name}.pub"
    files[0].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption_algorithm=locked)
    )
    files[1].write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return files


@pytest.mark.skipif(INSTALLED, reason="model-signing is installed")
def test_without_the_package_the_command_that_installs_it_is_named(bundle):
    for call in (lambda: sign_bundle(bundle), lambda: signature_deviation(bundle, Signer(identity="a", issuer="b"))):
        with pytest.raises(InputError, match="model-signing, which is not installed") as caught:
            call()
        assert "medsynth-monai[sign]" in caught.value.hint


@SIGNING
@pytest.mark.parametrize("password", ["", "geheim"])
def test_a_signature_is_confirmed_with_the_signers_key_and_no_other(bundle, tmp_path, password):
    private, public = make_key(tmp_path, "mine", password=password)
    assert sign_bundle(bundle, key=private, password=password) == bundle / "model.sig"
    assert signature_deviation(bundle, Signer(key=public)) is None
    found = signature_deviation(bundle, Signer(key=make_key(tmp_path, "other")[1]))
    assert (found.file, found.problem) == ("model.sig", "not confirmed")


@SIGNING
def test_a_signature_is_no_deviation_and_no_objection(bundle, tmp_path):
    before = audit_bundle(bundle).objections
    sign_bundle(bundle, key=make_key(tmp_path, "mine")[0])
    assert verify_bundle(bundle).deviations == ()
    assert audit_bundle(bundle).objections == before


@SIGNING
def test_a_signature_does_not_fit_a_changed_bundle_with_a_fitting_manifest(bundle, tmp_path):
    private, public = make_key(tmp_path, "mine")
    sign_bundle(bundle, key=private)
    (bundle / "LICENSE").write_text("mine now")
    list_files(bundle, ["LICENSE"])
    assert verify_bundle(bundle).deviations == ()
    assert signature_deviation(bundle, Signer(key=public)).problem == "not confirmed"


@SIGNING
def test_a_signature_is_confirmed_in_a_zip(bundle, tmp_path):
    private, public = make_key(tmp_path, "mine")
    sign_bundle(bundle, key=private)
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "bundle"))
    assert signature_deviation(packed, Signer(key=public)) is None


@SIGNING
@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", b"[" * 10_000])
def test_what_is_no_signature_is_not_confirmed(bundle, tmp_path, content):
    (bundle / "model.sig").write_bytes(content)
    assert signature_deviation(bundle, Signer(key=make_key(tmp_path, "mine")[1])).problem == "not confirmed"


@SIGNING
def test_a_bundle_without_a_signature_says_so(bundle, tmp_path):
    found = signature_deviation(bundle, Signer(key=make_key(tmp_path, "mine")[1]))
    assert (found.file, found.problem) == ("model.sig", "missing")


@SIGNING
def test_a_damaged_bundle_is_not_signed(bundle, tmp_path):
    (bundle / "LICENSE").write_text("mine now")
    with pytest.raises(InputError, match="cannot be signed: LICENSE changed"):
        sign_bundle(bundle, key=make_key(tmp_path, "mine")[0])
    assert not (bundle / "model.sig").exists()


@SIGNING
def test_unusable_keys_are_refused(bundle, tmp_path):
    with pytest.raises(InputError, match=r"absent\.pem cannot be read"):
        sign_bundle(bundle, key=tmp_path / "absent.pem")
    (tmp_path / "text.pem").write_text("no key")
    for key in (tmp_path / "text.pem", make_key(tmp_path, "odd", "SECP256K1")[0]):
        with pytest.raises(InputError, match="cannot be used"):
            sign_bundle(bundle, key=key)
    private, _ = make_key(tmp_path, "locked", password="geheim")
    for password in ("", "falsch"):
        with pytest.raises(InputError, match=r"locked\.pem cannot be used"):
            sign_bundle(bundle, key=private, password=password)


@SIGNING
def test_the_packages_own_command_confirms_the_signature(bundle, tmp_path):
    private, public = make_key(tmp_path, "mine")
    sign_bundle(bundle, key=private)
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(bundle / "medsynth.json")]
    command += ["--signature", str(bundle / "model.sig"), "--public_key", str(public)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@SIGNING
def test_the_commands_sign_and_confirm(medsynth, bundle, tmp_path):
    private, public = make_key(tmp_path, "mine", password="geheim")
    done = medsynth("bundle", "sign", bundle, "--key", private, "--json", env={"MEDSYNTH_KEY_PASSWORD": "geheim"})
    assert json.loads(done.stdout)["signature"] == str(bundle / "model.sig")
    good = medsynth("bundle", "verify", bundle, "--key", public)
    assert (good.returncode, "the signature is confirmed" in good.stdout) == (0, True)
    bad = medsynth("bundle", "verify", bundle, "--key", make_key(tmp_path, "other")[1])
    assert (bad.returncode, "model.sig: not confirmed" in bad.stdout) == (1, True)
    assert medsynth("bundle", "verify", bundle, "--identity", "jane@example.org").returncode == 2
