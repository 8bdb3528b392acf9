"""Login through a provider: a real one on this machine, which keeps the rules or breaks one."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from httpx import Response
from joserfc.jwk import ECKey
from tests import provider, world
from tests.app.desk import PASSWORD, Browser, Desk, opened
from tests.app.test_desk import words
from tests.provider import Provider

from kept import deployment
from kept.duties import staff
from kept.errors import ConfigError, UsageError

BACK = "/desk/login/elsewhere/back"


def settings(url: str, more: str = "") -> str:
    return (f'\n[login.oidc]\nissuer = "{url}"\nclient = "{provider.CLIENT}"\n'
            f'secret = "{provider.SECRET}"\ntitle = "the house"\n{more}')  # fmt: skip


@pytest.fixture(scope="module")
def there() -> Iterator[Provider]:
    with provider.served(lambda: world.NOW) as made:
        yield made


@pytest.fixture(scope="module")
def desk(
    tmp_path_factory: pytest.TempPathFactory, kept_module_url: str, there: Provider
) -> Iterator[Desk]:
    place = tmp_path_factory.mktemp("elsewhere") / "world"
    with opened(place, kept_module_url, settings(there.url)) as made:
        there.clock = lambda: made.now
        made.account("keeper", "privacy-officer")
        ana = made.account("ana", "intake")
        staff.link(made.controller, ana, there.sub, "she came by", None, made.now)
        yield made


@pytest.fixture(autouse=True)
def as_it_was(there: Provider, desk: Desk) -> Iterator[None]:
    before = {k: v for k, v in vars(there).items() if k not in ("asked", "codes")}
    before["keys"] = list(there.keys)
    yield
    vars(there).update(before)
    desk.later(hours=2)  # no failed try of another test counts, and nothing is believed any more


def there_and_back(browser: Browser) -> tuple[dict[str, str], Response]:
    """Log in at the provider; what its answer holds, and the page that it leads to."""
    answer = browser.get("/desk/login/elsewhere")
    assert answer.status_code == 303, words(answer.text)
    away = httpx.get(answer.headers["location"], follow_redirects=False, trust_env=False)
    assert away.status_code == 302
    back = urllib.parse.urlsplit(away.headers["location"])
    assert back.path == BACK
    assert back.netloc == "127.0.0.1:8790"
    shown = browser.get(f"{back.path}?{back.query}")
    return dict(urllib.parse.parse_qsl(back.query)), shown


def log_in(browser: Browser) -> Response:
    given, shown = there_and_back(browser)
    assert shown.status_code == 200
    for name, value in given.items():
        assert f'name="{name}" value="{value}"' in shown.text
    return browser.post(BACK, **given)


def refused(desk: Desk, answer: Response, status: int, why: str) -> None:
    assert answer.status_code == status, words(answer.text)
    assert why in words(answer.text).lower()
    assert "kept" not in answer.cookies
    assert "ana" not in answer.text.lower().replace("organ", "").replace("manag", "")


def test_the_provider_says_who_and_kept_says_what_he_may(desk: Desk, there: Provider) -> None:
    browser = desk.browser()
    assert "log in with the house" in words(browser.get("/desk/login").text)
    there.asked.clear()
    answer = log_in(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk")
    assert there.asked == [
        "/.well-known/openid-configuration", "/authorize", "/token", "/jwks"
    ]  # fmt: skip
    shown = words(browser.get("/desk").text)
    assert "You are Ana, in the role intake" in shown
    assert browser.get("/desk/accounts").status_code == 403, "roles are Kept's"
    assert desk.entries("account.entered")[-1]["what"] == "elsewhere"
    # Out here, and told that she is still in there.
    browser.post("/desk/logout")
    page = browser.get("/desk/login?done=out").text
    assert f'href="{there.url}/logout?client_id=kept+desk"' in page
    assert browser.get("/desk").status_code == 401
    # The login with a password stays.
    assert browser.post("/desk/login", name="keeper", password=PASSWORD).status_code == 303


def test_nothing_of_a_login_is_stored_before_somebody_is_in(desk: Desk) -> None:
    tables = ("account_attempt", "account_session", "account_link_used")
    count = "SELECT " + ", ".join(f"(SELECT count(*) FROM {t})" for t in tables)
    with desk.controller.database.connection() as c:
        before = c.execute(count.encode()).fetchone()
        browser = desk.browser()
        _, shown = there_and_back(browser)
        assert shown.status_code == 200
        browser.get(f"{BACK}?code=x&state=y")
        assert c.execute(count.encode()).fetchone() == before


def test_an_answer_counts_once_and_in_its_own_browser(desk: Desk, there: Provider) -> None:
    browser = desk.browser()
    given, _ = there_and_back(browser)
    # Somebody else's browser: with no login begun, and with one of its own.
    stranger = desk.browser()
    refused(desk, stranger.post(BACK, **given), 403, "not begun in this browser")
    stranger.get("/desk/login/elsewhere")
    refused(desk, stranger.post(BACK, **given), 403, "not begun in this browser")
    # From a page elsewhere, or without a word of whence.
    for origin in ("https://evil.example", ""):
        assert browser.post(BACK, origin=origin, **given).status_code == 403
    word = next(c.value for c in browser.client.cookies.jar if c.name == "kept-elsewhere")
    assert browser.post(BACK, **given).status_code == 303
    # The very same again: the word of the browser was taken from it; with it, there is no code.
    assert "not begun in this browser" in words(browser.post(BACK, **given).text)
    again = desk.browser()
    again.client.cookies.set("kept-elsewhere", word, domain="127.0.0.1", path="/")
    refused(desk, again.post(BACK, **given), 403, "the code was not taken there")
    # Nor where a provider takes a code twice.
    there.codes[given["code"]] = {"redirect_uri": f"{desk.controller.site_url}{BACK}",
                                  **challenge(desk, word)}  # fmt: skip
    refused(desk, again.post(BACK, **given), 403, "taken already")


def challenge(desk: Desk, word: str) -> dict[str, str]:
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    from kept.duties.staff import elsewhere

    assert desk.controller.provider is not None
    going = elsewhere._pass(desk.controller, desk.controller.provider, word)
    return {"nonce": going.nonce, "code_challenge": create_s256_code_challenge(going.verifier)}


def test_a_login_that_took_too_long(desk: Desk) -> None:
    browser = desk.browser()
    given, _ = there_and_back(browser)
    word = next(c.value for c in browser.client.cookies.jar if c.name == "kept-elsewhere")
    desk.later(minutes=16)
    # A browser that keeps it all the same, and one that writes a later end into it.
    longer = f"{word.partition('.')[0]}.{int(word.partition('.')[2]) + 9999}"
    for kept in (word, longer, "", ".", "x" * 5000):
        stubborn = desk.browser()
        stubborn.client.cookies.set("kept-elsewhere", kept, domain="127.0.0.1", path="/")
        refused(desk, stubborn.post(BACK, **given), 403, "too long ago")


BAD: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://elsewhere.example"},
    "another audience": {"aud": "another"},
    "several audiences, and not for us": {"aud": [provider.CLIENT, "x"], "azp": "x"},
    "several audiences, and for nobody": {"aud": [provider.CLIENT, "x"]},
    "over": {"exp": int(world.NOW.timestamp()) - 86_400},
    "of tomorrow": {"iat": int(world.NOW.timestamp()) + 86_400 * 30},
    "not yet": {"nbf": int(world.NOW.timestamp()) + 86_400 * 30},
    "the nonce of another": {"nonce": "x"},
    "of another access": {"at_hash": "x"},
    "a number for a name": {"sub": 24400320},
    "no name": {"sub": ""},
    "an end that is no number": {"exp": "soon"},
    "ways that are no list": {"amr": "mfa"},
}


@pytest.mark.parametrize("what", BAD)
def test_a_token_that_does_not_hold(what: str, desk: Desk, there: Provider) -> None:
    there.claims = lambda claims: {**claims, **BAD[what]}
    refused(desk, log_in(desk.browser()), 403, "does not hold")
    assert desk.entries("account.entered")[-1]["what"] == "elsewhere-refused"


@pytest.mark.parametrize("missing", ["iss", "sub", "aud", "exp", "iat", "nonce"])
def test_a_token_that_lacks_something(missing: str, desk: Desk, there: Provider) -> None:
    there.claims = lambda claims: {k: v for k, v in claims.items() if k != missing}
    refused(desk, log_in(desk.browser()), 403, "does not hold")


@pytest.mark.parametrize(
    "forged", ["with_no_signature", "with_its_public_key", "with_another_key", "with_a_key_inside"]
)
def test_a_forged_token(forged: str, desk: Desk, there: Provider) -> None:
    there.token = getattr(there, forged)
    refused(desk, log_in(desk.browser()), 403, "does not hold")


def test_tokens_that_are_none(desk: Desk, there: Provider) -> None:
    for told in ("", "x", "a.b.c", "é.é.é", "." * 9):
        there.token = lambda _, told=told: told  # type: ignore[misc]
        refused(desk, log_in(desk.browser()), 403, "does not hold")


def test_one_proof_is_not_enough(desk: Desk, there: Provider) -> None:
    there.methods = ("pwd",)
    refused(desk, log_in(desk.browser()), 403, "one proof alone")


def test_several_audiences_and_ours_is_meant(desk: Desk, there: Provider) -> None:
    there.claims = lambda c: {**c, "aud": [provider.CLIENT, "x"], "azp": provider.CLIENT}
    assert log_in(desk.browser()).status_code == 303


def test_new_keys_are_asked_for(desk: Desk, there: Provider) -> None:
    assert log_in(desk.browser()).status_code == 303
    there.key = ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})
    there.keys = [there.key]
    desk.later(minutes=2)
    there.asked.clear()
    assert log_in(desk.browser()).status_code == 303
    assert there.asked.count("/jwks") == 1
    # A name of a key that nobody has makes it ask once a minute, not every time.
    there.token = lambda c: there.with_a_key_inside(c)
    for _ in range(3):
        assert log_in(desk.browser()).status_code == 403
    assert there.asked.count("/jwks") <= 2


def test_an_answer_of_another_provider(desk: Desk, there: Provider) -> None:
    for other in ("https://elsewhere.example", ""):
        browser = desk.browser()
        given, _ = there_and_back(browser)
        refused(desk, browser.post(BACK, **{**given, "iss": other}), 403, "another provider")
    assert there.codes, "no code was shown to anybody"


def test_a_stranger_is_told_by_what_an_officer_can_link_him(desk: Desk, there: Provider) -> None:
    there.sub = "stranger<b>|7"
    answer = log_in(desk.browser())
    assert answer.status_code == 403
    assert "<code>stranger&lt;b&gt;|7</code>" in answer.text
    assert "kept" not in answer.cookies
    officer = desk.browser(desk.session(desk.account("keeper")))
    bo = desk.account("bo", "approver")
    page = officer.get("/desk/accounts").text
    assert "Let this person log in with the house" in page
    fields = {"account": bo.id, "word": there.sub, "why": "he showed his badge"}
    assert officer.post("/desk/accounts/link", **fields).status_code == 303
    assert "Linked with a login elsewhere" in words(officer.get("/desk/accounts").text)
    browser = desk.browser()
    assert log_in(browser).status_code == 303
    assert "You are Bo" in words(browser.get("/desk").text)
    # One word for one account, and no account for two words.
    for account, word in ((desk.account("ana"), there.sub), (bo, "another")):
        answer = officer.post("/desk/accounts/link", account=account.id, word=word, why="x")
        assert answer.status_code == 400
        assert "linked already" in words(answer.text)
    with pytest.raises(UsageError, match="no word"):
        staff.link(desk.controller, bo, "é", "x", None, desk.now)
    # The word itself is nowhere: of it there is a keyed hash.
    with desk.controller.database.connection() as c:
        stored = str(c.execute("SELECT * FROM account_link").fetchall())
    assert "stranger" not in stored
    assert "linked" in [e["what"] for e in desk.entries("account.changed")]
    # Ended: whoever is in is out, and does not come in again.
    assert officer.post("/desk/accounts/unlink", account=bo.id, why="left").status_code == 303
    assert browser.get("/desk").status_code == 401
    assert log_in(browser).status_code == 403


def test_a_disabled_account_is_not_let_in(desk: Desk, there: Provider) -> None:
    there.sub = "cy"
    cy = desk.account("cy", "intake")
    staff.link(desk.controller, cy, "cy", "x", None, desk.now)
    staff.disable(desk.controller, cy, "left", None, desk.now)
    refused(desk, log_in(desk.browser()), 403, "the account is disabled")
    cy = desk.account("cy")
    staff.enable(desk.controller, cy, "back", None, desk.now)
    staff.reset(desk.controller, cy, "all is new", None, desk.now)
    assert "no account here" in words(log_in(desk.browser()).text)


def test_a_provider_that_is_down_lets_nobody_in(
    desk: Desk, there: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = desk.browser()
    given, _ = there_and_back(browser)
    there.down = True
    capsys.readouterr()
    answer = browser.post(BACK, **given)
    (line,) = capsys.readouterr().err.splitlines()
    assert "Z a login through the provider failed: " in line
    assert given["code"] not in line
    refused(desk, answer, 503, "cannot be asked now")
    assert "Log in with your password here" in words(answer.text)
    there.asked.clear()
    desk.later(hours=2)
    for _ in range(3):
        refused(desk, desk.browser().get("/desk/login/elsewhere"), 503, "cannot be asked now")
    assert len(there.asked) == 1, "who waits for it does not stop all others"
    assert desk.browser().get("/desk/login").status_code == 200


@pytest.mark.parametrize(
    "described",
    [
        {"issuer": "https://elsewhere.example"},
        {"token_endpoint": "https://elsewhere.example/token"},
        {"jwks_uri": "http://127.0.0.1:1/jwks"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "http://127.0.0.1@elsewhere.example/"},
        {"token_endpoint": None},
    ],
)
def test_a_provider_that_names_other_hosts(
    described: dict[str, Any], desk: Desk, there: Provider
) -> None:
    there.described = described
    refused(desk, desk.browser().get("/desk/login/elsewhere"), 503, "describes itself")


def test_addresses_that_hold_nothing(desk: Desk) -> None:
    browser = desk.browser()
    for query, why in (
        ("error=access_denied&error_description=<b>x</b>", "You were not let in there"),
        ("", "lacks what it should hold"),
        (f"code={'x' * 5000}&state=y", "lacks what it should hold"),
    ):
        answer = browser.get(f"{BACK}?{query}")
        assert answer.status_code == 400
        assert why in words(answer.text)
        assert "<b>x" not in answer.text
    # Nothing in an address says where one goes on.
    for path in (
        "/desk/login/elsewhere?next=https://evil.example",
        f"{BACK}?code=a&state=b&next=//evil.example&redirect_uri=//evil.example",
    ):
        answer = browser.get(path)
        assert "evil" not in answer.headers.get("location", "") + answer.text


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('issuer = "http://login.example"', "https"),
        ('issuer = "https://login.example/?x=1"', "without"),
        ('issuer = "https://me:word@login.example"', "https"),
        ('issuer = "https://login.example"\namr = "mfa"', "list of words"),
        ('issuer = "https://login.example"\nscope = "email"', "is not a setting"),
        ('issuer = "https://login.example"\nclient = ""', "client"),
        ('issuer = "https://login.example"\nsecret = "env:KEPT_NOT_SET"', "KEPT_NOT_SET"),
    ],
)
def test_settings_that_are_none(tmp_path_factory: Any, line: str, why: str) -> None:
    place = tmp_path_factory.mktemp("settings")
    client = "" if "client" in line else 'client = "x"\n'
    (place / "kept.toml").write_text(f'bundle = "."\n[login.oidc]\n{client}{line}\n', "utf-8")
    with pytest.raises(ConfigError, match=re.escape(why)) as met:
        deployment.read(place)
    assert "word" not in str(met.value).replace("words", "")


def test_without_a_provider_there_is_no_such_login(tmp_path: Any, kept_url: str) -> None:
    with opened(tmp_path / "world", kept_url) as desk:
        browser = desk.browser()
        assert "elsewhere" not in browser.get("/desk/login").text
        assert "No other place" in words(browser.get("/desk/login/elsewhere").text)
        assert browser.post(BACK, code="x", state="y").status_code == 400
