"""Data on their way into a pool and an evaluation, through the tasks of a recipe."""

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from done_tasks import cost_of, done, draw_in, write_lines
from sentence_encoder import make_encoder

from harness.data.rows import Prompt, Response, Score
from harness.data.turns import prompt_id
from harness.errors import BadInput
from harness.models.chat import Example
from harness.models.sentence_transformer import embed_with_sentence_transformer
from harness.plan.build import build_plan
from harness.plan.draw import Draw
from harness.plan.evaluation import held_out_task
from harness.plan.features import embeddings_task
from harness.plan.model import base_task
from harness.plan.pool import dataset_task, lint_task, prompts_task, responses_task, validation_task
from harness.plan.task import Task
from harness.recipe.pool import DatasetPrompts
from harness.stages import sft
from harness.stages.options import Options
from harness.stages.run import run_task
from harness.stages.shared import read_prompts, read_responses
from harness.store.formats import SCORES, read_json, read_matrix, read_rows
from harness.store.local import LocalStore
from harness.training.supervised import train_supervised

COUNT = 24
UNSCORED = 3
"""The prompt whose first response has no score."""


def own(n: int) -> list[dict[str, Any]]:
    """Two, three or four responses, each a byte longer and a point better than the last."""
    return [
        {"text": f"a{n}" + "x" * k, **({} if (n, k) == (UNSCORED, 0) else {"score": k})}
        for k in range(2 + n % 3)
    ]


def identity(n: int) -> str:
    return prompt_id(({"role": "user", "content": f"w{n} ?"},))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: what several of them need is made once."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rows: list[Any] = [{"prompt": f"w{n} ?", "responses": own(n)} for n in range(COUNT)]
    write_lines(folder / "pool.jsonl", [*rows, {"prompt": "bad", "responses": []}])
    return folder


def ids(folder: Path) -> list[str]:
    return [prompt.id for prompt in read_prompts(folder)]


def data_of(draw: Draw) -> Task:
    source = draw.recipe.pool.prompts
    assert isinstance(source, DatasetPrompts)
    return dataset_task(draw, source)


def pool_of(store: Path, draw: Draw) -> list[str]:
    return ids(done(store, prompts_task(draw, base_task(draw))))


def responses_of(draw: Draw, per_prompt: int) -> Task:
    base = base_task(draw)
    return responses_task(draw, base, prompts_task(draw, base), per_prompt)


def by_prompt(folder: Path) -> dict[str, list[Response]]:
    found: dict[str, list[Response]] = {}
    for row in read_responses(folder):
        found.setdefault(row.prompt_id, []).append(row)
    return found


def test_a_dataset_is_its_prompts_responses_and_scores(store: Path, data: Path) -> None:
    folder = done(store, data_of(draw_in(data)))
    assert read_prompts(folder) == [Prompt(identity(n), f"w{n} ?", history=[]) for n in range(COUNT)]
    texts = [(identity(n), k, response["text"]) for n in range(COUNT) for k, response in enumerate(own(n))]
    assert [(row.prompt_id, row.index, row.text) for row in read_responses(folder)] == texts
    scores = [Score(identity(n), k, float(k)) for n in range(COUNT) for k in range(2 + n % 3)]
    scores.remove(Score(identity(UNSCORED), 0, 0.0))
    assert read_rows(folder / SCORES, Score) == scores
    report = read_json(folder / "result.json")
    assert (report["rows"], report["prompts"], report["unscored"]) == (COUNT + 1, COUNT, 1)
    assert report["malformed"] == {"the list of answers is empty or no list": [COUNT + 1]}
    assert str(data) not in json.dumps(report)


