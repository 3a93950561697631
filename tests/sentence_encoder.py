"""A tiny random sentence-transformers model over the words w0 to w9."""

from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from harness.models.quiet import quiet

LIMIT = 8


def make_encoder(folder: Path) -> Path:
    """Hidden 16, one layer; mean pooling, at most LIMIT tokens, unit length."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    plain = folder / "bert"
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
        SentenceTransformer(modules=modules, device="cpu").save(str(folder / "encoder"))
    return folder / "encoder"
