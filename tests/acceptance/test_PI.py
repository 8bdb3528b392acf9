"""PI: what counts as personal information is labelled, transactions are part of it, and the text's
own references lead somewhere."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from examples.company import world as company
from examples.company.life import Browser

from tests.acceptance.conftest import Page, World, crawl, get


def test_PI_1_an_unlabelled_column_of_addresses_is_found(world: World) -> None:
    """In either engine, whatever the column is called: the map is held against what is there."""
    with world.company.database() as connection:
        connection.execute("ALTER TABLE customer ADD COLUMN second_contact text")
        connection.execute("UPDATE customer SET second_contact = email")
    with world.company.desk() as desk:
        desk.execute("CREATE TABLE cc (ticket_id INTEGER, whom TEXT)")
        desk.execute("INSERT INTO cc SELECT ticket_id, requester_email FROM ticket")
    try:
        checked, proof = world.kept("map", "check"), world.proof("PI-1")
    finally:
        with world.company.database() as connection:
            connection.execute("ALTER TABLE customer DROP COLUMN second_contact")
        with world.company.desk() as desk:
            desk.execute("DROP TABLE cc")
    assert checked.status == 1
    said = [p["what"] for p in checked.document["problems"]]
    assert any("second_contact" in words for words in said)
    assert any("`cc`" in words or "cc" in words.split() for words in said), said
    assert proof["outcome"] == "fail"
    found = [(f["where"], f["words"]) for e in proof["evidence"] for f in e["findings"]]
    assert any(w == "customers.customer" and "second_contact" in words for w, words in found)
    assert any(w == "support" and "`cc`" in words for w, words in found)
    assert world.kept("map", "check").status == 0
    world.proven("PI-1")


def test_PI_3_free_and_paid_transactions_are_hers_the_paid_one_stays_by_law(
    world: World, person: tuple[str, Browser]
) -> None:
    email, _ = person
    _, pack = world.access(email)
    (trial,) = pack.rows["customers.free_transaction"]
    (invoice,) = pack.rows["customers.invoice"]
    (line,) = pack.rows["customers.order_line"]
    assert (trial["kind"], invoice["invoice_id"]) == ("trial", line["invoice_id"])
    assert trial["customer_id"] == invoice["customer_id"]
    before = world.rows()
    ran = world.kept("rights", "erase", "--identity", f"email={email}", "--override", "acceptance",
                     "--yes")  # fmt: skip
    assert ran.status == 0, ran.said
    assert ran.document["complete"] is True
    after = world.rows()
    assert ("customers.free_transaction", str(trial["transaction_id"])) not in after
    at = ("customers.invoice", str(invoice["invoice_id"]))
    assert after[at] == before[at]
    steps = {(s["store"], s["dataset"]): s for s in ran.document["steps"] if s["retained"]}
    assert steps.keys() == {("customers", "invoice"), ("customers", "order_line")}
    year = after[at]["issued_at"].year
    for step in steps.values():
        assert step["clause"].startswith("RET-")
        assert step["reason"]
        assert step["law"]
        assert step["until"].startswith(str(year + 10))
    assert company.about(after, email) == {}
    world.proven("PI-3")


def test_PI_8_no_reference_of_the_rendered_policy_dangles(world: World) -> None:
    """Not yet: whether the addresses outside answer is no part of this."""
    pages = crawl(world.url, "/privacy")
    assert {p.partition("/sentences/")[0] for p in pages} >= {"/privacy", "/privacy/versions"}
    assert sum("/sentences/" in path for path in pages) > 100
    assert {path for path, reply in pages.items() if reply.status != 200} <= {"/"}
    for path, reply in pages.items():
        if "html" not in reply.headers["Content-Type"]:
            continue
        for link in Page(reply.text).links:
            place = urlsplit(link)
            if place.netloc or place.scheme or not place.fragment:
                continue
            target = Page(pages[place.path or path].text)
            assert place.fragment in target.ids, (path, link)
    # “Navigation Information” is no heading of the original: shown is the part that is meant.
    policy = get(f"{world.url}/privacy").text
    assert "Navigation Information" not in policy
    for code in ("NAV", "LOG"):
        title = re.search(rf'<section id="{code}" aria-label="([^"]+)"', policy)
        assert title is not None
        assert f'“<a href="#{code}">{title[1]}</a>”' in policy
    world.proven("PI-8")
