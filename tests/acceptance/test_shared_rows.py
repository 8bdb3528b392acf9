"""Rows of several people: what follows when one of them goes, as the map says, on each engine."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kept import deployment
from kept.app.commands.undecided import undecided
from kept.controller import Controller
from kept.controls.registry import Finding
from kept.datamap.check import compare, unshared
from kept.decide import reasons
from kept.duties import holds, rights
from kept.duties.rights import casework
from kept.duties.rights.erased import erased_stay_erased
from kept.duties.rights.isolation import what_is_kept_ends
from kept.duties.rights.letter import letter
from kept.duties.rights.rectification import undone
from kept.errors import Obstructed, UsageError
from kept.records.actor import OPERATOR
from kept.stores.sql import PostgreSQLStore
from kept.terms.identifiers import parse
from kept.terms.tongues import speaking
from kept.terms.vocabulary import SHIPPED
from tests.mariadb import Mariadb
from tests.stores.engines import opened
from tests.world import NOW, REFERENCE, edit

Row = tuple[Any, ...]

TABLES = {
    "member": "id integer primary key, email varchar(90), name varchar(90)",
    "message": "id integer primary key, from_id integer, to_id integer, body varchar(90)",
    "attachment": "id integer primary key, message_id integer, file varchar(90)",
    "friend": "id integer primary key, one integer, other integer",
    "household": "id integer primary key, title varchar(90)",
    "resident": "id integer primary key, household_id integer, member_id integer",
}
ROWS: dict[str, list[Row]] = {
    "member": [(1, "ana@example.org", "Ana"), (2, "ben@example.org", "Ben"),
               (3, "cleo@example.org", "Cleo")],
    "message": [(1, 1, 2, "from ana to ben"), (2, 2, 1, "from ben to ana"),
                (3, 1, 1, "ana to herself"), (4, 2, 3, "from ben to cleo"),
                (5, 1, None, "from ana to nobody"), (6, 1, 99, "to somebody long gone")],
    "attachment": [(1, 1, "of ana to ben"), (2, 2, "of ben to ana"), (3, 3, "ana's own"),
                   (4, 4, "of others")],
    "friend": [(1, 1, 2), (2, 2, 3)],
    "household": [(1, "Ana and Ben"), (2, "Ana alone"), (3, "Ben and Cleo")],
    "resident": [(1, 1, 1), (2, 1, 2), (3, 2, 1), (4, 3, 2), (5, 3, 3)],
}  # fmt: skip
MAP = """
system: club
title: Club
country: US
datasets:
  member:
    title: Members
    key: [id]
    origin: provided
    retention: account
    activities: [account]
    fields:
      id: {type: integer, category: identifier.account, identifies: account, nullable: false}
      email: {category: contact.email, identifies: email, overwrite: "erased-{id}@erased.invalid"}
      name: {category: contact.name, overwrite: erased}
  message:
    title: Messages
    key: [id]
    origin: provided
    retention: messages
    activities: [communicate]
    shared: one-side
    fields:
      id: {type: integer, nullable: false}
      from_id: {type: integer, category: identifier.account}
      to_id: {type: integer, category: identifier.account}
      body: {category: free-text, free_text: true, overwrite: gone, side: from_id}
    links:
      - {fields: [from_id], to: member, on: [id], kind: shared}
      - {fields: [to_id], to: member, on: [id], kind: shared}
  attachment:
    title: Attachments
    key: [id]
    origin: provided
    retention: messages
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      message_id: {type: integer}
      file: {category: free-text, free_text: true, overwrite: gone}
    links:
      - {fields: [message_id], to: message, on: [id], kind: owned-by}
  friend:
    title: Friends
    key: [id]
    origin: provided
    retention: account
    activities: [account]
    shared: delete
    fields:
      id: {type: integer, nullable: false}
      one: {type: integer, category: identifier.account}
      other: {type: integer, category: identifier.account}
    links:
      - {fields: [one], to: member, on: [id], kind: shared}
      - {fields: [other], to: member, on: [id], kind: shared}
  household:
    title: Households
    key: [id]
    origin: provided
    retention: account
    activities: [account]
    shared: last-owner
    fields:
      id: {type: integer, nullable: false}
      title: {category: account}
    links:
      - {fields: [id], to: resident, on: [household_id], kind: shared}
  resident:
    title: Who lives where
    key: [id]
    origin: provided
    retention: account
    activities: [account]
    fields:
      id: {type: integer, nullable: false}
      household_id: {type: integer}
      member_id: {type: integer, category: identifier.account}
    links:
      - {fields: [member_id], to: member, on: [id], kind: owned-by}
