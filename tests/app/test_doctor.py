"""What the doctor says: what is in order, what is to mend, and what is for the organisation."""

from __future__ import annotations

from pathlib import Path

from tests.app.conftest import Kept, Ran


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def rows(ran: Ran) -> dict[str, tuple[bool | None, str]]:
    return {c["name"]: (c["ok"], c["words"]) for c in ran.document["checks"]}


def test_what_is_left_to_the_organisation_is_explained(kept: Kept, place: Path) -> None:
    said = kept("doctor", "--dir", place).out
    assert "A row with – is yours to do or to decide" in said
    assert "the policy speaks for interop.io" in said
    assert "To connect a database of yours: kept map discover URL" in said
    assert kept("policy", "publish", "--dir", place).status == 0
    edit(place / "kept.toml", "database =", 'organisation = "interop.io"\ndatabase =')
    said = kept("doctor", "--dir", place).out
    assert "A row with –" not in said
    assert "Everything is there." in said


def test_not_everything_is_there_while_policy_or_map_leave_something(
    kept: Kept, place: Path
) -> None:
    assert kept("policy", "publish", "--dir", place).status == 0
    edit(place / "datamap" / "example.yml", "country: text", "country: text  # ? is it hers?")
    ran = kept("doctor", "--json", "--dir", place)
    ok, words = rows(ran)["map"]
    assert (ran.status, ok) == (0, None)
    assert words == "as it is in the systems, as far as it is decided: 1 to decide"
    said = kept("doctor", "--dir", place).out
    assert "Nothing to mend; still to do: organisation, map." in said
    assert "1 question marked `# ?`" in said

    # What was published stays as it was published; a rule that changed since is a problem.
    with (place / "kept.toml").open("a") as file:
        file.write('"statistics.minimum-group" = 20\n')
    checked = kept("policy", "check", "--dir", place)
    ran = kept("doctor", "--json", "--dir", place)
    assert (checked.status, ran.status) == (1, 1)
    assert rows(ran)["published"][0] is False


def test_a_mistyped_choice_is_a_fault_of_kept_toml_alone(kept: Kept, place: Path) -> None:
    assert kept("policy", "publish", "--dir", place).status == 0
    with (place / "kept.toml").open("a") as file:
        file.write('"retention.invoice" = "P1Y"\n')
    ran = kept("doctor", "--json", "--dir", place)
    assert ran.status == 1
    bad = {name: words for name, (ok, words) in rows(ran).items() if ok is False}
    assert bad.keys() == {"choices"}
    assert bad["choices"].startswith("kept.toml:")
    assert "`retention.invoice` is not" in bad["choices"]
    assert bad["choices"].endswith("expected one of `retention.invoices`")


def test_a_bundle_that_cannot_be_read_is_named_once(kept: Kept, place: Path) -> None:
    edit(place / "policy" / "retention.yml", "\n", "\nfoo: [\n")
    ran = kept("doctor", "--json", "--dir", place)
    assert ran.status == 1
    told = rows(ran)
    assert {name for name, (ok, _) in told.items() if ok is False} == {"bundle"}
    for name in ("choices", "ledger", "published", "map"):
        assert told[name] == (None, "not looked at: the bundle cannot be read")


def test_a_map_that_cannot_be_read_is_named_once(kept: Kept, place: Path) -> None:
    edit(place / "datamap" / "example.yml", "datasets:", "foo: [\ndatasets:")
    ran = kept("map", "check", "--json", "--dir", place)
    assert ran.status == 1
    (problem,) = ran.document["problems"]
    assert problem["what"].startswith("this is not YAML")
    assert rows(kept("doctor", "--json", "--dir", place))["system example"] == (
        None, "not looked into: its map cannot be read",
    )  # fmt: skip


