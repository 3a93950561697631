"""Options of `harness run` are checked before anything runs, and change no key."""

from pathlib import Path

import pytest
from recipe_documents import WORLD, recipe

from harness.__main__ import main
from harness.commands import options
from harness.commands.options import options_of
from harness.commands.places import places_of
from harness.commands.workers import _taken, gpus_here
from harness.errors import BadInput
from harness.plan.build import build_plan
from harness.recipe.launching import Launch, Launching
from harness.recipe.load import load_recipe
from harness.recipe.resources import Needs, Resources, ShardedNeeds
from harness.recipe.schema import Recipe, Training
from harness.recipe.tuning import Tuning

SMOKE = Path(__file__).parent.parent.parent / "recipes" / "smoke.toml"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--report-to", "wandbb"], "--report-to: must be one of tensorboard, wandb"),
        (["--train-processes", "3"], "methods.balanced: training.pairs_per_step: must be a multiple of"),
    ],
)
def test_a_wrong_option_is_exit_code_2_before_anything_runs(
    words: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = tmp_path / "store"
    monkeypatch.setattr("sys.argv", ["harness", "run", str(SMOKE), "--store", str(store), *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert told in capsys.readouterr().err
    assert not store.exists()


def test_trainings_are_named_after_their_first_user() -> None:
    """Two methods that train alike share one training; sft trains nothing."""
    recipe = load_recipe(SMOKE)
    twin = {**recipe.methods, "twin": recipe.methods["balanced"]}
    recipe = recipe.model_copy(update={"methods": twin})
    plan = build_plan(recipe)
    options = options_of(places_of(SMOKE), recipe, plan, "none", 1)
    assert sorted(options.names.values()) == ["balanced.0", "balanced.1", "dpo-random.0", "dpo-random.1"]
    assert set(options.names) == {task.key for task in plan.tasks if task.stage == "adapter"}
    assert options.recipe == "smoke"


def test_each_trial_of_a_tuned_method_has_a_name() -> None:
    """Two methods, two replicates, two trials: no training reports under another's name, or under none."""
    tuning = Tuning(trials=2, space={"beta": (0.1, 0.5)})
    recipe = load_recipe(SMOKE).model_copy(update={"tuning": tuning})
    plan = build_plan(recipe)
    options = options_of(places_of(SMOKE), recipe, plan, "none", 1)
    assert sorted(options.names.values()) == [
        f"{method}.{replicate}.trial_{number}"
        for method in ("balanced", "dpo-random")
        for replicate in (0, 1)
        for number in (0, 1)
    ]
    assert set(options.names) == {task.key for task in plan.tasks if task.stage == "adapter"}


def test_every_method_that_cannot_be_shared_is_named() -> None:
    recipe = load_recipe(SMOKE)
    with pytest.raises(BadInput) as caught:
        options_of(places_of(SMOKE), recipe, build_plan(recipe), "none", 2)
    assert len(caught.value.problems) == 2
    shared: Recipe = recipe.model_copy(
        update={"training": Training(**{**recipe.training.model_dump(), "micro_batch": 1})}
    )
    assert options_of(places_of(SMOKE), shared, build_plan(shared), "none", 2).launch.processes == 2
    few = shared.model_copy(update={"training": shared.training.model_copy(update={"prompts_per_step": 3})})
    with pytest.raises(BadInput, match=r"training\.prompts_per_step: .* Got 3\. Set it to a multiple of 2"):
        options_of(places_of(SMOKE), few, build_plan(few), "none", 2)


def with_training(**table: object) -> Recipe:
    """The smoke recipe with micro-batches that two can share, and this `[resources.training]`."""
    shared = load_recipe(SMOKE)
    training = Training(**{**shared.training.model_dump(), "micro_batch": 1})
    resources = Resources(training=Launching(**table))  # type: ignore[arg-type]  # the tests give what it takes
    return shared.model_copy(update={"training": training, "resources": resources})


def test_the_recipe_says_who_shares_a_training_unless_the_command_line_does() -> None:
    said = with_training(launcher="accelerate", processes=2)
    plan = build_plan(said)
    assert options_of(places_of(SMOKE), said, plan, "none", None).launch == Launch("accelerate", 2)
    assert options_of(places_of(SMOKE), said, plan, "none", 1).launch.processes == 1


def test_what_runs_on_each_machine_is_said_outside_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    several = with_training(processes=2, nodes=2)
    monkeypatch.delenv("HARNESS_ON_EACH_NODE", raising=False)
    with pytest.raises(BadInput, match=r"nodes: 2 machines need a command .* 'srun --nodes=2 --ntasks-per-n"):
        options_of(places_of(SMOKE), several, build_plan(several), "none", None)
    monkeypatch.setenv("HARNESS_ON_EACH_NODE", "srun '--nodes=2'")
    launch = options_of(places_of(SMOKE), several, build_plan(several), "none", None).launch
    assert launch.on_each_node == ("srun", "--nodes=2")


def test_deepspeed_that_is_not_installed_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ds.yaml").write_text("distributed_type: DEEPSPEED\nnum_processes: 2")
    asked = with_training(launcher="accelerate", config="ds.yaml")
    monkeypatch.setattr(options, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match="asks for DeepSpeed, which is not installed"):
        options_of(places_of(tmp_path / "r.toml"), asked, build_plan(asked), "none", None)


def test_an_endpoint_that_cannot_be_asked_is_refused_before_anything_runs() -> None:
    """A budget needs a price, and the dated table has none for this model."""
    judge = {
        "kind": "endpoint",
        "base_url": "http://localhost:8000/v1",
        "model": "judge-2026-01-01",
        "budget_usd": 1.0,
    }
    asked = recipe(WORLD, pool__judge=judge)
    with pytest.raises(BadInput) as caught:
        options_of(places_of(SMOKE), asked, build_plan(asked), "none", 1)
    assert caught.value.problems == (
        f"{SMOKE}: pool.judge: endpoint budget_usd: needs a price, and the table has none for "
        "judge-2026-01-01 at localhost. State it, in dollars per million tokens (0: free).",
    )
    priced = recipe(WORLD, pool__judge=judge | {"usd_per_million_in": 1.0, "usd_per_million_out": 2.0})
    assert options_of(places_of(SMOKE), priced, build_plan(priced), "none", None).launch.processes == 1


def test_a_cluster_is_told_what_a_task_takes_in_its_own_units() -> None:
    """By the table of its stage, else by the default: cores, GPUs, and bytes for the recipe's gigabytes."""
    resources = Resources(
        default=Needs(gpus=0.25, cpus=2.0),
        responses=ShardedNeeds(shards=4, gpus=1.0),
        pairs=Needs(cpus=3.0, memory_gb=1.5),
    )
    assert _taken(resources, "adapter") == {"num_cpus": 2.0, "num_gpus": 0.25}
    assert _taken(resources, "responses") == {"num_cpus": 1.0, "num_gpus": 1.0}
    assert _taken(resources, "pairs") == {"num_cpus": 3.0, "num_gpus": 0.0, "memory": 1_500_000_000}


def test_a_task_takes_as_many_gpus_as_its_stage_or_its_processes_on_one_machine() -> None:
    """16 processes on two machines are 8 on each; one process takes what its stage says."""
    resources = Resources.model_validate({"default": {"gpus": 1.0}, "scores": {"gpus": 2.0}})
    assert [gpus_here(resources, 1, stage) for stage in ("scores", "adapter")] == [2.0, 1.0]
    assert gpus_here(Resources(adapter=Needs(gpus=0.5)), 1, "adapter") == 0.5
    shared = Launch(processes=16, nodes=2).on_each
    assert [gpus_here(Resources(), shared, stage) for stage in ("adapter", "trial")] == [8, 0.0]


def test_the_layers_that_are_trained_are_told() -> None:
    recipe = load_recipe(SMOKE)
    named = recipe.training.model_copy(update={"targets": ("q_proj",)})
    for training in (recipe.training, named):
        changed = recipe.model_copy(update={"training": training})
        told = options_of(places_of(SMOKE), changed, build_plan(changed), "none", 1)
        assert told.targets == training.targets
