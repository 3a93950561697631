"""Modules of the tests that benchmarks share, so that both make and ask the same."""

import importlib.util
import sys
from functools import cache
from types import ModuleType

from benchmarks.commands import ROOT
from benchmarks.figure import Skipped


@cache
def of_tests(place: str) -> ModuleType:
    """A module by its place below `tests/`, imported under the name that tests import it by.

    Raises:
        Skipped: a package that it imports is not installed.
    """
    path = ROOT / "tests" / place
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        raise Skipped(f"{error.name} is not installed") from None
    sys.modules[path.stem] = module
    return module
