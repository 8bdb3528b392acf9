"""The desk from the first login on: proofs, sessions, forms, accounts; with what must not work."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from tests.app.desk import HASH, HOST, PASSWORD, Desk, opened

from kept.duties import staff
from kept.errors import ConfigError, Denied, UsageError
from kept.records import password as passwords
from kept.records.account import FIRST_GOOD
from kept.records.session import BOTH, IDLE, LIFE, WINDOW

NEW = "a very blue teapot on a hill"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[Desk]:
    with opened(tmp_path_factory.mktemp("desk") / "world", kept_module_url) as made:
        made.account("keeper", "privacy-officer")
        yield made


def words(text: str) -> str:
    """What a page says, without its marks."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_from_the_first_password_to_the_desk(desk: Desk) -> None:
    keeper = desk.account("keeper")
    ana, first = staff.add(desk.controller, "ana", "Ana A.", ["intake"], "new", keeper, desk.now)
    browser = desk.browser()
    assert browser.get("/desk").status_code == 401
    answer = browser.post("/desk/login", name="ANA ", password=first)
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk/login/password")
    before = browser.client.cookies["kept"]
    # With the first proof alone nothing but the next step is open.
    for path in ("/desk", "/desk/account", "/desk/accounts"):
        assert browser.get(path).status_code == 401
    assert browser.get("/desk/login/password").status_code == 200
    for bad, again, why in (
        ("tiny-one", "tiny-one", "shorter than 12"),
        (NEW, NEW + "x", "not the same"),
        ("password1234", "password1234", "tried first"),
        ("interop.io2026", "interop.io2026", "others know"),
        ("Ana A. ana ana", "Ana A. ana ana", "too few"),
        (first, first, "in use"),
    ):
        answer = browser.post("/desk/login/password", new=bad, again=again)
        assert answer.status_code == 400
        assert why in words(answer.text), bad
        assert bad not in answer.text
    answer = browser.post("/desk/login/password", new=NEW, again=NEW)
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk/second-proof")
    assert browser.client.cookies["kept"] != before, "a new token with a new password"
    before = browser.client.cookies["kept"]
    assert browser.get("/desk").status_code == 401
    page = browser.get("/desk/second-proof").text
    secret, _ = desk.controller.accounts.secret(ana, offered=True)
    assert secret is not None
    from kept.records import totp

    assert totp.spelt(secret) in page
    assert "otpauth://totp/" in page
    assert 'class="qr"' in page
    assert browser.post("/desk/second-proof", code="000000").status_code == 400
    code = totp.code(secret, totp.step(desk.now))
    answer = browser.post("/desk/second-proof", code=code)
    assert answer.status_code == 200
    codes = re.findall(r"<code>((?:[a-z0-9]{6}-){3}[a-z0-9]{6})</code>", answer.text)
    assert len(set(codes)) == 10
    assert browser.client.cookies["kept"] != before, "a new token with the second proof"
    shown = words(browser.get("/desk").text)
    assert "You are Ana A., in the role intake" in shown
    # The first password is no password any more; nor is the code.
    other = desk.browser()
    assert other.post("/desk/login", name="ana", password=first).status_code == 400
    assert other.post("/desk/login", name="ana", password=NEW).status_code == 303
    assert other.post("/desk/login/code", code=code).status_code == 400
    assert other.post("/desk/login/code", code=codes[0].upper()).headers["location"] == "/desk"
    assert other.get("/desk").status_code == 200
    third = desk.browser()
    third.post("/desk/login", name="ana", password=NEW)
    assert third.post("/desk/login/code", code=codes[0]).status_code == 400
    for what in ("made", "role-granted", "password-changed", "second-proof-set"):
        assert [e for e in desk.entries("account.changed") if e["what"] == what
                and e["account"] == ana.id], what  # fmt: skip
    assert [e["what"] for e in desk.entries("account.entered") if e.get("account") == ana.id] == [
        "code", "recovery-code",
    ]  # fmt: skip


def log_in(desk: Desk, name: str) -> object:
    browser = desk.browser()
    account = desk.account(name)
    assert browser.post("/desk/login", name=name, password=PASSWORD).status_code == 303
    answer = browser.post("/desk/login/code", code=desk.code(account))
    assert answer.headers["location"] == "/desk", answer.text
    return browser


