"""What can be reached from outside: one table of all routes and commands, with who may use them.

The table is handed to the Controller when it opens, so that controls can read it; tests hold
it against the real application and the real command line.
"""

from __future__ import annotations

from typing import Final

from kept.errors import Denied, UsageError
from kept.model.surface import Surface

_ANYONE: Final[frozenset[str]] = frozenset()
_PROGRAM: Final = frozenset({"program"})
_AGENT: Final = frozenset({"agent"})
_PERSON: Final = frozenset({"person"})
_ANSWERS: Final = frozenset({"operator", "privacy-officer", "approver"})
_HOLDS: Final = frozenset({"operator", "privacy-officer"})
#: Counts are all that is shown of people who go out.
_RELEASES: Final = _HOLDS | {"marketer"}
#: Whoever examines reads counts and states, and nothing that people wrote.
LOOKS: Final = frozenset({"privacy-officer", "auditor"})
#: Whoever may say who is who.
LINKS: Final = _ANSWERS | {"verifier"}
TAKES: Final = _ANSWERS | {"intake"}
_DISCLOSES: Final = _ANSWERS | {"support"}
#: How far somebody is at the desk: not logged in; the password given, the code not yet; logged in,
#: in whatever role.
GUEST: Final = "guest"
HALF: Final = "half"
STAFF: Final = "staff"
_GUEST: Final = frozenset({GUEST})
_HALF: Final = frozenset({HALF})
_STAFF: Final = frozenset({STAFF})
_OFFICER: Final = frozenset({"privacy-officer"})
#: Who may see a case at the desk; and who of them sees whom it is about, on asking.
SHOWN: Final = frozenset(
    {"intake", "verifier", "redactor", "approver", "privacy-officer", "support"}
)
_WORKS: Final = SHOWN | {"operator"}
_TELLS: Final = LINKS | {"intake", "support"}
CASES: Final = SHOWN | {"auditor"}
#: Whoever says what became of a task; of what recipients were told only those who answer.
_SERVES: Final = _ANSWERS | {"system-owner"}
_REDACTS: Final = frozenset({"redactor"})
_APPROVES: Final = frozenset({"approver", "privacy-officer"})
LISTS: Final = frozenset({"approver", "privacy-officer", "auditor"})


def _http(name: str, method: str = "GET", roles: frozenset[str] = _ANYONE) -> Surface:
    return Surface("http", name, method, roles, method not in ("GET", "HEAD", "OPTIONS"))


def _cli(name: str, roles: frozenset[str] = _ANYONE, *, changes: bool = False) -> Surface:
    return Surface("cli", name, "run", roles, changes)


