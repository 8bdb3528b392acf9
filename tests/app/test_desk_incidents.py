"""Incidents on the desk: entered, judged, told and closed by forms; read without words."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import pytest
from tests.app.desk import Desk, opened

from kept.app import mail

MAIL = '\n[mail]\nurl = "out"\nfrom = "desk@kept.test"\n'
NATURE = "A laptop of <Kim> was stolen"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[Desk]:
    directory = tmp_path_factory.mktemp("incidents") / "world"
    with opened(directory, kept_module_url, MAIL) as made:
        made.account("keeper", "privacy-officer")
        yield made


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_from_the_form_to_the_end_and_what_an_auditor_reads(desk: Desk) -> None:
    keeper = desk.browser(desk.session(desk.account("keeper")))
    empty = words(keeper.get("/desk/incidents").text)
    assert "None was entered" in empty
    assert f"When it was noticed ({desk.controller.desk.zone})" in empty
    local = desk.now.astimezone(desk.controller.desk.zone)
    noticed = f"{local - dt.timedelta(hours=50):%Y-%m-%dT%H:%M}"
    fields = {"kind": ["confidentiality"], "place": ["shop.customer", "shop.note"],
              "noticed": noticed}  # fmt: skip
    answer = keeper.post("/desk/incidents/add", nature=" ", **fields)
    assert (answer.status_code, desk.controller.incidents.all()) == (400, [])
    assert "What happened, in words" in words(answer.text)
    answer = keeper.post("/desk/incidents/add", nature=NATURE, **fields)
    assert answer.status_code == 303
    path = answer.headers["location"]
    id_ = path.rpartition("/")[2]
    text = words(keeper.get(path).text)
    for part in ("red: 22 hours left", "3 people, as", "A laptop of &lt;Kim&gt; was stolen",
                 "somebody judges", "3 rows", "2 people"):  # fmt: skip
        assert part in text, part
    assert "<Kim>" not in keeper.get(path).text
    # How bad it is for people is judged, not left as it stood first.
    assert '<option value="none" selected>' not in keeper.get(path).text
    assert '<option value="">choose one</option>' in keeper.get(path).text
    assert "example.org" not in text

    auditor = desk.browser(desk.session(desk.account("auditor", "auditor")))
    seen = auditor.get(path)
    assert seen.status_code == 200
    assert "3 people, as" in words(seen.text)
    assert "laptop" not in seen.text
    assert auditor.get("/desk/incidents").status_code == 200
    assert auditor.post("/desk/incidents/judge", incident=id_, risk="none").status_code == 403
    other = desk.browser(desk.session(desk.account("intake", "intake")))
    assert other.get(path).status_code == 403

    judged = {"incident": id_, "risk": "high", "why": "names and addresses",
              "measures": "keys were changed"}  # fmt: skip
    assert keeper.post("/desk/incidents/judge", **judged).status_code == 303
    desk.later(hours=30)
    keeper = desk.browser(desk.session(desk.account("keeper")))
    told = {"incident": id_, "to": "the authority", "way": "portal"}
    answer = keeper.post("/desk/incidents/notice", **told)
    assert answer.status_code == 400
    assert "why it is late" in words(answer.text)
    assert keeper.post("/desk/incidents/notice", late="a holiday", **told).status_code == 303
    answer = keeper.post("/desk/incidents/close", incident=id_, why="x")
    assert answer.status_code == 400
    assert "people are told" in words(answer.text)
    assert keeper.post("/desk/incidents/tell", incident=id_, how="mail").status_code == 303
    answer = keeper.post("/desk/incidents/tell", incident=id_, how="told", people="many",
                         way="letter")  # fmt: skip
    assert answer.status_code == 400
    answer = keeper.post("/desk/incidents/close", incident=id_, why="laptops are encrypted")
    assert answer.status_code == 400
    assert "all mail to people went" in words(answer.text)
    mail.deliver(desk.controller, lambda: desk.now)
    answer = keeper.post("/desk/incidents/close", incident=id_, why="laptops are encrypted")
    assert answer.status_code == 303
    text = words(keeper.get(path).text)
    assert "told, but late" in text
    assert "Judge it" not in text
    assert "closed" in words(keeper.get("/desk/incidents").text)
    kinds = ("opened", "judged", "notified", "told", "ended")
    assert [len(desk.entries(f"incident.{k}")) for k in kinds] == [1] * 5
    assert {e["actor"] for k in kinds for e in desk.entries(f"incident.{k}")} == {"privacy-officer"}
    # How many were told is known by whom mail went to, and goes with what was written.
    assert "3 of 3 told" in text
    with desk.controller.database.connection() as c:
        one = desk.controller.incidents.find(id_, connection=c)
        desk.controller.incidents.strike([one.number], connection=c)
    assert "of 3 told" not in words(keeper.get(path).text)


def test_what_is_not_there_and_what_comes_from_elsewhere(desk: Desk) -> None:
    keeper = desk.browser(desk.session(desk.account("keeper")))
    assert keeper.get("/desk/incidents/none").status_code == 404
    sent = {"kind": "integrity", "place": "shop.note", "nature": "x"}
    before = len(desk.controller.incidents.all())
    assert keeper.post("/desk/incidents/add", csrf="0" * 64, **sent).status_code == 403
    assert keeper.post("/desk/incidents/add", origin="https://evil.example",
                       **sent).status_code == 403  # fmt: skip
    assert keeper.post("/desk/incidents/add", **{**sent, "noticed": "soon"}).status_code == 400
    assert len(desk.controller.incidents.all()) == before
