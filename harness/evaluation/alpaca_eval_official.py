"""AlpacaEval as published: the package's own evaluators, and its length control."""

import math
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import sklearn
import yaml

from harness.data.hub import fetched_file
from harness.data.official import DATASET, SIZE
from harness.endpoints.batch import Failure
from harness.endpoints.reading import Completion
from harness.endpoints.request import Request
from harness.evaluation.alpaca_eval import Comparison
from harness.models.quiet import quiet

with quiet():  # the import sets the root logger to INFO and warns about its own dependencies
    from alpaca_eval.annotators import PairwiseAnnotator
    from alpaca_eval.constants import EVALUATORS_CONFIG_DIR
    from alpaca_eval.metrics.glm_winrate import get_length_controlled_winrate
    from alpaca_eval.utils import prompt_to_chatml

EVALUATOR = "weighted_alpaca_eval_gpt4_turbo"
"""AlpacaEval 2's own judge."""

Complete: TypeAlias = Callable[[Sequence[Request]], Sequence[Completion | Failure]]
"""Answers chat requests, in order."""

_GAMED = "df_gamed.csv"
# What the package's OpenAI layer keeps for itself, and what it sends where a configuration says nothing.
_NOT_SENT = {
    "model_name",
    "price_per_token",
    "num_procs",
    "batch_size",
    "n_retries",
    "sleep_time",
    "is_strip",
}
_DEFAULTS = {"max_tokens": 2048, "top_p": 1.0, "temperature": 0.7}


@dataclass(frozen=True)
class Verdicts:
    """Preferences in the order of the comparisons, 1 = reference better .. 2 = output better, None = missing.

    `flips` counts comparisons asked both ways round with opposite verdicts.
    """

    preferences: list[float | None]
    flips: int = 0


@dataclass(frozen=True)
class Evaluator:
    """One of the package's evaluator configurations: the judge it was made for, and what it sends."""

    name: str
    model: str
    params: Mapping[str, Any]

    def id(self, model: str, both_orders: bool = False) -> str:
        """Judge id: verdicts under another evaluator, package version, model or mode do not compare."""
        orders = ":both-orders" if both_orders else ""
        return f"alpaca-eval-{version('alpaca-eval')}:{self.name}:{model}{orders}"


def evaluator(name: str = EVALUATOR) -> Evaluator:
    """Read an evaluator of the package, one that asks an OpenAI model one question at a time."""
    options = _config(name)["completions_kwargs"]
    return Evaluator(name, options["model_name"], _params(options))


def _config(name: str) -> dict[str, Any]:
    """An evaluator of the package, as its file says."""
    (config,) = yaml.safe_load((EVALUATORS_CONFIG_DIR / name / "configs.yaml").read_text()).values()
    return dict(config)


def _params(options: Mapping[str, Any]) -> dict[str, Any]:
    """What the package's OpenAI layer would send besides model and messages."""
    own = {"requires_chatml", "client_kwargs", "is_chat"}
    return _DEFAULTS | {key: value for key, value in options.items() if key not in _NOT_SENT | own}


def official_verdicts(
    comparisons: Sequence[Comparison],
    complete: Complete,
    evaluator: Evaluator,
    seed: int = 0,
    both_orders: bool = False,
) -> Verdicts:
    """Compare by an evaluator of the package: its prompt, parser and order of outputs, but our calls.

    What is asked equals what the package would ask, except that a text never moves another one: placeholders
    and ChatML marks in it stay text. The package draws the order of the two outputs from (instruction, seed).
    With `both_orders` each comparison is asked in that order and the other, and the mean counts. Identical
    outputs are a tie that is not asked for. A failed or unreadable answer is None. Nothing is cached.
    """
    forth = _annotate(comparisons, complete, evaluator, seed)
    if not both_orders:
        return Verdicts(forth)
    turned = [Comparison(entry.id, entry.instruction, entry.output, entry.reference) for entry in comparisons]
    back = _annotate(turned, complete, evaluator, seed)
    means: list[float | None] = []
    flips = 0
    for one, other in zip(forth, back, strict=True):
        if one is None or other is None:
            means.append(None)
            continue
        flips += (one - 1.5) * (1.5 - other) < 0
        means.append((one + 3 - other) / 2)
    return Verdicts(means, flips)


class _Texts:
    """Stands a token for each text, so that the package never reads the texts themselves."""

    def __init__(self) -> None:
        self._texts: dict[str, int] = {}

    def token(self, text: str) -> str:
        """One token for equal texts; no prompt of the package has its signs, of the private use area."""
        return f"\ue000{self._texts.setdefault(text, len(self._texts))}\ue001"

    def restore(self, text: str) -> str:
        """The text with every token replaced by what it stands for."""
        texts = list(self._texts)
        return re.sub("\ue000(\\d+)\ue001", lambda match: texts[int(match.group(1))], text)


