"""PURP: the list of purposes is closed, and each rests on a sentence."""

from __future__ import annotations

import pytest
import yaml
from examples.company.door import Unanswered

from kept.terms.vocabulary import SHIPPED
from tests.acceptance.conftest import World, kept
from tests.world import REFERENCE


def test_PURP_1_every_purpose_cites_a_clause_and_every_use_clause_is_cited(world: World) -> None:
    activities = yaml.safe_load((REFERENCE / "activities.yml").read_text("utf-8"))
    clauses = yaml.safe_load((REFERENCE / "clauses.yml").read_text("utf-8"))
    cited = {c for a in activities for c in a["clauses"]}
    assert all(set(a["clauses"]) & clauses.keys() for a in activities)
    uses = {name for name, clause in clauses.items() if clause["kind"] == "use"}
    assert uses
    assert uses <= cited
    # Outside the catalogue there is nothing, whatever ground is claimed.
    own = yaml.safe_load((REFERENCE / "vocabulary.yml").read_text("utf-8"))["purposes"]
    parents = {t.id: t.parent for t in SHIPPED.purposes.values()}
    parents |= {name: row.get("parent") for name, row in own.items()}
    served = {a["purpose"] for a in activities}
    outside = [p for p in parents if not served & _line(parents, p)]
    assert outside
    for purpose in outside:
        answer = world.ask(purpose, "contact.email", f"consent:{purpose}", "contract", "terms")
        assert not answer.allow, purpose
        assert (answer.basis, answer.activity) == (None, None)
    with pytest.raises(Unanswered, match="status 400"):
        world.ask("other-legitimate-purposes", "contact.email", "contract")
    # A clause about a use that loses its last purpose is found.
    lost = world.edition(("activities.yml", "clauses: [USE-3]", "clauses: [PREAM-4]"))
    proof = world.proof("PURP-1", lost)
    assert proof["outcome"] == "fail"
    assert any("USE-3" in f["words"] for e in proof["evidence"] for f in e["findings"])
    assert kept(lost, "policy", "publish").status == 2
    world.proven("PURP-1")


def _line(parents: dict[str, str | None], name: str) -> set[str]:
    """The purpose and all above it."""
    found, at = set(), name
    while at:
        found.add(at)
        at = parents[at] or ""
    return found
