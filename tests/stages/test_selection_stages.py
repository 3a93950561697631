"""Every kind of breadth, depth and pairing through the stages that run it, on a small pool of words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pool_of_words import gradient_params, run_stage, write_pool, write_responses

from harness.data.rows import PreferencePair, Prompt, Response, Score
from harness.errors import BadInput, ShortBudget
from harness.methods import values
from harness.recipe.schema import KINDS, kind_of
from harness.recipe.table import Table
from harness.stages import breadth, embeddings, gradients, hidden_states, kept, logprobs, pairs, validation
from harness.stages.bank import GRADIENTS
from harness.stages.hidden_states import HIDDEN_STATES
from harness.stages.pool import read_pool
from harness.stages.shared import read_prompts, read_responses
from harness.store.formats import (
    LEFT_OUT,
    LOGPROBS,
    read_json,
    read_matrix,
    read_rows,
    write_matrix,
    write_rows,
)
from harness.world.facts import make_world
from harness.world.prompts import held_out_half, training_prompts

SPECIAL: dict[str, dict[str, Any]] = {"score-variance": {"prompts": 5}, "clusters": {"pick": "random"}}
TOP = {"kind": "top"}
UNRANKED = {"uniform", "random", "length"}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> dict[str, Path]:
    """12 prompts of 4 responses, and everything that any kind looks at."""
    folder = tmp_path_factory.mktemp("known")
    inputs = write_pool(folder) | {"base_model": tiny_base}
    made = {
        "gradients": (gradients.run, gradient_params()),
        "hidden_states": (hidden_states.run, {}),
        "logprobs": (logprobs.run, {"conditional": True}),
        "unconditional": (logprobs.run, {"conditional": False}),
        "embeddings": (embeddings.run, {"kind": "policy"}),
    }
    artifacts = {
        name: run_stage(folder / name, run, params, inputs).folder for name, (run, params) in made.items()
    }
    warm = folder / "warm"
    warm.mkdir()
    reference = np.asarray(read_matrix(artifacts["logprobs"] / LOGPROBS))
    noise = np.random.default_rng(1).normal(size=len(reference)).astype(np.float32)
    write_matrix(warm / LOGPROBS, reference + noise)
    other = {f"validation_{name}": inputs[name] for name in ("prompts", "responses", "scores")}
    return (
        inputs | artifacts | other | {"warm_logprobs": warm, "validation_gradients": artifacts["gradients"]}
    )


def choose(
    folder: Path, known: dict[str, Path], depth: dict[str, Any], pairing: dict[str, Any], **more: Any
) -> list[Any]:
    params = {"depth": depth, "pairing": pairing, "budget": None, "max_length": 64, "seed": 0}
    done = run_stage(folder, pairs.run, params | more, known)
    return read_rows(done.folder / "pairs.jsonl", PreferencePair)


@pytest.mark.parametrize("variant", KINDS["depth"], ids=kind_of)
def test_every_depth_chooses_its_pairs(tmp_path: Path, known: dict[str, Path], variant: type[Table]) -> None:
    """2 pairs for each of 12 prompts of 4 responses; distinct, and the better response is the chosen one."""
    kind = kind_of(variant)
    pairing = {"kind": "random" if kind in UNRANKED else "top"}
    count = {"count": "top"} if kind == "score-gap" else {}
    found = choose(tmp_path, known, {"kind": kind, "pairs": 2, **count}, pairing)
    assert len({(row.prompt_id, row.chosen, row.rejected) for row in found}) == 24
    assert all(row.gap > 0 for row in found)


def test_prompts_that_fill_max_length_leave_their_budget_to_others(
    tmp_path: Path, known: dict[str, Path]
) -> None:
    """Of 12 prompts the first is 40 words long, more than max_length: 22 pairs come from the other 11."""
    longer = tmp_path / "prompts"
    longer.mkdir()
    first, *others = read_prompts(known["prompts"])
    write_rows(longer / "prompts.jsonl", [Prompt(first.id, " ".join(["w1"] * 40)), *others])
    params = {
        "depth": {"kind": "uniform"}, "pairing": {"kind": "random"}, "budget": 22, "max_length": 30, "seed": 0
    }  # fmt: skip
    done = run_stage(tmp_path / "pairs", pairs.run, params, known | {"prompts": longer})
    found = read_rows(done.folder / "pairs.jsonl", PreferencePair)
    assert len(found) == 22
    assert {row.prompt_id for row in found} == {prompt.id for prompt in others}


def test_pairs_that_cannot_be_trained_on_are_left_out_and_counted(
    tmp_path: Path, known: dict[str, Path]
) -> None:
    """Of 6 tokens the prompt p0 takes 4, p1 all, p2 4; each has three responses, the best first.

    p0: the first two begin alike. p1: nothing is left of any of three pairs, of which one is also empty. p2:
    the best response is empty. Three pairs remain, and meet a budget of three.
    """
    texts = {"p0": ("w2 w3 w4", "w2 w3 w5", "w6"), "p1": ("", "w8", "w9"), "p2": (" ", "w8", "w9")}
    pool = write_pool(tmp_path / "pool", prompts=3, per_prompt=3)
    prompts = [Prompt("p0", "w1"), Prompt("p1", "w1 w2 w3"), Prompt("p2", "w7")]
    write_rows(pool["prompts"] / "prompts.jsonl", prompts)
    rows = [Response(name, at, text, 3, True) for name, own in texts.items() for at, text in enumerate(own)]
    write_responses(pool, rows)
    scores = [Score(row.prompt_id, row.index, -float(row.index)) for row in rows]
    write_rows(pool["scores"] / "scores.jsonl", scores)
    params = {
        "depth": {"kind": "uniform"}, "pairing": {"kind": "random"}, "budget": 3, "max_length": 6, "seed": 0
    }  # fmt: skip
    inputs = pool | {"base_model": known["base_model"]}
    done = run_stage(tmp_path / "pairs", pairs.run, params, inputs)
    assert sorted(
        (row.prompt_id, row.chosen, row.rejected)
        for row in read_rows(done.folder / "pairs.jsonl", PreferencePair)
    ) == [("p0", "w2 w3 w4", "w6"), ("p0", "w2 w3 w5", "w6"), ("p2", "w8", "w9")]
    assert read_json(done.folder / LEFT_OUT) == {
        pairs.PROMPT_FILLS: 3,
        pairs.EMPTY_CHOSEN: 2,
        pairs.SAME_ROWS: 1,
    }
    with pytest.raises(ShortBudget):
        run_stage(tmp_path / "short", pairs.run, params | {"budget": 4}, inputs)


@pytest.mark.parametrize("budget", [None, 2])
@pytest.mark.parametrize(
    ("texts", "scores", "told"),
    [
        (("", "w2"), (1.0, 0.0), r"no pair is left of 1: the chosen response is empty \(1\)\. Give other"),
        (("w2 w3 w4 w5", "w2 w3 w4 w6"), (1.0, 0.0), r"of 1: both responses are the same within max_length"),
        (("w2", "w3"), (1.0, 1.0), "no two responses to one prompt differ in text and in score"),
    ],
)
def test_where_no_pair_is_left_it_is_said_why(
    texts: tuple[str, str],
    scores: tuple[float, float],
    told: str,
    budget: int | None,
    tmp_path: Path,
    known: dict[str, Path],
) -> None:
    pool = write_pool(tmp_path / "pool", prompts=1, per_prompt=2)
    write_rows(pool["prompts"] / "prompts.jsonl", [Prompt("p0", "w1")])
    write_responses(pool, [Response("p0", at, text, 4, True) for at, text in enumerate(texts)])
    write_rows(pool["scores"] / "scores.jsonl", [Score("p0", at, score) for at, score in enumerate(scores)])
    params = {
        "depth": {"kind": "uniform"}, "pairing": {"kind": "random"},
        "budget": budget, "max_length": 7, "seed": 0,
    }  # fmt: skip
    with pytest.raises(BadInput, match=told):
        run_stage(tmp_path / "pairs", pairs.run, params, pool | {"base_model": known["base_model"]})


def test_where_nothing_is_left_out_the_pairs_stand_alone(tmp_path: Path, known: dict[str, Path]) -> None:
    params = {
        "depth": {"kind": "uniform"}, "pairing": {"kind": "random"}, "budget": 4, "max_length": 64, "seed": 0
    }  # fmt: skip
    done = run_stage(tmp_path, pairs.run, params, known)
    assert {file.name for file in done.folder.iterdir()} == {"pairs.jsonl", "manifest.json"}


def test_the_control_for_length_needs_no_scores(tmp_path: Path, known: dict[str, Path]) -> None:
    unjudged = {name: folder for name, folder in known.items() if name != "scores"}
    found = choose(tmp_path, unjudged, {"kind": "uniform", "pairs": 2}, {"kind": "longest"})
    assert len(found) == 24
    assert all(len(row.chosen) > len(row.rejected) for row in found)


@pytest.mark.parametrize("variant", KINDS["pairing"], ids=kind_of)
def test_every_pairing_fills_the_counts(tmp_path: Path, known: dict[str, Path], variant: type[Table]) -> None:
    found = choose(
        tmp_path, known, {"kind": "gradient-clusters", "pairs": 2, "clusters": 3}, {"kind": kind_of(variant)}
    )
    assert len({(row.prompt_id, row.chosen, row.rejected) for row in found}) == 24


@pytest.mark.parametrize("by", ["text", "hidden-states", "gradients"])
def test_diverse_pairs_lie_farther_apart_than_random_ones(
    tmp_path: Path, known: dict[str, Path], by: str
) -> None:
    """In the space that it looks at, in each of the 12 prompts at least as far as any other pair."""
    pool = read_pool(known)
    candidates = pool.candidates()
    if by == "text":
        apart = values.text_distances(pool.texts, candidates)
    else:
        paths = {"hidden-states": ("hidden_states", HIDDEN_STATES), "gradients": ("gradients", GRADIENTS)}
        artifact, name = paths[by]
        apart = values.distances(np.asarray(read_matrix(known[artifact] / name), np.float32), candidates)
    chosen = choose(tmp_path, known, {"kind": "uniform"}, {"kind": "diverse", "by": by})
    sides = {(row.prompt_id, row.chosen_index, row.rejected_index) for row in chosen}
    for prompt in range(12):
        own = np.flatnonzero(candidates.prompt == prompt)
        best = own[apart[own].argmax()]
        first, second = (pool.responses[side[best]] for side in (candidates.chosen, candidates.rejected))
        assert (f"p{prompt}", first.index, second.index) in sides


@pytest.mark.parametrize(
    "options",
    [
        {"count": "softmax"},
        {"count": "share"},
        {"prefer": "far"},
        {"prefer": "uniform"},
        {"algorithm": "agglomerative"},
        {"features": "hidden-states"},
    ],
)
def test_every_option_of_gradient_clusters_changes_the_pairs(
    tmp_path: Path, known: dict[str, Path], options: dict[str, Any]
) -> None:
    rule: dict[str, Any] = {"kind": "gradient-clusters", "pairs": 2, "clusters": 4, "minimum": 0}
    found = [
        choose(tmp_path / name, known, table, {"kind": "nearest"})
        for name, table in (("usual", rule), ("other", rule | options))
    ]
    assert len(found[0]) == len(found[1]) == 24
    assert found[0] != found[1]


@pytest.mark.parametrize(
    "rule",
    [{"kind": "gradient-clusters", "clusters": 4}, {"kind": "influence"}],
    ids=lambda rule: rule["kind"],
)
def test_pair_gradients_are_those_of_the_loss(
    tmp_path: Path, known: dict[str, Path], rule: dict[str, Any]
) -> None:
    """A loss of the margin chooses what none does; one of likelihood chooses others."""
    rule = rule | {"pairs": 2, "minimum": 0}
    plain, margin, likelihood = (
        choose(tmp_path / name, known, rule, TOP, **more)
        for name, more in (
            ("none", {}),
            ("nca", {"loss": {"kind": "nca"}}),
            ("orpo", {"loss": {"kind": "orpo"}}),
        )
    )
    assert plain == margin
    assert plain != likelihood


@pytest.mark.parametrize(
    ("depth", "prefer"), [("score-gap", "smallest"), ("loss", "largest"), ("gradient-norm", "smallest")]
)
def test_a_preference_turned_round_takes_other_pairs(
    tmp_path: Path, known: dict[str, Path], depth: str, prefer: str
) -> None:
    """12 of 72 pairs from either end of the ranking: none in common."""
    count = {"count": "top"} if depth == "score-gap" else {}
    rule: dict[str, Any] = {"kind": depth, "minimum": 0, **count}
    sides = [
        {(row.prompt_id, row.chosen, row.rejected) for row in choose(tmp_path / name, known, table, TOP)}
        for name, table in (("usual", rule), ("turned", rule | {"prefer": prefer}))
    ]
    assert [len(side) for side in sides] == [12, 12]
    assert not sides[0] & sides[1]


@pytest.mark.parametrize("variant", KINDS["breadth"], ids=kind_of)
def test_every_breadth_takes_its_count_in_the_order_of_the_pool(
    tmp_path: Path, known: dict[str, Path], variant: type[Table]
) -> None:
    kind = kind_of(variant)
    table: dict[str, Any] = {"kind": kind, **SPECIAL.get(kind, {})}
    params = {"breadth": table, "count": 5, "seed": 0}
    ids = [prompt.id for prompt in read_prompts(run_stage(tmp_path, breadth.run, params, known).folder)]
    assert len(set(ids)) == (12 if kind == "all" else 5)
    assert ids == sorted(ids, key=lambda name: int(name[1:]))


def test_kept_rows_are_those_of_the_chosen_prompts(tmp_path: Path, known: dict[str, Path]) -> None:
    params = {"breadth": {"kind": "score-variance", "prompts": 5}, "count": 5, "seed": 0}
    chosen = run_stage(tmp_path / "breadth", breadth.run, params, known).folder
    done = run_stage(tmp_path / "kept", kept.run, {}, known | {"prompts": chosen})
    ids = [prompt.id for prompt in read_prompts(chosen)]
    scores = read_rows(done.folder / "scores.jsonl", Score)
    assert [row.prompt_id for row in read_responses(done.folder)] == [name for name in ids for _ in range(4)]
    everything = read_rows(known["scores"] / "scores.jsonl", Score)
    assert scores == [row for row in everything if row.prompt_id in ids]
    assert done.cost.judge_calls == done.cost.tokens_forward == 0, "paid for when they were made"


def test_validation_prompts_are_in_neither_pool_nor_evaluation(tmp_path: Path) -> None:
    """Nor do those that are skipped come again."""
    world = make_world(0)

    def texts(prompts: list[Prompt]) -> set[str]:
        return {prompt.text for prompt in prompts}

    def found(skip: int) -> set[str]:
        source = {"kind": "atlas", "count": 50}
        params = {"source": source, "world": 0, "seed": 3, "skip": skip, "count": 20}
        return texts(read_prompts(run_stage(tmp_path / str(skip), validation.run, params, {}).folder))

    first, later = found(0), found(20)
    assert (len(first), len(later)) == (20, 20)
    assert not first & later
    assert not (first | later) & (texts(training_prompts(world, 50, 3)) | texts(held_out_half(world)))
