"""The faults that MariaDB invites, planted in its store: the suite catches each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.stores.engines import fill_mariadb
from tests.stores.test_planted_faults import broken_laws

from kept.model.change import Change
from kept.model.plan import Counts, Obstacle
from kept.model.select import Select
from kept.stores.base import Store
from kept.stores.mariadb import MariaDBSession, MariaDBStore
from kept.stores.statements import Call
from kept.stores.suite import DATASETS, Rows, StoreSuite


class Faulty(MariaDBSession):
    """A real session with a twist in its statements or its doings."""

    #: the mode of the connection, where it is not Kept's own
    mode: str | None = None

    def twist(self, text: str) -> str:
        return text

    def _execute(
        self, dataset: str | None, text: str, params: Sequence[Any] = ()
    ) -> tuple[Sequence[Any], int]:
        if self.mode is not None:
            with self._connection.cursor() as cursor:
                cursor.execute("SET SESSION sql_mode = %s", (self.mode,))
        return super()._execute(dataset, self.twist(text), params)

    def _unbuffered(self, call: Call) -> Iterator[list[Any]]:
        return super()._unbuffered(replace(call, sql=self.twist(call.sql)))


FAULTS: dict[str, type[Faulty]] = {}


def fault(cls: type[Faulty]) -> type[Faulty]:
    FAULTS[cls.__name__] = cls
    return cls


@fault
class IgnoresCase(Faulty):
    def twist(self, text: str) -> str:
        return text.replace("COLLATE utf8mb4_nopad_bin", "COLLATE utf8mb4_general_nopad_ci")


@fault
class IgnoresBlanksAtTheEnd(Faulty):
    def twist(self, text: str) -> str:
        return text.replace("COLLATE utf8mb4_nopad_bin", "COLLATE utf8mb4_bin")


@fault
class FoldsEveryLetter(Faulty):
    def twist(self, text: str) -> str:
        return re.sub(
            r"lower\(CONVERT\(CAST\((.*?) AS BINARY\) USING tis620\)\)", r"lower(\1)", text
        )


@fault
class DoesNotFold(Faulty):
    def twist(self, text: str) -> str:
        return text.replace("lower(", "(")


@fault
class TrimsTheEndOnly(Faulty):
    def twist(self, text: str) -> str:
        return re.sub(r"regexp_replace\((.*?), _utf8mb4 x'[0-9a-f]+', ''\)", r"rtrim(\1)", text)


@fault
class NotOfANullIsUnknown(Faulty):
    def twist(self, text: str) -> str:
        return text.replace(" IS NOT true", " = false")


@fault
class MomentsOfWholeSeconds(Faulty):
    def twist(self, text: str) -> str:
        return text.replace("DATETIME(6)", "DATETIME")


@fault
class BeforeIncludesTheMoment(Faulty):
    def twist(self, text: str) -> str:
        return text.replace(" < CAST(", " <= CAST(")


@fault
class RowsOfTwoRoutesTwice(Faulty):
    def twist(self, text: str) -> str:
        return text.replace(" UNION ", " UNION ALL ").replace("SELECT DISTINCT", "SELECT")


@fault
class DeletesWithoutWhere(Faulty):
    def twist(self, text: str) -> str:
        return re.sub(r"^(DELETE .*?) \nWHERE (.*)$", r"\1 WHERE (\2) OR true", text, flags=re.S)


@fault
class ChangesOnlyTheFirstRow(Faulty):
    def twist(self, text: str) -> str:
        made = re.match(r"^DELETE `(\w+)` FROM `\w+` \n?WHERE (.*)$", text, re.S)
        return f"DELETE FROM `{made[1]}` WHERE {made[2]} LIMIT 1" if made else text


@fault
class CutsWhatIsTooLong(Faulty):
    """A mode in which a text in a number's place becomes 0 with no more than a warning."""

    mode = ""

    def _change(self, changes: Sequence[Any]) -> list[Counts]:
        return [replace(c, changed=c.found) for c in super()._change(changes)]


@fault
class SeesHalfOfTheNewRow(Faulty):
    """`SET a = …, b = a` from left to right, as MariaDB does where nobody forbids it."""

    mode = "STRICT_ALL_TABLES"

    def twist(self, text: str) -> str:
        return re.sub(
            r"^UPDATE (`\w+`), \(SELECT 1 AS one\) AS kept_one SET (.*?) WHERE "
            r"(.*) AND kept_one.one = 1$", self._plain, text, flags=re.S,
        )  # fmt: skip

    @staticmethod
    def _plain(made: re.Match[str]) -> str:
        first, *rest = re.split(r", (?=`\w+`\.`\w+`=)", made[2])
        sets = ", ".join([*reversed(rest), first])
        return f"UPDATE {made[1]} SET {sets} WHERE {made[3]}"


@fault
class ParametersInTheWrongOrder(Faulty):
    def _execute(
        self, dataset: str | None, text: str, params: Sequence[Any] = ()
    ) -> tuple[Sequence[Any], int]:
        return super()._execute(dataset, text, list(reversed(params)))


@fault
class CommitsWithEveryStatement(Faulty):
    def carry_out(self, changes: Sequence[Change]) -> list[Counts]:
        counts = super().carry_out(changes)
        self.commit()
        return counts


@fault
class RehearsalStays(Faulty):
    def _attempt(self, changes: Sequence[Change]) -> list[Obstacle]:
        self.carry_out(changes)
        return []


@fault
class LosesTheSnapshot(Faulty):
    def count(self, selects: Sequence[Select]) -> list[int]:
        counts = super().count(selects)
        if not self.write:
            self._abandon()
        return counts


@fault
class CountsWhatItFound(Faulty):
    def _change(self, changes: Sequence[Any]) -> list[Counts]:
        return [replace(c, changed=c.found) for c in super()._change(changes)]


@fault
class NumbersAsApproximations(Faulty):
    def twist(self, text: str) -> str:
        return text.replace("BIGINT", "FLOAT").replace("DECIMAL(65,30)", "FLOAT")


class FaultySuite(StoreSuite):
    constraints = frozenset(("unique", "not-null", "foreign-key"))

    def __init__(self, url: str, session: type[MariaDBSession]) -> None:
        self.url = url

        class FaultyStore(MariaDBStore):
            def session(self, *, write: bool = False) -> MariaDBSession:
                return session(self, self._take(write), write=write)

        self.kind = FaultyStore

    def make(self, rows: Rows) -> Store:
        fill_mariadb(self.url, rows)
        return self.open()

    def open(self) -> Store:
        return self.kind("faulty", DATASETS, self.url)


def test_the_same_session_without_a_fault_passes(maria_url: str) -> None:
    assert broken_laws(FaultySuite(maria_url, Faulty)) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_mariadb_is_caught(name: str, maria_url: str) -> None:
    assert broken_laws(FaultySuite(maria_url, FAULTS[name]))
