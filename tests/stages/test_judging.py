"""Every kind of judge, from its table in a recipe to the scores and verdicts that are stored."""

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, Say, error, good, question, serving
from pool_of_words import Done, run_stage
from recipe_documents import REAL, draw_of
from tiny_classifier import make_classifier

from harness.data.rows import Prompt, Response, Score
from harness.errors import BadInput, HarnessError
from harness.judges.base import Answer
from harness.judges.reward_model import RewardModel, RewardModelJudge
from harness.models.random_model import Shape, make_random_model
from harness.plan.draw import Draw
from harness.plan.pool import judge_of
from harness.stages import alpaca_eval, scores
from harness.store.formats import PROMPTS, RESPONSES, SCORES, read_json, read_rows, write_rows
from harness.world.facts import make_world
from harness.world.oracle import grade
from harness.world.prompts import held_out_prompts

QUESTIONS = [Prompt("p", "w1 w2"), Prompt("q", "w3")]
TEXTS = {"p": ("w4", "w5 w6"), "q": ("w7 w8 w9", "w1")}


def write_artifact(folder: Path, prompts: Sequence[Prompt], texts: Mapping[str, Sequence[str]]) -> Path:
    """Prompts and their responses."""
    folder.mkdir(parents=True)
    write_rows(folder / PROMPTS, prompts)
    write_rows(
        folder / RESPONSES,
        [
            Response(key, index, text, 1, True)
            for key, all_ in texts.items()
            for index, text in enumerate(all_)
        ],
    )
    return folder