def test_a_known_system_needs_neither_store_nor_map(kept: Kept, place: Path) -> None:
    edit(
        place / "kept.toml",
        "[choices]",
        '[systems.archive]\ntitle = "Paper"\ncountry = "DE"\n[choices]',
    )
    ran = kept("map", "check", "--json", "--dir", place)
    assert ran.status == 0, ran.said
    assert (ran.document["systems"], ran.document["unreached"]) == (2, [])
    assert [u["store"] for u in ran.document["unconnected"]] == ["archive"]
    words = kept("map", "check", "--dir", place).out
    assert "write `store`, `url` and `map` under [systems.archive]" in words
    assert "no problems, 1 system not connected." in words
    ran = kept("doctor", "--json", "--dir", place)
    assert (ran.status, rows(ran)["system archive"][0]) == (0, None)
    shown = kept("map", "show", "--json", "--dir", place).document["systems"]
    assert {(s["system"], s["title"], s["country"]) for s in shown} >= {("archive", "Paper", "DE")}
    # It counts as known, and no answer is complete without it.
    asked = kept("rights", "access", "--identity", "email=ana@example.org", "--override", "a try",
                 "--json", "--out", place.parent / "p.zip", "--dir", place)  # fmt: skip
    assert asked.status == 1
    assert [u["store"] for u in asked.document["unreached"]] == ["archive"]

    edit(place / "kept.toml", 'title = "Paper"', "title = 2026-01-31")
    ran = kept("map", "show", "--dir", place)
    assert ran.status == 2
    assert "`title` is not text" in ran.err
    assert "met a date" in ran.err
    edit(place / "kept.toml", "title = 2026-01-31", 'store = "sqlite"')
    ran = kept("map", "show", "--dir", place)
    assert ran.status == 2
    assert "`map` is missing in [systems.archive]" in ran.err


def test_a_configuration_that_everybody_may_open_is_named(kept: Kept, place: Path) -> None:
    assert rows(kept("doctor", "--json", "--dir", place))["kept.toml"][0] is True
    (place / "kept.toml").chmod(0o644)
    ran = kept("doctor", "--json", "--dir", place)
    ok, words = rows(ran)["kept.toml"]
    assert (ran.status, ok) == (0, None)
    assert "everybody on this machine may open" in words
    assert f"chmod 600 {place / 'kept.toml'}" in kept("doctor", "--dir", place).out


def test_who_is_to_see_tasks_and_cannot_is_named(kept: Kept, place: Path) -> None:
    edit(
        place / "kept.toml",
        "[choices]",
        '[systems.archive]\ntitle = "Paper"\naccounts = ["sam", "kim", "lee"]\n[choices]',
    )
    for name, role in (("kim", "system-owner"), ("lee", "auditor")):
        assert kept("account", "add", name, "--role", role, "--dir", place).status == 0
    ran = kept("doctor", "--json", "--dir", place)
    assert (ran.status, rows(ran)["accounts"][0]) == (1, False)
    (fixes,) = (c["fixes"] for c in ran.document["checks"] if c["name"] == "accounts")
    assert fixes == [
        "`sam` is no account, and `accounts` of [systems.archive] names it; correct it, or make it"
        " with `kept account add sam --role system-owner`",
        "the account `lee` has not the role `system-owner`, and `accounts` of [systems.archive]"
        ' names it; give it: `kept account grant lee --role system-owner --why "…"`',
    ]
    edit(place / "kept.toml", '["sam", "kim", "lee"]', '["kim"]')
    assert rows(kept("doctor", "--json", "--dir", place))["accounts"][0] is True


def test_a_question_about_a_place_that_the_map_does_not_have_is_named(
    kept: Kept, place: Path
) -> None:
    with (place / "kept.toml").open("a") as file:
        file.write(
            '\n[systems.archive]\ntitle = "Paper"\ncountry = "DE"\n\n[desk.facts]\n'
            '"example.customer.contry" = "Your country"\n'
            '"example.customer.country" = "Your country once more"\n'
            '"example.custmer.email" = "Your address"\n'
            '"exampel.customer.email" = "Your address again"\n'
            '"archive.cards.number" = "The number of your card"\n'
        )
    ran = kept("map", "check", "--json", "--dir", place)
    assert ran.status == 1
    said = {p["what"]: (p["where"], p["fix"]) for p in ran.document["problems"]}
    lines = (place / "kept.toml").read_text("utf-8").splitlines()
    for met, at, fix in (
        ("`example.customer` has no field `contry`", "customer.contry", "write `country`"),
        ("`example` has no dataset `custmer`", "custmer.email", "write `customer`"),
        ("the map has no system `exampel`", "exampel", "write `example`"),
        ("`archive` has no dataset `cards`", "archive.cards", "remove it"),
    ):
        (what,) = (w for w in said if met in w)
        assert "a field of the map is expected (SYSTEM.DATASET.FIELD)" in what
        where, mend = said[what]
        assert (at in lines[int(where.removeprefix("kept.toml:")) - 1], mend) == (True, fix)
    assert len(said) == 4
    ran = kept("doctor", "--json", "--dir", place)
    assert (ran.status, rows(ran)["map"]) == (1, (False, "4 problems"))
