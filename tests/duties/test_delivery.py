"""A package behind a link: who gets it, how often, for how long, and what is left of it."""

from __future__ import annotations

import datetime as dt
import io
import os
import signal
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import Request, clock_checks, delivery
from kept.errors import Denied, UsageError, VaultError
from kept.records import answered
from kept.records.case import Case
from kept.records.delivery import CODES, TRIES
from kept.stores.tasks import Answered, Outcome
from kept.terms.identifiers import parse
from tests.world import NOW, make

DAY = dt.timedelta(days=1)
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture(scope="module")
def controller(
    tmp_path_factory: pytest.TempPathFactory, kept_module_url: str
) -> Iterator[Controller]:
    directory = make(tmp_path_factory.mktemp("deliveries") / "world", kept_module_url)
    with Controller.open(deployment.read(directory)) as opened:
        yield opened


def _package(controller: Controller, out: Path, **more: str) -> str:
    asked = Request(((parse("email=ben@example.org"),),), **(more or {"evidence": "a code"}))
    return rights.access(controller, asked, NOW, out=out).case


def _made(controller: Controller, tmp_path: Path, **more: int) -> tuple[delivery.Made, bytes]:
    out = tmp_path / "ben.zip"
    case = _package(controller, out)
    actor = controller.actors.of("Pia", "privacy-officer", NOW)
    return delivery.deliver(controller, case, out, actor, NOW, **more), out.read_bytes()


def _file(controller: Controller, made: delivery.Made) -> Path:
    one = controller.deliveries.by_token(made.token)
    assert one is not None
    return delivery.folder(controller) / one.file


def _fetch(controller: Controller, token: str, code: str, at: dt.datetime) -> bytes | None:
    got = delivery.fetch(controller, token, code, at)
    return None if got is None else b"".join(got[1])


def test_with_link_and_code_the_same_bytes_a_few_times(
    controller: Controller, tmp_path: Path
) -> None:
    made, packed = _made(controller, tmp_path, downloads=2)
    file = _file(controller, made)
    assert file.stat().st_mode & 0o777 == 0o600
    assert packed[:200] not in file.read_bytes()
    assert b"ben@example.org" not in file.read_bytes()
    for number in range(2):
        code = delivery.code_for(controller, made.case, NOW)
        assert (len(code), code.isdigit()) == (8, True)
        # As she may type it.
        assert _fetch(controller, made.token, f" {code[:4]} {code[4:]}", NOW) == packed
        assert file.exists() == (number == 0)
        assert _fetch(controller, made.token, code, NOW) is None  # a code opens once
    one = controller.deliveries.by_token(made.token)
    assert one is not None
    assert (one.outcome, one.fetched) == ("fetched", 2)
    assert delivery.found(controller, made.token, NOW) is None
    with pytest.raises(UsageError, match="no package"):
        delivery.code_for(controller, made.case, NOW)
    kinds = [e for _, e in controller.ledger.entries() if e.body.get("case") == made.case]
    told = [(e.kind, e.body.get("fetched"), e.body.get("outcome")) for e in kinds
            if e.kind.startswith("delivery.")]  # fmt: skip
    assert told == [
        ("delivery.made", None, None), ("delivery.fetched", 1, None),
        ("delivery.fetched", 2, None), ("delivery.ended", 2, "fetched"),
    ]  # fmt: skip
    with controller.database.connection() as c:
        row = c.execute("SELECT sealed, code FROM case_delivery WHERE delivery = %s", (one.id,))
        assert row.fetchone() == (None, None)
        kept = c.execute("SELECT string_agg(d::text, '') FROM case_delivery d").fetchone()
    assert kept is not None
    assert made.token not in str(kept[0])
    assert made.token not in str(kinds)


