"""Runs a test again in which the MariaDB server of the tests fell over by itself.

A segmentation fault of the server (10.11) was seen in a few of many thousand runs of tests that
kill its clients: what fell is not what the test looks at, and without the server none of those
after it says anything. It is started again, the test is run again, once, and what the server
wrote of its fall stands at the end of the run. A test that fails with the server standing fails.
tests/conftest.py makes this module known.
"""

from __future__ import annotations

from typing import Final

import pytest
from _pytest.runner import runtestprotocol

from tests.mariadb import SERVER

_SECTION: Final = "MariaDB fell"


class Falls:
    """What the workers told, beside their controller."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, words in report.sections:
            if name == _SECTION:
                self.told[report.nodeid] = words

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for test, words in self.told.items():
            terminalreporter.section(f"MariaDB fell in {test}, which was run again")
            terminalreporter.line(words)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if "maria_server" not in getattr(item, "fixturenames", ()):
        return None
    known = len(_falls(item))
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    fallen = _falls(item)[known:]
    if fallen and any(report.failed for report in reports):
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        reports[0].sections.append((_SECTION, "\n".join(fallen)))
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _falls(item: pytest.Item) -> list[str]:
    """What the server told of its falls till now; where it has fallen, it stands again."""
    server = item.config.stash.get(SERVER, None)
    if server is None:
        return []
    server.again()
    return server.falls()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Falls(), "kept-falls")
