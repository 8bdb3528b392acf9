"""The Data Rights Protocol 1.0: where programs of agents ask in the name of people.

Off unless kept.toml says otherwise; then every path here answers as if it were not there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from litestar import MediaType, Request, Response, Router, delete, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath, RawBody

from kept.app.posted import aside
from kept.controller import Controller
from kept.duties.rights import agent_status, agents
from kept.duties.rights.agent_status import Status
from kept.duties.rights.signed import Refused
from kept.errors import KeptError
from kept.model.agents import Agent

_REQUESTS: Final = "/v1/data-rights-request"
_AGENT: Final = "/v1/agent/{agent_id:str}"
_PRIVATE: Final = {"Cache-Control": "no-store"}
_FAILED: Final = "this could not be done now; try again later"


def _answer(document: Mapping[str, Any], status: int = 200) -> Response[bytes]:
    """JSON of our own making: what is an error here is one of the protocol."""
    return Response(
        json.dumps(document).encode(), status_code=status, media_type=MediaType.JSON,
        headers=_PRIVATE,
    )  # fmt: skip


def _error(status: int, words: str, *, fatal: bool = False) -> Response[bytes]:
    document: dict[str, Any] = {"code": str(status), "message": words}
    return _answer({**document, "fatal": True} if fatal else document, status)


def _refusal(problem: Refused) -> Response[bytes]:
    words = problem.what + (f"; expected {problem.expected}" if problem.expected else "")
    answer = _error(problem.status, words, fatal=problem.fatal)
    if problem.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _on(state: State) -> Controller:
    controller: Controller = state.controller
    if controller.drp is None:
        raise NotFoundException("there is no such path")
    return controller


def _caller(request: Request[Any, Any, Any], controller: Controller) -> Agent:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return agents.caller(controller, token.strip() if kind.lower() == "bearer" else None)


def _status(
    request: Request[Any, Any, Any], state: State,
    work: Callable[[Controller, Agent], Status],
) -> Response[bytes]:  # fmt: skip
    """What `work` finds for whoever calls, as a status object, or why there is none."""
    controller = _on(state)
    try:
        stands = work(controller, _caller(request, controller))
    except Refused as problem:
        return _refusal(problem)
    return _answer(agent_status.document(controller, stands))


@post(_REQUESTS, status_code=200)
@aside
def exercise(request: Request[Any, Any, Any], state: State, body: RawBody) -> Response[Any]:
    """Take in what an agent asks in a person's name; how it stands."""
    answer = _status(request, state, lambda c, a: agents.exercise(c, a, body, state.clock()))
    state.wake()
    return answer


@get(f"{_REQUESTS}/{{request_id:str}}")
@aside
def status(
    request: Request[Any, Any, Any], request_id: FromPath[str], state: State
) -> Response[Any]:
    """How a request of the calling agent stands."""

    def look(controller: Controller, agent: Agent) -> Status:
        row = agents.found(controller, agent, request_id)
        return agent_status.stand_now(controller, row, state.clock())

    return _status(request, state, look)


@delete(f"{_REQUESTS}/{{request_id:str}}", status_code=200)
@aside
def revoke(
    request: Request[Any, Any, Any], request_id: FromPath[str], state: State, body: RawBody
) -> Response[Any]:
    """Take back a request of the calling agent of which nothing was carried out."""
    return _status(
        request, state, lambda c, a: agents.revoke(c, a, request_id, body, state.clock())
    )


@post(_AGENT, status_code=200)
@aside
def set_up(agent_id: FromPath[str], state: State, body: RawBody) -> Response[Any]:
    """Give the agent a token; whatever is amiss, 403 and no word of it."""
    controller = _on(state)
    try:
        token = agents.set_up(controller, agent_id, body, state.clock())
    except Refused:
        return _forbidden()
    return _answer({"agent-id": agent_id, "token": token})


@get(_AGENT)
@aside
def about(request: Request[Any, Any, Any], agent_id: FromPath[str], state: State) -> Response[Any]:
    """Whether the token is that of this agent."""
    controller = _on(state)
    try:
        agent = _caller(request, controller)
    except Refused:
        return _forbidden()
    return _answer({}) if agent.id == agent_id else _forbidden()


def _forbidden() -> Response[Any]:
    return Response(None, status_code=403, media_type=MediaType.TEXT, headers=_PRIVATE)


def _http_error(request: Request[Any, Any, Any], problem: HTTPException) -> Response[Any]:
    words = {404: "there is no such path", 408: "the body did not arrive in time",
             413: "the message is too long"}  # fmt: skip
    return _error(
        problem.status_code, words.get(problem.status_code, "the request cannot be read"),
        fatal=problem.status_code == 413,
    )  # fmt: skip


def _kept_error(request: Request[Any, Any, Any], _: KeptError) -> Response[Any]:
    return _error(503, _FAILED)


def router(strict: Callable[[Response[Any]], Response[Any]]) -> Router:
    """The routes, with errors in the form of the protocol; `strict` adds what all answers have."""

    def with_headers(handler: Callable[..., Response[Any]]) -> Callable[..., Response[Any]]:
        return lambda request, problem: strict(handler(request, problem))

    return Router(
        "/",
        route_handlers=[exercise, status, revoke, set_up, about],
        include_in_schema=False,
        exception_handlers={
            KeptError: with_headers(_kept_error),
            HTTPException: with_headers(_http_error),
        },
    )