def test_nobody_else_gets_it(controller: Controller, tmp_path: Path) -> None:
    made, packed = _made(controller, tmp_path)
    # No code was made yet: none opens it.
    assert _fetch(controller, made.token, "", NOW) is None
    assert _fetch(controller, made.token, "00000000", NOW) is None
    code = delivery.code_for(controller, made.case, NOW)
    assert _fetch(controller, made.token + "x", code, NOW) is None
    assert _fetch(controller, made.token, code, NOW + 10 * MINUTE) is None  # too late
    fresh = delivery.code_for(controller, made.case, NOW)
    if fresh != code:
        assert _fetch(controller, made.token, code, NOW) is None  # not the one that counts
    wrong = "1" * 8 if fresh != "1" * 8 else "2" * 8
    for _ in range(TRIES):
        assert _fetch(controller, made.token, wrong, NOW) is None
    assert _fetch(controller, made.token, fresh, NOW) is None  # tried too often
    last = delivery.code_for(controller, made.case, NOW)
    assert _fetch(controller, made.token, last, NOW + 9 * MINUTE) == packed
    # A code of one delivery is none of another, and there is an end of codes.
    other, _ = (
        _made(controller, tmp_path / "x") if (tmp_path / "x").mkdir() is None else (made, b"")
    )
    theirs = delivery.code_for(controller, other.case, NOW)
    mine = delivery.code_for(controller, made.case, NOW)
    if theirs != mine:
        assert _fetch(controller, made.token, theirs, NOW) is None
    for _ in range(CODES - 4):
        delivery.code_for(controller, made.case, NOW)
    with pytest.raises(Denied, match="all the codes"):
        delivery.code_for(controller, made.case, NOW)


def test_it_ends_by_itself(controller: Controller, tmp_path: Path) -> None:
    made, _ = _made(controller, tmp_path, days=5)
    file = _file(controller, made)
    code = delivery.code_for(controller, made.case, NOW + 5 * DAY - MINUTE)
    delivery.sweep(controller, NOW + 5 * DAY - MINUTE)
    assert file.exists()
    assert _fetch(controller, made.token, code, NOW + 5 * DAY) is None
    assert delivery.sweep(controller, NOW + 5 * DAY) >= 1
    assert not file.exists()
    one = controller.deliveries.by_token(made.token)
    assert one is not None
    assert (one.outcome, one.ended_at) == ("expired", NOW + 5 * DAY)
    assert delivery.sweep(controller, NOW + 6 * DAY) == 0
    # Killed between the record and the file: the next sweep removes what is left.
    file.write_bytes(b"left behind")
    delivery.sweep(controller, NOW + 6 * DAY)
    assert not file.exists()


def test_a_file_that_is_lost_or_altered_is_not_handed_out(
    controller: Controller, tmp_path: Path
) -> None:
    made, _ = _made(controller, tmp_path)
    file = _file(controller, made)
    good = file.read_bytes()
    for bad in (good[:-1], bytes([good[0] ^ 1]) + good[1:], good + b"x" * 20):
        file.write_bytes(bad)
        got = delivery.fetch(controller, made.token, _code(controller, made), NOW)
        assert got is not None
        with pytest.raises(VaultError, match="altered"):
            b"".join(got[1])
    made, _ = _made(controller, tmp_path / "y") if (tmp_path / "y").mkdir() is None else (made, b"")
    _file(controller, made).unlink()
    assert _fetch(controller, made.token, _code(controller, made), NOW) is None
    one = controller.deliveries.by_token(made.token)
    assert one is not None
    assert one.outcome == "lost"


def _code(controller: Controller, made: delivery.Made) -> str:
    return delivery.code_for(controller, made.case, NOW)


def test_only_the_package_of_the_case_and_of_somebody_who_is_known(
    controller: Controller, tmp_path: Path
) -> None:
    actor = controller.actors.of("Pia", "privacy-officer", NOW)
    mine, hers = tmp_path / "mine.zip", tmp_path / "hers.zip"
    case, other = _package(controller, mine), _package(controller, hers)
    with pytest.raises(UsageError, match="not the package of case"):
        delivery.deliver(controller, case, hers, actor, NOW)
    with zipfile.ZipFile(tmp_path / "own.zip", "w") as made:
        made.writestr("manifest.json", "{}")
    for bad, words in ((tmp_path / "own.zip", "not the package"), (tmp_path, "can be read"),
                       (Path(__file__), "can be read")):  # fmt: skip
        with pytest.raises(UsageError, match=words):
            delivery.deliver(controller, other, bad, actor, NOW)
    for days, downloads in ((0, 1), (46, 1), (5, 0), (5, 11)):
        with pytest.raises(UsageError, match="waits for a while"):
            delivery.deliver(controller, case, mine, actor, NOW, days=days, downloads=downloads)
    asked = Request(((parse("email=ben@example.org"),),))
    unknown = rights.preview(controller, asked, NOW).case
    with pytest.raises(UsageError, match="has no package"):
        delivery.deliver(controller, unknown, mine, actor, NOW)
    assert not [p for p in delivery.folder(controller).iterdir() if p.stat().st_size == 0]


