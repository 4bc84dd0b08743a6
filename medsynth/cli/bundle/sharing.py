"""``medsynth bundle get`` and ``push``: the commands that reach other hosts."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsynth.base.errors import InputError
from medsynth.cli.bundle.checks import show_audit
from medsynth.cli.common.foreign import Trust
from medsynth.cli.common.shared import BundlePath, Json, answer, errors, friendly, say_json

if TYPE_CHECKING:
    from medsynth.bundle.fetching.addresses import Address
    from medsynth.data.pseudonyms import Pseudonyms

_HUB = "https://huggingface.co"
_TO_HUB = "hf:"
Endpoint = Annotated[
    str, typer.Option(envvar="HF_ENDPOINT", metavar="URL", help="Address of the hub that OWNER/NAME is looked for on.")
]


@friendly
def get_command(
    place: Annotated[
        str,
        typer.Argument(
            metavar="URL|OWNER/NAME",
            help="Address of a zip file, of a folder (with / at its end), or a repository of the Hugging Face hub.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder that receives the bundle.")] = Path(),
    sha256: Annotated[
        str,
        typer.Option(metavar="HASH", help="The published hash, of the manifest or the zip file: refuse any other."),
    ] = "",
    trust: Trust = False,
    audit: Annotated[
        bool, typer.Option("--audit", help="Show what `medsynth bundle audit` says of it instead, and keep nothing.")
    ] = False,
    revision: Annotated[str, typer.Option(help="Branch, tag or commit of a repository of the hub.")] = "main",
    endpoint: Endpoint = _HUB,
    as_json: Json = False,
) -> None:
    """Fetch a bundle from another host, and keep it only if it is intact and the audit allows it.

    Opens connections to the host that is named (for OWNER/NAME: the hub), to https hosts that it redirects to, and to
    no other; HF_TOKEN is sent to the hub alone. Nothing is executed. Until hashes and audit are done, the bundle lies
    in a hidden folder beside its place, which vanishes if anything is wrong.

    Exit codes: 0 it is there, 2 it is not: not found, another hash, not intact, or the audit objects; 1 the connection
    or the disk failed. With --audit as `medsynth bundle audit`.
    """
    from medsynth.base.progress import watch
    from medsynth.base.stopping import end_on_signals
    from medsynth.bundle.fetching.addresses import address_of
    from medsynth.bundle.fetching.landing import check_digest, fetch_bundle

    token, digest = os.environ.get("HF_TOKEN", ""), check_digest(sha256)
    address = address_of(place, endpoint=endpoint, revision=revision, token=token)
    with end_on_signals("stopped on request; nothing was kept", "Give the same command to start again."):
        if audit:
            _look(address, digest, as_json=as_json)
        fetched = fetch_bundle(address, out, sha256=digest, trust=trust, watch=watch(errors))
    content = {
        "bundle": str(fetched.folder),
        "sha256": fetched.digest,
        "archive": fetched.archive,
        "audit": str(fetched.audit.verdict),
    }
    pin = () if digest else (f"next time add: --sha256 {fetched.digest}",)
    shown = f"audit   {fetched.audit.verdict}", f"sha256  {fetched.digest}", f"bundle  {fetched.folder}", *pin
    answer(as_json, content, *shown)


def _look(address: Address, digest: str, *, as_json: bool) -> None:
    """Show the audit, and end the command."""
    from medsynth.base.progress import watch
    from medsynth.bundle.fetching.landing import look_at

    found = look_at(address, sha256=digest, watch=watch(errors))
    if as_json:
        say_json(found.as_dict())
    else:
        show_audit(found)
    raise typer.Exit(found.verdict.exit_code)


@friendly
def push_command(
    bundle: BundlePath,
    to: Annotated[
        str,
        typer.Argument(
            metavar="DIR|hf:OWNER/NAME", help="New folder, or repository of the Hugging Face hub.", show_default=False
        ),
    ],
    *,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="MANIFEST",
            help="Refuse if it names an image, patient or center of this table; of a run, its own is used.",
            show_default=False,
        ),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="A repository that is made is open to everybody, else to its owner only.")
    ] = False,
    endpoint: Endpoint = _HUB,
    as_json: Json = False,
) -> None:
    """Lay a bundle out as the Hugging Face hub has it, in a folder or on the hub, if it is intact and names nobody.

    README.md is its model card with the YAML that the hub reads. A folder can be uploaded as it is, or put on any web
    server for `medsynth bundle get`.

    With hf: it opens connections to the hub, and needs the package huggingface_hub (`pip install
    "medsynth-monai[hub]"`) and a login (`hf auth login`, or HF_TOKEN). Files of the repository that the bundle does not
    have are deleted; its history keeps them.
    """
    from medsynth.bundle.publishing.hub_folder import write_hub_folder

    names = _names(bundle, data)
    if not to.startswith(_TO_HUB):
        digest = write_hub_folder(bundle, Path(to), names=names)
        answer(as_json, {"folder": to, "sha256": digest}, f"sha256  {digest}", f"folder  {to}")
        return
    from medsynth.bundle.publishing.hub_upload import require_hub, upload_folder

    require_hub()
    repository = to.removeprefix(_TO_HUB)
    with tempfile.TemporaryDirectory(prefix="medsynth-") as work:
        folder = Path(work) / "bundle"
        digest = write_hub_folder(bundle, folder, names=names)
        message = f"medsynth bundle, sha256 {digest}"
        url = upload_folder(folder, repository, endpoint=endpoint, public=public, message=message)
    fetch = f"medsynth bundle get {repository} --sha256 {digest}"
    content = {"repository": repository, "sha256": digest, "commit": url}
    answer(as_json, content, f"sha256  {digest}", f"commit  {url}", f"fetch it with: {fetch}")


def _names(bundle: Path, data: Path | None) -> Pseudonyms | None:
    """Return the names that the bundle must not hold, if anything tells them; the phantom is nobody."""
    from medsynth.bundle.publishing.identities import known_names

    run = bundle.parent
    if data is not None:
        return known_names(data)
    own = run / "data/manifest.csv"
    if bundle.name != "bundle" or not (run / "run.json").is_file() or (run / "data/phantom").is_dir():
        return None
    if not own.is_file():
        raise InputError(
            f"{own} is missing, so that nothing tells whose names to look for", hint="Give it with --data."
        )
    return known_names(own)
