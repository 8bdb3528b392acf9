"""RIGHT: people ask by the public form, by letter, telephone and mail, and nobody else is told."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from kept.app import promptly
from kept.duties import rights
from kept.duties.rights import close_case, reminding, reported, tend
from kept.duties.rights.request import open_case
from kept.terms.identifiers import parse
from tests.asking import Desk, desk, links, text

ANA, NOBODY = "ana@example.org", "nobody-at-all@example.org"


@pytest.fixture(scope="module")
def asked(kept_module_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("asked") / "world", kept_module_url) as one:
        yield one


@pytest.fixture(autouse=True)
def _another_day(request: pytest.FixtureRequest) -> None:
    """Each test asks from a place of its own, and a while after the one before."""
    if "asked" in request.fixturenames:
        one: Desk = request.getfixturevalue("asked")
        one.later(hours=2)
        one.inbox.refuse = False
        one.inbox.letters.clear()
        one.source = f"192.0.2.{one.now.day * 10 % 200 + one.now.hour % 24}"


def test_RIGHT_16_anybody_asks_without_an_account_and_the_typed_code_opens_the_cases(
    asked: Desk,
) -> None:
    page = asked.get("/privacy/requests")
    assert page.status_code == 200
    assert page.headers.get("Set-Cookie") is None
    assert not re.search(r"password|<script|log ?in|account number", page.text, re.IGNORECASE)
    before = asked.controller.cases.all()
    at = asked.ask("access", "erasure", email=NOBODY)
    assert asked.controller.cases.all() == before  # no case before it is known who asks
    shown = asked.get(at)
    assert NOBODY not in shown.text
    assert "n•••@e•••.org" in shown.text
    (letter,) = asked.inbox.to(NOBODY)
    assert letter["Auto-Submitted"] == "auto-generated"
    then = asked.post(at, {"do": "code", "code": asked.inbox.code(NOBODY)})
    assert then.status_code == 303
    opened = asked.controller.cases.all()[len(before) :]
    assert [c.right for c in opened] == ["access", "erasure"]
    for case in opened:
        words = asked.controller.cases.words(case)
        assert words.evidence
        assert f"typed in on {asked.now:%Y-%m-%d}" in words.evidence
        assert [[i.value for i in p] for p in asked.controller.cases.identifiers(case)] == [
            [NOBODY]
        ]
    status = asked.get(then.headers["Location"])
    assert status.status_code == 200
    assert status.text.count("We are working on it.") == 2
    assert "The last day for our answer is <b>" in status.text
    # The page on which the code was typed leads nowhere any more; the new one stands in the mail.
    assert asked.get(at).status_code == 404
    assert then.headers["Location"] in {
        urllib.parse.urlsplit(u).path for u in links(asked.inbox.to(NOBODY)[-1])
    }


#: What the text lets people choose about use, access and correction, counted by hand.
CHOICES = (
    "access", "portability", "rectification", "erasure", "restriction", "objection", "withdrawal",
    "stop-mailing", "question",
)  # fmt: skip
PLACES = ("choices", "requests/child", "requests/mail", "complaints", "authorities")


def test_PREAM_5_every_choice_stands_on_one_page_and_each_way_leads_on(asked: Desk) -> None:
    page = asked.get("/privacy/requests").text
    offered = re.findall(r'name="asked"[^>]*value="([^"]+)"', page)
    assert set(offered) >= set(CHOICES)
    for choice in offered:
        asked.later(hours=2)
        status = asked.proven(choice, email=f"{choice}@example.org", words="all of it")
        shown = asked.get(status)
        assert shown.status_code == 200, choice
        assert asked.inbox.to(f"{choice}@example.org"), choice
    for place in PLACES:
        assert f'href="/privacy/{place}' in page, place
        assert asked.get(f"/privacy/{place}").status_code == 200, place


def _same(text: str) -> str:
    """A page or a letter without what is drawn by lot, and without the address that was given."""
    text = re.sub(r"[0-9a-f]{32}|[A-Za-z0-9_-]{43}|\d{4} \d{4}", "~", text)
    return re.sub(r"[a-z]•••@|[\w-]+@example\.org", "@", text)


def test_RIGHT_17_nobody_learns_who_is_known_from_words_statements_or_the_clock(
    asked: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ana is in the shop, the other one nowhere. Looking her up is what could tell: it fails."""

    def looked(*_: object, **__: object) -> None:
        raise AssertionError("somebody was looked up before it was known who asks")

    for name in ("locate", "facts", "keys", "identifiers"):
        monkeypatch.setattr(asked.controller, name, looked)
    for name in ("find", "find_many", "of"):
        monkeypatch.setattr(asked.controller.subjects, name, looked)
    met = []
    for address in (ANA, NOBODY):
        answer = asked.send("access", "erasure", email=address, words="please", region="EEA")
        page = asked.get(answer.headers["Location"])
        wrong = asked.post(answer.headers["Location"], {"do": "code", "code": "1234"})
        again = asked.get(wrong.headers["Location"])
        assert "That was not the code" in again.text
        (letter,) = asked.inbox.to(address)
        met.append(
            [
                (answer.status_code, _same(answer.text)), _same(page.text), _same(again.text),
                _same(text(letter)), letter["Subject"], letter["From"],
            ]
        )  # fmt: skip
    assert met[0] == met[1]


