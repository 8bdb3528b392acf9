"""The string of the Global Privacy Platform, both ways and for every section.

`gpp_vectors.json` holds what the reference implementation (npm @iabgpp/cmpapi 3.2.0) wrote for
values of every section; `KEPT_IABGPP=DIR pytest …`, DIR with that package, asks it again, and with
other values.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.errors import UsageError
from kept.model import gpp
from kept.model.gpp import SECTIONS

KNOWN = "DBABLA~CVQVAAAAAACA.YA"
PEER = os.environ.get("KEPT_IABGPP")
VECTORS = Path(__file__).with_name("gpp_vectors.json")


@st.composite
def said(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    names = draw(st.lists(st.sampled_from(sorted(SECTIONS)), min_size=1, max_size=5, unique=True))
    return {name: _drawn(name, lambda most: draw(st.integers(0, most))) for name in names}


def _drawn(name: str, number: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, count in SECTIONS[name].fields:
        if field == "MspaCoveredTransaction":
            found[field] = 1 + number(1)
        else:
            values = tuple(number(2) for _ in range(count))
            found[field] = values if count > 1 else values[0]
    if SECTIONS[name].gpc:
        found["Gpc"] = number(1)
    return found


def test_the_known_string() -> None:
    assert gpp.opted(True, gpc=True) == KNOWN
    read = gpp.decode(KNOWN)["usnat"]
    assert (read["SaleOptOut"], read["SharingOptOut"], read["TargetedAdvertisingOptOut"]) == (
        1,
        1,
        1,
    )
    assert (read["MspaCoveredTransaction"], read["Gpc"]) == (2, 1)


@pytest.mark.parametrize("state", [None, "CA", "va", "CO", "ZZ", "UT"])
@pytest.mark.parametrize("out", [True, False])
@pytest.mark.parametrize("gpc", [True, False])
def test_an_opt_out_is_one_in_every_section(state: str | None, out: bool, gpc: bool) -> None:
    read = gpp.decode(gpp.opted(out, gpc=gpc, state=state))
    assert "usnat" in read
    assert len(read) == (1 if state in (None, "ZZ") else 2)
    for name, fields in read.items():
        met = {v for k, v in fields.items() if k.endswith("OptOut")}
        assert met == {1 if out else 2}, name
        assert fields.get("Gpc", int(gpc)) == int(gpc)


@given(said())
def test_what_is_written_is_read(values: dict[str, dict[str, Any]]) -> None:
    assert gpp.decode(gpp.encode(values)) == values


@given(st.text(max_size=60) | st.from_regex(r"DB[A-Za-z0-9_~.-]{0,60}", fullmatch=True))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read = gpp.decode(text)
    except UsageError:
        return
    assert set(read) <= set(SECTIONS)


def test_the_reference_implementation_writes_the_same() -> None:
    vectors = json.loads(VECTORS.read_text("utf-8"))
    assert {name for one in vectors for name in one["values"]} == set(SECTIONS)
    for one in vectors:
        values = _plain(one["values"])
        assert gpp.decode(one["text"]) == values
        # Bits that theirs has besides (a part about sensitive data) ours leaves out.
        assert gpp.decode(gpp.encode(values)) == values
        if all(SECTIONS[name].gpc or "." not in one["text"] for name in values):
            assert gpp.encode(values) == one["text"]
    if PEER is not None:
        asked_again(random.Random())


def _plain(said: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        name: {f: tuple(v) if isinstance(v, list) else v for f, v in fields.items()}
        for name, fields in said.items()
    }


def asked_again(chance: random.Random, times: int = 12) -> list[dict[str, Any]]:
    """Ask the reference implementation to read and to write; what it wrote."""
    rounds = [
        {name: _drawn(name, lambda most: chance.randint(0, most))}
        for name in SECTIONS
        for _ in range(times)
    ]
    rounds.append({n: _drawn(n, lambda most: chance.randint(0, most)) for n in SECTIONS})
    lines = []
    for values in rounds:
        lines.append(json.dumps({"read": gpp.encode(values)}))
        theirs = {
            name: {f: (bool(v) if f == "Gpc" else v) for f, v in fields.items()}
            for name, fields in values.items()
        }
        lines.append(json.dumps({"write": theirs}))
    done = subprocess.run(
        ["node", str(Path(__file__).with_name("gpp_peer.cjs")), str(PEER)],
        input="\n".join(lines) + "\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == 2 * len(rounds)
    for values, read, written in zip(rounds, answers[::2], answers[1::2], strict=True):
        assert gpp.decode(written) == values
        for name, fields in values.items():
            for field, value in fields.items():
                met = read[name][field]
                assert (tuple(met) if isinstance(met, list) else met) == value, (name, field)
    return [
        {"values": values, "text": written}
        for values, written in zip(rounds, answers[1::2], strict=True)
    ]
