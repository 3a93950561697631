"""The reward model judge on a tiny random classifier: batches, padding, truncation, refusals."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from tiny_classifier import make_classifier
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from harness.data.rows import Prompt
from harness.errors import BadInput
from harness.judges.base import Answer, Contest
from harness.judges.reward_model import RewardModel, RewardModelJudge
from harness.models.quiet import quiet

TURNS = [{"role": "user", "content": "w9 w9"}, {"role": "assistant", "content": "w8"}]
PROMPTS = [Prompt("a", "w1 w2 w3"), Prompt("b", "w4"), Prompt("c", "w5 w6", history=TURNS)]
ANSWERS = [
    Answer(prompt, text)
    for prompt in PROMPTS
    for text in ("w1", "w2 w3 w4 w5 w6 w7", "", "w1 <eos>", "<pad> w3", "w10 w11 w12")
]


def judge_in(folder: Path, max_length: int = 4096, batch_size: int = 4) -> RewardModelJudge:
    table = RewardModel(str(folder), precision=torch.float32, max_length=max_length, batch_size=batch_size)
    return RewardModelJudge(table)


def plain(folder: Path, answer: Answer) -> float:
    """The reward by transformers alone: one conversation, no padding."""
    with quiet(), torch.inference_mode():
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForSequenceClassification.from_pretrained(folder)
        turns = [*answer.prompt.turns, {"role": "assistant", "content": answer.response}]
        text = tokenizer.apply_chat_template(turns, tokenize=False)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        return float(model(input_ids=ids).logits[0, 0])


@pytest.mark.parametrize("pad", [0, 2, None], ids=["pad", "eos-pads", "none"])
def test_a_batch_scores_as_one_by_one(tmp_path: Path, tiny_base: Path, pad: int | None) -> None:
    """Also where the end token pads, or nothing does: then a wrong token would be read in a batch."""
    folder = make_classifier(tmp_path, tiny_base, pad=pad)
    expected = [plain(folder, answer) for answer in ANSWERS]
    assert len({round(score, 4) for score in expected}) > 12
    judge = judge_in(folder)
    assert judge.scores(ANSWERS) == pytest.approx(expected, abs=1e-5)
    assert judge.usage.calls == len(ANSWERS)


def test_preferences_follow_the_rewards_in_any_order(tmp_path: Path, tiny_base: Path) -> None:
    judge = judge_in(make_classifier(tmp_path, tiny_base))
    low, high = judge.scores([Answer(PROMPTS[0], "w1"), Answer(PROMPTS[0], "w2")])
    assert low is not None
    assert high is not None
    expected = 1.0 if low > high else 2.0
    contests = [Contest(PROMPTS[0], *pair) for pair in (("w1", "w2"), ("w2", "w1"), ("w1", "w1"))]
    assert judge.preferences(contests) == [expected, 3 - expected, 1.5]


def test_usage_counts_tokens_once_for_equal_conversations(tmp_path: Path, tiny_base: Path) -> None:
    """<bos> <user> w4 <user> w1: five tokens, as the template marks every turn with <user>."""
    judge = judge_in(make_classifier(tmp_path, tiny_base))
    assert judge.scores([]) == []
    first, second = judge.scores([Answer(PROMPTS[1], "w1")] * 2)
    assert first == second
    assert (judge.usage.calls, judge.usage.tokens_forward) == (2, 5)
    assert judge.usage.parameters > 10_000


def test_what_is_too_long_loses_its_beginning(tmp_path: Path, tiny_base: Path) -> None:
    """Five tokens are kept; the model's own limit of 64 holds where none is given."""
    folder = make_classifier(tmp_path, tiny_base)
    judge = judge_in(folder, max_length=5)
    long, other = (Answer(PROMPTS[1], f"{start} w4 w5 w6 w7 w8") for start in ("w1", "w2"))
    scores = judge.scores([long, other, Answer(PROMPTS[1], "w1")])
    assert scores[0] == scores[1] != scores[2]
    unlimited = judge_in(folder)
    assert unlimited.scores([Answer(PROMPTS[1], "w1 " * 100)])[0] is not None
    assert unlimited.usage.tokens_forward == 64


def test_the_id_names_model_revision_precision_and_limit(tmp_path: Path, tiny_base: Path) -> None:
    folder = make_classifier(tmp_path / "tiny-rm", tiny_base)
    assert judge_in(folder).id == "reward-model-1:tiny-rm@local:float32:64"


def test_what_is_no_reward_model_is_refused(tmp_path: Path, tiny_base: Path) -> None:
    folder = make_classifier(tmp_path / "three", tiny_base, labels=3)
    with pytest.raises(BadInput, match=r"a reward model has one output\. Got 3"):
        judge_in(folder)
    with pytest.raises(BadInput, match=r"model 'no/such-model': is not in the hub's cache"):
        judge_in(Path("no/such-model"))
    folder = make_classifier(tmp_path / "mute", tiny_base)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(BadInput, match="no chat template"):
        judge_in(folder)


def test_code_of_the_model_is_not_run_whatever_the_terminal_answers(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("builtins.input", lambda _: "y")
    folder = make_classifier(tmp_path / "coded", tiny_base)
    config = json.loads((folder / "config.json").read_text())
    coded = {"model_type": "coded", "auto_map": {"AutoConfig": "coded.C"}}
    (folder / "config.json").write_text(json.dumps(config | coded))
    (folder / "coded.py").write_text(
        f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).mkdir()\n"
        "from transformers import LlamaConfig as C\n"
    )
    with pytest.raises(BadInput, match="custom code"):
        judge_in(folder)
    assert not (tmp_path / "ran").exists()


def test_pickled_weights_are_refused(tmp_path: Path, tiny_base: Path) -> None:
    folder = make_classifier(tmp_path, tiny_base)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    shutil.move(folder / "model.safetensors", folder / "away")
    with pytest.raises(BadInput, match=r"holds no weights in safetensors, only pytorch_model\.bin"):
        judge_in(folder)
