"""The Atlas world's tokenizer: one word is one token, and a chat template like that of any chat model."""

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast

from harness.world.answers import DONT_KNOW, FILLERS, FORM_WORDS
from harness.world.facts import World
from harness.world.lexicon import VALUES
from harness.world.prompts import held_out_half, training_half

PAD, BOS, EOS, UNKNOWN, USER, ASSISTANT = "<pad>", "<bos>", "<eos>", "<unk>", "<user>", "<assistant>"

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ ' <user> ' + message['content'] }}"
    "{% else %}{{ ' <assistant> ' + message['content'] + ' ' + eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ ' <assistant>' }}{% endif %}"
)
"""Writes the special tokens itself, so the tokenizer adds none: one BOS however a prompt is tokenised."""

MAX_LENGTH = 128
"""Longest row in tokens: the longest prompt and a response of twice the usual limit fit."""


def vocabulary(world: World) -> list[str]:
    """All words of the world, sorted, after the special tokens; a word's place is its token id."""
    texts = [prompt.text for prompt in training_half(world) + held_out_half(world)]
    texts += [DONT_KNOW, FORM_WORDS, *FILLERS, *VALUES, *(" ".join(values) for values in VALUES.values())]
    words = {word for text in texts for word in text.split()}
    return [PAD, BOS, EOS, UNKNOWN, USER, ASSISTANT, *sorted(words)]


def make_tokenizer(world: World) -> PreTrainedTokenizerFast:
    """A word-level tokenizer for one world, to be saved beside its model."""
    ids = {word: index for index, word in enumerate(vocabulary(world))}
    words = Tokenizer(WordLevel(ids, unk_token=UNKNOWN))
    words.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,  # a full stop is a word of its own, and stays one
        model_max_length=MAX_LENGTH,
    )