def test_a_code_is_good_once_and_not_long(desk: Desk) -> None:
    account = desk.account("once")
    log_in(desk, "once")
    browser = desk.browser()
    browser.post("/desk/login", name="once", password=PASSWORD)
    assert browser.post("/desk/login/code", code=desk.code(account)).status_code == 400
    old = desk.code(account)
    desk.later(seconds=90)
    assert browser.post("/desk/login/code", code=old).status_code == 400
    desk.later(seconds=30)
    assert browser.post("/desk/login/code", code=desk.code(account)).status_code == 303


@pytest.mark.parametrize("name", ["known", "unknown"])
def test_many_tries_wait_and_say_nothing(name: str, desk: Desk) -> None:
    desk.account("known", "intake")
    answers = []
    for _ in range(BOTH + 3):
        answer = desk.browser().post("/desk/login", name=name, password="wrong")
        answers.append((answer.status_code, words(answer.text), sorted(answer.headers)))
    assert len({str(a) for a in answers}) == 1
    # Now the right one does not help either, and nothing says so.
    answer = desk.browser().post("/desk/login", name=name, password=PASSWORD)
    assert (answer.status_code, words(answer.text)) == answers[0][:2]
    desk.later(seconds=WINDOW.total_seconds() + 1)
    answer = desk.browser().post("/desk/login", name=name, password=PASSWORD)
    assert answer.status_code == (303 if name == "known" else 400)
    assert [e for e in desk.entries("account.entered") if e["what"] == "waits"]


def test_what_is_wrong_cannot_be_told_apart(desk: Desk) -> None:
    gone = desk.account("gone", "intake")
    with desk.controller.database.connection() as c:
        desk.controller.accounts.disable(gone, desk.now, connection=c)
    answers = set()
    for name, password in (
        ("gone", PASSWORD), ("gone", "wrong"), ("nobody-of-that-name", PASSWORD), ("", ""),
        ("keeper", "wrong"), ("keeper", PASSWORD + " " * 300), ("keeper", "x" * 5000),
    ):  # fmt: skip
        answer = desk.browser().post("/desk/login", name=name, password=password)
        answers.add((answer.status_code, answer.text, answer.headers.get("set-cookie")))
    assert len(answers) == 1
    assert next(iter(answers))[2] is None


def test_the_same_work_is_done_whether_or_not_the_name_exists(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.account("timed", "intake")
    calls: list[str] = []
    real = passwords.verified

    def counted(hash_: str, given: str) -> bool:
        calls.append(hash_)
        return real(hash_, given)

    monkeypatch.setattr("kept.duties.staff.login.verified", counted)
    spent: dict[str, list[float]] = {"timed": [], "who-is-that": []}
    for _ in range(4):
        for name, times in spent.items():
            begun = time.perf_counter()
            staff.enter(desk.controller, name, "wrong", "10.0.0.9", desk.now)
            times.append(time.perf_counter() - begun)
    assert len(calls) == 8
    assert passwords.NOBODYS in calls
    hashes = {re.sub(r"\$[^$]+\$[^$]+$", "", h) for h in calls}
    assert len(hashes) == 1, "of the same strength"
    one, other = (min(times) for times in spent.values())
    assert 0.2 < one / other < 5, "the fastest of four of each"


def test_wrong_codes_end_the_login(desk: Desk) -> None:
    account = desk.account("codes")
    browser = desk.browser()
    browser.post("/desk/login", name="codes", password=PASSWORD)
    for _ in range(BOTH):
        assert browser.post("/desk/login/code", code="123").status_code == 400
    assert browser.get("/desk/login/code").status_code == 401
    browser = desk.browser()
    browser.post("/desk/login", name="codes", password=PASSWORD)
    assert browser.post("/desk/login/code", code=desk.code(account)).status_code == 400
    desk.later(seconds=WINDOW.total_seconds() + 1)
    log_in(desk, "codes")


def test_tries_at_the_same_moment_are_all_counted(desk: Desk) -> None:
    from concurrent.futures import ThreadPoolExecutor

    desk.account("raced")
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(
            lambda _: desk.controller.attempts.take("raced", "10.9.9.9", desk.now), range(24)
        ))  # fmt: skip
    assert sorted(t for t in taken if t is not None) == list(range(1, BOTH + 1))


