"""Files: names, links, archives, code, and files that are not what they are named."""

import gzip
import io
import os
import socket
import stat
import tarfile
import zipfile
import zlib

import nibabel
import numpy as np
import pytest
from PIL import Image

from medsynth.bundle.audit import Verdict, audit_bundle
from medsynth.bundle.audit.rules.sizes import LIMITS

from .samples import files, write, zipped


def _verdicts(audit, file):
    return {finding.verdict for finding in audit.objections if finding.file == file}


NAMES = {
    "parent folder": "../evil.json",
    "parent folder inside": "configs/../../evil.json",
    "absolute": "/tmp/evil.json",
    "backslashes": "..\\evil.json",
    "drive": "C:/evil.json",
    "stream": "configs/a.json:evil",
    "device": "configs/nul.json",
    "dot at the end": "configs/a.json.",
    "space at the end": "configs /a.json",
    "not plain": "configs/./a.json",
    "empty part": "configs//a.json",
    "zero-width": "configs/infer\u200bence.json",
    "direction override": "configs/nosj.\u202eexe",
    "Cyrillic letter": "configs/inf\u0435rence.json",
    "fullwidth letters": "\uff43onfigs/a.json",
    "line break": "configs/a\n.json",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_member_with_an_unsafe_name_is_refused_and_written_nowhere(tmp_path, name):
    path = zipped(tmp_path / "bundle.zip", {**files()})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(NAMES[name] if name in ("absolute", "drive") else f"bundle/{NAMES[name]}", b"{}")
    audit = audit_bundle(path)
    assert audit.verdict is Verdict.REFUSED
    assert "name" in {finding.kind for finding in audit.objections}
    assert [entry.name for entry in tmp_path.iterdir()] == ["bundle.zip"]


def test_a_name_in_another_language_is_no_disguise(tmp_path):
    contents = {**files(), "docs/résumé.md": b"", "docs/報告.md": b"", "docs/отчёт.md": b""}
    assert audit_bundle(zipped(tmp_path / "a.zip", contents)).verdict is Verdict.ALLOWED


def test_a_member_that_appears_twice_is_refused(tmp_path):
    path = zipped(tmp_path / "bundle.zip", files())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("bundle/configs/inference.json", b"{}")
    audit = audit_bundle(path)
    assert _verdicts(audit, "bundle/configs/inference.json") == {Verdict.REFUSED}


def test_two_names_that_are_one_file_on_some_systems_are_refused(tmp_path):
    audit = audit_bundle(zipped(tmp_path / "a.zip", {**files(), "configs/Inference.json": b"{}"}))
    assert _verdicts(audit, "bundle/configs/Inference.json") == {Verdict.REFUSED}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_member_that_is_no_plain_file_is_refused(tmp_path, kind):
    path = zipped(tmp_path / "bundle.zip", files())
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("bundle/models/model.pt")
        info.external_attr = (kind | 0o644) << 16
        archive.writestr(info, "/etc/passwd")
    assert _verdicts(audit_bundle(path), "bundle/models/model.pt") == {Verdict.REFUSED}


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "configs", "missing"])
def test_a_link_in_a_folder_is_refused_and_not_followed(tmp_path, target):
    folder = write(tmp_path / "bundle", files())
    write(tmp_path / "outside", {"evil.json": b'{"_target_": "os.system"}'})
    (folder / "link").symlink_to(target)
    audit = audit_bundle(folder)
    assert [(finding.kind, finding.file) for finding in audit.objections] == [("link", "link")]


def test_pipes_and_sockets_are_refused_and_not_opened(tmp_path, monkeypatch):
    folder = write(tmp_path / "b", files())
    os.mkfifo(folder / "pipe.json")
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.json")
        audit = audit_bundle(folder)
    assert {finding.file for finding in audit.objections} == {"pipe.json", "socket.json"}
    assert audit.verdict is Verdict.REFUSED


