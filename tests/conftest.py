"""Shared by all tests: with TRIMTAB_REQUIRE set, as in CI, a test that is skipped has failed; no terminal's width counts."""

import os
from collections.abc import Generator

import pytest

os.environ.pop("COLUMNS", None)  # it is 80 under pytest-xdist, and rows would be cut to it


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get("TRIMTAB_REQUIRE") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but TRIMTAB_REQUIRE is set: {report.longrepr}"
    return report