def test_RIGHT_17_a_code_is_good_once_for_ten_minutes_and_five_tries(asked: Desk) -> None:
    at = asked.ask("access", email=ANA)
    code = asked.inbox.code(ANA)
    wrong = f"{(int(code.replace(' ', '')) + 1) % 10**8:08}"
    for left in (4, 3, 2, 1):
        asked.post(at, {"do": "code", "code": wrong})
        assert f"{left} {'try is' if left == 1 else 'tries are'} left" in asked.get(at).text
    asked.post(at, {"do": "code", "code": wrong})
    assert "wrong too often" in asked.get(at).text
    # The right one does not help any more; a new one does, once.
    assert asked.post(at, {"do": "code", "code": code}).headers["Location"] == at
    asked.post(at, {"do": "again"})
    assert len(asked.inbox.to(ANA)) == 2
    asked.later(minutes=11)
    assert "no longer good" in asked.get(at).text
    assert asked.post(at, {"do": "code", "code": asked.inbox.code(ANA)}).headers["Location"] == at
    asked.post(at, {"do": "again"})
    asked.post(at, {"do": "again"})
    assert len(asked.inbox.to(ANA)) == 4
    asked.post(at, {"do": "again"})
    assert len(asked.inbox.to(ANA)) == 4  # enough
    typed = "".join(f"{c} " for c in asked.inbox.code(ANA))  # blanks do no harm
    then = asked.post(at, {"do": "code", "code": typed}).headers["Location"]
    assert then != at
    assert asked.post(at, {"do": "code", "code": typed}).status_code == 404
    asked.post(then, {"do": "withdraw"})


def test_RIGHT_17_codes_are_of_one_request_and_stand_nowhere(
    asked: Desk, kept_module_url: str
) -> None:
    first = asked.ask("access", email=ANA)
    of_first = asked.inbox.code(ANA)
    second = asked.ask("erasure", email=ANA)
    assert asked.post(second, {"do": "code", "code": of_first}).headers["Location"] == second
    dump = repr(asked.sql("SELECT * FROM intake")) + repr(asked.sql("SELECT * FROM intake_code"))
    dump += repr(asked.sql("SELECT * FROM outbox"))
    for secret in (of_first, of_first.replace(" ", ""), ANA, first.rpartition("/")[2]):
        assert secret not in dump
    assert asked.sql("SELECT count(*) FROM outbox WHERE sealed IS NOT NULL") == [(0,)]


def test_RIGHT_17_links_in_mail_change_nothing(asked: Desk) -> None:
    asked.proven("access", "question", email=ANA)
    asked.ask("erasure", email=ANA, agent="agent@example.org")
    ways = {u for letter in asked.inbox.letters for u in links(letter)}
    assert len(ways) >= 2
    before = asked.rows()
    for url in ways:
        place = urllib.parse.urlsplit(url)
        for method in ("GET", "HEAD", "OPTIONS"):
            answer = asked.client.request(method, place.path, follow_redirects=False)
            assert answer.status_code in (200, 204), (method, url)
    assert asked.rows() == before


