"""Choices that overlap, against what the law says of them: programs made up of a few steps.

Restrictions, objections, withdrawals and consents of two people, by any of their identifiers, with
the shop away, with identifiers that change or are proven, and with an erasure in between. After
each step the door answers for every identifier as a model of a few lines does; then the controls
are run, every open case is brought to its end, and nothing of it stays.

The model asks Kept's registry who leads to whom, and what is proven to be whose: that is looked at
elsewhere. It leaves out what two people share, links that are undone, erasures while a system is
away, when a withdrawal began that goes on for somebody new, and who is written to again, or what
an answer says, after an erasure. Which purposes are weighed it takes from the answer. What she
agreed to although it is restricted holds for the numbers under which she was known then, until the
last restriction of hers ends.
`KEPT_SOAK_ROUNDS` makes more of them (`make soak`).
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kept import deployment
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.decide.use import use
from kept.duties import rights
from kept.duties.rights import Request, identity
from kept.duties.rights.objection import WEIGHED
from kept.errors import KeptError
from kept.model.decision import Ask
from kept.records.case import State
from kept.terms.evidence import COUNTED
from kept.terms.identifiers import Identifier, parse
from tests.world import NOW, make, sql

#: As many as suit every run, or a long one.
FEW: Final = 5
LONG: Final = int(os.environ.get("KEPT_SOAK_ROUNDS", "200")) * 5

#: Of each person: account, address and number in her row; then what may come into it later.
HERS: Final = tuple(
    tuple(Identifier(i.kind, i.normalised) for i in map(parse, named))
    for named in (
        ("account=1", "email=ana@example.org", "phone=+49 30 123456", "phone=+49 30 999991",
         "email=ana@example.net"),
        ("account=2", "email=ben@example.org", "phone=+49 30 222222", "phone=+49 30 999992",
         "email=ben@example.net"),
    )
)  # fmt: skip
EVERY: Final = tuple(i for one in HERS for i in one)
PAY: Final = Ask("service.payment", "transaction.paid", "order", region="EEA")
MAIL: Final = Ask("marketing.email", "contact.email", "site-form", region="EEA")
IMPROVE: Final = Ask("site.improve", "navigation", "site-visit", region="EEA")
LOOK: Final = Ask("analytics.own", "navigation", "site-visit", region="EEA")
ASKS: Final = (PAY, MAIL, IMPROVE, LOOK)
#: What arises in the act, so that what is left to deny is a choice; consent to mail is on record.
ARISING: Final = (
    "contract", "preference:email", "consent:site.improve", "consent:analytics.own"
)  # fmt: skip
WEIGHABLE: Final = ("site.improve", "analytics.own")
ABSOLUTE: Final = ("marketing", "marketing.email")
PIA: Final = {"actor": "Pia", "role": "privacy-officer"}
CONTROLS: Final = (
    "rights.restrictions-stop-every-use", "rights.objections-stop-the-purpose",
    "rights.withdrawals-stop-consent-only", "rights.withdrawals-are-forward-only",
)  # fmt: skip

_COUNT: Final = itertools.count()

Step = tuple[Any, ...]
_WHO: Final = st.tuples(st.integers(0, 1), st.lists(st.integers(0, 4), min_size=1, max_size=2))
_PURPOSES: Final = st.lists(
    st.sampled_from((*WEIGHABLE, *ABSOLUTE)), min_size=1, max_size=2, unique=True
)
_BUT: Final = st.sampled_from(((), (), ("site.improve",), ("service.payment",)))
_AT: Final = st.integers(0, 7)
STEPS: Final = st.one_of(
    st.tuples(st.just("restrict"), _WHO, _BUT),
    st.tuples(st.just("object"), _WHO, _PURPOSES),
    st.tuples(st.just("withdraw"), _WHO, st.sampled_from(ABSOLUTE)),
    st.tuples(st.just("grant"), _WHO),
    st.tuples(st.just("told"), _AT),
    st.tuples(st.just("lift"), _AT),
    st.tuples(st.just("weigh"), _AT, st.sampled_from(WEIGHED)),
    st.tuples(st.just("go_on"), _AT, _BUT),
    st.tuples(st.just("away")),
    st.tuples(st.just("erase"), st.integers(0, 1)),
    st.tuples(st.just("move"), st.integers(0, 1), st.sampled_from(("phone", "email"))),
    st.tuples(st.just("prove"), st.integers(0, 1), st.integers(1, 4), st.integers(1, 4)),
)
PROGRAMS: Final = st.tuples(
    st.lists(STEPS, min_size=3, max_size=9), st.permutations(range(8)),
    st.lists(st.sampled_from(WEIGHED), min_size=8, max_size=8),
)  # fmt: skip


@dataclass
class Choice:
    """One case: for whom it was recorded, and for what. `stands`: the purposes of an objection
    that hold, `open` those that are weighed.
    """

    kind: str
    case: str
    asked: tuple[Identifier, ...]
    hers: set[Identifier]
    numbers: set[int]
    stands: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    ended: bool = False
    #: Of one purpose also these, of an objection to it that was refused.
    more: dict[str, tuple[set[Identifier], set[int]]] = field(default_factory=dict)

    def reach(self, purpose: str = "") -> tuple[set[Identifier], set[int]]:
        more = self.more.get(purpose, (set(), set()))
        return self.hers | more[0], self.numbers | more[1]

    def binds(self, hers: set[Identifier], numbers: set[int], purpose: str = "") -> bool:
        mine = self.reach(purpose)
        return bool(mine[0] & hers or mine[1] & numbers)

    def takes(self, other: Choice, purpose: str = "") -> None:
        mine, its = self.reach(purpose), other.reach(purpose)
        both = mine[0] | its[0], mine[1] | its[1]
        if purpose:
            self.more[purpose] = both
        else:
            self.hers, self.numbers = both


class World:
    """The shop, Kept, and beside it what the law says."""

    def __init__(self, directory: Path, controller: Controller) -> None:
        self.directory, self.controller, self.now = directory, controller, NOW
        self.made: list[Choice] = []
        self.agreed: dict[int, set[str]] = {}
        self.consent: dict[int, bool] = {}
        self.erased: set[Identifier] = set()
        self.away = False
        self.said: list[str] = []

    # — what the law says ———————————————————————————————————————————————————————————————————

    def numbers(self, *who: Identifier) -> set[int]:
        return set(self.controller.subjects.find(who))

    def denied(self, who: Identifier, *asks: Ask) -> list[str | None]:
        """Why the law stops each; None where it does not. A choice binds an identifier for which
        it was recorded, and whoever it leads to.
        """
        numbers = self.numbers(who)
        hers = {who} | {i for n in numbers for i, _ in self.controller.subjects.identifiers(n)}
        return [self._why(ask, hers, numbers) for ask in asks]

    def _why(self, ask: Ask, hers: set[Identifier], numbers: set[int]) -> str | None:
        agreed = bool(numbers) and all(ask.purpose in self.agreed.get(n, ()) for n in numbers)
        if not agreed and any(
            c.kind == "restriction" and not c.ended and c.binds(hers, numbers) for c in self.made
        ):
            return "restricted"
        for c in self.made:
            for p in c.stands:
                met = p == ask.purpose or ask.purpose.startswith(f"{p}.")
                if met and c.binds(hers, numbers, p):
                    return "objected"
        if ask is not MAIL:
            return None
        consent = bool(numbers) and all(self.consent.get(n) for n in numbers)
        return None if consent else "no consent"

    def check(self, controls: bool = False) -> None:
        """The door says the same of everybody, and so do the controls."""
        self.now += dt.timedelta(minutes=1)
        for who in EVERY:
            facts = self.controller.facts(who, self.now, ARISING)
            for ask, why in zip(ASKS, self.denied(who, *ASKS), strict=True):
                if why is None and ask is MAIL and who in self.erased:
                    continue  # who was erased is not written to, whatever she agreed to since
                allow = use(self.controller.rules, ask, facts).allow
                assert allow is (why is None), (self.said, str(who.kind), who.value, ask, why)
        if controls:
            for met in run(self.controller, registered(), self.now, names=list(CONTROLS)):
                assert met.outcome is not Outcome.FAIL, (self.said, met.findings)

    # — whom a choice reaches ————————————————————————————————————————————————————————————————

    def rows(self, asked: Sequence[Identifier]) -> set[Identifier]:
        """What the rows say to which these lead."""
        found: set[Identifier] = set()
        for row in sql(self.directory, "SELECT id, email, phone FROM customer"):
            kinds = zip(("account", "email", "phone"), row, strict=True)
            named = {Identifier(kind, str(value)) for kind, value in kinds if value is not None}
            if _same(named) & _same(asked):
                found |= named
        return found

    def reached(self, asked: Sequence[Identifier]) -> set[Identifier]:
        """What was given, and what else names her, as far as it leads to nobody else."""
        known = self.numbers(*asked)
        linked = {i for n in known for i, word in self.controller.subjects.identifiers(n)
                  if word in COUNTED}  # fmt: skip
        hers = _plain(asked) | {i for i in _plain(linked) if self.numbers(i) <= known}
        if self.away:
            return hers
        return hers | {i for i in _plain(self.rows(asked)) if self.numbers(i) <= known}

    # — the steps ————————————————————————————————————————————————————————————————————————————

    def run(self, step: Step) -> None:
        self.said.append(repr(step))
        getattr(self, step[0])(*step[1:])

    def _asked(self, who: tuple[int, list[int]]) -> tuple[Request, tuple[Identifier, ...]]:
        person, which = who
        given = tuple(dict.fromkeys(HERS[person][n] for n in which))
        (wide,) = self.controller.identities.widen([given])
        return Request((given,), override="test"), wide

    def _case(self, at: int, *kinds: str) -> Choice | None:
        those = [c for c in self.made if c.kind in kinds and not c.ended]
        return those[at % len(those)] if those else None

    def restrict(self, who: tuple[int, list[int]], but: Sequence[str]) -> None:
        request, asked = self._asked(who)
        hers = self.reached(asked)
        try:
            done = rights.restrict(
                self.controller, request, "claims", self.now, but=but, region="EEA"
            )  # fmt: skip
        except KeptError as problem:
            self.said.append(str(problem))
            return
        one = Choice("restriction", done.case, asked, hers, self.numbers(*asked))
        self.made.append(one)
        self._agrees(one, but)
        self._tells(done, asked)

    def _agrees(self, one: Choice, but: Sequence[str]) -> None:
        for number in one.numbers if but else ():
            self.agreed.setdefault(number, set()).update(but)

    def _tells(self, done: Any, asked: Sequence[Identifier]) -> None:
        """What she is told of payment is what the door does."""
        stopped = {self.denied(who, PAY) != [None] for who in asked}
        if len(stopped) == 1 and self.erased.isdisjoint(asked):
            assert ("service.payment" in {t.purpose for t in done.stops}) in stopped, self.said

    def object(self, who: tuple[int, list[int]], purposes: Sequence[str]) -> None:
        request, asked = self._asked(who)
        hers = self.reached(asked)
        try:
            done = rights.object_to(self.controller, request, purposes, self.now, region="EEA")
        except KeptError as problem:
            self.said.append(str(problem))
            return
        one = Choice("objection", done.case, asked, hers, self.numbers(*asked), {*purposes})
        self.made.append(one)
        self._weighed(one, done)

    def _weighed(self, one: Choice, done: Any) -> None:
        one.open = {t.purpose for t in done.weighed}
        one.ended = done.complete
        for purpose in one.stands & {*WEIGHABLE}:
            assert purpose in {t.purpose for t in (*done.weighed, *done.stops)}, self.said

    def withdraw(self, who: tuple[int, list[int]], purpose: str) -> None:
        request, asked = self._asked(who)
        try:
            done = rights.withdraw(self.controller, request, [purpose], self.now, region="EEA")
        except KeptError as problem:
            self.said.append(str(problem))
            return
        one = Choice("withdrawal", done.case, asked, set(), set(), ended=done.complete)
        self.made.append(one)
        self.consent.update(dict.fromkeys(self.numbers(*asked), False))

    def grant(self, who: tuple[int, list[int]]) -> None:
        _, asked = self._asked(who)
        number = self.controller.subjects.of(asked[:1], self.now)
        self.controller.consents.grant(number, "marketing.email", self.now, source="form")
        self.consent[number] = True

    def go_on(self, at: int, but: Sequence[str] = ()) -> None:
        one = self._case(at, "restriction", "objection", "withdrawal")
        if one is None:
            return
        again, hers = Request((), case=one.case, override="test"), self.reached(one.asked)
        state = self.controller.cases.get(one.case).state
        if one.kind == "restriction":
            if state is State.NOTIFIED:
                return
            done = rights.restrict(
                self.controller, again, "claims", self.now, but=but, region="EEA"
            )  # fmt: skip
            one.hers |= hers
            one.numbers |= self.numbers(*one.asked)
            self._agrees(one, but)
            self._tells(done, one.asked)
        elif one.kind == "objection":
            purposes = sorted(one.stands)[:1]
            done = rights.object_to(self.controller, again, purposes, self.now, region="EEA")
            one.hers |= hers
            one.numbers |= self.numbers(*one.asked)
            self._weighed(one, done)
        else:
            done = rights.withdraw(self.controller, again, (), self.now, region="EEA", erase=True)
            one.ended = done.complete
            for number in self.numbers(*one.asked):
                self.consent.setdefault(number, False)

    def told(self, at: int) -> None:
        one = self._case(at, "restriction")
        if one is not None:
            with suppress(KeptError):
                rights.notify(self.controller, one.case, "told", now=self.now, **PIA)

    def lift(self, at: int) -> None:
        one = self._case(at, "restriction")
        if one is None:
            return
        try:
            _, free = rights.lift(self.controller, one.case, "over", now=self.now, **PIA)
        except KeptError:
            return
        one.ended = True
        others = [c for c in self.made
                  if c.kind == "restriction" and not c.ended and c.binds(*one.reach())]  # fmt: skip
        assert free is not bool(others), self.said
        if others:  # of one person nothing is free before the last of hers ends
            others[0].takes(one)
        else:
            for number in one.numbers:
                self.agreed.pop(number, None)

    def weigh(self, at: int, outcome: Any) -> None:
        one = self._case(at, "objection")
        if one is None:
            return
        try:
            rights.weigh(self.controller, one.case, outcome, "a word", now=self.now, **PIA)
        except KeptError:
            return
        one.ended = True
        if outcome == "refused":
            for purpose in one.open:
                others = [c for c in self.made
                          if c is not one and purpose in c.stands
                          and c.binds(*one.reach(purpose), purpose)]  # fmt: skip
                if others:
                    others[0].takes(one, purpose)
                one.stands.discard(purpose)

    def away_(self, away: bool) -> None:
        here, there = self.directory / "shop.sqlite", self.directory / "away.sqlite"
        if away is not self.away:
            (here if away else there).rename(there if away else here)
            self.away = away

    def erase(self, person: int) -> None:
        if self.away:
            return
        asked = (HERS[person][1],)
        before = {i for n in self.numbers(*asked) for i, _ in
                  self.controller.subjects.identifiers(n)}  # fmt: skip
        numbers, hers = self.numbers(*asked), {*asked, *self.rows(asked), *before}
        own = {i for i in before if self.numbers(i) <= numbers}
        try:
            rights.erase(self.controller, Request((asked,), override="test"), self.now)
        except KeptError as problem:
            self.said.append(str(problem))
            return
        self.erased |= _plain(hers)
        for one in self.made:  # what she said no to holds under all that led to her alone
            if one.numbers & numbers or one.hers & _plain(own):
                one.hers |= _plain(own)

    def move(self, person: int, what: str) -> None:
        if not self.away:
            value = HERS[person][3 if what == "phone" else 4].value
            sql(self.directory, f"UPDATE customer SET {what} = ? WHERE id = ?", value, person + 1)

    def prove(self, person: int, one: int, to: int) -> None:
        officer = self.controller.actors.of("Pia", "privacy-officer", self.now)
        with suppress(KeptError):
            for n in (to, one):
                identity.link(
                    self.controller, HERS[person][n], HERS[person][to], "verified", "seen", officer,
                    self.now, same=n != to,
                )  # fmt: skip

    # — the end ——————————————————————————————————————————————————————————————————————————————

    def end(self, order: Sequence[int], outcomes: Sequence[Any], often: bool) -> None:
        """Every open case is brought to its end, and nothing of it stays."""
        self.away_(False)
        self.check(controls=True)
        for at, outcome in zip(order, outcomes, strict=True):
            one = self._case(at, "restriction", "objection", "withdrawal")
            if one is None:
                break
            self.finish(one, outcome)
        while one := self._case(0, "restriction", "objection", "withdrawal"):
            self.finish(one, outcomes[0])
        self.check(controls=often)
        for case in self.controller.cases.all():
            assert case.state in (State.CLOSED, State.AWAITING), (self.said, case.right, case.state)
        for who in EVERY:
            held = self.controller.facts(who, self.now).held
            left = {f for f in held if f == "restricted" or f.startswith("agreed:")}
            assert not left, (self.said, who.value, left)

    def finish(self, one: Choice, outcome: Any) -> None:
        self.said.append(f"end {self.made.index(one)} {outcome}")
        at = [c for c in self.made if c.kind == one.kind and not c.ended].index(one)
        every = [c for c in self.made if not c.ended].index(one)
        if one.kind == "restriction":
            self.go_on(every)
            self.told(at)
            self.check()
            self.lift(at)
        else:
            self.go_on(every)
            if one.kind == "objection" and not one.ended:
                self.weigh(at, outcome)
        self.check()
        assert one.ended, (self.said, "nobody can get out of it")


def _same(those: Any) -> set[tuple[str, str]]:
    return {(i.kind, i.normalised) for i in those}


def _plain(those: Any) -> set[Identifier]:
    return {Identifier(i.kind, i.normalised) for i in those}


def obeys(made: Callable[[], Any], program: tuple[Sequence[Step], Any, Any], often: bool) -> None:
    """Carry a program out in a new world; `often`: the controls at its end as well."""
    steps, order, outcomes = program
    with made() as world:
        for step in steps:
            if step[0] == "away":
                world.said.append("away")
                world.away_(not world.away)
            else:
                world.run(step)
            world.check()
        world.end(order, outcomes, often)


@pytest.fixture
def made(
    pg_server: Any, _kept_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Any]:
    """What makes a new world, each time."""

    @contextmanager
    def one() -> Iterator[World]:
        name = f"choices_{os.getpid()}_{next(_COUNT)}"
        url = pg_server.make_database(name, template=_kept_template)
        directory = make(tmp_path_factory.mktemp("choices") / "world", url)
        sql(directory, "UPDATE customer SET phone = '+49 30 222222' WHERE id = 2")
        try:
            with Controller.open(deployment.read(directory)) as controller:
                yield World(directory, controller)
        finally:
            pg_server.drop(name)

    return one


_QUIET: Final = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture,
                 HealthCheck.data_too_large]  # fmt: skip


@settings(
    max_examples=FEW, deadline=None, database=None, derandomize=True,
    suppress_health_check=_QUIET,
)  # fmt: skip
@given(program=PROGRAMS)
def test_choices_that_overlap_hold_as_the_law_says(made: Any, program: Any) -> None:
    obeys(made, program, False)


_MOVED: Final[tuple[Step, ...]] = (("withdraw", (0, [0]), "marketing"), ("move", 0, "email"))
PLAIN: Final[dict[str, tuple[Step, ...]]] = {
    "withdrawn by two addresses and erased by one": (
        ("withdraw", (1, [4, 1]), "marketing.email"), ("erase", 1),
    ),
    "withdrawn by what an erasure by her old address does not meet": (*_MOVED, ("erase", 0)),
    "withdrawn, agreed to again, and erased": (
        ("withdraw", (0, [0, 4]), "marketing.email"), ("grant", (0, [4])), ("erase", 0),
    ),
    "objected when only her number led to her old address": (
        *_MOVED, ("object", (0, [0]), ["site.improve"]), ("erase", 0),
    ),
    "objected before her new address was known, and weighed": (
        ("object", (0, [0]), ["site.improve"]), ("prove", 0, 4, 1), ("erase", 0),
    ),
    "restricted before her new address was known": (
        ("restrict", (0, [0]), ()), ("prove", 0, 4, 1), ("erase", 0),
    ),
    "objected twice, to more the second time, and the first refused": (
        ("object", (0, [0]), ["site.improve", "analytics.own"]),
        ("object", (0, [3, 2]), ["site.improve", "marketing"]),
    ),
    "restricted when only her number led to her old address": (
        *_MOVED, ("restrict", (0, [0]), ()), ("erase", 0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("steps", PLAIN.values(), ids=PLAIN)
def test_what_was_refused_outlives_her_number(made: Any, steps: Sequence[Step]) -> None:
    obeys(made, (steps, range(8), ["refused"] * 8), True)


@pytest.mark.soak
@settings(max_examples=LONG, deadline=None, database=None, suppress_health_check=_QUIET)
@given(program=PROGRAMS)
def test_choices_that_overlap_hold_in_many_programs(made: Any, program: Any) -> None:
    obeys(made, program, True)