def test_a_file_that_changes_after_the_plan_is_not_stored_under_its_old_key(tmp_path: Path) -> None:
    """Between plan and task a row is added: refused. Planned again, it and its pool have other keys."""
    rows = [{"prompt": f"w{n} ?", "responses": own(n)} for n in range(COUNT)]
    path = write_lines(tmp_path / "pool.jsonl", rows)
    before = draw_in(tmp_path)
    write_lines(path, [*rows, {"prompt": "one more ?", "responses": own(0)}])
    with pytest.raises(BadInput, match=r"pool\.jsonl: changed after this run had begun\. Run again"):
        done(tmp_path / "store", data_of(before))
    assert not LocalStore(tmp_path / "store").has("dataset", data_of(before).key)
    after = draw_in(tmp_path)
    assert len(ids(done(tmp_path / "store", data_of(after)))) == COUNT + 1
    for task in (data_of, lambda draw: prompts_task(draw, base_task(draw))):
        assert task(after).key != task(before).key


def test_a_strict_source_refuses_what_it_would_leave_out(store: Path, data: Path) -> None:
    with pytest.raises(BadInput, match="the list of answers is empty or no list: 1 times, first in line 25"):
        done(store, data_of(draw_in(data, pool__prompts__strict=True)))


def test_pool_validation_and_evaluation_have_no_prompt_in_common(store: Path, data: Path) -> None:
    """Of the 24 prompts some are set apart, the same in every replicate; the others come in another order."""
    changes: dict[str, Any] = {"pool__prompts__count": 8, "pool__prompts__held_out": 0.3}
    draws = [replace(draw_in(data, **changes), replicate=replicate) for replicate in (0, 1)]
    pools = [pool_of(store, draw) for draw in draws]
    (held_out,) = {tuple(ids(done(store, held_out_task(draw)))) for draw in draws}
    validation = ids(done(store, validation_task(draws[0], 3, skip=1)))
    whole = pool_of(store, draw_in(data, pool__prompts__count=12, pool__prompts__held_out=0.3))
    assert (len(pools[0]), len(held_out)) == (8, 4)
    assert pools[0] == whole[:8]
    assert validation == whole[9:12]
    assert not {*whole, *pools[1]} & set(held_out)
    assert pools[0] != pools[1]


def test_long_prompts_are_in_no_half(store: Path, data: Path) -> None:
    """`w0 ?` to `w9 ?` have 4 characters, the others 5."""
    draw = draw_in(data, pool__prompts__max_characters=4, pool__prompts__held_out=0.5)
    assert set(pool_of(store, draw)) < {identity(n) for n in range(10)}


def test_too_few_prompts_are_said(store: Path, data: Path) -> None:
    with pytest.raises(BadInput, match=r"pool\.prompts\.count: the data have \d+ prompts for training, but"):
        pool_of(store, draw_in(data, pool__prompts__count=COUNT))
    judged: dict[str, Any] = {
        "pool__responses": {"kind": "dataset", "least": 4},
        "pool__judge": {"kind": "dataset"},
    }
    with pytest.raises(
        BadInput,
        match=r"have [78] prompts for training with at least 4 scored responses, but the pool and what "
        r"follows it ask for 12\. Lower it or pool\.responses\.least\.",
    ):
        pool_of(store, draw_in(data, pool__prompts__count=12, pool__prompts__held_out=0.01, **judged))
    with pytest.raises(BadInput, match=r"prompts\.count: the data set \d+ prompts apart\. Got 24\. Lower it"):
        done(store, held_out_task(draw_in(data, evaluation__alpaca_eval__prompts__count=COUNT)))


ALL: dict[str, Any] = {"pool__prompts__count": 20, "pool__prompts__held_out": 0.01}


def test_own_responses_are_the_first_k(store: Path, data: Path) -> None:
    """A token is a byte, and the end is one."""
    draw = draw_in(data, pool__responses={"kind": "dataset"}, **ALL)
    folder = done(store, responses_of(draw, 2))
    assert list(by_prompt(folder)) == pool_of(store, draw)
    for n in range(COUNT):
        rows = by_prompt(folder).get(identity(n), [])
        assert [(row.index, row.text) for row in rows] == [
            (k, response["text"]) for k, response in enumerate(own(n)[:2]) if rows
        ]
        assert all(row.tokens == len(row.text) + 1 and row.finished for row in rows)


