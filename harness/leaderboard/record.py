"""The record: results and costs of one method under one replicate, as a JSON file that explains itself.

A leaderboard is made from records alone, so this is a file border: everything read is checked here.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.energy import Label
from harness.errors import BadInput
from harness.leaderboard.files import write_whole
from harness.leaderboard.layout import layout, whole

SCHEMA_VERSION: Final = 1

Number = Annotated[int | float, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Cost(_Strict):
    """What a piece of work took: seconds, operations, tokens, bytes, judge calls, their dollars and tokens.

    `tokens_generated` and `tokens_scored` are parts of `tokens_forward`; `tokens_padding` is beside it.
    `judge_unpriced` calls are not in `judge_usd`, as their price is not known. `energy` says how the joules
    are known; it is None where no counter was asked. `peak_device_bytes` is None where no GPU was there, and
    then not written: such a record is the same with and without the field.
    """

    wall_s: Number
    cpu_s: Number
    device_s: Number
    flops: Number
    tokens_forward: Number
    tokens_backward: Number
    peak_memory_bytes: Number
    judge_calls: Number
    judge_usd: Number
    tokens_generated: Number = 0
    tokens_scored: Number = 0
    tokens_padding: Number = 0
    judge_tokens_in: Number = 0
    judge_tokens_out: Number = 0
    judge_unpriced: Number = 0
    energy_j: Number | None = None
    energy: Label | None = None
    peak_device_bytes: Number | None = Field(default=None, exclude_if=lambda value: value is None)


class TaskCost(_Strict):
    """One task that a record rests on. Only role "method" is charged to the method."""

    stage: str
    key: str
    role: Literal["method", "given", "evaluation"]
    cost: Cost


class Items(_Strict):
    """A metric's judgments: for each item (prompt) one value per sample; None is a missing judgment."""

    ids: list[str]
    values: list[list[float | None]]

    @model_validator(mode="after")
    def _one_row_for_each_id(self) -> "Items":
        if len(self.ids) != len(self.values):
            raise ValueError(f"has {len(self.ids)} ids but {len(self.values)} rows of values")
        if len(set(self.ids)) != len(self.ids):
            raise ValueError("names an item twice")
        return self


class Contests(_Strict):
    """A method's comparisons with others: 100 where its output is better than theirs, 0 where it is worse.

    `values` maps each other method to the mean over samples at every id, None where none was judged;
    `missing` counts the comparisons without a verdict, `flips` those with opposite verdicts by order.
    """

    ids: list[str]
    values: dict[str, list[float | None]]
    missing: dict[str, int]
    flips: dict[str, int]

    @model_validator(mode="after")
    def _all_over_the_same_ids(self) -> "Contests":
        if len(set(self.ids)) != len(self.ids):
            raise ValueError("names an item twice")
        wrong = [other for other, values in self.values.items() if len(values) != len(self.ids)]
        if wrong or not self.values.keys() == self.missing.keys() == self.flips.keys():
            raise ValueError("must hold a value for each id, and counts, for each other method")
        return self


class Sample(_Strict):
    """One output beside the reference; `preference` runs from 1 (reference better) to 2 (output better)."""

    prompt: str
    reference: str
    output: str
    preference: float | None


