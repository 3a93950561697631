"""What a recipe and an accelerate config file say of the processes that share a training."""

import os
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.plan.build import build_plan
from harness.recipe.launching import ALONE, Launch, Launching, launch_of, read_config
from harness.recipe.load import load_recipe

FSDP = """
compute_environment: LOCAL_MACHINE
distributed_type: FSDP
downcast_bf16: 'no'
fsdp_config:
  fsdp_version: 2
  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
  fsdp_state_dict_type: FULL_STATE_DICT
machine_rank: 0
main_training_function: main
mixed_precision: bf16
num_machines: 1
num_processes: 8
rdzv_backend: static
same_network: true
tpu_env: []
tpu_use_cluster: false
tpu_use_sudo: false
use_cpu: false
"""
"""As `accelerate config` writes it."""

BY_CONFIG = Launching(launcher="accelerate", config="fsdp.yaml")
RECIPE = """
title = "test"
baseline = "a"
[budget]
responses = 64
[training]
steps = 2
learning_rate = 1e-3
[methods.a]
responses_per_prompt = 4
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fsdp.yaml").write_text(FSDP)
    return tmp_path


def problems(table: Launching, folder: Path, precision: str = "bf16", processes: int | None = None) -> str:
    with pytest.raises(BadInput) as caught:
        launch_of(table, precision, folder, processes)
    return "\n".join(caught.value.problems)


def test_one_process_where_nothing_is_said(tmp_path: Path) -> None:
    assert launch_of(Launching(), "fp32", tmp_path) == ALONE


def test_the_command_line_goes_before_the_recipe(tmp_path: Path) -> None:
    said = Launching(launcher="accelerate", processes=4)
    assert launch_of(said, "fp32", tmp_path) == Launch("accelerate", 4)
    assert launch_of(said, "fp32", tmp_path, 2) == Launch("accelerate", 2)
    assert launch_of(said, "fp32", tmp_path, 1).processes == 1


def test_a_config_file_says_how_many_and_in_which_way(folder: Path) -> None:
    launch = launch_of(BY_CONFIG, "bf16", folder)
    assert (launch.processes, launch.distributed) == (8, "FSDP")
    assert launch.config is not None
    assert launch.config["fsdp_config"]["fsdp_auto_wrap_policy"] == "TRANSFORMER_BASED_WRAP"


def test_a_config_file_may_be_json(tmp_path: Path) -> None:
    (tmp_path / "two.json").write_text('{"distributed_type": "MULTI_GPU", "num_processes": 2}')
    assert read_config(tmp_path, "two.json").num_processes == 2


def test_contradictions_are_told(folder: Path) -> None:
    assert "num_processes: is 8, but 4 are asked for by" in problems(BY_CONFIG, folder, processes=4)
    assert "mixed_precision: 'bf16' is not what training.precision = 'fp32' trains in. Set it to 'no'" in (
        problems(BY_CONFIG, folder, "fp32")
    )
    several = BY_CONFIG.model_copy(update={"nodes": 2})
    assert "num_machines: is 1, but resources.training.nodes is 2." in problems(several, folder)
    by_torchrun = Launching(config="fsdp.yaml")
    assert problems(by_torchrun, folder) == (
        'resources.training.config: is read by accelerate alone. Got launcher = "torchrun". '
        "Use launcher = 'accelerate', or remove it."
    )


def test_several_nodes_have_equal_shares(tmp_path: Path) -> None:
    odd, even = (Launching(processes=count, nodes=2) for count in (3, 4))
    assert "processes: must be a multiple of nodes (2). Got 3." in problems(odd, tmp_path)
    assert launch_of(even, "fp32", tmp_path) == Launch("torchrun", 4, 2)


def test_deepspeed_does_not_start_all_machines_from_each(tmp_path: Path) -> None:
    text = "distributed_type: DEEPSPEED\nnum_processes: 4\nnum_machines: 2\ndeepspeed_config: {KEY: standard}"
    (tmp_path / "fsdp.yaml").write_text(text.replace("KEY", "zero_stage"))
    several = BY_CONFIG.model_copy(update={"nodes": 2})
    assert "deepspeed_multinode_launcher: must be 'standard'. Got \"pdsh\"" in problems(several, tmp_path)
    (tmp_path / "fsdp.yaml").write_text(text.replace("KEY", "deepspeed_multinode_launcher"))
    assert launch_of(several, "fp32", tmp_path).nodes == 2


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("zero_stage: 3", "zero3_save_16bit_model: must be true with zero_stage 3, which could not put"),
        ("zero_stage: 3, zero3_save_16bit_model: false", "weights together without it. Got false."),
        ("deepspeed_config_file: ds.json", "deepspeed_config_file: names another file"),
    ],
)
def test_what_deepspeed_trains_can_be_written_and_is_all_said(said: str, told: str, tmp_path: Path) -> None:
    """Without the first it would raise after the last step, with no checkpoint to go on from."""
    text = "distributed_type: DEEPSPEED\nnum_processes: 2\ndeepspeed_config: {SAID}"
    (tmp_path / "fsdp.yaml").write_text(text.replace("SAID", said))
    assert told in problems(BY_CONFIG, tmp_path)
    (tmp_path / "fsdp.yaml").write_text(text.replace("SAID", "zero_stage: 3, zero3_save_16bit_model: true"))
    assert launch_of(BY_CONFIG, "bf16", tmp_path).distributed == "DEEPSPEED"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("distributed_type: [", "cannot be read as YAML: while parsing a flow node"),
        ("- 1\n- 2", "must be a table of at most 20,000 bytes"),
        ("a: " + "b" * 20_000, "must be a table of at most 20,000 bytes"),
        ("a: &a [1]\nb: *a", "must be a table of at most 20,000 bytes without aliases"),
        ("[" * 10_000, "cannot be read as YAML: "),
        ("1: 2\ndistributed_type: FSDP", "1: "),
        ("when: 2020-01-01", "cannot be read as YAML: Object of type date"),
        ("a: 1" + ":59" * 200 + ".5", "cannot be read as YAML: int too large to convert to float. Corr"),
        ("a: !!bool 1", "cannot be read as YAML: "),
        ("a: !!int ''", "cannot be read as YAML: "),
        ("a: !!timestamp 1", "cannot be read as YAML: "),
        (
            "distributed_type: FSDP\nnum_processes: 2\nfsdp_config: {fsdp_version: .nan}",
            "cannot be read as YAML: Out of range float values",
        ),
        ("distributed_type: FSDP\nfsdp_config: {a: [-.inf]}", "cannot be read as YAML: Out of range float v"),
        ("!!python/object/apply:os.system ['true']", "cannot be read as YAML: could not determine a constr"),
        ("num_processes: 2", "distributed_type: required, but not there. Add it."),
        ("distributed_type: 'NO'", 'distributed_type: "NO" is not known here. Known: MULTI_CPU, MULTI_GPU'),
        ("distributed_type: FSDP\nnum_proceses: 2", "num_proceses: unknown key. Did you mean 'num_process"),
        ("distributed_type: FSDP\nfp8_config: {backend: TE}", "fp8_config: unknown key."),
        ("distributed_type: FSDP\ndowncast_bf16: 'yes'", "downcast_bf16: unknown key."),
        ("distributed_type: FSDP\nmixed_precision: fp8", 'mixed_precision: "fp8" is not known here. Kno'),
        ("distributed_type: FSDP\nnum_processes: '8'", 'num_processes: must be a whole number. Got "8".'),
        ("distributed_type: MULTI_GPU", "num_processes: at least 2 share a training. Set it, or do without"),
        ("distributed_type: FSDP\nnum_processes: 2", "fsdp_config.fsdp_version: must be 2. Got 1."),
        (
            "distributed_type: FSDP\nnum_processes: 2\nfsdp_config: {fsdp_version: 2}",
            "fsdp_config.fsdp_state_dict_type: must be 'FULL_STATE_DICT': others write pickles. Got \"",
        ),
    ],
)
def test_a_wrong_file_is_one_sentence(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "fsdp.yaml").write_text(text)
    assert f'resources.training.config: "fsdp.yaml": {told}' in problems(BY_CONFIG, tmp_path)


def test_a_name_that_is_no_file_is_one_sentence(tmp_path: Path) -> None:
    assert problems(BY_CONFIG, tmp_path) == (
        'resources.training.config: there is no file "fsdp.yaml" beside the recipe. Correct the path.'
    )
    for name in ("\0", "x" * 5000, "."):
        told = problems(Launching(launcher="accelerate", config=name), tmp_path)
        assert told.startswith("resources.training.config: "), told
        assert "\n" not in told


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    """A pipe would be waited for, and a device has no end."""
    os.mkfifo(tmp_path / "pipe")
    for name in ("/dev/zero", "pipe"):
        told = problems(Launching(launcher="accelerate", config=name), tmp_path)
        assert told.startswith(f'resources.training.config: there is no file "{name}"')


def test_keys_without_a_value_count_as_left_out(tmp_path: Path) -> None:
    """Accelerate writes `null` for what was not asked; False and 0 are values, and are looked at."""
    text = "distributed_type: MULTI_GPU\nnum_processes: 2\nmachine_rank: null\ncommand_file: null\n"
    (tmp_path / "fsdp.yaml").write_text(text)
    assert launch_of(BY_CONFIG, "fp32", tmp_path).processes == 2
    (tmp_path / "fsdp.yaml").write_text(text + "num_machines: 0\nmade_up: false\n")
    told = problems(BY_CONFIG, tmp_path)
    assert "made_up: unknown key" in told
    assert "num_machines: must be at least 1. Got 0." in told


def test_check_and_plan_tell_it_with_the_recipe(folder: Path) -> None:
    path = folder / "r.toml"
    path.write_text(RECIPE + '[resources.training]\nlauncher = "accelerate"\nconfig = "fsdp.yaml"\n')
    with pytest.raises(BadInput) as caught:
        load_recipe(path)
    assert caught.value.problems == (
        f"{path}: resources.training.config: \"fsdp.yaml\": mixed_precision: 'bf16' is not what "
        "training.precision = 'fp32' trains in. Set it to 'no', or remove it.",
    )


def test_it_enters_no_key(tmp_path: Path) -> None:
    plain, shared = tmp_path / "plain.toml", tmp_path / "shared.toml"
    plain.write_text(RECIPE)
    shared.write_text(RECIPE + "[resources.training]\nprocesses = 4\n")
    one, four = ([task.key for task in build_plan(load_recipe(path)).tasks] for path in (plain, shared))
    assert one == four