def test_own_responses_without_a_score_are_left_out_where_the_data_judge(store: Path, data: Path) -> None:
    """Prompt 3 has two responses, one with a score: too few. Else every prompt is there."""
    changes: dict[str, Any] = {"pool__responses": {"kind": "dataset"}, "pool__prompts__held_out": 0.0001}
    judged = draw_in(data, pool__judge={"kind": "dataset"}, pool__prompts__count=COUNT - 1, **changes)
    assert set(pool_of(store, judged)) == {identity(n) for n in range(COUNT) if n != UNSCORED}
    assert identity(UNSCORED) in pool_of(store, draw_in(data, pool__prompts__count=COUNT, **changes))


def test_the_first_scored_responses_are_numbered_anew(store: Path, tmp_path: Path) -> None:
    """Of a (no score), b, c and d, two are taken."""
    responses = [{"text": "a"}, *({"text": text, "score": 1} for text in "bcd")]
    write_lines(tmp_path / "pool.jsonl", [{"prompt": f"q{n}", "responses": responses} for n in range(4)])
    draw = draw_in(
        tmp_path,
        pool__responses={"kind": "dataset"},
        pool__judge={"kind": "dataset"},
        pool__prompts__held_out=0.0001,
    )
    found = by_prompt(done(store, responses_of(draw, 2)))
    assert [[(row.index, row.text) for row in rows] for rows in found.values()] == [[(0, "b"), (1, "c")]] * 4


def test_samples_make_k_of_the_own_responses(store: Path, data: Path) -> None:
    """Two, three or four are there, and K = 3: one, none and none are sampled, those of a pool of samples."""
    sampled = {"temperature": 1.0, "max_new_tokens": 3}
    both = draw_in(data, pool__responses={"kind": "both", **sampled}, **ALL)
    alone = draw_in(data, pool__responses={"kind": "sample", **sampled}, **ALL)
    found, samples = (by_prompt(done(store, responses_of(draw, 3))) for draw in (both, alone))
    assert list(found) == pool_of(store, both) == list(samples)
    for n in range(COUNT):
        rows = found.get(identity(n))
        if rows is None:
            continue
        texts = [response["text"] for response in own(n)][:3]
        if n % 3 == 0:
            assert rows[2].tokens <= 3
            texts.append(samples[identity(n)][0].text)
        assert [(row.index, row.text) for row in rows] == list(enumerate(texts))
    task = responses_of(both, 2)
    done(store, task)
    assert cost_of(store, task)["tokens_forward"] == 0  # every prompt has two: no model runs


def test_a_file_of_prompts_is_taken_from_its_start(store: Path, data: Path) -> None:
    other = write_lines(data / "evaluation.jsonl", [{"prompt": f"e{n}"} for n in range(5)]).name
    place = "evaluation__alpaca_eval__prompts"
    for count, expected in ((None, 5), (3, 3)):
        folder = done(
            store, held_out_task(draw_in(data, **{place: {"kind": "dataset", "path": other, "count": count}}))
        )
        assert [prompt.text for prompt in read_prompts(folder)] == [f"e{n}" for n in range(expected)]
    with pytest.raises(BadInput, match=r"the data have 5 prompts\. Got 6\. Lower it, or leave it out"):
        done(store, held_out_task(draw_in(data, **{place: {"kind": "dataset", "path": other, "count": 6}})))


def reference_of(draw: Draw) -> Task:
    return build_plan(draw.recipe, draw.files).cells[0].ends["reference"]


def test_official_prompts_come_with_the_outputs_of_the_baseline(
    store: Path, data: Path, public_data: Path
) -> None:
    """The 805 published ones, each output as often as policies are sampled; a part of them is refused."""
    with gzip.open(public_data / "alpacaeval2" / "instructions.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    changes: dict[str, Any] = {
        "evaluation__alpaca_eval__prompts": {"kind": "official", "path": "official.jsonl"},
        "evaluation__alpaca_eval__reference": {"kind": "official"},
        "evaluation__alpaca_eval__samples_per_prompt": 2,
    }
    write_lines(data / "official.jsonl", rows)
    reference = reference_of(draw_in(data, **changes))
    folder = done(store, reference)
    prompts = read_prompts(done(store, reference.inputs["held_out"]))
    assert [prompt.text for prompt in prompts] == [row["instruction"] for row in rows]
    assert [row.text for row in read_responses(folder)] == [row["output"] for row in rows for _ in range(2)]
    write_lines(data / "official.jsonl", rows[:10])
    with pytest.raises(BadInput, match=r"official set has 805 prompts\. official\.jsonl has 10\. Give"):
        done(store, reference_of(draw_in(data, **changes)))


