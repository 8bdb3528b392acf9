"""RET: made anonymous means nobody's any more: no key, no hash, no rare combination."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from pathlib import Path

import pytest

from kept import deployment
from kept.controller import Controller
from kept.controller.anonymise import Needles
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import rights
from kept.duties.rights import EraseAnswer, Request
from kept.errors import KeptError
from kept.model.plan import Action, Counts
from kept.model.values import Value
from kept.terms.identifiers import parse
from tests.acceptance.test_isolation import Desk
from tests.world import NOW, edit, make

MAP = """
system: desk
title: Visits
country: US
datasets:
  visit:
    key: [id]
    title: Visits
    retention: support-cases
    activities: [support]
    erase: anonymise
    k: 3
    fields:
      id: {type: integer, nullable: false}
      email: {category: contact.email, identifies: email}
      name: {category: contact.name, nullable: false, overwrite: nobody}
      born: {type: date, category: support-case, anonymise: year}
      town: {category: support-case, anonymise: prefix-2}
      spent: {type: decimal, category: support-case, anonymise: band-10}
      words: {category: support-case}
      kind: {anonymise: keep}
"""
PEOPLE = ("ana", "ben", "cleo", "dan")
ROWS = [
    (1, "ana", "1990-05-06", "Berlin", 12.5), (2, "ben", "1990-07-08", "Bern", 17),
    (3, "cleo", "1990-01-01", "Bergen", 19.99), (4, "dan", "1931-02-03", "Oslo", 400),
    (5, "ana", "1990-05-06", "Berlin", 11),
]  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def desk(request: pytest.FixtureRequest, kept_url: str, tmp_path: Path) -> Desk:
    world = make(tmp_path / "world", kept_url)
    server = {"postgresql": "fresh_pg_url", "mariadb": "fresh_maria_url"}.get(request.param)
    url = request.getfixturevalue(server) if server else f"sqlite:///{world / 'desk.sqlite'}"
    made = Desk(world, request.param, url)
    rows = ", ".join(
        f"({i}, '{who.upper()}@example.org', '{who.title()} Maier', '{born}', '{town}', {spent},"
        f" 'wrote {who}', 'shop')" for i, who, born, town, spent in ROWS
    )  # fmt: skip
    made.do(
        "CREATE TABLE visit (id INTEGER PRIMARY KEY, email TEXT, name TEXT NOT NULL, born DATE,"
        " town TEXT, spent NUMERIC(10,2), words TEXT, kind TEXT NOT NULL);"
        f"INSERT INTO visit VALUES {rows};"
    )
    (world / "desk.yml").write_text(MAP, "utf-8")
    with (world / "kept.toml").open("a") as file:
        file.write(
            f'\n[systems.desk]\nstore = "{request.param}"\nurl = "{url}"\n'
            'mode = "act"\nmap = "desk.yml"\n'
        )
    return made


def _erase(desk: Desk, *people: str) -> EraseAnswer:
    with Controller.open(deployment.read(desk.world)) as controller:
        who = tuple((parse(f"email={p}@example.org"),) for p in people)
        return rights.erase(controller, Request(people=who, override="test"), NOW)


def _rows(desk: Desk) -> dict[int, tuple[str | None, ...]]:
    rows = desk.do("SELECT id, email, name, born, town, spent, words, kind FROM visit ORDER BY id")
    return {r[0]: tuple(None if v is None else str(v).removesuffix(".00") for v in r[1:])
            for r in rows}  # fmt: skip


def _control(desk: Desk) -> Outcome:
    with Controller.open(deployment.read(desk.world)) as controller:
        return run(controller, registered(), NOW, names=["rights.anonymised-is-nobodys"])[0].outcome


CAPITALS = b"ANA@EXAMPLE.ORG"
LIKE = (None, "nobody", "1990-01-01", "Be", "10", None, "shop")
BARE = (None, "nobody", None, None, None, None, None)


def test_RET_11_three_people_who_are_alike_stay_as_a_group(desk: Desk) -> None:
    before = _rows(desk)
    assert _control(desk) is Outcome.VACUOUS
    answer = _erase(desk, "ana", "ben", "cleo")
    assert answer.complete
    (step,) = [s for s in answer.steps if s.store == "desk"]
    assert (step.action, step.verified, step.counts) == (Action.ANONYMISE, True, Counts(4, 4))
    after = _rows(desk)
    assert [after[i] for i in (1, 2, 3, 5)] == [LIKE] * 4
    assert after[4] == before[4]
    assert _control(desk) is Outcome.PASS
    # Joined with what was known of them before, also hashed: no match.
    known = {v for i in (1, 2, 3, 5) for v in before[i][:2] if v} | {
        f"{p}@example.org" for p in PEOPLE
    }
    known |= {
        hashlib.new(n, k.encode()).hexdigest() for n in ("md5", "sha1", "sha256") for k in known
    }
    assert not {v for i in (1, 2, 3, 5) for v in after[i]} & known
    # Once more finds nothing of them.
    again = _erase(desk, "ana")
    assert [s for s in again.steps if s.store == "desk"] == []
    assert _rows(desk) == after


def test_RET_11_who_would_be_alone_is_emptied(desk: Desk) -> None:
    edit(
        desk.world / "desk.yml",
        "kind: {anonymise: keep}",
        "kind: {anonymise: keep, overwrite: '-'}",
    )
    answer = _erase(desk, "dan")
    assert answer.complete
    assert (
        "of 1 row of `visit` in `desk` nothing is left but the key: with what the map leaves,"
        " fewer than 3 people would be alike"
    ) in answer.warnings
    assert _rows(desk)[4] == (*BARE[:-1], "-")
    # Two rows of one person are one person: she is not alike with herself.
    assert _erase(desk, "ana").complete
    assert [_rows(desk)[i] for i in (1, 5)] == [(*BARE[:-1], "-")] * 2
    assert _control(desk) is Outcome.PASS


def test_RET_11_where_that_cannot_be_it_is_refused_before_anything_is_written(desk: Desk) -> None:
    before = _rows(desk)
    with pytest.raises(KeptError, match=r"fewer than 3 people .* may not be null"):
        _erase(desk, "dan")
    assert _rows(desk) == before


def _alone(desk: Desk) -> None:
    desk.do("INSERT INTO visit VALUES (9, NULL, 'nobody', '1931-01-01', 'Os', 400, NULL, 'shop');")


def _address(desk: Desk) -> None:
    desk.do("UPDATE visit SET kind = 'of ana@example.org' WHERE id IN (1, 2, 3, 5)")


def _hash(desk: Desk) -> None:
    digest = hashlib.sha256(b"ana@example.org").hexdigest()
    desk.do(f"UPDATE visit SET kind = '{digest}' WHERE id IN (1, 2, 3, 5)")


def _hash_in_a_word(desk: Desk) -> None:
    digest = hashlib.md5(CAPITALS).hexdigest()
    desk.do(f"UPDATE visit SET kind = 'md5={digest}.' WHERE id IN (1, 2, 3, 5)")


@pytest.mark.parametrize("plant", [_alone, _address, _hash, _hash_in_a_word])
def test_RET_11_the_control_finds_who_can_be_recognised(desk: Desk, plant: object) -> None:
    assert _erase(desk, "ana", "ben", "cleo").complete
    plant(desk)  # type: ignore[operator]
    assert _control(desk) is Outcome.FAIL


@pytest.mark.parametrize(
    "said",
    [
        hashlib.sha256(CAPITALS).hexdigest(),
        "{md5}" + hashlib.md5(CAPITALS).hexdigest().upper() + ".",
        str(uuid.UUID(hashlib.md5(b"ana@example.org").hexdigest())),
        hashlib.sha1(b"ana@example.org").digest(),
    ],
)
def test_RET_11_a_hash_is_known_in_any_form(said: Value) -> None:
    assert Needles([parse("email=Ana@Example.org")], ()).met(said)
    assert not Needles([parse("email=ben@example.org")], ()).met(said)


@pytest.mark.parametrize("said", ["ana@example.org", hashlib.sha1(b"ana@example.org").hexdigest()])
def test_RET_11_a_former_identifier_that_is_met_again_is_no_success(desk: Desk, said: str) -> None:
    """RET-11: the map keeps a field in which, against its word, she stands."""
    desk.do(f"UPDATE visit SET kind = 'from {said}' WHERE id IN (1, 2, 3, 5)")
    answer = _erase(desk, "ana", "ben", "cleo")
    assert not answer.complete
    (step,) = [s for s in answer.steps if s.store == "desk"]
    assert not step.verified
    assert step.problem == "4 rows still hold something by which the person was known"


def test_RET_3_a_row_of_nobody_that_is_held_is_not_made_anonymous(desk: Desk) -> None:
    from kept.duties import holds

    with Controller.open(deployment.read(desk.world)) as controller:
        actor = controller.actors.of("Pia", "privacy-officer", NOW)
        hold = holds.place(controller, ground="A dispute.", clause="RET-10", actor=actor, now=NOW,
                           system="desk")  # fmt: skip
    before = _rows(desk)
    answer = _erase(desk, "ana", "ben", "cleo")
    assert answer.complete
    assert _rows(desk) == before
    with Controller.open(deployment.read(desk.world)) as controller:
        actor = controller.actors.of("Pia", "operator", NOW)
        holds.release(controller, hold.id, "settled", actor, NOW)
        ended = rights.expire(controller, NOW + dt.timedelta(days=1))
    assert ended.complete
    assert [_rows(desk)[i] for i in (1, 2, 3, 5)] == [LIKE] * 4