def test_RIGHT_17_what_nobody_confirms_touches_nothing_and_leaves(asked: Desk) -> None:
    """A flood of look-alikes does not close, delay or shadow what somebody asked herself."""
    hers = asked.proven("access", email=ANA, words="I mean it")
    ours = ("intake", "intake_code", "outbox", "subject_key", "ledger_entry", "ledger_head",
            "ledger_tile")  # fmt: skip
    before = asked.rows(*ours)
    mine = asked.get(hers).text
    at = []
    for n in range(12):
        asked.source = f"198.51.100.{n}"
        answer = asked.send("access", "erasure", email=ANA, words=f"{n}")
        at += [answer.headers["Location"]] if answer.status_code == 303 else []
    assert len(at) == 11  # with hers twelve in the hour for one address, from wherever
    assert asked.rows(*ours) == before
    assert asked.get(hers).text == mine
    # Somebody at another place is not shut out of another address by it.
    assert asked.send("access", email="cleo@example.org").status_code == 303
    asked.later(hours=25)
    assert tend(asked.controller, asked.now) == 0
    assert asked.rows(*ours) == before
    assert asked.sql("SELECT count(*) FROM intake WHERE state = 'awaiting-code'") == [(0,)]
    keys = "SELECT count(*) FROM subject_key WHERE class = ANY(%s)"
    assert asked.sql(keys, ["intake", "outbox"]) == asked.sql(
        "SELECT count(*) FROM intake WHERE sealed IS NOT NULL"
    )
    assert asked.get(at[0]).status_code == 404
    counts = [e.body["count"] for _, e in asked.controller.ledger.entries(kind="request.left")]
    assert counts[-1] >= 12


def test_RIGHT_17_limits_are_the_same_for_everybody(asked: Desk) -> None:
    for address in (ANA, NOBODY):
        answers = [asked.send("access", email=address, words=f"{n}") for n in range(4)]
        assert [a.status_code for a in answers] == [303, 303, 303, 429]
        assert "Many requests came in" in answers[3].text
        assert len(asked.inbox.to(address)) == 3


def test_RIGHT_17_how_much_is_taken_in_all_is_for_the_deployment_to_say(
    tmp_path: Path, kept_url: str
) -> None:
    """A flood from many sources is bounded; what a busy day brings is not turned away with it."""
    with desk(tmp_path / "few", kept_url, extra="[desk]\nrequests = 2\n") as one:
        met = []
        for n in range(3):
            one.source = f"198.51.100.{n}"
            met.append(one.send("access", email=f"p{n}@example.org").status_code)
        assert met == [303, 303, 429]
        # The officers are alerted, once an hour, of how many came and of nobody.
        (alert,) = one.controller.watch.alerts(unseen=True)
        assert (alert.what, alert.people, alert.role) == ("form-full", 2, "person")
        ((_, entry),) = one.controller.ledger.entries(kind="alert.raised")
        assert (entry.body["what"], entry.body["people"]) == ("form-full", 2)
        about = f"alert-{alert.number}"
        (call,) = [c for c in reminding.calls(one.controller, one.now) if c.about == about]
        assert call.officers
        assert "turned people away" in call.words
        one.source = "198.51.100.9"
        assert one.send("access", email="p9@example.org").status_code == 429
        assert len(one.controller.watch.alerts()) == 1


