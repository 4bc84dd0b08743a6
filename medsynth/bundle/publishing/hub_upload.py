"""The upload of a folder to the Hugging Face hub, by its own package, which is an extra."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from medsynth.base.errors import InputError, MedsynthError, RunError
from medsynth.bundle.audit.rules.findings import shown

_NOT_ALLOWED = (401, 403)


def require_hub() -> Any:
    """Return the package huggingface_hub.

    Raises:
        InputError: it is not installed; the hint has the command.
    """
    try:
        return importlib.import_module("huggingface_hub")
    except ModuleNotFoundError as error:
        hint = 'Install it with: pip install "medsynth-monai[hub]" . Or push to a folder, and upload that.'
        raise InputError("to push to the hub, huggingface_hub is needed, which is not installed", hint=hint) from error


def upload_folder(folder: Path, repository: str, *, endpoint: str, public: bool, message: str) -> str:
    """Make a repository hold this folder and nothing else; return the address of what was committed.

    Who uploads is told by the package: HF_TOKEN, or what `hf auth login` has stored.

    Args:
        folder: to be uploaded.
        repository: ``owner/name``; made if it is not there.
        endpoint: address of the hub.
        public: a new repository can be seen by everybody, else only by its owner; one that is there stays what it is.
        message: of the commit.

    Raises:
        InputError: huggingface_hub is not installed, or the hub does not let you in.
        RunError: the upload failed; the repository holds what it held.
    """
    hub = require_hub()
    api = hub.HfApi(endpoint=endpoint, library_name="medsynth")
    try:
        api.create_repo(repository, repo_type="model", private=not public, exist_ok=True)
        done = api.upload_folder(
            repo_id=repository,
            repo_type="model",
            folder_path=folder,
            commit_message=message,
            delete_patterns="*",
        )
    except Exception as error:  # of its own and of what it asks the network with
        raise _explained(error, repository, endpoint) from error
    return str(getattr(done, "commit_url", done))


def _explained(error: Exception, repository: str, endpoint: str) -> MedsynthError:
    status = getattr(getattr(error, "response", None), "status_code", 0)
    why = shown(str(error).strip().partition("\n")[0], 300) or type(error).__name__
    message = f"hf:{repository} could not be pushed to {endpoint}: {why}"
    if status in _NOT_ALLOWED or "token" in type(error).__name__.lower():
        return InputError(message, hint="Log in with: hf auth login . Or set HF_TOKEN to a token that may write there.")
    if isinstance(error, ValueError) and not status:
        return InputError(message, hint="Give hf:OWNER/NAME.")
    return RunError(message, hint="The repository holds what it held. Try again, or push to a folder and upload that.")