def test_a_file_gives_the_first_response_to_each_prompt_as_reference(store: Path, data: Path) -> None:
    changes: dict[str, Any] = {
        "evaluation__alpaca_eval__reference": {"kind": "dataset", "path": "pool.jsonl"},
        "evaluation__alpaca_eval__samples_per_prompt": 2,
        "evaluation__alpaca_eval__prompts__count": 1,
    }
    task = reference_of(draw_in(data, **changes))
    (prompt,) = read_prompts(done(store, task.inputs["held_out"]))
    number = prompt.text.removeprefix("w").removesuffix(" ?")
    assert [(row.index, row.text) for row in read_responses(done(store, task))] == [
        (0, f"a{number}"),
        (1, f"a{number}"),
    ]
    write_lines(data / "few.jsonl", [{"instruction": "Another?", "output": "yes"}])
    changes["evaluation__alpaca_eval__reference"] = {"kind": "dataset", "path": "few.jsonl"}
    with pytest.raises(
        BadInput, match=r"1 of 1 evaluation prompts have no reference output, the first is 'w\d+ \?'\. Give"
    ):
        done(store, reference_of(draw_in(data, **changes)))


def test_the_lint_refuses_responses_that_end_themselves(store: Path, data: Path, tmp_path: Path) -> None:
    """`<|eos|>` in a response would be an end-of-sequence token; what is found elsewhere is stored."""
    draw = draw_in(data)
    task = lint_task(draw, base_task(draw))
    assert task is not None
    assert read_json(done(store, task) / "result.json")["errors"] == []
    write_lines(tmp_path / "pool.jsonl", [{"prompt": "q", "responses": [{"text": "yes <|eos|> no"}]}])
    bad = draw_in(tmp_path)
    with pytest.raises(BadInput, match=r"token lint: prompt '.*<\|eos\|>"):
        pool_of(store, bad)


def test_prompts_without_a_response_are_linted_with_a_stand_in(store: Path, tmp_path: Path) -> None:
    write_lines(tmp_path / "pool.jsonl", [{"prompt": f"q{n}"} for n in range(3)])
    draw = draw_in(tmp_path)
    task = lint_task(draw, base_task(draw))
    assert task is not None
    assert read_json(done(store, task) / "result.json")["errors"] == []


