"""Where a base model lies, and how it is to be loaded: the model's own folder, or a pointer to it."""

import json
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from harness.errors import BadInput
from harness.models.hub import locate

POINTER = "model.json"

Dtype = Literal["fp32", "bf16"]
Attention = Literal["sdpa", "eager", "flash_attention_2"]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Source:
    """A model and how to load it; this is what `model.json` holds.

    `name` is a hub id or a folder; None where the model lies beside `model.json`. `revision` is a commit of
    the hub (40 hex digits). `dtype` is that of the weights for sampling and scoring; a training has its own
    precision. `attention` None leaves it to transformers. `template` takes the place of the tokenizer's chat
    template.
    """

    name: str | None = None
    revision: str | None = None
    dtype: Dtype = "fp32"
    attention: Attention | None = None
    trust_remote_code: bool = False
    template: str | None = None


def write_source(folder: Path, source: Source) -> None:
    """Write `model.json`, which makes a folder without weights stand for the model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / POINTER).write_text(json.dumps(asdict(source), indent=2) + "\n")


def read_source(base: Path) -> Source:
    """How the model of a folder is to be loaded; the defaults where the folder does not say.

    Raises:
        BadInput: `base` is neither a model nor a pointer to one.
    """
    pointer, whole = base / POINTER, (base / "config.json").is_file()
    if not pointer.is_file():
        if whole:
            return Source()
        raise BadInput(f"{base}: holds no model (no config.json). Give the folder of a saved causal LM.")
    try:
        source = Source(**json.loads(pointer.read_text()))
    except (ValueError, TypeError) as error:
        raise BadInput(f"{pointer}: is no description of a model: {error}.") from error
    for key, value, known in (
        ("dtype", source.dtype, get_args(Dtype)),
        ("attention", source.attention, get_args(Attention)),
    ):
        if value is not None and value not in known:
            raise BadInput(f"{pointer}: {key} must be one of {', '.join(known)}. Got {value!r}.")
    return replace(source, name=None) if whole else source


def resolve(base: Path) -> tuple[Path, Source]:
    """The folder that holds a base model's files, and how to load them.

    Raises:
        BadInput: there is no such model here, or this machine lacks what its attention needs.
    """
    source = read_source(base)
    if source.attention == "flash_attention_2" and not (
        torch.cuda.is_available() and find_spec("flash_attn") is not None
    ):
        raise BadInput(
            "model.attention: 'flash_attention_2' needs a CUDA GPU and the package flash-attn, and one of "
            "them is missing here. Use 'sdpa'."
        )
    if source.name is None:
        locate(str(base))  # for its weights' format
        return base, source
    return locate(source.name, source.revision), source


def code_options(source: Source) -> dict[str, Any]:
    """Arguments of every `from_pretrained`: nothing is fetched, and no code run that was not asked for."""
    return {"local_files_only": True, "trust_remote_code": source.trust_remote_code}
