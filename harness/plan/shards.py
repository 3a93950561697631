"""Big tasks cut into shards that run side by side, and put together to the same artifact."""

from collections.abc import Sequence
from dataclasses import replace

from harness.plan.task import Task, in_order
from harness.recipe.resources import Needs, Resources, ShardedNeeds


def in_shards(tasks: Sequence[Task], resources: Resources, stored: set[str]) -> tuple[Task, ...]:
    """Tasks with the shards that the recipe wants of them, inputs before users.

    Each of the tasks keeps its key, so neither what needs it nor a later run with another number of shards
    can tell. A shard has a key of its own, and a lost one costs only itself.

    Args:
        tasks: inputs before users.
        resources: the recipe's.
        stored: keys of tasks that are done, and are not cut; nor are those that an endpoint does.
    """
    made: dict[str, Task] = {}
    for task in tasks:
        inputs = {name: made[needed.key] for name, needed in task.inputs.items()}
        task = replace(task, inputs=inputs)
        shards = 1 if task.key in stored or is_asked(task) else _wanted(resources.of(task.stage))
        made[task.key] = replace(task, parts=_shards(task, shards)) if shards > 1 else task
    return in_order(made.values())


def _wanted(needs: Needs) -> int:
    return needs.shards if isinstance(needs, ShardedNeeds) else 1


def is_asked(task: Task) -> bool:
    """Whether an endpoint does the work: one task alone can keep to how fast it may be asked."""
    return any("requests_per_minute" in knobs for knobs in task.knobs.values())


def _shards(task: Task, count: int) -> tuple[Task, ...]:
    return tuple(replace(task, params={**task.params, "shard": [number, count]}) for number in range(count))