def test_sessions_end(desk: Desk) -> None:
    account = desk.account("ends", "intake")
    here, there = desk.browser(desk.session(account)), desk.browser(desk.session(account))
    assert here.get("/desk").status_code == there.get("/desk").status_code == 200
    answer = here.post("/desk/logout")
    assert answer.headers["location"] == "/desk/login?done=out"
    assert 'kept=""' in answer.headers["set-cookie"] or "Max-Age=0" in answer.headers["set-cookie"]
    here = desk.browser(desk.session(account))
    assert there.get("/desk").status_code == 200
    here.post("/desk/logout", everywhere="1")
    assert there.get("/desk").status_code == 401
    # Idle, and however busy: old.
    busy, lazy = desk.browser(desk.session(account)), desk.browser(desk.session(account))
    for _ in range(int(LIFE / IDLE) * 2):
        desk.later(seconds=IDLE.total_seconds() / 2)
        last = busy.get("/desk").status_code
    assert lazy.get("/desk").status_code == 401
    assert last == 401
    # What is left of all this in the database is no token.
    with desk.controller.database.connection() as c:
        rows = c.execute("SELECT token FROM account_session").fetchall()
    assert all(len(row[0]) == 32 for row in rows)


def test_a_login_ends_the_one_before_in_the_same_browser(desk: Desk) -> None:
    account = desk.account("again")
    session = desk.session(account)
    browser = desk.browser(session)
    assert browser.post("/desk/login", name="again", password="wrong").status_code == 400
    assert desk.controller.sessions.find(session.token, desk.now) is not None
    browser.post("/desk/login", name="again", password=PASSWORD)
    assert desk.controller.sessions.find(session.token, desk.now) is None


def test_a_changed_password_ends_every_other_login(desk: Desk) -> None:
    account = desk.account("changes")
    here, there = desk.browser(desk.session(account)), desk.browser(desk.session(account))
    here.get("/desk/account")
    before = here.client.cookies["kept"]
    answer = here.post("/desk/account/password", password="wrong", new=NEW, again=NEW)
    assert answer.status_code == 400
    assert there.get("/desk").status_code == 200
    answer = here.post("/desk/account/password", password=PASSWORD, new=NEW, again=NEW)
    assert answer.headers["location"] == "/desk/account?done=password"
    assert here.client.cookies["kept"] != before
    assert here.get("/desk").status_code == 200
    assert there.get("/desk").status_code == 401


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1:81"])
def test_a_form_from_elsewhere_is_refused(origin: str, desk: Desk) -> None:
    browser = desk.browser(desk.session(desk.account("keeper")))
    answer = browser.post("/desk/accounts/add", origin=origin, name="mallory", shown="M", why="x")
    assert answer.status_code == 403
    assert desk.browser().post("/desk/login", origin=origin, name="x").status_code == 403
    assert desk.controller.accounts.named("mallory", desk.now) is None


def test_a_form_of_another_login_is_refused(desk: Desk) -> None:
    keeper = desk.account("keeper")
    browser, other = desk.browser(desk.session(keeper)), desk.session(keeper)
    for token in ("", "0" * 64, other.csrf, "é"):
        answer = browser.post("/desk/accounts/add", csrf=token, name="mallory", shown="M", why="x")
        assert answer.status_code == 403, token
    assert desk.controller.accounts.named("mallory", desk.now) is None


def test_what_is_no_form_is_refused(desk: Desk) -> None:
    browser = desk.browser(desk.session(desk.account("keeper")))
    send = browser.client.post
    headers = {"Origin": HOST}
    url = "/desk/accounts/add"
    assert send(url, json={"csrf": browser.csrf}, headers=headers).status_code == 415
    kind = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"\xff\xfe", b"a=%ff", b"&".join(b"a=1" for _ in range(600)), b"name=a%00b"):
        assert send(url, content=body, headers=kind).status_code == 400, body[:10]
    assert send(url, content=b"a=" + b"x" * 70_000, headers=kind).status_code == 413
    # Bad numbers and ids are not found, never an error of the server.
    for path, fields in (
        ("/desk/accounts/alert", {"alert": "9" * 40}), ("/desk/accounts/alert", {"alert": "x"}),
        ("/desk/accounts/grant", {"account": "none", "role": "intake", "why": "x"}),
        ("/desk/accounts/review", {"grant": "99999999999999999999"}),
        ("/desk/account/emergency", {"role": "operator", "why": "x"}),
        ("/desk/account/emergency", {"role": "king", "why": "x"}),
    ):  # fmt: skip
        assert browser.post(path, **fields).status_code in (303, 400), path


