"""A trained policy as others take it: PEFT's format or a whole model, with a model card."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME

from harness.errors import BadInput
from harness.models.chat import template_hash
from harness.models.load import load_policy, load_tokenizer
from harness.models.quiet import quiet
from harness.models.save import save_model
from harness.models.source import Source, read_source


@dataclass(frozen=True)
class Card:
    """What a model card states.

    `method` and `training` are the tables as declared, after defaults. `data` says where prompts, responses
    and scores come from. `score` is the method's line on the leaderboard, "" where there is none; `licence`
    that of the base model, "" where it is not known. `version` is the harness's.
    """

    recipe: str
    name: str
    method: Mapping[str, Any]
    training: Mapping[str, Any]
    data: str
    version: str
    score: str = ""
    licence: str = ""


def export_policy(base: Path, trained: Path, out: Path, card: Card) -> list[str]:
    """Write what a training made, with its tokenizer and card, into `out`; the names of its files.

    An adapter stays one, and names its base by hub id and revision, or by folder. A whole model is written
    instead where training made one, and where the base is one that a recipe makes itself.

    Args:
        base: folder of the base model, or of a pointer to it.
        trained: folder of what a training wrote.
        out: folder to fill; must be empty or absent.
        card: what README.md states.

    Raises:
        BadInput: `out` is not empty, or `trained` holds no trained weights.
    """
    if out.exists() and any(out.iterdir()):
        raise BadInput(f"{out}: is not empty. Export into a new folder.")
    adapter, whole = (trained / CONFIG_NAME).is_file(), (trained / "config.json").is_file()
    if not adapter and not whole:
        raise BadInput(f"{trained}: holds no trained weights, so there is nothing to export.")
    source, tokenizer = read_source(base), load_tokenizer(base)
    adapter = adapter and not whole and source.name is not None
    if adapter:
        _write_adapter(source, trained, out)
        with quiet():
            tokenizer.save_pretrained(out)
    else:
        save_model(load_policy(base, trained).model, tokenizer, out)
    (out / "README.md").write_text(card_text(card, source, template_hash(tokenizer), adapter))
    return sorted(path.name for path in out.iterdir())


def _write_adapter(source: Source, trained: Path, out: Path) -> None:
    """The adapter as it is, but that its config names the base."""
    out.mkdir(parents=True, exist_ok=True)
    config = json.loads((trained / CONFIG_NAME).read_text())
    config |= {"base_model_name_or_path": source.name, "revision": source.revision}
    (out / CONFIG_NAME).write_text(json.dumps(config, indent=2) + "\n")
    shutil.copyfile(trained / SAFETENSORS_WEIGHTS_NAME, out / SAFETENSORS_WEIGHTS_NAME)


def card_text(card: Card, source: Source, template: str, adapter: bool) -> str:
    """The model card: front matter as the hub reads it, and what was declared."""
    on_hub = source.name is not None and not Path(source.name).is_dir()
    front = {
        "base_model": source.name if on_hub else "",
        "library_name": "peft" if adapter else "transformers",
        "pipeline_tag": "text-generation",
        "license": card.licence,
        "tags": ["preference-optimization", "harness"],
    }
    base = f"`{source.name}`" if source.name else "made by the recipe itself"
    base += f" at revision `{source.revision}`" if source.revision else ""
    licence = card.licence or "not known; look it up before you use or share this"
    return f"""---
{"".join(f"{key}: {json.dumps(value)}" + chr(10) for key, value in front.items() if value)}---

# {card.name}

The method `{card.name}` of the recipe "{card.recipe}", trained by harness {card.version}.

- Base model: {base}
- Its licence: {licence}. It holds for this model, too.
- Data: {card.data}
- Chat template: {template} (SHA-256, first 16 digits); it is the one in this folder's tokenizer.
- Result: {card.score or "not evaluated"}

## Method, as declared

```json
{json.dumps(card.method, indent=2)}
```

## Training

```json
{json.dumps(card.training, indent=2)}
```
"""
