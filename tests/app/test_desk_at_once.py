"""The desk where two things happen at once, and where a server stands before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient
from tests.app.desk import HASH, HOST, PASSWORD, Desk, opened

from kept.app import web
from kept.duties import staff
from kept.duties.staff import login
from kept.errors import Denied
from kept.records import password as passwords
from kept.records.session import BOTH


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[Desk]:
    with opened(tmp_path_factory.mktemp("desk") / "world", kept_module_url) as made:
        made.account("keeper", "privacy-officer")
        yield made


def _resets(desk: Desk, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An officer resets the account as soon as its password was looked at."""
    real, done = passwords.verified, []

    def meanwhile(hash_: str, given: str) -> bool:
        right = real(hash_, given)
        if not done:
            done.append(staff.reset(desk.controller, desk.account(name), "stolen", None, desk.now))
        return right

    monkeypatch.setattr(login, "verified", meanwhile)


def test_a_password_that_is_reset_meanwhile_lets_nobody_in(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = desk.account("stolen", "intake")
    _resets(desk, "stolen", monkeypatch)
    assert staff.enter(desk.controller, "stolen", PASSWORD, "192.0.2.1", desk.now) is None
    assert desk.controller.sessions.count(account, desk.now) == 0


def test_a_password_that_is_reset_meanwhile_is_replaced_by_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = desk.account("taken", "intake")
    session = desk.session(account)
    _resets(desk, "taken", monkeypatch)
    with pytest.raises(Denied, match="in the meantime"):
        staff.change_password(
            desk.controller, session, PASSWORD, "another red teapot here", "192.0.2.1", desk.now
        )
    assert desk.account("taken").changes
    assert desk.controller.sessions.count(account, desk.now) == 0


def _tries(client: TestClient[Any], name: str, word: str, *said: str) -> int:
    headers = [("Origin", HOST), *(("X-Forwarded-For", one) for one in said)]
    answer = client.post("/desk/login", data={"name": name, "password": word}, headers=headers,
                         follow_redirects=False)  # fmt: skip
    return answer.status_code


@pytest.mark.parametrize("proxy", [True, False])
def test_a_stranger_shuts_nobody_out_where_a_server_says_who_asks(desk: Desk, proxy: bool) -> None:
    name = f"shut{proxy}".lower()
    desk.account(name, "intake", password=HASH)
    app = web.make(desk.controller, token=None, shows="text", clock=lambda: desk.now, proxy=proxy)
    client = TestClient(app, base_url=HOST)
    for n in range(BOTH):
        # Whatever the stranger writes himself, in one header or in one before it, is not heard.
        assert _tries(client, name, "wrong", f"198.51.100.7, 10.0.{n}.1", "203.0.113.9") == 400
    assert _tries(client, name, PASSWORD, "10.1.1.1", "203.0.113.9") == 400
    assert _tries(client, name, PASSWORD, "198.51.100.7") == (303 if proxy else 400)


@pytest.mark.parametrize("name", ["keeper", "nobody"])
def test_tries_beyond_the_limit_cost_no_work(
    desk: Desk, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a few connections that go on trying would keep everybody else waiting."""
    real, done = passwords.verified, []
    monkeypatch.setattr(login, "verified", lambda *given: done.append(1) or real(*given))
    for _ in range(BOTH + 3):
        assert staff.enter(desk.controller, name, "wrong", "192.0.2.77", desk.now) is None
    assert len(done) == BOTH
    desk.later(hours=1)
