"""Rights of people: what was asked is found, shown, carried out, read back and answered.

    plan → preview → rehearse → execute → read back → receipt

GDPR Art. 7(3) (withdrawal), 15 (access), 16 (rectification), 17 (erasure), 18 (restriction),
20 (portability), 21 (objection).
Controls stand in `checks` and `choice_checks`, the package a person gets in `package`.
"""

from kept.duties.rights import (
    agent_status,
    agents,
    anonymity,
    answer_checks,
    asking_checks,
    casework,
    checks,
    child,
    choice_checks,
    clock,
    clock_checks,
    complaint_checks,
    complaints,
    delivery,
    erased,
    forgetting,
    free_text,
    identity,
    identity_checks,
    intake,
    intake_checks,
    isolation,
    keeping,
    letter_checks,
    mailing,
    new_address,
    proof_checks,
    proving,
    recipients,
    redaction_checks,
    reminding,
    reported,
    told,
)
from kept.duties.rights.access import AccessAnswer, access
from kept.duties.rights.choice import ChoiceAnswer
from kept.duties.rights.ending import EndAnswer, due_today, expire
from kept.duties.rights.erase import EraseAnswer, erase, preview
from kept.duties.rights.intake import (
    Form,
    TooMany,
    begin_waiting,
    standing,
    tend,
)
from kept.duties.rights.mailing import mail_code
from kept.duties.rights.objection import object_to, preview_objection, weigh
from kept.duties.rights.portability import PortAnswer, port
from kept.duties.rights.rectification import (
    RectifyAnswer,
    correct_again,
    preview_rectification,
    rectify,
)
from kept.duties.rights.reported import freeze_reported
from kept.duties.rights.request import Request, close_case
from kept.duties.rights.residue import lines, residue, scrub, scrubbing
from kept.duties.rights.restriction import lift, notify, preview_restriction, restrict
from kept.duties.rights.withdrawal import preview_withdrawal, withdraw

__all__ = [
    "AccessAnswer", "ChoiceAnswer", "EndAnswer", "EraseAnswer", "Form", "PortAnswer",
    "RectifyAnswer", "Request", "TooMany", "access", "agent_status", "agents", "anonymity",
    "answer_checks", "asking_checks", "begin_waiting", "casework", "checks", "child",
    "choice_checks", "clock", "clock_checks", "close_case", "complaint_checks", "complaints",
    "correct_again", "delivery", "due_today", "erase", "erased", "expire", "forgetting",
    "free_text", "freeze_reported", "identity", "identity_checks", "intake", "intake_checks",
    "isolation", "keeping", "letter_checks", "lift", "lines", "mail_code", "mailing",
    "new_address", "notify", "object_to", "port", "preview", "preview_objection",
    "preview_rectification", "preview_restriction", "preview_withdrawal", "proof_checks", "proving",
    "recipients", "rectify", "redaction_checks", "reminding", "reported", "residue", "restrict",
    "scrub", "scrubbing", "standing", "tend", "told", "weigh", "withdraw",
]  # fmt: skip
