"""One row per right."""

from __future__ import annotations

import pytest

from kept.errors import UsageError
from kept.terms.rights import RIGHTS, by_verb


def test_the_rights_and_their_verbs() -> None:
    assert list(RIGHTS) == [
        "access", "portability", "rectification", "erasure", "restriction", "objection",
        "withdrawal", "complaint",
    ]  # fmt: skip
    verbs = [right.verb for right in RIGHTS.values() if right.verb]
    assert verbs == ["access", "port", "rectify", "erase", "restrict", "object", "withdraw"]
    assert all(by_verb(verb).verb == verb for verb in verbs)
    assert {r.id for r in RIGHTS.values() if r.writes} == {"rectification", "erasure"}
    assert all(right.article.startswith("GDPR Art. ") for right in RIGHTS.values())


def test_no_other_verb() -> None:
    with pytest.raises(UsageError, match="access, port"):
        by_verb("complain")
