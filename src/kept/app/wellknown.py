"""Places that programs know by heart (RFC 8615): whom to tell of a hole, where passwords change."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from litestar import MediaType, Response, get
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.response import Redirect

from kept.policy.bundle import Bundle

#: For so long what the file says can be relied on (RFC 9116 asks for less than a year).
_GOOD: Final = dt.timedelta(days=180)


@get("/.well-known/security.txt", include_in_schema=False, sync_to_thread=False)
def security(state: State) -> Response[str]:
    """Whom to tell of a weakness (RFC 9116)."""
    bundle: Bundle = state.controller.bundle
    until = (state.clock().astimezone(dt.UTC) + _GOOD).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    lines = [
        f"Contact: mailto:{bundle.organisation.email}",
        f"Expires: {until:%Y-%m-%dT%H:%M:%SZ}",
        f"Preferred-Languages: {', '.join(bundle.languages)}",
    ]
    url = state.controller.site_url or ""
    if url.startswith("https://"):
        lines.append(f"Canonical: {url.rstrip('/')}/.well-known/security.txt")
    return Response("\n".join(lines) + "\n", media_type=MediaType.TEXT)


@get("/.well-known/change-password", include_in_schema=False, sync_to_thread=False)
def change_password(state: State) -> Redirect:
    """Where somebody with an account changes the password: only the staff have one."""
    if not state.console:
        raise NotFoundException
    return Redirect("/desk/account", status_code=302)


HANDLERS: Final[list[Any]] = [security, change_password]