def test_the_cookie_and_the_headers(desk: Desk) -> None:
    desk.account("cookie")
    answer = desk.browser().post("/desk/login", name="cookie", password=PASSWORD)
    set_cookie = answer.headers["set-cookie"].lower()
    assert set_cookie.startswith("kept=")
    for part in ("httponly", "samesite=strict", "path=/"):
        assert part in set_cookie
    assert "secure" not in set_cookie, "http on this machine: the browser would not take it"
    assert "domain" not in set_cookie
    desk.controller.site_url = "https://privacy.example.org"
    try:
        answer = desk.browser().post("/desk/login", name="cookie", password=PASSWORD)
        set_cookie = answer.headers["set-cookie"]
        assert set_cookie.startswith("__Host-kept=")
        assert "secure" in set_cookie.lower()
    finally:
        desk.controller.site_url = "http://127.0.0.1:8790"
    for path in ("/desk/login", "/desk", "/desk/nowhere"):
        answer = desk.browser().get(path)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in answer.headers


def test_the_desk_is_not_served_in_the_clear(desk: Desk) -> None:
    from kept import deployment

    file = desk.directory / "kept.toml"
    text = file.read_text("utf-8")
    try:
        assert deployment.read(desk.directory).serves_desk("127.0.0.1")
        assert not deployment.read(desk.directory).serves_desk("192.0.2.1")
        file.write_text(text + "\n[desk]\non = true\n")
        with pytest.raises(ConfigError, match="in the clear"):
            deployment.read(desk.directory).serves_desk("192.0.2.1")
        file.write_text(text + "\n[desk]\non = false\n")
        assert not deployment.read(desk.directory).serves_desk("127.0.0.1")
        file.write_text(text + '\n[site]\nurl = "https://p.example.org"\n')
        assert deployment.read(desk.directory).serves_desk("192.0.2.1")
        for bad in ("on = 1", "people = 0", 'large = "x"', "ons = true"):
            file.write_text(text + f"\n[desk]\n{bad}\n")
            with pytest.raises(ConfigError):
                deployment.read(desk.directory)
    finally:
        file.write_text(text)


# Accounts, by an officer.


def test_an_officer_gives_and_takes_roles(desk: Desk) -> None:
    keeper = desk.account("keeper")
    browser = desk.browser(desk.session(keeper))
    answer = browser.post("/desk/accounts/add", name="bo", shown="Bo B.", role="intake", why="new")
    assert answer.status_code == 200
    first = re.search(r"<code>((?:[a-z0-9]{5}-){3}[a-z0-9]{5})</code>", answer.text)
    assert first
    assert first[1] not in browser.get("/desk/accounts").text
    bo = desk.controller.accounts.named("bo", desk.now)
    assert bo is not None
    assert bo.roles == {"intake"}
    assert browser.post("/desk/accounts/add", name="bo", shown="B", why="x").status_code == 400

    def change(what: str, **fields: str) -> int:
        return browser.post(f"/desk/accounts/{what}", account=bo.id, why="so", **fields).status_code

    def roles() -> frozenset[str]:
        return desk.controller.accounts.get(bo.number, desk.now).roles

    assert change("grant", role="redactor") == 303
    assert roles() == {"intake", "redactor"}
    assert change("grant", role="approver") == 400, "kept apart"
    assert roles() == {"intake", "redactor"}
    assert change("grant", role="operator") == 400
    theirs = desk.browser(desk.session(bo))
    assert "redactor" in theirs.get("/desk").text
    assert change("revoke", role="redactor") == 303
    assert "redactor" not in theirs.get("/desk").text, "at once"
    assert change("revoke", role="redactor") == 400
    assert change("disable") == 303
    assert theirs.get("/desk").status_code == 401
    assert change("enable") == 303
    assert theirs.get("/desk").status_code == 401, "the login has ended"
    page = words(browser.get("/desk/accounts").text)
    assert "Bo B. bo" in page
    assert "by keeper: “new”" in page
    assert browser.post("/desk/accounts/grant", account=bo.id, role="intake").status_code == 400
    reasons = [e for e in desk.entries("account.changed") if e["account"] == bo.id]
    assert all(re.fullmatch("[0-9a-f]{64}", e["reason"]) for e in reasons if "reason" in e)
    assert "Bo B." not in str(reasons)
    assert {e["by"] for e in reasons} == {keeper.id}


