"""Whatever opens links before a person does changes nothing: in every kind of mail, in public and
at the desk. The one thing that a look leaves behind is who of the staff looked.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests import forms
from tests.agent import Client
from tests.app.desk import HASH
from tests.asking import Desk, desk, links
from tests.browser import NEEDS_CHROMIUM, browser
from tests.robot import follow, listening

from kept.app import jobs, mail, promptly
from kept.app.commands.serve import free_port
from kept.app.surface import DESK
from kept.duties import incidents, rights, staff
from kept.duties.preferences import changing, letters
from kept.duties.rights import Request, complaints, delivery, entering, mailing, new_address
from kept.duties.rights.request import open_case
from kept.records.account import Account
from kept.records.preference import way_of
from kept.terms.authorities import directory
from kept.terms.identifiers import parse

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser"]  # the fixture
ANA, BEN, EVE = "ana@example.org", "ben@example.org", "eve@example.net"
EVIDENCE = "Kim called the number on file"
#: Where it is kept who of the staff (`actor`) opened what, and when a login was last used.
LOOKS = {"desk_opening", "desk_opening_number_seq", "account_session", "actor", "actor_actor_seq"}
ELSEWHERE = {
    urllib.parse.urlsplit(url).hostname for a in directory() for url in (a.form, a.web) if url
}
TEMPLATES = Path(mail.__file__).parent / "templates" / "mail"


@pytest.fixture(scope="module")
def asked(kept_module_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A house that has sent one mail of every kind, on a port of this machine."""
    place = tmp_path_factory.mktemp("links") / "world"
    port = free_port("127.0.0.1", 0)
    agent = Client.__new__(Client)
    place.mkdir()
    Client.__init__(
        agent, "AGENT_ONE",
        lambda method, path, headers, body: one.client.request(
            method, path, headers=headers, content=body
        ),
        lambda: one.now,
    )  # fmt: skip
    (place / "agents.json").write_text(json.dumps([agent.entry()]), "utf-8")
    extra = (
        f'[site]\nurl = "http://127.0.0.1:{port}"\n'
        '[drp]\non = true\nbusiness = "OUR_HOUSE"\ndirectory = "agents.json"\n'
    )
    with desk(place, kept_module_url, extra=extra) as one:
        assert agent.set_up().status_code == 200
        written(one, agent, place.parent)
        with listening(one.client.app, port):
            yield one


def written(one: Desk, agent: Client, scratch: Path) -> None:
    """Have mail of every kind sent, by the doors through which it is asked for."""
    controller = one.controller
    assert mail._templates.cache is not None
    mail._templates.cache.clear()
    today = controller.day(one.now)
    actor = controller.actors.of("Pia", "privacy-officer", one.now)
    # Codes of the form: one's own, one of two parties, one that an agent passes on.
    one.proven("access", email=ANA)
    case = controller.cases.all()[-1].id
    one.ask("erasure", email=BEN, agent="agent@example.org")
    said = agent.ask("deletion", "far@example.org", regime="ccpa", email_verified=False)
    assert said.json()["reason"] == "need_user_verification"
    # The package of what was asked: its link, and the code for it.
    out = scratch / "package.zip"
    rights.access(controller, Request((), case=case), one.now, out=out)
    made = delivery.deliver(controller, case, out, actor, one.now)
    mailing.mail_answer(controller, case, actor, one.now)
    assert one.client.post(f"/privacy/delivery/{made.token}/code").status_code == 200
    # What somebody enters, an answer by hand, a new address that is confirmed at both.
    for kinds in (("access",), ("question",), ("unclear",), ("mail-of-customer",),
                  ("mail-of-partner",)):  # fmt: skip
        came = entering.Came("letter", today, (parse(f"email={EVE}"),), kinds, "Hello.")
        entered = entering.add(controller, came, actor, one.now)[0][0]
        if kinds == ("question",):
            entering.close(controller, entered.id, "answered", "said", "For a year.", actor,
                           one.now)  # fmt: skip
    letter = Request(((parse(f"email={BEN}"),),), "Ines", "intake", evidence=EVIDENCE)
    moved = open_case(controller, "rectification", letter, one.now)[0].id
    new_address.confirm_address(controller, moved, "ben.new@example.org", actor, one.now)
    # A complaint: that it came, its code, its answer.
    answer = one.post("/privacy/complaints", {"words": "You wrote again.", "once": "1" * 32,
                                              "region": "UK", "email": EVE})  # fmt: skip
    assert one.post(answer.headers["Location"], {"do": "send"}).status_code == 303
    complaint = controller.complaints.all()[-1].id
    complaints.answer(controller, complaint, "upheld", "It was old.", "mail", actor, one.now)
    # Somebody says yes on a form; asks for the page of her choices; allows again what she stopped.
    assert forms.sent(controller, "newsletter", one.now, email=EVE).taken
    assert one.post("/privacy/preferences", {"email": EVE}).status_code == 200
    own = way_of(controller.vault, "page", parse(f"email={EVE}"), one.now)
    changing.narrow(controller, own, ["marketing.email"], one.now)
    assert letters.send_code(controller, own, EVE, ("marketing.email",), "here", one.now)
    # Something happened to the customers, and they are told; a child is reported.
    hit, _ = incidents.enter(
        controller, kinds=("confidentiality",), places=["shop.customer"], happened=None,
        nature="A laptop was stolen", noticed=one.now, actor=actor, now=one.now,
    )  # fmt: skip
    incidents.judge(controller, hit.id, "high", "names", {}, actor, one.now)
    incidents.mail(controller, hit.id, actor, one.now)
    one.post("/privacy/requests/child", {"about": "kid@example.org", "once": "2" * 32})
    # Who had the data is told; who is to do something is reminded, of cases and of the rest.
    gone = Request(((parse(f"email={BEN}"),),), evidence=EVIDENCE)
    rights.erase(controller, gone, one.now)
    controller.deliver(one.now)
    keeper = account(one, "keeper", "privacy-officer")
    staff.remind_at(controller, keeper, "keeper@kept.test", None, one.now)
    mail.deliver(controller, lambda: one.now)
    promptly.at_once(controller, lambda: one.now)
    jobs._clocks(controller, one.now + dt.timedelta(days=40))
    mail.deliver(controller, lambda: one.now + dt.timedelta(days=40))
    # One of every kind that there is went out.
    used = {name for _, name in mail._templates.cache}
    assert used == {p.name for p in TEMPLATES.glob("*.j2")}


