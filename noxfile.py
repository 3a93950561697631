"""The project's chores: `nox -s NAME`, or `nox --no-venv -s NAME` in an environment that is installed."""

import os

import nox

nox.options.sessions = ["tests", "lint", "types", "leaderboards"]
nox.options.reuse_existing_virtualenvs = True


def install(session: nox.Session) -> None:
    """The project with its development tools, at the exact versions of constraints.txt.

    With `--no-venv` the environment that nox runs in has them already.
    """
    if session.venv_backend != "none":
        session.install("-c", "constraints.txt", "-e", ".[dev]")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the test suite; arguments after `--` go to pytest."""
    install(session)
    session.run("pytest", "-n", "2", "--dist", "loadfile", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff."""
    install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy, strictly."""
    install(session)
    session.run("mypy")


@nox.session
def leaderboards(session: nox.Session) -> None:
    """Fail where a committed board is not what its records and its recipe give, or lacks provenance."""
    install(session)
    session.run("harness", "leaderboard", "--check")


@nox.session
def faults(session: nox.Session) -> None:
    """Kill a run a hundred times (or HARNESS_KILLS), and start trainings in every way; most of an hour."""
    install(session)
    places = ("tests/faults", "tests/stages/test_launchers.py")
    session.run("pytest", "-m", "faults or not faults", *places, *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Give the program 10,000 recipes (or HARNESS_FUZZ_CASES) made at random; none may take two seconds."""
    install(session)
    cases = {"HARNESS_FUZZ_CASES": os.environ.get("HARNESS_FUZZ_CASES", "10000")}
    session.run("pytest", "tests/recipe/test_any_document.py", *session.posargs, env=cases)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Run all benchmarks and write docs/benchmarks.md; minutes, and best on an idle machine."""
    install(session)
    session.run("python", "-m", "benchmarks", "--all", "--page", "docs/benchmarks.md", *session.posargs)