def test_the_code_is_sent_by_whatever_is_plugged_in(controller: Controller, tmp_path: Path) -> None:
    made, packed = _made(controller, tmp_path)
    one = delivery.found(controller, made.token, NOW)
    assert one is not None
    sent: list[tuple[str, str, dt.datetime]] = []

    def send(case: Case, code: str, until: dt.datetime) -> bool:
        sent.append((case.id, code, until))
        return True

    assert delivery.fresh_code(controller, one, NOW, send) == sent[0][1]
    assert sent[0][0] == made.case
    assert sent[0][2] == NOW + 10 * MINUTE
    assert delivery.fresh_code(controller, one, NOW, lambda *_: False) is None
    assert delivery.fresh_code(controller, one, NOW, send) == sent[1][1]
    assert _fetch(controller, made.token, sent[1][1], NOW) == packed


def test_a_childs_case_that_forgets_her_ends_her_package(kept_url: str, tmp_path: Path) -> None:
    directory = make(tmp_path / "child", kept_url)
    with Controller.open(deployment.read(directory)) as opened:
        made, _ = _made(opened, tmp_path)
        file = _file(opened, made)
        asked = Request(((parse("email=ben@example.org"),),), override="x", ground="child")
        case = rights.erase(opened, asked, NOW).case
        opened.deliver(NOW)
        for task in opened.tasks():
            answer = Answered(Outcome.DONE, "Jo", NOW, "their letter")
            rights.recipients.record(opened, task.id, answer, "operator")
        assert rights.erase(opened, Request((), case=case), NOW).complete
        assert not file.exists()
        assert delivery.found(opened, made.token, NOW) is None
        (ended,) = [e.body for _, e in opened.ledger.entries(kind="delivery.ended")]
        assert ended["outcome"] == "withdrawn"


@pytest.mark.parametrize("size", [0, 1, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, 3 << 16])
def test_what_is_sealed_opens_to_the_same(size: int, tmp_path: Path) -> None:
    plain = bytes(n % 251 for n in range(size))
    assert delivery.seal(io.BytesIO(plain), tmp_path / "f", b"k" * 32) == size
    assert b"".join(delivery.opened((tmp_path / "f").open("rb"), b"k" * 32)) == plain
    stored = (tmp_path / "f").read_bytes()
    # A chunk left out, two changed for each other, cut at a chunk: each is noticed.
    cut = (1 << 16) + 16
    bad = [stored[:cut], stored[cut : 2 * cut] + stored[:cut] + stored[2 * cut :], stored[cut:]]
    for other in (b for b in bad if b != stored):
        with pytest.raises(VaultError):
            b"".join(delivery.opened(io.BytesIO(other), b"k" * 32))


def test_a_large_package_passes_in_little_memory(tmp_path: Path) -> None:
    """64 MB through both ways, in less than 4 MB of Python's memory."""
    large = tmp_path / "large"
    with large.open("wb") as file:
        for _ in range(64):
            file.write(b"0123456789abcdef" * 65536)
    tracemalloc.start()
    with large.open("rb") as source:
        delivery.seal(source, tmp_path / "sealed", b"k" * 32)
    total = sum(len(c) for c in delivery.opened((tmp_path / "sealed").open("rb"), b"k" * 32))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 64 << 20
    assert peak < 4 << 20