ROUTES: Final = (
    _http("/"),
    _http("/privacy"),
    _http("/privacy/sentences/{number:int}"),
    _http("/privacy/versions"),
    _http("/privacy/versions/{version:str}"),
    _http("/privacy/authorities"),
    _http("/privacy/delivery/{token:str}"),
    _http("/privacy/delivery/{token:str}/package"),
    _http("/privacy/delivery/{token:str}/package", "POST", _PERSON),
    _http("/privacy/delivery/{token:str}/code"),
    _http("/privacy/delivery/{token:str}/code", "POST", _PERSON),
    # Whoever asks proves it with a code that was sent to her, or needs no proof.
    _http("/privacy/requests"),
    _http("/privacy/requests", "POST", _PERSON),
    _http("/privacy/requests/child"),
    _http("/privacy/requests/child", "POST", _PERSON),
    _http("/privacy/requests/mail"),
    _http("/privacy/requests/mail", "POST", _PERSON),
    _http("/privacy/requests/{token:str}"),
    _http("/privacy/requests/{token:str}", "POST", _PERSON),
    # Whoever reads a page chooses; the cookie in her browser is all that is known of her.
    _http("/privacy/choices"),
    _http("/privacy/choices", "POST", _PERSON),
    _http("/privacy/choices/receipts/{record:str}"),
    # Whoever holds a link of her own narrows; what widens asks for a code besides.
    _http("/privacy/preferences"),
    _http("/privacy/preferences", "POST", _PERSON),
    _http("/p/{token:str}"),
    _http("/p/{token:str}", "POST", _PERSON),
    _http("/p/{token:str}/receipt"),
    _http("/u/{token:str}"),
    _http("/u/{token:str}", "POST", _PERSON),
    _http("/privacy/banner.css"),
    _http("/privacy/banner.js"),
    _http("/privacy/guard.js"),
    _http("/.well-known/gpc.json"),
    # From browsers, of what they refused to load; nothing of who they are is kept.
    _http("/privacy/reports", "POST", _PERSON),
    _http("/.well-known/security.txt"),
    _http("/.well-known/change-password"),
    _http("/privacy/complaints"),
    _http("/privacy/complaints", "POST", _PERSON),
    _http("/privacy/complaints/{token:str}"),
    _http("/privacy/complaints/{token:str}", "POST", _PERSON),
    # What people send to the company, judged before it is stored.
    _http("/forms/{form:str}"),
    _http("/forms/{form:str}", "POST", _PERSON),
    _http("/assets/{name:str}"),
    _http("/health"),
    # Records what was decided; stores nothing about the person asked for.
    _http("/api/v1/decide", "POST", _PROGRAM),
    _http("/api/v1/visit", "POST", _PROGRAM),
    _http("/api/v1/preferences-link", "POST", _PROGRAM),
    _http("/api/v1/forms/{form:str}", "GET", _PROGRAM),
    _http("/api/v1/forms/{form:str}", "POST", _PROGRAM),
    _http("/api/v1/forms/{form:str}/items/{item:str}", "POST", _PROGRAM),
    _http("/api/v1/schema/openapi.json"),
    # Agents of the directory, by the Data Rights Protocol, where it is on: their signature and
    # their token let them in.
    _http("/v1/data-rights-request", "POST", _AGENT),
    _http("/v1/data-rights-request/{request_id:str}", "GET", _AGENT),
    _http("/v1/data-rights-request/{request_id:str}", "DELETE", _AGENT),
    _http("/v1/agent/{agent_id:str}", "GET", _AGENT),
    _http("/v1/agent/{agent_id:str}", "POST", _AGENT),
)

