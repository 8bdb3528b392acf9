"""PREAM: the policy is public, dated, archived, the rule for every use, and says who we are."""

from __future__ import annotations

import re

from tests.acceptance.conftest import (
    BEFORE,
    EARLIER,
    IN_FORCE,
    SENTENCE,
    Page,
    World,
    crawl,
    get,
    headings,
    kept,
    serving,
)
from tests.world import REFERENCE

STREET, EMAIL = "609 East Market Street", "info@interop.io"


def test_PREAM_1_the_policy_page_is_public_whole_and_clean(world: World) -> None:
    """Who follows the link of the company's site, with nothing but a reader of HTML."""
    link = get(f"{world.site}/privacy")
    assert link.status == 302
    assert link.headers["Location"] == f"{world.url}/privacy"
    reply = get(link.headers["Location"])
    page = Page(reply.text)
    assert reply.status == 200
    wanted = headings(REFERENCE)
    assert len(wanted) == 32
    assert [i for i in page.ids if i in wanted] == wanted
    assert "committed ourselves to your privacy" in page.text
    # Without JavaScript and without anybody else: no script, frame or handler, no other host.
    assert not {"script", "iframe", "object", "embed", "form"} & set(page.tags)
    assert not [name for name in page.attributes if name.startswith("on") or name == "style"]
    assert page.fetches
    for fetched in page.fetches:
        assert fetched.startswith("/")
        assert not fetched.startswith("//")
        asset = get(world.url + fetched)
        assert asset.status == 200
        assert not re.search(r"@import|url\(", asset.text)
        assert asset.headers.get_all("Set-Cookie") is None
    assert reply.headers.get_all("Set-Cookie") is None
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    world.proven("PREAM-1")


def test_PREAM_2_a_published_version_does_not_change_and_shows_its_date(world: World) -> None:
    page = Page(get(f"{world.url}/privacy").text)
    assert "This version was last updated on 27 June 2023." in page.text
    assert "a draft" not in page.text
    one_word = ("text.md", SENTENCE, SENTENCE.replace("every so often", "now and then"))
    one_rule = ("activities.yml", "requires: [preference:email]", "requires: []")
    dated = ("policy.yml", f"version: {IN_FORCE}", "version: 2026-12-01")
    back = ("policy.yml", f"version: {IN_FORCE}", "version: 2023-06-26")
    before = world.dump()["policy_version"]
    for what, change in (("text", one_word), ("rules", one_rule)):
        edition = world.edition(change)
        ran = kept(edition, "policy", "publish")
        assert ran.status == 2
        assert f"the {what} of version {IN_FORCE} changed" in ran.document["what"]
        problems = kept(edition, "policy", "check").document["problems"]
        assert [p["where"].partition(":")[0] for p in problems] == ["policy.yml"]
        assert kept(world.edition(change, back), "policy", "publish").status == 2
        # With a new version and date it may be published.
        assert kept(world.edition(change, dated), "policy", "check").document["problems"] == []
    assert world.dump()["policy_version"] == before
    world.proven("PREAM-2")


def test_PREAM_4_what_no_clause_covers_is_denied_and_the_denial_is_on_record(
    world: World,
) -> None:
    """Not yet: the reason in words stands in the answer only, the entry names purpose, category
    and context; and of an activity bound to a clause that does not exist it is the check and the
    control that say so, not the door.
    """
    answer = world.ask("profiling", "contact.email", "contract", context="sales-onboarding")
    assert not answer.allow
    assert "profiling" in answer.reason
    assert (answer.basis, answer.activity) == (None, None)
    denied = world.ledger()[-1]
    assert denied["kind"] == "use.decided"
    assert (denied["body"]["purpose"], denied["body"]["allowed"]) == ("profiling", False)
    assert (denied["body"]["category"], denied["body"]["context"]) == (
        "contact.email", "sales-onboarding",
    )  # fmt: skip
    assert "activity" not in denied["body"]
    # An activity that is bound to no clause, or to none that exists, is no activity.
    for bound in ("[]", "[PREAM-99]"):
        unbound = world.edition(
            ("activities.yml", "clauses: [USE-1, VISIT-2, VISIT-4, PI-1, PI-2, PREAM-9]",
             f"clauses: {bound}"),
        )  # fmt: skip
        ran = kept(unbound, "policy", "check")
        assert ran.status == 1
        assert any(p["where"].startswith("activities.yml:") for p in ran.document["problems"])
        assert kept(unbound, "policy", "publish").status == 2
    assert world.proof("PREAM-4", unbound)["outcome"] == "fail"
    world.proven("PREAM-4")


def test_PREAM_8_every_version_stays_readable_with_its_date_and_what_changed(world: World) -> None:
    """A row names the version in force when it was collected, and so does the person's answer."""
    archive = Page(get(f"{world.url}/privacy/versions").text)
    for version, words in ((BEFORE, "10 January 2022"), (IN_FORCE, "27 June 2023")):
        assert words in archive.text
        old = get(f"{world.url}/privacy/versions/{version}")
        assert old.status == 200
        assert words in Page(old.text).text
    assert EARLIER in archive.text
    assert SENTENCE in archive.text
    before, now = (Page(get(f"{world.url}/privacy/versions/{v}").text).text
                   for v in (BEFORE, IN_FORCE))  # fmt: skip
    assert EARLIER in before
    assert SENTENCE not in before
    assert SENTENCE in now
    email = world.stranger()
    status, _ = world.browser().send("/contact", email=email, message="Which version applies?")
    assert status == 201
    _, pack = world.access(email)
    (row,) = pack.rows["customers.form_submission"]
    assert row["policy_version"] == IN_FORCE
    assert pack.answer["policy"]["version"] == IN_FORCE
    world.proven("PREAM-8")


def test_PREAM_10_a_new_address_in_the_bundle_is_the_address_everywhere(world: World) -> None:
    """Pages, the machine-readable answer and the package of an access. No message is sent yet,
    so that there is no footer of one to look at; the archive shows what was published, as it was.
    """
    new = {STREET: "1 New Street", EMAIL: "privacy@new.example"}
    moved = world.edition(*(("policy.yml", was, now) for was, now in new.items()))
    with serving("kept.app", "serve", "--dir", str(moved), "--port", "0", "--json") as said:
        pages = crawl(said["url"])
        unknown = get(f"{said['url']}/nowhere")
    shown = [r.text for path, r in pages.items() if not path.startswith("/privacy/versions/")]
    _, pack = world.access("ana.weber@example.de", moved)
    answers = [pack.page, pack.files["answer.json"].decode()]
    rendered = kept(moved, "policy", "render").out
    for text in (*shown, unknown.text, rendered, *answers):
        assert STREET not in text
        assert EMAIL not in text
    for text in (pages["/privacy"].text, rendered, *answers):
        assert all(words in text for words in new.values())
    assert sum(new[EMAIL] in text for text in shown) >= 3
    assert STREET in pages[f"/privacy/versions/{IN_FORCE}"].text
    world.proven("PREAM-10")
