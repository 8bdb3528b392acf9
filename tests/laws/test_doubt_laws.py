"""RIGHT-19: erasures and doubtful matches, against a judgement that is written from the promises.

Programs of a few steps run over two systems of which each may be away for a while, and two people
whose rows may look alike: rows come, people ask by this or that address, doubts are decided, taken
back or left. Then all is driven to its end.

The oracle knows rows by what they say, and decisions by what they joined. It leaves out:
what is decided `same`, and what rows come, while an erasure is under way (they need an erasure of
their own); how many records wait of which some were decided (at least one for each address); what
is alike by what her own rows say and nobody has proven; whom a contradiction ("a is b, b is c, a
is not c") leads to.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.conftest import Cluster
from tests.world import NOW, make, sql

from kept import deployment
from kept.controller import Controller
from kept.controls.registry import Finding
from kept.duties import rights
from kept.duties.rights import Request, identity
from kept.duties.rights.child import child_cases_name_nobody
from kept.duties.rights.doubt import Ambiguous
from kept.duties.rights.erased import erased_stay_erased
from kept.duties.rights.letter import letter
from kept.stores.tasks import Answered, Outcome
from kept.terms.identifiers import Identifier
from kept.terms.likeness import tagged

#: So many programs suit every run; a long one runs so many for each round.
FEW: Final = 4
LONG: Final = int(os.environ.get("KEPT_SOAK_ROUNDS", "20")) * 50
CLUB: Final = """
system: club
title: Club
country: US
datasets:
  member:
    key: [id]
    retention: messages
    clock: at
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      mail: {category: contact.email, identifies: email}
      called: {category: contact.name}
      at: {type: datetime}
"""
#: Who may ask: two people, two addresses that differ from the first one's by a tag, two others.
MAILS: Final = ("ana@example.org", "zoe@example.org", "ana+s@example.org", "ana+t@example.org",
                "o@example.org", "p@example.org")  # fmt: skip
SYSTEMS: Final = ("shop", "club")

_numbers = itertools.count(1)

Step = tuple[Any, ...]
#: An identifier, by its kind and what it says.
Id = tuple[str, str]


ROW: Final = st.tuples(
    st.just("row"), st.sampled_from(SYSTEMS), st.sampled_from((0, 0, 1, 1, 2, 3, 4, 5)),
    st.sampled_from((1, 0, 2, 1)),
)  # fmt: skip
DECIDE: Final = st.tuples(
    st.just("decide"), st.integers(0, 3), st.sampled_from(("same", "different"))
)
AWAY, BACK = (st.tuples(st.just(word), st.sampled_from(SYSTEMS)) for word in ("away", "back"))
ERASE: Final = st.tuples(
    st.just("erase"), st.sampled_from((0, 0, 0, 1, 1, 2, 3, 4)),
    st.sampled_from((False, False, True)),
)  # fmt: skip
GO_ON: Final = st.tuples(st.just("go on"), st.integers(0, 2))
#: Steps that mean something together.
STEPS: Final = st.one_of(
    st.tuples(ROW), st.tuples(DECIDE), st.tuples(ERASE), st.tuples(DECIDE, ERASE),
    st.tuples(AWAY, ERASE), st.tuples(AWAY, DECIDE, ERASE), st.tuples(BACK, GO_ON), st.tuples(BACK),
    st.tuples(DECIDE, GO_ON), st.tuples(GO_ON), st.tuples(ROW, ERASE),
    st.tuples(st.tuples(st.just("access"), st.sampled_from((0, 0, 1, 2, 4)))),
    st.tuples(st.tuples(st.just("anew"), st.integers(0, 3))),
)  # fmt: skip
#: What stands there before: rows of hers, and what is like them; somebody asks; then the steps.
ROWS: Final = st.lists(ROW, min_size=2, max_size=5).map(lambda rows: [("row", "club", 0, 1), *rows])
ASKED: Final = st.sampled_from([[("access", 0)], [("access", 0)], [("access", 1)], []])
PROGRAMS: Final = st.tuples(ROWS, ASKED, st.lists(STEPS, min_size=3, max_size=6)).map(
    lambda p: [*p[0], *p[1], *(step for part in p[2] for step in part)]
)


@dataclass(frozen=True)
class Row:
    """A row as it was planted: what it says of whose it is, and all of it."""

    system: str
    dataset: str
    key: int
    ids: frozenset[Id]
    name: str | None
    values: tuple[Any, ...]
    at: dt.datetime


@dataclass
class Erasure:
    """An erasure that was begun, with what was proven of her then and is not taken back."""

    case: str
    given: Id
    at: dt.datetime
    child: bool
    same: set[frozenset[Id]]
    had: set[Row]
    asked: set[str]
    #: Undecided rows like hers, as they were met: for sure, and perhaps.
    sure: set[Row] = field(default_factory=set)
    perhaps: set[Row] = field(default_factory=set)
    done: bool = False


def joined(one: Iterable[Id], same: Iterable[frozenset[Id]]) -> set[Id]:
    """All that is one person's with these, given what is decided."""
    found, pairs = set(one), list(same)
    while more := [p for p in pairs if p & found and not p <= found]:
        found |= set().union(*more)
    return found