#: The staff's console. `app/desk/guard.py` lets in nobody whom this table does not name, and
#: answers nothing under a path that does not stand here.
DESK: Final = (
    _http("/desk/login"),
    _http("/desk/login", "POST", _GUEST),
    _http("/desk/login/elsewhere"),
    _http("/desk/login/elsewhere/back"),
    _http("/desk/login/elsewhere/back", "POST", _GUEST),
    _http("/desk/login/code", "GET", _HALF),
    _http("/desk/login/code", "POST", _HALF),
    _http("/desk/login/password", "GET", _HALF),
    _http("/desk/login/password", "POST", _HALF),
    _http("/desk/second-proof", "GET", _HALF | _STAFF),
    _http("/desk/second-proof", "POST", _HALF | _STAFF),
    _http("/desk/logout", "POST", _HALF | _STAFF),
    _http("/desk", "GET", _STAFF),
    # What a right asks for besides stands in COMMANDS, at its command.
    _http("/desk/cases/{case:str}", "GET", CASES),
    _http("/desk/cases/{case:str}/show", "POST", SHOWN),
    _http("/desk/cases/{case:str}/answer", "POST", _DISCLOSES - {"operator"}),
    _http("/desk/cases/{case:str}/mail", "POST", _DISCLOSES - {"operator"}),
    _http("/desk/cases/{case:str}/link", "POST", _DISCLOSES - {"operator"}),
    _http("/desk/cases/{case:str}/code", "POST", _DISCLOSES - {"operator"}),
    _http("/desk/cases/{case:str}/letter", "POST", _DISCLOSES - {"operator"}),
    _http("/desk/cases/{case:str}/posted", "POST", _DISCLOSES - {"operator"}),
    _http("/desk/cases/{case:str}/note", "POST", SHOWN),
    _http("/desk/cases/{case:str}/owner", "POST", SHOWN),
    _http("/desk/cases/{case:str}/evidence", "POST", LINKS - {"operator"}),
    _http("/desk/cases/{case:str}/confirm", "POST", LINKS - {"operator"}),
    _http("/desk/cases/{case:str}/acknowledge", "POST", _TELLS - {"operator"}),
    _http("/desk/cases/{case:str}/told", "POST", _TELLS - {"operator"}),
    _http("/desk/cases/{case:str}/plan", "POST", _DISCLOSES - {"operator"}),
    _http("/desk/cases/{case:str}/approve", "POST", _ANSWERS - {"operator"}),
    _http("/desk/cases/{case:str}/carry-out", "POST", _DISCLOSES - {"operator"}),
    _http("/desk/cases/{case:str}/package", "POST", _DISCLOSES - {"operator"}),
    _http("/desk/cases/{case:str}/redaction", "GET", CASES),
    _http("/desk/cases/{case:str}/redaction/show", "POST", _REDACTS | _APPROVES),
    _http("/desk/cases/{case:str}/redaction/strike", "POST", _REDACTS),
    _http("/desk/cases/{case:str}/redaction/approve", "POST", _APPROVES),
    _http("/desk/cases/{case:str}/decide", "POST", _ANSWERS - {"operator"}),
    _http("/desk/cases/{case:str}/clock", "POST", _ANSWERS - {"operator"}),
    _http("/desk/cases/{case:str}/part", "POST", _ANSWERS - {"operator"}),
    _http("/desk/cases/{case:str}/task", "POST", _ANSWERS - {"operator"}),
    _http("/desk/cases/{case:str}/end", "POST", _DISCLOSES - {"operator"}),
    _http("/desk/requests/new", "GET", TAKES - {"operator"}),
    _http("/desk/requests/new", "POST", TAKES - {"operator"}),
    _http("/desk/requests/mail", "POST", TAKES - {"operator"}),
    _http("/desk/requests/import", "GET", TAKES - {"operator"}),
    _http("/desk/requests/import", "POST", TAKES - {"operator"}),
    _http("/desk/requests/{request_id:str}", "GET", CASES),
    _http("/desk/requests/{request_id:str}/show", "POST", SHOWN),
    _http("/desk/requests/{request_id:str}/scan", "POST", TAKES - {"operator"}),
    _http("/desk/requests/{request_id:str}/scanned", "POST", TAKES - {"operator"}),
    _http("/desk/requests/{request_id:str}/classify", "POST", TAKES - {"operator"}),
    _http("/desk/requests/{request_id:str}/close", "POST", TAKES - {"operator"}),
    _http("/desk/requests/{request_id:str}/decide", "POST", _ANSWERS - {"operator"}),
    _http("/desk/reports", "GET", CASES),
    _http("/desk/reports", "POST", _ANSWERS - {"operator"}),
    _http("/desk/complaints", "GET", CASES),
    _http("/desk/complaints/add", "POST", TAKES - {"operator"}),
    _http("/desk/complaints/{complaint:str}", "GET", CASES),
    _http("/desk/complaints/{complaint:str}/show", "POST", SHOWN),
    _http("/desk/complaints/{complaint:str}/acknowledge", "POST", TAKES - {"operator"}),
    _http("/desk/complaints/{complaint:str}/note", "POST", TAKES - {"operator"}),
    _http("/desk/complaints/{complaint:str}/link", "POST", LINKS - {"operator"}),
    _http("/desk/complaints/{complaint:str}/answer", "POST", _ANSWERS - {"operator"}),
    _http("/desk/figures", "GET", CASES),
    _http("/desk/lists/{name:str}", "GET", LISTS),
    _http("/desk/account", "GET", _STAFF),
    _http("/desk/account/password", "POST", _STAFF),
    _http("/desk/account/second-proof", "POST", _STAFF),
    _http("/desk/account/codes", "POST", _STAFF),
    _http("/desk/account/mail", "POST", _STAFF),
    _http("/desk/account/emergency", "POST", _STAFF),
    _http("/desk/accounts", "GET", _OFFICER),
    _http("/desk/accounts/add", "POST", _OFFICER),
    _http("/desk/accounts/grant", "POST", _OFFICER),
    _http("/desk/accounts/revoke", "POST", _OFFICER),
    _http("/desk/accounts/disable", "POST", _OFFICER),
    _http("/desk/accounts/enable", "POST", _OFFICER),
    _http("/desk/accounts/reset", "POST", _OFFICER),
    _http("/desk/accounts/link", "POST", _OFFICER),
    _http("/desk/accounts/unlink", "POST", _OFFICER),
    _http("/desk/accounts/review", "POST", _OFFICER),
    _http("/desk/accounts/alert", "POST", _OFFICER),
    _http("/desk/incidents", "GET", LOOKS),
    _http("/desk/incidents/{incident:str}", "GET", LOOKS),
    _http("/desk/incidents/add", "POST", _OFFICER),
    _http("/desk/incidents/judge", "POST", _OFFICER),
    _http("/desk/incidents/notice", "POST", _OFFICER),
    _http("/desk/incidents/tell", "POST", _OFFICER),
    _http("/desk/incidents/close", "POST", _OFFICER),
    _http("/desk/measures", "GET", LOOKS),
    _http("/desk/disclosures", "GET", LOOKS),
    _http("/desk/disclosures/add", "POST", _OFFICER),
    _http("/desk/trackers", "GET", LOOKS),
    _http("/desk/trackers/settle", "POST", _OFFICER),
    _http("/desk/doubts", "GET", LINKS - {"operator"}),
    _http("/desk/doubts/show", "POST", LINKS - {"operator"}),
    _http("/desk/doubts/decide", "POST", LINKS - {"operator"}),
    _http("/desk/tasks", "GET", _SERVES - {"operator"}),
    _http("/desk/tasks/show", "POST", _SERVES - {"operator"}),
    _http("/desk/tasks/done", "POST", _SERVES - {"operator"}),
    _http("/desk/quarantine", "GET", TAKES - {"operator"}),
    _http("/desk/quarantine/show", "POST", TAKES - {"operator"}),
    _http("/desk/quarantine/decide", "POST", TAKES - {"operator"}),
)

