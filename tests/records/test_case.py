from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from kept import migrations
from kept.database import Database
from kept.errors import Denied, UsageError, VaultError
from kept.model.change import Const, PerRow, Template
from kept.model.plan import Action, Counts, Mode, Plan, Reason, Step, StepResult, SystemPlan
from kept.model.residue import Fate, Residue
from kept.model.select import KeySet, KeyTable
from kept.records.case import State, StepState, Words
from kept.records.case_state import ENDS, NEED_EVIDENCE, TRANSITIONS
from kept.records.residue import Residues, Told
from kept.terms.identifiers import Identifier

from .conftest import records_on

NOW = dt.datetime(2026, 3, 14, 9, 0, tzinfo=dt.UTC)
ANA, BEA = Identifier("email", "ana@example.org"), Identifier("email", "bea@example.org")
KEYS = KeyTable(("id",), ((0, (1,)), (0, (2,)), (1, (2,))))
REASON = Reason("books must be kept", "HGB §257", dt.date(2036, 12, 31), "X-1")
PLAN = Plan(
    "erasure",
    2,
    (
        Step(1, "shop", "invoice", Action.RETAIN, KEYS, reason=REASON),
        Step(2, "shop", "customer", Action.OVERWRITE, KEYS,
             assign={"name": Const(None), "email": Template("erased-{id}@erased.invalid")}),
        Step(3, "desk", "ticket", Action.DELETE, KEYS),
    ),
    (SystemPlan("shop", Mode.ACT, "store"), SystemPlan("desk", Mode.ACT, "item")),
    (("mail", "no store"),),
    ("a warning",),
)  # fmt: skip


def opened(records, override: str | None = "test", people=((ANA,), (BEA,))):
    return records.cases.open("erasure", people, records.actor, override, NOW)


def executing(records):
    case = records.cases.seal_plan(opened(records), PLAN, records.actor, NOW)
    for state in (State.APPROVED, State.EXECUTING):
        case = records.cases.move(case, state, records.actor, NOW)
    return case


def test_a_case_names_people_and_makes_none(records) -> None:
    bea = records.subjects.of([BEA], NOW)
    case = opened(records)
    assert records.count("subject") == 1
    assert (case.right, case.state, case.people) == ("erasure", State.RECEIVED, 2)
    assert case.subjects == ((), (bea,))
    assert case.actor == records.actor
    assert records.cases.get(case.id) == case
    assert records.cases.all() == records.cases.all(State.RECEIVED) == [case]
    assert records.cases.all(State.CLOSED) == []
    assert records.cases.identifiers(case) == [[ANA], [BEA]]
    assert records.cases.naming(Identifier("email", "ANA@example.org")) == [case]
    assert records.cases.naming(Identifier("email", "other@example.org")) == []
    with records.database.connection() as c:
        tables = "rights_case", "case_person", "case_subject", "case_event"
        text = str([c.execute(f"SELECT t::text FROM {t} t").fetchall() for t in tables])
    assert "ana@" not in text
    assert b"ana@".hex() not in text


def test_what_people_wrote_in_a_case_is_sealed_and_can_be_read_there(records) -> None:
    """Words of the staff may name anybody; no table holds them, before or after the end."""
    said = "Ana's sister Zoë called"
    one = opened(records, said, people=((ANA,),))
    two = records.cases.open("access", [[BEA]], records.actor, None, NOW, evidence=said + "!")
    three = records.cases.let_pass(opened(records, None), said, records.actor, NOW)
    three = records.cases.end(three, State.REFUSED, said + "?", records.actor, NOW)
    assert records.cases.words(one) == records.cases.words(three) == Words(said, None)
    assert records.cases.words(two) == Words(None, said + "!")
    assert (one.override, one.evidence, two.override, two.evidence) == (True, False, False, True)
    assert [e.words for e in records.cases.events(three)] == [None, said, said + "?"]
    assert [e.words for e in records.cases.events(two)] == [said + "!"]
    with records.database.connection() as c:
        for table in ("rights_case", "case_event"):
            text = str(c.execute(f"SELECT t::text FROM {table} t").fetchall())
            assert "sister" not in text
            assert b"sister".hex() not in text
        # The words of one case cannot be read as those of another.
        c.execute(
            "UPDATE rights_case SET override = (SELECT override FROM rights_case WHERE id = %s)"
            " WHERE id = %s",
            (one.id, three.id),
        )
    with pytest.raises(VaultError):
        records.cases.words(three)


def test_words_from_before_they_were_sealed_are_still_read(records) -> None:
    case = opened(records, "by phone")
    with records.database.connection() as c:
        c.execute("UPDATE rights_case SET override = convert_to('by phone, ü', 'UTF8')")
        c.execute("UPDATE case_event SET words = convert_to('by phone, ü', 'UTF8')")
    assert records.cases.words(case).override == "by phone, ü"
    assert records.cases.events(case)[0].words == "by phone, ü"


