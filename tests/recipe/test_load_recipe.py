"""Every mistake in a recipe is one sentence: file, dotted place, rule, value, remedy."""

from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.recipe.load import load_recipe, prompts_of, screened_of

FIXED = """
title = "test"
baseline = "dpo"
[pool]
prompts = { kind = "atlas", count = 100 }
[budget]
responses = 64
[training]
steps = 2
learning_rate = 1e-3
"""
GOOD = FIXED + "[methods.dpo]\nresponses_per_prompt = 2\n"


def write(folder: Path, text: str, name: str = "r.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problems(folder: Path, text: str) -> list[str]:
    """The sentences for a recipe, without the file's name, which each of them must begin with."""
    path = write(folder, text)
    with pytest.raises(BadInput) as caught:
        load_recipe(path)
    assert all(problem.startswith(f"{path}: ") for problem in caught.value.problems)
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]


def test_defaults_and_integers_for_numbers(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, GOOD.replace("1e-3", "1")))
    assert recipe.training.learning_rate == 1.0
    assert recipe.methods["dpo"].depth.kind == "uniform"
    assert prompts_of(recipe, recipe.methods["dpo"]) == 32


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("steps = 2", "steps = 2\nstepz = 2", "training.stepz: unknown key. Did you mean 'steps'?"),
        ("steps = 2", "", "training.steps: required, but not there. Add it."),
        ("steps = 2", 'steps = "2"', 'training.steps: must be a whole number. Got "2".'),
        ("steps = 2", "steps = 0", "training.steps: must be at least 1. Got 0."),
        ("steps = 2", "steps = true", "training.steps: must be a whole number. Got true."),
        ("1e-3", "nan", "training.learning_rate: must be a finite number. Got nan."),
        ("1e-3", '"1e-3"', 'training.learning_rate: must be a number. Got "1e-3".'),
        ("[training]", "[training]\nmax_length = 0", "training.max_length: must be at least 1. Got 0."),
        ('"dpo"', '"dop"', "baseline: no method is called 'dop'. Did you mean 'dpo'?"),
        ("responses = 64", "", "budget: needs `responses`, `pairs` or both. Add one."),
        (
            "[training]",
            "[features.gradients]\nat = 'warmup'\n[training]",
            "features.gradients.warmup_steps: required with at = 'warmup'. Add it.",
        ),
        (
            "[training]",
            "[features.gradients]\nwarmup_steps = 9\n[training]",
            "features.gradients.warmup_steps: there is no warm-up with at = 'reference'. Got 9. Remove it",
        ),
        (
            "[training]",
            "[features.gradients]\npreconditioning = 'exact'\n[training]",
            "features.gradients.preconditioning: 'exact' needs what Adam has learnt in a warm-up. Use at =",
        ),
        (
            "[training]",
            "[features.gradients]\nlayers = 0\n[training]",
            "features.gradients.layers: must be at least 1. Got 0.",
        ),
        (
            "responses = 64",
            "responses = 63",
            "methods.dpo.responses_per_prompt: must divide budget.responses (63)",
        ),
        (
            "responses = 64",
            "responses = 640",
            "methods.dpo.breadth: asks for 320 prompts, but the pool has 100.",
        ),
        (
            "responses = 64",
            "responses = 64\npairs = 33",
            "methods.dpo.depth: budget.pairs asks for 33 pairs, but 32 prompts with 2 responses each make at",
        ),
        (
            "[training]",
            "[model]\nkind = 'random'\nhidden = 20\n[training]",
            "model.hidden: must be a multiple of 16. Got 20.",
        ),
        (
            "[training]",
            "[evaluation.lm_eval]\ntasks = ['a/b']\n[training]",
            "evaluation.lm_eval.tasks.0: must be a task's name, without '/'. Got \"a/b\".",
        ),
        (
            "[training]",
            "[evaluation.alpaca_eval]\njudge = { kind = 'endpoint', base_url = 'ftp://x', model = 'm' }\n"
            "[training]",
            'evaluation.alpaca_eval.judge.base_url: must begin with http:// or https://. Got "ftp://x".',
        ),
        (
            "[training]",
            "[model]\nkind = 'hf'\nname = 'a/b'\nrevision = 'main'\n[training]",
            "model.revision: must be a commit of the hub, of 40 digits 0-9 and a-f: branches and tags",
        ),
    ],
)
def test_one_mistake_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    (found,) = problems(tmp_path, GOOD.replace(old, new, 1))
    assert found.startswith(sentence)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            'breadth = { kind = "cluster" }',
            'breadth: "cluster" is not known here. Known: all, random, clusters, k-center, score-variance.',
        ),
        ("breadth = { prompts = 3 }", "breadth: needs a `kind`. Known: all, random, clusters, k-"),
        (
            'breadth = { kind = "all" }',
            "breadth: 'all' asks for 100 prompts, but budget.responses (64) pays for 32",
        ),
        (
            'breadth = { kind = "random", prompts = 9 }',
            "breadth.prompts: budget.responses (64) pays for 32 prompts",
        ),
        ('depth = { kind = "uniform", pairs = 2 }', "depth.pairs: 2 responses make at most 1 pairs. Got 2."),
        (
            'depth = { kind = "gradient-clusters", clusters = 1 }',
            "depth.clusters: must be at least 2. Got 1.",
        ),
        (
            'depth = { kind = "gradient-clusters", prefer = "nearr" }',
            "depth.prefer: \"nearr\" is not known here. Known: near, far, uniform. Did you mean 'near'?",
        ),
        (
            'pairing = { kind = "nearest" }',
            "pairing: 'nearest' needs the clusters of depth 'gradient-clusters'.",
        ),
        (
            'breadth = { kind = "score-variance", prompts = 8 }',
            "breadth.among: 'score-variance' first scores 100 prompts with 2 responses each, but "
            "budget.responses (64) pays for 32. Set `among` to at most 32, or",
        ),
        (
            'breadth = { kind = "score-variance", prompts = 9, among = 8 }',
            "breadth.prompts: must be at most the 8 prompts it chooses among. Got 9.",
        ),
        (
            'breadth = { kind = "clusters", pick = "proportional" }',
            "breadth.clusters: required where `pick` is 'proportional'.",
        ),
        (
            'breadth = { kind = "clusters", clusters = 33 }',
            "breadth.clusters: must be at most 32, the prompts taken. Got 33.",
        ),
        (
            'depth = { kind = "influence", validation = 32 }',
            "depth.validation: leaves no prompt of the 32 that budget.responses (64) pays for",
        ),
        (
            'breadth = { kind = "random", prompts = 32 }\ndepth = { kind = "influence", validation = 8 }',
            "breadth.prompts: budget.responses (64) pays for 24 prompts",
        ),
        (
            'pairing = { kind = "top" }',
            "pairing: 'top' needs a depth that ranks pairs, and this one does not.",
        ),
        (
            'pairing = { kind = "top" }\ndepth = { kind = "gradient-clusters", prefer = "uniform" }',
            "pairing: 'top' needs a depth that ranks pairs, and this one does not.",
        ),
        (
            'depth = { kind = "score-gap", prefer = "smallest" }',
            "depth.prefer: 'smallest' needs count 'top'",
        ),
        (
            'depth = { kind = "gradient-clusters", features = "hidden-states", gradients = { dim = 64 } }',
            "depth.gradients: not used where `features` is 'hidden-states'. Remove it.",
        ),
        (
            'depth = { kind = "gradient-norm", gradients = { at = "warmup", warmup_steps = 2 } }',
            "depth: 'gradient-norm' compares lengths of gradients, which only at = 'reference' has.",
        ),
        (
            'depth = { kind = "influence", validation = 2, gradients = { at = "warmup" } }',
            "depth.gradients.warmup_steps: required with at = 'warmup'.",
        ),
        ('answer = "yes"', "answer: a method with a constant answer trains on nothing."),
        ("pairing = 3", "pairing: must be a table. Got 3."),
    ],
)
def test_mistakes_in_a_method(tmp_path: Path, line: str, sentence: str) -> None:
    found = problems(tmp_path, GOOD + line)
    assert any(problem.startswith(f"methods.dpo.{sentence}") for problem in found), found


