"""Releases to partners: only to those who were named, once, and recorded person by person."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from kept import deployment
from kept.controller import Controller
from kept.duties import release, rights
from kept.duties.rights import Request
from kept.errors import ConfigError, Denied, UsageError
from kept.terms.identifiers import parse
from tests import forms, huts, releasing
from tests.networks import SECRET, Network, network
from tests.releasing import ran, release_of
from tests.world import NOW, edit, make, sql


@pytest.fixture
def partner() -> Iterator[Network]:
    with network() as one:
        yield one


@pytest.fixture
def world(tmp_path: Path, kept_url: str, partner: Network) -> Path:
    place = make(tmp_path / "w", kept_url)
    return releasing.shop(place, release_of("ww", "windowworks", partner.url),
                          release_of("dl", "deskline", partner.url))  # fmt: skip


@contextlib.contextmanager
def opened(world: Path) -> Iterator[Controller]:
    with Controller.open(deployment.read(world)) as controller:
        yield controller


def register(controller: Controller, *names: str) -> None:
    for name in names:
        answer = forms.sent(controller, "webinar", email=f"{name}@example.org", name=name)
        assert answer.taken, answer


def test_only_the_named_partner_gets_them(world: Path, partner: Network) -> None:
    # Deskline comes later: it stands on another form until then.
    edit(world / "kept.toml", 'lane = "co-marketing"\npolicy = "https://deskline',
         'forms = ["contact"]\nlane = "co-marketing"\npolicy = "https://deskline')  # fmt: skip
    with opened(world) as controller:
        register(controller, "ana", "ben")
    edit(world / "kept.toml", 'forms = ["contact"]\n', "")
    with opened(world) as controller:
        register(controller, "cleo")
        planned = release.plan(controller, "dl", NOW)
        assert (planned.new, dict(planned.left)) == (1, {"not-named": 2})
        assert partner.asked == []
        one, two = ran(controller, "ww"), ran(controller, "dl")
        assert (one.sent, one.confirmed, dict(one.left)) == (3, 3, {})
        assert (two.sent, two.confirmed, dict(two.left)) == (1, 1, {"not-named": 2})
        assert [s["name"] for s in partner.at("ww")] == ["ana", "ben", "cleo"]
        assert partner.at("dl") == [{"mail": "cleo@example.org", "name": "cleo"}]
        ana = controller.passed.of([parse("email=ana@example.org")])
        assert [(p.recipient, p.ground) for p in ana] == [("windowworks", "consent")]
        made = [e.body for _, e in controller.ledger.entries(kind="release.made")]
        assert len(made) == 4
        assert all("subject" in body for body in made)
        # Another run sends nothing.
        assert ran(controller, "ww").there == 3
        assert partner.times("PUT", "ww") == 3


def test_who_may_not_go_is_a_count_with_a_reason(world: Path, partner: Network) -> None:
    with opened(world) as controller:
        register(controller, "ana", "ben", "cleo", "dan")
        who = [
            controller.subjects.of([parse(f"email={n}@example.org")], NOW) for n in ("ana", "ben")
        ]
        controller.consents.withdraw(who[0], "marketing.co-marketing", NOW, source="test")
        controller.consents.record(who[1], [("child", True)], NOW, source="test")
        rights.erase(controller, Request(((parse("email=cleo@example.org"),),), override="t"), NOW)
        # A row that some program wrote, and of which nobody knows what was shown.
        sql(world, "INSERT INTO registration VALUES (99, 'dan@example.org', 'D', '', '', 'consent',"
                   " 'co-marketing', 'unknown', '2026-01-01 00:00:00')")  # fmt: skip
        planned = release.plan(controller, "ww", NOW)
        assert planned.new == 1
        assert dict(planned.left) == {"withdrawn": 1, "child": 1, "not-shown": 1}
        assert ran(controller, "ww").sent == 1
        assert [s["name"] for s in partner.at("ww")] == ["dan"]
        (entry,) = [e.body for _, e in controller.ledger.entries(kind="release.ran")]
        assert entry["left"] == 3
        assert {r["what"]: r["count"] for r in entry["reasons"]} == dict(planned.left)


def test_nothing_goes_without_an_agreement(world: Path, partner: Network) -> None:
    edit(world / "kept.toml", '[documents."agreement:windowworks"]', '[documents."agreement:else"]')
    with opened(world) as controller:
        register(controller, "ana")
        with pytest.raises(Denied, match=r"no agreement in force.*\[documents\."):
            ran(controller, "ww")
        assert not partner.asked
        assert not release.plan(controller, "ww", NOW).agreed
        assert release.plan(controller, "dl", NOW).agreed
        with pytest.raises(UsageError, match="no such release"):
            ran(controller, "nothing")


def test_what_was_put_right_goes_again_and_is_recorded_again(world: Path, partner: Network) -> None:
    with opened(world) as controller:
        register(controller, "ana")
        ran(controller, "ww")
        sql(world, "UPDATE registration SET name = 'Ana Lua'")
        assert (ran(controller, "ww").again, partner.at("ww")[0]["name"]) == (1, "Ana Lua")
        assert len(controller.passed.of([parse("email=ana@example.org")])) == 2


@pytest.mark.parametrize("at", [1, 3])
def test_killed_anywhere_it_goes_on_and_sends_nobody_twice(
    world: Path, partner: Network, at: int
) -> None:
    names = ("ana", "ben", "cleo", "dan")
    with opened(world) as controller:
        register(controller, *names)
    running = subprocess.Popen(
        [sys.executable, "-m", "kept.app", "release", "run", "ww", "--dir", str(world), "--now",
         NOW.isoformat()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    met: list[str] = []

    def kill(method: str, path: str) -> None:
        met.append(path)
        if len(met) == at:
            os.kill(running.pid, signal.SIGKILL)
            running.wait(10)

    partner.on = kill
    assert running.wait(60) == -signal.SIGKILL
    partner.on = None
    with opened(world) as controller:
        done = ran(controller, "ww")
        assert done.complete
        assert sorted(s["name"] for s in partner.at("ww")) == sorted(names)
        assert len(partner.held) == len(names)
        for name in names:
            assert len(controller.passed.of([parse(f"email={name}@example.org")])) == 1
        made = [e for _, e in controller.ledger.entries(kind="release.made")]
        assert len(made) == len(names)
        assert ran(controller, "ww").sent == 0


def test_what_the_partner_does_not_confirm_is_asked_again(world: Path, partner: Network) -> None:
    with opened(world) as controller:
        register(controller, "ana", "ben")
        partner.later.add("PUT")
        done = ran(controller, "ww")
        assert (done.sent, done.confirmed, done.complete) == (2, 0, False)
        assert [s.confirmed for s in controller.members.standing()] == [0]
        partner.later.clear()
        partner.answers["PUT"] = 403
        assert ran(controller, "ww").refused == 2
        partner.answers["PUT"] = 503
        done = ran(controller, "ww")
        assert done.stopped
        assert "example.org" not in done.stopped
        partner.answers.clear()
        done = ran(controller, "ww")
        assert (done.again, done.confirmed) == (2, 2)
        assert len(controller.passed.of([parse("email=ana@example.org")])) == 1


def told(world: Path, name: str) -> None:
    """She agrees to advertising that is picked for her, and is a reader."""
    with opened(world) as controller:
        who = controller.subjects.of([parse(f"email={name}@example.org")], NOW)
        controller.consents.grant(who, releasing.PURPOSE, NOW, source="test")
    sql(
        world, "INSERT INTO reader (email, since, basis) VALUES (?, '2026-01-01 00:00:00', ?)",
        f"{name}@example.org", "consent",
    )  # fmt: skip


@pytest.fixture
def adverts(tmp_path: Path, kept_url: str, partner: Network) -> Path:
    place = releasing.audiences(make(tmp_path / "a", kept_url), partner.url)
    for name in ("ana", "ben", "cleo"):
        told(place, name)
    return place


THREE = ("spring", "autumn", "managers")


def _objects(controller: Controller) -> None:
    rights.object_to(
        controller, Request(((parse("email=cleo@example.org"),),), override="t"),
        ["advertising"], NOW,
    )  # fmt: skip


def _is_erased(controller: Controller) -> None:
    rights.erase(controller, Request(((parse("email=cleo@example.org"),),), override="t"), NOW)


def _may_be_a_child(controller: Controller) -> None:
    who = controller.subjects.of([parse("email=cleo@example.org")], NOW)
    controller.consents.record(who, [("child", True)], NOW, source="test")


def _withdraws(controller: Controller) -> None:
    who = controller.subjects.of([parse("email=cleo@example.org")], NOW)
    controller.consents.withdraw(who, releasing.PURPOSE, NOW, source="test")


@pytest.mark.parametrize("says", [_objects, _is_erased, _may_be_a_child, _withdraws])
def test_who_says_no_is_taken_out_of_every_audience_and_stays_out(
    adverts: Path, partner: Network, says: Callable[[Controller], None]
) -> None:
    with opened(adverts) as controller:
        for name in THREE:
            assert ran(controller, name).confirmed == 3
        assert release.recall(controller, lambda: NOW).asked == 0
        says(controller)
        done = release.recall(controller, lambda: NOW)
        assert (done.asked, done.confirmed, done.complete) == (3, 3, True)
        assert partner.times("DELETE") == 3
        for name in THREE:
            assert {s["email"] for s in partner.at(name)} == {"ana@example.org", "ben@example.org"}
        asked = [e.body for _, e in controller.ledger.entries(kind="removal.asked")]
        gone = [e.body for _, e in controller.ledger.entries(kind="removal.confirmed")]
        assert {b["audience"] for b in asked} == {b["audience"] for b in gone} == {*THREE}
        # A later import brings her address again: she is put nowhere.
        sql(adverts, "INSERT INTO reader (email, since, basis)"
                     " VALUES ('CLEO@example.org', '2026-02-01 00:00:00', 'consent')")  # fmt: skip
        puts = partner.times("PUT")
        for name in THREE:
            assert ran(controller, name).sent == 0
        assert partner.times("PUT") == puts


def test_a_signal_of_a_known_browser_takes_her_out(adverts: Path, partner: Network) -> None:
    with opened(adverts) as controller:
        who = controller.subjects.of([parse("email=ana@example.org")], NOW)
        controller.subjects.link(who, [parse("cookie=browser-of-ana")], "verified", NOW)
        ran(controller, "spring")
        controller.suppressions.add(
            [parse("cookie=browser-of-ana")], NOW, channel=":objection:advertising.targeted",
            source="browser",
        )  # fmt: skip
        assert release.recall(controller, lambda: NOW).confirmed == 1
        assert len(partner.at("spring")) == 2


def test_it_is_asked_until_the_network_confirms(adverts: Path, partner: Network) -> None:
    with opened(adverts) as controller:
        ran(controller, "spring")
        _withdraws(controller)
        for answer in ({"DELETE": 503}, {"DELETE": 403}):
            partner.answers = dict(answer)
            done = release.recall(controller, lambda: NOW)
            assert not done.complete
        partner.answers = {}
        partner.later = {"DELETE"}
        assert release.recall(controller, lambda: NOW).waiting == 1
        assert [(s.out, s.asked) for s in controller.members.standing()] == [(3, 1)]
        # She may change her mind meanwhile: first she is out.
        who = controller.subjects.of([parse("email=cleo@example.org")], NOW)
        controller.consents.grant(who, releasing.PURPOSE, NOW, source="test")
        partner.later = set()
        done = ran(controller, "spring").recalled
        assert (done.asked, done.confirmed) == (0, 1)
        (entry,) = [e.body for _, e in controller.ledger.entries(kind="removal.confirmed")]
        assert entry["tries"] == 4
        assert len(partner.at("spring")) == 3


def test_two_who_take_back_at_once_do_not_say_that_nobody_is_out(
    adverts: Path, partner: Network
) -> None:
    with opened(adverts) as controller, opened(adverts) as other:
        ran(controller, "spring")
        _withdraws(controller)
        with other.members.alone("spring"):
            done = release.recall(controller, lambda: NOW)
        assert (done.elsewhere, done.asked, done.complete) == (1, 0, False)
        assert release.recall(controller, lambda: NOW).complete


def test_one_whom_the_network_cannot_take_out_keeps_nobody_else_in(
    adverts: Path, partner: Network
) -> None:
    """It breaks off over one row of its own, time and again; of the others it is asked."""
    with opened(adverts) as controller:
        ran(controller, "spring")
        for name in ("ana", "ben", "cleo"):
            who = controller.subjects.of([parse(f"email={name}@example.org")], NOW)
            controller.consents.withdraw(who, releasing.PURPOSE, NOW, source="test")
        first = controller.members.all("spring")[0].member

        def breaks(method: str, path: str) -> None:
            partner.answers = {method: 500} if path.endswith(first) else {}

        partner.on = breaks
        done = release.recall(controller, lambda: NOW)
        assert (done.asked, done.confirmed, done.unasked, done.complete) == (3, 2, 1, False)
        assert [one.member for one in controller.members.all("spring")] == [first]
        partner.on, partner.answers = None, {}
        assert release.recall(controller, lambda: NOW).complete


def test_one_whom_the_partner_cannot_take_keeps_nobody_else_back(
    world: Path, partner: Network
) -> None:
    with opened(world) as controller:
        register(controller, "ana", "ben", "cleo")
        met: list[str] = []

        def breaks(method: str, path: str) -> None:
            met.append(path)
            partner.answers = {method: 500} if path == met[0] else {}

        partner.on = breaks
        done = ran(controller, "ww")
        assert (done.sent, done.confirmed, done.complete) == (3, 2, False)
        assert (len(partner.at("ww")), done.stopped) == (2, "")
        # One who is down is not asked for everybody.
        register(controller, *(f"more-{n}" for n in range(8)))
        partner.on, partner.answers = None, {"PUT": 500}
        asked = partner.times("PUT")
        assert ran(controller, "ww").confirmed == 0
        assert partner.times("PUT") - asked == 6  # three, each once more


def test_three_who_stand_together_and_break_it_off_do_not_end_every_run(
    world: Path, partner: Network
) -> None:
    with opened(world) as controller:
        register(controller, *(f"p-{n}" for n in range(12)))
        bad = [controller.members.name("ww", parse(f"email=p-{n}@example.org")) for n in range(3)]

        def breaks(method: str, path: str) -> None:
            partner.answers = {method: 500} if path.endswith(tuple(bad)) else {}

        partner.on = breaks
        for _ in range(30):
            ran(controller, "ww")
            if len(partner.at("ww")) == 9:
                break
        assert len(partner.at("ww")) == 9
        partner.on, partner.answers = None, {}
        assert ran(controller, "ww").complete
        assert len(partner.at("ww")) == 12


def test_an_audience_that_kept_toml_forgot_is_not_said_to_be_empty(
    adverts: Path, partner: Network
) -> None:
    with opened(adverts) as controller:
        ran(controller, "spring")
    edit(adverts / "kept.toml", "[releases.spring]", "[releases.summer]")
    edit(adverts / "kept.toml", 'audience = "spring"', 'audience = "summer"')
    edit(adverts / "kept.toml", '"spring", "autumn"', '"summer", "autumn"')
    with opened(adverts) as controller:
        _withdraws(controller)
        done = release.recall(controller, lambda: NOW)
        assert (done.unasked, done.complete) == (1, False)


def test_a_release_that_goes_elsewhere_now_does_not_take_back_what_went_before(
    world: Path, partner: Network
) -> None:
    with opened(world) as controller:
        register(controller, "ana", "cleo")
        ran(controller, "dl")
    edit(world / "kept.toml", 'to = "deskline"', 'to = "windowworks"')
    edit(world / "kept.toml", f"{partner.url}/dl", f"{partner.url}/elsewhere")
    with opened(world) as controller:
        for work in (lambda: release.plan(controller, "dl", NOW), lambda: ran(controller, "dl")):
            with pytest.raises(UsageError, match="2 people are out by `dl`"):
                work()
        _is_erased(controller)
        # The new one would say that there is nothing of her.
        done = release.recall(controller, lambda: NOW)
        assert (done.asked, done.unasked, done.complete) == (0, 1, False)
        assert not list(controller.ledger.entries(kind="removal.confirmed"))
        assert (partner.times("DELETE"), len(partner.at("dl"))) == (0, 2)
    edit(world / "kept.toml", 'to = "windowworks"\nactivity = "co-marketing"\ndataset = '
         f'"shop.registration"\nfields = {{email = "mail", name = "name"}}\nurl = "{partner.url}'
         '/elsewhere"', 'to = "deskline"\nactivity = "co-marketing"\ndataset = '
         f'"shop.registration"\nfields = {{email = "mail", name = "name"}}\nurl = "{partner.url}'
         '/dl"')  # fmt: skip
    with opened(world) as controller:
        assert release.recall(controller, lambda: NOW).confirmed == 1
        assert [s["name"] for s in partner.at("dl")] == ["ana"]


def test_that_nothing_is_there_counts_only_where_she_was_sent(
    world: Path, partner: Network
) -> None:
    here, wrong = f'url = "{partner.url}/dl"', f'url = "{partner.url}/wrong"'
    with opened(world) as controller:
        register(controller, "ana", "cleo")
        ran(controller, "dl")
        _is_erased(controller)
    edit(world / "kept.toml", here, wrong)
    with opened(world) as controller:
        done = release.recall(controller, lambda: NOW)
        assert (done.asked, done.confirmed, done.waiting, done.unknown) == (1, 0, 1, 1)
        # Another person goes there, and is not confirmed: she may be with either.
        partner.later.add("PUT")
        sql(world, "UPDATE registration SET name = 'Ana Lua' WHERE name = 'ana'")
        assert ran(controller, "dl").again == 1
        partner.later.clear()
        who = controller.subjects.of([parse("email=ana@example.org")], NOW)
        controller.consents.withdraw(who, "marketing.co-marketing", NOW, source="test")
        assert release.recall(controller, lambda: NOW).unknown == 2
        assert (len(partner.at("dl")), [s.out for s in controller.members.standing()]) == (2, [2])
        assert not list(controller.ledger.entries(kind="removal.confirmed"))
    edit(world / "kept.toml", wrong, here)
    with opened(world) as controller:
        # Cleo went here alone, and deleted meanwhile is deleted.
        partner.held = {k: v for k, v in partner.held.items() if v["name"] != "cleo"}
        done = release.recall(controller, lambda: NOW)
        assert (done.confirmed, done.unknown, partner.at("dl")) == (2, 0, [])


def test_who_went_by_an_address_that_was_put_right_is_taken_back_too(
    world: Path, partner: Network
) -> None:
    with opened(world) as controller:
        register(controller, "cleo")
        ran(controller, "ww")
        old = Request(((parse("email=cleo@example.org"),),), override="t")
        rights.rectify(controller, old, "shop.registration.email", "cleo.new@example.org", NOW)
        ran(controller, "ww")
        assert {one["mail"] for one in partner.at("ww")} >= {"cleo.new@example.org"}
        new = Request(((parse("email=cleo.new@example.org"),),), override="t")
        rights.object_to(controller, new, ["marketing"], NOW)
        done = release.recall(controller, lambda: NOW)
        assert partner.at("ww") == []
        assert done.complete


REFUSED = (
    ("ages = {from = 18}", "", "at which ages it aims"),
    ("ages = {from = 18}", "ages = {from = 15}", "from 15 on"),
    ("ages = {from = 18}", "ages = {to = 30}", "from which age on"),
    ('audience = "spring"', 'audience = "else"', "no audience that is on record"),
    ('to = "google"', 'to = "provider"', "gets nothing"),
    ('fields = ["email"]', 'fields = ["since"]', "does not use"),
    ('context = "preference-page"', "", "where its data was collected"),
    ('dataset = "shop.reader"', 'dataset = "shop.note"', "does not serve"),
    ('activity = "targeted-advertising"', 'activity = "adverts"', "no activity"),
    ('audience = "autumn"', 'audience = "spring"', "fill one audience"),
    ('to = "google"', 'at = "google"', "not a setting"),
    ('fields = ["email"]', 'fields = {email = "who", since = "who"}', "two fields as `who`"),
)


def test_what_may_not_go_out_is_refused_when_kept_toml_is_read(tmp_path: Path) -> None:
    place = releasing.audiences(make(tmp_path / "a", "embedded"), "http://127.0.0.1:9")

    def read() -> None:
        found = deployment.read(place)
        found.check(found.read_bundle(), found.read_map())

    read()
    file = place / "kept.toml"
    text = file.read_text("utf-8")
    for was, is_, words in REFUSED:
        assert was in text
        file.write_text(text.replace(was, is_, 1), "utf-8")
        with pytest.raises(ConfigError, match=words):
            read()
    file.write_text(text, "utf-8")
    # The age is that of the policy.
    edit(place / "policy" / "policy.yml", "minimum_age: 16", "minimum_age: 21")
    with pytest.raises(ConfigError, match="under 21"):
        read()
    edit(place / "policy" / "policy.yml", "minimum_age: 21\n", "")
    file.write_text(text.replace("ages = {from = 18}\n", ""), "utf-8")
    read()


JOIN = """
join:
  title: Become a member
  path: /mitglied
  activity: lower-price-elsewhere
  purposes: [alliance-price]
  context: membership-form
  grounds: [contract]
  partners: [alliance]
  fields:
    nr: {category: identifier.account, label: Number, required: true, type: text, why: you pay less}
  clauses: [K10-2]
