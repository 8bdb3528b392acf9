"""Visits: what may run while somebody reads a page, and how she says so (ePrivacy Art. 5(3))."""

from kept.duties.visits import checks, links, view_checks, views
from kept.duties.visits.banner import fragment, head, placeholder
from kept.duties.visits.choosing import choose, expired

__all__ = [
    "checks", "choose", "expired", "fragment", "head", "links", "placeholder", "view_checks",
    "views",
]  # fmt: skip
