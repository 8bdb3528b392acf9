"""Who else stands in a person's rows: rules of the map, and what has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from kept.datamap.load import load, read
from kept.datamap.others import Rule, rules, staff, unsaid
from kept.errors import MapError

MAP = """
system: shop
datasets:
  clerk:
    key: [id]
    retention: contact
    erase: overwrite
    fields: {id: integer, name: {category: contact.name, overwrite: erased}}
  customer:
    key: [id]
    retention: contact
    fields:
      id: {type: integer, category: identifier.account, identifies: account}
      email: {category: contact.email, identifies: email}
      rep: integer
    links: [{fields: [rep], to: clerk, kind: accessed-by}]
  letter:
    key: [id]
    retention: messages
    erase: overwrite
    fields:
      id: integer
      writer: {type: integer, category: identifier.account}
      reader: {type: integer, category: identifier.account}
      seen_by: {OTHERS}
      guestName: {category: contact.name}
      "from": {category: contact.email, identifies: email}
      to: {category: contact.email, identifies: email}
    links:
      - {fields: [writer], to: customer, kind: shared}
      - {fields: [reader], to: customer, kind: shared}
  bill:
    key: [id]
    retention: messages
    fields: {id: integer, customer: {type: integer, category: identifier.account}}
    links: [{fields: [customer], to: customer, kind: owned-by}]
"""


def _file(path: Path, others: str = "others: staff") -> dict[str, Path]:
    (path / "shop.yml").write_text(MAP.replace("{OTHERS}", f"{{{others}}}"), "utf-8")
    return {"shop": path / "shop.yml"}


def test_what_leads_to_things_names_nobody(tmp_path: Path) -> None:
    """A number of a track is no member of staff, whatever the link to it is called."""
    things = """  line:
    key: [id]
    retention: messages
    fields: {id: integer, bill: {type: integer, category: identifier.account}, track: integer}
    links:
      - {fields: [bill], to: bill, kind: owned-by}
      - {fields: [track], to: track, kind: accessed-by}
  track:
    key: [id]
    fields: {id: integer, album: integer}
    links: [{fields: [album], to: album, kind: accessed-by}]
  album: {key: [id], fields: {id: integer}}
"""
    file = tmp_path / "shop.yml"
    for staff_, met in (("", ()), (", others: staff", (Rule(("track",), "staff", None),))):
        said = things.replace("track: integer}", f"track: {{type: integer{staff_}}}}}")
        file.write_text(MAP.replace("{OTHERS}", "{others: staff}") + said, "utf-8")
        assert rules(load({"shop": file}), ("shop", "line")) == met


def test_links_and_fields_say_who_else_is_there(tmp_path: Path) -> None:
    datamap = load(_file(tmp_path))
    customer, clerk = ("shop", "customer"), ("shop", "clerk")
    assert rules(datamap, customer) == (Rule(("rep",), "staff", None, clerk, ("id",)),)
    assert rules(datamap, ("shop", "letter")) == (
        Rule(("writer",), "person", None, customer, ("id",)),
        Rule(("reader",), "person", None, customer, ("id",)),
        Rule(("seen_by",), "staff"),
    )
    assert rules(datamap, ("shop", "bill")) == ()
    assert staff(datamap) == {clerk: (("id",),)}


def test_what_looks_like_it_and_has_no_rule_is_named(tmp_path: Path) -> None:
    def looks(others: str) -> dict[str, str]:
        return dict(unsaid(load(_file(tmp_path, others)), ("shop", "letter")))

    named = looks("others: staff")
    assert set(named) == {"guestName", "from", "to"}
    assert "speaks of somebody else" in named["guestName"]
    assert set(looks("type: text")) == {*named, "seen_by"}
    assert set(looks("others: no")) == set(named)
    datamap = load(_file(tmp_path))
    assert not list(unsaid(datamap, ("shop", "customer")))
    assert not list(unsaid(datamap, ("shop", "bill")))


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("others: staff", "others: somebody", "`others: somebody` is not known"),
        ("fields: {id: integer, customer: {", "fields: {id: integer, customer: {others: person, ",
         "`customer` says whose the row is"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_is_refused_where_it_stands(
    before: str, after: str, what: str, tmp_path: Path
) -> None:
    files = _file(tmp_path)
    text = files["shop"].read_text("utf-8")
    assert before in text
    files["shop"].write_text(text.replace(before, after), "utf-8")
    line = 1 + text[: text.index(before)].count("\n")
    _, problems = read(files)
    (problem,) = problems
    assert problem.where == f"{files['shop']}:{line}"
    assert what in problem.what
    with pytest.raises(MapError):
        load(files)
