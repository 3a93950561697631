"""Which processes share a training, and what starts them. Changes no key; loads no torch."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, ValidationError

from harness.errors import BadInput
from harness.recipe.sources import Text
from harness.recipe.table import Count, Table
from harness.recipe.wording import sentence, show

MAX_BYTES = 20_000
UNUSED: Mapping[str, Any] = {
    "downcast_bf16": "no",
    "tpu_env": [],
    "tpu_use_cluster": False,
    "tpu_use_sudo": False,
}
"""What accelerate's own questionnaire writes where there is no TPU."""


class Launching(Table):
    """Several processes for each training that a method ends with (docs/long-trainings.md).

    `processes` in all, the same number on each of `nodes` machines. `config` is an accelerate config file, as
    for FSDP or DeepSpeed, beside the recipe.
    """

    launcher: Literal["torchrun", "accelerate"] = "torchrun"
    processes: Count | None = None
    config: Text | None = None
    nodes: Count = 1


class AccelerateConfig(Table):
    """What an accelerate config file may say. All else would change what a step sees, or its arithmetic.

    `machine_rank`, `rdzv_backend`, `same_network` and `main_training_function` are taken and not used.
    """

    distributed_type: Literal["MULTI_CPU", "MULTI_GPU", "FSDP", "DEEPSPEED"]
    compute_environment: Literal["LOCAL_MACHINE"] = "LOCAL_MACHINE"
    num_processes: Count | None = None
    num_machines: Count | None = None
    mixed_precision: Literal["no", "bf16", "fp16"] | None = None
    fsdp_config: dict[str, JsonValue] | None = None
    deepspeed_config: dict[str, JsonValue] | None = None
    gpu_ids: Text | None = None
    main_process_ip: Text | None = None
    main_process_port: Annotated[int, Field(ge=0, lt=2**16)] | None = None
    enable_cpu_affinity: bool = False
    use_cpu: bool = False
    debug: bool = False
    machine_rank: int = 0
    rdzv_backend: str = "static"
    same_network: bool = False
    main_training_function: str = "main"


@dataclass(frozen=True)
class Launch:
    """The processes that share a training: how many on how many machines, and what starts them.

    `on_each_node` is a command that runs another one on each of the machines, where there are several.
    `config` is the content of an accelerate config file, and `distributed` the kind of training that it asks
    for; None: data parallel, on what the machine has.
    """

    launcher: Literal["torchrun", "accelerate"] = "torchrun"
    processes: int = 1
    nodes: int = 1
    on_each_node: tuple[str, ...] = ()
    config: Mapping[str, Any] | None = None

    @property
    def distributed(self) -> str | None:
        """One of accelerate's names: "MULTI_CPU", "MULTI_GPU", "FSDP" or "DEEPSPEED"."""
        return self.config["distributed_type"] if self.config else None

    @property
    def on_each(self) -> int:
        """How many of the processes each machine has, with a GPU for each where there are GPUs."""
        return self.processes // self.nodes


ALONE = Launch()
"""A training in the process that does the task."""


def launch_of(table: Launching, precision: str, folder: Path, processes: int | None = None) -> Launch:
    """What a recipe and its config file say together.

    Args:
        table: the recipe's `[resources.training]`.
        precision: that of its trainings, "fp32", "bf16" or "fp16".
        folder: the recipe's, where its config file lies.
        processes: of the command line, in place of the recipe's.

    Raises:
        BadInput: the config file cannot be read, or the three contradict each other.
    """
    config = read_config(folder, table.config) if table.config else None
    launch = Launch(
        table.launcher,
        processes or table.processes or (config and config.num_processes) or 1,
        table.nodes,
        config=config.model_dump(mode="json", exclude_unset=True) if config else None,
    )
    problems = [*_table_problems(table, launch.processes)]
    if table.config and config:
        problems += [_of_config(table.config, each) for each in _contradictions(config, launch, precision)]
    if problems:
        raise BadInput(problems)
    return launch


def launch_problems(table: Launching, precision: str, folder: Path) -> tuple[str, ...]:
    """One sentence for each reason why `launch_of` refuses."""
    try:
        launch_of(table, precision, folder)
    except BadInput as error:
        return error.problems
    return ()


def read_config(folder: Path, name: str) -> AccelerateConfig:
    """Read the accelerate config file `name` in a recipe's folder, YAML or JSON.

    Raises:
        BadInput: with one sentence for each problem.
    """
    document = _parsed(folder, name)
    known = {
        key: value
        for key, value in document.items()
        if value is not None and (key not in UNUSED or UNUSED[key] != value)
    }
    try:
        return AccelerateConfig.model_validate(known)
    except ValidationError as error:
        told = [sentence(detail, known, AccelerateConfig) for detail in error.errors()]
        raise BadInput([_of_config(name, each) for each in told]) from None


