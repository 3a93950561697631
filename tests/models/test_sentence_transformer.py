"""Embeddings by a sentence-transformers model: a tiny random BERT, against the plain way."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from harness.errors import BadInput
from harness.models import sentence_transformer
from harness.models.quiet import quiet
from harness.models.sentence_transformer import embed_with_sentence_transformer

TEXTS = ["w1 w2 w3", "w4", "w5 w6 w7 w8 w9 w1 w2 w3 w4 w5", ""]
LIMIT = 8


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hidden 16, one layer; mean pooling, at most 8 tokens, unit length."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    plain, folder = tmp_path_factory.mktemp("bert"), tmp_path_factory.mktemp("sentences")
    words = Tokenizer(WordLevel({"[PAD]": 0, "[UNK]": 1} | {f"w{n}": n + 2 for n in range(10)}, "[UNK]"))
    words.pre_tokenizer = WhitespaceSplit()
    config = BertConfig(
        vocab_size=12, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    torch.manual_seed(0)
    with quiet():
        BertModel(config).save_pretrained(plain)
        PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(
            plain
        )
        reader = Transformer(str(plain), max_seq_length=LIMIT)
        modules = [reader, Pooling(16, pooling_mode="mean"), Normalize()]
        SentenceTransformer(modules=modules, device="cpu").save(str(folder))
    return folder


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
