"""AlpacaEval's official prompts, with the outputs of its baseline."""

from pathlib import Path

from harness.data.hub import fetched_file
from harness.data.original import OriginalData, read_original
from harness.errors import BadInput

DATASET, FILE = "tatsu-lab/alpaca_eval", "alpaca_eval_gpt4_baseline.json"
LAYOUT = "alpaca-eval-outputs"
SIZE = 805
"""How many prompts there are."""


def read_official(path: Path | None, revision: str | None) -> OriginalData:
    """The prompts, each with the baseline's output, from a local file or from the hub's at a revision.

    Raises:
        BadInput: the file cannot be read or fetched, a row of it cannot be used, or prompts are missing.
    """
    if path is None:
        assert revision is not None  # load_recipe asks for one of the two
        path = fetched_file(DATASET, FILE, revision)
    found = read_original(path, LAYOUT, strict=True)
    if len(found.prompts) != SIZE:
        raise BadInput(
            f"evaluation.alpaca_eval.prompts: the official set has {SIZE} prompts. "
            f"{path.name} has {len(found.prompts)}. Give the whole file, or name it with kind 'dataset'."
        )
    return found
