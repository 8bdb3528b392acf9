"""Trackers: what the pages reach is what is declared, and runs only while a visitor allows it.

Browsers tell what they refused, so that whatever somebody pastes into a page is known when the
first visitor opens it (`review`); the pages themselves are looked at as a stranger gets them
(`guarded`), and by a browser that plays every visitor (`scanned`, `reading`).
"""

from kept.duties.trackers import guarded, letters, outbound, reading, register, scanned
from kept.duties.trackers.review import declared, note, settle

__all__ = [
    "declared",
    "guarded",
    "letters",
    "note",
    "outbound",
    "reading",
    "register",
    "scanned",
    "settle",
]