def test_what_selection_samples_first_counts_against_the_responses_budget(tmp_path: Path) -> None:
    """64 responses at 2 each: 32 prompts. 8 for validation leave 24; score-variance scores 30 and uses 10."""
    rows = """
[methods.influence]
responses_per_prompt = 2
depth = { kind = "influence", validation = 8 }
[methods.varied]
responses_per_prompt = 2
breadth = { kind = "score-variance", among = 30, prompts = 10 }
"""
    recipe = load_recipe(write(tmp_path, GOOD + rows))
    used = {name: (prompts_of(recipe, row), screened_of(recipe, row)) for name, row in recipe.methods.items()}
    assert used == {"dpo": (32, 32), "influence": (24, 24), "varied": (10, 30)}


def test_score_variance_takes_the_whole_pool_under_a_pairs_budget(tmp_path: Path) -> None:
    row = 'breadth = { kind = "score-variance", prompts = 20 }'
    recipe = load_recipe(write(tmp_path, GOOD.replace("responses = 64", "pairs = 20") + row))
    assert screened_of(recipe, recipe.methods["dpo"]) == 100


def test_all_problems_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("steps = 2", "steps = 0\nfoo = 1").replace("[budget]", "[budget]\npears = 2")
    places = [problem.split(":")[0] for problem in problems(tmp_path, text)]
    assert sorted(places) == ["budget.pears", "training.foo", "training.steps"]


