"""A test that is skipped, or expected to fail, fails: it shows nothing, and nobody would miss it.

Loaded for every session by `conftest.py`. Also of whole modules (`pytest.importorskip`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    report = yield
    return _failed(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    report = yield
    return _failed(report)


def _failed(report: Any) -> Any:
    expected = hasattr(report, "wasxfail")
    if report.outcome == "skipped" or expected:
        why = report.wasxfail if expected else report.longrepr
        if expected:
            del report.wasxfail
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was {'expected to fail' if expected else 'skipped'}: {why}"
    return report