def test_words_are_kept_when_the_tables_of_an_older_kept_are_brought_up_to_date(
    fresh_pg_url: str, tmp_path: Path
) -> None:
    files = sorted(migrations.HERE.glob("000[123]_*.sql"))
    with psycopg.connect(fresh_pg_url) as c:
        for file in files:
            c.execute(file.read_bytes())
        c.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        c.execute("INSERT INTO alembic_version VALUES ('0003')")
        c.execute("INSERT INTO actor (name, role, first_seen) VALUES ('Pia', 'operator', now())")
        c.execute(
            'INSERT INTO rights_case (id, "right", state, actor, override, people, opened_at,'
            " changed_at) VALUES ('x', 'erasure', 'received', 1, 'naïve', 1, now(), now())"
        )
        c.execute("INSERT INTO case_event VALUES (1, 1, 'received', 1, 'naïve', now())")
        c.execute("INSERT INTO subject (made_at) VALUES (now())")
        c.execute("INSERT INTO subject_facts VALUES (1, 0, 'r', NULL, 1, 0, 0, 0, 0, 0, 0, 0)")
    with Database.open(fresh_pg_url, tmp_path) as database:
        records = records_on(database, tmp_path / "keys")
        case = records.cases.get("x")
        assert (case.override, case.evidence) == (True, False)
        assert records.cases.words(case) == Words("naïve", None)
        assert [e.words for e in records.cases.events(case)] == ["naïve"]
        assert records.count("subject_facts") == 0


def test_a_case_outlives_the_person(records) -> None:
    bea = records.subjects.of([BEA], NOW)
    case = opened(records)
    records.vault.shred([bea], ["person"], NOW)
    records.subjects.forget([bea])
    assert records.cases.get(case.id).subjects == ((), ())
    assert records.cases.identifiers(case) == [[ANA], [BEA]]
    assert [c.id for c in records.cases.naming(BEA)] == [case.id]


@pytest.mark.parametrize(
    ("right", "people", "words"),
    [
        ("erase", [[ANA]], "no such right"),
        ("erasure", [], "names nobody"),
        ("erasure", [[ANA], []], "names nobody"),
    ],
)
def test_cases_that_are_refused(records, right, people, words) -> None:
    with pytest.raises(UsageError, match=words):
        records.cases.open(right, people, records.actor, None, NOW)
    assert records.count("rights_case") == 0


def test_ids_sort_by_time(records) -> None:
    ids = [
        records.cases.open("access", [[ANA]], records.actor, None, NOW.replace(second=n)).id
        for n in range(3)
    ]
    assert ids == sorted(ids)
    assert all(id_[14] == "7" and id_[19] in "89ab" for id_ in ids)
    with pytest.raises(UsageError, match="no such case"):
        records.cases.get("' OR 1=1")


# — the state machine —————————————————————————————————————————————————————————————————————


def test_every_state_is_reached_and_ends() -> None:
    reached, todo = set(), [State.RECEIVED]
    while todo:
        state = todo.pop()
        if state not in reached:
            reached.add(state)
            todo += TRANSITIONS[state]
    assert reached == set(State) == set(TRANSITIONS)
    assert {State.CLOSED, State.REFUSED, State.WITHDRAWN} == ENDS
    # Nothing leads to writing but through an approved plan; nothing stops it half-way.
    assert [s for s in State if State.EXECUTING in TRANSITIONS[s]] == [
        State.APPROVED, State.EXECUTING, State.EXECUTED, State.CHECKED,
    ]  # fmt: skip
    assert [s for s in State if State.APPROVED in TRANSITIONS[s]] == [State.PLANNED]
    for state in (State.EXECUTING, State.EXECUTED, State.CHECKED):
        assert State.WITHDRAWN not in TRANSITIONS[state]


def test_only_the_table_moves_a_case(records) -> None:
    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.override = "test"
            self.case = opened(records)
            self.state = State.RECEIVED

        @rule(to=st.sampled_from(State))
        def move(self, to: State) -> None:
            if to in TRANSITIONS[self.state]:
                assert records.cases.move(self.case, to, records.actor, NOW).state == to
                self.state = to
            else:
                with pytest.raises(UsageError, match=f"that is {self.state} cannot become {to}"):
                    records.cases.move(self.case, to, records.actor, NOW)
            now = records.cases.get(self.case.id)
            assert now.state == self.state
            assert (now.closed_at is not None) == (self.state in ENDS)
            states = [e.state for e in records.cases.events(now)]
            assert states[-1] == self.state
            assert all(b in TRANSITIONS[a] for a, b in pairwise(states))

    from hypothesis import settings
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=25, stateful_step_count=12, deadline=None)
    )


