"""The Atlas world's exact judge."""

from harness.data.rows import Prompt
from harness.world.facts import World
from harness.world.oracle import grade


class OracleGrader:
    """Grades by the facts of one world: no noise, no position bias, no taste for length."""

    id = "oracle-1"

    def __init__(self, world: World) -> None:
        self._world = world

    def score(self, prompt: Prompt, response: str) -> float:
        """0 to 10; see `harness.world.oracle.grade`. Raises BadInput for a prompt from elsewhere."""
        return grade(self._world, prompt, response).score
