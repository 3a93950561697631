"""A small Llama with random weights that reads and writes any text: proves a path without a download."""

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from harness.models.quiet import quiet

PAD, BOS, EOS = "<|pad|>", "<|bos|>", "<|eos|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


@dataclass(frozen=True)
class Shape:
    """The shape of a small Llama, and the seed of its weights; head size is `hidden` / `heads`, and even."""

    hidden: int = 64
    layers: int = 2
    heads: int = 4
    intermediate: int = 128
    seed: int = 0


def make_random_model(folder: Path, shape: Shape, max_length: int = 4096) -> None:
    """Write a model and its tokenizer into `folder`, to be loaded as any other; same settings, same bytes.

    A token is a byte of UTF-8 (256) or one of six special tokens. What the model writes means nothing.
    """
    tokenizer = byte_tokenizer(max_length)
    with quiet():
        random_llama(tokenizer, shape).save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def byte_tokenizer(max_length: int) -> PreTrainedTokenizerFast:
    """Each byte of UTF-8 is a token, after the special ones; no text is unknown to it."""
    special = [PAD, BOS, EOS, *ROLES]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    model = Tokenizer(BPE({token: index for index, token in enumerate([*special, *alphabet])}, []))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    model.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=model,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        additional_special_tokens=list(ROLES),
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=max_length,
    )


def random_llama(tokenizer: PreTrainedTokenizerFast, shape: Shape) -> LlamaForCausalLM:
    """A Llama with random weights for a tokenizer; the global random state is left as it was."""
    special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=tokenizer.model_max_length,
        tie_word_embeddings=True,
        initializer_range=0.05,  # nearer to 1 / sqrt(hidden) than the usual 0.02, and learns facts sooner
        **special,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(shape.seed)
        model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(**special)
    return model
