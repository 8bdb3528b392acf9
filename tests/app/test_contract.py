"""Whatever is sent to the pages and the API: no error of ours, and answers as the document says.

Requests are made up from the OpenAPI document of the application that answers them, and of things
that no document asks for. `make soak` makes many more of them (KEPT_SOAK_ROUNDS).
"""

from __future__ import annotations

import json
import logging
import os
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient
from tests.app.openapi import ANYTHING, Document
from tests.forms import OWN, SITE, TOKEN, serving, shop

from kept import deployment
from kept.app.often import Often
from kept.controller import Controller

#: In every word that is made up; it stands nowhere else.
MARK: Final = "Zwölfkäse"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")
MAIL: Final = """
[mail]
url = "smtp://127.0.0.1:9"
from = "privacy@example.org"
"""
#: Words of the policy, so that what is made up gets past the first door now and then.
KNOWN: Final = (
    "newsletter", "marketing.email", "contact.email", "controller", "any", "unknown", "EEA",
    "US-CA", "DE", "email", "contact", "trial", "webinar", "yes", "ana@example.org", "message",
    "kept.notice",
)  # fmt: skip
TEXT: Final = st.one_of(st.sampled_from(KNOWN), st.text(max_size=40).map(lambda text: MARK + text))
#: As many as suit every run, or a long one.
FEW: Final = 40
LONG: Final = int(os.environ.get("KEPT_SOAK_ROUNDS", "200")) * 10