def task_of(table: Mapping[str, Any], **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and knobs of a task with a judge, as the plan makes them from its table; no local folder."""
    draw = draw_of(REAL, pool__judge=dict(table))
    params, knobs = judge_of(Draw(draw.recipe, 0, {}), draw.recipe.pool.judge)
    return params | more, knobs


def scored(
    folder: Path, params: dict[str, Any], knobs: dict[str, Any], run: str = "scores", **inputs: Path
) -> Done:
    """The responses in `folder`/pool scored; the journal stays from run to run."""
    pool = folder / "pool"
    if not pool.exists():
        write_artifact(pool, QUESTIONS, TEXTS)
    read = {"prompts": pool, "responses": pool, **inputs}
    return run_stage(folder / run, scores.run, params, read, knobs, folder / "journal")


def values(done: Done) -> list[float]:
    return [row.score for row in read_rows(done.folder / SCORES, Score)]


def judge_id(done: Done) -> str:
    return str(read_json(done.folder / "result.json")["judge"])


def test_length_scores_characters(tmp_path: Path) -> None:
    done = scored(tmp_path, *task_of({"kind": "length"}))
    assert [(row.prompt_id, row.index) for row in read_rows(done.folder / SCORES, Score)] == [
        ("p", 0), ("p", 1), ("q", 0), ("q", 1),
    ]  # fmt: skip
    assert (values(done), judge_id(done), done.cost.judge_calls) == ([2.0, 5.0, 8.0, 2.0], "length-1", 4)


def test_the_oracle_grades_in_the_world_of_the_recipe(tmp_path: Path) -> None:
    prompts = held_out_prompts(make_world(3), 2, seed=0)
    texts = {prompt.id: ("red .",) for prompt in prompts}
    write_artifact(tmp_path / "pool", prompts, texts)
    done = scored(tmp_path, {"judge": {"kind": "oracle"}, "world": 3}, {})
    assert values(done) == [grade(make_world(3), prompt, "red .").score for prompt in prompts]


def test_the_dataset_scores_its_own_texts_and_no_other(tmp_path: Path) -> None:
    """By text: the pool may have numbered them anew."""
    data = write_artifact(tmp_path / "data", QUESTIONS, {"p": ("w5 w6", "w4"), "q": ("w1", "w7 w8 w9")})
    known = [Score("p", 0, 0.5), Score("p", 1, 1.0), Score("q", 0, 0.0), Score("q", 1, 0.25)]
    write_rows(data / SCORES, known)
    task = task_of({"kind": "dataset"})
    assert values(scored(tmp_path, *task, dataset=data)) == [1.0, 0.5, 0.25, 0.0]
    write_rows(data / SCORES, known[:-1])
    with pytest.raises(BadInput, match=r"pool\.judge: the dataset has no score of a response to 'w3'\. Name"):
        scored(tmp_path, *task, run="again", dataset=data)


def test_a_reward_model_in_a_folder(tmp_path: Path, tiny_base: Path) -> None:
    """The knobs say where it lies; the parameters name its content."""
    folder = make_classifier(tmp_path / "tiny-rm", tiny_base)
    table = {
        "kind": "reward-model",
        "name": "some sha256",
        "revision": None,
        "dtype": "fp32",
        "max_length": 9,
    }
    done = scored(tmp_path, {"judge": table, "world": None}, {"judge": {"path": str(folder)}})
    judge = RewardModelJudge(RewardModel(str(folder), None, max_length=9))
    assert (judge_id(done), done.cost.judge_calls) == ("reward-model-1:tiny-rm@local:float32:9", 4)
    by_hand = judge.scores([Answer(prompt, text) for prompt in QUESTIONS for text in TEXTS[prompt.id]])
    assert values(done) == pytest.approx(by_hand, abs=0.05)  # that one computes in bf16
    assert done.cost.flops > 0


def local_judge(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A model that knows nothing: its answers hold no verdict."""
    make_random_model(folder / "babbler", Shape(hidden=16, layers=1), max_length=2048)
    table = {"kind": "local", "name": "some sha256", "dtype": "fp32", "max_new_tokens": 2}
    return {"judge": table, "world": None, "seed": 0}, {"judge": {"path": str(folder / "babbler")}}


def test_a_local_chat_model_without_verdicts_is_said(tmp_path: Path) -> None:
    params, knobs = local_judge(tmp_path)
    with pytest.raises(
        HarnessError,
        match=r"judge chat-1:babbler@local:float32:absolute-1\+pairwise-1:max_tokens=2,temperature=0\.0: "
        r"gave no score to 4 of 4 responses \(mostly: The answer was cut off before its verdict",
    ):
        scored(tmp_path, params, knobs)


def compared(
    folder: Path, params: dict[str, Any], knobs: dict[str, Any], run: str = "verdicts", **changed: str
) -> Done:
    """The policy's long outputs beside the reference's short ones."""
    inputs = {
        "outputs": {"p": ("a long output", "a longer output"), "q": (changed.get("output", "long too"),) * 2},
        "reference": {"p": ("short", "short"), "q": (changed.get("reference", "s"),) * 2},
    }
    folders = {
        name: write_artifact(folder / f"{name}-{run}", QUESTIONS, texts) for name, texts in inputs.items()
    }
    read = {**folders, "held_out": folders["outputs"]}
    return run_stage(folder / run, alpaca_eval.run, params, read, knobs, folder / "journal")


def result(done: Done) -> dict[str, Any]:
    return dict(read_json(done.folder / "result.json"))


def test_missing_verdicts_are_counted(tmp_path: Path) -> None:
    """Without any there is no win rate either."""
    done = compared(tmp_path, *local_judge(tmp_path))
    assert done.missing == 4
    assert result(done)["summary"] == {"win_rate": None, "standard_error": None, "n_total": 0}
    assert result(done)["preferences"] == {"p": [None, None], "q": [None, None]}


def test_a_judge_without_words_compares_by_its_scores(tmp_path: Path) -> None:
    """Equal texts are a tie that nobody is asked for."""
    params, knobs = task_of({"kind": "length"}, seed=0)
    done = compared(tmp_path, params, knobs, output="s")
    assert result(done)["preferences"] == {"p": [2.0, 2.0], "q": [1.5, 1.5]}
    assert (done.missing, done.cost.judge_calls, "flips" in result(done)) == (0, 2, False)


def shown(body: dict[str, Any]) -> list[str]:
    """The outputs in a judge's question: in our words, or in alpaca_eval's."""
    ours = re.findall(r"\[Answer(?: of [AB])?\]\n(.*?)\n\[End", question(body), re.DOTALL)
    theirs = [part.split('"""\n')[0] for part in question(body).split('"output": """')[1:]]
    return ours or theirs


def letters(names: str, second: float) -> Say:
    """The likelier of two letters, with the probabilities of both."""
    top = [{"token": names[at], "logprob": math.log(p)} for at, p in ((0, 1 - second), (1, second))]
    best = max(top, key=lambda one: float(str(one["logprob"])))
    return good(str(best["token"]), logprobs={"content": [{**best, "top_logprobs": top}]})


def by_length(number: int, body: dict[str, Any]) -> Say:
    """The longer the better, in whatever form the question asks; 9 to 1 where by probabilities."""
    found = shown(body)
    if len(found) == 1:
        return good(f"Rating: [[{len(found[0])}]]")
    second = len(found[1]) > len(found[0])
    if body.get("logprobs"):
        return letters("AB" if "[Answer" in question(body) else "mM", 0.9 if second else 0.1)
    return good("[[B]]" if second else "[[A]]")


def endpoint(server: ChatServer, **more: Any) -> dict[str, Any]:
    return {
        "kind": "endpoint", "base_url": server.url, "model": "judge-2026-01-01", "attempts": 1,
        "usd_per_million_in": 1.0, "usd_per_million_out": 10.0, **more,
    }  # fmt: skip


def test_an_endpoint_scores_and_is_paid_once(tmp_path: Path) -> None:
    """10 tokens of $1 and 1 of $10 per million a call; the second run reads the journal, at the same cost."""
    with serving(by_length) as server:
        task = task_of(endpoint(server, temperature=0.5, max_tokens=7))
        done = scored(tmp_path, *task)
        again = scored(tmp_path, *task, run="again")
    assert values(done) == values(again) == [2.0, 5.0, 8.0, 2.0]
    assert judge_id(done) == "chat-1:judge-2026-01-01:absolute-1+pairwise-1:max_tokens=7,temperature=0.5"
    assert server.paid == 4
    for each in (done, again):
        assert each.cost.judge_calls == 4
        assert each.cost.judge_usd == pytest.approx(4 * 20e-6)


def test_scores_that_failed_are_said_and_asked_for_alone(tmp_path: Path) -> None:
    def refusing(number: int, body: dict[str, Any]) -> Say:
        return error(400, "content filter") if shown(body) == ["w5 w6"] else by_length(number, body)

    with serving(refusing) as server:
        task = task_of(endpoint(server))
        with pytest.raises(HarnessError, match="gave no score to 1 of 4 responses"):
            scored(tmp_path, *task)
        server.behave = by_length
        done = scored(tmp_path, *task, run="again")
        assert values(done) == [2.0, 5.0, 8.0, 2.0]
        assert (server.paid, len(server.asked)) == (4, 5)


@pytest.mark.parametrize(
    ("template", "better", "judge"),
    [
        ("pairwise", 1.0, "chat-1:judge-2026-01-01:absolute-1+pairwise-1:"),
        ("weighted", 0.9, "chat-1:judge-2026-01-01:absolute-1+letter-1:"),
        (
            "weighted_alpaca_eval_gpt4_turbo",
            0.9,
            "alpaca-eval-0.6.6:weighted_alpaca_eval_gpt4_turbo:judge-2026-01-01",
        ),
    ],
)
@pytest.mark.parametrize("both_orders", [False, True])
def test_an_endpoint_compares_by_its_template(
    tmp_path: Path, template: str, better: float, judge: str, both_orders: bool
) -> None:
    """Longer outputs are preferred as surely as the judge says, shorter ones as little; 1 is a sure loss."""
    with serving(by_length) as server:
        params, knobs = task_of(endpoint(server, template=template, both_orders=both_orders), seed=0)
        done = compared(tmp_path, params, knobs, output="s", reference="longer than that")
        assert result(done)["preferences"] == {
            "p": pytest.approx([1 + better] * 2),
            "q": pytest.approx([2 - better] * 2),
        }
        assert result(done)["judge"].startswith(judge)
        distinct = 3 * (2 if both_orders else 1)  # both of q are one question, if asked in one order
        assert distinct <= server.paid <= 4 * (2 if both_orders else 1)
    assert (done.missing, "flips" in result(done)) == (0, False)
    assert done.cost.judge_usd == pytest.approx(server.paid * 20e-6)


@pytest.mark.parametrize("template", ["pairwise", "weighted_alpaca_eval_gpt4_turbo"])
def test_a_judge_that_goes_by_the_order_is_a_tie_both_ways_round(tmp_path: Path, template: str) -> None:
    def first(number: int, body: dict[str, Any]) -> Say:
        return letters("mM", 0.1) if body.get("logprobs") else good("[[A]]")

    with serving(first) as server:
        params, knobs = task_of(endpoint(server, template=template, both_orders=True), seed=0)
        done = compared(tmp_path, params, knobs)
    assert result(done)["preferences"] == {key: pytest.approx([1.5, 1.5]) for key in ("p", "q")}
    assert result(done)["flips"] == 3 + (template != "pairwise")  # there equal contests share a verdict


def test_verdicts_that_failed_are_missing_and_asked_for_alone(tmp_path: Path) -> None:
    def refusing(number: int, body: dict[str, Any]) -> Say:
        long = "a longer output" in shown(body)
        return error(400, "content filter") if long else by_length(number, body)

    with serving(refusing) as server:
        params, knobs = task_of(endpoint(server), seed=0)
        done = compared(tmp_path, params, knobs)
        assert (done.missing, result(done)["preferences"]["p"]) == (1, [2.0, None])
        paid, server.behave = server.paid, by_length
        again = compared(tmp_path, params, knobs, run="again")
        assert (again.missing, result(again)["preferences"]["p"]) == (0, [2.0, 2.0])
        assert server.paid == paid + 1


@pytest.mark.parametrize("template", ["scores", "pairwise", "weighted_alpaca_eval_gpt4_turbo"])
@pytest.mark.parametrize("break_", ["refused", "missing"])
def test_a_resumed_run_costs_what_an_unbroken_one_does(tmp_path: Path, template: str, break_: str) -> None:
    """Two calls are paid before the key is refused, or one call is refused alone. The second run asks for the
    rest, and its cost counts all once: calls, tokens and dollars, as if it had asked for everything.
    """

    def broken(number: int, body: dict[str, Any]) -> Say:
        if number <= 2 or (break_ == "missing" and number > 3):
            return by_length(number, body)
        return error(401, "bad key") if break_ == "refused" else error(400, "content filter")

    def made(server: ChatServer, folder: Path, run: str) -> Done:
        table = endpoint(server, concurrency=1)
        if template == "scores":
            return scored(folder, *task_of(table), run=run)
        return compared(
            folder, *task_of(table | {"template": template, "both_orders": True}, seed=0), run=run
        )

    for name in ("broken", "whole"):
        (tmp_path / name).mkdir()
    with serving(by_length) as server:
        whole = made(server, tmp_path / "whole", "run").cost
        calls = server.paid
    with serving(broken) as server:
        with suppress(HarnessError):  # missing verdicts are no error
            made(server, tmp_path / "broken", "first")
        assert 0 < server.paid < calls
        server.behave = by_length
        resumed = made(server, tmp_path / "broken", "second").cost
        assert server.paid == calls, "nothing is paid twice"
    counts = [field for field in vars(whole) if field.startswith("judge_")]
    assert {field: getattr(resumed, field) for field in counts} == {
        field: getattr(whole, field) for field in counts
    }
    assert (whole.judge_calls, whole.judge_tokens_in) == (calls, 10 * calls)
    assert whole.judge_usd == pytest.approx(calls * 20e-6)
