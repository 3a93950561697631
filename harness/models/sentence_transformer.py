"""Embeddings by a sentence-transformers model: the only door to that package, which is an extra."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from harness.errors import BadInput
from harness.models.batching import batches, windows
from harness.models.hub import locate
from harness.models.quiet import quiet


class SentenceEmbeddings(NamedTuple):
    """One row for each text: float32 [texts, dimension]; tokens read, pads beside them; the model's size."""

    vectors: NDArray[np.float32]
    tokens: int
    padding: int
    parameters: int


def embed_with_sentence_transformer(
    name: str,
    revision: str | None,
    texts: Sequence[str],
    batch_size: int = 64,
) -> SentenceEmbeddings:
    """Embed texts as the model does by itself: with its own pooling, prompt and normalisation.

    Texts longer than the model takes are cut by it. Nothing is fetched.

    Args:
        name: hub id, in the hub's cache, or folder of a saved model.
        revision: commit on the hub.
        texts: what to embed.
        batch_size: of the forward pass.

    Raises:
        BadInput: the package is not installed, or there is no such model here.
    """
    if find_spec("sentence_transformers") is None:
        raise BadInput(
            "features.embedding: a sentence-transformers model needs the extra 'embeddings'. "
            "Run: pip install 'harness[embeddings]'."
        )
    from sentence_transformers import SentenceTransformer

    folder = locate(name, revision)
    with quiet():
        try:
            model = SentenceTransformer(
                str(folder),
                device="cuda" if torch.cuda.is_available() else "cpu",
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True, "dtype": torch.float32},
            )
        except (OSError, ValueError, ImportError) as error:
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            raise BadInput(f"{folder}: is no sentence-transformers model: {reason}.") from error
        vectors = [
            model.encode(list(texts[first:last]), batch_size=batch_size, show_progress_bar=False)
            for first, last in windows(len(texts))
        ]
        masks = [  # longest text first, as the package itself batches them
            model.preprocess([texts[at] for at in picked])["attention_mask"]
            for picked in batches([len(text) for text in texts], batch_size)
        ]
    tokens = sum(int(mask.sum()) for mask in masks)
    pads = sum(mask.numel() for mask in masks) - tokens
    parameters = sum(weight.numel() for weight in model.parameters())
    none = np.empty((0, model.get_embedding_dimension() or 0), np.float32)
    return SentenceEmbeddings(np.concatenate([none, *vectors]), tokens, pads, parameters)