class Desk:
    """The application, its document, and what it logs."""

    def __init__(self, client: TestClient[Litestar]) -> None:
        self.client = client
        self.document = Document(client.get("/api/v1/schema/openapi.json").json(), TEXT)
        self.statuses: dict[int, int] = {}
        self.operations = [
            (method.upper(), path, operation)
            for path, methods in self.document.paths.items()
            for method, operation in methods.items()
        ]

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Send it; an answer that is no error of ours, and that tells strangers nothing back."""
        headers = {"Authorization": f"Bearer {TOKEN}"} | more.pop("headers", {})
        answer = self.client.request(method, path, headers=headers, follow_redirects=False, **more)
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        assert answer.status_code < 500 or answer.status_code == 503, (method, path, more)
        if path.startswith("/api/") and answer.status_code >= 400:
            assert MARK not in answer.text, (method, path, more)
        return answer


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[Desk]:
    directory = shop(tmp_path_factory.mktemp("contract") / "world", kept_module_url)
    with (directory / "kept.toml").open("a", encoding="utf-8") as file:
        file.write(MAIL)
    with Controller.open(deployment.read(directory)) as controller, serving(controller) as client:
        client.app.state.often = Often(0)
        yield Desk(client)


def many(most: int) -> Callable[..., Any]:
    quiet = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much,
             HealthCheck.data_too_large]  # fmt: skip
    return settings(max_examples=most, deadline=None, database=None, suppress_health_check=quiet)


def filled(
    desk: Desk, data: st.DataObject, path: str, operation: Any
) -> tuple[str, dict[str, str]]:
    """A path with its places filled, and the query."""
    query = {}
    for parameter in operation.get("parameters", []):
        value = str(data.draw(desk.document.value(parameter["schema"])))
        if parameter["in"] == "path":
            path = path.replace(
                f"{{{parameter['name']}}}", urllib.parse.quote(value, safe="") or "x"
            )
        else:
            query[parameter["name"]] = value
    return path, query


def as_declared(desk: Desk, data: st.DataObject) -> None:
    """What the document asks for; what comes back is what it says."""
    method, path, operation = data.draw(st.sampled_from(desk.operations))
    where, query = filled(desk, data, path, operation)
    content = operation.get("requestBody", {}).get("content", {})
    more: dict[str, Any] = {}
    if "application/json" in content:
        more["json"] = data.draw(desk.document.value(content["application/json"]["schema"]))
    elif method == "POST":
        fields = data.draw(st.lists(st.tuples(TEXT, TEXT), max_size=6))
        more["content"] = urllib.parse.urlencode(fields)
        more["headers"] = {"Content-Type": "application/x-www-form-urlencoded", "Origin": OWN}
    answer = desk.ask(method, where, params=query, **more)
    declared = operation["responses"].get(str(answer.status_code))
    if declared is None:
        # Pages, beside what the document lists: not there, no such form, not now.
        assert not path.startswith("/api/"), (path, answer.status_code)
        assert answer.status_code in (400, 403, 404, 409, 413, 415, 429, 503), path
        return
    kind = answer.headers.get("content-type", "").partition(";")[0]
    schema = declared.get("content", {}).get(kind, {}).get("schema")
    if kind == "application/json" and path.startswith("/api/"):
        assert schema is not None, (path, answer.status_code)
        assert desk.document.amiss(schema, answer.json()) == []


def as_nobody_asks(desk: Desk, data: st.DataObject) -> None:
    """Bodies of any kind, anywhere: refused, and nothing breaks."""
    method, path, operation = data.draw(st.sampled_from(desk.operations))
    where, _ = filled(desk, data, path, operation)
    body = data.draw(
        st.one_of(
            st.binary(max_size=200),
            ANYTHING.map(lambda one: json.dumps(one).encode()),
            st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=120).map(
                lambda pairs: urllib.parse.urlencode(pairs, errors="replace").encode()
            ),
        )
    )
    kind = data.draw(
        st.sampled_from(
            ("application/json", "application/x-www-form-urlencoded", "multipart/form-data",
             "multipart/form-data; boundary=x", "text/plain", "", ";;;=",
             "application/json; charset=utf-16", "application/x-www-form-urlencoded; charset=\x7f")
        )
    )  # fmt: skip
    headers = {
        "Content-Type": kind,
        "Accept": data.draw(st.sampled_from(("text/html", "application/json", "*/*", ";q=x"))),
        "Accept-Language": data.draw(st.sampled_from(("", "de", "en;q=x, de;q=", ",,;"))),
        "Cookie": data.draw(st.sampled_from(("", "kept-choices=x", "kept-choices=%00;;=; a"))),
        "Origin": data.draw(st.sampled_from(("null", OWN, SITE, "https://[::1", "x"))),
    }
    desk.ask(method, where, content=body, headers=headers)


@many(FEW * 2)
@given(data=st.data())
def test_what_is_declared_is_answered_as_declared(desk: Desk, data: st.DataObject) -> None:
    as_declared(desk, data)


@many(FEW * 2)
@given(data=st.data())
def test_whatever_comes_breaks_nothing(desk: Desk, data: st.DataObject) -> None:
    as_nobody_asks(desk, data)


def test_methods_that_are_not_declared_are_refused(desk: Desk) -> None:
    for path, methods in desk.document.paths.items():
        where = path.replace("{number}", "1").replace("{", "").replace("}", "")
        declared = {name.upper() for name in methods}
        declared |= {"HEAD"} if "GET" in declared else set()
        for method in set(METHODS) - declared:
            answer = desk.ask(method, where)
            assert answer.status_code in (404, 405), (method, path)
            if answer.status_code == 405:
                assert {*answer.headers["allow"].replace(" ", "").split(",")} & declared


def test_every_path_of_the_api_says_how_it_refuses(desk: Desk) -> None:
    for method, path, operation in desk.operations:
        if path.startswith("/api/"):
            for status in ("400", "401", "403", "413"):
                content = operation["responses"][status]["content"]["application/json"]
                assert content["schema"]["$ref"].endswith("/Refusal"), (method, path, status)


def test_nobody_is_let_in_without_the_token(desk: Desk) -> None:
    for method, path, _ in desk.operations:
        if not path.startswith("/api/"):
            continue
        for said in ("", "Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x"):
            answer = desk.ask(
                method, path.replace("{", "").replace("}", ""), headers={"Authorization": said}
            )
            assert answer.status_code == 401, (method, path, said)


def test_a_body_that_is_too_large_is_refused(desk: Desk) -> None:
    for method, path, _ in desk.operations:
        if method == "POST" and "{" not in path:
            answer = desk.ask(method, path, content=b"a=" + b"x" * 70_000, headers={
                "Content-Type": "application/x-www-form-urlencoded"})  # fmt: skip
            assert answer.status_code == 413, path


def test_nothing_that_was_sent_is_logged(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    @many(FEW)
    @given(data=st.data())
    def sends(data: st.DataObject) -> None:
        as_nobody_asks(desk, data)
        as_declared(desk, data)

    sends()
    assert desk.statuses.get(200)  # something got through
    ours = [r.getMessage() for r in caplog.records if r.name.startswith(("kept", "litestar"))]
    assert not [line for line in ours if MARK in line]


@pytest.mark.soak
def test_many_more_of_both(desk: Desk) -> None:
    @many(LONG)
    @given(data=st.data())
    def declared(data: st.DataObject) -> None:
        as_declared(desk, data)

    @many(LONG)
    @given(data=st.data())
    def anything(data: st.DataObject) -> None:
        as_nobody_asks(desk, data)

    declared()
    anything()
