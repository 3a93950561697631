"""Models of the Hugging Face hub: found in its cache, fetched on request, and pushed on request only."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from huggingface_hub import HfApi, constants, get_token, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from harness.errors import BadInput

_READ = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "*.py"]
"""What a model is loaded from; code is read only where `trust_remote_code` says so."""

_UNWANTED = ["original/*", "consolidated*", "onnx/*", "openvino/*"]
"""The same weights once more, in formats that are not read."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Access:
    """The hub's address, whether it may be asked and answers, and whether there is a token."""

    endpoint: str
    offline: bool
    answers: bool
    token: bool


def access() -> Access:
    """How the hub can be reached, by one HEAD request; never raises."""
    answers = not constants.HF_HUB_OFFLINE and _answers(constants.ENDPOINT)
    return Access(constants.ENDPOINT, constants.HF_HUB_OFFLINE, answers, get_token() is not None)


def _answers(address: str) -> bool:
    try:
        with urlopen(Request(address, method="HEAD"), timeout=3.0):
            return True
    except HTTPError:  # refused, but there
        return True
    except (OSError, ValueError):
        return False


def locate(name: str, revision: str | None = None) -> Path:
    """The folder of a model: `name` itself where that is a folder, else its place in the hub's cache.

    Nothing is fetched.

    Raises:
        BadInput: it is neither, or its weights are not safetensors, or not all of them are there.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = Path(_snapshot(name, revision, offline=True))
    weight_files(folder)
    return folder


def fetch(name: str, revision: str | None = None) -> Path:
    """Fetch a model into the hub's cache, unless it is there or `name` is a folder; what `locate` then gives.

    Raises:
        BadInput: the hub has no such model, or does not give it, or cannot be reached.
    """
    if not Path(name).expanduser().is_dir():
        _snapshot(name, revision, offline=False)
    return locate(name, revision)


def push(folder: Path, repository: str, api: HfApi | None = None) -> str:
    """Upload a folder to a repository of the hub, made (private) where there is none; its address.

    Never called but on a user's request. The token is the one that `hf auth login` has stored, or HF_TOKEN.

    Raises:
        BadInput: the hub refuses, or cannot be reached.
    """
    api = HfApi() if api is None else api
    try:
        address = api.create_repo(repository, private=True, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=folder, commit_message="Export from harness")
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise BadInput(
            f"push: the hub did not take '{repository}': {_first_line(error)} "
            "Check the name, the network and 'hf auth whoami'."
        ) from error
    return str(address)


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a model's weights, sorted.

    Raises:
        BadInput: there are none in safetensors, or one that the index names is missing.
    """
    index = folder / "model.safetensors.index.json"
    names = _indexed(index) if index.is_file() else ["model.safetensors"]
    files = [folder / name for name in names]
    missing = [file.name for file in files if not file.is_file()]
    if not missing:
        return files
    if index.is_file():
        raise BadInput(
            f"{folder}: {len(missing)} of {len(files)} weight files are missing, the first is {missing[0]}. "
            "Copy them there, or run 'harness prefetch' for a model of the hub."
        )
    others = sorted(file.name for pattern in ("*.bin", "*.pt", "*.pth") for file in folder.glob(pattern))
    raise BadInput(
        f"{folder}: holds no weights in safetensors"
        + (f", only {others[0]}, a format that can run code when it is read" if others else "")
        + ". Convert it with save_pretrained, or name a revision that has model.safetensors."
    )


def _indexed(index: Path) -> list[str]:
    try:
        return sorted(set(json.loads(index.read_text())["weight_map"].values()))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        raise BadInput(f"{index}: is no index of weight files. Fetch it again.") from None


def folder_digest(folder: Path) -> str:
    """The identity of a model in a folder: SHA-256 over the names and digests of the files it is loaded from.

    Raises:
        BadInput: as `weight_files`.
    """
    others = {file for pattern in _READ if pattern != "*.safetensors" for file in folder.glob(pattern)}
    files = sorted({*weight_files(folder), *others})
    return hashlib.sha256(json.dumps([(file.name, file_sha256(file)) for file in files]).encode()).hexdigest()


def file_sha256(file: Path) -> str:
    """The SHA-256 of a file's bytes, which the hub's cache has for the name of a large file already."""
    blob = file.resolve()
    if blob.parent.name == "blobs" and _SHA256.fullmatch(blob.name):
        return blob.name
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _snapshot(name: str, revision: str | None, offline: bool) -> str:
    what = f"model '{name}'" + (f" at revision {revision}" if revision else "")
    try:
        return snapshot_download(
            name,
            revision=revision,
            local_files_only=offline,
            allow_patterns=[*_READ, "README.md"],  # the card states the licence
            ignore_patterns=_UNWANTED,
        )
    except HFValidationError as error:
        raise BadInput(f"{what}: is neither a folder nor a name on the hub ('owner/name').") from error
    except LocalEntryNotFoundError as error:
        remedy = (
            "Run 'harness prefetch' on the recipe where the network is, or name the folder of a saved model."
            if offline
            else "Check the network, HF_ENDPOINT, and that HF_HUB_OFFLINE is not set."
        )
        where = "is not in the hub's cache" if offline else "cannot be fetched"
        raise BadInput(f"{what}: {where}. {remedy}") from error
    except GatedRepoError as error:
        raise BadInput(
            f"{what}: is gated. Accept its terms on its page, then run 'hf auth login'."
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise BadInput(
            f"{what}: the hub has no such model or revision, or hides it without a login."
        ) from error
    except HfHubHTTPError as error:
        raise BadInput(f"{what}: the hub answered: {_first_line(error)} Try again later.") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") + "."
