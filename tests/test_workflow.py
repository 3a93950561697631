"""The workflow of GitHub Actions, as far as it can be read and run without GitHub."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


def jobs() -> dict[str, Any]:
    return dict(yaml.safe_load(WORKFLOW.read_text())["jobs"])


def test_it_runs_the_sessions_that_nox_runs_by_default() -> None:
    (named,) = re.findall(r"nox.options.sessions = (\[.*\])", (ROOT / "noxfile.py").read_text())
    assert jobs()["check"]["strategy"]["matrix"]["session"] == yaml.safe_load(named)


def test_each_job_has_an_end_and_each_action_is_pinned_by_its_commit() -> None:
    for job in jobs().values():
        assert job["timeout-minutes"] <= 60
        for action in (step["uses"] for step in job["steps"] if "uses" in step):
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action)


def test_a_job_that_checks_the_code_out_may_read_it() -> None:
    """The permissions of a job take the place of those of the workflow."""
    for name, job in jobs().items():
        if "permissions" in job:
            assert job["permissions"]["contents"] == "read", name


def test_the_site_holds_every_page_and_no_record(tmp_path: Path) -> None:
    """The step's own script, on boards as they are committed."""
    boards = tmp_path / "leaderboards"
    names = [
        f"{board}{page}" for board in ("", "one/", "with space/") for page in ("index.html", "README.md")
    ]
    for name in (*names, "one/records/a.0.json", "with space/records/a.0.json"):
        (boards / name).parent.mkdir(parents=True, exist_ok=True)
        (boards / name).write_text(name)
    (script,) = (step["run"] for step in jobs()["pages"]["steps"] if "site" in step.get("run", ""))
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=tmp_path, check=True)
    made = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*.*")}
    assert made == set(names)


def test_the_workflow_that_the_docs_show_can_be_read() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "ci.md").read_text(), flags=re.DOTALL)
    shown = yaml.safe_load(text)
    assert {"on" if key is True else key for key in shown} >= {"on", "jobs"}  # YAML 1.1 reads `on` as true