def _of_config(name: str, problem: str) -> str:
    return f"resources.training.config: {show(name)}: {problem}"


def _parsed(folder: Path, name: str) -> dict[str, Any]:
    import yaml

    try:
        if not (folder / name).is_file():  # opening a pipe or a terminal would wait for it
            raise FileNotFoundError
        with (folder / name).open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        document = yaml.safe_load(text) if len(text) <= MAX_BYTES and not _aliases(text) else None
        json.dumps(document, allow_nan=False)  # as which it goes on
    except FileNotFoundError:
        raise BadInput(
            f"resources.training.config: there is no file {show(name)} beside the recipe. Correct the path."
        ) from None
    except Exception as error:  # the parser lets out whatever its own conversions of a value run into
        what = " ".join(str(error).split())[:200]
        raise BadInput(_of_config(name, f"cannot be read as YAML: {what}. Correct it.")) from None
    if not isinstance(document, dict):
        rule = f"must be a table of at most {MAX_BYTES:,} bytes without aliases"
        raise BadInput(_of_config(name, f"{rule}, as `accelerate config` writes it. Correct it."))
    return document


def _aliases(text: bytes) -> bool:
    """Whether a value stands for another one, by which a short file can hold a very large table."""
    import yaml

    return any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text))


def _table_problems(table: Launching, processes: int) -> Iterator[str]:
    if table.config is not None and table.launcher != "accelerate":
        yield (
            f"resources.training.config: is read by accelerate alone. Got launcher = {show(table.launcher)}. "
            "Use launcher = 'accelerate', or remove it."
        )
    if processes % table.nodes:
        yield f"resources.training.processes: must be a multiple of nodes ({table.nodes}). Got {processes}."


def _contradictions(config: AccelerateConfig, launch: Launch, precision: str) -> Iterator[str]:
    if launch.processes == 1:
        yield "num_processes: at least 2 share a training. Set it, or do without the file."
    elif config.num_processes not in (None, launch.processes):
        yield (
            f"num_processes: is {config.num_processes}, but {launch.processes} are asked for by the recipe "
            "or --train-processes. Remove one of the two."
        )
    if (config.num_machines or 1) != launch.nodes:
        yield (
            f"num_machines: is {config.num_machines or 1}, but resources.training.nodes is {launch.nodes}. "
            "Set both to the same."
        )
    same = "no" if precision == "fp32" else precision
    if config.mixed_precision not in (None, same):
        yield (
            f"mixed_precision: '{config.mixed_precision}' is not what training.precision = '{precision}' "
            f"trains in. Set it to '{same}', or remove it."
        )
    multinode = (config.deepspeed_config or {}).get("deepspeed_multinode_launcher", "pdsh")
    if launch.distributed == "DEEPSPEED" and launch.nodes > 1 and multinode != "standard":
        yield (
            f"deepspeed_config.deepspeed_multinode_launcher: must be 'standard'. Got {show(multinode)}, "
            "which would start all machines from each of them."
        )
    if config.distributed_type == "DEEPSPEED":
        yield from _deepspeed_problems(config.deepspeed_config or {})
    if config.distributed_type == "FSDP":
        yield from _fsdp_problems(config.fsdp_config or {})


def _deepspeed_problems(table: Mapping[str, JsonValue]) -> Iterator[str]:
    if "deepspeed_config_file" in table:
        yield (
            "deepspeed_config.deepspeed_config_file: names another file, which may set an optimiser and is "
            "in no provenance. Remove it, and say under deepspeed_config what it says."
        )
    gathers = table.get("zero3_save_16bit_model", False)
    if str(table.get("zero_stage")) == "3" and str(gathers).lower() != "true":
        yield (
            "deepspeed_config.zero3_save_16bit_model: must be true with zero_stage 3, which could not put "
            f"the trained weights together without it. Got {show(gathers)}."
        )


def _fsdp_problems(table: Mapping[str, JsonValue]) -> Iterator[str]:
    said = {key.removeprefix("fsdp_"): value for key, value in table.items()}
    if said.get("version") != 2:
        yield f"fsdp_config.fsdp_version: must be 2. Got {show(said.get('version', 1))}."
    if said.get("state_dict_type") != "FULL_STATE_DICT":
        yield (
            "fsdp_config.fsdp_state_dict_type: must be 'FULL_STATE_DICT': others write pickles. "
            f"Got {show(said.get('state_dict_type', 'SHARDED_STATE_DICT'))}."
        )