"""


@dataclass(frozen=True, slots=True)
class Club:
    """A deployment over one engine, and a way by hand into it."""

    directory: Path
    engine: str
    url: str

    def rows(self, table: str) -> list[Row]:
        """All rows, by their number."""
        names = [c.split()[0] for c in TABLES[table].split(", ")]
        if self.engine == "parquet":
            read = pq.read_table(self.directory / "lake" / table).to_pylist()
            return sorted(tuple(row[n] for n in names) for row in read)
        return self.by_hand(f"SELECT {', '.join(names)} FROM {table} ORDER BY 1")

    def by_hand(self, statement: str) -> list[Row]:
        """A statement of our own."""
        if self.engine == "sqlite":
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as c, c:
                return [tuple(row) for row in c.execute(statement)]
        if self.engine == "mariadb":
            with opened(self.url) as maria, maria.cursor() as cursor:
                cursor.execute(statement)
                maria.commit()
                return [tuple(row) for row in cursor.fetchall()]
        with psycopg.connect(self.url) as pg:
            done = pg.execute(statement)
            return [tuple(row) for row in done.fetchall()] if done.description else []

    def fill(self) -> None:
        """The tables with their rows."""
        for table, columns in TABLES.items():
            names = [c.split()[0] for c in columns.split(", ")]
            if self.engine == "parquet":
                folder = self.directory / "lake" / table
                folder.mkdir(parents=True)
                types = [pa.int64() if " integer" in c else pa.string()
                         for c in columns.split(", ")]  # fmt: skip
                shape = pa.schema(list(zip(names, types, strict=True)))
                for part in range(2):
                    said = [dict(zip(names, r, strict=True)) for r in ROWS[table][part::2]]
                    pq.write_table(pa.Table.from_pylist(said, shape), folder / f"{part}.parquet")
                continue
            self.by_hand(f"CREATE TABLE {table} ({columns})")
            for row in ROWS[table]:
                values = ", ".join("NULL" if v is None else repr(v) if isinstance(v, int)
                                   else "'" + v.replace("'", "''") + "'" for v in row)  # fmt: skip
                self.by_hand(f"INSERT INTO {table} VALUES ({values})")


@pytest.fixture
def make(tmp_path: Path, kept_url: str, request: pytest.FixtureRequest) -> Callable[[str], Club]:
    def made(engine: str) -> Club:
        directory = tmp_path / "club"
        directory.mkdir()
        fixture = {"postgresql": "fresh_pg_url", "mariadb": "fresh_maria_url"}.get(engine)
        url = {"sqlite": f"sqlite:///{directory / 'club.sqlite'}", "parquet": "lake"}.get(engine)
        club = Club(directory, engine, url or str(request.getfixturevalue(str(fixture))))
        club.fill()
        (directory / "club.yml").write_text(MAP, "utf-8")
        (directory / "kept.toml").write_text(
            f'bundle = "{REFERENCE}"\ndatabase = "{kept_url}"\n\n[systems.club]\n'
            f'store = "{engine}"\nurl = "{club.url}"\nmode = "act"\nmap = "club.yml"\n',
            "utf-8",
        )
        return club

    return made


ENGINES = [
    "postgresql",
    pytest.param("mariadb", marks=pytest.mark.skipif(not Mariadb.here(), reason="no MariaDB")),
    "sqlite",
    "parquet",
]


def _request(email: str) -> rights.Request:
    people = ((parse(f"email={email}"),),)
    return rights.Request(people, actor="ana", role="operator", evidence="a card")


def _erase(club: Club, email: str) -> rights.EraseAnswer:
    with Controller.open(deployment.read(club.directory)) as controller:
        return rights.erase(controller, _request(email), NOW)


@contextmanager
def _killed(monkeypatch: pytest.MonkeyPatch, *, written: bool = False) -> Iterator[None]:
    """What is begun in here stops before it writes, or after (`written`)."""
    execute = Controller.execute

    def killed(self: Controller, *arguments: Any, **named: Any) -> Any:
        if written:
            execute(self, *arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Controller, "execute", killed)
        with pytest.raises(KeyboardInterrupt):
            yield


@pytest.mark.parametrize("engine", ENGINES)
def test_each_row_of_several_people_becomes_what_the_map_says(
    make: Callable[[str], Club], engine: str
) -> None:
    club = make(engine)
    ana = _erase(club, "ana@example.org")
    assert ana.complete, ana
    assert club.rows("member") == ROWS["member"][1:]
    # What she wrote is gone, and she; what was written to her stands as whose it is has it.
    assert club.rows("message") == [
        (1, None, 2, "gone"), (2, 2, None, "from ben to ana"), (4, 2, 3, "from ben to cleo"),
    ]  # fmt: skip
    assert club.rows("attachment") == [ROWS["attachment"][i] for i in (0, 1, 3)]
    assert club.rows("friend") == [(2, 2, 3)]
    assert club.rows("household") == [(1, "Ana and Ben"), (3, "Ben and Cleo")]
    assert club.rows("resident") == [(2, 1, 2), (4, 3, 2), (5, 3, 3)]
    ben = _erase(club, "ben@example.org")
    assert ben.complete, ben
    assert club.rows("message") == [(4, None, 3, "gone")]
    assert club.rows("attachment") == [(4, 4, "of others")]
    assert club.rows("friend") == []
    assert club.rows("household") == [(3, "Ben and Cleo")]
    cleo = _erase(club, "cleo@example.org")
    assert cleo.complete, cleo
    assert [club.rows(table) for table in TABLES] == [[]] * len(TABLES)


def test_whose_a_row_is_by_a_link_of_one_owner_keeps_it_as_well(
    make: Callable[[str], Club], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message lies in somebody's box, whoever wrote it: all three have it."""
    monkeypatch.setitem(TABLES, "message", f"{TABLES['message']}, box_id integer")
    monkeypatch.setitem(ROWS, "message", [(1, 1, None, "ana's, in cleo's box", 3),
                                          (2, 1, 2, "ana's, in ben's", 2)])  # fmt: skip
    club = make("sqlite")
    edit(club.directory / "club.yml", "overwrite: gone, side: from_id}\n",
         "overwrite: gone, side: from_id}\n"
         "      box_id: {type: integer, category: identifier.account}\n")  # fmt: skip
    edit(club.directory / "club.yml", "[to_id], to: member, on: [id], kind: shared}\n",
         "[to_id], to: member, on: [id], kind: shared}\n"
         "      - {fields: [box_id], to: member, on: [id], kind: owned-by}\n")  # fmt: skip
    assert _erase(club, "ana@example.org").complete
    assert club.rows("message") == [(1, None, None, "gone", 3), (2, None, 2, "gone", 2)]
    assert _erase(club, "ben@example.org").complete
    assert club.rows("message") == [(1, None, None, "gone", 3)]
    assert _erase(club, "cleo@example.org").complete
    assert club.rows("message") == []


