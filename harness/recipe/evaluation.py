"""How every method is measured."""

from typing import Annotated, Literal

from pydantic import Field

from harness.recipe.judges import Judge, OracleJudge
from harness.recipe.pool import HELD_OUT_PROMPTS
from harness.recipe.sources import Revision, Source, Text
from harness.recipe.table import Count, NonNegative, Table

TaskName = Annotated[str, Field(pattern=r"^[^/\\]+$")]
"""Of lm-eval, which names files after its tasks."""


class AtlasHeldOutPrompts(Table):
    """Prompts of the embedded world that no training sees."""

    kind: Literal["atlas"] = "atlas"
    count: Annotated[int, Field(ge=1, le=HELD_OUT_PROMPTS)] = 300


class HeldOutPrompts(Table):
    """Prompts of the pool's own dataset that no pool draws."""

    kind: Literal["held-out"]
    count: Count


class FilePrompts(Source):
    """The first `count` prompts of a file or dataset, or all of them."""

    kind: Literal["dataset"]
    count: Count | None = None


class OfficialPrompts(Table):
    """The 805 prompts of AlpacaEval: from a local file, or from the hub at a revision."""

    kind: Literal["official"]
    path: Text | None = None
    revision: Revision | None = None


OFFICIAL_PROMPTS = 805
OFFICIAL_DATASET, OFFICIAL_FILE = "tatsu-lab/alpaca_eval", "alpaca_eval_gpt4_baseline.json"
"""On the hub; the file holds the prompts, and the baseline's outputs."""
WORLD_TASK = "atlas_facts"

EvaluationPrompts = Annotated[
    AtlasHeldOutPrompts | HeldOutPrompts | FilePrompts | OfficialPrompts, Field(discriminator="kind")
]


class StartReference(Table):
    """Outputs of the untrained start."""

    kind: Literal["start"] = "start"


class MethodReference(Table):
    """Outputs of a method of the recipe, sampled a second time."""

    kind: Literal["method"]
    method: Text


class FileReference(Source):
    """The first response to each prompt in a file or dataset."""

    kind: Literal["dataset"]


class OfficialReference(Table):
    """The baseline's outputs that come with AlpacaEval's official prompts."""

    kind: Literal["official"]


Reference = Annotated[
    StartReference | MethodReference | FileReference | OfficialReference, Field(discriminator="kind")
]


class AlpacaEval(Table):
    """Win rate against reference outputs on prompts that no training sees."""

    judge: Judge = OracleJudge()
    prompts: EvaluationPrompts = AtlasHeldOutPrompts()
    reference: Reference = StartReference()
    samples_per_prompt: Count = 4
    temperature: NonNegative = 1.0
    max_new_tokens: Count = 48


class LmEval(Table):
    """Tasks of lm-evaluation-harness: any installed one, or one of the yaml files in `include`."""

    tasks: Annotated[tuple[TaskName, ...], Field(min_length=1)] = (WORLD_TASK,)
    batch_size: Count = 64
    num_fewshot: Annotated[int, Field(ge=0)] | None = None
    limit: Count | None = None
    chat_template: bool = True
    include: Text | None = None


class MtBench(Table):
    """Single-answer grading of a question file, one or two turns (MT-bench, arXiv 2306.05685)."""

    questions: Text
    judge: Judge
    temperature: NonNegative = 0.7
    max_new_tokens: Count = 1024


class Evaluation(Table):
    """How every method is measured.

    `head_to_head` has alpaca_eval's judge compare every two methods' outputs too, both ways round.
    """

    alpaca_eval: AlpacaEval = AlpacaEval()
    lm_eval: LmEval | None = None
    mt_bench: MtBench | None = None
    head_to_head: bool = False