def test_a_bomb_is_refused_by_its_declared_size(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bundle/docs/data.csv", bytes(64 << 20))
    assert _verdicts(audit_bundle(path), "bundle/docs/data.csv") == {Verdict.REFUSED}


def test_a_member_that_unpacks_to_more_than_it_declares_is_refused(tmp_path):
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bundle/configs/a.json", b" " * (8 << 20))
    data = path.read_bytes().replace((8 << 20).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    path.write_bytes(data)
    assert _verdicts(audit_bundle(path), "bundle/configs/a.json") == {Verdict.REFUSED}


def test_an_archive_in_archives_is_refused(tmp_path):
    data = b""
    for _ in range(5):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("inner.zip", data)
        data = buffer.getvalue()
    audit = audit_bundle(write(tmp_path, {**files(), "data.zip": data}))
    assert audit.verdict is Verdict.REFUSED


def test_too_many_files_are_refused(tmp_path):
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(LIMITS.files + 2):
            archive.writestr(f"bundle/{number}.txt", b"")
    assert "size" in {finding.kind for finding in audit_bundle(path).objections}


def test_a_zip_that_unpacks_into_several_folders_needs_trust(tmp_path):
    assert audit_bundle(zipped(tmp_path / "a.zip", files(), root="")).verdict is Verdict.TRUST


def test_an_encrypted_member_is_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a.json": b"{}"})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert _verdicts(audit_bundle(path), "bundle/a.json") == {Verdict.REFUSED}


def test_a_damaged_member_is_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", {"configs/a.json": b'{"a": "harmless"}'})
    path.write_bytes(path.read_bytes().replace(b"harmless", b"harmful!"))
    assert _verdicts(audit_bundle(path), "bundle/configs/a.json") == {Verdict.REFUSED}


def test_a_packed_nifti_that_unpacks_to_too_much_is_refused(tmp_path):
    audit = audit_bundle(write(tmp_path, {**files(), "samples/a.nii.gz": gzip.compress(bytes(32 << 20))}))
    assert _verdicts(audit, "samples/a.nii.gz") == {Verdict.REFUSED}


def _picture(suffix, **options):
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, suffix, **options)
    return buffer.getvalue()


def _nifti(kind, tmp_path):
    nibabel.save(kind(np.zeros((4, 4, 4), np.float32), np.eye(4)), tmp_path / "a.nii")
    return (tmp_path / "a.nii").read_bytes()


def test_the_files_that_bundles_usually_hold_are_allowed(tmp_path):
    nifti = {
        f"samples/{kind.__name__}.nii": _nifti(kind, tmp_path) for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image)
    }
    contents = {
        **{f"docs/a.{suffix}": _picture(suffix) for suffix in ("png", "jpeg", "tiff", "bmp", "gif")},
        "docs/b.JPG": _picture("jpeg"),
        **nifti,
        **{f"{name}.gz": gzip.compress(content) for name, content in nifti.items()},
        "samples/scan": bytes(128) + b"DICM" + bytes(200),
        "samples/a.dcm": bytes(128) + b"DICM" + bytes(200),
        "models/model.xml": b"<?xml version='1.0'?>\n<net name='a' version='11'>\n\t<layers/>\n</net>\n",
        "models/model.bin": np.linspace(-1, 1, 200, dtype=np.float32).tobytes(),
        "eval/metrics.csv": b"a,b\n1,2\n",
        "docs/latin.txt": "Größe".encode("latin-1"),
        "docs/data_license.txt": b"free",
        "NOTICE": b"none",
        "model.sig": b"{}",
        ".gitattributes": b"*.pt filter=lfs\n",
    }
    assert audit_bundle(write(tmp_path / "bundle", {**files(), **contents})).objections == []


