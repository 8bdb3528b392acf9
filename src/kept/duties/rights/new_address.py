"""A new e-mail address: confirmed at the old one and at itself before it takes its place.

Else whoever reads one mailbox, or entered a letter, could have another's data sent to himself.
"""

from __future__ import annotations

import datetime as dt
import secrets

from kept.controller import Controller
from kept.duties.rights.intake import send_code
from kept.errors import UsageError
from kept.records.actor import Actor
from kept.records.case_state import FINISHED
from kept.records.intake import State
from kept.terms.identifiers import Identifier


def confirm_address(
    controller: Controller, case_id: str, new: str, actor: Actor, now: dt.datetime
) -> None:
    """Send codes to the address that a case names and to the one that is to take its place, each
    with a page of its own; both typed, the new one is confirmed in the case.

    Raises UsageError where that cannot be sent, or the case is none of a correction.
    """
    case, to = controller.cases.get(case_id), Identifier("email", new.strip())
    named = [i for one in controller.cases.identifiers(case) for i in one if i.kind == "email"]
    if case.right != "rectification" or case.state in FINISHED or len(named) != 1:
        raise UsageError(
            f"no new address can be confirmed in case {case.id}",
            expected="an open case of a correction that names one e-mail address",
        )
    if to.normalised == named[0].normalised or controller.post is None:
        raise UsageError(
            "codes cannot be sent to both",
            expected="another address than the old one, and [mail] in kept.toml",
        )
    said = {"words": "", "person": named[0].value, "changed": to.value, "case": case.id}
    with controller.database.connection() as c:
        # A page of the whole there is, and nobody's: each has a page of her own.
        one = controller.intakes.take(
            "web", ("rectification",), said, now, state=State.AWAITING, address=named[0],
            actor=actor.id, token=secrets.token_urlsafe(32), connection=c,
        )  # fmt: skip
        for party, address in (("person", named[0]), ("changed", to)):
            send_code(controller, one, party, address, secrets.token_urlsafe(32), now, c,
                      template="code-for-address")  # fmt: skip
