"""Rights of people: what was asked is found, shown, carried out, read back and answered.

    plan → preview → rehearse → execute → read back → receipt

GDPR Art. 15 (access) and 17 (erasure). Controls stand in `checks`, the package a person gets
in `package`.
"""

from kept.duties.rights import checks
from kept.duties.rights.access import AccessAnswer, access
from kept.duties.rights.erase import EraseAnswer, erase, preview
from kept.duties.rights.request import Request, close_case
from kept.duties.rights.residue import lines, residue, scrub, scrubbing

__all__ = [
    "AccessAnswer", "EraseAnswer", "Request", "access", "checks", "close_case", "erase", "lines",
    "preview", "residue", "scrub", "scrubbing",
]  # fmt: skip
