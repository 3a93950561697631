"""Big tasks cut into shards that run side by side, and put together to the same artifact."""

from collections.abc import Sequence
from dataclasses import replace

from harness.plan.task import Task, in_order
from harness.recipe.resources import Resources, ShardedNeeds


def in_shards(tasks: Sequence[Task], resources: Resources, stored: set[str]) -> tuple[Task, ...]:
    """Tasks with the shards that the recipe wants of them, inputs before users.

    Each of the tasks keeps its key, so neither what needs it nor a later run with another number of shards
    can tell. A shard has a key of its own, and a lost one costs only itself.

    Args:
        tasks: inputs before users.
        resources: the recipe's.
        stored: keys of tasks that are done, and are not cut.
    """
    made: dict[str, Task] = {}
    for task in tasks:
        inputs = {name: made[needed.key] for name, needed in task.inputs.items()}
        task = replace(task, inputs=inputs)
        needs = resources.of(task.stage)
        shards = needs.shards if isinstance(needs, ShardedNeeds) and task.key not in stored else 1
        made[task.key] = replace(task, parts=_shards(task, shards)) if shards > 1 else task
    return in_order(made.values())


def _shards(task: Task, count: int) -> tuple[Task, ...]:
    return tuple(replace(task, params={**task.params, "shard": [number, count]}) for number in range(count))
