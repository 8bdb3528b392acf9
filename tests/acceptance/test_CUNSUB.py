"""CUNSUB and PREAM-9: mail of others is explained and never touched; a question enrols nobody."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from kept import deployment
from kept.app import mail
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.decide.asks import recognise
from kept.duties.rights import entering, others_mail
from kept.terms.identifiers import parse
from tests.acceptance.conftest import kept
from tests.asking import Desk, desk, text
from tests.world import NOW, edit, make, sql

FORM = "/privacy/requests/mail"
LEFT = ("intake", "outbox", "ledger_entry", "ledger_head", "ledger_tile", "actor", "subject_key")


@pytest.fixture(scope="module")
def asked(kept_module_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("asked") / "world", kept_module_url) as one:
        yield one


@pytest.mark.parametrize("kind", ["mail-of-customer", "mail-of-partner"])
def test_CUNSUB_2_and_3_nothing_of_theirs_is_touched_and_both_ways_are_told(
    asked: Desk, kind: str
) -> None:
    before = asked.rows(*LEFT)
    shop = sql(asked.directory, "SELECT * FROM customer")
    page = asked.post(FORM, {"asked": kind, "name": "Acme <b>& Co", "once": kind})
    assert page.status_code == 200
    for words in ("unsubscribe at the bottom", "write to the company itself", "changed nothing"):
        assert words in page.text
    assert "Acme &lt;b&gt;&amp; Co" in page.text
    # CUNSUB-4: of a partner's mail the page offers to stop what is ours.
    assert ("stop giving data to partners" in page.text.casefold()) is (kind == "mail-of-partner")
    assert asked.rows(*LEFT) == before
    assert sql(asked.directory, "SELECT * FROM customer") == shop
    newest = asked.controller.intakes.all()[-1]
    assert (newest.asked, newest.state, newest.outcome) == ((kind,), "answered", "guidance")
    assert asked.sql("SELECT count(*) FROM intake WHERE sealed IS NOT NULL") == [(0,)]
    # Sent twice it is one.
    count = len(asked.controller.intakes.all())
    asked.post(FORM, {"asked": kind, "name": "Acme <b>& Co", "once": kind})
    assert len(asked.controller.intakes.all()) == count


def test_CUNSUB_3_a_mail_about_it_is_answered_with_both_ways_and_closes(asked: Desk) -> None:
    address = "hana@example.org"
    before = asked.rows(*LEFT)
    actor = asked.controller.actors.of("Jo", "intake", asked.now)
    words = "Stop the newsletters from your customer Acme!"
    came = entering.Came("email", asked.now.date(), (parse(f"email={address}"),), (), words)
    (one,), _ = entering.add(asked.controller, came, actor, asked.now)
    mail.deliver(asked.controller, lambda: asked.now)
    assert (one.state, one.outcome, one.cases) == ("answered", "guidance", ())
    assert asked.rows(*LEFT) == before  # no objection either: our mail is not meant
    (letter,) = asked.inbox.to(address)
    assert "unsubscribe at the bottom" in text(letter)
    assert "write to the company itself" in text(letter)


def test_CUNSUB_4_of_a_partner_its_own_policy_is_told_and_what_we_can_stop(
    kept_url: str, tmp_path: Path
) -> None:
    """The partner is of the register: its mail is known by its name, and its policy linked."""
    world = make(tmp_path / "w", kept_url, extra='\n[mail]\nurl = "out"\nfrom = "d@kept.test"\n')
    row = "- {{id: beta, name: Beta Ltd, lane: partner, country: null, clauses: [PART-8]{}}}\n"
    policy = "https://beta.example/privacy"
    edit(world / "policy" / "recipients.yml", "- id: goo",
         row.format(f', policy: "{policy}"') + "- id: goo")  # fmt: skip
    with Controller.open(deployment.read(world)) as controller:
        told = others_mail.complain(
            controller, "mail-of-partner", "beta ltd", once="1", source="x", now=NOW
        )
        assert told.policy == policy
        actor = controller.actors.of("Jo", "intake", NOW)
        words = "Please stop the mails from Beta Ltd."
        hana = (parse("email=hana@example.org"),)
        came = entering.Came("email", NOW.date(), hana, (), words)
        (one,), _ = entering.add(controller, came, actor, NOW)
        assert (one.asked, one.cases) == (("mail-of-partner",), ())
        mail.deliver(controller, lambda: NOW)
        (file,) = (world / "out").glob("*.eml")
        letter = message_from_bytes(file.read_bytes(), policy=default)
        said = letter.get_body(("plain",)).get_content()  # type: ignore[attr-defined]
        for part in (policy, "unsubscribe at the bottom", "stop giving your data to partners"):
            assert part in said, part
        name = "rights.others-mail-is-untouched"
        assert run(controller, registered(), NOW, names=[name])[0].outcome is Outcome.PASS
    edit(world / "policy" / "recipients.yml", f', policy: "{policy}"', "")
    with Controller.open(deployment.read(world)) as controller:
        met = run(controller, registered(), NOW, names=[name])[0]
        assert [f.words for f in met.findings] == ["of the partner `beta` no policy is registered"]


def test_TESTI_5_taking_words_down_is_asked_as_taking_back_a_consent(asked: Desk) -> None:
    """Not yet: nothing takes them down from every page on which they stand."""
    for words in ("Please take down my testimonial", "Remove our quote from your site"):
        assert recognise(words).kinds == ("withdrawal",), words
    actor = asked.controller.actors.of("Jo", "intake", asked.now)
    who = (parse("email=quoted@example.org"),)
    came = entering.Came("letter", asked.now.date(), who, (), "Please unpublish my story.")
    (one,), _ = entering.add(asked.controller, came, actor, asked.now)
    (kind, id_) = one.cases[0]
    assert (kind, asked.controller.cases.get(id_).right) == ("withdrawal", "withdrawal")


def test_PREAM_9_a_question_opens_a_tracked_request_is_acknowledged_and_enrols_nobody(
    asked: Desk,
) -> None:
    """By form and by mail. Nobody is known here afterwards who was not before."""
    asked.later(hours=2)
    people = [t for t in asked.rows() if t.startswith(("subject", "identity", "fact"))
              and t != "subject_key"]  # fmt: skip
    assert {"subject", "identity", "fact"} <= set(people)
    before = {t: asked.rows()[t] for t in people}
    cases = asked.controller.cases.all()
    at = asked.proven("question", email="ida@example.org", words="How long do you keep logs?")
    assert "We are working on it" in asked.get(at).text
    actor = asked.controller.actors.of("Jo", "intake", asked.now)
    came = entering.Came("email", asked.now.date(), (parse("email=jan@example.org"),), (),
                         "Where is my data?")  # fmt: skip
    entering.add(asked.controller, came, actor, asked.now)
    mail.deliver(asked.controller, lambda: asked.now)
    assert [m["Subject"] for m in asked.inbox.to("jan@example.org")] == [
        "interop.io has your question"
    ]
    assert {t: asked.rows()[t] for t in people} == before
    assert asked.controller.cases.all() == cases
    for address in ("ida@example.org", "jan@example.org"):
        assert asked.held(f"email={address}") == frozenset()
    listed = kept(asked.directory, "request", "list").document["requests"]
    (hers, his) = [r for r in listed if r["asked"] == ["question"]]
    reply = asked.directory / "reply.txt"
    reply.write_text("For thirty days.\n\nYours, Jo", "utf-8")
    done = kept(asked.directory, "request", "close", hers["request"], "--reason", "answered",
                "--reply-file", reply, "--now", asked.now.isoformat())  # fmt: skip
    assert done.status == 0, done.said
    assert "For thirty days." in text(asked.inbox.to("ida@example.org")[-1])
    assert "Done." in asked.get(at).text
    over = ("request", "close", his["request"], "--reason", "answered")
    assert kept(asked.directory, *over).status == 0
    assert kept(asked.directory, *over).status == 2