def test_a_connection_that_breaks_at_the_desk_loses_nothing(
    controller: Controller, tmp_path: Path
) -> None:
    out = tmp_path / "ben.zip"
    case = controller.cases.get(_package(controller, out))
    packed, actor = out.read_bytes(), controller.actors.of("Pia", "privacy-officer", NOW)
    delivery.keep(controller, case.id, out, actor, NOW)
    out.unlink()
    got = delivery.hand(controller, case, NOW)
    assert got is not None
    next(got[1])
    got[1].close()  # type: ignore[attr-defined]  # the browser is gone
    for _ in range(2):
        got = delivery.hand(controller, case, NOW)
        assert got is not None
        assert b"".join(got[1]) == packed
    assert delivery.hand(controller, case, NOW) is None
    assert not (delivery.folder(controller) / got[0].file).exists()


def test_what_the_staff_fetch_from_the_desk_she_has_not_got(
    controller: Controller, tmp_path: Path
) -> None:
    out = tmp_path / "ben.zip"
    case = controller.cases.get(_package(controller, out))
    actor = controller.actors.of("Pia", "privacy-officer", NOW)
    delivery.keep(controller, case.id, out, actor, NOW)
    got = delivery.hand(controller, case, NOW)
    assert got is not None
    b"".join(got[1])

    def had() -> tuple[bool, bool]:
        by_records = answered.days(controller.database, [case.number], NOW, "UTC")
        assert case.done_at is not None
        by_ledger = clock_checks._reached(controller, NOW, {case.id: case.done_at}, ())
        return case.number in by_records, case.id in by_ledger

    assert had() == (False, False)
    made = delivery.deliver(controller, case.id, out, actor, NOW)
    assert _fetch(controller, made.token, _code(controller, made), NOW) is not None
    assert had() == (True, True)


def test_what_is_left_behind_goes_by_the_time_that_is_given(controller: Controller) -> None:
    there = delivery.folder(controller)
    old, young = there / "old.sealed", there / "young.sealed"
    for file, age in ((old, 61 * MINUTE), (young, 59 * MINUTE)):
        file.write_bytes(b"left behind")
        os.utime(file, ((NOW - age).timestamp(),) * 2)
    delivery.sweep(controller, NOW)
    assert (old.exists(), young.exists()) == (False, True)
    delivery.sweep(controller, NOW + 2 * MINUTE)
    assert not young.exists()


def test_what_is_being_packed_by_whoever_is_killed_goes_by_itself(controller: Controller) -> None:
    """It is not encrypted yet. What somebody is still at stays, however long it takes him."""

    def packing(then: Callable[[], object]) -> None:
        with delivery.aside(controller) as folder:
            (folder / "package.zip").write_bytes(b"all of hers")
            os.utime(folder, ((NOW - 59 * MINUTE).timestamp(),) * 2)
            then()

    def there() -> int:
        return len(list(controller.reach.directory.glob("*/package.zip")))

    def swept(at: dt.datetime) -> int:
        delivery.sweep(controller, at)
        return there()

    if (child := os.fork()) == 0:
        packing(lambda: os.kill(os.getpid(), signal.SIGKILL))
    os.waitpid(child, 0)
    assert [there(), swept(NOW), swept(NOW + 2 * MINUTE)] == [1, 1, 0]
    met: list[int] = []
    packing(lambda: met.append(swept(NOW + 2 * MINUTE)))
    assert [*met, there()] == [1, 0]


def test_an_erasure_ends_what_still_waits_for_the_same_person(
    controller: Controller, tmp_path: Path
) -> None:
    made, _ = _made(controller, tmp_path)
    asked = Request(((parse("email=ben@example.org"),),), evidence="a code")
    seen = rights.preview(controller, asked, NOW)
    assert any("waits to be fetched until" in words for words in seen.warnings)
    file, code = _file(controller, made), delivery.code_for(controller, made.case, NOW)
    rights.erase(controller, Request((), case=seen.case), NOW)
    one = controller.deliveries.by_token(made.token)
    assert one is not None
    assert (one.outcome, file.exists()) == ("withdrawn", False)
    assert _fetch(controller, made.token, code, NOW) is None
    ended = [e.body for _, e in controller.ledger.entries(kind="delivery.ended")]
    assert (ended[-1]["case"], ended[-1]["outcome"]) == (made.case, "withdrawn")
    assert not controller.deliveries.waiting_for([parse("email=ben@example.org")])