def test_a_reset_voids_everything(desk: Desk) -> None:
    account = desk.account("lost", "intake")
    log_in(desk, "lost")
    theirs = desk.browser(desk.session(account))
    browser = desk.browser(desk.session(desk.account("keeper")))
    answer = browser.post("/desk/accounts/reset", account=account.id, why="phone lost")
    first = re.search(r"<code>((?:[a-z0-9]{5}-){3}[a-z0-9]{5})</code>", answer.text)
    assert first
    assert theirs.get("/desk").status_code == 401
    assert desk.controller.accounts.secret(account) == (None, None)
    assert desk.controller.accounts.codes_left(account) == 0
    anew = desk.browser()
    assert anew.post("/desk/login", name="lost", password=PASSWORD).status_code == 400
    desk.later(days=FIRST_GOOD.days, seconds=-1)
    answer = anew.post("/desk/login", name="lost", password=first[1])
    assert answer.headers["location"] == "/desk/login/password"
    desk.later(seconds=2)
    assert anew.post("/desk/login", name="lost", password=first[1]).status_code == 400


def test_nobody_gives_himself_a_role_and_somebody_is_left(desk: Desk) -> None:
    keeper = desk.account("keeper")
    with pytest.raises(Denied, match="himself"):
        staff.grant(desk.controller, keeper, "approver", "I want it", keeper, desk.now)
    with pytest.raises(Denied, match="nobody would be left"):
        staff.revoke(desk.controller, keeper, "privacy-officer", "bye", keeper, desk.now)
    with pytest.raises(Denied, match="nobody would be left"):
        staff.disable(desk.controller, keeper, "bye", None, desk.now)
    assert desk.controller.accounts.get(keeper.number, desk.now).disabled_at is None
    with pytest.raises(UsageError, match="reason"):
        staff.disable(desk.controller, keeper, " ", None, desk.now)


def test_a_role_in_an_emergency_is_seen_until_another_looked(desk: Desk) -> None:
    keeper, other = desk.account("keeper"), desk.account("second", "privacy-officer")
    helper = desk.account("helper", "intake")
    theirs, officer = desk.browser(desk.session(helper)), desk.browser(desk.session(keeper))
    assert theirs.get("/desk/accounts").status_code == 403
    answer = theirs.post("/desk/account/emergency", role="privacy-officer", why="")
    assert answer.status_code == 400
    answer = theirs.post("/desk/account/emergency", role="privacy-officer", why="the server burns")
    assert answer.status_code == 303
    mine = theirs.get("/desk/accounts")
    assert mine.status_code == 200
    assert "Another privacy officer looks into it" in words(mine.text)
    page = officer.get("/desk/accounts").text
    assert "the server burns" in page
    # For an hour doors can be closed, and none opened that stay open.
    bo = desk.account("by-the-way", "intake")
    for path, fields in (
        ("add", {"name": "friend", "shown": "F"}), ("grant", {"account": bo.id, "role": "support"}),
        ("reset", {"account": bo.id}),
    ):  # fmt: skip
        assert theirs.post(f"/desk/accounts/{path}", why="x", **fields).status_code == 400
    assert theirs.post("/desk/accounts/disable", account=bo.id, why="x").status_code == 303
    number = re.search(r'name="grant" value="(\d+)"><button>I have looked', page)
    assert number
    theirs.post("/desk/accounts/review", grant=number[1])  # not his own
    assert "the server burns" in officer.get("/desk/accounts").text.partition("form id=")[0]
    officer.post("/desk/accounts/review", grant=number[1])
    assert "the server burns" not in officer.get("/desk/accounts").text.partition("form id=")[0]
    desk.later(minutes=29)
    assert theirs.get("/desk/accounts").status_code == 200
    desk.later(minutes=29)
    theirs.get("/desk")
    desk.later(minutes=2)
    assert theirs.get("/desk/accounts").status_code == 403
    (broken,) = [e for e in desk.entries("account.changed") if e["what"] == "glass-broken"
                 and e["account"] == helper.id]  # fmt: skip
    assert broken["role"] == "privacy-officer"
    assert broken["until"]
    apart = desk.account("blackener", "redactor")
    with pytest.raises(Denied, match="apart"):
        staff.break_glass(desk.controller, apart, "approver", "quick", desk.now)
    assert other.roles == {"privacy-officer"}