class Record(_Strict):
    """All that a leaderboard needs to know about one method under one replicate.

    `fixed` is the recipe without its methods: table -> what it holds equal for all records of a board.
    `files` has the SHA-256 of each file and folder that the recipe names, by its name there.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    recipe: str
    title: str
    baseline: str
    method: str
    replicate: int
    fixed: dict[str, dict[str, Any]]
    declared: dict[str, Any]
    order: int
    comparable: dict[str, str]
    pairs: int = Field(ge=0)
    prompts: int = Field(ge=0)
    pairs_dropped: int = Field(ge=0)
    pairs_truncated: int = Field(ge=0)
    notes: list[str]
    items: dict[str, Items]
    tasks: list[TaskCost]
    training: dict[str, Any]
    samples: list[Sample]
    provenance: dict[str, Any]
    head_to_head: Contests | None = None
    files: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _each_task_once(self) -> "Record":
        keys = [task.key for task in self.tasks]
        if len(set(keys)) != len(keys):
            raise ValueError("charges a task twice")
        return self

    @model_validator(mode="after")
    def _says_what_replicates_draw_anew(self) -> "Record":
        vary = self.fixed.get("seeds", {}).get("vary")
        if not isinstance(vary, list) or not all(isinstance(role, str) for role in vary):
            raise ValueError("fixed.seeds.vary must list what a replicate draws anew")
        return self


def write_record(folder: Path, record: Record) -> Path:
    """Write `record` into `folder`, named after its method and replicate; a reader never sees half of it.

    Raises BadInput where it cannot be written.
    """
    content = whole(record.model_dump(mode="json"))
    content["items"] = dict(sorted(content["items"].items()))
    path = folder / f"{file_stem(record.method, record.replicate)}.json"
    write_whole(path, layout(content | {"digest": _digest(content)}) + "\n")
    return path


def file_stem(method: str, replicate: int) -> str:
    """What the files of a record are called."""
    return f"{quote(method, safe='')}.{replicate}"


def read_records(folder: Path) -> list[Record]:
    """Every record in `folder`, in the recipe's order, then by replicate.

    Raises BadInput with a sentence for each file that is no record, or truncated, edited, from a newer
    program, or double.
    """
    problems: list[str] = []
    found: dict[tuple[str, int], tuple[Path, Record]] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            record = _read_record(path)
        except BadInput as bad:
            problems += bad.problems
            continue
        first, _ = found.setdefault((record.method, record.replicate), (path, record))
        if first is not path:
            problems.append(
                f"{path}: method '{record.method}' has replicate {record.replicate} already in {first.name}. "
                "Delete one of the two."
            )
    if problems:
        raise BadInput(problems)
    return sorted((record for _, record in found.values()), key=lambda r: (r.order, r.method, r.replicate))


def _read_record(path: Path) -> Record:
    remedy = "Run the recipe again to write it anew."
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse_constant)
        stated = content.pop("digest", None) if isinstance(content, dict) else None
        found = _digest(content)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}. Delete it. {remedy}") from None
    except NoNumber as error:
        raise BadInput(f"{path}: holds {error}, which is no number. {remedy}") from None
    except ValueError:
        raise BadInput(f"{path}: is not complete JSON; it was cut off or edited. {remedy}") from None
    except RecursionError:
        raise BadInput(f"{path}: is not a record: it is nested too deeply. {remedy}") from None
    if not isinstance(content, dict):
        raise BadInput(f"{path}: is not a record: it holds a {type(content).__name__}. {remedy}")
    refuse_newer(content, path)
    if stated != found:
        raise BadInput(f"{path}: does not match its digest; it was edited or damaged. {remedy}")
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        raise BadInput(_sentences(path, error, remedy)) from None


class NoNumber(ValueError):
    """NaN or an infinity, which JSON does not know and Python's reader takes."""


def refuse_constant(constant: str) -> None:
    """Raise NoNumber; for `parse_constant` of the reader."""
    raise NoNumber(constant)


def refuse_newer(content: Any, where: Path | str) -> None:
    """Raise BadInput where a newer program wrote a record or a table, which share their versions."""
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise BadInput(
            f"{where}: schema_version is {version}, this program reads up to {SCHEMA_VERSION}. "
            "Update harness."
        )


def _sentences(path: Path, error: ValidationError, remedy: str) -> list[str]:
    return [
        f"{path}: {'.'.join(map(str, problem['loc'])) or 'record'}: {problem['msg']}. {remedy}"
        for problem in error.errors(include_url=False)
    ]


def _digest(content: Any) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
