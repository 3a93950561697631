"""The token lint, on templates in the manner of well-known families and on ones broken by hand."""

import copy

import pytest
from templates import (
    CHATML,
    GEMMA,
    HIDDEN_THINKING,
    LLAMA_2,
    LLAMA_3,
    LLAMA_3_2,
    MISTRAL,
    QWEN,
    THINKING,
    tokenizer_with,
)
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from harness.errors import BadInput
from harness.models.chat import Example, template_hash
from harness.models.lint import Lint, lint
from harness.models.load import Policy
from harness.models.random_model import byte_tokenizer
from harness.world.facts import make_world
from harness.world.tokenizer import make_tokenizer

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Hi"}
ANSWER = {"role": "assistant", "content": "Hello"}
PLAIN = [Example("a", "Hi", "Hello"), Example("b", [USER, ANSWER, USER], "Yes")]


def checked(template: str, *examples: Example) -> Lint:
    return lint(tokenizer_with(template), examples or PLAIN)


def findings(found: Lint) -> tuple[str, ...]:
    return found.errors + found.warnings


@pytest.mark.parametrize(
    ("template", "end"), [(CHATML, "<|im_end|>"), (LLAMA_3, "<|eot_id|>"), (GEMMA, "<end_of_turn>")]
)
def test_sound_templates_have_no_findings(template: str, end: str) -> None:
    tokenizer = tokenizer_with(template)
    assert lint(tokenizer, PLAIN) == Lint((), (), template_hash(tokenizer), end)


def test_the_random_model_and_the_atlas_have_no_findings() -> None:
    system = Example("s", [SYSTEM, USER], "Hello")
    assert findings(lint(byte_tokenizer(64), [*PLAIN, system])) == ()
    assert findings(lint(make_tokenizer(make_world(0)), PLAIN)) == ()


def test_a_template_without_an_end_of_turn_is_a_warning(tiny_policy: Policy) -> None:
    """The tiny model's writes neither an end nor an assistant's mark but for the generation prompt."""
    found = lint(tiny_policy.tokenizer, [Example("a", "w1", "w2")])
    assert found.errors == (
        "prompt 'a': the generation prompt is not how the template begins an answer: 'assistant>' where that "
        "has 'user> w2'. Set model.template to one that begins both alike.",
    )
    assert found.warnings == (
        "chat template: writes no end-of-turn token; <eos> stands for it in training and sampling.",
    )


@pytest.mark.parametrize(
    ("template", "example", "reason"),
    [
        (GEMMA, Example("s", [SYSTEM, USER], "Hello"), "System role not supported"),
        (GEMMA, Example("t", [USER, USER], "Hello"), "Conversation roles must alternate"),
    ],
)
def test_a_refused_conversation_is_an_error(template: str, example: Example, reason: str) -> None:
    found = checked(template, *PLAIN, example)
    (error,) = found.errors
    assert error.startswith(f"prompt '{example.prompt_id}': the template refuses the conversation: {reason}")
    assert error.endswith("or set model.template to one that takes them.")


def test_a_turn_that_is_left_out_is_an_error() -> None:
    found = checked(MISTRAL, Example("s", [SYSTEM, USER], "Hello"))
    assert "prompt 's': the template leaves out, or changes, a turn of the system's." in found.errors[0]


def test_todays_date_is_an_error_and_a_fixed_one_is_not() -> None:
    (error,) = checked(LLAMA_3_2).errors
    assert error.startswith("prompt 'a' and 1 more: the template writes today's date")
    fixed = LLAMA_3_2.replace("strftime_now('%d %b %Y')", "'26 Jul 2024'")
    assert checked(fixed).errors == ()


def test_a_second_bos_is_an_error() -> None:
    doubled = checked("{{ bos_token }}" + LLAMA_3)
    assert doubled.errors == (
        "prompt 'a' and 1 more: the rendered prompt holds <|bos|> 2 times. Have the template write it once, "
        "at the start, and the data not at all.",
    )
    in_the_text = checked(LLAMA_3, Example("x", "<|bos|>Hi", "Hello"))
    assert "holds <|bos|> 2 times" in in_the_text.errors[0]


def test_a_missing_bos_is_a_warning_where_plain_text_has_one() -> None:
    tokenizer = tokenizer_with(CHATML)
    assert lint(tokenizer, PLAIN).warnings == ()
    tokenizer._tokenizer.post_processor = TemplateProcessing(
        single="<|bos|> $A", pair="<|bos|> $A $B", special_tokens=[("<|bos|>", tokenizer.bos_token_id)]
    )
    assert tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
    assert "begins plain text with <|bos|>, and the template does not" in lint(tokenizer, PLAIN).warnings[0]
    tokenizer.chat_template = LLAMA_3
    assert findings(lint(tokenizer, PLAIN)) == ()