def _annotate(
    comparisons: Sequence[Comparison], complete: Complete, evaluator: Evaluator, seed: int
) -> list[float | None]:
    if not comparisons:
        return []
    texts = _Texts()

    def ask(prompts: Sequence[str], **_: Any) -> dict[str, list[Any]]:
        conversations = [prompt_to_chatml(prompt.strip()) for prompt in prompts]
        requests = [
            Request(
                [turn | {"content": texts.restore(turn["content"])} for turn in conversation],
                f"alpaca-eval:{evaluator.name}",
                evaluator.params,
            )
            for conversation in conversations
        ]
        answers = [_as_choice(answer) for answer in complete(requests)]
        return {"completions": [answer.get("text", "") for answer in answers], "completions_all": answers}

    rows = pd.DataFrame(
        {
            "position": range(len(comparisons)),
            "asked": [entry.instruction for entry in comparisons],  # what the order is drawn from
            "instruction": [texts.token(entry.instruction) for entry in comparisons],
            "output_1": [texts.token(entry.reference) for entry in comparisons],
            "output_2": [texts.token(entry.output) for entry in comparisons],
        }
    )
    with quiet():
        annotated = _annotator(evaluator, seed, ask)(rows, chunksize=None)
    found = {row["position"]: row["preference"] for row in annotated}
    return [None if pd.isna(found[index]) else float(found[index]) for index in range(len(rows))]


def _annotator(evaluator: Evaluator, seed: int, ask: Callable[..., Any]) -> PairwiseAnnotator:
    """The package's annotator with other calls. It reads a configuration from files, while it is made."""
    config = {key: value for key, value in _config(evaluator.name).items() if key != "fn_completions"}
    config["prompt_template"] = str(EVALUATORS_CONFIG_DIR / config["prompt_template"])
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / evaluator.name
        own.mkdir()
        (own / "configs.yaml").write_text(yaml.safe_dump({evaluator.name: config}))
        return PairwiseAnnotator(
            annotators_config=str(own),
            base_dir=folder,
            seed=seed,
            caching_path=None,
            input_keys=("asked", "instruction"),
            random_seed_column=["asked"],
            packages_for_which_to_show_version=None,
            fn_completions=ask,
        )


def _as_choice(answer: Completion | Failure) -> dict[str, Any]:
    """An answer as the package's parsers know it; an empty one, which no parser reads, for a failure."""
    if isinstance(answer, Failure):
        return {}
    content = [
        {
            "token": token.token,
            "logprob": token.logprob,
            "top_logprobs": [{"token": name, "logprob": value} for name, value in token.top],
        }
        for token in answer.logprobs or ()
    ]
    return {
        "text": answer.text or " ",
        "finish_reason": answer.finish_reason,
        "logprobs": {"content": content},
    }


@dataclass(frozen=True)
class LengthControl:
    """The package's length-controlled win rate in percent, or `why` there is none.

    `standard_error` is the package's own: of the fitted probabilities, so far too small for a comparison.
    """

    rate: float | None
    standard_error: float | None = None
    why: str = ""


def length_controlled(
    references: Sequence[str], outputs: Sequence[str], preferences: Sequence[float | None]
) -> LengthControl:
    """The package's own length control (Dubois et al. 2024, `length_controlled_v1`).

    It is fitted with data on the official prompts: all arguments are in their order, one entry for each, and
    those data must be in the local hub cache (`fetch_length_control`). Missing verdicts stay out of the fit.
    """
    if len(preferences) != SIZE:
        return LengthControl(
            None, why=f"The package's length control is defined for the {SIZE} official prompts only."
        )
    rows = pd.DataFrame(
        {
            "index": range(SIZE),
            "preference": [math.nan if value is None else value for value in preferences],
            "output_1": list(references),
            "output_2": list(outputs),
            "generator_1": "gpt4_1106_preview",
            "generator_2": "model",
        }
    )
    try:
        with quiet(), sklearn.config_context():  # it switches on a global option of scikit-learn
            found = get_length_controlled_winrate(rows, save_weights_dir=None, is_warn_extreme_changes=False)
    except OSError:  # inside `quiet` the hub is out of reach
        return LengthControl(
            None, why=f"Length control needs {_GAMED} of the hub: harness prefetch fetches it."
        )
    return LengthControl(float(found["length_controlled_winrate"]), float(found["lc_standard_error"]))


def fetch_length_control() -> Path:
    """Fetch what length control needs from the hub into its cache: the newest, as the package itself does.

    Raises:
        BadInput: the hub does not give it.
    """
    return fetched_file(DATASET, _GAMED, "main")