def test_RIGHT_17_each_form_that_is_full_alerts_the_officers_by_its_name(
    tmp_path: Path, kept_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reported, "LIMITS", (*reported.LIMITS[:-1], 2))
    forms = {
        "complaints-full": ("/privacy/complaints", {"words": "You wrote again."}),
        "choices-full": ("/privacy/preferences", {}),
        "reports-full": ("/privacy/requests/child", {"words": "She is nine."}),
    }
    with desk(tmp_path / "few", kept_url, extra="[desk]\nrequests = 2\n") as one:
        for what, (path, fields) in forms.items():
            met = []
            for n in range(4):
                one.source, who = f"198.51.100.{n}", f"p{n}@example.org"
                sent = {**fields, "email": who, "about": who, "once": f"{what}{n}".rjust(32, "0")}
                met.append(one.post(path, sent).status_code < 400)
            assert met == [True, True, False, False], what
            (alert,) = (a for a in one.controller.watch.alerts(unseen=True) if a.what == what)
            assert (alert.people, alert.role) == (2, "person")
        # Whoever alone asks too often is turned away, and that is no alert.
        for n in range(4):
            fields = {"email": "p0@example.org", "once": f"{n}".rjust(32, "7")}
            one.post("/privacy/preferences", fields)
        raised = [e.body["what"] for _, e in one.controller.ledger.entries(kind="alert.raised")]
        assert raised == list(forms)
        calls = [c.words for c in reminding.calls(one.controller, one.now)]
        for words in ("form for complaints", "page of choices", "reports of a child"):
            assert sum(words in said for said in calls) == 1, calls


def test_RIGHT_17_sent_twice_is_one_request_and_changed_is_another(asked: Desk) -> None:
    once = "f" * 32
    first = asked.send("access", email=ANA, once=once)
    second = asked.send("access", email=ANA, once=once)
    assert first.headers["Location"] == second.headers["Location"]
    assert len(asked.inbox.letters) == 1
    # The back button, another choice, and sent again.
    assert (
        asked.send("erasure", email=ANA, once=once).headers["Location"] != first.headers["Location"]
    )
    assert len(asked.inbox.letters) == 2


@pytest.mark.parametrize(
    "said",
    [
        "<script>alert(1)</script><img src=x onerror=alert(1)>",
        '=HYPERLINK("http://x")\r\nBcc: all@example.org\r\n\r\nhello',
        "{{ 7*7 }} {% raw %} \x00\x1b[31m\u202e ' OR 1=1 --",
        "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace") + "Ω" * 1000,
    ],
)
def test_RIGHT_17_whatever_is_written_stays_text(asked: Desk, said: str) -> None:
    refused = asked.send(email=said, words=said, agent=said, changed=said)
    assert refused.status_code == 400
    for page in (refused, asked.send("question", email=f"{said}@example.org", words=said)):
        assert page.status_code == 400
        assert "<script>" not in page.text
        assert "onerror=alert(1)>" not in page.text
    at = asked.proven("question", email=ANA, words=said)
    for letter in asked.inbox.letters:
        assert letter["X-Rcpt"] == ANA
        assert letter["Bcc"] is None
        assert "alert" not in letter.as_string()
    assert asked.get(at).status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe&&&=", b"asked=access", b"asked=root&email=a@b.de", b"email=" + b"a" * 60000,
     b"asked=child-report&email=ana@example.org", b"&".join(b"asked=access" for _ in range(200))],
)  # fmt: skip
def test_RIGHT_17_what_is_no_form_is_refused_kindly(asked: Desk, body: bytes) -> None:
    before = asked.rows()
    for path in ("/privacy/requests", "/privacy/requests/child", "/privacy/requests/mail"):
        answer = asked.client.post(path, content=body)
        assert answer.status_code == 400
        assert 'role="alert"' in answer.text
    assert asked.client.post("/privacy/requests/nothing", content=body).status_code == 404
    assert asked.rows() == before


def test_RIGHT_17_another_site_cannot_ask_for_a_reader(asked: Desk) -> None:
    for path, content in (
        ("/privacy/requests", f"asked=erasure&email={ANA}&once=1"),
        ("/privacy/requests/mail", "asked=mail-of-partner&name=Acme&once=2"),
    ):
        before = asked.rows()
        # What newer browsers say, and what older ones do.
        for header in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://other.example"}):
            answer = asked.client.post(path, content=content, headers=header)
            assert answer.status_code == 400
            assert 'role="alert"' in answer.text
            assert asked.rows() == before
    assert not asked.inbox.letters


