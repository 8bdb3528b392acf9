"""RIGHT: what a person decides about uses of her data holds at the door, at once and everywhere."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile

from examples.company.life import Browser

from tests.acceptance.conftest import World

GROUNDS = ("consent:marketing.email", "preference:email", "consent:site.improve")


def _mail(world: World, email: str) -> bool:
    return world.ask("marketing.email", "contact.email", *GROUNDS, email=email).allow


def _improve(world: World, email: str) -> bool:
    return world.ask(
        "site.improve", "navigation", *GROUNDS, context="site-visit", email=email
    ).allow


def _serve(world: World, email: str) -> bool:
    return world.ask(
        "service.payment", "transaction.paid", "contract", context="order", email=email
    ).allow


def test_RIGHT_4_an_objection_stops_the_purpose_and_nothing_else(
    world: World, person: tuple[str, Browser]
) -> None:
    email, browser = person
    who = ("--identity", f"email={email}")
    assert _mail(world, email)
    assert _improve(world, email)
    # Shown first; and nothing is done before it is known who asks.
    ran = world.kept("rights", "object", *who, "--purpose", "marketing", "--region", "DE")
    assert (ran.status, ran.document["executed"]) == (0, False)
    case = ran.document["case"]
    refused = world.kept("rights", "object", "--case", case, "--purpose", "marketing", "--yes")
    assert refused.status == 1
    assert "no evidence of who asks" in refused.err
    assert _mail(world, email)
    ran = world.kept("rights", "object", "--case", case, "--purpose", "marketing",
                     "--evidence", "she called from her number", "--yes",
                     "--region", "EEA")  # fmt: skip
    assert (ran.status, ran.document["complete"]) == (0, True)
    assert "marketing.email" in {t["purpose"] for t in ran.document["stops"]}
    goes_on = {t["purpose"]: t for t in ran.document["goes_on"]}
    assert goes_on["service.payment"]["ground"] == "Contract"
    assert goes_on["service.payment"]["clauses"]
    # At once at the running door, for that purpose; all else goes on, orders among it.
    assert not _mail(world, email)
    assert _improve(world, email)
    assert _serve(world, email)
    status, said = browser.send("/order", quantity="1")
    assert status == 201, said
    shown = world.kept("case", "show", case).document
    assert (shown["state"], shown["complete"]) == ("closed", True)
    world.proven("RIGHT-4")


def test_RIGHT_4_what_is_no_marketing_stops_while_it_is_weighed(world: World) -> None:
    email = world.stranger()
    ran = world.kept("rights", "object", "--identity", f"email={email}", "--override", "acceptance",
                     "--purpose", "site.improve", "--region", "EEA", "--yes")  # fmt: skip
    assert (ran.status, ran.document["complete"], ran.document["state"]) == (1, False, "checked")
    assert [t["purpose"] for t in ran.document["weighed"]] == ["site.improve"]
    assert not _improve(world, email)
    assert _mail(world, email)
    world.proven("RIGHT-4")
    case = ran.document["case"]
    said = world.kept("case", "show", case, json=False).out
    assert f"weigh --case {case}" in said
    decide = ("rights", "weigh", "--case", case, "--outcome", "refused")
    assert world.kept(*decide, "--grounds", "…").status == 2
    assert world.kept(*decide, "--grounds", "because", "--role", "marketer").status == 1
    assert not _improve(world, email)
    assert world.kept(*decide, "--grounds", "without it the site is not safe").status == 0
    assert _improve(world, email)
    told = [e for e in world.ledger() if e["body"].get("case") == case]
    assert [e["kind"] for e in told][-3:] == ["case.moved", "objection.lifted", "case.closed"]
    assert "not safe" not in json.dumps(told)
    assert email not in json.dumps(told)
    world.proven("RIGHT-4")


def test_RIGHT_4_it_holds_when_somebody_is_first_met(world: World) -> None:
    """She objects before she is anybody's customer; then she becomes one."""
    email, browser = world.stranger(), world.browser()
    ran = world.kept("rights", "object", "--identity", f"email={email}", "--override", "acceptance",
                     "--purpose", "marketing", "--yes")  # fmt: skip
    assert (ran.status, ran.document["complete"]) == (0, True)
    status, said = browser.send("/trial", email=email, name="Nia New")
    assert status == 201, said
    assert not _mail(world, email)
    assert _serve(world, email)
    # Past Kept, somebody takes her objection away: that is seen.
    with world.sql() as connection:
        connection.execute("CREATE TABLE kept_aside AS SELECT * FROM suppression")
        connection.execute("DELETE FROM suppression WHERE channel LIKE ':objection:%'")
    try:
        assert _mail(world, email)
        assert world.proof("RIGHT-4")["outcome"] == "fail"
    finally:
        with world.sql() as connection:
            connection.execute(
                "INSERT INTO suppression SELECT * FROM kept_aside ON CONFLICT DO NOTHING"
            )
            connection.execute("DROP TABLE kept_aside")
    world.proven("RIGHT-4")


