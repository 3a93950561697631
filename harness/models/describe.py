"""What a base model is, without loading its weights."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.models.chat import template_hash
from harness.models.hub import file_sha256, folder_digest, weight_files
from harness.models.load import hollow_model, load_tokenizer
from harness.models.source import resolve


@dataclass(frozen=True)
class Description:
    """Facts of a base model.

    `parameters` counts tied weights once. `template` is the hash of the chat template in use, which the
    source may have overridden. `weights` is the SHA-256 of each weight file by name, `bytes` their size.
    `digest` stands for all files that a model is loaded from (`hub.folder_digest`). `commit` is the hub's,
    None for a local folder. `licence` is what the model card states, "" where it does not.
    """

    architecture: str
    parameters: int
    template: str
    weights: Mapping[str, str]
    bytes: int
    digest: str
    commit: str | None
    licence: str


def describe_model(base: Path) -> Description:
    """Describe the model that a folder holds or points to.

    Raises:
        BadInput: as `load_policy`.
    """
    folder, source = resolve(base)
    model, files = hollow_model(folder, source.trust_remote_code), weight_files(folder)
    return Description(
        architecture=type(model).__name__,
        parameters=int(model.num_parameters()),
        template=template_hash(load_tokenizer(base)),
        weights={file.name: file_sha256(file) for file in files},
        bytes=sum(file.stat().st_size for file in files),
        digest=folder_digest(folder),
        commit=folder.name if folder.parent.name == "snapshots" else None,
        licence=_licence(folder),
    )


def _licence(folder: Path) -> str:
    card = folder / "README.md"
    if not card.is_file():
        return ""
    front = card.read_text(errors="replace").partition("\n---")[0]
    found = re.search(r"^license(?:_name)?:\s*([^\s#]+)\s*$", front, re.MULTILINE)
    return found.group(1) if found else ""
