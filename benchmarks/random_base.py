"""A folder with a random model, its word-level tokenizer, and preference pairs in its words."""

from itertools import count, islice
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from benchmarks.shapes import Shape, config_of
from harness.data.rows import PreferencePair
from harness.models.quiet import quiet

SPECIAL = ("<pad>", "<bos>", "<eos>", "<user>", "<assistant>")
TEMPLATE_TOKENS = 3
CHAT_TEMPLATE = "{{ bos_token }} <user> {{ messages[0]['content'] }} <assistant>"


def save_random_base(shape: Shape, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Random weights, and a tokenizer that has the word wN for every token that is not special."""
    words = [*SPECIAL, *(f"w{number}" for number in range(shape.vocabulary - len(SPECIAL)))]
    tokenizer = Tokenizer(WordLevel({word: at for at, word in enumerate(words)}, "<pad>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    torch.manual_seed(0)
    with quiet():
        AutoModelForCausalLM.from_config(config_of(shape), dtype=dtype).save_pretrained(folder)
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            pad_token="<pad>",
            bos_token="<bos>",
            eos_token="<eos>",
            additional_special_tokens=["<user>", "<assistant>"],
            chat_template=CHAT_TEMPLATE,
        ).save_pretrained(folder)


def word_pairs(shape: Shape, prompts: int, responses: int, pairs: int) -> list[PreferencePair]:
    """So many pairs for each prompt, of the shape's tokens, that use all its responses."""
    draw = np.random.default_rng(0)

    def text(length: int) -> str:
        return " ".join(f"w{number}" for number in draw.integers(0, shape.vocabulary - len(SPECIAL), length))

    found = []
    for name in range(prompts):
        prompt = text(shape.prompt - TEMPLATE_TOKENS)
        texts = [text(shape.response - 1) for _ in range(responses)]  # and the end of sequence
        found += [
            PreferencePair(str(name), prompt, texts[w], texts[r], w, r, True, True, gap=1.0)
            for w, r in response_pairs(responses, pairs)
        ]
    return found


def response_pairs(responses: int, pairs: int) -> list[tuple[int, int]]:
    """Distinct pairs that use all responses: each with the next, then with the next but one, ..."""
    apart = ((at, (at + step) % responses) for step in count(1) for at in range(responses))
    return list(islice(apart, pairs))