def _subscribed(world: World, email: str) -> None:
    with world.company.database() as connection:
        connection.execute(
            "INSERT INTO subscription (email, topic, wanted, last_interest_at, legal_basis,"
            " activity, policy_version) VALUES (%s, 'product-news', true, now(), 'consent',"
            " 'newsletter', '2023-06-27')",
            (email,),
        )


def test_RIGHT_7_8_9_a_withdrawal_ends_what_rests_on_consent_and_nothing_else(
    world: World, person: tuple[str, Browser]
) -> None:
    """RIGHT-8, RIGHT-9; and RIGHT-7 by asking, which somebody carries out."""
    email, browser = person
    _subscribed(world, email)
    assert _mail(world, email)
    before = world.rows()
    ran = world.kept("rights", "withdraw", "--identity", f"email={email}", "--region", "FR",
                     "--evidence", "gave a code", "--purpose", "marketing", "--yes")  # fmt: skip
    assert (ran.status, ran.document["complete"]) == (1, False)
    assert not _mail(world, email)
    assert _improve(world, email)
    assert _serve(world, email)
    status, said = browser.send("/support", subject="Help", body="It still works for me?")
    assert status == 201, said
    # The answer lists what goes on: what for, the ground, the clause.
    rests = {t["purpose"]: t for t in ran.document["goes_on"]}
    assert {"service.payment", "service.account"} <= rests.keys()
    assert all(t["ground"] and t["clauses"] for t in rests.values())
    assert not {p for p in rests if p.startswith("marketing")}
    # What rested on the consent alone is due, and goes with one more command.
    assert [(s["store"], s["dataset"], s["found"]) for s in ran.document["due"]] == [
        ("customers", "subscription", 1)
    ]
    case = ran.document["case"]
    said = world.kept("case", "show", case, json=False).out
    assert f"withdraw --case {case} --erase --yes" in said
    # Until then nobody says of it that it was deleted, or that this was tried.
    told = world.kept("rights", "withdraw", "--case", case, "--yes", json=False).out
    (due,) = re.findall(r"^customers\.subscription .*", told, re.MULTILINE)
    assert due.split()[1:] == ["delete", "1", "1", "planned"]
    done = world.kept("rights", "withdraw", "--case", case, "--erase", "--yes")
    assert (done.status, done.document["complete"]) == (0, True), done.said
    after = world.rows()
    gone = {at for at in before if at not in after}
    assert {table for table, _ in gone} == {"customers.subscription"}
    assert len(gone) == 1
    world.proven("RIGHT-9")


