"""What is stopped puts away its servers first, also where it was ended in the background."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.soak import TOLD


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The last lines: rounds, kills, broken."""
    for line in TOLD:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session", autouse=True)
def _stopped_in_order() -> Iterator[None]:
    """A signal that would end the run at once is taken as Ctrl-C, which gives everything back."""
    before = {
        number: signal.signal(number, signal.default_int_handler)
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