@pytest.mark.parametrize("late", ["held", "killed"])
def test_what_hangs_on_a_row_that_stays_and_is_hers_by_itself_goes_later_as_well(
    make: Callable[[str], Club], monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    monkeypatch.setitem(TABLES, "attachment", f"{TABLES['attachment']}, by_id integer")
    files: list[Row] = [(1, 5, "ana's", 1), (2, 5, "ben's", 2), (3, 5, "of it", None)]
    monkeypatch.setitem(ROWS, "attachment", files)
    club = make("sqlite")
    edit(club.directory / "club.yml", "free_text: true, overwrite: gone}\n",
         "free_text: true, overwrite: gone}\n"
         "      by_id: {type: integer, category: identifier.account}\n")  # fmt: skip
    edit(club.directory / "club.yml", "to: message, on: [id], kind: owned-by}\n",
         "to: message, on: [id], kind: owned-by}\n"
         "      - {fields: [by_id], to: member, on: [id], kind: owned-by}\n")  # fmt: skip
    with Controller.open(deployment.read(club.directory)) as controller:
        if late == "held":
            officer = controller.actors.of("ana", OPERATOR, NOW)
            hold = holds.place(
                controller, ground="a claim", clause="RET-10", actor=officer, now=NOW,
                person=[parse("email=ana@example.org")],
            )  # fmt: skip
            club.by_hand("UPDATE message SET to_id = 2 WHERE id = 5")
            assert rights.erase(controller, _request("ana@example.org"), NOW).complete
            holds.release(controller, hold.id, "settled", officer, NOW)
            assert rights.expire(controller, NOW).complete
        else:
            with _killed(monkeypatch):
                rights.erase(controller, _request("ana@example.org"), NOW)
            club.by_hand("UPDATE message SET to_id = 2 WHERE id = 5")
            request = rights.Request((), case=controller.cases.all()[0].id)
            assert rights.erase(controller, request, NOW).complete
    assert (5, None, 2, "gone") in club.rows("message")
    assert [row[0] for row in club.rows("attachment")] == [2, 3]


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("within", ["household", "album"])
def test_what_lies_in_a_row_of_several_people_stays_there_with_whoever_is_left(
    make: Callable[[str], Club], monkeypatch: pytest.MonkeyPatch, held: bool, within: str
) -> None:
    """A photo is whose took it, and lies in a household that is its residents', or in its album."""
    monkeypatch.setitem(TABLES, "album", "id integer primary key, household_id integer")
    monkeypatch.setitem(ROWS, "album", [(1, 1), (2, 2), (3, 3)])
    columns = f"id integer primary key, {within}_id integer, by_id integer, file varchar(90)"
    monkeypatch.setitem(TABLES, "photo", columns)
    monkeypatch.setitem(ROWS, "photo", [(1, 2, 1, "ana's, of ana alone"), (2, 1, 1, "ana's"),
                                        (3, 1, 2, "ben's"), (4, 3, 2, "of others")])  # fmt: skip
    club = make("sqlite")
    photo = """  album:
    title: Albums
    key: [id]
    origin: provided
    retention: messages
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      household_id: {type: integer}
    links:
      - {fields: [household_id], to: household, on: [id], kind: owned-by}
  photo:
    title: Photos
    key: [id]
    origin: provided
    retention: messages
    activities: [communicate]
    shared: last-owner
    fields:
      id: {type: integer, nullable: false}
      WITHIN_id: {type: integer}
      by_id: {type: integer, category: identifier.account}
      file: {category: free-text, free_text: true, overwrite: gone}
    links:
      - {fields: [WITHIN_id], to: WITHIN, on: [id], kind: owned-by}
      - {fields: [by_id], to: member, on: [id], kind: shared}
"""
    photo = photo.replace("WITHIN", within)
    edit(club.directory / "club.yml", "  resident:\n", f"{photo}  resident:\n")
    with Controller.open(deployment.read(club.directory)) as controller:
        officer = controller.actors.of("ana", OPERATOR, NOW)
        hold = controller.holds.add(
            ground="a claim", clause="RET-1", actor=officer, now=NOW, system="club",
        ) if held else None  # fmt: skip
        assert rights.erase(controller, _request("ana@example.org"), NOW).complete
        if hold is not None:
            assert club.rows("photo") == ROWS["photo"]
            controller.holds.release(hold.id, officer, "settled", NOW)
            assert rights.expire(controller, NOW).complete
    assert club.rows("household") == [(1, "Ana and Ben"), (3, "Ben and Cleo")]
    assert club.rows("photo") == [(2, 1, None, "ana's"), (3, 1, 2, "ben's"), (4, 3, 2, "of others")]
    assert _erase(club, "ben@example.org").complete
    assert club.rows("photo") == [(4, 3, None, "of others")]


def test_her_address_on_the_side_of_another_takes_that_alone(
    make: Callable[[str], Club], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TABLES, "message", f"{TABLES['message']}, reply varchar(90)")
    monkeypatch.setitem(ROWS, "message", [
        (1, 2, None, "a draft of ben's", "ana@example.org"),
        (2, 2, 3, "ben to cleo", "ana@example.org"),
        (3, None, 3, "from who is no member", "ana@example.org"),
        (4, 2, 1, "ben to ana", "ben@example.org"),
    ])  # fmt: skip
    club = make("sqlite")
    _with_an_address(club)
    assert _erase(club, "ana@example.org").complete
    assert club.rows("message") == [
        (1, 2, None, "a draft of ben's", "none"), (2, 2, 3, "ben to cleo", "none"),
        (3, None, 3, "gone", "none"), (4, 2, None, "ben to ana", "ben@example.org"),
    ]  # fmt: skip


def _with_an_address(club: Club) -> None:
    edit(club.directory / "club.yml", "overwrite: gone, side: from_id}\n",
         "overwrite: gone, side: from_id}\n      reply: {category: contact.email, "
         "identifies: email, side: from_id, overwrite: none}\n")  # fmt: skip


def test_nobody_is_known_by_what_stands_on_the_side_of_another(
    make: Callable[[str], Club], monkeypatch: pytest.MonkeyPatch
) -> None:
    """His address and his name in what he wrote to her are looked for in no text for her sake."""
    columns = f"{TABLES['message']}, reply varchar(90), called varchar(90)"
    monkeypatch.setitem(TABLES, "message", columns)
    text = (
        "ask ben@work.example, Benedict Muir, Gustav Holm, Anastasia Ruiz, Anya Field or"
        " ana@home.example"
    )
    monkeypatch.setitem(ROWS, "message", [
        (1, 1, 2, "hers", "ana@home.example", "Anastasia Ruiz"),
        (2, 2, 1, "his", "ben@work.example", "Benedict Muir"),
        (3, 3, None, text, None, None),
        # Without an account it is hers by the address that she wrote there, and a guest's by his.
        (4, None, 2, "hers", "Ana@example.org", "Anya Field"),
        (5, None, 1, "a guest's", "gus@guest.example", "Gustav Holm"),
    ])  # fmt: skip
    club = make("sqlite")
    _with_an_address(club)
    edit(club.directory / "club.yml", "free_text: true, overwrite: gone, side",
         "free_text: redact, overwrite: gone, side")  # fmt: skip
    edit(club.directory / "club.yml", "      reply: {",
         "      called: {category: contact.name, side: from_id}\n      reply: {")  # fmt: skip
    assert _erase(club, "ana@example.org").complete
    left = "ask ben@work.example, Benedict Muir, Gustav Holm, [-], [-] or [-]"
    assert {row[0]: row for row in club.rows("message")}[3][3] == left
    with Controller.open(deployment.read(club.directory)) as controller:
        every = (("ana@home", {"suppressed"}), ("ben@work", set()), ("gus@guest", set()))
        for who, facts in every:
            assert controller.facts(parse(f"email={who}.example"), NOW).held == facts


def test_the_end_of_a_hold_takes_her_address_from_the_side_of_another(
    make: Callable[[str], Club], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TABLES, "message", f"{TABLES['message']}, reply varchar(90)")
    monkeypatch.setitem(ROWS, "message", [
        (1, 2, 3, "ben to cleo", "Ana@example.org"), (2, 2, 1, "ben to ana", "ana@example.org"),
        (3, 1, 2, "ana to ben", "ana@example.org"), (4, 2, 1, "ben to ana", None),
    ])  # fmt: skip
    club = make("sqlite")
    _with_an_address(club)
    with Controller.open(deployment.read(club.directory)) as controller:
        officer = controller.actors.of("ana", OPERATOR, NOW)
        hold = controller.holds.add(
            ground="a claim", clause="RET-1", actor=officer, now=NOW, system="club",
            dataset="message",
        )  # fmt: skip
        assert rights.erase(controller, _request("ana@example.org"), NOW).complete
        assert club.rows("message") == ROWS["message"]
        controller.holds.release(hold.id, officer, "settled", NOW)
        assert rights.expire(controller, NOW).gone
        assert not [f for f in erased_stay_erased(controller, NOW) if isinstance(f, Finding)]
    assert club.rows("message") == [
        (1, 2, 3, "ben to cleo", "none"), (2, 2, None, "ben to ana", "none"),
        (3, None, 2, "gone", "none"), (4, 2, None, "ben to ana", None),
    ]  # fmt: skip


def test_who_came_before_it_went_on_keeps_no_address_of_hers(
    make: Callable[[str], Club], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TABLES, "message", f"{TABLES['message']}, reply varchar(90)")
    monkeypatch.setitem(ROWS, "message", [(1, None, None, "a draft", "ana@example.org")])
    club = make("sqlite")
    _with_an_address(club)
    with _killed(monkeypatch):
        _erase(club, "ana@example.org")
    club.by_hand("UPDATE message SET from_id = 2")
    with Controller.open(deployment.read(club.directory)) as controller:
        case = controller.cases.all()[0].id
        request = rights.Request((), case=case, actor="ana", role="operator")
        assert rights.erase(controller, request, NOW).complete
    assert club.rows("message") == [(1, 2, None, "a draft", "none")]


def test_what_is_put_right_of_her_stays_as_it_is_on_the_side_of_another(
    make: Callable[[str], Club], monkeypatch: pytest.MonkeyPatch
) -> None:
    """He is called as she is, and wrote to her: it is his name that stands there."""
    columns = f"{TABLES['message']}, from_name varchar(90), to_name varchar(90)"
    monkeypatch.setitem(TABLES, "message", columns)
    monkeypatch.setitem(ROWS, "member", [(1, "ana@example.org", "Muller"),
                                         (2, "ben@example.org", "Muller")])  # fmt: skip
    monkeypatch.setitem(ROWS, "message", [(1, 1, 2, "to ben", "Muller", "Muller"),
                                          (2, 2, 1, "to ana", "Muller", "Muller")])  # fmt: skip
    club = make("sqlite")
    edit(club.directory / "club.yml", "overwrite: gone, side: from_id}\n",
         "overwrite: gone, side: from_id}\n"
         "      from_name: {category: contact.name, side: from_id}\n"
         "      to_name: {category: contact.name, side: to_id}\n")  # fmt: skip
    right = [(1, 1, 2, "to ben", "Mueller", "Muller"), (2, 2, 1, "to ana", "Muller", "Mueller")]
    request = _request("ana@example.org")
    with Controller.open(deployment.read(club.directory)) as controller:
        assert rights.rectify(controller, request, "club.member.name", "Mueller", NOW).complete
        assert club.rows("message") == right
        # Nor is it taken for what was undone, and put right once more.
        assert not list(undone(controller, {}))
        club.by_hand("UPDATE message SET from_name = 'Muller'")
        assert [one.rows for one in undone(controller, {})] == [1]
        at = "club.message.from_name"
        assert rights.rectify(controller, request, at, "Mueller", NOW).complete
    assert club.rows("message") == right


def test_of_two_who_go_at_once_the_later_takes_what_is_nobodys(
    make: Callable[[str], Club], monkeypatch: pytest.MonkeyPatch
) -> None:
    club = make("postgresql")
    execute = Controller.execute
    answers: list[rights.EraseAnswer] = []

    def late(self: Controller, *arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(Controller, "execute", execute)
        # Her plan is sealed, and nothing is written: each of them sees the other there.
        answers.append(_erase(club, "ben@example.org"))
        assert (1, 1, None, "from ana to ben") in club.rows("message")
        return execute(self, *arguments, **named)

    monkeypatch.setattr(Controller, "execute", late)
    answers.append(_erase(club, "ana@example.org"))
    assert [one.complete for one in answers] == [True, True]
    assert club.rows("message") == [(4, None, 3, "gone")]
    assert club.rows("attachment") == [(4, 4, "of others")]
    assert club.rows("household") == [(3, "Ben and Cleo")]


def test_a_person_of_whom_nobody_took_leave_is_no_owner(make: Callable[[str], Club]) -> None:
    club = make("sqlite")
    # Taken away by the company itself, without a word to Kept.
    club.by_hand("DELETE FROM member WHERE id = 2")
    club.by_hand("DELETE FROM resident WHERE member_id = 2")
    ana = _erase(club, "ana@example.org")
    assert ana.complete
    assert club.rows("message") == [(4, 2, 3, "from ben to cleo")]
    assert club.rows("household") == [(3, "Ben and Cleo")]


def test_a_side_that_cannot_be_emptied_is_told_before_anything_is_written(
    make: Callable[[str], Club],
) -> None:
    club = make("postgresql")
    club.by_hand("UPDATE message SET to_id = 2 WHERE to_id IS NULL")
    club.by_hand("ALTER TABLE message ALTER from_id SET NOT NULL, ALTER to_id SET NOT NULL")
    with pytest.raises(Obstructed, match="`from_id` may not be null"):
        _erase(club, "ana@example.org")
    assert club.rows("message")[0] == ROWS["message"][0]
    for name in ("from_id", "to_id"):
        said = f"{name}: {{type: integer, category: identifier.account"
        edit(club.directory / "club.yml", f"{said}}}", f'{said}, overwrite: "0"}}')
    club.by_hand("INSERT INTO member VALUES (0, NULL, 'somebody')")
    assert _erase(club, "ana@example.org").complete
    assert club.rows("message")[0] == (1, 0, 2, "gone")
    # Who stands there instead of her is nobody, although there is such a member.
    assert _erase(club, "ben@example.org").complete
    assert club.rows("message") == [(4, 0, 3, "gone")]


def test_an_address_that_would_stay_with_the_last_owner_is_told_before_anything_is_written(
    make: Callable[[str], Club], monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = f"{TABLES['household']}, main_id integer, contact varchar(90) not null"
    monkeypatch.setitem(TABLES, "household", columns)
    monkeypatch.setitem(ROWS, "household", [(1, "Ana and Ben", 1, "ana@example.org")])
    monkeypatch.setitem(ROWS, "resident", [(1, 1, 1), (2, 1, 2)])
    club = make("postgresql")
    edit(
        club.directory / "club.yml",
        "title: {category: account}\n",
        "title: {category: account}\n"
        "      main_id: {type: integer, category: identifier.account}\n"
        "      contact: {category: contact.email, identifies: email, side: main_id}\n",
    )
    edit(club.directory / "club.yml", "[household_id], kind: shared}\n",
         "[household_id], kind: shared}\n"
         "      - {fields: [main_id], to: member, on: [id], kind: shared}\n")  # fmt: skip
    with pytest.raises(Obstructed, match="`contact` may not be null"):
        _erase(club, "ana@example.org")
    assert club.rows("member") == ROWS["member"]
    edit(club.directory / "club.yml", "side: main_id}", "side: main_id, overwrite: none}")
    assert _erase(club, "ana@example.org").complete
    assert club.rows("household") == [(1, "Ana and Ben", None, "none")]


def test_what_must_stay_may_not_be_emptied_where_nothing_is_stated(
    make: Callable[[str], Club],
) -> None:
    """Without the word all personal fields go, as they did: what the word is there to prevent."""
    club = make("sqlite")
    edit(club.directory / "club.yml", "shared: one-side", "erase: overwrite")
    edit(club.directory / "club.yml", ", side: from_id", "")
    assert _erase(club, "ana@example.org").complete
    assert club.rows("message")[1] == (2, 2, 1, "gone")  # what Ben wrote


def test_the_letter_says_what_stays_for_somebody_else(make: Callable[[str], Club]) -> None:
    club = make("sqlite")
    with Controller.open(deployment.read(club.directory)) as controller:
        ana = rights.erase(controller, _request("ana@example.org"), NOW)
        said = " ".join(letter(controller, ana.case, NOW).text().split())
        # What stays is out of nobody's sight: he finds it as before.
        his = controller.keys(controller.locate(_request("ben@example.org").people))
        for control in (what_is_kept_ends, erased_stay_erased):
            assert not [f for f in control(controller, NOW) if isinstance(f, Finding)]
    assert "It belongs to somebody else as well: only one side of it went." in said
    assert "It belongs to others as well, and goes with the last of them." in said
    with speaking("de"):
        assert "auch jemand anderem" in reasons.told(reasons.ONE_SIDE)
        assert "„Nachrichten“" in reasons.told(reasons.PART_OF.format(title="Nachrichten"))
    assert sorted(his["club", "message"].values) == [(1,), (2,), (4,)]
    assert his["club", "household"].values == [(1,), (3,)]


@pytest.mark.parametrize("stays", ["in-place", "isolated"])
def test_a_hold_keeps_the_row_whole_and_its_end_leaves_what_is_his(
    make: Callable[[str], Club], stays: str
) -> None:
    club = make("postgresql")
    edit(club.directory / "club.yml", "shared: one-side", f"shared: one-side\n    stays: {stays}")
    with Controller.open(deployment.read(club.directory)) as controller:
        officer = controller.actors.of("ana", OPERATOR, NOW)
        hold = controller.holds.add(
            ground="a claim", clause="RET-1", actor=officer, now=NOW, system="club",
            dataset="message",
        )  # fmt: skip
    ana = _erase(club, "ana@example.org")
    assert ana.complete
    # Never sealed away from him, as what is hers alone is.
    assert club.rows("message")[:2] == ROWS["message"][:2]
    assert (club.rows("message")[2] == ROWS["message"][2]) is (stays == "in-place")
    with Controller.open(deployment.read(club.directory)) as controller:
        controller.holds.release(hold.id, officer, "settled", NOW)
        assert rights.expire(controller, NOW).gone
    assert club.rows("message") == [
        (1, None, 2, "gone"), (2, 2, None, "from ben to ana"), (4, 2, 3, "from ben to cleo"),
    ]  # fmt: skip


def test_she_goes_from_what_he_wrote_to_her(make: Callable[[str], Club]) -> None:
    club = make("postgresql")
    edit(club.directory / "club.yml", "body: {category: free-text, free_text: true",
         "body: {category: free-text, free_text: redact")  # fmt: skip
    club.by_hand("UPDATE message SET body = 'write to ana@example.org' WHERE id IN (1, 2)")
    assert _erase(club, "ana@example.org").complete
    assert club.rows("message")[:2] == [(1, None, 2, "gone"), (2, 2, None, "write to [-]")]


def test_what_is_nowhere_stated_is_asked(make: Callable[[str], Club]) -> None:
    club = make("sqlite")
    datamap = deployment.read(club.directory).read_map()
    assert not [d for s in datamap.systems.values() for d in unshared(s)]
    edit(club.directory / "club.yml", "shared: delete", "erase: overwrite")
    datamap = deployment.read(club.directory).read_map()
    said = [words for _, words, _ in undecided(datamap, SHIPPED)]
    assert any("`friend`" in one and "`shared: delete`" in one for one in said)


def test_two_who_ask_together_leave_nothing_to_each_other(make: Callable[[str], Club]) -> None:
    club = make("sqlite")
    both = ((parse("email=ana@example.org"),), (parse("email=ben@example.org"),))
    request = rights.Request(both, actor="ana", role="operator", evidence="a card")
    with Controller.open(deployment.read(club.directory)) as controller:
        assert rights.erase(controller, request, NOW).complete
    assert club.rows("message") == [(4, None, 3, "gone")]
    assert club.rows("household") == [(3, "Ben and Cleo")]
    assert club.rows("attachment") == [(4, 4, "of others")]


def test_what_was_begun_goes_on_and_takes_what_became_nobodys_meanwhile(
    make: Callable[[str], Club], monkeypatch: pytest.MonkeyPatch
) -> None:
    club = make("postgresql")
    with _killed(monkeypatch, written=True):
        _erase(club, "ana@example.org")
    assert club.rows("message")[0] == (1, None, 2, "gone")
    # The company takes him away by itself, so that nobody is left of what she left to him.
    club.by_hand("UPDATE message SET to_id = NULL WHERE id = 1")
    with Controller.open(deployment.read(club.directory)) as controller:
        case = controller.cases.all()[0].id
        request = rights.Request((), case=case, actor="ana", role="operator")
        assert rights.erase(controller, request, NOW).complete
    assert [row[0] for row in club.rows("message")] == [2, 4]
    assert [row[0] for row in club.rows("attachment")] == [2, 4]


def test_the_check_names_a_side_that_could_not_be_emptied(make: Callable[[str], Club]) -> None:
    club = make("postgresql")
    club.by_hand("DELETE FROM message WHERE to_id IS NULL")
    club.by_hand("ALTER TABLE message ALTER to_id SET NOT NULL")
    system = deployment.read(club.directory).read_map().systems["club"]
    store = PostgreSQLStore("club", (), club.url)
    said = [p.what for p in compare(system, store.datasets())]
    assert any("without one of their people, but `to_id` may not be null" in one for one in said)


@pytest.mark.parametrize("engine", ["postgresql", "parquet"])
def test_sides_by_address_are_the_same_in_another_case(
    make: Callable[[str], Club], engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = "id integer primary key, from_id varchar(90), to_id varchar(90), body varchar(90)"
    monkeypatch.setitem(TABLES, "message", columns)
    monkeypatch.setitem(ROWS, "message", [
        (1, "ANA@example.org", "ben@Example.org", "from ana to ben"),
        (2, "ben@example.org", "ana@example.org", "from ben to ana"),
        (3, "ana@example.org", "gone@example.org", "to nobody that is known"),
    ])  # fmt: skip
    club = make(engine)
    text = (club.directory / "club.yml").read_text("utf-8")
    for name in ("from_id", "to_id"):
        text = text.replace(f"{name}: {{type: integer, category: identifier.account}}",
                            f"{name}: {{category: contact.email, folded: true}}")  # fmt: skip
        text = text.replace(f"{{fields: [{name}], to: member, on: [id]",
                            f"{{fields: [{name}], to: member, on: [email]")  # fmt: skip
    (club.directory / "club.yml").write_text(text, "utf-8")
    assert _erase(club, "ana@example.org").complete
    assert club.rows("message") == [
        (1, None, "ben@Example.org", "gone"), (2, "ben@example.org", None, "from ben to ana"),
    ]  # fmt: skip
    # Of both of them only she is known by what stands there for her, and written to no more.
    with Controller.open(deployment.read(club.directory)) as controller:
        for who, facts in (("ana", {"suppressed"}), ("ben", set())):
            assert controller.facts(parse(f"email={who}@example.org"), NOW).held == facts
    assert _erase(club, "ben@example.org").complete
    assert club.rows("message") == []


def test_an_address_that_another_has_as_well_stays_for_him(
    make: Callable[[str], Club], monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = "id integer primary key, from_id varchar(90), to_id varchar(90), body varchar(90)"
    monkeypatch.setitem(TABLES, "message", columns)
    monkeypatch.setitem(ROWS, "message", [(1, "us@example.org", "cleo@example.org", "of one"),
                                          (2, "us@example.org", None, "of them")])  # fmt: skip
    monkeypatch.setitem(ROWS, "member", [(1, "us@example.org", "Ana"), (2, "us@example.org", "Ben"),
                                         (3, "cleo@example.org", "Cleo")])  # fmt: skip
    club = make("sqlite")
    text = (club.directory / "club.yml").read_text("utf-8")
    for name in ("from_id", "to_id"):
        text = text.replace(f"{name}: {{type: integer, category: identifier.account}}",
                            f"{name}: {{category: contact.email}}")  # fmt: skip
        text = text.replace(f"{{fields: [{name}], to: member, on: [id]",
                            f"{{fields: [{name}], to: member, on: [email]")  # fmt: skip
    (club.directory / "club.yml").write_text(text, "utf-8")
    request = rights.Request(((parse("account=1"),),), actor="ana", role="operator", evidence="a")
    with Controller.open(deployment.read(club.directory)) as controller:
        assert rights.erase(controller, request, NOW).complete
    assert club.rows("message") == ROWS["message"]


@pytest.mark.parametrize("overwrite", ["", ", overwrite: erased"])
def test_whoever_never_filled_in_a_field_is_still_there(
    make: Callable[[str], Club], monkeypatch: pytest.MonkeyPatch, overwrite: str
) -> None:
    monkeypatch.setitem(TABLES, "profile", "id integer primary key, nick varchar(90)")
    # What an erasure put there, where the map says so; else he has no name there, and is here.
    nick = "erased" if overwrite else None
    monkeypatch.setitem(ROWS, "profile", [(1, "ana"), (2, nick), (3, None)])
    club = make("sqlite")
    text = (club.directory / "club.yml").read_text("utf-8")
    text = text.replace("to: member, on: [id], kind: shared", "to: profile, on: [id], kind: shared")
    profile = f"""  profile:
    title: Profiles
    key: [id]
    origin: provided
    retention: account
    activities: [account]
    erase: overwrite
    fields:
      id: {{type: integer, category: identifier.account, nullable: false}}
      nick: {{category: contact.name{overwrite}}}
    links:
      - {{fields: [id], to: member, on: [id], kind: owned-by}}
"""
    text = text.replace("  message:\n", f"{profile}  message:\n", 1)
    (club.directory / "club.yml").write_text(text, "utf-8")
    assert _erase(club, "ana@example.org").complete
    left = [row[0] for row in club.rows("message")]
    assert left == ([4] if overwrite else [1, 2, 4])


def test_a_hold_on_any_of_them_keeps_the_row_whole(make: Callable[[str], Club]) -> None:
    club = make("sqlite")
    with Controller.open(deployment.read(club.directory)) as controller:
        officer = controller.actors.of("ana", OPERATOR, NOW)
        hold = holds.place(
            controller, ground="a claim", clause="RET-10", actor=officer, now=NOW,
            person=[parse("email=ben@example.org")],
        )  # fmt: skip
    ana = _erase(club, "ana@example.org")
    assert ana.complete, ana
    with Controller.open(deployment.read(club.directory)) as controller:
        said = " ".join(letter(controller, ana.case, NOW).text().split())
    assert "has to be kept for one of them" in said
    assert "a claim" not in said
    assert club.rows("message")[:2] == ROWS["message"][:2]
    assert [row[0] for row in club.rows("message")] == [1, 2, 4]  # what is hers alone went
    assert club.rows("friend") == ROWS["friend"]
    with Controller.open(deployment.read(club.directory)) as controller:
        controller.holds.release(hold.id, officer, "settled", NOW)
        assert rights.expire(controller, NOW).gone
    assert club.rows("message") == [
        (1, None, 2, "gone"), (2, 2, None, "from ben to ana"), (4, 2, 3, "from ben to cleo"),
    ]  # fmt: skip
    assert club.rows("friend") == [(2, 2, 3)]


def test_the_end_of_a_hold_on_her_leaves_what_another_hold_keeps(
    make: Callable[[str], Club],
) -> None:
    club = make("sqlite")
    with Controller.open(deployment.read(club.directory)) as controller:
        officer = controller.actors.of("ana", OPERATOR, NOW)
        hers, his = (
            holds.place(
                controller, ground="a claim", clause="RET-10", actor=officer, now=NOW,
                person=[parse(f"email={who}@example.org")],
            )
            for who in ("ana", "ben")
        )  # fmt: skip
        assert rights.erase(controller, _request("ana@example.org"), NOW).complete
        assert club.rows("message") == ROWS["message"]
        holds.release(controller, hers.id, "settled", officer, NOW)
        # Of both holds either may be the one that a row is kept by: it goes, or is kept by his.
        assert rights.expire(controller, NOW).complete
        assert [row[0] for row in club.rows("message")] == [1, 2, 4]
        assert club.rows("message")[:2] == ROWS["message"][:2]
        assert club.rows("friend") == ROWS["friend"]
        assert not [f for f in what_is_kept_ends(controller, NOW) if isinstance(f, Finding)]
        holds.release(controller, his.id, "settled", officer, NOW)
        assert rights.expire(controller, NOW).gone
    assert club.rows("message")[0] == (1, None, 2, "gone")
    assert club.rows("friend") == [(2, 2, 3)]


def test_what_is_hers_alone_is_kept_no_longer_for_a_hold_on_another(
    make: Callable[[str], Club],
) -> None:
    club = make("sqlite")
    with Controller.open(deployment.read(club.directory)) as controller:
        officer = controller.actors.of("ana", OPERATOR, NOW)
        holds.place(
            controller, ground="a claim", clause="RET-10", actor=officer, now=NOW,
            person=[parse("email=ben@example.org")],
        )  # fmt: skip
        hold = controller.holds.add(
            ground="an audit", clause="RET-10", actor=officer, now=NOW, system="club",
            dataset="household",
        )  # fmt: skip
        assert rights.erase(controller, _request("ana@example.org"), NOW).complete
        assert club.rows("household") == ROWS["household"]
        holds.release(controller, hold.id, "settled", officer, NOW)
        assert rights.expire(controller, NOW).complete
    assert club.rows("household") == [(1, "Ana and Ben"), (3, "Ben and Cleo")]


@pytest.mark.parametrize("stated", [True, False])
def test_a_hold_on_another_that_came_since_stops_what_is_left(
    make: Callable[[str], Club], monkeypatch: pytest.MonkeyPatch, stated: bool
) -> None:
    club = make("sqlite")
    if not stated:
        edit(club.directory / "club.yml", "shared: one-side", "erase: overwrite")
        edit(club.directory / "club.yml", ", side: from_id", "")
    with _killed(monkeypatch):
        _erase(club, "ana@example.org")
    later = NOW + dt.timedelta(hours=1)
    with Controller.open(deployment.read(club.directory)) as controller:
        officer = controller.actors.of("ana", OPERATOR, later)
        holds.place(
            controller, ground="a claim", clause="RET-10", actor=officer, now=later,
            person=[parse("email=ben@example.org")], system="club", dataset="message",
        )  # fmt: skip
        case = controller.cases.all()[0].id
        request = rights.Request((), case=case, actor="ana", role="operator")
        with pytest.raises(UsageError, match="a hold was placed"):
            rights.erase(controller, request, later)
    assert club.rows("message") == ROWS["message"]


@pytest.mark.parametrize("engine", ["postgresql", "sqlite"])
def test_who_came_before_it_went_on_keeps_what_is_theirs(
    make: Callable[[str], Club], monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    club = make(engine)
    with _killed(monkeypatch):
        _erase(club, "ana@example.org")
    club.by_hand("INSERT INTO resident VALUES (9, 2, 3)")
    club.by_hand("UPDATE message SET to_id = 3 WHERE id = 5")
    club.by_hand("INSERT INTO attachment VALUES (5, 5, 'with it')")
    club.by_hand("UPDATE message SET to_id = 3 WHERE id = 3")
    with Controller.open(deployment.read(club.directory)) as controller:
        case = controller.cases.all()[0].id
        request = rights.Request((), case=case, actor="ana", role="operator")
        answer = rights.erase(controller, request, NOW)
    assert answer.complete, answer
    assert club.rows("household") == ROWS["household"]
    assert (9, 2, 3) in club.rows("resident")
    left = {row[0]: row for row in club.rows("message")}
    assert (left[3], left[5]) == ((3, None, 3, "gone"), (5, None, 3, "gone"))
    assert sorted(left) == [1, 2, 3, 4, 5]
    assert (3, 3, "ana's own") in club.rows("attachment")
    assert club.rows("member") == ROWS["member"][1:]


def test_who_moved_in_while_it_waited_keeps_what_is_theirs(
    make: Callable[[str], Club], monkeypatch: pytest.MonkeyPatch
) -> None:
    club = make("sqlite")
    with (club.directory / "kept.toml").open("a", encoding="utf-8") as settings:
        settings.write("\n[desk]\nlarge = 9\n")
    execute = Controller.execute

    def late(self: Controller, *arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(Controller, "execute", execute)
        club.by_hand("DELETE FROM resident WHERE id = 2")
        return execute(self, *arguments, **named)

    def asked(who: str, case: str | None = None) -> rights.Request:
        people = () if case else ((parse("email=ana@example.org"),),)
        return rights.Request(people, actor=who, role="approver", case=case, evidence="a card")

    with Controller.open(deployment.read(club.directory)) as controller:
        case = rights.preview(controller, asked("op"), NOW).case
        bo, cy = (controller.actors.of(who, "approver", NOW) for who in ("bo", "cy"))
        plan = str(casework.look(controller, case, {}, bo, NOW)["plan"])
        casework.approve(controller, case, plan, cy, NOW)
        monkeypatch.setattr(Controller, "execute", late)
        assert not rights.erase(controller, asked("bo", case), NOW).complete
        # Nobody was left, so it was to go, and waits for somebody else.
        assert controller.cases.waits(controller.cases.get(case)).steps
        club.by_hand("INSERT INTO resident VALUES (7, 1, 3)")
        answer = rights.erase(controller, asked("cy", case), NOW)
    assert answer.complete, answer
    assert (1, "Ana and Ben") in club.rows("household")
    assert (7, 1, 3) in club.rows("resident")
