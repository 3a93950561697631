"""The dataset's own scores of its responses."""

from collections.abc import Mapping

from harness.data.rows import Prompt
from harness.errors import BadInput


class DatasetGrader:
    """Knows a score for each prompt and text of a dataset, and no other."""

    id = "dataset-1"

    def __init__(self, scores: Mapping[tuple[str, str], float]) -> None:
        """`scores` by (prompt id, text)."""
        self._scores = scores

    def score(self, prompt: Prompt, response: str) -> float:
        """The dataset's score. Raises BadInput for a response that it does not score."""
        try:
            return self._scores[prompt.id, response]
        except KeyError:
            raise BadInput(
                f"pool.judge: the dataset has no score of a response to '{prompt.text[:60]}'. "
                "Name another judge, or give data in which every response is scored."
            ) from None