REFUSED, TRUST = Verdict.REFUSED, Verdict.TRUST
_LONG = b"x" * 40_000
_LONG_FIRST = b"X" + len(_LONG).to_bytes(4, "little") + _LONG + b"0cos\nsystem\n(S'touch x'\ntR."
_LONG_LINE = b"S'" + _LONG + b"'\n0cos\nsystem\n(S'touch x'\ntR."
_HUGE_FIRST = b"X" + (5 << 20).to_bytes(4, "little") + bytes(5 << 20) + b"0cos\nsystem\n(S'touch x'\ntR."
KINDS = {
    ".git/config": (b"[core]\n\tfsmonitor = touch x\n", REFUSED),
    "docs/.git/hooks/post-checkout": (b"touch x", REFUSED),
    ".vscode/tasks.json": (b"{}", REFUSED),
    ".envrc": (b"touch x", REFUSED),
    ".idea/workspace.xml": (b"<net/>", REFUSED),
    ".hidden": (b"x", TRUST),
    ".hidden/a.txt": (b"x", TRUST),
    "docs/a.html": (b"<script>alert(1)</script>", TRUST),
    "docs/a.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", TRUST),
    "docs/a.xml": (b"<html xmlns='http://www.w3.org/1999/xhtml'><script/></html>", TRUST),
    "docs/b.xml": (b"<!DOCTYPE net [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><net>&a;</net>", TRUST),
    "docs/a.hta": (b"<script>", REFUSED),
    "docs/a.lnk": (b"L\0\0\0", REFUSED),
    "docs/a.pdf": (b"%PDF-1.7", TRUST),
    "desktop.ini": (b"[.ShellClassInfo]\n", REFUSED),
    "requirements.txt": (b"evil\n", TRUST),
    "license.bat": (b"echo", TRUST),
    "README.sh": (b"echo", TRUST),
    "configs/logconf": (b"[handlers]\nkeys=a\n[handler_a]\nclass=FileHandler\nargs=('x',)\n", REFUSED),
    "a.unknown": (b"x", TRUST),
    "unknown": (b"x", TRUST),
    "samples/a.mhd": (b"ElementDataFile = /etc/passwd\n", TRUST),
    "samples/a.png": (b"%!PS\n(a) show\n", REFUSED),
    "samples/a.tif": (_picture("png"), REFUSED),
    "samples/a.nii": (bytes(400), REFUSED),
    "samples/a.nii.gz": (gzip.compress(os.urandom(400)), REFUSED),
    "samples/b.nii.gz": (gzip.compress(_LONG_FIRST), REFUSED),
    "samples/a.csv.gz": (gzip.compress(b"a,b\n"), TRUST),
    "models/a.z": (zlib.compress(_LONG_FIRST), TRUST),
    "models/a.joblib": (zlib.compress(_LONG_FIRST), REFUSED),
    "models/b.bin": (zlib.compress(_LONG_FIRST), REFUSED),
    "models/a.weights": (_LONG_FIRST, REFUSED),
    "models/b.weights": (_LONG_LINE, REFUSED),
    "docs/a.md": (_LONG_FIRST, REFUSED),
    "docs/a.txt": (_LONG_LINE, REFUSED),
    "docs/b.txt": (b"a\0b", TRUST),
    "docs/c.txt": (b"S'" + bytes(b"x" * (5 << 20)) + b"'\n", TRUST),
    "configs/a.json": (_LONG_LINE, REFUSED),
    "models/model.bin": (_HUGE_FIRST, REFUSED),
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds_of_files_that_no_bundle_needs_are_not_allowed(audited, name):
    content, verdict = KINDS[name]
    audit = audited({**files(), name: content})
    assert {finding.file for finding in audit.objections} == {name}
    assert audit.verdict is verdict


CODE = {
    "package": "scripts/__init__.py",
    "module": "net.py",
    "shell": "docs/setup.sh",
    "notebook": "docs/demo.ipynb",
    "path file": "a.pth",
}


@pytest.mark.parametrize("name", CODE)
def test_code_needs_trust(audited, canary, name):
    audit = audited({**files(), CODE[name]: f"import os; os.system('touch {canary}')".encode()})
    assert audit.verdict is Verdict.TRUST if name != "path file" else audit.verdict is not Verdict.ALLOWED
    assert [finding.file for finding in audit.objections] == [CODE[name]]


@pytest.mark.parametrize(
    "path", ["torch.py", "monai/__init__.py", "json.py", "sitecustomize.py", "glob/a.py", "numpy.so"]
)
def test_a_module_that_would_hide_a_library_is_refused(audited, path):
    assert Verdict.REFUSED in _verdicts(audited({**files(), path: b""}), path)


