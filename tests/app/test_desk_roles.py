"""Every route of the desk is tried by everybody: the table, the guard and the application agree.

Generated from the table of routes and from the application itself; nothing here names a route.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Router, get
from tests.app.desk import Desk, opened

from kept.app.desk import router
from kept.app.desk.guard import guard
from kept.app.surface import DESK, GUEST, HALF, STAFF
from kept.model.surface import Surface
from kept.records.account import STAFF as ROLES
from kept.records.session import HALF as HALF_LIFE
from kept.records.session import IDLE, LIFE, Session

#: Everybody: each role alone, and those who have none, or no longer, or not yet.
OTHERS = ("nobody", "no role", "half", "disabled", "idle", "over", "made up", "revoked")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[Desk]:
    with opened(tmp_path_factory.mktemp("roles") / "world", kept_module_url) as made:
        made.account("keeper", "privacy-officer")  # so that there is always one
        yield made


def path_of(surface: Surface) -> str:
    return re.sub(r"\{[^}]+\}", "1", surface.name)


def someone(desk: Desk, who: str) -> Session | None:
    """A session of somebody of that kind."""
    if who == "nobody":
        return None
    account = desk.account(who.replace(" ", "-"), *([who] if who in ROLES else []))
    if who == "half":
        return desk.session(account, proven=False)
    if who == "made up":
        real = desk.session(account)
        return Session("A" * 43, account, True, real.begun_at, real.seen_at)
    before = {"idle": IDLE, "over": LIFE}.get(who, dt.timedelta())
    if who == "over":  # never idle, and too old all the same
        session = desk.session(account)
        with desk.controller.database.connection() as c:
            c.execute("UPDATE account_session SET begun_at = %s WHERE account = %s",
                      (desk.now - LIFE, account.number))  # fmt: skip
        return session
    desk.now -= before
    session = desk.session(account)
    desk.now += before
    with desk.controller.database.connection() as c:
        if who == "disabled":
            desk.controller.accounts.disable(account, desk.now, connection=c)
        if who == "revoked":
            desk.controller.accounts.grant(
                account, "privacy-officer", "x", None, desk.now, connection=c
            )
            desk.controller.accounts.revoke(
                account, "privacy-officer", None, desk.now, connection=c
            )
    return session


def expected(surface: Surface, who: str) -> str:
    """What the table says: let in, 401 or 403. Written out again, apart from the guard."""
    if not surface.roles or GUEST in surface.roles:
        return "in"
    if who in ("nobody", "disabled", "idle", "over", "made up"):
        return "401"
    if who == "half":
        return "in" if HALF in surface.roles else "401"
    return "in" if STAFF in surface.roles or who in surface.roles else "403"


@pytest.mark.parametrize("who", [*ROLES, *OTHERS])
def test_every_route_answers_everybody_as_the_table_says(who: str, desk: Desk) -> None:
    for surface in DESK:
        session = someone(desk, who)  # anew: a logout ends it
        browser = desk.browser(session)
        if surface.method == "GET":
            answer = browser.get(path_of(surface))
        else:
            answer = browser.post(path_of(surface))
        met = {401: "401", 403: "403"}.get(answer.status_code, "in")
        assert met == expected(surface, who), (surface.method, surface.name, answer.status_code)
        assert answer.status_code < 500, (surface.method, surface.name)
        if met != "in":
            assert "Keeper" not in answer.text
            assert "keeper" not in answer.text
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("who", [*ROLES, "no role"])
def test_no_form_is_taken_without_the_token_of_its_login(who: str, desk: Desk) -> None:
    """Every POST: a token of another login, of nobody, none at all; and from another place."""
    other = desk.session(desk.account("another", who) if who in ROLES else desk.account("another"))
    refused = 0
    for surface in (s for s in DESK if s.method == "POST"):
        guest = GUEST in surface.roles
        browser = desk.browser(someone(desk, who))
        for csrf in () if guest else (other.csrf, "0" * 64, ""):
            answer = browser.post(path_of(surface), csrf=csrf)
            # Whom the table keeps out is kept out as before.
            assert answer.status_code in (401, 403), (surface.name, csrf)
            refused += answer.status_code == 403
        for origin in ("https://evil.example", "", "null"):
            answer = browser.post(path_of(surface), origin=origin)
            assert answer.status_code in (401, 403), (surface.name, origin)
    assert refused > 100


@pytest.mark.parametrize("sign", ["%00", "%ff", "%E2%80%AE"])
def test_an_address_of_signs_that_name_nothing_is_no_failure(sign: str, desk: Desk) -> None:
    session = desk.session(desk.account("keeper"))
    for surface in (one for one in DESK if "{" in one.name):
        path = re.sub(r"\{[^}]+\}", sign, surface.name)
        browser = desk.browser(session)
        answer = browser.get(path) if surface.method == "GET" else browser.post(path)
        assert answer.status_code in (403, 404), (surface.method, path, answer.status_code)


def test_the_table_is_the_application(desk: Desk) -> None:
    real = {
        (route.path_format, method)
        for route in desk.app.routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS" and route.path_format.startswith("/desk")
    }
    assert real == {(re.sub(r":\w+(?=\})", "", s.name), s.method) for s in DESK}
    assert len(real) > 15
    known = {GUEST, HALF, STAFF, *ROLES}
    assert all(s.roles <= known for s in DESK)
    assert all(s.changes == (s.method == "POST") for s in DESK)


def test_a_route_that_is_not_in_the_table_lets_nobody_in(tmp_path: Path, kept_url: str) -> None:
    @get("/forgotten", sync_to_thread=False)
    def forgotten() -> str:
        return "a secret"

    with opened(tmp_path / "world", kept_url) as desk:
        made = router()
        desk.app.register(
            Router("/desk", route_handlers=[forgotten], guards=[guard],
                   exception_handlers=made.exception_handlers)
        )  # fmt: skip
        account = desk.account("all", *(r for r in ROLES if r not in ("auditor", "redactor")))
        for session in (None, desk.session(account)):
            answer = desk.browser(session).get("/desk/forgotten")
            assert answer.status_code == 403
            assert "a secret" not in answer.text


def test_a_half_session_is_over_soon(desk: Desk) -> None:
    session = desk.session(desk.account("slow"), proven=False)
    browser = desk.browser(session)
    assert browser.get("/desk/login/code").status_code == 200
    desk.later(seconds=HALF_LIFE.total_seconds())
    assert browser.get("/desk/login/code").status_code == 401
