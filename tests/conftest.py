"""Shared by all tests: with TRIMTAB_REQUIRE set, as in CI, a test that is skipped has failed; no terminal's width counts.

A test that is marked `needs("terraform")` is skipped, by that name, where the component is not there. CI cannot bring
every component: such a skip has failed only where TRIMTAB_REQUIRE names it.
"""

import os
import shutil
from collections.abc import Generator

import pytest

os.environ.pop("COLUMNS", None)  # it is 80 under pytest-xdist, and rows would be cut to it


def pytest_runtest_setup(item: pytest.Item) -> None:
    for component in sorted(_needs(item)):
        if why := _MISSING[component]():
            pytest.skip(f"needs {component}: {why}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    required = os.environ.get("TRIMTAB_REQUIRE", "").split()
    excused = _needs(item) and not _needs(item).intersection(required)
    if report.skipped and required and not excused and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but TRIMTAB_REQUIRE is set: {report.longrepr}"
    return report


def _needs(item: pytest.Item) -> set[str]:
    return {component for mark in item.iter_markers("needs") for component in mark.args}


def _terraform_missing() -> str:
    if shutil.which("terraform") is None:
        return "terraform is not on the PATH"
    return "" if os.environ.get("TRIMTAB_TF_MIRROR") else "TRIMTAB_TF_MIRROR does not name a mirror of its providers"


_MISSING = {"terraform": _terraform_missing}