def _mail(n: int) -> Id:
    return ("email", MAILS[n])


class Town:
    """The systems, the desk, and what the oracle knows of both."""

    def __init__(self, directory: Path, database: str) -> None:
        self.world = make(directory, database)
        for table in ("signup", "invoice", "note", "customer"):
            sql(self.world, f"DELETE FROM {table}")
        (self.world / "club.yml").write_text(CLUB, "utf-8")
        with (self.world / "kept.toml").open("a", encoding="utf-8") as file:
            file.write(
                '\n[systems.club]\nstore = "sqlite"\nmode = "act"\nmap = "club.yml"\n'
                f'url = "sqlite:///{self.world / "club.sqlite"}"\n'
            )
        with contextlib.closing(sqlite3.connect(self.world / "club.sqlite")) as club:
            club.execute("CREATE TABLE member (id INTEGER PRIMARY KEY, mail TEXT, called TEXT,"
                         " at TEXT)")  # fmt: skip
        self.now, self.numbers = NOW, itertools.count(1)
        self.rows: list[Row] = []
        self.erasures: list[Erasure] = []
        self.same: set[frozenset[Id]] = set()
        self.ever: set[frozenset[Id]] = set()
        self.decided: set[frozenset[Id]] = set()
        self.waited: dict[frozenset[Id], tuple[str, set[Row]]] = {}

    # What is there.

    def file(self, system: str) -> Path:
        return self.world / f"{system}.sqlite"

    def away(self) -> set[str]:
        return {s for s in SYSTEMS if not self.file(s).exists()}

    def table(self, row: Row) -> tuple[Any, ...] | None:
        """The row as it stands there now."""
        file = self.file(row.system)
        file = file if file.exists() else file.with_suffix(".away")
        with contextlib.closing(sqlite3.connect(file)) as c:
            return c.execute(f"SELECT * FROM {row.dataset} WHERE id = ?", (row.key,)).fetchone()

    def standing(self) -> set[Row]:
        return {row for row in self.rows if self.table(row) == row.values}

    # The steps.

    def run(self, desk: Controller, steps: Iterable[Step]) -> None:
        for word, *rest in steps:
            self.now += dt.timedelta(hours=1)
            getattr(self, "do_" + word.replace(" ", "_"))(desk, *rest)
            self.look(desk)

    def do_row(self, desk: Controller, system: str, who: int, name: int) -> None:
        """A row that says an address, and a name: none, that of Ana, or another one."""
        if not self.file(system).exists():
            return
        key = next(self.numbers)
        mail, at = MAILS[who], f"{self.now:%Y-%m-%d %H:%M:%S}"
        called = (None, "Ana O'Neill", f"Somebody {mail[0]}")[name]
        ids = {_mail(who)}
        values: tuple[Any, ...]
        if system == "club":
            dataset, values = "member", (key, mail, called, at)
        elif called is None:
            dataset, values = "note", (key, mail, "x", at)
        else:
            if sql(self.world, "SELECT id FROM customer WHERE email = ?", mail):
                return
            dataset, values = "customer", (key, mail, called, None, at)
            ids.add(("account", str(key)))
        marks = ", ".join("?" * len(values))
        with contextlib.closing(sqlite3.connect(self.file(system))) as c:
            c.execute(f"INSERT INTO {dataset} VALUES ({marks})", values)
            c.commit()
        row = Row(system, dataset, key, frozenset(ids), called, values, self.now)
        self.rows.append(row)

    def do_away(self, desk: Controller, system: str) -> None:
        if self.file(system).exists():
            self.file(system).rename(self.file(system).with_suffix(".away"))

    def do_back(self, desk: Controller, system: str) -> None:
        if not self.file(system).exists():
            self.file(system).with_suffix(".away").rename(self.file(system))

    def do_access(self, desk: Controller, who: int) -> None:
        request = Request(((Identifier(*_mail(who)),),), override="she called")
        with self.unless_contradicted():
            rights.access(desk, request, self.now, out=self.world / f"{next(self.numbers)}.zip")

    def do_erase(self, desk: Controller, who: int, child: bool) -> None:
        ground = "child" if child else None
        request = Request(((Identifier(*_mail(who)),),), override="she called", ground=ground)
        standing, same = self.standing(), set(self.same)
        hers = joined([_mail(who)], same)
        had = {row for row in standing if row.ids & hers}
        with self.unless_contradicted():
            answer = rights.erase(desk, request, self.now)
            one = Erasure(answer.case, _mail(who), self.now, child, same, had,
                          set(SYSTEMS) - self.away())  # fmt: skip
            self.meet(one, hers, standing, one.asked)
            self.erasures.append(one)
            # What joined them goes with her.
            self.same = {pair for pair in same if not pair <= hers}
            self.after(desk, one, answer, standing)

    def do_go_on(self, desk: Controller, n: int) -> None:
        if open_ := [e for e in self.erasures if not e.done]:
            self.go_on(desk, open_[n % len(open_)])

    def go_on(self, desk: Controller, one: Erasure) -> None:
        if not any(desk.cases.identifiers(desk.cases.get(one.case))):
            one.done = True  # struck with the case of the same child
            return
        standing = self.standing()
        back = set(SYSTEMS) - self.away() - one.asked
        one.asked |= back
        answer = rights.erase(desk, Request((), override="she called", case=one.case), self.now)
        self.meet(one, joined([one.given], one.same), standing, back)
        self.after(desk, one, answer, standing)

    def do_decide(self, desk: Controller, n: int, outcome: str) -> None:
        if waits := self.queue(desk, settled=False):
            self.settle(desk, waits[n % len(waits)], outcome)

    def do_anew(self, desk: Controller, n: int) -> None:
        if done := self.queue(desk, settled=True):
            one = done[n % len(done)]
            self.settle(desk, one, "same" if one.outcome == "different" else "different")

    def queue(self, desk: Controller, *, settled: bool) -> list[Any]:
        found = [d for d in desk.doubts.all(settled=settled)
                 if (d.outcome is not None) == settled and identity.pair(desk, d)]  # fmt: skip
        return sorted(found, key=lambda d: (d.reason, sorted(self.pair(desk, d)), d.case))

    def pair(self, desk: Controller, doubt: Any) -> frozenset[Id]:
        pair = desk.doubts.pair(doubt)
        return frozenset((i.kind, i.normalised) for i in (pair.one, pair.other))

    def settle(self, desk: Controller, doubt: Any, outcome: str) -> None:
        pair = self.pair(desk, doubt)
        who = desk.actors.of("Jo", "verifier", self.now)
        identity.settle(desk, doubt.id, outcome, "they said so", who, self.now)
        self.decided.add(pair)
        if outcome == "same":
            self.same.add(pair)
            self.ever.add(pair)
        else:
            self.same.discard(pair)
            for one in self.erasures:
                one.same.discard(pair)

    @contextlib.contextmanager
    def unless_contradicted(self) -> Iterator[None]:
        try:
            yield
        except Ambiguous:
            assert self.decided - self.same, "refused although nothing was decided to be another's"

    # The promises.

    def alike(self, hers: set[Id], rows: set[Row], where: set[str]) -> tuple[set[Row], set[Row]]:
        """The rows that look like hers and nobody has decided, for sure and perhaps."""
        asked = {row for row in rows if row.system in where}
        own = {row for row in asked if row.ids & hers}
        names = {row.name for row in own} - {None}
        said = set[Id]().union(hers, *(row.ids for row in own))
        sure, perhaps = set[Row](), set[Row]()
        for row in asked - own:
            tag = any(tagged(Identifier(*a), Identifier(*b)) for a in said for b in row.ids)
            if not tag and row.name not in names and not row.ids & said:
                continue
            perhaps.add(row)
            judged = any(pair & row.ids for pair in self.decided)
            if not judged and not row.ids & said:
                sure.add(row)
        return sure, perhaps

    def meet(self, one: Erasure, hers: set[Id], rows: set[Row], where: set[str]) -> None:
        """Take up what is met where it can be asked now (`where`), and what stood elsewhere, too,
        when she was erased: what her rows say there tells what is like them everywhere.
        """
        if where:
            # What another erasure took before it could be read for this one said nothing.
            one.had -= {row for row in one.had - rows if row.system in where}
            known = {row for row in rows if row.system in where or row.at <= one.at}
            sure, _ = self.alike(hers, known | one.had, one.asked)
            # What came since may say it as well.
            _, perhaps = self.alike(hers, rows | one.had, one.asked)
            one.sure |= sure
            one.perhaps |= perhaps

    def after(self, desk: Controller, one: Erasure, answer: Any, before: set[Row]) -> None:
        """What an erasure has to have done."""
        standing = self.standing()
        hers = joined([one.given], one.same)
        if answer.complete:
            one.done = True
            left = {row for row in standing & one.had if row.ids & hers}
            assert not left, f"complete, and hers stands: {left}"
            if one.child:
                every = joined([one.given], one.same | self.same)
                left = {row for row in standing if row.ids & every and row.at < one.at}
                assert not left, f"the child's case is over, and its rows stand: {left}"
                waits = [self.pair(desk, d) for d in self.queue(desk, settled=False)]
                assert not [p for p in waits if p & hers], "the child's case is over, undecided"
                return
        text = " ".join(letter(desk, one.case, self.now).text().split())
        met = re.search(r"nothing proven to be yours: (\d+) record", text)
        rows = int(met[1]) if met else 0
        # What goes with an erasure of its own waits for nobody.
        under = self.under(one)
        sure = [row for row in one.sure & standing
                if not any(pair & row.ids for pair in self.decided)
                and not any(row.ids & theirs for theirs in under)]  # fmt: skip
        least = len({min(row.ids) for row in sure}) if self.decided else len(sure)
        most = len(one.perhaps)
        waits = desk.doubts.all(case=one.case)
        assert least <= rows <= max(most, len(waits)), (
            f"the letter says {rows} of {least} to {most} rows that wait: {sure} {one.perhaps}"
        )

    def under(self, but: Erasure | None = None) -> list[set[Id]]:
        """Whose erasures are under way, beside this one."""
        return [joined([e.given], e.same) for e in self.erasures if not e.done and e is not but]

    def look(self, desk: Controller) -> None:
        """What holds after every step."""
        standing = self.standing()
        everybody = [joined([e.given], self.ever) for e in self.erasures]
        for row in self.rows:
            if not any(row.ids & hers for hers in everybody):
                assert row in standing, f"touched, and nobody's who was erased: {row}"
        readable = [d for d in desk.doubts.all(settled=True) if identity.pair(desk, d)]
        every = {self.pair(desk, d) for d in readable}
        for pair, (case, rows) in self.waited.items():
            if pair in every or not any(desk.cases.identifiers(desk.cases.get(case))):
                continue
            under = self.under()
            # The same question may wait by another address of hers.
            still = set[Id]().union(*every)
            left = {
                r for r in rows & standing
                if not r.ids & still and not any(r.ids & hers for hers in under)
            }  # fmt: skip
            assert not left, f"what waited is gone, undecided, and stands: {left}"
        self.waited = {}
        for d in desk.doubts.all():
            seen = identity.pair(desk, d)
            assert seen is not None, "nobody can open what waits"
            other = (seen.other.kind, seen.other.normalised)
            self.waited[self.pair(desk, d)] = d.case, {r for r in standing if other in r.ids}

    def end(self, desk: Controller) -> None:
        """Drive all to its end, and look once more."""
        for system in SYSTEMS:
            self.do_back(desk, system)
        for _ in range(8):
            self.now += dt.timedelta(hours=1)
            self.answer(desk)
            for one in [e for e in self.erasures if not e.done]:
                self.go_on(desk, one)
                self.look(desk)
            for doubt in self.queue(desk, settled=False):
                self.settle(desk, doubt, "different")
            self.look(desk)
            # What was decided to be hers since goes by an erasure of its own.
            standing = self.standing()
            for one in list(self.erasures):
                # Somebody may have decided by what her rows said that are gone.
                said = {one.given}.union(*(row.ids for row in one.had))
                for row in sorted(standing, key=lambda row: row.key):
                    hers = joined(said, self.same | one.same)
                    if row.ids & hers:
                        mail = next(v for k, v in row.ids if k == "email")
                        self.now += dt.timedelta(minutes=1)
                        begun = len(self.erasures)
                        self.do_erase(desk, MAILS.index(mail), False)
                        if len(self.erasures) == begun:
                            self.undo(desk, hers)
                        self.look(desk)
                        standing = self.standing()
        self.answer(desk)
        open_ = [e for e in self.erasures if not e.done]
        assert not open_, f"nobody can end these: {open_}"
        assert not desk.doubts.all()
        self.now += dt.timedelta(hours=1)
        for control in (erased_stay_erased, child_cases_name_nobody):
            found = [f for f in control(desk, self.now) if isinstance(f, Finding)]
            assert not found, found

    def undo(self, desk: Controller, hers: set[Id]) -> None:
        """What was refused for a contradiction is decided anew: none of it is hers."""
        for doubt in self.queue(desk, settled=True):
            if doubt.outcome == "same" and self.pair(desk, doubt) & hers:
                self.settle(desk, doubt, "different")

    def answer(self, desk: Controller) -> None:
        """Whoever had the data says that it is done."""
        desk.deliver(self.now)
        for task in desk.tasks():
            if task.answer is None:
                said = Answered(Outcome.DONE, "Jo", self.now, "their letter")
                rights.recipients.record(desk, task.id, said, "operator")