def test_who_asks_must_be_known_before_anything_is_done(records) -> None:
    case = records.cases.move(opened(records, None), State.PLANNED, records.actor, NOW)
    with pytest.raises(Denied, match="before it is known who asks"):
        records.cases.move(case, State.APPROVED, records.actor, NOW)
    other = records.cases.identify(opened(records, None), "passport seen", records.actor, NOW)
    assert (other.state, other.evidence) == (State.IDENTIFIED, True)
    assert records.cases.words(other) == Words(None, "passport seen")
    for state in (State.PLANNED, *sorted(NEED_EVIDENCE)):
        other = records.cases.move(other, state, records.actor, NOW)
    told = records.cases.open("access", [[ANA]], records.actor, None, NOW, evidence="code by mail")
    assert told.state == State.IDENTIFIED


# — the sealed plan and its steps —————————————————————————————————————————————————————————


def test_the_plan_comes_back_as_it_was_sealed(records) -> None:
    case = opened(records)
    assert records.cases.plan(case) is None
    case = records.cases.seal_plan(case, PLAN, records.actor, NOW)
    assert case.state == State.PLANNED
    assert records.cases.plan(case) == PLAN
    steps = records.cases.steps(case)
    assert [(s.number, s.system, s.action, s.planned, s.state, s.reason) for s in steps] == [
        (1, "shop", Action.RETAIN, 2, StepState.PLANNED, REASON),
        (2, "shop", Action.OVERWRITE, 2, StepState.PLANNED, None),
        (3, "desk", Action.DELETE, 2, StepState.PLANNED, None),
    ]
    again = Plan("erasure", 2, PLAN.steps[:1], PLAN.systems)
    records.cases.seal_plan(case, again, records.actor, NOW)
    assert records.cases.plan(case) == again
    assert len(records.cases.steps(case)) == 1


def test_a_function_cannot_be_sealed(records) -> None:
    bad = Step(1, "s", "d", Action.OVERWRITE, KEYS, assign={"a": PerRow(lambda _: None)})
    case = opened(records)
    with pytest.raises(UsageError, match="cannot be sealed"):
        records.cases.seal_plan(case, Plan("erasure", 1, (bad,), ()), records.actor, NOW)
    assert records.cases.get(case.id).state == State.RECEIVED


def test_no_step_begins_before_its_keys_are_sealed(records) -> None:
    case = opened(records)
    for state in (State.PLANNED, State.APPROVED):
        with pytest.raises(Denied, match="sealed plan"):
            records.cases.begin_steps(case, [1], NOW)
        case = records.cases.move(case, state, records.actor, NOW)
    records.cases.move(case, State.EXECUTING, records.actor, NOW)
    with pytest.raises(Denied, match="sealed plan"):
        records.cases.begin_steps(case, [1], NOW)


def test_a_plan_is_fixed_once_writing_began(records) -> None:
    case = executing(records)
    with pytest.raises(UsageError, match="executing cannot become planned"):
        records.cases.seal_plan(case, PLAN, records.actor, NOW)


def test_steps_report_truly(records) -> None:
    case = executing(records)
    records.cases.begin_steps(case, [2, 3], NOW)
    done = StepResult("shop", "customer", Action.OVERWRITE, Counts(2, 2), True)
    failed = StepResult("desk", "ticket", Action.DELETE, Counts(2, 0), False, None, "went away")
    records.cases.record_step(case, PLAN.steps[1], done, NOW)
    records.cases.record_step(case, 3, failed, NOW)
    assert [(s.state, s.attempts) for s in records.cases.steps(case)] == [
        (StepState.PLANNED, 0), (StepState.DONE, 1), (StepState.FAILED, 1),
    ]  # fmt: skip
    assert [s.result() for s in records.cases.steps(case)][1:] == [done, failed]
    # Incomplete: what is sealed stays, and the case can be executed again.
    case = records.cases.move(case, State.EXECUTED, records.actor, NOW)
    case = records.cases.finish(case, False, records.actor, NOW)
    assert (case.state, case.complete) == (State.CHECKED, False)
    assert records.cases.plan(case) == PLAN
    case = records.cases.move(case, State.EXECUTING, records.actor, NOW)
    records.cases.begin_steps(case, [3], NOW)
    third = records.cases.steps(case)[2]
    assert (third.state, third.attempts, third.planned, third.problem) == (
        StepState.BEGUN, 2, 2, None,
    )  # fmt: skip
    records.cases.record_step(
        case, 3, StepResult("desk", "ticket", Action.DELETE, Counts(2, 2), True), NOW
    )
    records.cases.record_step(
        case, 1, StepResult("shop", "invoice", Action.RETAIN, Counts(2, 0, 2), True, REASON), NOW
    )
    case = records.cases.move(case, State.EXECUTED, records.actor, NOW)
    case = records.cases.finish(case, True, records.actor, NOW)
    assert (case.state, case.complete, case.closed_at) == (State.CLOSED, True, NOW)
    assert records.cases.plan(case) is None
    assert records.count("case_sealed") == 0
    assert records.cases.steps(case)[0].reason == REASON


