"""RET: wishes of deletion on every way they come, told apart from "stop mailing"."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from kept.decide.asks import recognise
from kept.duties.rights import entering
from kept.terms.identifiers import Identifier, parse
from tests.asking import Desk, desk, text

OBJECTED = "objection:marketing"


@pytest.fixture(scope="module")
def asked(kept_module_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("asked") / "world", kept_module_url) as one:
        yield one


def entered(one: Desk, words: str, address: str, channel: str = "email") -> list[str]:
    """Enter a mail; (kind, state) of the cases that were opened on it."""
    actor = one.controller.actors.of("Jo", "intake", one.now)
    came = entering.Came(channel, one.now.date(), (parse(f"email={address}"),), (), words)
    made, _ = entering.add(one.controller, came, actor, one.now)
    return [f"{kind}: {one.controller.cases.get(id_).state}" for m in made for kind, id_ in m.cases]


def test_RET_7_delete_me_and_stop_mailing_are_told_apart(asked: Desk) -> None:
    """By mail, letter and form: mail stops at once, a case opens; a plain stop deletes nothing."""
    ana = "ana@example.org"
    assert OBJECTED not in asked.held(f"email={ana}")
    assert entered(asked, "Please remove me from everything.", ana) == [
        "stop-mailing: closed", "erasure: acknowledged",
    ]  # fmt: skip
    assert OBJECTED in asked.held(f"email={ana}")
    # Only to stop the mail opens no erasure.
    assert entered(asked, "unsubscribe", "ben@example.org") == ["stop-mailing: closed"]
    assert OBJECTED in asked.held("email=ben@example.org")
    # Unclear: stopped meanwhile, and she is asked; nothing is erased.
    assert entered(asked, "remove me!", "cleo@example.org", "letter") == ["stop-mailing: closed"]
    assert OBJECTED in asked.held("email=cleo@example.org")
    asked.client.get("/privacy")
    (one,) = [i for i in asked.controller.intakes.all(open_only=True) if "unclear" in i.asked]
    actor = asked.controller.actors.of("Jo", "intake", asked.now)
    done = entering.classify(asked.controller, one.id, ["erasure"], (), actor, asked.now)
    assert [kind for kind, _ in done.cases] == ["stop-mailing", "erasure"]
    # By the form nothing stops before the code was typed.
    dana = "dana@example.org"
    at = asked.ask("unclear", email=dana, words="get rid of me")
    assert OBJECTED not in asked.held(f"email={dana}")
    then = asked.post(at, {"do": "code", "code": asked.inbox.code(dana)})
    assert OBJECTED in asked.held(f"email={dana}")
    assert "Something else" in asked.get(then.headers["Location"]).text
    # Once it is clear, the code that she typed still says who asks; of somebody whom the staff
    # names in her place it says nothing.
    for named, known in (((), "identified"), ((Identifier("email", ana),), "acknowledged")):
        person = dana if not named else "gil@example.org"
        if named:
            asked.proven("unclear", email=person, words="get rid of me")
        (one,) = [
            i for i in asked.controller.intakes.all(open_only=True)
            if asked.controller.intakes.said(i).get("person") == person
        ]  # fmt: skip
        done = entering.classify(asked.controller, one.id, ["erasure"], named, actor, asked.now)
        case = asked.controller.cases.get(dict(done.cases)["erasure"])
        assert case.state == known


def test_RET_7_a_doubtful_wish_is_asked_back(asked: Desk) -> None:
    before = len(asked.inbox.to("eve@example.org"))
    entered(asked, "take me out", "eve@example.org")
    from kept.app import mail

    mail.deliver(asked.controller, lambda: asked.now)
    letters = asked.inbox.to("eve@example.org")[before:]
    assert len(letters) == 1
    assert "we are not sure what you want" in text(letters[0])
    assert "Nothing was deleted" in text(letters[0])


def test_RIGHT_13_the_clock_starts_on_the_day_of_the_letter(asked: Desk) -> None:
    actor = asked.controller.actors.of("Jo", "intake", asked.now)
    monday = asked.now.date() - dt.timedelta(days=3)
    came = entering.Came("letter", monday, (parse("email=fay@example.org"),), ("access",), "")
    (one,), _ = entering.add(asked.controller, came, actor, asked.now)
    assert (one.arrived, one.state) == (monday, "entered")
    told = [e.body for _, e in asked.controller.ledger.entries(kind="request.taken")][-1]
    assert (told["arrived"], told["channel"]) == (monday.isoformat(), "letter")
    ((_, id_),) = one.cases
    assert not asked.controller.cases.get(id_).evidence
    done = entering.verify(asked.controller, id_, "she showed us her letter", actor, asked.now)
    assert (done.state, done.evidence) == ("identified", True)


#: What people write, and what it is; by hand, from no text of the code.
WRITTEN = {
    "Remove me from everything": "erasure stop-mailing",
    "please remove me": "unclear",
    "Remove me from your mailing list, thanks": "stop-mailing",
    "unsubscribe": "stop-mailing",
    "STOP SENDING ME EMAILS!!!": "stop-mailing",
    "don’t email me any more": "stop-mailing",
    "Delete my account and all my data": "erasure",
    "Please delete all the data you have about me": "erasure",
    "I want to exercise my right to be forgotten": "erasure",
    "Delete me from your list": "unclear",
    "leave me alone": "unclear",
    "I want a copy of my personal data": "access",
    "What do you know about me?": "access",
    "This is a subject access request under article 15": "access",
    "I would like to take my data with me in a machine-readable form": "portability",
    "My name is wrong, it is Núria": "rectification",
    "Please restrict the use of my data": "restriction",
    "I object to profiling": "objection",
    "I withdraw my consent": "withdrawal",
    "How long do you keep web logs?": "question",
    "My son Tom, 12, has an account with you": "child-report",
    "My daughter is only 9 and gets your newsletter": "child-report",
    "Stop the mails from your customer Acme": "mail-of-customer",
    "I get newsletters from one of your partners": "mail-of-partner",
    "Stop sending me emails from Brightside": "mail-of-partner",
    "do not delete my data": "unclear",
    "hello": "unclear",
    "": "unclear",
    "Stop mailing me and delete all my data\n> unsubscribe here": "erasure stop-mailing",
    "Where is my order?\n> To unsubscribe, click here": "question",
    "Thank you\nOn 3 May 2026, interop.io wrote:\ndelete me": "unclear",
    "Bitte löschen Sie alle meine Daten": "erasure",
    "Ich möchte keine Werbung mehr": "stop-mailing",
    "Ich bitte um Auskunft": "access",
    "Ich widerspreche": "objection",
    "Je veux supprimer mes données": "erasure",
    "Désinscrivez-moi": "stop-mailing",
    "Je retire mon consentement": "withdrawal",
    "Quiero darme de baja": "stop-mailing",
    "Elimine mis datos": "erasure",
    "Deseo una copia de mis datos": "access",
}


@pytest.mark.parametrize("words", WRITTEN)
def test_RET_7_what_is_written_is_recognised(words: str) -> None:
    met = recognise(words, ["Brightside"])
    assert " ".join(met.kinds) == WRITTEN[words]
    # The words that decided are hers.
    for _, said in met.words:
        assert " ".join(said.replace("'", "’").split()) in " ".join(
            words.casefold().replace("'", "’").split()
        )


def test_RET_7_recognising_takes_no_longer_for_words_that_are_meant_to_take_long() -> None:
    import time

    began = time.process_time()
    for words in ("remove me " * 4000, "a" * 20000, "my son " * 4000, "stop " * 5000, ">" * 20000):
        recognise(words)
    assert time.process_time() - began < 5


def test_RET_7_files_of_words_are_read_by_the_command(asked: Desk, tmp_path: Path) -> None:
    from tests.acceptance.conftest import kept

    (tmp_path / "mail.txt").write_text("please delete me\n", "utf-8")
    ran = kept(
        asked.directory, "request", "add", "--channel", "email", "--arrived", "2026-11-20",
        "--identity", "email=gil@example.org", "--words-file", tmp_path / "mail.txt",
        "--now", asked.now.isoformat(),
    )  # fmt: skip
    assert ran.status == 0, ran.said
    (one,) = ran.document["requests"]
    assert (one["asked"], one["arrived"], one["state"]) == (["erasure"], "2026-11-20", "entered")
    assert ran.document["decided_by"] == [["erasure", "delete me"]]
    assert kept(asked.directory, "request", "show", one["request"]).document["cases"]
    listed = kept(asked.directory, "request", "list").document["requests"]
    assert one["request"] in [r["request"] for r in listed]
    (tmp_path / "saved.eml").write_bytes(
        b"From: gil@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/html; charset=utf-8\r\n\r\n"
        b"<style>p {}</style><p>I want a <b>copy</b> of my&nbsp;data.</p><blockquote>x</blockquote>"
    )
    (tmp_path / "empty.eml").write_bytes(b"Subject: x\r\nContent-Type: image/png\r\n\r\nxx")
    forwarded = (
        "request", "add", "--channel", "email", "--arrived", "2026-11-20",
        "--identity", "email=gil@example.org", "--now", asked.now.isoformat(), "--words-file",
    )  # fmt: skip
    saved = kept(asked.directory, *forwarded, tmp_path / "saved.eml")
    assert saved.document["requests"][0]["asked"] == ["access"], saved.said
    empty = kept(asked.directory, *forwarded, tmp_path / "empty.eml")
    assert empty.status == 2
    assert "no text that can be read" in empty.said
    (case,) = one["cases"]
    gone = kept(asked.directory, "request", "verify", case["case"], "--evidence", "we rang her up")
    assert gone.status == 0, gone.said
    refused = kept(asked.directory, "request", "close", one["request"], "--reason", "done")
    assert refused.status == 2
    assert "is open" in refused.said
    wrong = kept(asked.directory, "request", "add", "--channel", "email", "--arrived", "soon")
    assert wrong.status == 2