def test_reading_in_bulk_raises_one_alert(desk: Desk) -> None:
    desk.later(days=1)
    keeper = desk.account("keeper")
    desk.account("reader", "support")
    actor = desk.controller.actors.of("reader", "support", desk.now)
    usual = desk.controller.desk
    for n in range(usual.people - 1):
        assert not staff.noted(desk.controller, actor, [f"case-{n}"], 3, desk.now)
    assert not staff.noted(desk.controller, actor, ["case-1"], 3, desk.now), "no new person"
    assert staff.noted(desk.controller, actor, ["case-x"], 3, desk.now)
    assert not staff.noted(desk.controller, actor, ["case-y"], 3, desk.now), "one is enough"
    browser = desk.browser(desk.session(keeper))
    page = browser.get("/desk/accounts").text
    assert "reader</b> (support) opened 100 people" in page
    assert '<span class="count">1<' in page
    number = re.search(r'name="alert" value="(\d+)"', page)
    assert number
    assert browser.post("/desk/accounts/alert", alert=number[1]).status_code == 303
    assert "opened 100 people" not in browser.get("/desk/accounts").text
    assert browser.post("/desk/accounts/alert", alert=number[1]).status_code == 400
    (entry,) = desk.entries("alert.raised")
    assert (entry["people"], entry["account"]) == (100, desk.account("reader").id)
    # Few people, many records; an hour later it counts anew, in whatever role.
    desk.later(hours=2)
    other = desk.controller.actors.of("reader", "intake", desk.now)
    assert not staff.noted(desk.controller, other, ["a"], usual.records - 1, desk.now)
    assert staff.noted(desk.controller, actor, ["a"], 1, desk.now)
    # Nobody closes the alert about himself.
    own = desk.controller.actors.of("keeper", "privacy-officer", desk.now)
    assert staff.noted(desk.controller, own, ["b"], usual.records, desk.now)
    mine = desk.controller.watch.alerts(unseen=True)[0]
    assert mine.name == "keeper"
    with pytest.raises(UsageError):
        staff.see_alert(desk.controller, mine.number, keeper, desk.now)


def test_the_first_officer_is_made_once(desk: Desk) -> None:
    password = staff.write_first(desk.directory, "late", "Late", desk.now)
    assert len(password) == 23
    file = desk.directory / "keys" / "first-officer.json"
    assert file.stat().st_mode & 0o77 == 0
    assert password not in file.read_text()
    # There are accounts already: whoever can write that file gets nothing by it.
    assert staff.first_officer(desk.controller, desk.directory, desk.now) is None
    assert desk.controller.accounts.named("late", desk.now) is None
    assert not file.exists()
    assert staff.first_officer(desk.controller, desk.directory, desk.now) is None
    file.write_text("{}")
    with pytest.raises(ConfigError):
        staff.first_officer(desk.controller, desk.directory, desk.now)
    file.unlink()


def test_the_hash_is_argon2id() -> None:
    assert HASH.startswith("$argon2id$v=19$m=47104,t=1,p=1$")
    assert passwords.verified(HASH, PASSWORD)
    assert not passwords.verified(HASH, PASSWORD + " ")
    assert not passwords.verified("no hash", PASSWORD)


def test_who_looks_at_roles_looks_at_those_of_others(desk: Desk) -> None:
    keeper = desk.account("keeper")
    second = desk.account("second", "privacy-officer")
    grants = {g.account: g.number for g in desk.controller.accounts.grants(living=desk.now)}
    both = [grants[keeper.number], grants[second.number]]
    assert staff.review(desk.controller, both, keeper, desk.now) == 1
    staff.disable(desk.controller, second, "left", keeper, desk.now)
    assert staff.review(desk.controller, both, keeper, desk.now) == 2, "nobody else is there"
    assert [e["grants"] for e in desk.entries("access.reviewed")][-2:] == [1, 2]
    gone = desk.controller.accounts.get(second.number, desk.now)
    staff.enable(desk.controller, gone, "back", keeper, desk.now)