def test_a_bad_item_of_a_list_is_one_problem(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, GOOD + '[evaluation.lm_eval]\ntasks = ["atlas_fact"]')
    assert found.startswith('evaluation.lm_eval.tasks: "atlas_fact" is not known here.')


def test_a_method_without_training_takes_no_selection(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, GOOD + '[methods.sft]\npairing = { kind = "random" }')
    assert found.startswith("methods.sft.responses_per_prompt: required where `pairing` is given.")


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "A",
        "a b",
        "",
        "..",
        ".a",
        "-rf",
        "a/b",
        "a\\nb",
        "{}",
        "{0.__class__}",
        "$(id)",
        "%s",
        "\u202ea",
        "a\\u0000",
    ],
)
def test_method_names_are_plain(tmp_path: Path, name: str) -> None:
    (found,) = problems(tmp_path, GOOD + f'[methods."{name}"]')
    assert "a method's name may hold" in found


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"title = ", "is not TOML: Invalid value (at end of document). Correct the line."),
        (b"title = '\xff'", "is not UTF-8 (byte 9). Save it as UTF-8."),
        (
            b"[methods.a]\n[methods.a]",
            "is not TOML: Cannot declare methods.a twice (at line 2, column 11). Two tables or keys",
        ),
        (b"x = " + b"[" * 5000 + b"]" * 5000, "is nested more than 50 levels deep. Flatten it."),
        (b"#" * 1_000_001, "a recipe has at most 1,000,000 bytes. Is this one?"),
    ],
)
def test_files_that_are_no_recipe(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "r.toml"
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        load_recipe(path)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}: {sentence}")


def test_a_device_without_end() -> None:
    with pytest.raises(BadInput, match=r"^/dev/zero: a recipe has at most 1,000,000 bytes\. Is this one\?$"):
        load_recipe(Path("/dev/zero"))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no such file"):
        load_recipe(tmp_path / "none.toml")
    with pytest.raises(BadInput, match="cannot be read: Is a directory"):
        load_recipe(tmp_path)


def test_extends_shares_the_fixed_part_but_no_methods(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "base.toml")
    child = (
        'extends = "base.toml"\nbaseline = "b"\n[budget]\npairs = 8\n[methods.b]\nresponses_per_prompt = 4\n'
    )
    recipe = load_recipe(write(tmp_path, child))
    assert list(recipe.methods) == ["b"]
    assert recipe.training.steps == 2
    assert (recipe.budget.responses, recipe.budget.pairs) == (None, 8), "a table replaces a whole table"


def test_contradictions_of_a_pairs_budget(tmp_path: Path) -> None:
    text = GOOD.replace("responses = 64", "pairs = 60").replace("_prompt = 2", "_prompt = 4")
    found = problems(
        tmp_path,
        text + 'breadth = { kind = "random", prompts = 20 }\ndepth = { kind = "uniform", pairs = 2 }',
    )
    assert found == [
        "methods.dpo.depth.pairs: 2 pairs for each of 20 prompts are 40, but budget.pairs is 60. "
        "Change one of the three."
    ]
    found = problems(tmp_path, text + 'depth = { kind = "random" }')
    assert found[0].startswith(
        "methods.dpo.depth.minimum: 1 for each of 100 prompts is more than budget.pairs (60)."
    )
