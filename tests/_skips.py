"""Says why tests were skipped, and on CI lets them be skipped for one reason only.

`needs_shared` marks a test that reads the original texts and databases in ../shared, which
a clone alone does not have. Every other skip (a browser that is not installed, say) is fine on
somebody's laptop and a failure where CI=true: a test that no longer runs must not look green.
tests/conftest.py makes this module known: `pytest_plugins = ["tests._skips"]`.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared")


def unexcused(reasons: Counter[str]) -> list[str]:
    """The reasons that CI does not accept."""
    return sorted(reason for reason in reasons if "../shared" not in reason)


class Skips:
    """Counts the reasons; under xdist it runs beside the controller of the workers."""

    def __init__(self, ci: bool) -> None:
        self.ci = ci
        self.reasons: Counter[str] = Counter()
        self.seen: set[str] = set()  # every worker of xdist collects the same modules

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail") and report.nodeid not in self.seen:
            self.seen.add(report.nodeid)
            why = report.longrepr
            text = why[2] if isinstance(why, tuple) else str(why)
            self.reasons[text.removeprefix("Skipped: ")] += 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.ci and unexcused(self.reasons) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.reasons:
            return
        terminalreporter.section("skipped")
        for reason, count in sorted(self.reasons.items()):
            refused = self.ci and reason in unexcused(self.reasons)
            terminalreporter.line(
                f"{count:4} {reason}{'  <- not allowed on CI' if refused else ''}"
            )


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Skips(os.environ.get("CI") == "true"), "kept-skips")
