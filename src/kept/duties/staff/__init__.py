"""Staff: who may use the desk, in which roles, and what is noticed of how it is used (Art. 32).

`login` is how somebody gets in, `elsewhere` the same through a provider, `accounts` who may,
`watching` what stands out of what they do; `checks` are the controls.
"""

from __future__ import annotations

from kept.duties.staff import checks
from kept.duties.staff.accounts import (
    add,
    break_glass,
    disable,
    enable,
    first_officer,
    grant,
    officers,
    remind_at,
    reset,
    review,
    revoke,
    see_alert,
    write_first,
)
from kept.duties.staff.elsewhere import Unknown, link, unlink
from kept.duties.staff.login import (
    change_password,
    enrol,
    enter,
    leave,
    new_codes,
    offer,
    prove,
    stage,
)
from kept.duties.staff.watching import noted, shown

__all__ = [
    "Unknown", "add", "break_glass", "change_password", "checks", "disable", "enable", "enrol",
    "enter", "first_officer", "grant", "leave", "link", "new_codes", "noted", "offer",
    "officers", "prove", "remind_at", "reset", "review", "revoke", "see_alert", "shown",
    "stage", "unlink", "write_first",
]  # fmt: skip
