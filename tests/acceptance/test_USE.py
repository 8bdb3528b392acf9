"""USE: rules are written on words that somebody has defined."""

from __future__ import annotations

import re

import yaml

from tests.acceptance.conftest import Page, World, get, kept
from tests.world import REFERENCE


def test_USE_6_every_term_that_the_policy_uses_has_a_meaning_and_a_source(world: World) -> None:
    """The text marks its defined terms; each use of one shows its meaning on the page."""
    ran = world.kept("policy", "check")
    assert (ran.status, ran.document["problems"]) == (0, [])
    glossary = yaml.safe_load((REFERENCE / "vocabulary.yml").read_text("utf-8"))["glossary"]
    clauses = yaml.safe_load((REFERENCE / "clauses.yml").read_text("utf-8"))
    names = {n: term for term, row in glossary.items() for n in (term, *row["aliases"])}
    marked = re.findall(r"\[\[([^\]|]+\|)?([^\]]+)\]\]", (REFERENCE / "text.md").read_text("utf-8"))
    assert {"Device Information", "Site"} <= {words for _, words in marked}
    for before, words in marked:
        assert {words, before.rstrip("|")} & names.keys(), words
    assert all(row["means"].strip() and row["source"] in clauses for row in glossary.values())
    page = get(f"{world.url}/privacy").text
    for term in ("Device Information", "Site"):
        link = re.search(rf'<a class="term" href="#([^"]+)">{term}</a>', page)
        assert link is not None
        means = re.search(rf'<dt id="{link[1]}">{term}</dt><dd>([^<]+)', page)
        assert means is not None
        assert means[1].split()[:3] == glossary[term]["means"].split()[:3]
    assert "Personal Information" in Page(page).text
    # A word that nobody defines, or a definition that leaves: found, with its place and the fix.
    used = world.edition(("text.md", "[[Device Information]], above all", "[[Gadget Facts]], and"))
    gone = world.edition(("vocabulary.yml", "  Device Information:\n", "  Other Words:\n"))
    capital = world.edition(("text.md", "More generally, it helps us",
                             "More generally, Gadget Facts help us"))  # fmt: skip
    for edition, word in ((used, "Gadget Facts"), (gone, "Device Information"),
                          (capital, "'Gadget'")):  # fmt: skip
        ran = kept(edition, "policy", "check")
        met = [p for p in ran.document["problems"] if word in p["what"]]
        assert ran.status == 1
        assert met, word
        assert all(p["where"].startswith("text.md:") and p["fix"] for p in met)
    assert world.proof("USE-6", used)["outcome"] == "fail"
    world.proven("USE-6")