def test_RIGHT_17_an_agent_and_the_person_both_confirm(asked: Desk) -> None:
    agent = "agent@example.org"
    at = asked.ask("access", email=NOBODY, agent=agent)
    before = asked.controller.cases.all()
    assert NOBODY not in asked.get(at).text
    (to_her,) = asked.inbox.to(NOBODY)
    (hers,) = (urllib.parse.urlsplit(u).path for u in links(to_her))
    assert hers != at
    # Neither's code is good on the other's page, and one of them alone is not enough.
    assert (
        asked.post(at, {"do": "code", "code": asked.inbox.code(NOBODY)}).headers["Location"] == at
    )
    asked.post(at, {"do": "code", "code": asked.inbox.code(agent)})
    confirmed = asked.get(at).text
    assert "(confirmed)" in confirmed
    # Whoever is done waits for the other: nothing of his has run out.
    assert "The other one of you" in confirmed
    assert "<h1>One code is still missing</h1>" in confirmed
    assert 'role="alert"' not in confirmed
    assert asked.controller.cases.all() == before
    assert "a•••@" not in asked.get(hers).text
    then = asked.post(hers, {"do": "code", "code": asked.inbox.code(NOBODY)}).headers["Location"]
    (case,) = asked.controller.cases.all()[len(before) :]
    evidence = asked.controller.cases.words(case).evidence
    assert evidence
    assert "whoever asks for the person confirmed" in evidence
    assert asked.get(then).status_code == 200
    # How it stands is mailed to her alone.
    assert [m["Subject"] for m in asked.inbox.to(agent)] == [asked.inbox.to(agent)[0]["Subject"]]


def test_RIGHT_17_a_changed_address_is_confirmed_at_both(asked: Desk) -> None:
    new = "ana.new@example.org"
    before = asked.controller.cases.all()
    at = asked.ask("rectification", email=ANA, changed=new, words="my address changes")
    assert "That code was right" not in asked.get(at).text
    asked.post(at, {"do": "code", "code": asked.inbox.code(new)})
    assert asked.controller.cases.all() == before
    assert "That code was right. Now type the other one" in asked.get(at).text
    then = asked.post(at, {"do": "code", "code": asked.inbox.code(ANA)}).headers["Location"]
    assert then != at
    (case,) = asked.controller.cases.all()[len(before) :]
    assert case.right == "rectification"
    asked.post(then, {"do": "withdraw"})


def test_RIGHT_16_a_request_is_taken_back_before_and_after(asked: Desk) -> None:
    at = asked.ask("erasure", email=NOBODY)
    assert asked.post(at, {"do": "withdraw"}).status_code == 303
    assert asked.get(at).status_code == 404
    assert asked.post(at, {"do": "code", "code": asked.inbox.code(NOBODY)}).status_code == 404
    then = asked.proven("erasure", email=NOBODY)
    case = asked.controller.cases.all()[-1]
    asked.post(then, {"do": "withdraw"})
    assert asked.controller.cases.get(case.id).state == "withdrawn"
    shown = asked.get(then).text
    assert "You took it back" in shown
    assert "Take the request back" not in shown


def test_RIGHT_16_what_has_ended_is_not_taken_back(asked: Desk) -> None:
    then = asked.proven("erasure", email=NOBODY)
    case = asked.controller.cases.all()[-1]
    officer = asked.controller.actors.of("Pia", "privacy-officer", asked.now)
    assert "Take the request back" in asked.get(then).text
    close_case(asked.controller, case.id, "refused", "not ours", officer, asked.now,
               code="not-ours")  # fmt: skip
    shown = asked.get(then).text
    assert "Take the request back" not in shown
    before = len(list(asked.controller.ledger.entries(kind="request.ended")))
    asked.post(then, {"do": "withdraw"})  # from a page that was opened before
    assert len(list(asked.controller.ledger.entries(kind="request.ended"))) == before
    assert asked.get(then).text == shown
    assert asked.controller.cases.get(case.id).state == "refused"