def test_fine_tuning_learns_the_best_response(
    store: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last of each prompt has the highest score; where none has one, the first counts."""
    seen: list[Example] = []

    def watched(base: Path, examples: list[Example], *rest: Any) -> Any:
        seen.extend(examples)
        return train_supervised(base, examples, *rest)

    monkeypatch.setattr(sft, "train_supervised", watched)
    write_lines(
        data / "sft.jsonl",
        [
            *({"prompt": f"w{n} ?", "responses": own(n)} for n in range(3)),
            {"prompt": "q", "responses": [{"text": "one"}, {"text": "two"}]},
        ],
    )
    table: dict[str, Any] = {
        "data": {"path": "sft.jsonl"},
        "steps": 1,
        "rows_per_step": 2,
        "learning_rate": 1e-2,
    }
    task = base_task(draw_in(data, model__sft=table))
    folder = done(store, task)
    assert [example.response for example in seen] == ["a0x", "a1xx", "a2xxx", "one"]
    result = read_json(folder / "result.json")
    assert (result["examples"], result["dropped"], len(result["history"])) == (4, 0, 1)
    assert cost_of(store, task)["tokens_backward"] > 0
    assert (folder / "model.safetensors").is_file()


def test_prompts_are_embedded_by_an_encoder_in_a_folder(store: Path, data: Path) -> None:
    make_encoder(data)
    draw = draw_in(data, features={"embedding": {"kind": "sentence-transformers", "name": "encoder"}})
    base = base_task(draw)
    prompts = prompts_task(draw, base)
    task = embeddings_task(draw, base, prompts)
    found = read_matrix(done(store, task) / "embeddings.npy")
    texts = [prompt.text for prompt in read_prompts(done(store, prompts))]
    expected = embed_with_sentence_transformer(str(data / "encoder"), None, texts)
    np.testing.assert_array_equal(found, expected.vectors)
    assert cost_of(store, task)["tokens_forward"] == expected.tokens


def test_a_model_in_a_folder_is_pointed_to(store: Path, data: Path) -> None:
    """By where it lies; its chat template is the recipe's."""
    random = done(store, base_task(draw_in(data)))
    (data / "base").symlink_to(random)
    (data / "chat.jinja").write_text("{% for message in messages %}{{ message['content'] }}{% endfor %}")
    task = base_task(draw_in(data, model={"kind": "hf", "name": "base", "template": "chat.jinja"}))
    folder = done(store, task)
    result = read_json(folder / "result.json")
    assert result["name"] == str(random.resolve())
    assert result["template"] != read_json(random / "result.json")["template"]
    assert result["parameters"] == read_json(random / "result.json")["parameters"]


def test_a_chat_template_that_changes_after_the_plan_is_refused(store: Path, data: Path) -> None:
    """It would be stored under the key of what it held before; planned again, it has another."""
    (data / "other").symlink_to(done(store, base_task(draw_in(data))))
    path = data / "other.jinja"
    path.write_text("{% for message in messages %}{{ message['content'] }}\n{% endfor %}")

    def task() -> Task:
        return base_task(draw_in(data, model={"kind": "hf", "name": "other", "template": path.name}))

    before = task()
    path.write_text("{% for message in messages %}{{ message['content'] }} {% endfor %}")
    with pytest.raises(BadInput, match=r"other\.jinja: changed after this run had begun\. Run again"):
        done(store, before)
    assert not LocalStore(store).has("base_model", before.key)
    assert done(store, task()).name != before.key


def test_a_model_that_changes_after_it_was_pointed_to_is_refused(store: Path, data: Path) -> None:
    """By each task that reads it, whose results would have the key of what it held before."""
    shutil.copytree(done(store, base_task(draw_in(data))), data / "mine")
    draw = draw_in(data, model={"kind": "hf", "name": "mine"})
    base = base_task(draw)
    done(store, base)
    prompts = prompts_task(draw, base)
    task = embeddings_task(draw, base, prompts)
    done(store, prompts)
    card = data / "mine" / "README.md"
    card.write_text("another model")
    with pytest.raises(BadInput, match=r"mine: changed after this run had begun\. Run again"):
        done(store, task)
    assert not LocalStore(store).has("embeddings", task.key)
    card.unlink()
    assert done(store, task).name == task.key


def test_a_target_that_the_model_lacks_stops_what_reads_the_model_first(tmp_path: Path, data: Path) -> None:
    """The lint, so that no prompt is drawn. Nothing is in its way with the right ones, under the same key."""
    draw = draw_in(data)
    lint = lint_task(draw, base_task(draw))
    assert lint is not None
    store = tmp_path / "store"
    for task in lint.needs:
        done(store, task)
    for targets, told in (
        (("q_proj", "query"), "'query' matches no linear layer of the model"),
        (("lm_head",), "'lm_head' is the head, which has no adapter"),
    ):
        with pytest.raises(BadInput, match=rf"^training\.targets: {told}\. It has: down_proj, gate_proj"):
            run_task(lint, store, lambda *_: None, Options(targets=targets))
    assert not LocalStore(store).has("lint", lint.key)
    assert run_task(lint, store, lambda *_: None, Options(targets=("q_proj", "v_proj")))
