"""Every sentence about data, models and judges that do not go together, and which files a recipe names."""

from typing import Any

import pytest
from recipe_documents import ENDPOINT, HUB, POOL, REAL, REVISION, WORLD, recipe

from harness.recipe.data import data_problems, endpoints_of, judges_of, local_files, sources_of


def test_what_goes_together_is_accepted() -> None:
    for document in (WORLD, REAL):
        assert not list(data_problems(recipe(document)))
    own = {"pool__responses": {"kind": "dataset"}, "pool__judge": {"kind": "dataset"}}
    hub = {"kind": "dataset", "path": "a/b", "revision": REVISION, "config": "x", "split": "test"}
    assert not list(data_problems(recipe(REAL, **own)))
    assert not list(data_problems(recipe(REAL, evaluation__alpaca_eval__prompts=hub)))
    priced = ENDPOINT | {"kind": "endpoint", "usd_per_million_in": 1.0, "usd_per_million_out": 2.0}
    assert not list(data_problems(recipe(WORLD, pool__judge=priced)))


EVALUATION = "evaluation.alpaca_eval"


@pytest.mark.parametrize(
    ("document", "changes", "sentences"),
    [
        (
            WORLD,
            {"model": {"kind": "random"}},
            [
                "pool.prompts: 'atlas' is of the embedded world, and model.kind 'random' is not. "
                "Name a dataset, or use model.kind 'atlas'.",
                f"{EVALUATION}.prompts: 'atlas' is of the embedded world, and model.kind 'random' is not. "
                "Name a dataset, or use model.kind 'atlas'.",
                "pool.judge: 'oracle' knows the embedded world only. Name another judge.",
                f"{EVALUATION}.judge: 'oracle' knows the embedded world only. Name another judge.",
            ],
        ),
        (
            WORLD,
            {"pool__prompts": POOL, "evaluation__alpaca_eval__prompts": {"kind": "held-out", "count": 4}},
            [
                f"{place}: the model of the embedded world knows only the world's words. Use kind 'atlas', "
                "or another model."
                for place in ("pool.prompts", f"{EVALUATION}.prompts")
            ],
        ),
        (
            REAL,
            {"evaluation__lm_eval": {"tasks": ("atlas_facts", "hellaswag")}},
            [
                "evaluation.lm_eval.tasks: 'atlas_facts' is of the embedded world. Name other tasks.",
            ],
        ),
        (
            WORLD,
            {"evaluation__lm_eval": {"tasks": ("atlas_facts", "hellaswag")}},
            [
                'evaluation.lm_eval.tasks: "hellaswag" is not known here. The model of the embedded world '
                "knows only the world's words. Known: atlas_facts.",
            ],
        ),
        *(
            (
                WORLD,
                {"pool__responses": {"kind": kind}},
                [
                    f"pool.responses: '{kind}' needs pool.prompts of kind 'dataset'. Change one of the two.",
                ],
            )
            for kind in ("dataset", "both")
        ),
        (
            REAL,
            {
                "pool__responses": {"kind": "dataset", "least": 3},
                "methods": {"dpo": {"responses_per_prompt": 4}},
            },
            [
                "methods.dpo.responses_per_prompt: must be at most pool.responses.least (3), as each prompt "
                "has so many of its own. Got 4. Raise `least`.",
            ],
        ),
        (
            REAL,
            {"pool__responses": {"kind": "both"}, "pool__judge": {"kind": "dataset"}},
            [
                "pool.judge: 'dataset' has no scores of sampled responses, and pool.responses is 'both'. "
                "Name another judge, or use responses of kind 'dataset'.",
            ],
        ),
        (
            REAL,
            {
                "evaluation__alpaca_eval__judge": {"kind": "dataset"},
                "evaluation__mt_bench": {"questions": "q.jsonl", "judge": {"kind": "dataset"}},
            },
            [
                f"{place}: 'dataset' has scores of its own responses only. Name another judge."
                for place in (f"{EVALUATION}.judge", "evaluation.mt_bench.judge")
            ],
        ),
        (
            WORLD,
            {"evaluation__alpaca_eval__prompts": {"kind": "held-out", "count": 4}},
            [
                f"{EVALUATION}.prompts: the model of the embedded world knows only the world's words. Use "
                "kind 'atlas', or another model.",
                f"{EVALUATION}.prompts: 'held-out' are the prompts that the pool's dataset sets apart. Use "
                "pool.prompts of kind 'dataset', or other prompts.",
            ],
        ),
        (
            REAL,
            {"pool__prompts": POOL | {"held_out": 0}},
            [
                "pool.prompts.held_out: must be more than 0 where the evaluation prompts are 'held-out'. "
                "Got 0.",
            ],
        ),
        (
            REAL,
            {"evaluation__alpaca_eval__prompts": {"kind": "dataset", "path": "pool.jsonl"}},
            [
                f"{EVALUATION}.prompts: are those of the pool. Use kind 'held-out', which sets a part of "
                "them apart, or another dataset.",
            ],
        ),
        *(
            (
                REAL,
                {"evaluation__alpaca_eval__prompts": {"kind": "official", **more}},
                [f"{EVALUATION}.prompts: 'official' needs either a `path` or a `revision` of the hub."],
            )
            for more in ({}, {"path": "o.json", "revision": REVISION})
        ),
        (
            REAL,
            {"evaluation__alpaca_eval__reference": {"kind": "official"}},
            [
                f"{EVALUATION}.reference: 'official' goes with the prompts of kind 'official'. "
                "Change one of the two.",
            ],
        ),
        (
            REAL,
            {"evaluation__alpaca_eval__reference": {"kind": "method", "method": "dop"}},
            [f"{EVALUATION}.reference.method: no method is called 'dop'. Did you mean 'dpo'?"],
        ),
        (
            REAL,
            {
                "pool__prompts": POOL | {"config": "x"},
                "model": {
                    "kind": "random",
                    "sft": {
                        "data": {"path": "s.jsonl", "split": "test"},
                        "steps": 1,
                        "learning_rate": 1e-3,
                    },
                },
            },
            [
                f"{place}: a local file has none. Remove it, or give `revision` for a dataset of the hub."
                for place in ("pool.prompts.config", "model.sft.data.split")
            ],
        ),
        (
            WORLD,
            {
                "pool__responses": {"kind": "sample", "endpoint": ENDPOINT | {"usd_per_million_in": 1.0}},
                "pool__judge": ENDPOINT | {"kind": "endpoint", "usd_per_million_out": 1.0},
            },
            [
                f"{place}: a price is `usd_per_million_in` and `usd_per_million_out`. Give both or none."
                for place in ("pool.responses.endpoint", "pool.judge")
            ],
        ),
    ],
)
def test_what_does_not_go_together_is_one_sentence(
    document: dict[str, Any], changes: dict[str, Any], sentences: list[str]
) -> None:
    assert list(data_problems(recipe(document, **changes))) == sentences