def test_RIGHT_16_a_mere_visitor_is_known_by_the_live_cookie_alone(asked: Desk) -> None:
    before = asked.controller.cases.all()
    assert "use its cookie" not in asked.get("/privacy/requests").text
    cookie = {"Cookie": "other=1; visitor=v-123"}
    page = asked.client.get("/privacy/requests", headers=cookie)
    assert "use its cookie" in page.text
    assert page.headers.get("Set-Cookie") is None
    fields = "asked=access&asked=erasure&by=cookie&once=1"
    # Only who holds the cookie: not by naming one, not without, not made to by another site.
    for headers in ({}, {"Cookie": "visitor="}, {**cookie, "Sec-Fetch-Site": "cross-site"}):
        answer = asked.client.post(
            "/privacy/requests", content=fields + "&cookie=v-123", headers=headers,
            follow_redirects=False,
        )  # fmt: skip
        assert answer.status_code == 400
    assert asked.controller.cases.all() == before
    answer = asked.client.post(
        "/privacy/requests", content=fields, headers=cookie, follow_redirects=False
    )
    assert answer.status_code == 303
    opened = asked.controller.cases.all()[len(before) :]
    assert [c.right for c in opened] == ["access", "erasure"]
    named = [(i.kind, i.value) for p in asked.controller.cases.identifiers(opened[0]) for i in p]
    assert named == [("cookie", "v-123")]
    assert "live cookie" in (asked.controller.cases.words(opened[0]).evidence or "")
    assert asked.get(answer.headers["Location"]).text.count("We are working on it.") == 2
    assert not asked.inbox.letters


def test_RIGHT_17_mail_that_a_server_refuses_goes_later_under_the_same_number(asked: Desk) -> None:
    asked.inbox.refuse = True
    at = asked.ask("access", email=ANA)
    assert not asked.inbox.letters
    assert asked.controller.outbox.waiting() == 1
    (id_,) = asked.sql("SELECT id FROM outbox WHERE outcome IS NULL")
    asked.inbox.refuse = False
    asked.later(minutes=2)
    assert promptly.at_once(asked.controller, lambda: asked.now)
    (letter,) = asked.inbox.letters
    assert letter["Message-ID"] == f"<{id_[0]}@example.net>"
    assert asked.post(at, {"do": "code", "code": asked.inbox.code(ANA)}).headers["Location"] != at
    assert asked.controller.outbox.waiting() == 0


def test_RIGHT_16_without_mail_the_page_says_how_else_and_takes_nothing(
    kept_url: str, tmp_path: Path
) -> None:
    with desk(tmp_path / "silent", kept_url, mail=False) as one:
        page = one.get("/privacy/requests")
        assert "info@interop.io" in page.text
        assert "609 East Market Street" in page.text
        assert "<form" not in page.text
        before = one.rows()
        assert one.send("access", email=ANA).status_code == 503
        assert one.rows() == before


def test_RIGHT_17_a_package_waits_behind_a_link_and_a_code_that_go_to_the_proven_address(
    asked: Desk, tmp_path: Path
) -> None:
    asked.proven("access", email=ANA)
    case = asked.controller.cases.all()[-1]
    package = tmp_path / "hers.zip"
    rights.access(asked.controller, rights.Request((), case=case.id), asked.now, out=package)
    actor = asked.controller.actors.of("Kim", "privacy-officer", asked.now)
    made = rights.delivery.deliver(asked.controller, case.id, package, actor, asked.now)
    assert made.mailed
    promptly.at_once(asked.controller, lambda: asked.now)
    at = f"/privacy/delivery/{made.token}"
    assert at in {urllib.parse.urlsplit(u).path for u in links(asked.inbox.to(ANA)[-1])}
    before = len(asked.inbox.letters)
    assert asked.get(at).status_code == 200
    assert len(asked.inbox.letters) == before  # looking at the page sends nothing
    assert asked.post(f"{at}/package", {"code": "00000000"}).status_code == 403
    assert "on its way" in asked.post(f"{at}/code", {}).text
    got = asked.post(f"{at}/package", {"code": asked.inbox.code(ANA)})
    assert got.status_code == 200
    assert got.content == package.read_bytes()


def test_RIGHT_17_what_staff_entered_proves_no_address_to_send_to(asked: Desk) -> None:
    case, _, _ = open_case(
        asked.controller, "access",
        rights.Request(((parse(f"email={ANA}"),),), evidence="Kim knows her voice"), asked.now,
    )  # fmt: skip
    sent = len(asked.inbox.letters)
    assert not rights.mail_code(asked.controller, case, "12345678", asked.now)
    promptly.at_once(asked.controller, lambda: asked.now)
    assert len(asked.inbox.letters) == sent
