"""What whoever runs the server reads on stderr: when, where, who by the ledger's name, and what."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.desk import PASSWORD, Desk, opened

from kept.app import log
from kept.app.log import logged
from kept.errors import StoreUnreachable

LINE = re.compile(r"kept: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ [^\x00-\x1f]+")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[Desk]:
    with opened(tmp_path_factory.mktemp("log") / "world", kept_module_url) as made:
        made.account("keeper", "privacy-officer")
        made.account("looker", "auditor")
        yield made


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    met = capsys.readouterr().err.splitlines()
    assert all(LINE.fullmatch(line) for line in met), met
    return met


def test_a_line_says_when_in_utc_and_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    east = dt.timezone(dt.timedelta(hours=9))
    logged(dt.datetime(2026, 3, 1, 8, 30, tzinfo=east), "one\nkept: another\r\x1b[2J\u2028end")
    (line,) = capsys.readouterr().err.split("\n")[:-1]
    assert line == "kept: 2026-02-28T23:30:00Z one�kept: another��[2J�end"


def test_lines_are_written_in_one_place_and_to_one_place() -> None:
    """Nothing else of the server writes to stderr, to a file of its own or to a logger."""
    home = Path(log.__file__).parent.parent
    writes = re.compile(
        r"sys\.stderr(?!\.flush)|getLogger|RotatingFile|SysLogHandler|warnings\.warn"
    )
    found = {
        str(path.relative_to(home))
        for path in home.rglob("*.py")
        if writes.search(path.read_text())
    }
    # Commands speak to who typed them; `cli.py` silences the logger of the driver.
    assert found == {"app/log.py", "app/cli.py", "app/output.py"}


def test_who_is_kept_out_is_told_by_route_and_account(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    looker = desk.account("looker")
    browser = desk.browser(desk.session(looker))
    lines(capsys)
    assert browser.get("/desk/accounts").status_code == 403
    assert browser.post("/desk/accounts/add", name="zoe.secret", csrf="0" * 64).status_code == 403
    assert browser.post("/desk/logout", origin="https://evil.example").status_code == 403
    assert desk.browser().get("/desk").status_code == 401
    met = lines(capsys)
    assert [line.split(" ", 2)[2].rpartition(":")[0] for line in met] == [
        f"refused: GET /desk/accounts by {looker.id}",
        f"refused: POST /desk/accounts/add by {looker.id}",
        f"refused: POST /desk/logout by {looker.id}",
    ]
    assert "zoe" not in str(met)
    assert "looker" not in str(met)


def test_a_login_that_fails_is_told_without_what_was_typed(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    keeper = desk.account("keeper")
    lines(capsys)
    browser = desk.browser()
    browser.post("/desk/login", name="hunter2 in the wrong field", password="hunter2")
    browser.post("/desk/login", name="keeper", password=PASSWORD)
    browser.post("/desk/login/code", code="424242")
    assert [line.split(" ", 2)[2] for line in lines(capsys)] == [
        "a login failed at name and password",
        f"a login of {keeper.id} failed at the second proof",
    ]
    # That somebody is in, and by what, is an entry of the ledger.
    browser.post("/desk/login/code", code=desk.code(keeper))
    assert desk.entries("account.entered")[-1] == {"account": keeper.id, "what": "code"}


def test_a_program_without_the_token_is_told(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    lines(capsys)
    answer = desk.browser().client.post(
        "/api/v1/decide", json={}, headers={"Authorization": "Bearer guessed"}
    )
    assert answer.status_code == 401
    met = lines(capsys)
    assert [line.split(" ", 2)[2] for line in met] == ["a request to the API had no right token"]


@pytest.mark.parametrize(
    ("path", "calls"),
    [
        ("/privacy/requests/x", "kept.app.requests.intake.standing"),
        ("/desk/measures", "kept.app.desk.measures.measures.standings"),
    ],
)
@pytest.mark.parametrize(("failure", "status"), [(StoreUnreachable, 503), (RuntimeError, 500)])
def test_a_failure_is_told_by_its_class_and_shown_to_nobody(
    path: str, calls: str, failure: type[Exception], status: int, desk: Desk,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def fails(*_: object, **__: object) -> None:
        raise failure("SELECT 'zoe.secret@example.fr' FROM person")

    browser = desk.browser(desk.session(desk.account("keeper")))
    monkeypatch.setattr(calls, fails)
    lines(capsys)
    answer = browser.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    met = lines(capsys)
    assert len(met) == 1
    assert failure.__name__ in met[0]
    for words in ("zoe", "SELECT", "Traceback", "person"):
        assert words not in str(met)
    for words in ("zoe", "SELECT", "Traceback", failure.__name__):
        assert words not in answer.text