#: Empty roles: whoever may run commands on this machine.
COMMANDS: Final = (
    _cli("new", changes=True),
    _cli("doctor"),
    _cli("serve", changes=True),
    _cli("gateway", changes=True),
    _cli("gateway snippet"),
    _cli("demo", changes=True),
    _cli("bench"),
    _cli("authorities"),
    _cli("policy check"),
    _cli("policy render"),
    _cli("policy diff"),
    _cli("policy publish", _ANSWERS, changes=True),
    _cli("map discover"),
    _cli("map check"),
    _cli("map show"),
    _cli("map places"),
    _cli("map import-fides", changes=True),
    _cli("import", _HOLDS, changes=True),
    _cli("request add", TAKES, changes=True),
    _cli("request import", TAKES, changes=True),
    _cli("request list"),
    _cli("request show"),
    _cli("request scan", TAKES, changes=True),
    _cli("request scanned", TAKES),
    _cli("request classify", TAKES, changes=True),
    _cli("request verify", LINKS, changes=True),
    _cli("request close", TAKES, changes=True),
    _cli("request decide", _ANSWERS, changes=True),
    _cli("request run", changes=True),
    _cli("rights access", _DISCLOSES, changes=True),
    _cli("rights erase", _ANSWERS, changes=True),
    _cli("rights pause", _ANSWERS, changes=True),
    _cli("rights port", _DISCLOSES, changes=True),
    _cli("rights rectify", _ANSWERS, changes=True),
    _cli("rights object", _DISCLOSES, changes=True),
    _cli("rights weigh", _ANSWERS, changes=True),
    _cli("rights withdraw", _DISCLOSES, changes=True),
    _cli("rights restrict", _DISCLOSES, changes=True),
    _cli("rights lift", _ANSWERS, changes=True),
    _cli("case list"),
    _cli("case show"),
    _cli("case answer", _DISCLOSES, changes=True),
    _cli("case letter", _DISCLOSES, changes=True),
    _cli("case posted", _DISCLOSES, changes=True),
    _cli("case redact", _REDACTS, changes=True),
    _cli("case approve", _APPROVES, changes=True),
    _cli("case deliver", _DISCLOSES, changes=True),
    _cli("case code", _DISCLOSES, changes=True),
    _cli("case deliveries", _DISCLOSES, changes=True),
    _cli("case refuse", _ANSWERS, changes=True),
    _cli("case withdraw", _DISCLOSES, changes=True),
    _cli("case note", _WORKS, changes=True),
    _cli("case give", _WORKS, changes=True),
    _cli("case plan", _DISCLOSES, changes=True),
    _cli("case prove", LINKS, changes=True),
    _cli("case confirm", LINKS, changes=True),
    _cli("case acknowledge", _TELLS, changes=True),
    _cli("case tell", _TELLS, changes=True),
    _cli("case clock", _ANSWERS, changes=True),
    _cli("case extend", _ANSWERS, changes=True),
    _cli("case pause", _ANSWERS, changes=True),
    _cli("case resume", _ANSWERS, changes=True),
    _cli("case remind", _ANSWERS, changes=True),
    _cli("task list"),
    _cli("task send", _ANSWERS, changes=True),
    _cli("task done", _SERVES, changes=True),
    _cli("account add", changes=True),
    _cli("account list"),
    _cli("account grant", changes=True),
    _cli("account revoke", changes=True),
    _cli("account disable", changes=True),
    _cli("account enable", changes=True),
    _cli("account reset", changes=True),
    _cli("account mail", changes=True),
    _cli("account link", changes=True),
    _cli("account unlink", changes=True),
    # Whose values were shown to whom is noted.
    _cli("identity show", LINKS, changes=True),
    _cli("identity link", LINKS, changes=True),
    _cli("identity unlink", LINKS, changes=True),
    _cli("identity doubts", LINKS, changes=True),
    _cli("identity settle", LINKS, changes=True),
    _cli("hold add", _HOLDS, changes=True),
    _cli("hold release", _HOLDS, changes=True),
    _cli("hold list"),
    _cli("disclosure add", _HOLDS, changes=True),
    _cli("disclosure list", _HOLDS | {"auditor"}),
    _cli("release plan", _RELEASES | {"auditor"}),
    _cli("release run", _RELEASES, changes=True),
    _cli("release recall", _RELEASES, changes=True),
    _cli("release list", _RELEASES | {"auditor"}),
    _cli("incident add", _HOLDS, changes=True),
    _cli("incident list"),
    _cli("incident show"),
    _cli("incident judge", _HOLDS, changes=True),
    _cli("incident notice", _HOLDS, changes=True),
    _cli("incident tell", _HOLDS, changes=True),
    _cli("incident close", _HOLDS, changes=True),
    _cli("measure list", _HOLDS | {"auditor"}),
    _cli("scan", changes=True),
    _cli("trackers import", _HOLDS, changes=True),
    _cli("trackers lists"),
    _cli("preferences link", _ANSWERS, changes=False),
    _cli("links list"),
    _cli("links look", changes=True),
    _cli("complaint add", TAKES, changes=True),
    _cli("complaint list"),
    _cli("complaint show"),
    _cli("complaint acknowledge", TAKES, changes=True),
    _cli("complaint note", TAKES, changes=True),
    _cli("complaint verify", LINKS, changes=True),
    _cli("complaint link", LINKS, changes=True),
    _cli("complaint answer", _ANSWERS, changes=True),
    _cli("notice show"),
    _cli("notice list"),
    _cli("quarantine list"),
    _cli("quarantine decide", TAKES, changes=True),
    _cli("quarantine sweep", changes=True),
    _cli("stats requests"),
    _cli("retain plan", _ANSWERS),
    _cli("retain run", _ANSWERS, changes=True),
    _cli("prove", changes=True),
    _cli("ledger verify"),
    _cli("ledger export", changes=True),
    _cli("ledger checkpoint", changes=True),
)

SURFACES: Final = (*ROUTES, *DESK, *COMMANDS)


def roles_of(command: str) -> frozenset[str]:
    """The roles that may use a command; empty: whoever may run commands."""
    return next(s.roles for s in COMMANDS if s.name == command)


def require(command: str, role: str) -> None:
    """Refuse a role that the table does not name for the command.

    Raises Denied; UsageError where there is no such role at all.
    """
    roles = roles_of(command)
    if not roles or role in roles:
        return
    from kept.records.actor import ROLES

    if role not in ROLES:
        raise UsageError("there is no such role", expected=f"one of {', '.join(ROLES)}")
    raise Denied(
        f"the role `{role}` may not use `kept {command}`",
        fix=f"ask somebody in one of the roles {', '.join(sorted(roles))}; who acts, and in which,"
        " is said with --actor and --role",
    )
