"""Other people in texts are left out by two people; what is left in the files stops the package."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import rights
from kept.duties.rights import Request, redaction
from kept.duties.rights.letter import letter
from kept.duties.rights.package import Package
from kept.duties.rights.request import open_case
from kept.errors import Busy, Denied, UsageError
from kept.records.actor import Actor
from kept.records.redaction import Stands
from kept.terms.identifiers import parse
from tests import world as world_
from tests.app.desk import HASH

NOW = world_.NOW
#: What others of the shop are called in Ana's notes: an address, a number, a customer, a nickname.
ADDRESS, NUMBER, CUSTOMER, NICK = "max@else.example", "+44 20 7946 0018", "Dora Quill", "Böbby"
NOTE = (
    f"Ana O'Neill came with {CUSTOMER} and {NICK}. Write to {ADDRESS}, call {NUMBER},"
    f" not <b>dora  quill</b>; \"{NICK}\" & ana@example.org agree."
)  # fmt: skip


def account(controller: Controller, name: str, *roles: str) -> None:
    with controller.database.connection() as c:
        made = controller.accounts.add(name, name.title(), HASH, NOW, connection=c)
        for role in roles:
            controller.accounts.grant(made, role, "a test", None, NOW, connection=c)


@pytest.fixture
def shop(world: Path) -> Iterator[tuple[Controller, Path]]:
    world_.sql(world, "INSERT INTO customer VALUES (9, 'dora@example.org', ?, NULL, '2024-01-01')",
        CUSTOMER)  # fmt: skip
    world_.sql(world, "UPDATE note SET words = ? WHERE id = 1", NOTE)
    with Controller.open(deployment.read(world)) as controller:
        account(controller, "red", "redactor")
        account(controller, "abel", "approver")
        yield controller, world


def who(controller: Controller, name: str, role: str) -> Actor:
    return controller.actors.of(name, role, NOW)


def case(controller: Controller, right: str = "access") -> str:
    request = Request(((parse("email=ana@example.org"),),), evidence="her voice")
    return open_case(controller, right, request, NOW)[0].id


def serve(controller: Controller, one: str, out: Path) -> dict[str, str]:
    """Make the package; its files as text."""
    rights.access(controller, Request((), case=one), NOW, out=out)
    with zipfile.ZipFile(out) as package:
        return {name: package.read(name).decode() for name in package.namelist()}


def entries(controller: Controller, kind: str) -> list[dict[str, object]]:
    return [dict(e.body) for _, e in controller.ledger.entries(kind=kind)]


def test_two_people_leave_out_what_rules_and_one_of_them_find(
    shop: tuple[Controller, Path], tmp_path: Path
) -> None:
    controller, _ = shop
    red, abel = who(controller, "red", "redactor"), who(controller, "abel", "approver")
    one = case(controller)
    with pytest.raises(UsageError, match="nobody has looked"):
        serve(controller, one, tmp_path / "early.zip")
    seen = redaction.look(controller, one, red, NOW)
    assert [s.words.casefold() for s in seen.strikes.strikes] == [
        CUSTOMER.casefold(), ADDRESS, NUMBER
    ]  # fmt: skip
    assert NICK not in str(seen.strikes)
    again = redaction.look(controller, one, abel, NOW)
    assert again.stands.revision == seen.stands.revision, "looking changes nothing"
    with pytest.raises(UsageError, match="not handed over"):
        serve(controller, one, tmp_path / "early.zip")
    done = redaction.redact(controller, one, seen.stands.revision, red, NOW, more=[NICK], done=True)
    with pytest.raises(UsageError, match="not approved"):
        serve(controller, one, tmp_path / "early.zip")
    with pytest.raises(Denied, match="another person"):
        redaction.approve(
            controller, one, done.stands.revision, who(controller, "red", "privacy-officer"), NOW
        )
    redaction.approve(controller, one, done.stands.revision, abel, NOW)
    with pytest.raises(Denied, match="approved a case"):
        redaction.redact(
            controller, one, done.stands.revision, who(controller, "abel", "redactor"), NOW
        )
    files = serve(controller, one, tmp_path / "ana.zip")
    for name, text in files.items():
        for gone in (CUSTOMER, ADDRESS, NUMBER, NICK, "B\\u00f6bby", "dora"):
            assert gone.casefold() not in text.casefold(), (name, gone)
    assert "ana@example.org agree" in files["data/shop.note.json"]
    told = json.loads(files["answer.json"])["others_left_out"]
    assert told["places"] == 6
    assert "6 places that concern other people were left out" in files["index.html"]
    said = " ".join(letter(controller, one, NOW).text().split())
    assert "6 places that concern other people were left out" in said
    [handed] = entries(controller, "redaction.handed")
    [approved] = entries(controller, "redaction.approved")
    [scanned] = entries(controller, "redaction.scanned")
    assert handed["plan"] == approved["plan"] == scanned["plan"]
    assert (handed["struck"], handed["added"], handed["spared"]) == (4, 1, 0)
    assert (scanned["places"], scanned["left"], scanned["law"]) == (6, 0, "GDPR-15.4")
    stands = controller.redactions.of(controller.cases.get(one))
    assert stands is not None
    assert stands.state is Stands.OUT
    with controller.database.connection() as c:
        rows = c.execute("SELECT sealed FROM case_redaction").fetchall()
    assert rows == [(None,)], "the words are gone when the case has ended"


def test_what_was_spared_stays_so_until_something_new_is_brought_up(
    shop: tuple[Controller, Path],
) -> None:
    """Step by step, as by command: handing over strikes nothing that was left in before."""
    controller, directory = shop
    red, one = who(controller, "red", "redactor"), case(controller)

    def spared(looked: redaction.Look) -> list[str]:
        return [s.words for s in looked.strikes.strikes if not s.on]

    def step(seen: redaction.Look, **more: Any) -> redaction.Look:
        return redaction.redact(controller, one, seen.stands.revision, red, NOW, go_on=True, **more)

    seen = step(redaction.look(controller, one, red, NOW), spared=[ADDRESS])
    seen = step(seen, spared=[NUMBER])
    assert spared(seen) == [ADDRESS, NUMBER]
    seen = step(seen, more=[NUMBER])
    handed = step(seen, done=True)
    assert spared(handed) == [ADDRESS]
    assert handed.stands.state is Stands.HANDED
    assert step(seen, done=True).stands.mark == handed.stands.mark, "pressed twice is once"
    world_.sql(directory, "UPDATE note SET words = words || ' And eve@else.example' WHERE id = 1")
    assert spared(step(redaction.look(controller, one, red, NOW))) == []


def test_a_text_that_changed_is_looked_at_again(
    shop: tuple[Controller, Path], tmp_path: Path
) -> None:
    controller, directory = shop
    red, abel = who(controller, "red", "redactor"), who(controller, "abel", "approver")
    one = case(controller)
    seen = redaction.look(controller, one, red, NOW)
    world_.sql(directory, "UPDATE note SET words = words || ' And Zed.' WHERE id = 1")
    with pytest.raises(Busy):
        redaction.redact(controller, one, seen.stands.revision, red, NOW, done=True)
    seen = redaction.look(controller, one, red, NOW)
    spared = [ADDRESS]
    done = redaction.redact(
        controller, one, seen.stands.revision, red, NOW, spared=spared, done=True
    )
    redaction.approve(controller, one, done.stands.revision, abel, NOW)
    world_.sql(directory, "UPDATE note SET words = 'call eve@else.example' WHERE id = 1")
    with pytest.raises(UsageError, match="1 text changed"):
        serve(controller, one, tmp_path / "ana.zip")
    assert not (tmp_path / "ana.zip").exists()
    stands = controller.redactions.of(controller.cases.get(one))
    assert stands is not None
    assert stands.state is Stands.OPEN, "it reads as approved no more, also before somebody looks"
    seen = redaction.look(controller, one, abel, NOW)
    assert seen.stands.state is Stands.OPEN, "an approval holds for the texts that were shown"
    with pytest.raises(Busy):
        redaction.approve(controller, one, done.stands.revision, abel, NOW)
    world_.sql(directory, "UPDATE note SET words = ? WHERE id = 1", NOTE + " And Zed.")
    seen = redaction.look(controller, one, red, NOW)
    [kept] = [s for s in seen.strikes.strikes if s.words == ADDRESS]
    assert kept.on, "what was no longer there is brought up anew"


def test_two_redactors_and_a_double_click(shop: tuple[Controller, Path]) -> None:
    controller, _ = shop
    red = who(controller, "red", "redactor")
    one = case(controller)
    seen = redaction.look(controller, one, red, NOW)
    first = seen.stands.revision
    done = redaction.redact(controller, one, first, red, NOW, more=[NICK], done=True)
    # The same press once more is done already; another page's is not.
    again = redaction.redact(controller, one, first, red, NOW, more=[NICK], done=True)
    assert again.stands == done.stands
    for name in ("red", "rob"):
        with pytest.raises(Busy, match="since this was shown"):
            redaction.redact(
                controller, one, seen.stands.revision, who(controller, name, "redactor"), NOW,
                spared=[CUSTOMER], done=True,
            )  # fmt: skip
    assert len(entries(controller, "redaction.handed")) == 1
    strikes, _ = controller.redactions.strikes(controller.cases.get(one))
    assert all(s.on for s in strikes.strikes)
    abel = who(controller, "abel", "approver")
    passed = redaction.approve(controller, one, done.stands.revision, abel, NOW)
    assert redaction.approve(controller, one, done.stands.revision, abel, NOW) == passed
    with pytest.raises(Busy):
        redaction.give_back(controller, one, done.stands.revision, "no", abel, NOW)
    assert len(entries(controller, "redaction.approved")) == 1


def test_what_is_left_in_the_files_stops_them_until_it_is_accepted(
    shop: tuple[Controller, Path], tmp_path: Path
) -> None:
    controller, directory = shop
    red, abel = who(controller, "red", "redactor"), who(controller, "abel", "approver")
    # Where nobody said that people write what they like: neither rule nor redactor gets there.
    world_.sql(
        directory, "UPDATE signup SET what = ? WHERE customer = 1", f"trial, with {CUSTOMER}"
    )
    one = case(controller)
    seen = redaction.look(controller, one, red, NOW)
    done = redaction.redact(controller, one, seen.stands.revision, red, NOW, done=True)
    redaction.approve(controller, one, done.stands.revision, abel, NOW)
    with pytest.raises(UsageError, match="left in the files") as stopped:
        serve(controller, one, tmp_path / "ana.zip")
    assert CUSTOMER not in str(stopped.value)
    assert not [*tmp_path.glob("*.zip")]
    seen = redaction.look(controller, one, abel, NOW)
    assert {(one.file, one.words.casefold(), one.struck) for one in seen.left} == {
        (file, CUSTOMER.casefold(), True)
        for file in ("data/shop.signup.csv", "data/shop.signup.json", "index.html")
    }
    [scanned] = entries(controller, "redaction.scanned")
    assert scanned["left"] == 3
    assert "package" not in scanned
    with pytest.raises(UsageError):
        serve(controller, one, tmp_path / "ana.zip")
    with pytest.raises(Denied):
        redaction.accept(
            controller, one, seen.stands.revision, "ok", who(controller, "red", "approver"), NOW
        )
    with pytest.raises(UsageError, match="no reason"):
        redaction.accept(controller, one, seen.stands.revision, " ", abel, NOW)
    why = "she named her sister herself"
    stands = redaction.accept(controller, one, seen.stands.revision, why, abel, NOW)
    assert stands.state is Stands.ACCEPTED
    # Accepted was this, and no more.
    world_.sql(directory, "UPDATE signup SET what = what || ', ' || ? WHERE customer = 1", ADDRESS)
    with pytest.raises(UsageError, match="left in the files"):
        serve(controller, one, tmp_path / "ana.zip")
    seen = redaction.look(controller, one, abel, NOW)
    redaction.accept(controller, one, seen.stands.revision, why, abel, NOW)
    files = serve(controller, one, tmp_path / "ana.zip")
    assert CUSTOMER in files["data/shop.signup.json"]
    assert [e.get("left") for e in entries(controller, "redaction.approved")] == [None, 3, 6]
    assert why not in str(entries(controller, "redaction.approved"))


def test_where_nobody_has_the_roles_rules_cover(world: Path, tmp_path: Path) -> None:
    world_.sql(world, "UPDATE note SET words = ? WHERE id = 1", NOTE)
    with Controller.open(deployment.read(world)) as controller:
        for name, roles in (("abel", ["approver"]), ("pia", ["privacy-officer", "verifier"])):
            account(controller, name, *roles)
        assert not redaction.wanted(controller, NOW)
        files = serve(controller, case(controller), tmp_path / "ana.zip")
        assert ADDRESS not in files["index.html"]
        assert json.loads(files["answer.json"])["others_left_out"] is None
        # One who holds both would do it alone.
        account(controller, "red", "redactor", "privacy-officer")
        assert redaction.wanted(controller, NOW)


def test_texts_that_name_nobody_wait_for_nobody(world: Path, tmp_path: Path) -> None:
    with Controller.open(deployment.read(world)) as controller:
        account(controller, "red", "redactor")
        account(controller, "abel", "approver")
        assert serve(controller, case(controller), tmp_path / "ana.zip")


def test_what_she_takes_along_is_looked_at_too(
    shop: tuple[Controller, Path], tmp_path: Path
) -> None:
    before, directory = shop
    before.close()
    world_.edit(directory / "shop.yml", "what: {category: transaction.free, ",
               "what: {category: transaction.free, free_text: true, ")  # fmt: skip
    world_.sql(directory, "UPDATE signup SET what = ? WHERE customer = 1", NOTE)
    with Controller.open(deployment.read(directory)) as controller:
        along(controller, tmp_path / "ana.zip")


def along(controller: Controller, out: Path) -> None:
    red, abel = who(controller, "red", "redactor"), who(controller, "abel", "approver")
    one = case(controller, "portability")
    request = Request((), case=one)
    with pytest.raises(UsageError, match="nobody has looked"):
        rights.port(controller, request, NOW, out=out, region="EEA")
    seen = redaction.look(controller, one, red, NOW)
    done = redaction.redact(controller, one, seen.stands.revision, red, NOW, more=[NICK], done=True)
    redaction.approve(controller, one, done.stands.revision, abel, NOW)
    rights.port(controller, request, NOW, out=out, region="EEA")
    with zipfile.ZipFile(out) as package:
        every = "".join(package.read(name).decode() for name in package.namelist())
        told = json.loads(package.read("answer.json"))["others_left_out"]
    assert CUSTOMER not in every
    assert NICK not in every
    assert told["places"] == 6
    assert "6 places that concern other people were left out" in every


def test_nothing_is_shown_before_it_is_known_who_asks(shop: tuple[Controller, Path]) -> None:
    controller, _ = shop
    red = who(controller, "red", "redactor")
    unknown = open_case(controller, "access", Request(((parse("email=ana@example.org"),),)), NOW)[
        0
    ].id
    with pytest.raises(Denied):
        redaction.look(controller, unknown, red, NOW)
    erasure = case(controller, "erasure")
    with pytest.raises(UsageError, match="nothing is left out"):
        redaction.look(controller, erasure, red, NOW)


def test_it_is_given_back_with_a_reason(shop: tuple[Controller, Path]) -> None:
    controller, _ = shop
    red, abel = who(controller, "red", "redactor"), who(controller, "abel", "approver")
    one = case(controller)
    seen = redaction.look(controller, one, red, NOW)
    done = redaction.redact(controller, one, seen.stands.revision, red, NOW, done=True)
    back = redaction.give_back(controller, one, done.stands.revision, "Böbby too", abel, NOW)
    assert back.state is Stands.OPEN
    assert dataclasses.is_dataclass(back)
    done = redaction.redact(controller, one, back.revision, red, NOW, more=[NICK], done=True)
    redaction.approve(controller, one, done.stands.revision, abel, NOW + dt.timedelta(hours=1))
    acts = [a.act for a in controller.redactions.acts(controller.cases.get(one))]
    assert acts == ["looked", "redacted", "handed", "returned", "redacted", "handed", "approved"]


def test_what_was_never_approved_is_found_in_what_was_handed_out(
    shop: tuple[Controller, Path], tmp_path: Path
) -> None:
    controller, _ = shop
    red, abel = who(controller, "red", "redactor"), who(controller, "abel", "approver")
    one = case(controller)
    seen = redaction.look(controller, one, red, NOW)
    done = redaction.redact(controller, one, seen.stands.revision, red, NOW, done=True)
    redaction.approve(controller, one, done.stands.revision, abel, NOW)
    # By somebody with the password of the database: other words, under the same approval.
    strikes, _ = controller.redactions.strikes(controller.cases.get(one))
    with controller.database.connection() as c:
        controller.redactions.save(
            controller.cases.get(one), done.stands.revision + 1, Stands.APPROVED,
            dataclasses.replace(strikes, strikes=()), "0" * 64, red, [], NOW, connection=c,
        )  # fmt: skip
    with pytest.raises(UsageError, match="left in the files"):
        serve(controller, one, tmp_path / "ana.zip")


def test_of_a_package_that_is_not_complete_another_is_made_with_the_same_left_out(
    shop: tuple[Controller, Path], tmp_path: Path
) -> None:
    before, directory = shop
    before.close()
    text = (directory / "shop.yml").read_text("utf-8").replace("system: shop", "system: branch")
    head, _, rest = text.partition("  customer:\n")
    notes = head + "  note:\n" + rest.partition("  note:\n")[2]
    (directory / "branch.yml").write_text(notes, "utf-8")
    with (directory / "kept.toml").open("a", encoding="utf-8") as file:
        file.write('\n[systems.branch]\nstore = "sqlite"\nurl = "branch.sqlite"\nmode = "act"\n'
                   'map = "branch.yml"\n')  # fmt: skip
    with Controller.open(deployment.read(directory)) as controller:
        red, abel = who(controller, "red", "redactor"), who(controller, "abel", "approver")
        one = case(controller)
        seen = redaction.look(controller, one, red, NOW)
        assert "branch" in seen.unreached
        done = redaction.redact(
            controller, one, seen.stands.revision, red, NOW, more=[NICK], done=True
        )
        redaction.approve(controller, one, done.stands.revision, abel, NOW)
        files = serve(controller, one, tmp_path / "first.zip")
        assert json.loads(files["answer.json"])["complete"] is False
        shutil.copy(directory / "shop.sqlite", directory / "branch.sqlite")
        files = serve(controller, one, tmp_path / "second.zip")
        assert json.loads(files["answer.json"])["complete"] is True
        assert NICK not in "".join(files.values())
        stands = controller.redactions.of(controller.cases.get(one))
        assert stands is not None
        assert stands.state is Stands.OUT
        assert len(entries(controller, "redaction.scanned")) == 2
        met = run(controller, registered(), NOW, names=["rights.redactions-took-two"])
        assert (met[0].outcome, met[0].looked_at) == (Outcome.PASS, 2)


def test_what_is_struck_while_the_files_are_made_stops_them(
    shop: tuple[Controller, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller, directory = shop
    # Longer than what a reader of CSV takes by itself.
    world_.sql(directory, "UPDATE note SET words = words || ? WHERE id = 1", " x" * 70_000)
    red, abel = who(controller, "red", "redactor"), who(controller, "abel", "approver")
    one = case(controller)
    seen = redaction.look(controller, one, red, NOW)
    done = redaction.redact(controller, one, seen.stands.revision, red, NOW, done=True)
    with pytest.raises(Denied, match="another person"):
        redaction.approve(
            controller, one, done.stands.revision, who(controller, "Red ", "approver"), NOW
        )
    stands = redaction.approve(controller, one, done.stands.revision, abel, NOW)
    finish = Package.finish

    def meanwhile(package: Package, *given: Any) -> str:
        redaction.redact(controller, one, stands.revision, red, NOW, more=[NICK], done=True)
        return finish(package, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Package, "finish", meanwhile)
        with pytest.raises(Busy):
            serve(controller, one, tmp_path / "early.zip")
    assert not (tmp_path / "early.zip").exists()
    again = controller.redactions.of(controller.cases.get(one))
    assert again is not None
    redaction.approve(controller, one, again.revision, abel, NOW)
    assert NICK not in str(serve(controller, one, tmp_path / "ana.zip"))
