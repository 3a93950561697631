"""Embeddings by a sentence-transformers model: a tiny random BERT, against the plain way."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_encoder import LIMIT, make_encoder
from transformers import BertModel

from harness.errors import BadInput
from harness.models import sentence_transformer
from harness.models.sentence_transformer import embed_with_sentence_transformer

TEXTS = ["w1 w2 w3", "w4", "w5 w6 w7 w8 w9 w1 w2 w3 w4 w5", ""]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("sentences"))


@pytest.mark.parametrize("batch_size", [1, 64])
def test_a_text_is_the_unit_mean_of_its_tokens_states(encoder: Path, batch_size: int) -> None:
    found = embed_with_sentence_transformer(str(encoder), None, TEXTS[:3], batch_size)
    assert found.vectors.shape == (3, 16)
    assert found.vectors.dtype == np.float32
    model = BertModel.from_pretrained(encoder, local_files_only=True).eval()
    for row, text in zip(found.vectors, TEXTS, strict=False):
        ids = torch.tensor([[int(word[1:]) + 2 for word in text.split()][:LIMIT]])
        mean = model(ids).last_hidden_state[0].mean(0).detach().numpy()
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), rtol=1e-4, atol=1e-5)
    assert found.tokens == 3 + 1 + LIMIT
    assert found.padding == (0 if batch_size == 1 else 3 * LIMIT - found.tokens)
    assert found.parameters == sum(weight.numel() for weight in model.parameters())


def test_a_model_that_is_not_here_is_refused(tmp_path: Path, tiny_base: Path) -> None:
    with pytest.raises(BadInput, match=r"model 'someone/none': is not in the hub's cache"):
        embed_with_sentence_transformer("someone/none", None, TEXTS)
    with pytest.raises(BadInput, match="holds no weights in safetensors"):
        embed_with_sentence_transformer(str(tmp_path), None, TEXTS)


def test_a_missing_package_is_one_sentence(encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentence_transformer, "find_spec", lambda _: None)
    with pytest.raises(BadInput, match=r"needs the extra 'embeddings'\. Run: pip install"):
        embed_with_sentence_transformer(str(encoder), None, TEXTS)
