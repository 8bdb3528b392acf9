"""RIGHT: what people and machines do at the same moment loses no request and doubles none."""

from __future__ import annotations

import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from kept.duties.rights import begin_waiting, intake
from kept.errors import KeptError
from kept.records.intake import State, Typed
from tests.asking import Desk, desk, links


@pytest.fixture(scope="module")
def asked(kept_module_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("asked") / "world", kept_module_url) as one:
        yield one


@pytest.fixture(autouse=True)
def _another_day(asked: Desk) -> None:
    asked.later(hours=2)
    asked.source = f"192.0.2.{asked.now.hour}"


def _token(path: str) -> str:
    return path.rpartition("/")[2]


def _unbegun(asked: Desk, monkeypatch: pytest.MonkeyPatch, email: str) -> str:
    """The page of a request that was confirmed, and of which nothing could be begun yet."""
    with monkeypatch.context() as away:

        def refused(*_: Any, **__: Any) -> Any:
            raise KeptError("a system is away")

        away.setattr(intake, "open_case", refused)
        return asked.proven("access", "erasure", email=email)


@pytest.mark.parametrize("party", ["agent", "changed"])
def test_RIGHT_17_the_limit_counts_every_address_that_is_written_to(
    asked: Desk, party: str
) -> None:
    third = f"third-{party}@example.org"
    answers = [
        asked.send("rectification", email=f"{party}{n}@example.org", **{party: third})
        for n in range(4)
    ]
    assert [a.status_code for a in answers] == [303, 303, 303, 429]
    assert len(asked.inbox.to(third)) == 3
    # Taking it back frees nothing.
    asked.post(answers[0].headers["Location"], {"do": "withdraw"})
    again = asked.send("rectification", email=f"{party}9@example.org", **{party: third})
    assert again.status_code == 429


def test_RIGHT_17_two_who_type_their_codes_at_once_are_both_through(asked: Desk) -> None:
    person, agent = "two@example.org", "two.agent@example.org"
    at = asked.ask("access", email=person, agent=agent)
    (hers,) = (urllib.parse.urlsplit(u).path for u in links(asked.inbox.to(person)[-1]))
    met = intake.found(asked.controller, _token(at))
    assert met is not None
    got: list[Typed] = []

    def types() -> None:
        code = asked.inbox.code(person)
        got.append(intake.type_code(asked.controller, _token(hers), code, asked.now)[0])

    other = threading.Thread(target=types)
    with asked.controller.database.connection() as c:
        code = asked.inbox.code(agent).replace(" ", "")
        first = asked.controller.intakes.type_code(met[0], None, code, asked.now, connection=c)
        other.start()
        other.join(0.3)
    other.join()
    assert (first, got) == (Typed.MORE, [Typed.RIGHT])


def test_RIGHT_16_what_was_confirmed_meanwhile_is_not_taken_back_unseen(asked: Desk) -> None:
    at = asked.ask("access", email="late@example.org")
    met = intake.found(asked.controller, _token(at))
    assert met is not None
    page = asked.post(at, {"do": "code", "code": asked.inbox.code("late@example.org")})
    with asked.controller.database.connection() as c:
        assert not asked.controller.intakes.give_up(met[0], connection=c)
    assert "We are working on it." in asked.get(page.headers["Location"]).text


def test_RIGHT_16_whoever_else_goes_on_with_a_request_opens_no_second_case(
    asked: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    _unbegun(asked, monkeypatch, "once@example.org")
    before = asked.controller.cases.all()
    others: list[threading.Thread] = []
    opens = intake.open_case

    def beside(*given: Any, **named: Any) -> Any:
        if not others:
            others.append(
                threading.Thread(target=begin_waiting, args=(asked.controller, asked.now))
            )
            others[0].start()
            others[0].join(0.5)
        return opens(*given, **named)

    monkeypatch.setattr(intake, "open_case", beside)
    assert begin_waiting(asked.controller, asked.now) == 0
    others[0].join()
    opened = asked.controller.cases.all()[len(before) :]
    assert [c.right for c in opened] == ["access", "erasure"]


def test_RIGHT_16_a_machine_that_stops_leaves_no_case_without_its_request(
    asked: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    _unbegun(asked, monkeypatch, "stops@example.org")
    before = asked.controller.cases.all()
    with monkeypatch.context() as stopped:

        def stops(*_: Any, **__: Any) -> Any:
            raise RuntimeError("the machine stops")

        stopped.setattr(asked.controller.intakes, "opened", stops)
        with pytest.raises(RuntimeError):
            begin_waiting(asked.controller, asked.now)
    assert asked.controller.cases.all() == before
    assert begin_waiting(asked.controller, asked.now) == 0
    assert len(asked.controller.cases.all()) == len(before) + 2


def test_RIGHT_16_what_was_struck_out_stands_in_nobodys_way(
    asked: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = _unbegun(asked, monkeypatch, "struck@example.org")
    met = intake.found(asked.controller, _token(gone))
    assert met is not None
    there = _unbegun(asked, monkeypatch, "there@example.org")
    with asked.controller.database.connection() as c:
        c.execute("UPDATE intake SET sealed = NULL WHERE number = %s", (met[0].number,))
    assert begin_waiting(asked.controller, asked.now) == 0
    assert asked.controller.intakes.get(met[0].id).state is State.ANSWERED
    assert asked.get(there).text.count("We are working on it.") == 2


def test_RIGHT_17_nobody_else_chooses_the_new_address_of_a_person(asked: Desk) -> None:
    given = {"agent": "friend@example.org", "changed": "friend.too@example.org"}
    answer = asked.send("rectification", email="moved@example.org", **given)
    assert answer.status_code == 400
    assert "cannot change that person" in answer.text
    assert not asked.inbox.to("moved@example.org")