def account(one: Desk, name: str, role: str) -> Account:
    """An account of the staff that has been through its first login."""
    accounts = one.controller.accounts
    with one.controller.database.connection() as c:
        made = accounts.add(name, name.title(), HASH, one.now, connection=c)
        accounts.set_password(made, HASH, connection=c)
        accounts.offer_secret(made, connection=c)
        accounts.enrol(made, 0, connection=c)
        accounts.grant(made, role, "a test", None, one.now, connection=c)
    return accounts.get(made.number, one.now)


def everything(one: Desk) -> dict[str, object]:
    """Kept's own tables (the ledger is among them), their sequences, the shop, keys and files."""
    ((turns,),) = one.sql("SELECT jsonb_object_agg(sequencename, last_value) FROM pg_sequences")
    files = {
        str(p): p.read_bytes()
        for p in one.directory.rglob("*")
        if p.is_file() and not p.name.endswith(("-wal", "-shm"))
    }
    return {**one.rows(), **turns, **files, "letters": len(one.inbox.letters)}


def changed(one: Desk, before: dict[str, object]) -> set[str]:
    """What is not as it was."""
    now = everything(one)
    return {name for name in before.keys() | now if before.get(name) != now.get(name)}


def test_a_robot_that_opens_every_link_of_every_mail_changes_nothing(
    asked: Desk, browser: Browser
) -> None:
    everywhere = {url for letter in asked.inbox.letters for url in links(letter)}
    # Authorities and partners have pages elsewhere; all others are ours.
    ways = {url for url in everywhere if url.startswith(f"{asked.controller.site_url}/")}
    assert {urllib.parse.urlsplit(url).hostname for url in everywhere - ways} <= ELSEWHERE
    # What recipients are sent asks for an answer by hand, and has no link to press.
    (notice,) = (asked.directory / "notices" / "provider").glob("*.txt")
    assert "http" not in notice.read_text("utf-8")
    paths = {urllib.parse.urlsplit(url).path for url in ways}
    assert {p.split("/")[2] for p in paths if p.startswith("/privacy/")} >= {
        "requests", "complaints", "delivery"
    }  # fmt: skip
    assert any(p.startswith("/desk/") for p in paths)  # what reminds staff
    assert not [url for url in ways if urllib.parse.urlsplit(url).query]
    before = everything(asked)
    met = follow(ways, browser)
    assert met.keys() == ways
    for url, statuses in met.items():
        # To the desk nobody is let in; everything else is there, and stays there.
        expected = {401, 403, 404, 405} if "/desk" in url else {200, 204, 405}
        assert statuses <= expected, (url, statuses)
        assert (401 if "/desk" in url else 200) in statuses, url
    assert changed(asked, before) == set()
    # The same look sees a press of a button.
    asked.post("/privacy/complaints", {"words": "x", "email": EVE, "once": "3" * 32})
    assert changed(asked, before) >= {"complaint", "ledger_entry"}


def test_what_staff_look_at_leaves_only_that_they_looked(asked: Desk) -> None:
    """Every page of the desk, by everybody who may, with what there is; twice, a while apart."""
    controller = asked.controller
    places = {
        "case": controller.cases.all()[-1].id, "name": "cases.csv",
        "request_id": controller.intakes.all()[0].id, "letter": "1",
        "complaint": controller.complaints.all()[-1].id,
        "incident": controller.incidents.all()[-1].id,
    }  # fmt: skip
    pages = [
        re.sub(r"\{(\w+):?\w*\}", lambda m: places[m[1]], s.name) for s in DESK
        if s.method == "GET"
    ]  # fmt: skip
    sessions = []
    for role in ("privacy-officer", "auditor"):
        who = account(asked, f"looks-{role}", role)
        with controller.database.connection() as c:
            sessions.append(controller.sessions.begin(who, asked.now, proven=True, connection=c))
    before = everything(asked)
    counted = asked.sql("SELECT count(*) FROM desk_opening")
    opened = 0
    for _ in range(2):
        for session in sessions:
            asked.client.cookies.set("kept", session.token)
            for page in pages:
                for method in ("GET", "HEAD"):
                    met = asked.client.request(method, page, follow_redirects=False)
                    assert met.status_code < 500, page
                    opened += method == "GET" and met.status_code == 200
        asked.later(minutes=5)
    asked.client.cookies.clear()
    assert opened > 30
    assert changed(asked, before) <= LOOKS
    # They looked, and that is known: who, at what, never what was read.
    assert asked.sql("SELECT count(*) FROM desk_opening") > counted
    assert asked.sql("SELECT count(*) FROM account_session WHERE seen_at > begun_at") == [(2,)]
    assert dt.timedelta(minutes=5) < asked.now - sessions[0].begun_at