@pytest.mark.parametrize("path", ["scripts/a.pyc", "lib/a.so", "a.pyd", "a.exe", "models/a.engine"])
def test_a_compiled_program_is_refused(audited, path):
    assert audited({**files(), path: b"x"}).verdict is Verdict.REFUSED


def test_a_program_before_a_zip_is_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", files())
    path.write_bytes(b"MZ" + bytes(510) + path.read_bytes())
    assert audit_bundle(path).verdict is Verdict.REFUSED


def _zip_bytes():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", b"x")
    return buffer.getvalue()


def _tar_bytes():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()


DISGUISES = {
    "program as image": ("samples/a.png", b"\x7fELF\2\1\1"),
    "program as weights": ("models/model.pt", b"MZ\x90\0"),
    "archive as config": ("configs/a.json", _zip_bytes()),
    "archive behind a config": ("configs/b.json", b'{"a": 1}' + _zip_bytes()),
    "archive behind text": ("docs/a.md", b"text " * 100 + _zip_bytes()),
    "archive as safetensors": ("models/model.safetensors", _zip_bytes()),
    "archive as readme": ("docs/README.md", _tar_bytes()),
    "packed archive as weights": ("models/model.onnx", gzip.compress(b"x")),
    "pickle in gzip": ("samples/a.nii.gz", gzip.compress(b"\x80\x04K\x01.")),
}


@pytest.mark.parametrize("name", DISGUISES)
def test_a_file_that_is_not_what_it_is_named_is_refused(audited, name):
    path, data = DISGUISES[name]
    assert Verdict.REFUSED in _verdicts(audited({**files(), path: data}), path)


@pytest.mark.parametrize("path", ["a.tar", "a.tar.gz", "a.7z", "data.h5"])
def test_what_was_not_looked_into_needs_trust(audited, path):
    data = {"a.tar": _tar_bytes(), "a.tar.gz": gzip.compress(_tar_bytes())}.get(path, b"x")
    assert Verdict.ALLOWED not in _verdicts(audited({**files(), path: data}), path) != set()


LOGGING = {
    "file": "class=FileHandler\nargs=('CANARY',)",
    "rotating file": "class=handlers.RotatingFileHandler\nargs=('CANARY',)",
    "socket": "class=handlers.SocketHandler\nargs=('example.org', 1)",
    "mail": "class=logging.handlers.SMTPHandler\nargs=('a', 'b', 'c', 'd')",
    "expression": "class=__import__('os').system('touch CANARY')\nargs=()",
    "expression in arguments": "class=StreamHandler\nargs=(__import__('os').system('touch CANARY'),)",
    "expression in keywords": "class=StreamHandler\nargs=()\nkwargs={'stream': open('CANARY', 'w')}",
    "interpolation": "evil=FileHandler\nclass=%(evil)s\nargs=('CANARY',)",
    "repeated field": "class=StreamHandler\nclass=FileHandler\nargs=('CANARY',)",
    "continued line": "class=\n  FileHandler\nargs=('CANARY',)",
    "own class": "class=scripts.Handler\nargs=()",
    "no class": "args=('CANARY',)",
}


@pytest.mark.parametrize("name", LOGGING)
@pytest.mark.parametrize("path", ["configs/logging.conf", "docs/other.ini", "docs/notes.txt"])
def test_a_logging_handler_that_does_more_than_print_is_refused(audited, canary, name, path):
    text = f"[handlers]\nkeys=a\n\n[handler_a]\n{LOGGING[name]}\n".replace("CANARY", str(canary))
    assert Verdict.REFUSED in _verdicts(audited({**files(), path: text.encode()}), path)


def test_a_formatter_class_of_the_bundle_is_refused(audited):
    text = b"[formatter_a]\nclass=scripts.Formatter\n"
    assert Verdict.REFUSED in _verdicts(audited({**files(), "configs/logging.conf": text}), "configs/logging.conf")


def test_a_logging_file_that_cannot_be_read_is_refused(audited):
    assert Verdict.REFUSED in _verdicts(audited({**files(), "configs/logging.conf": b"a"}), "configs/logging.conf")
