"""The API for other programs, version 1: ask the door before storing or using personal data."""

from __future__ import annotations

import datetime as dt
import hmac
import json
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, post
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import (
    HTTPException,
    NotAuthorizedException,
    PermissionDeniedException,
    ValidationException,
)
from litestar.handlers import BaseRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from kept.controller import Controller
from kept.errors import UsageError
from kept.model.decision import Ask
from kept.policy.bundle import Bundle
from kept.terms.identifiers import Identifier
from kept.terms.regimes import REGIONS

#: A name of a vocabulary; one with a NUL, a line's end or the like is none.
_Term = Annotated[
    str, msgspec.Meta(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")
]


class Subject(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The person asked about: an identifier of a kind Kept knows (email, phone, account …)."""

    kind: _Term
    value: Annotated[str, msgspec.Meta(min_length=1, max_length=400)]


class DecideRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What is to be done with which data: terms of the policy's vocabulary."""

    purpose: _Term
    category: _Term
    context: _Term = "any"
    recipient: _Term = "controller"
    region: _Term = "unknown"
    subject: Subject | None = None
    #: Facts that arise in this very act, as `consent:marketing.email` by a box that is ticked.
    grounds: Annotated[list[_Term], msgspec.Meta(max_length=20)] = []


class PolicyName(msgspec.Struct, frozen=True):
    """The policy under which the decision was made."""

    id: str
    version: str


class DecideAnswer(msgspec.Struct, frozen=True):
    """The decision: store `basis`, `activity` and `policy` with the data, or store nothing."""

    allow: bool
    because: list[str]
    basis: str | None
    activity: str | None
    reason: str
    policy: PolicyName


class Amiss(msgspec.Struct, frozen=True):
    """What is wrong with one field of a body; the field is empty where nobody knows it."""

    field: str
    problem: str


class Refusal(msgspec.Struct, frozen=True):
    """Why nothing was answered: never with anything of what was sent."""

    status_code: int
    detail: str
    expected: str = ""
    fix: str = ""
    problems: list[Amiss] = []


#: What any of these paths may answer instead, for the document of the API.
REFUSALS: Final = {
    status: ResponseSpec(Refusal, generate_examples=False, description=words)
    for status, words in (
        (400, "It cannot be read, or is not what can be asked"),
        (401, "The token is missing or another one"),
        (403, "The API is closed"),
        (404, "There is no such thing"),
        (413, "The body is too large"),
        (415, "The body is of another kind, or packed"),
        (503, "What is needed for an answer is not there at present"),
    )
}


def bearer(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Guard: the request carries the deployment's API token (RFC 6750). Without one set: closed."""
    token: str | None = connection.app.state.token
    if not token:
        raise PermissionDeniedException("the API is closed: no token is set in kept.toml [api]")
    # Latin-1 gives back the bytes that came; a token itself is ASCII.
    given = connection.headers.get("authorization", "").encode("latin-1")
    # The name of a scheme is the same in all letters (RFC 9110, section 11.1); the token is not.
    scheme, _gap, said = given.partition(b" ")
    right = hmac.compare_digest(said, token.encode())
    if scheme.lower() != b"bearer" or not right:
        raise NotAuthorizedException("expected `Authorization: Bearer` with the API token")


class _Twice(Exception):
    """A key of an object stands there again."""


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise _Twice


async def unambiguous(request: Request[Any, Any, Any]) -> None:
    """Refuse bodies that two programs can read in two ways (RFC 8259, section 4), or that are
    said to be packed: what was decided would not be what was asked.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise HTTPException("a body is taken as it is, without Content-Encoding", status_code=415)
    try:
        json.loads(await request.body(), object_pairs_hook=_once)
    except _Twice:
        raise UsageError(
            "a key stands twice in one object of the body",
            expected="every key once",
            fix="leave one of them out",
        ) from None
    except ValueError:
        return  # no JSON: whoever reads it next says so


@post(
    "/api/v1/decide",
    guards=[bearer],
    before_request=unambiguous,
    status_code=200,
    responses=REFUSALS,
    sync_to_thread=True,
    tags=["door"],
)
def decide(
    data: JSONBody[DecideRequest], state: State, request: Request[Any, Any, State]
) -> DecideAnswer:
    """May this be done? Asked before personal data is stored or used; the answer is recorded."""
    controller: Controller = state.controller
    now: dt.datetime = state.clock()
    person: Identifier | None = None
    if data.subject is not None:
        person = Identifier(data.subject.kind, data.subject.value)
    _refuse_made_up(controller.bundle, data)
    ask = Ask(data.purpose, data.category, data.context, data.recipient, data.region)
    decision = controller.decide(ask, person, now, arising=data.grounds)
    return DecideAnswer(
        allow=decision.allow,
        because=list(decision.because),
        basis=decision.basis,
        activity=decision.activity,
        reason=decision.reason,
        policy=PolicyName(controller.bundle.id, str(controller.bundle.version)),
    )


def _refuse_made_up(bundle: Bundle, data: DecideRequest) -> None:
    """Refuse terms that the policy does not have: what is recorded could name a person."""
    words = bundle.vocabulary
    known: Mapping[str, Collection[str]] = {
        "purpose": words.purposes,
        "category": words.categories,
        "context": {"any", *(c for a in bundle.activities.values() for c in a.contexts)},
        "recipient": {*words.recipients, *bundle.recipients},
        "region": {"unknown", *REGIONS},
    }
    for field, terms in known.items():
        if getattr(data, field) not in terms:
            raise UsageError(
                f"`{field}` is not a term of this policy",
                expected="a term of its vocabulary, of an activity or a region",
                fix="see vocabulary.yml and activities.yml of the bundle",
            )


#: Fields that may be named in an answer; any other name was made up by the caller.
_FIELDS: Final = frozenset(
    name.encode_name for shape in (DecideRequest, Subject) for name in msgspec.structs.fields(shape)
)


def explained(problem: ValidationException) -> list[dict[str, str]]:
    """What is wrong with a body: known fields and expected kinds, nothing of what was sent."""
    found = []
    for one in problem.extra if isinstance(problem.extra, list) else []:
        message = str(one.get("message", ""))
        field = str(one.get("key", ""))
        if "unknown field" in message:
            words, field = "there is a field that is not known", ""
        elif "missing required field" in message:
            missing = message.partition("`")[2].partition("`")[0]
            words = f"`{missing}` is missing" if missing in _FIELDS else "a field is missing"
        elif "matching regex" in message:
            words = "there is a control character in it"
        else:
            words = message.partition(" - at")[0] if message.startswith("Expected") else "wrong"
        known = all(part in _FIELDS or part.isdigit() for part in field.split(".") if part)
        found.append({"field": field if known else "", "problem": words})
    return found