def test_RIGHT_8_the_consent_of_that_day_is_still_known(world: World) -> None:
    """It was given in Kept's records before; deleting it there would make history, and is found."""
    email = world.stranger()
    first = world.kept("rights", "withdraw", "--identity", f"email={email}", "--override", "x1",
                       "--purpose", "site.improve", "--yes")  # fmt: skip
    assert first.status == 0, first.said
    with world.sql() as connection:
        (subject,) = connection.execute("SELECT max(subject) FROM subject").fetchone() or (0,)
        connection.execute(
            "INSERT INTO fact (subject, fact, holds, valid_from, known_from, source)"
            " VALUES (%s, 'withdrawn:site.improve', false, now(), now(), 'form'),"
            " (%s, 'consent:site.improve', true, now(), now(), 'form')",
            (subject, subject),
        )
    assert _improve(world, email)
    again = world.kept("rights", "withdraw", "--identity", f"email={email}", "--override", "x1",
                       "--purpose", "site.improve", "--yes")  # fmt: skip
    assert again.status == 0, again.said
    assert not _improve(world, email)
    world.proven("RIGHT-8")
    delete = "DELETE FROM fact WHERE subject = %s AND fact = 'consent:site.improve' AND holds"
    with world.sql() as connection:
        kept_aside = connection.execute(
            "SELECT subject, fact, holds, valid_from, known_from, source FROM fact"
            " WHERE subject = %s AND fact = 'consent:site.improve' AND holds",
            (subject,),
        ).fetchall()
        connection.execute(delete, (subject,))
    try:
        assert world.proof("RIGHT-8")["outcome"] == "fail"
    finally:
        with world.sql() as connection:
            for row in kept_aside:
                connection.execute(
                    "INSERT INTO fact (subject, fact, holds, valid_from, known_from, source)"
                    " VALUES (%s, %s, %s, %s, %s, %s)",
                    row,
                )
    world.proven("RIGHT-8")


def test_RIGHT_5_what_is_restricted_is_not_used_until_she_was_told(
    world: World, person: tuple[str, Browser]
) -> None:
    email, browser = person
    ran = world.kept("rights", "restrict", "--identity", f"email={email}", "--ground", "claims",
                     "--evidence", "answered a code", "--region", "BR", "--yes")  # fmt: skip
    assert (ran.status, ran.document["complete"]) == (0, True)
    case = ran.document["case"]
    # Every use: at the door, and through it at the company's own counter.
    assert not _mail(world, email)
    assert not _improve(world, email)
    assert not _serve(world, email)
    orders = len([at for at in world.rows() if at[0] == "customers.invoice"])
    status, _ = browser.send("/order", quantity="1")
    assert status == 403
    assert len([at for at in world.rows() if at[0] == "customers.invoice"]) == orders
    left = {t["purpose"] for t in ran.document["goes_on"]}
    assert left == {"rights", "storage", "dispute", "disclosure.protection"}
    # It is hers to see all the same.
    assert world.access(email)[0].status == 0
    world.proven("RIGHT-5")
    lifting = ("rights", "lift", "--case", case)
    assert world.kept(*lifting, "--reason", "the claim is settled").status == 1
    assert f"lift --case {case} --told" in world.kept("case", "show", case, json=False).out
    assert world.kept(*lifting, "--told", "a letter of today").status == 0
    assert not _serve(world, email)
    assert f"lift --case {case} --reason" in world.kept("case", "show", case, json=False).out
    done = world.kept(*lifting, "--reason", "the claim is settled")
    assert (done.status, done.document["lifted"]) == (0, True)
    assert _serve(world, email)
    status, said = browser.send("/order", quantity="1")
    assert status == 201, said
    world.proven("RIGHT-5")


def test_RIGHT_6_18_what_she_provided_is_hers_to_take_along(
    world: World, person: tuple[str, Browser]
) -> None:
    """RIGHT-6, RIGHT-18: the same for somebody in the USA."""
    email, _ = person
    for region in ("EEA", "US"):
        out = world.new("along").with_suffix(".zip")
        ran = world.kept("rights", "port", "--identity", f"email={email}", "--region", region,
                         "--evidence", "answered a code", "--out", out)  # fmt: skip
        assert (ran.status, ran.document["complete"]) == (0, True), ran.said
        with zipfile.ZipFile(out) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        described = {r["name"]: r for r in json.loads(files["datapackage.json"])["resources"]}
        tables = {}
        for name, one in described.items():
            rows = list(csv.DictReader(io.StringIO(files[one["path"]].decode(), newline="")))
            assert [f["name"] for f in one["schema"]["fields"]] == list(rows[0] if rows else ())
            tables[name] = rows
        (customer,) = tables["customers.customer"]
        assert (customer["email"], customer["name"]) == (email, "Noa O'Brien-Łuc")
        assert customer["address"] == "Street 9\nHamburg"
        assert customer["phone"] == "\\N"
        (line,) = tables["customers.order_line"]
        assert line["quantity"] == "2"
        # Nothing inferred, and nothing that the organisation wrote for itself.
        (account,) = tables["customers.account"]
        assert "password_hash" not in account
        assert "legal_basis" not in customer
        assert not [name for name in described if name.startswith("own.")]
        left = {(one["where"], *one["fields"]): one["why"] for one in ran.document["left_out"]}
        assert left["customers.account", "password_hash"].startswith("it proves who she is")
        entries = [e["body"] for e in world.ledger() if e["kind"] == "access.given"]
        assert entries[-1]["package"] == ran.document["manifest_sha256"]
    world.proven("RIGHT-6")
    world.proven("RIGHT-18")


