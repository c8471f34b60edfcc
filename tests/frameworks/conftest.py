"""Tests of real frameworks. Where they must not be skipped (CESTAB_FORBID_SKIPS=1), a skip fails the run, but for a missing GPU."""

import os

import pytest

NO_GPU = "no GPU"  # how the reason of the only skip begins that is allowed everywhere
_SKIPPED: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _note(report)


def _note(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not reason.removeprefix("Skipped: ").startswith(NO_GPU):
            _SKIPPED.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _SKIPPED and os.environ.get("CESTAB_FORBID_SKIPS") == "1":
        print("\nskipped where that is forbidden:", *_SKIPPED, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
