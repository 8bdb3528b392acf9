"""PI, RIGHT: a person named in what others wrote is found there, shown it, and taken out of it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.controller import Controller
from kept.controller.mentions import Texts
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import holds, rights
from kept.duties.rights import EraseAnswer, Request
from kept.model.plan import Action
from kept.terms.identifiers import parse
from tests.acceptance.test_isolation import Desk
from tests.world import NOW, edit, make, sql

MAP = """
system: desk
title: Support desk
country: US
datasets:
  post:
    key: [id]
    title: Posts
    retention: support-cases
    activities: [support]
    fields:
      id: {type: integer, nullable: false}
      author: {category: contact.email, identifies: email}
      words: {category: support-case, free_text: redact}
      private: {category: support-case, free_text: delete}
"""
#: What stands there, and what is left of it when Ana has gone.
POSTS: dict[int, tuple[str | None, str | None, str | None, str | None]] = {
    1: ("ben@example.org", "Ask ANA@Example.org or cleo@example.org.",
        "Ask [-] or cleo@example.org.", None),
    2: ("ben@example.org", "Call 030/123 456 (or +49-30-12 34 56, 0049 30 123456)!",
        "Call [-] (or [-], [-])!", None),
    3: ("ben@example.org", "Ana O'Neill: mail ana@example.org.", "[-]: mail [-].", None),
    # A namesake, a longer address, a longer number: other people.
    4: ("ben@example.org", "Ana O'Neill called.", "Ana O'Neill called.", None),
    5: (None, "diana@example.org, ana@example.org.evil, 030 1234567", None, None),
    6: ("cleo@example.org", None, None, "we told ana@example.org"),
    7: ("ana@example.org", "I wrote this, ana@example.org", None, None),
    8: ("ben@example.org", "100% ana_example.org", "100% ana_example.org", None),
}  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def desk(request: pytest.FixtureRequest, kept_url: str, tmp_path: Path) -> Desk:
    world = make(tmp_path / "world", kept_url)
    edit(world / "shop.yml", "free_text: true", "free_text: redact")
    server = {"postgresql": "fresh_pg_url", "mariadb": "fresh_maria_url"}.get(request.param)
    url = request.getfixturevalue(server) if server else f"sqlite:///{world / 'desk.sqlite'}"
    made = Desk(world, request.param, url)

    def quoted(value: str | None) -> str:
        return "NULL" if value is None else "'" + value.replace("'", "''") + "'"

    rows = ", ".join(
        f"({n}, {quoted(author)}, {quoted(words)}, {quoted(private)})"
        for n, (author, words, _, private) in POSTS.items()
    )
    made.do(
        "CREATE TABLE post (id INTEGER PRIMARY KEY, author TEXT, words TEXT, private TEXT);"
        f"INSERT INTO post VALUES {rows};"
    )
    (world / "desk.yml").write_text(MAP, "utf-8")
    with (world / "kept.toml").open("a") as file:
        file.write(
            f'\n[systems.desk]\nstore = "{request.param}"\nurl = "{url}"\n'
            'mode = "act"\nmap = "desk.yml"\n'
        )
    return made


def _posts(desk: Desk) -> dict[int, tuple[Any, ...]]:
    return {r[0]: r[1:] for r in desk.do("SELECT id, author, words, private FROM post ORDER BY id")}


def _erase(desk: Desk, case: str | None = None) -> EraseAnswer:
    with Controller.open(deployment.read(desk.world)) as controller:
        who = ((parse("email=ana@example.org"),),)
        return rights.erase(controller, Request(people=who, override="test", case=case), NOW)


def _access(desk: Desk, who: str) -> tuple[rights.AccessAnswer, dict[str, Any], str]:
    out = desk.world / f"pack-{who}-{len(list(desk.world.iterdir()))}.zip"
    with Controller.open(deployment.read(desk.world)) as controller:
        request = Request(people=((parse(f"email={who}@example.org"),),), override="test")
        answer = rights.access(controller, request, NOW, out=out)
    with zipfile.ZipFile(out) as archive:
        data = {
            n[5:-5]: json.loads(archive.read(n))
            for n in archive.namelist()
            if n.startswith("data/") and n.endswith(".json")
        }
        told = json.loads(archive.read("answer.json"))
        return answer, {**data, "answer": told}, archive.read("index.html").decode()


def _control(desk: Desk) -> Outcome:
    with Controller.open(deployment.read(desk.world)) as controller:
        return run(controller, registered(), NOW, names=["rights.texts-name-nobody-unfound"])[
            0
        ].outcome


def test_RIGHT_1_what_others_wrote_of_her_is_shown_without_the_others(desk: Desk) -> None:
    answer, data, page = _access(desk, "ana")
    assert answer.complete
    passages = [row["passage"] for row in data["desk.post.mentions"]]
    assert passages == [
        "Ask ANA@Example.org or [-].", POSTS[2][1], POSTS[3][1], "we told ana@example.org",
    ]  # fmt: skip
    assert data["answer"]["mentions"] == [
        {"system": "desk", "dataset": "post", "title": "Posts", "texts": 4}
    ]
    assert "Where others name you" in page
    assert "cleo@example.org" not in json.dumps(data) + page
    # Her own post is hers, and not named a second time.
    assert [row["id"] for row in data["desk.post"]] == [7]
    _, cleo, _ = _access(desk, "cleo")
    assert [row["passage"] for row in cleo["desk.post.mentions"]] == [
        "Ask [-] or cleo@example.org."
    ]
    assert _control(desk) is Outcome.PASS


def test_RIGHT_1_whom_only_others_name_is_not_told_that_nothing_is_held(desk: Desk) -> None:
    answer, data, page = _access(desk, "diana")
    assert answer.complete
    assert data["answer"]["found"] == 0
    assert data["answer"]["nothing_held"] is False
    assert "Nothing is held" not in answer.summary + page
    assert "but others name you" in answer.summary
    assert data["answer"]["summary"] == answer.summary
    _, nobody, _ = _access(desk, "nobody")
    assert nobody["answer"]["nothing_held"] is True


def test_RIGHT_3_she_is_taken_out_of_what_others_wrote(desk: Desk) -> None:
    before = _posts(desk)
    answer = _erase(desk)
    assert answer.complete
    told = {(s.dataset, s.action): (s.counts.found, s.counts.changed) for s in answer.steps
            if s.store == "desk"}  # fmt: skip
    assert told[("post", Action.DELETE)] == (1, 1)
    assert all(s.verified for s in answer.steps)
    redacted = [s for s in answer.steps if s.action is Action.REDACT]
    assert sum(s.counts.changed for s in redacted) == 4
    after = _posts(desk)
    assert after.keys() == before.keys() - {7}
    for number, row in after.items():
        if number in (1, 2, 3):
            assert row == (before[number][0], POSTS[number][2], None)
        elif number == 6:
            assert row == ("cleo@example.org", None, None)
        else:
            assert row == before[number]
    # Nothing of it is found any more, and once more changes nothing.
    again = _erase(desk)
    assert again.complete
    assert [s for s in again.steps if s.store == "desk"] == []
    assert _posts(desk) == after


CARD = """
  card:
    key: [id]
    retention: support-cases
    activities: [support]
    fields:
      id: {type: integer, nullable: false}
      mail: {category: contact.email, identifies: email}
      family: {category: contact.name}
      given: {category: contact.name}
