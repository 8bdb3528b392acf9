"""The Content-Security-Policy of a page: what may load is what is allowed now, and nothing else.

A browser asked to load something that the policy does not name refuses, whoever wrote the tag
and however it is labelled. A response may carry several policies, and what each of them forbids
is forbidden: a site's own stays beside ours as it is, save that its reports go to nobody else.

Ours lets a page's own inline scripts run. It is about where a page may reach; what may run in it
is for the site's own policy to say, and nothing said here loosens that one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from kept.policy.trackers import Tracker
from kept.terms.addresses import elsewhere

#: Where browsers send what they refused.
REPORTS: Final = "/privacy/reports"
#: The name of that place in `Reporting-Endpoints`.
GROUP: Final = "kept"
#: What a page may always use, by directive: its own origin, and what it makes itself.
OWN: Final[Mapping[str, str]] = {
    "default-src": "'self' data: blob:",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval' data: blob:",
    "style-src": "'self' 'unsafe-inline' data: blob:",
    "img-src": "'self' data: blob:",
    "connect-src": "'self' data: blob:",
    "font-src": "'self' data: blob:",
    "media-src": "'self' data: blob:",
    "frame-src": "'self' data: blob:",
    "worker-src": "'self' data: blob:",
    "manifest-src": "'self'",
    "object-src": "'self'",
    "base-uri": "'self'",
    "form-action": "'self'",
}
#: Directives of a site's policy that say where its reports go.
_REPORTING: Final = ("report-uri", "report-to")


def policy(allowed: Iterable[Tracker], forms: Sequence[str] = (), *, secure: bool = False) -> str:
    """Our policy while these trackers may run. `forms`: hosts that forms may be sent to.

    `secure`: the page came over https, so that the browser takes endpoints of reports by name.
    """
    hosts: dict[str, dict[str, None]] = {}
    for tracker in allowed:
        for kind, names in tracker.hosts.items():
            hosts.setdefault(f"{kind}-src", {}).update(dict.fromkeys(names))
    hosts["form-action"] = dict.fromkeys(forms)
    parts = [
        " ".join((name, own, *sorted(hosts.get(name, ())))) for name, own in OWN.items()
    ]  # sorted: the same for the same choice, in whatever order it was made
    parts.append(f"report-uri {REPORTS}")
    if secure:
        parts.append(f"report-to {GROUP}")
    return "; ".join(parts)


def kept_to_itself(theirs: str, own: Iterable[str] = ()) -> str:
    """A site's own policy without reports to other hosts; `own` are the names of the site.

    A report tells whom it is sent to which page somebody reads.
    """
    found = []
    for one in theirs.split(","):
        directives = []
        for directive in one.split(";"):
            words = directive.split()
            name = words[0].lower() if words else ""
            if name not in _REPORTING:
                directives.append(directive)
            elif name == "report-uri":
                stay = [u for u in words[1:] if elsewhere(u, own) is None]
                if stay:
                    directives.append(" " + " ".join(("report-uri", *stay)))
        found.append(";".join(directives))
    return ",".join(found)