"""
ALLIED = """
[recipients]
url = "letters"
[recipients.alpinbund]
title = "Alpinbund"
lane = "alliance"
policy = "https://alpinbund.example/datenschutz"

[documents."agreement:alpinbund"]
signer = "Jo"
date = 2020-01-31

[releases.preise]
to = "alpinbund"
activity = "lower-price-elsewhere"
dataset = "geschaeftsstelle.mitglied"
fields = ["nr"]
context = "membership-form"
"""


def test_another_bundle_gives_members_to_its_alliance(
    kept_url: str, fresh_pg_url: str, tmp_path: Path, partner: Network
) -> None:
    """No consent but a contract, members by their number, PostgreSQL, a policy without an age."""
    place = huts.make(tmp_path / "huts", kept_url, fresh_pg_url)
    with (place / "policy" / "forms.yml").open("a", encoding="utf-8") as file:
        file.write(JOIN)
    with (place / "kept.toml").open("a", encoding="utf-8") as file:
        file.write(f'{ALLIED}url = "{partner.url}/preise"\nsecret = "{SECRET}"\n')
    edit(place / "office.yml", "activities: [members, magazine]",
         "activities: [members, magazine, lower-price-elsewhere]")  # fmt: skip
    edit(place / "office.yml", "      austritt: datetime\n",
         "      austritt: datetime\n      hinweis: {stamp: notice}\n")  # fmt: skip
    with psycopg.connect(fresh_pg_url) as office, opened(place) as controller:
        office.execute("ALTER TABLE mitglied ADD COLUMN hinweis text")
        answer = forms.sent(
            controller, "join", origin=next(iter(controller.bundle.sites)), nr="CH-0017"
        )
        assert answer.taken, answer
        office.execute(
            "UPDATE mitglied SET hinweis = %s WHERE nr IN ('CH-0017', 'AT-0002')",
            (answer.stamps["notice"],),
        )
        office.commit()
        for nr in ("CH-0017", "AT-0002", "CH-0099"):
            who = controller.subjects.of([parse(f"account={nr}")], NOW)
            controller.consents.record(who, [("contract", True)], NOW, source="test")
        rights.erase(controller, Request(((parse("account=AT-0002"),),), override="t"), NOW)
        done = ran(controller, "preise")
        assert (done.sent, done.confirmed) == (1, 1)
        assert done.left["not-shown"] == 1
        assert partner.at("preise") == [{"nr": "CH-0017"}]
        (line,) = controller.passed.of([parse("account=CH-0017")])
        assert (line.recipient, line.ground) == ("alpinbund", "contract")
