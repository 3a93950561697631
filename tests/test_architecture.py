"""Who may import whom, which module is a package's one door, and what loads no torch."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.plan.catalog import STAGES

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "harness"

# What each part may import besides `errors` and itself. `judges` may see the world: one judge is its oracle.
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "recipe": set(),
    "disk": set(),
    "store": {"disk"},
    "data": set(),
    "energy": set(),
    "metering": {"energy"},
    "endpoints": {"disk"},
    "methods": {"data"},
    "models": {"data"},
    "world": {"data", "models"},
    "judges": {"data", "models", "world", "endpoints"},
    "evaluation": {"data", "models", "endpoints"},
    "training": {"disk", "data", "models", "methods"},
    "plan": {"recipe", "store"},
    "stages": {
        "recipe", "store", "data", "metering", "methods", "models", "world", "judges", "evaluation",
        "training", "plan", "endpoints",
    },
    "engines": {"plan", "store"},
    "leaderboard": {"disk", "recipe", "plan", "store", "energy"},
    "commands": {
        "recipe", "plan", "store", "engines", "stages", "leaderboard", "data", "endpoints", "models",
        "evaluation", "training", "energy",
    },
    "cli": {"commands"},
    "__main__": {"cli"},
}  # fmt: skip

# The part of another part that may be imported, where not all of it may.
ONLY = {
    ("stages", "recipe"): {
        "harness.recipe",
        "harness.recipe.schema",
        "harness.recipe.rules",
        "harness.recipe.losses",
        "harness.recipe.judges",
        "harness.recipe.evaluation",
        "harness.recipe.pool",
        "harness.recipe.model",
        "harness.recipe.endpoint",
        "harness.recipe.launching",
        "harness.recipe.reference",
    },
    ("stages", "plan"): {"harness.plan.task"},
    ("plan", "store"): {"harness.store.keys"},
    ("commands", "endpoints"): {"harness.endpoints.prices"},
    ("commands", "models"): {"harness.models", "harness.models.hub", "harness.models.weights"},
    ("commands", "evaluation"): {"harness.evaluation.lm_eval", "harness.evaluation.alpaca_eval_official"},
    ("commands", "training"): {"harness.training.export"},
}

DOORS = {
    "trl": {"training"},
    "alpaca_eval": {"evaluation/alpaca_eval.py", "evaluation/alpaca_eval_official.py"},
    "lm_eval": {"evaluation/lm_eval.py"},
    "typer": {"cli"},
    "jinja2": {"leaderboard/page", "models", "evaluation/lm_eval.py"},
    "markupsafe": {"leaderboard/page"},
    "markdown_it": {"leaderboard/page"},
    "matplotlib": {"leaderboard/plots.py", "data/report.py"},
    "httpx2": {"endpoints/http.py"},
    "sklearn": {"methods/clustering.py", "evaluation/alpaca_eval_official.py"},
    "datasets": {"data/hub.py", "evaluation/lm_eval.py", "training"},
    "pyarrow": {"data/sources.py"},
    "huggingface_hub": {
        "models/hub.py",
        "models/quiet.py",
        "data/hub.py",
        "evaluation/alpaca_eval_official.py",
    },
    "sentence_transformers": {"models/sentence_transformer.py"},
    "ray": {"engines/ray.py"},
    "pynvml": {"energy.py"},
    "vllm": {"models/vllm_sampling.py"},
}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (
                f"{node.module}.{alias.name}" for alias in node.names if node.module == "harness.recipe"
            )


def part(module: str) -> str:
    return module.split(".")[1] if module.count(".") else ""


def files() -> list[Path]:
    found = sorted(PACKAGE.rglob("*.py"))
    assert len(found) > 50
    return found


def test_imports_follow_the_arrows() -> None:
    wrong = []
    for path in files():
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for module in imports(path):
            other = part(module)
            if not module.startswith("harness.") or other in {own, "errors"}:
                continue
            only = ONLY.get((own, other))
            if other not in ARROWS[own] or (
                only is not None and module not in only and module != f"harness.{other}.schema"
            ):
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert wrong == []


def test_the_arrows_form_no_circle() -> None:
    def below(name: str, seen: tuple[str, ...]) -> None:
        assert name not in seen, f"{name} reaches itself through {seen}"
        for other in ARROWS[name]:
            below(other, (*seen, name))

    for name in ARROWS:
        below(name, ())


def test_each_outside_package_has_one_door() -> None:
    wrong = []
    for path in files():
        where = path.relative_to(PACKAGE).as_posix()
        for module in imports(path):
            doors = DOORS.get(module.split(".")[0])
            if doors and not any(where.startswith(door) for door in doors):
                wrong.append(f"{where} imports {module}")
    assert wrong == []


def test_the_catalog_and_the_stage_files_agree() -> None:
    helpers = {
        "__init__", "asking", "bank", "drawn", "job", "judging", "losses", "options", "pool", "rank", "run",
        "processes", "sampling", "shards", "shared", "values", "verdicts", "written",
    }  # fmt: skip
    assert {path.stem for path in (PACKAGE / "stages").glob("*.py")} - helpers == set(STAGES)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["check", "recipes/smoke.toml"],
        ["plan", "recipes/smoke.toml", "--store", "TMP"],
        ["plan", "recipes/gpu/llama3-8b-ultrafeedback.toml", "--store", "TMP"],
        ["methods"],
        ["schema"],
        ["schema", "--table"],
        ["leaderboard", "--boards", "TMP"],  # an empty folder: one sentence, after all is imported
        ["compare", "leaderboards/bpo/table.json", "leaderboards/bpo/table.json"],
        ["import", "alpaca-eval", "TMP", "--name", "x"],
    ],
    ids=lambda arguments: "-".join(arguments[:2]),
)
def test_light_commands_load_no_torch(arguments: list[str], tmp_path: Path) -> None:
    words = [word.replace("TMP", str(tmp_path)) for word in arguments]
    code = (
        "import contextlib, sys; from harness.cli import app; from harness.errors import BadInput\n"
        "with contextlib.suppress(BadInput): app(sys.argv[1:], standalone_mode=False)\n"
        "heavy = {'torch', 'transformers', 'trl', 'peft', 'lm_eval', 'alpaca_eval'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
