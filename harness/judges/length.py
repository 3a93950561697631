"""The judge that prefers the longer response: a control, and a judge for tests that need none better."""

from harness.data.rows import Prompt


class LengthGrader:
    """Scores a response by its number of characters."""

    id = "length-1"

    def score(self, prompt: Prompt, response: str) -> float:
        """Number of characters, whatever the prompt."""
        return float(len(response))