LOCAL = {
    "model": {
        "kind": "hf",
        "name": "base",
        "template": "chat.jinja",
        "sft": {"data": {"path": "sft.jsonl"}, "steps": 1, "learning_rate": 1e-3},
    },
    "features": {"embedding": {"kind": "sentence-transformers", "name": "encoder"}},
    "pool__judge": {"kind": "reward-model", "name": "reward"},
    "evaluation__alpaca_eval__judge": {"kind": "local", "name": "judge"},
    "evaluation__alpaca_eval__reference": {"kind": "dataset", "path": "reference.json"},
    "evaluation__lm_eval": {"tasks": ("own",), "include": "tasks"},
    "evaluation__mt_bench": {"questions": "questions.jsonl", "judge": {"kind": "length"}},
}


def test_every_file_that_a_recipe_names_is_known_by_its_place() -> None:
    assert dict(local_files(recipe(REAL, **LOCAL))) == {
        "pool.prompts.path": "pool.jsonl",
        "model.sft.data.path": "sft.jsonl",
        "evaluation.alpaca_eval.reference.path": "reference.json",
        "model.name": "base",
        "model.template": "chat.jinja",
        "pool.judge.name": "reward",
        "evaluation.alpaca_eval.judge.name": "judge",
        "features.embedding.name": "encoder",
        "evaluation.lm_eval.include": "tasks",
        "evaluation.mt_bench.questions": "questions.jsonl",
    }
    official = {"kind": "official", "path": "official.json"}
    named = dict(local_files(recipe(REAL, evaluation__alpaca_eval__prompts=official)))
    assert named["evaluation.alpaca_eval.prompts.path"] == "official.json"


def test_what_the_hub_has_is_no_local_file() -> None:
    """A template is local wherever its model lies."""
    found = local_files(
        recipe(
            REAL,
            model={"kind": "hf", "template": "chat.jinja", **HUB},
            features={"embedding": {"kind": "sentence-transformers", **HUB}},
            pool={
                "prompts": POOL | {"path": "a/b", "revision": REVISION},
                "judge": {"kind": "reward-model", **HUB},
            },
            evaluation__alpaca_eval__judge={"kind": "local", **HUB},
            evaluation__alpaca_eval__prompts={"kind": "official", "revision": REVISION},
        )
    )
    assert dict(found) == {"model.template": "chat.jinja"}


def test_sources_judges_and_endpoints_are_listed_with_their_places() -> None:
    """The world's recipe names none but its two oracles."""
    assert [place for place, _ in judges_of(recipe(WORLD))] == ["pool.judge", f"{EVALUATION}.judge"]
    assert not list(sources_of(recipe(WORLD)))
    assert not list(endpoints_of(recipe(WORLD)))
    found = recipe(REAL, **LOCAL, pool__responses={"kind": "sample", "endpoint": ENDPOINT})
    assert [place for place, _ in sources_of(found)] == [
        "pool.prompts", "model.sft.data", f"{EVALUATION}.reference",
    ]  # fmt: skip
    assert [place for place, _ in endpoints_of(found)] == ["pool.responses.endpoint"]