#: Makes a database for a while: its URL.
Anew = Callable[[], contextlib.AbstractContextManager[str]]


@pytest.fixture
def anew(pg_server: Cluster, _kept_template: str) -> Anew:
    """Makes a migrated, empty database of Kept's own for a while."""

    @contextlib.contextmanager
    def one() -> Iterator[str]:
        name = f"doubts_{os.getpid()}_{next(_numbers)}"
        yield pg_server.make_database(name, template="kept_template")
        pg_server.drop(name)

    return one


def _survive(anew: Anew, base: Path, program: Iterable[Step]) -> None:
    directory = Path(tempfile.mkdtemp(dir=base))
    try:
        with anew() as url:
            town = Town(directory / "world", url)
            with Controller.open(deployment.read(town.world)) as desk:
                town.run(desk, program)
                town.end(desk)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


LAW: Final = settings(
    deadline=None, derandomize=True, database=None, print_blob=False,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def test_RIGHT_19_whatever_is_done_in_whichever_order(anew: Anew, tmp_path: Path) -> None:
    @settings(LAW, max_examples=FEW)
    @given(PROGRAMS)
    def any_program(program: list[Step]) -> None:
        _survive(anew, tmp_path, program)

    any_program()


@pytest.mark.soak
def test_RIGHT_19_many_more_of_them(anew: Anew, tmp_path: Path) -> None:
    @settings(LAW, max_examples=LONG, derandomize=False, phases=(Phase.generate, Phase.shrink))
    @given(PROGRAMS)
    def any_program(program: list[Step]) -> None:
        _survive(anew, tmp_path, program)

    any_program()


PLAIN: Final[dict[str, list[Step]]] = {
    "what she is called where nobody could ask": [
        ("row", "shop", 0, 0), ("row", "club", 0, 1), ("row", "shop", 4, 1), ("away", "club"),
        ("erase", 0, False),
    ],
    "her row said what was decided to be another's": [
        ("row", "club", 0, 1), ("row", "shop", 3, 1), ("row", "shop", 0, 1),
        ("row", "club", 3, 0), ("erase", 3, False), ("away", "shop"), ("decide", 0, "same"),
        ("erase", 3, False),
    ],
    "another tag": [
        ("row", "shop", 0, 0), ("row", "shop", 3, 0), ("away", "shop"), ("erase", 2, False),
    ],
    "proven before her links went": [
        ("row", "club", 0, 1), ("row", "shop", 0, 1), ("row", "shop", 5, 1), ("access", 0),
        ("decide", 0, "same"), ("decide", 0, "same"), ("decide", 0, "same"), ("away", "shop"),
        ("erase", 0, False),
    ],
    "erased on its own, where a child's case had met it": [
        ("row", "club", 0, 1), ("erase", 2, True), ("away", "club"), ("erase", 0, False),
        ("go on", 0),
    ],
    "decided by what only her gone row said": [
        ("row", "shop", 0, 1), ("row", "club", 1, 1), ("access", 1), ("erase", 0, False),
        ("decide", 0, "same"),
    ],
    "gone on with before what was decided since was erased": [
        ("row", "club", 0, 1), ("row", "shop", 1, 1), ("erase", 0, True), ("decide", 0, "same"),
        ("go on", 0), ("erase", 0, True),
    ],
    "gone on with while that was away": [
        ("row", "club", 0, 1), ("row", "shop", 1, 1), ("erase", 0, True), ("decide", 0, "same"),
        ("away", "shop"), ("go on", 0), ("back", "shop"), ("erase", 0, False),
    ],
    "called so by a row that came since": [
        ("row", "club", 0, 1), ("row", "club", 2, 1), ("row", "club", 2, 1), ("away", "club"),
        ("erase", 1, True), ("row", "shop", 1, 1),
    ],
    "gone with another erasure before it was read": [
        ("row", "club", 0, 1), ("row", "club", 0, 1), ("row", "club", 1, 1), ("away", "club"),
        ("erase", 1, True), ("erase", 1, False),
    ],
    "met in a row that came while an older erasure was under way": [
        ("away", "shop"), ("erase", 2, False), ("row", "club", 2, 1), ("erase", 3, True),
    ],
    "taken over from a child's case by a later one": [
        ("away", "shop"), ("erase", 2, True), ("row", "club", 2, 1), ("erase", 3, False),
    ],
    "hers by one number and another's by the next": [
        ("row", "club", 0, 1), ("row", "shop", 0, 1), ("erase", 3, False), ("decide", 1, "same"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("program", PLAIN.values(), ids=PLAIN)
def test_RIGHT_19_what_was_found_so_stays_mended(
    anew: Anew, tmp_path: Path, program: list[Step]
) -> None:
    """RIGHT-19: each failed once, shrunk as it stands there."""
    _survive(anew, tmp_path, program)
