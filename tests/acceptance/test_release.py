"""PART, BEHAD, CHILD: what goes out to partners and networks, to whom it may, and back again.

Editions of the world with releases: its people, its rows, its records; partner and networks are
services on this machine.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kept import deployment
from kept.controller import Controller
from tests import forms
from tests.acceptance.conftest import World, kept
from tests.networks import Network, network
from tests.releasing import audience_of, release_of
from tests.world import edit

FROM = '"customers.registration"'
#: What a page of ours would ask: may advertisements be picked for you?
ADVERTS = (
    "    ads: {category: contact.preference, label: Yes to advertisements that are picked for me,"
    " required: false, type: checkbox, consent: advertising.targeted}\n"
)


@pytest.fixture
def out() -> Iterator[Network]:
    with network() as one:
        yield one


def later(world: World, *tables: str) -> Path:
    """The world with releases, and with a partner that nobody was told of until now."""
    place = world.edition()
    edit(place / "kept.toml", 'recipients = { url = "letters",',
         'recipients = { url = "letters", third = { title = "Third", lane = "co-marketing",'
         ' policy = "https://third.example/privacy" },')  # fmt: skip
    signed = "".join(
        f'\n[documents."agreement:{one}"]\nsigner = "Jo"\ndate = 2023-06-27\n'
        for one in ("windowworks", "third")
    )
    with (place / "kept.toml").open("a", encoding="utf-8") as file:
        file.write(signed + "".join(tables))
    return place


def test_PART_7_a_release_goes_only_to_those_who_were_shown_that_partner(
    world: World, out: Network
) -> None:
    place = later(
        world, release_of("to-windowworks", "windowworks", out.url, dataset=FROM),
        release_of("to-third", "third", out.url, dataset=FROM),
    )  # fmt: skip
    ana, bea, no = world.stranger(), world.stranger(), world.stranger()
    for email in (ana, bea, no):
        assert world.browser().send("/webinar", email=email, name="Ana Ø")[0] == 201
    ran = kept(place, "rights", "object", "--identity", f"email={no}", "--purpose", "marketing",
               "--override", "acceptance", "--region", "EEA", "--yes")  # fmt: skip
    assert ran.status == 0, ran.said
    planned = kept(place, "release", "plan", "to-windowworks").document
    assert planned["new"] >= 1
    assert planned["left"]["objection"] >= 1
    third = kept(place, "release", "plan", "to-third").document
    assert (third["new"], third["left"]["not-named"]) == (0, planned["new"])
    assert not out.asked
    for name in ("to-windowworks", "to-third"):
        ran = kept(place, "release", "run", name)
        assert ran.status == 0, ran.said
        assert "@" not in ran.said
    met = {said["mail"]: said for said in out.at("to-windowworks")}
    assert met[ana] == {"mail": ana, "name": "Ana Ø"}
    assert no not in met
    assert out.at("to-third") == []
    # Her package names the partner, and the day.
    ran, pack = world.access(ana, place)
    assert ran.status in (0, 1), ran.said
    (line,) = pack.answer["received"]["recorded"]
    assert (line["recipient"], line["ground"]) == ("windowworks", "consent")
    listed = kept(place, "disclosure", "list").document["disclosures"]
    assert "windowworks" in {one["recipient"] for one in listed}
    # She takes it back: the partner is asked, and says that she is gone.
    ran = kept(place, "rights", "object", "--identity", f"email={ana}", "--purpose", "marketing",
               "--override", "acceptance", "--region", "EEA", "--yes")  # fmt: skip
    assert kept(place, "release", "recall").document["confirmed"] == 1
    assert ana not in json.dumps(out.held)
    assert bea in json.dumps(out.held)
    assert kept(place, "release", "run", "to-windowworks").document["sent"] == 0
    world.proven("PART-7")


def advertising(world: World, out: Network) -> Path:
    """The world with three audiences, filled with readers of the newsletter."""
    whence = {"dataset": '"customers.subscription"'}
    place = later(
        world,
        '\n[networks]\ngoogle = {country = "US", audiences = ["spring", "autumn"]}\n'
        'linkedin = {country = "US", audiences = ["managers"]}\n',
        audience_of("spring", "google", out.url, **whence),
        audience_of("autumn", "google", out.url, **whence),
        audience_of("managers", "linkedin", out.url, **whence),
    )  # fmt: skip
    edit(place / "datamap" / "customers.yml", "activities: [newsletter, partner-offers]",
         "activities: [newsletter, partner-offers, targeted-advertising]")  # fmt: skip
    text = (place / "policy" / "forms.yml").read_text("utf-8")
    head, _, rest = text.partition("\nnewsletter:\n")
    before, mark, after = rest.partition("  fields:\n")
    (place / "policy" / "forms.yml").write_text(
        f"{head}\nnewsletter:\n{before}{mark}{ADVERTS}{after}", "utf-8"
    )
    return place


def test_BEHAD_9_an_opt_out_reaches_every_audience_and_no_import_brings_her_back(
    world: World, out: Network
) -> None:
    place = advertising(world, out)
    stays, goes = world.stranger(), world.stranger()
    with Controller.open(deployment.read(place)) as controller:
        now = dt.datetime.now(dt.UTC)
        for email in (stays, goes):
            assert world.browser().send("/newsletter", email=email)[0] == 201
            assert forms.sent(controller, "newsletter", now, email=email, ads="yes").taken
    three = ("spring", "autumn", "managers")
    for name in three:
        ran = kept(place, "release", "run", name)
        assert ran.status == 0, ran.said
        assert {stays, goes} <= {said["email"] for said in out.at(name)}
    before = len(world.ledger())
    ran = kept(place, "rights", "object", "--identity", f"email={goes}", "--purpose",
               "advertising", "--override", "acceptance", "--region", "EEA", "--yes")  # fmt: skip
    assert ran.status == 0, ran.said
    # One network is away: the others are asked, and it is asked until it answers.
    out.answers = {"DELETE": 503}
    ran = kept(place, "release", "recall")
    assert (ran.status, ran.document["confirmed"]) == (1, 0)
    out.answers = {}
    ran = kept(place, "release", "recall")
    assert (ran.status, ran.document["confirmed"]) == (0, 3)
    said = [(e["kind"], e["body"].get("audience")) for e in world.ledger()[before:]]
    for kind in ("removal.asked", "removal.confirmed"):
        assert sorted(a for k, a in said if k == kind) == sorted(three)
    # She is brought in again, as she was: nobody puts her anywhere.
    assert world.browser().send("/newsletter", email=goes.upper())[0] == 201
    for name in three:
        assert kept(place, "release", "run", name).status == 0
        assert {said["email"].lower() for said in out.at(name)} & {stays, goes} == {stays}
    world.proven("BEHAD-9")


def test_CHILD_1_nothing_is_aimed_at_people_under_sixteen(world: World, out: Network) -> None:
    place = advertising(world, out)
    file = place / "kept.toml"
    text = file.read_text("utf-8")
    for said, words in (("ages = {from = 15}", "under 16"), ("", "at which ages it aims")):
        file.write_text(text.replace("ages = {from = 18}", said), "utf-8")
        for command in (("plan", "spring"), ("run", "spring"), ("recall",)):
            ran = kept(place, "release", *command)
            assert ran.status == 2
            assert words in ran.err
    assert not out.asked
    file.write_text(text.replace("ages = {from = 18}", "ages = {from = 16}"), "utf-8")
    assert kept(place, "release", "plan", "spring").status == 0
    assert world.proof("CHILD-1", place)["outcome"] == "pass"
    # An audience from before, of which nobody says whom it is aimed at.
    edit(file, '"spring", "autumn"', '"spring", "autumn", "from-before"')
    one = world.proof("CHILD-1", place)
    assert one["outcome"] == "fail"
    assert "at which ages it aims" in json.dumps(one["evidence"])
