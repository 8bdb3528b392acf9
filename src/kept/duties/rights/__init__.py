"""Rights of people: what was asked is found, shown, carried out, read back and answered.

    plan → preview → rehearse → execute → read back → receipt

GDPR Art. 15 (access) and 17 (erasure). Controls stand in `checks`, the package a person gets
in `package`.
"""

from kept.duties.rights import anonymity, checks, free_text, isolation
from kept.duties.rights.access import AccessAnswer, access
from kept.duties.rights.ending import EndAnswer, expire
from kept.duties.rights.erase import EraseAnswer, erase, preview
from kept.duties.rights.request import Request, close_case

__all__ = [
    "AccessAnswer", "EndAnswer", "EraseAnswer", "Request", "access", "anonymity", "checks",
    "close_case",
    "erase", "expire", "free_text", "isolation", "preview",
]  # fmt: skip
