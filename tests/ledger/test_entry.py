"""Entries: one spelling, a closed schema, and agreement with RFC 8785."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from kept.errors import LedgerError
from kept.ledger.entry import KINDS, SHAPES, Entry, decode, encode, kind_of, moment, name

NAMES = st.from_regex(re.compile(r"[A-Za-z0-9_%][A-Za-z0-9._:/+%~-]{0,127}", re.A), fullmatch=True)
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
CLAUSES = st.from_regex(re.compile(r"[A-Z][A-Z0-9]{0,15}(-[A-Z0-9]{1,15}){1,3}"), fullmatch=True)
COUNTS = st.integers(0, 10**15 - 1)
MOMENTS = st.datetimes(dt.datetime.fromisoformat("1000-01-02"), timezones=st.just(dt.UTC))
FINDINGS = st.fixed_dictionaries(
    {"what": NAMES, "count": COUNTS},
    optional={"clause": CLAUSES, "digest": HEX, "fix": NAMES, "where": NAMES},
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "pseudonym": HEX.map(lambda h: h[:32]),
    "pseudonyms": st.lists(HEX.map(lambda h: h[:32]), max_size=4),
    "sha256": HEX,
    "sha256s": st.lists(HEX, max_size=4),
    "count": COUNTS,
    "flag": st.booleans(),
    "name": NAMES,
    "names": st.lists(NAMES, max_size=4),
    "clause": CLAUSES,
    "clauses": st.lists(CLAUSES, max_size=4),
    "moment": MOMENTS.map(moment),
    "date": st.dates(dt.date(1000, 1, 1)).map(dt.date.isoformat),
    "mode": st.sampled_from(["observe", "assisted", "act"]),
    "outcome": st.sampled_from(["pass", "fail", "vacuous", "error", "expired"]),
    "findings": st.lists(FINDINGS, max_size=3),
}


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    must = {key: VALUES[shape] for key, (shape, required) in kind.keys.items() if required}
    may = {key: VALUES[shape] for key, (shape, required) in kind.keys.items() if not required}
    body = draw(st.fixed_dictionaries(must, optional=may))
    keys = draw(st.permutations(list(body)))
    return Entry(kind.name, draw(MOMENTS), {key: body[key] for key in keys})


def test_every_shape_has_values_here() -> None:
    assert VALUES.keys() == SHAPES.keys()


def test_numbers_of_kinds_are_unique_and_fit_the_column() -> None:
    numbers = [kind.number for kind in KINDS.values()]
    assert len(set(numbers)) == len(numbers)
    assert all(0 < number < 2**15 for number in numbers)


@given(entries())
def test_the_form_is_rfc_8785_and_decoding_gives_the_entry_back(entry: Entry) -> None:
    kind, leaf = encode(entry)
    plain = {"at": moment(entry.at), "body": entry.body, "kind": entry.kind, "v": 1}
    assert leaf == rfc8785.dumps(plain)
    assert kind_of(leaf) is kind
    back = decode(leaf)
    assert back == (entry.kind, entry.at.replace(microsecond=entry.at.microsecond // 1000 * 1000),
                    entry.body)  # fmt: skip
    assert encode(back)[1] == leaf


@given(entries(), st.data())
def test_a_changed_byte_is_refused_or_is_another_entry_in_its_one_spelling(
    entry: Entry, data: st.DataObject
) -> None:
    leaf = encode(entry)[1]
    at = data.draw(st.integers(0, len(leaf) - 1))
    other = leaf[:at] + bytes([leaf[at] ^ data.draw(st.integers(1, 255))]) + leaf[at + 1 :]
    try:
        changed = decode(other)
    except LedgerError:
        return
    assert encode(changed)[1] == other
    plain = {"at": moment(changed.at), "body": changed.body, "kind": changed.kind, "v": 1}
    assert rfc8785.dumps(plain) == other


NOW = dt.datetime(2026, 11, 23, 20, 16, 14, 123_456, tzinfo=dt.UTC)
GOOD = encode(Entry("consent.given", NOW, {"purpose": "marketing.email", "epoch": 3}))[1]


def test_the_good_one_is_good() -> None:
    assert GOOD == (
        b'{"at":"2026-11-23T20:16:14.123Z","body":{"epoch":3,"purpose":"marketing.email"},'
        b'"kind":"consent.given","v":1}'
    )
    assert decode(GOOD).body == {"purpose": "marketing.email", "epoch": 3}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"epoch":3', b'"epoch":3.0'),
        (b'"epoch":3', b'"epoch":3e0'),
        (b'"epoch":3', b'"epoch":-3'),
        (b'"epoch":3', b'"epoch":03'),
        (b'"epoch":3', b'"epoch":true'),
        (b'"epoch":3', b'"epoch":null'),
        (b'"epoch":3', b'"epoch":"3"'),
        (b'"epoch":3', b'"epoch":9999999999999999'),
        (b'"epoch":3', b'"epoch":3,"epoch":3'),
        (b'"epoch":3,"purpose":"marketing.email"', b'"purpose":"marketing.email","epoch":3'),
        (b'"epoch":3', b'"epoch": 3'),
        (b'"epoch":3', b'"epoch":3,"extra":1'),
        (b'"epoch":3,', b""),  # still whole: a control that this list can pass
        (b'"purpose":"marketing.email"', b'"purpose":"ana@x.de"'),
        (b'"purpose":"marketing.email"', b'"purpose":"Ana Maria"'),
        (b'"purpose":"marketing.email"', b'"purpose":"\\u006darketing"'),
        (b'"purpose":"marketing.email"', b'"purpose":""'),
        (b',"purpose":"marketing.email"', b""),
        (b"2026-11-23", b"2026-02-30"),
        (b".123Z", b".123456Z"),
        (b".123Z", b"Z"),
        (b'"v":1', b'"v":2'),
        (b'"v":1', b'"v":1,"w":1'),
        (b"consent.given", b"consent.taken"),
        (b'"v":1}', b'"v":1}\n'),
        (b'{"at"', b' {"at"'),
    ],
)
def test_lax_spellings_are_refused(old: bytes, new: bytes) -> None:
    assert GOOD.count(old) == 1
    leaf = GOOD.replace(old, new)
    if new == b"" and old.startswith(b'"epoch"'):
        assert decode(leaf).body == {"purpose": "marketing.email"}
        return
    assert kind_of(leaf) is None
    with pytest.raises(LedgerError):
        decode(leaf)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"purpose": 1},
        {"purpose": "x", "epoch": 1.0},
        {"purpose": "x", "epoch": float("nan")},
        {"purpose": "x", "epoch": -1},
        {"purpose": "x", "epoch": True},
        {"purpose": "x", "epoch": None},
        {"purpose": "x", "who": "y"},
        {"purpose": "x", 7: "y"},
        {"purpose": "secret person"},
        {"purpose": "x", "clauses": ["ret-1"]},
        {"purpose": "x", "clauses": ["RET-1"] * 257},
        {"purpose": object()},
        {"purpose": "x", "subject": "ab"},
    ],
)
def test_what_has_no_shape_is_refused_and_not_repeated(body: Any) -> None:
    with pytest.raises(LedgerError) as caught:
        encode(Entry("consent.given", NOW, body))
    assert "secret" not in str(caught.value)


def test_an_entry_longer_than_the_bundle_can_say_is_refused() -> None:
    findings = [{"count": 1, "what": "x" * 128, "where": "y" * 128}] * 256
    body = {"control": "c", "code": "0" * 64, "outcome": "fail", "looked_at": 1,
            "findings": findings}  # fmt: skip
    with pytest.raises(LedgerError, match="65535"):
        encode(Entry("control.ran", NOW, body))


def test_unknown_kinds_and_naive_moments_are_refused() -> None:
    with pytest.raises(LedgerError, match="kind"):
        encode(Entry("nothing.known", NOW, {}))
    with pytest.raises(LedgerError, match="year"):
        encode(Entry("epoch.opened", NOW.replace(year=999), {"epoch": 1}))
    with pytest.raises(LedgerError, match="zone"):
        encode(Entry("epoch.opened", NOW.replace(tzinfo=None), {"epoch": 1}))


@given(st.text(min_size=1, max_size=12))
def test_any_technical_name_can_be_carried(text: str) -> None:
    body = {"control": "c", "code": "0" * 64, "outcome": "pass", "looked_at": 1, "findings": []}
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    encode(Entry("control.ran", NOW, {**body, "policy": name(text)}))


def test_dates_are_those_of_the_calendar() -> None:
    shape = re.compile(SHAPES["date"][0])
    for year in (1000, 1900, 2000, 2024, 2026, 2100, 2400):
        for month in range(14):
            for day in range(33):
                try:
                    real = dt.date(year, month, day) is not None
                except ValueError:
                    real = False
                assert bool(shape.fullmatch(f'"{year}-{month:02d}-{day:02d}"')) is real