def test_RIGHT_18_an_objection_counts_the_same_in_the_USA(world: World) -> None:
    email = world.stranger()
    ask = {"context": "site-form", "region": "US", "email": email}
    assert world.ask("marketing.email", "contact.email", *GROUNDS, **ask).allow is False
    ran = world.kept("rights", "object", "--identity", f"email={email}", "--override", "acceptance",
                     "--purpose", "marketing", "--region", "US", "--yes")  # fmt: skip
    assert (ran.status, ran.document["complete"]) == (0, True)
    answer = world.ask("marketing.email", "contact.email", *GROUNDS, **ask)
    assert "objected" in answer.reason
    world.proven("RIGHT-18")


def test_RIGHT_2_a_correction_reaches_the_copies_and_no_import_undoes_it(
    world: World, person: tuple[str, Browser]
) -> None:
    """Not yet: what was made of the corrected value is named, and made anew by its own system."""
    email, _ = person
    right = world.new("right").with_suffix(".txt")
    right.write_text("Noa Łuc-O'Brien\n", "utf-8")
    who = ("--identity", f"email={email}", "--at", "customers.customer.name",
           "--value-file", right)  # fmt: skip
    before = world.rows()
    shown = world.kept("rights", "rectify", *who)
    assert (shown.status, shown.document["executed"]) == (0, False)
    assert world.rows() == before
    ran = world.kept("rights", "rectify", *who, "--evidence", "showed her passport", "--yes")
    assert (ran.status, ran.document["complete"]) == (0, True), ran.said
    after = world.rows()
    # Everywhere her name stood, in rows of hers, and in nothing else; not on the invoice.
    changed = {at for at in before if after.get(at) != before[at]}
    assert {table for table, _ in changed} == {"customers.customer", "customers.form_submission"}
    for at in changed:
        assert {k for k in after[at] if after[at][k] != before[at][k]} == {"name"}
        assert after[at]["name"] == "Noa Łuc-O'Brien"
    kept_back = [s for s in ran.document["steps"] if s["retained"]]
    assert [s["dataset"] for s in kept_back] == ["invoice"]
    assert all(s["law"] and s["clause"] for s in kept_back)
    assert "Łuc" not in json.dumps(world.ledger(), ensure_ascii=False)
    assert "Łuc" not in ran.said
    assert world.kept("rights", "rectify", "--again").status == 0
    # An import brings the old name back: it is found, and put right again.
    number = next(iter(at[1] for at in changed if at[0] == "customers.customer"))
    with world.company.database() as connection:
        connection.execute(
            "UPDATE customer SET name = %s WHERE customer_id = %s", ("Noa O'Brien-Łuc", number)
        )
    met = world.kept("rights", "rectify", "--again")
    assert met.status == 1
    assert met.document["undone"] == [{"where": "customers.customer.name", "rows": 1}]
    mended = world.kept("rights", "rectify", "--again", "--yes")
    assert (mended.status, mended.document["left"]) == (0, 0), mended.said
    assert world.rows() == after
    assert world.kept("rights", "rectify", "--again").status == 0
    # Who had her name is told what is right, and not what was wrong.
    (told,) = ran.document["told"]
    assert (told["recipient"], told["state"]) == ("provider", "waits")
    case = ran.document["case"]
    tasks = world.kept("task", "list").document["tasks"]
    (task,) = (t["task"] for t in tasks if t["case"] == case)
    letter = (world.directory / "letters" / "provider" / f"{task}.txt").read_text("utf-8")
    assert f"email: {email}" in letter
    assert "Name: Noa Łuc-O'Brien" in letter
    assert "O'Brien-Łuc" not in letter
    assert world.kept("task", "done", task, "--evidence", "their letter").status == 0
    assert world.kept("case", "show", case).document["told"][0]["state"] == "told"
    world.proven("RIGHT-2")