def test_an_end_of_turn_inside_a_response_is_an_error() -> None:
    (error,) = checked(CHATML, Example("x", "Hi", "Hello<|im_end|>")).errors
    wanted = "end in one <|im_end|>, and holds 2"
    assert error.startswith(f"prompt 'x': the trained response must {wanted}. Cut it out")


def test_other_marks_in_a_response_are_errors_and_in_a_prompt_warnings() -> None:
    found = checked(CHATML, Example("x", "Hi <|eot_id|>", "Hello <|im_start|>user"))
    assert found.errors == ("prompt 'x': the response's text holds <|im_start|>. Cut it out of the data.",)
    assert found.warnings == (
        "prompt 'x': a turn's text holds <|eot_id|>, which the model reads as a mark. Clean the data.",
    )


def test_a_generation_prompt_of_its_own_is_an_error() -> None:
    (error,) = checked(THINKING, PLAIN[0]).errors
    assert "begins an answer: '<think>\\n' where that has 'Hello<|im_end|>\\n'." in error


def test_a_response_that_is_changed_is_an_error() -> None:
    (error,) = checked(CHATML.replace("+ m['content'] +", "+ m['content'] | upper +"), PLAIN[0]).errors[1:]
    assert error == (
        "prompt 'a': the template changes the response's text. Set model.template to one that does not."
    )


def test_what_is_written_before_an_answer_is_a_warning() -> None:
    (warning,) = checked(HIDDEN_THINKING, PLAIN[0]).warnings
    assert "the template writes '<think>\\n\\n</think>\\n\\n' before an answer that is given" in warning
    assert checked(MISTRAL, PLAIN[0]).errors == ()
    (warning,) = checked(MISTRAL, PLAIN[0]).warnings
    assert "the template writes ' ' before an answer that is given" in warning


def test_what_is_written_after_an_answer_is_a_warning() -> None:
    assert checked(LLAMA_2, PLAIN[0]).warnings[0] == (
        "chat template: writes ' ' between an answer and <|eos|>; trained rows do not."
    )


def test_words_of_the_template_are_a_warning() -> None:
    assert checked(QWEN).warnings == (
        "prompt 'a' and 1 more: the template adds words of its own: 'You are Qwen created by Alibaba Cloud "
        "You are a helpful'. Nothing is wrong if they are wanted; else give a system turn, or set "
        "model.template.",
    )
    assert checked(QWEN, Example("s", [SYSTEM, USER], "Hello")).warnings == ()


@pytest.mark.parametrize("example", [Example("x", " Hi", "Hello"), Example("x", "Hi", "Hello\n")])
def test_stripped_blanks_are_a_warning(example: Example) -> None:
    assert checked(LLAMA_3, example).warnings == (
        "prompt 'x': the template strips blanks that the data has; trained responses keep theirs. "
        "Strip the data.",
    )
    assert checked(CHATML, example).warnings == ()


def test_padding_with_the_end_is_a_warning() -> None:
    tokenizer = tokenizer_with(CHATML)
    tokenizer.pad_token = "<|im_end|>"
    (warning,) = lint(tokenizer, PLAIN).warnings
    assert warning.startswith("tokenizer: pads with <|im_end|>, which ends a turn.")


def test_tokens_across_the_boundary_are_a_warning() -> None:
    """Two line breaks that meet are one token; the template ends in one, and the response begins with one."""
    alphabet = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "ĊĊ"]
    model = Tokenizer(BPE({token: at for at, token in enumerate(alphabet)}, [("Ċ", "Ċ")]))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=model, eos_token="<|im_end|>", pad_token="<|pad|>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    tokenizer.chat_template = CHATML
    assert findings(lint(tokenizer, PLAIN)) == ()
    (warning,) = lint(tokenizer, [Example("x", "Hi", "\nHello")]).warnings
    assert warning.startswith("prompt 'x': prompt and response tokenised together give other tokens")


def test_a_tokenizer_without_a_template_is_refused() -> None:
    bare = copy.deepcopy(tokenizer_with(CHATML))
    bare.chat_template = None
    with pytest.raises(BadInput, match="has no chat template"):
        lint(bare, PLAIN)
