# ruff: noqa: E501 — what goes in and what comes out stand side by side
"""One request and its answer, judged: headers in, headers out."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.app.gateway.street import TRACKERS, chosen
from tests.world import REFERENCE

from kept import deployment
from kept.app.gateway.boxes import Fragments
from kept.app.gateway.guard import Header, Passing, Site
from kept.decide import csp
from kept.errors import ConfigError
from kept.model import gpp
from kept.policy import bundle as policies
from kept.terms import addresses

KEY = bytes(32)
TODAY = dt.datetime.now(dt.UTC).date()
PAGE = [(b"host", b"shop.test:8800"), (b"sec-fetch-dest", b"document"), (b"accept", b"text/html")]
HTML = (b"content-type", b"text/html; charset=utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    import shutil

    directory: Path = tmp_path_factory.mktemp("guard") / "policy"
    shutil.copytree(REFERENCE, directory)
    with (directory / "trackers.yml").open("a") as file:
        file.write(TRACKERS.format(port=80))
    loaded = policies.load(directory)
    return Site(
        loaded, KEY, frozenset({"shop.test"}), True, Fragments(loaded),
        country=b"x-country",
    )  # fmt: skip


def passing(site: Site, *more: Header, page: Sequence[Header] = PAGE) -> Passing:
    return Passing(site, [*page, *more], path="/", today=TODAY)


def answered(
    site: Site, *headers: Header, asked: tuple[Header, ...] = (), status: int = 200,
    page: Sequence[Header] = PAGE,
) -> tuple[dict[bytes, list[bytes]], Any]:  # fmt: skip
    found, body = passing(site, *asked, page=page).answer(status, list(headers))
    made: dict[bytes, list[bytes]] = {}
    for name, value in found:
        made.setdefault(name, []).append(value)
    return made, body


def test_cookies_that_nobody_allowed_go_both_ways(site: Site) -> None:
    sent = (b"cookie", b"login=1; _visit_9=x; strange=2; kept-choices=junk; __Host-id=1")
    going = passing(site, sent)
    assert dict(going.request)[b"cookie"] == b"login=1; kept-choices=junk"
    set_ = [
        (b"set-cookie", v) for v in (b"login=2; Path=/", b"_visit_9=y", b"strange=3", b"nameless")
    ]
    found, _ = answered(site, HTML, *set_, asked=(sent,))
    cookies = found[b"set-cookie"]
    assert cookies[0] == b"login=2; Path=/"
    assert all(b"Max-Age=0" in one for one in cookies[1:])
    gone = {one.partition(b"=")[0] for one in cookies[1:]}
    assert gone == {b"_visit_9", b"strange", b"__Host-id"}
    assert any(b"Domain=shop.test" in one for one in cookies)
    allowed = chosen(site.bundle.edition, KEY, {"analyse": True})
    found, _ = answered(site, HTML, *set_, asked=((b"cookie", f"kept-choices={allowed}".encode()),))
    assert found[b"set-cookie"] == [b"login=2; Path=/", b"_visit_9=y"]


def test_what_a_page_may_load_is_for_this_browser_alone(site: Site) -> None:
    given_ = (
        HTML, (b"cache-control", b"public, max-age=600"), (b"vary", b"Accept-Language"),
        (b"etag", b'"1"'), (b"last-modified", b"x"), (b"expires", b"x"), (b"content-length", b"9"),
        (b"nel", b"{}"), (b"report-to", b"{}"), (b"reporting-endpoints", b"a='//e.test'"),
        (b"alt-svc", b"h3=:443"), (b"referrer-policy", b"unsafe-url"),
        (b"content-security-policy", b"img-src *; report-uri https://e.test/r /own"),
        (b"link", b"<//e.test>; rel=preconnect, </own.css>; rel=preload"),
    )  # fmt: skip
    found, body = answered(site, *given_)
    assert body is not None
    assert found[b"cache-control"] == [b"private, no-cache"]
    assert found[b"vary"] == [b"Accept-Language, Cookie, Sec-GPC"]
    assert found[b"referrer-policy"] == [b"strict-origin-when-cross-origin"]
    assert found[b"content-security-policy"][0] == b"img-src *; report-uri /own"
    assert b"script-src 'self'" in found[b"content-security-policy"][1]
    assert found[b"link"] == [b"</own.css>; rel=preload"]
    assert not {b"nel", b"report-to", b"alt-svc", b"etag", b"last-modified", b"expires",
                b"content-length", b"reporting-endpoints"} & set(found)  # fmt: skip
    found, _ = answered(
        dataclasses.replace(site, secure=True, _policies={}), HTML, (b"cache-control", b"no-store")
    )
    assert found[b"cache-control"] == [b"no-store"]
    assert found[b"reporting-endpoints"] == [b'kept="/privacy/reports"']
    assert found[b"content-security-policy"][0].endswith(b"report-to kept")


def test_pages_tell_the_string_of_the_united_states(site: Site) -> None:
    def head(*asked: Header) -> bytes:
        _, body = answered(site, HTML, asked=asked)
        return bytes(body.whole(b"<head></head><body></body>"))

    for state, out in ((b"US-CO", False), (b"US-CA", False), (b"US", False), (b"US-CO", True)):
        asked = ((b"x-country", state), *([(b"sec-gpc", b"1")] if out else []))
        name = state.decode().partition("-")[2]
        text = gpp.opted(out, gpc=out, state=name or None)
        assert f' data-gpp="{text}"'.encode() in head(*asked)
    assert b"data-gpp" not in head((b"x-country", b"DE")) + head()


def test_what_is_no_page_can_be_kept_by_anybody_and_has_the_strictest_policy(site: Site) -> None:
    asked = [(b"host", b"shop.test"), (b"sec-fetch-dest", b"script")]
    allowed = chosen(site.bundle.edition, KEY, {"advertise": True, "analyse": True})
    cookie = (b"cookie", f"kept-choices={allowed}".encode())
    given_ = (
        (b"content-type", b"text/javascript"),
        (b"cache-control", b"max-age=600"),
        (b"etag", b"1"),
    )
    found, body = answered(site, *given_, asked=(cookie,), page=asked)
    assert body is None
    assert found[b"cache-control"] == [b"max-age=600"]
    assert found[b"etag"] == [b"1"]
    assert b".test" not in found[b"content-security-policy"][0]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (206, [HTML]), (304, [HTML]), (204, []), (200, [(b"content-type", b"application/json")]),
        (200, [(b"content-type", b"text/html; charset=utf-16")]),
        (200, [HTML, (b"content-encoding", b"br")]), (200, [HTML, (b"content-encoding", b"gzip, br")]),
    ],
)  # fmt: skip
def test_what_cannot_be_read_passes_under_the_policy(status: int, headers: list[Header]) -> None:
    loaded = policies.load(REFERENCE)
    site = Site(loaded, KEY, frozenset(), True, Fragments(loaded))
    found, body = answered(site, *headers, status=status)
    assert body is None
    assert b"script-src 'self'" in found[b"content-security-policy"][0]


FETCHED = [(b"host", b"shop.test"), (b"sec-fetch-dest", b"empty")]


def test_what_a_script_plants_beside_a_no_lifts_nothing(site: Site) -> None:
    """A partitioned cookie, or one of a longer path, stands beside hers and is sent as well."""
    no = chosen(site.bundle.edition, KEY, {"analyse": False, "advertise": False})
    yes = chosen(site.bundle.edition, KEY, {"analyse": True, "advertise": True})
    for other in ("junk", "", yes, "1~1~00000000~~"):
        for pair in ((no, other), (other, no)):
            sent = "; ".join(f"kept-choices={value}" for value in pair)
            going = passing(site, (b"cookie", sent.encode()), (b"x-country", b"US"))
            assert going.visit.why["analyse"] == going.visit.why["advertise"] == "refused"
    going = passing(site, (b"cookie", f"kept-choices={yes}; kept-choices=x".encode()))
    assert not going.visit.chosen


@pytest.mark.parametrize("name", ["kept-choices", "__Host-kept-choices"])
def test_a_site_makes_no_choice_for_anybody(site: Site, name: str) -> None:
    yes = chosen(site.bundle.edition, KEY, {"analyse": True})
    for value in (f"{name}={yes}; Path=/", f"{name}=; Max-Age=0; Path=/"):
        found, _ = answered(site, HTML, (b"set-cookie", value.encode()))
        assert b"set-cookie" not in found
    there = Passing(site, PAGE, path="/privacy/choices?receipt=1", today=TODAY)
    headers, _ = there.answer(303, [(b"set-cookie", f"{name}={yes}".encode())])
    assert (b"set-cookie", f"{name}={yes}".encode()) in headers  # that page is Kept's


def test_what_a_site_lets_a_browser_forget_is_not_what_she_refused(site: Site) -> None:
    no = chosen(site.bundle.edition, KEY, {"analyse": False})
    asked = (b"cookie", f"login=1; kept-choices={no}".encode())
    for said, stays in ((b'"*"', b'"cache", "storage"'), (b'"cookies","cache"', b'"cache"')):
        found, _ = answered(site, HTML, (b"clear-site-data", said), asked=(asked,))
        assert found[b"clear-site-data"] == [stays]
        assert {one.partition(b"=")[0] for one in found[b"set-cookie"]} == {b"login"}
    found, _ = answered(site, HTML, (b"clear-site-data", b'"*"'))
    assert found[b"clear-site-data"] == [b'"*"']


def test_refusals_fill_no_memory(site: Site) -> None:
    many = dataclasses.replace(site, _policies={})
    for n in range(3000):
        many._policies[(str(n),)] = b""
    many.policy(())
    assert len(many._policies) == 1


def test_what_a_browser_may_show_later_is_a_page(site: Site) -> None:
    ahead = [*FETCHED, (b"sec-purpose", b"prefetch"), (b"accept-encoding", b"br")]
    assert dict(passing(site, page=ahead).request)[b"accept-encoding"] == b"identity"
    cached = (b"cache-control", b"max-age=600")
    found, body = answered(site, HTML, cached, page=ahead)
    assert body is not None
    assert found[b"cache-control"] == [b"private, no-cache"]
    assert answered(site, (b"content-type", b"text/css"), page=ahead)[1] is None
    # What a script fetches it gets as it is, and a page that is opened later is asked for anew.
    found, body = answered(site, HTML, cached, page=FETCHED)
    assert body is None
    assert found[b"cache-control"] == [b"private, no-cache"]
    found, _ = answered(site, cached, page=FETCHED, status=304)
    assert found[b"cache-control"] == [b"private, no-cache"]


def test_nobody_goes_back_to_a_page_on_which_something_runs(site: Site) -> None:
    found, _ = answered(site, HTML, asked=((b"x-country", b"US"),))
    assert found[b"cache-control"] == [b"no-store"]


def test_a_page_is_one_however_its_kind_is_said(site: Site) -> None:
    plain = (b"content-type", b"text/plain")
    for headers in ((), (plain, HTML), ((b"content-type", b"text/plain, text/html"),)):
        assert answered(site, *headers)[1] is not None
    assert answered(site, HTML, plain)[1] is None
    assert answered(site, page=[(b"sec-fetch-dest", b"image")])[1] is None


def test_where_a_page_leads_by_itself(site: Site) -> None:
    found, _ = answered(site, HTML, (b"refresh", b"3;URL='https://e.test/?uid=7&x=1'"))
    assert found[b"refresh"] == [b"3;URL='https://e.test/?x=1'"]
    quoted = b'</own>;anchor="<";rel=preconnect,<//e.test>;rel=preconnect'
    found, _ = answered(site, HTML, (b"link", quoted))
    assert b"link" not in found


def test_a_service_worker_makes_no_pages(site: Site) -> None:
    script = (b"content-type", b"text/javascript")
    for asked in ((b"sec-fetch-dest", b"serviceworker"), (b"service-worker", b"script")):
        found, body = answered(site, script, (b"content-length", b"9"), page=[asked])
        assert body.feed(b"addEventListener('fetch', answer)") == b""
        assert b"registration.unregister()" in body.close()
        assert b"content-length" not in found
        lenient = dataclasses.replace(site, workers=True)
        assert answered(lenient, script, page=[asked])[1] is None
        assert answered(dataclasses.replace(site, acts=False), script, page=[asked])[1] is None


def test_a_head_stays_short_enough_for_the_server_before(site: Site) -> None:
    old = "; ".join(f"old{n}=x" for n in range(100)).encode()
    found, _ = answered(site, HTML, asked=((b"cookie", old),))
    assert 8 <= len(found[b"set-cookie"]) <= 24


def test_a_page_is_asked_for_whole_and_plain(site: Site) -> None:
    sent = [(b"accept-encoding", b"br"), (b"if-none-match", b"1"), (b"range", b"bytes=0-1")]
    going = dict(passing(site, *sent).request)
    assert going[b"accept-encoding"] == b"identity"
    assert not {b"if-none-match", b"range"} & set(going)
    image = [(b"host", b"shop.test"), (b"sec-fetch-dest", b"image")]
    assert dict(passing(site, *sent, page=image).request)[b"range"] == b"bytes=0-1"


def test_who_observes_changes_nothing(site: Site) -> None:
    noticed: list[tuple[str, str, str]] = []
    watching = dataclasses.replace(site, acts=False, noticed=lambda *one: noticed.append(one))
    given_ = [HTML, (b"set-cookie", b"strange=1"), (b"cache-control", b"public"), (b"etag", b"1")]
    going = passing(watching, (b"cookie", b"strange=1"), (b"if-none-match", b"1"))
    assert {b"cookie", b"if-none-match"} <= set(dict(going.request))
    found, body = going.answer(200, given_)
    assert body is None
    assert found[:4] == given_
    assert [n for n, _ in found[4:]] == [b"content-security-policy-report-only"]
    assert noticed == [("cookie", "strange", "/")]


def test_where_somebody_is(site: Site) -> None:
    for country, region in {
        "DE": "EEA",
        "US": "US",
        "US-CA": "US-CA",
        "": "unknown",
        "xx!": "unknown",
    }.items():
        assert passing(site, (b"x-country", country.encode())).visit.region == region


def test_a_redirection_tells_the_other_site_nothing(site: Site) -> None:
    found, _ = answered(site, (b"location", b"https://e.test/?email=a@b.example&x=1"), status=302)
    assert found[b"location"] == [b"https://e.test/?x=1"]
    found, _ = answered(site, (b"location", b"/in?email=a@b.example"), status=302)
    assert found[b"location"] == [b"/in?email=a@b.example"]
    opt_out = "https://www.facebook.com/settings/?tab=ads"
    found, _ = answered(site, (b"location", opt_out.encode()), status=302)
    assert found[b"location"] == [opt_out.encode()]


@given(st.text(max_size=60))
def test_addresses_are_never_too_strange(text: str) -> None:
    host = addresses.host_in(text)
    assert host is None or "/" not in host
    clean = addresses.without_people(text)
    assert addresses.without_people(clean) == clean
    csp.kept_to_itself(text)


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("//e.test/x", "e.test"), ("https:e.test", "e.test"), ("\\\\e.test", "e.test"),
        (" ht\ntps://E.TEST:80/x", "e.test"), ("https://a@b@e.test?x", "e.test"), ("/x", None),
        ("mailto:a@b.example", None), ("javascript:1", None), ("data:,x", None), ("?x", None),
        ("http://[::1]:8/", "[::1]"), ("http://bücher.test", "xn--bcher-kva.test"), ("", None),
    ],
)  # fmt: skip
def test_whose_host(address: str, host: str | None) -> None:
    assert addresses.host_in(address) == host


@given(st.lists(st.tuples(st.sampled_from([b"cookie", b"set-cookie", b"link", b"location",
       b"content-type", b"referrer-policy", b"vary", b"content-security-policy", b"host",
       b"content-encoding"]), st.binary(max_size=40)), max_size=8))  # fmt: skip
def test_no_header_is_too_strange(headers: list[Header]) -> None:
    loaded = policies.load(REFERENCE)
    site = Site(loaded, KEY, frozenset({"shop.test"}), True, Fragments(loaded))
    going = passing(site, *headers)
    found, _ = going.answer(200, headers)
    ours = [v for n, v in found if n == b"content-security-policy"][-1]
    assert (
        ours
        == csp.policy(
            going.allowed if any(n == b"cache-control" for n, _ in found) else ()
        ).encode()
    )


def test_a_no_is_set_anew_before_its_cookie_ends_and_a_yes_is_not(site: Site) -> None:
    met: list[Any] = []
    heard = dataclasses.replace(site, met=met.append)

    def again(aims: dict[str, bool], days: int, page: list[Header] = PAGE) -> list[bytes]:
        value = chosen(site.bundle.edition, KEY, aims)
        asked = [*page, (b"cookie", f"kept-choices={value}".encode()), (b"sec-gpc", b"1")]
        day = TODAY + dt.timedelta(days=days)
        found, _ = Passing(heard, asked, path="/", today=day).answer(200, [HTML])
        return [v for n, v in found if n == b"set-cookie" and b"Max-Age=15552000" in v]

    no, both = {"analyse": False}, {"analyse": True, "advertise": False}
    assert again(no, 10) == again(both, 40) == again({"analyse": True}, 179) == []
    (kept,) = again(no, 40)
    assert kept.startswith(f"kept-choices={chosen(site.bundle.edition, KEY, no)};".encode())
    (left,) = again(both, 179)
    assert b"!advertise" in left
    assert b"+" not in left
    assert len(met) == 5
    assert all(visit.signals.gpc for visit in met)
    script = [(b"host", b"shop.test"), (b"sec-fetch-dest", b"script")]
    assert again(no, 40, script) == []
    assert len(met) == 5


@pytest.mark.parametrize("host", ["www.shop.test:8800", "https://www.shop.test"])
def test_names_of_the_site_have_no_scheme_and_no_port(tmp_path: Path, host: str) -> None:
    text = f'bundle = "policy"\ndatabase = "embedded"\n[gateway]\nhosts = ["{host}"]\n'
    (tmp_path / "kept.toml").write_text(text)
    with pytest.raises(ConfigError, match="more than a name"):
        deployment.read(tmp_path)
    (tmp_path / "kept.toml").write_text(text.replace(host, "[::1]"))
    assert deployment.read(tmp_path).gateway.hosts == ("[::1]",)