def test_sealed_keys(records) -> None:
    case = opened(records)
    assert records.cases.sealed_keys(case, "shop") is None
    keys = KeySet(
        {"invoice": KEYS, "odd": KeyTable(("k",), ((0, (b"\x00", dt.date(2026, 1, 1))),))}
    )
    records.cases.seal_keys(case, {"shop": keys})
    assert records.cases.sealed_keys(case, "shop") == keys
    with records.database.connection() as c:
        row = c.execute("SELECT sealed FROM case_sealed").fetchone()
        assert row is not None
        assert b"invoice" not in row[0]


def test_what_is_sealed_belongs_to_its_case(records) -> None:
    one, two = opened(records), opened(records)
    for case in (one, two):
        records.cases.seal_keys(case, {"shop": KeySet({"x": KEYS})})
    with records.database.connection() as c:
        c.execute(
            "UPDATE case_sealed SET sealed = (SELECT sealed FROM case_sealed WHERE number = %s)"
            " WHERE number = %s",
            (one.number, two.number),
        )
    with pytest.raises(Exception, match="altered"):
        records.cases.sealed_keys(two, "shop")


@pytest.mark.parametrize("point", range(6))
def test_killed_between_steps(records, tmp_path, point: int) -> None:
    """Whatever is killed when: a store is touched only after plan and beginning are durable."""
    store = tmp_path / "store"
    code = f"""
        import os, signal, sys
        from pathlib import Path
        from kept.database import Database
        from tests.records.conftest import records_on, NOW
        from tests.records.test_case import ANA, BEA, PLAN
        from kept.records.case import State
        at = 0
        def maybe():
            global at
            if at == {point}:
                os.kill(os.getpid(), signal.SIGKILL)
            at += 1
        r = records_on(Database.open({records.database.url!r}, Path({str(tmp_path)!r})),
                       Path({str(tmp_path / "keys")!r}))
        case = r.cases.open("erasure", [[ANA], [BEA]], r.actor, "test", NOW); maybe()
        case = r.cases.seal_plan(case, PLAN, r.actor, NOW); maybe()
        r.suppressions.add([ANA, BEA], NOW, source="erasure"); maybe()
        r.cases.move(case, State.APPROVED, r.actor, NOW)
        r.cases.move(case, State.EXECUTING, r.actor, NOW); maybe()
        r.cases.begin_steps(case, [2, 3], NOW); maybe()
        Path({str(store)!r}).write_text("changed"); maybe()
    """
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=root,
        check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    (case,) = records.cases.all()
    assert records.cases.identifiers(case) == [[ANA], [BEA]]
    assert (records.cases.plan(case) == PLAN) == (point >= 1)
    assert (records.suppressions.channels(ANA) == {""}) == (point >= 2)
    begun = [s.number for s in records.cases.steps(case) if s.state == StepState.BEGUN]
    assert begun == ([2, 3] if point >= 4 else [])
    if store.exists():
        assert begun
        assert records.cases.plan(case) == PLAN
        assert records.suppressions.channels(BEA) == {""}
    # And it can go on from there.
    if case.state == State.RECEIVED:
        case = records.cases.seal_plan(case, PLAN, records.actor, NOW)
    for state in (State.APPROVED, State.EXECUTING):
        if state in TRANSITIONS[case.state]:
            case = records.cases.move(case, state, records.actor, NOW)
    records.cases.begin_steps(case, [2, 3], NOW)
    assert records.cases.steps(case)[1].attempts == (2 if point >= 4 else 1)


def test_two_who_look_beneath_the_same_case_both_come_to_an_end(records, kept_db) -> None:
    """The second waits for the first, and its words are those that stand in the end."""
    case = opened(records)
    residues = Residues(kept_db)

    def told(words: str) -> tuple[Told, ...]:
        return (Told("shop", Residue("pages", Fate.GONE, words, None, 1, 0), NOW),)

    def second() -> None:
        with kept_db.connection() as other:
            residues.put(case, told("second"), connection=other)

    with ThreadPoolExecutor(1) as pool:
        with kept_db.connection() as connection:
            residues.put(case, told("first"), connection=connection)
            later = pool.submit(second)
            with pytest.raises(TimeoutError):
                later.result(0.5)
        later.result(10)
    assert [t.residue.words for t in residues.of(case)] == ["second"]
