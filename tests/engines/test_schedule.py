"""The order in which free workers take tasks, on a plan made by hand."""

from pathlib import Path

from harness.engines.schedule import Schedule, longest_first
from harness.plan.task import Task
from harness.store.local import LocalStore

SECONDS = {"prompts": 1.0, "responses": 4.0, "scores": 2.0, "adapter": 10.0, "outputs": 3.0, "lint": 0.0}


def plan() -> dict[str, Task]:
    """Prompts -> responses -> adapter -> outputs, prompts -> scores, and two tasks beside them.

    Chains, in seconds: prompts 1 + 4 + 10 + 3 = 18, responses 17, adapter 13, outputs 3, scores 2; `other`
    is an adapter of 10 that nothing waits for, `lint` takes no time.
    """
    prompts = Task("prompts", {}, {})
    responses = Task("responses", {}, {"prompts": prompts})
    adapter = Task("adapter", {"n": 1}, {"responses": responses})
    return {
        "lint": Task("lint", {}, {}),
        "other": Task("adapter", {"n": 2}, {}),
        "prompts": prompts,
        "scores": Task("scores", {}, {"prompts": prompts}),
        "responses": responses,
        "adapter": adapter,
        "outputs": Task("outputs", {}, {"adapter": adapter}),
    }


def names(order: list[Task], tasks: dict[str, Task]) -> list[str]:
    return [name for task in order for name, each in tasks.items() if each is task]


def test_the_longest_chain_goes_first() -> None:
    """By the chains in `plan`: 18, 17, 13, 10, 3, 2, 0."""
    tasks = plan()
    order = names(longest_first(list(tasks.values()), SECONDS), tasks)
    assert order == ["prompts", "responses", "adapter", "other", "outputs", "scores", "lint"]


def test_of_equal_chains_the_shared_task_goes_first() -> None:
    """Both chains are 1 + 2 seconds; two tasks wait for the second one, one for the first."""
    alone, shared = Task("prompts", {"n": 1}, {}), Task("prompts", {"n": 2}, {})
    users = [
        Task("scores", {"n": n}, {"prompts": needed}) for n, needed in enumerate((alone, shared, shared))
    ]
    assert longest_first([alone, shared, *users], SECONDS)[:2] == [shared, alone]


def test_a_shard_takes_its_share_of_the_time() -> None:
    """Halves of 10 seconds go after a chain of 4 + 2, and what joins them takes none."""
    halves = tuple(Task("adapter", {"shard": [n, 2]}, {}) for n in range(2))
    joined = Task("adapter", {}, {}, parts=halves)
    first = Task("responses", {}, {})
    order = longest_first([*halves, joined, first, Task("scores", {}, {"a": first})], SECONDS)
    assert order[:3] == [first, *halves]


def test_what_takes_no_time_still_stands_before_its_users() -> None:
    """All seconds are 0, and the user has more users than its input."""
    base = Task("lint", {}, {})
    middle = Task("lint", {"n": 1}, {"a": base})
    ends = [Task("lint", {"n": n}, {"a": middle}) for n in (2, 3)]
    assert longest_first([base, middle, *ends], SECONDS)[:2] == [base, middle]


def test_two_workers_take_the_chain_and_the_rest(tmp_path: Path) -> None:
    """Worked by hand: at once prompts and other; responses when prompts is there, before scores."""
    tasks = plan()
    schedule = Schedule(longest_first(list(tasks.values()), SECONDS), LocalStore(tmp_path))
    taken = [schedule.next(), schedule.next()]
    assert taken == [tasks["prompts"], tasks["other"]]
    schedule.finish(tasks["prompts"])
    assert schedule.next() is tasks["responses"]
    assert schedule.next() is tasks["scores"]


def test_a_failure_reaches_users_of_users_that_waited_anew(tmp_path: Path) -> None:
    """Scores finds prompts corrupt; when prompts then fails, all that needs it is lost, in any order."""
    tasks = plan()
    store = LocalStore(tmp_path)
    store.prepare()
    schedule = Schedule(longest_first(list(tasks.values()), SECONDS), store)
    assert schedule.next() is tasks["prompts"]
    schedule.finish(tasks["prompts"])  # and gone from the store before its users read it
    assert [schedule.next() for _ in range(3)] == [tasks["responses"], tasks["other"], tasks["scores"]]
    assert schedule.redo(tasks["responses"], tasks["prompts"])
    assert schedule.next() is tasks["prompts"]
    schedule.fail(tasks["prompts"], "out of memory")
    assert {task.key for task in schedule.outcome.not_run} == {
        tasks[name].key for name in ("responses", "adapter", "outputs")
    }