"""


def test_RIGHT_3_a_name_whose_parts_stand_in_two_columns_is_one_name(desk: Desk) -> None:
    desk.do(
        "CREATE TABLE card (id INTEGER PRIMARY KEY, mail TEXT, family TEXT, given TEXT);"
        "INSERT INTO card VALUES (1, 'ana@example.org', 'Quist', 'Zoe');"
        "INSERT INTO post VALUES (20, 'ben@example.org', 'Zoe  Quist is ana@example.org', NULL);"
        "INSERT INTO post VALUES (21, 'ben@example.org', 'Zoe, ana@example.org: QUIST zoe', NULL);"
    )
    (desk.world / "desk.yml").write_text(MAP + CARD, "utf-8")
    assert _erase(desk).complete
    left = _posts(desk)
    assert [left[n][1] for n in (20, 21)] == ["[-] is [-]", "Zoe, [-]: [-]"]


@pytest.mark.parametrize("desk", ["sqlite", "postgresql"], indirect=True)
def test_RIGHT_3_what_is_written_of_her_meanwhile_is_met_and_goes_too(desk: Desk) -> None:
    """A program writes her address back the moment it is taken out. (MariaDB lets no trigger write
    into its own table.)
    """
    if desk.engine == "sqlite":
        desk.do(
            "CREATE TRIGGER copy AFTER DELETE ON post BEGIN"
            " INSERT INTO post VALUES (old.id + 100, 'ben@example.org', old.words, NULL); END;"
        )
    else:
        desk.do(
            "CREATE FUNCTION copy() RETURNS trigger AS $$ BEGIN"
            " INSERT INTO post VALUES (old.id + 100, 'ben@example.org', old.words, NULL);"
            " RETURN old; END $$ LANGUAGE plpgsql"
        )
        desk.do("CREATE TRIGGER copy AFTER DELETE ON post FOR EACH ROW EXECUTE FUNCTION copy()")
    answer = _erase(desk)
    assert answer.complete
    assert _posts(desk)[107] == ("ben@example.org", "I wrote this, [-]", None)


def test_RET_3_nothing_is_taken_out_of_what_a_hold_keeps(desk: Desk) -> None:
    with Controller.open(deployment.read(desk.world)) as controller:
        actor = controller.actors.of("Pia", "privacy-officer", NOW)
        holds.place(controller, ground="A dispute.", clause="RET-10", actor=actor, now=NOW,
                    system="desk")  # fmt: skip
    before = _posts(desk)
    answer = _erase(desk)
    assert answer.complete
    assert _posts(desk) == before
    assert "4 texts of `post` of `desk` name the person and stay as they are" in str(
        answer.warnings
    )


def test_RET_3_nothing_is_taken_out_of_rows_of_somebody_on_hold(desk: Desk) -> None:
    """Ben's posts are kept for his dispute; in Cleo's she is named no more."""
    with Controller.open(deployment.read(desk.world)) as controller:
        actor = controller.actors.of("Pia", "privacy-officer", NOW)
        holds.place(controller, ground="A dispute.", clause="RET-10", actor=actor, now=NOW,
                    person=(parse("email=ben@example.org"),))  # fmt: skip
    before = _posts(desk)
    answer = _erase(desk)
    assert answer.complete
    assert "3 texts of `post` of `desk` name the person and stay as they are" in str(
        answer.warnings
    )
    after = _posts(desk)
    assert {n: row for n, row in after.items() if n != 6} == {
        n: row for n, row in before.items() if n not in (6, 7)
    }
    assert after[6] == ("cleo@example.org", None, None)


def test_PI_2_the_control_fails_where_texts_are_not_searched(desk: Desk) -> None:
    edit(desk.world / "desk.yml", "free_text: redact", "free_text: true")
    assert _control(desk) is Outcome.FAIL


def test_PI_2_the_control_fails_where_a_text_is_missed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Texts.mentions

    def fewer(*given: Any) -> Any:
        met = whole(*given)
        met.found = [m for m in met.found if m.key != (1,)]
        return met

    monkeypatch.setattr(Texts, "mentions", fewer)
    assert _control(desk) is Outcome.FAIL


def test_PI_2_a_note_in_the_shop_is_searched_too(desk: Desk) -> None:
    sql(desk.world, "UPDATE note SET words = 'for ana@example.org' WHERE id = 2")
    assert _erase(desk).complete
    assert sql(desk.world, "SELECT words FROM note WHERE id = 2") == [("for [-]",)]
