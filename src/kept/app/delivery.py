"""The page behind the link of a delivery: it says what waits, asks for the code, hands out.

GET changes nothing; the code is asked for and the package fetched by POST. A link that never was,
whose time is over, that was used up or taken back gets one answer, so that it tells nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote

from litestar import MediaType, Response, get, post
from litestar.datastructures import State
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Stream

from kept.app.pages import minute, rendered
from kept.controller import Controller
from kept.duties.rights import delivery
from kept.terms.tongues import say

#: How the state of the application names what sends a code (`delivery.Sender`), where it is set.
SENDER: Final = "send_code"
#: No copy of these pages or of the package stays anywhere on the way.
_FRESH: Final = {"Cache-Control": "no-store"}


def _sender(state: State) -> delivery.Sender | None:
    found: delivery.Sender | None = state.get(SENDER)
    return found


def _gone(controller: Controller) -> Response[str]:
    """The same words and the same status, whatever the link was."""
    shown = rendered("delivery-gone.html.j2", controller, 404, here="delivery")
    shown.headers.update(_FRESH)
    return shown


def _shown(state: State, token: str, said: str = "", status: int = 200) -> Response[str]:
    controller: Controller = state.controller
    one = delivery.found(controller, token, state.clock())
    if one is None:
        return _gone(controller)
    left = one.allowed - one.fetched
    shown = rendered(
        "delivery.html.j2",
        controller,
        status,
        here="delivery",
        token=token,
        until=minute(one.ends_at, controller),
        left=left,
        sends=_sender(state) is not None,
        said=say(said),
    )
    shown.headers.update(_FRESH)
    return shown


@get("/privacy/delivery/{token:str}", media_type=MediaType.HTML, sync_to_thread=True)
def waiting(token: FromPath[str], state: State) -> Response[str]:
    """What waits behind the link, and where to type the code."""
    return _shown(state, token)


@post(
    "/privacy/delivery/{token:str}/code",
    media_type=MediaType.HTML,
    sync_to_thread=True,
    status_code=200,
)
def ask_code(token: FromPath[str], state: State) -> Response[str]:
    """Send a fresh code to the address that is known for the person of the case."""
    controller: Controller = state.controller
    send, now = _sender(state), state.clock()
    one = delivery.found(controller, token, now)
    if one is None:
        return _gone(controller)
    if send is None:
        return _shown(state, token, "Ask us for the code: how to reach us stands below.", 409)
    if delivery.fresh_code(controller, one, now, send) is None:
        return _shown(state, token, "We can send no more codes for this link. Write to us.", 429)
    return _shown(state, token, "A code is on its way. It is good for ten minutes.")


@get(
    ["/privacy/delivery/{token:str}/code", "/privacy/delivery/{token:str}/package"],
    sync_to_thread=False,
    status_code=303,
)
def back(token: FromPath[str]) -> Redirect:
    """Whoever opens again what her browser shows after a button finds the page of the link."""
    return Redirect(f"/privacy/delivery/{quote(token, safe='')}", status_code=303, headers=_FRESH)


@post("/privacy/delivery/{token:str}/package", sync_to_thread=True, status_code=200)
def hand_out(
    token: FromPath[str],
    state: State,
    data: Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    """The package, to whoever has the link and types the code that counts."""
    controller: Controller = state.controller
    if delivery.found(controller, token, state.clock()) is None:
        return _gone(controller)
    code = data.get("code")
    got = delivery.fetch(controller, token, code if isinstance(code, str) else "", state.clock())
    if got is None:
        words = "That is not the code that counts now. Look again, or ask for a fresh one."
        return _shown(state, token, words, 403)
    one, chunks = got
    headers = {
        **_FRESH,
        "Content-Disposition": 'attachment; filename="your-data.zip"',
        "Content-Length": str(one.size),
    }
    return Stream(chunks, media_type="application/zip", headers=headers)


HANDLERS: Final = [waiting, back, ask_code, hand_out]
