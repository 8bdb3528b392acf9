"""How rows spell a telephone number is asked of the stores that can be searched for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kept.controller import locate
from kept.datamap.map import DataMap, Dataset, Field, System
from kept.stores.memory import MemoryStore
from kept.terms.identifiers import parse

PERSON = Dataset(
    "person", ("id",),
    {
        "id": Field("id", "integer", nullable=False),
        "mail": Field("mail", category="contact.email", identifies="email", folded=True),
        "phone": Field("phone", category="contact.phone", identifies="phone"),
    },
)  # fmt: skip
MAP = DataMap({"crm": System("crm", datasets={"person": PERSON}, store="memory")})
ROWS = {
    "person": [
        {"id": 1, "mail": "ana@example.org", "phone": "+49 (30) 555 00 05"},
        {"id": 2, "mail": "ben@example.org", "phone": "0049-30-5550005"},
        {"id": 3, "mail": "cleo@example.org", "phone": "+49 30 5550006"},
        {"id": 4, "mail": "dora@example.org", "phone": "00493055 50005"},
    ]
}


class _Counted(MemoryStore):
    read = 0

    def session(self, *, write: bool = False):  # type: ignore[no-untyped-def]
        self.read += 1
        return super().session(write=write)


@pytest.fixture
def crm() -> _Counted:
    return _Counted("crm", (PERSON,), rows=ROWS)


def _found(crm: _Counted, said: str) -> tuple[set[object], locate.Located]:
    located = locate.locate(MAP, {"crm": crm}, {}, [[parse(said)]], {})
    tables = locate.keys({"crm": crm}, located)
    return {key for table in tables.values() for _, (key,) in table.rows}, located


def test_numbers_are_found_in_groups_of_their_own(crm: _Counted) -> None:
    found, located = _found(crm, "phone=+49305550005")
    assert found == {1, 2, 4}
    assert located.warnings == ()


def test_by_an_address_nothing_more_is_asked_than_before(crm: _Counted) -> None:
    found, _ = _found(crm, "email=ANA@example.org")
    assert found == {1}
    assert crm.read == 1


def test_where_rows_cannot_be_searched_that_is_said(crm: _Counted) -> None:
    crm.abilities = replace(crm.abilities, lacks=frozenset({("person", "search")}))
    found, located = _found(crm, "phone=+49305550005")
    assert found == set()
    (said,) = located.warnings
    assert said.startswith("`crm`: telephone numbers were looked for as +49…, 0049… and 49… only")
    assert "`person`" in said
