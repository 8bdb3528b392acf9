"""The example company: it asks before it stores, and one person's life goes as it should."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psutil
import pytest
from examples.company import world
from examples.company.life import Browser as Visitor
from examples.company.seed import CAST
from playwright.sync_api import Browser
from tests.browser import NEEDS_CHROMIUM, axe, browser, opened

__all__ = ["browser"]  # the fixture

ROOT = Path(__file__).resolve().parents[2]
FIELDS = {"email": "new.person@example.org", "message": "Hello?"}


def run(*arguments: str) -> dict[str, Any]:
    """A verb of the company; its JSON."""
    command = [sys.executable, "-m", "examples.company", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
    return found


@contextmanager
def serving(*command: str) -> Iterator[dict[str, Any]]:
    """A server for a while; the line of JSON with which it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        assert process.wait(30) == 0


@dataclass(frozen=True)
class Company:
    """A prepared company and its site. Kept serves only where a test starts it."""

    directory: Path
    site: str
    told: dict[str, Any]

    @property
    def here(self) -> world.World:
        return world.load(self.directory)

    def send(self, path: str, **fields: str) -> tuple[int, dict[str, Any]]:
        return send(self.site, path, fields)

    def kept(self) -> Any:
        port = str(urlsplit(self.here.kept).port)
        return serving("kept.app", "serve", "--dir", str(self.directory), "--port", port, "--json")


def send(
    site: str, path: str, fields: dict[str, str], **headers: str
) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(urlsplit(site).netloc, timeout=30)
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    with closing(connection):
        connection.request("POST", path, urlencode(fields), {**kind, **headers})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())


def get(site: str, path: str) -> tuple[int, str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection(urlsplit(site).netloc, timeout=30)
    with closing(connection):
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read().decode(), reply.headers


def free_port() -> str:
    import socket

    with closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    directory = tmp_path_factory.mktemp("company")
    told = run("prepare", str(directory), "--port", free_port())
    try:
        with serving("examples.company", "site", str(directory), "--port", "0") as said:
            yield Company(directory, said["site"], told)
    finally:
        run("stop", str(directory))
        data = str(directory / "company" / "postgres")
        left = [p for p in psutil.process_iter(["cmdline"]) if data in (p.info["cmdline"] or [])]
        assert not left, "a server of the company was left behind"


def test_prepare_again_changes_nothing(company: Company) -> None:
    before = world.everything(company.here)
    settings = (company.directory / "kept.toml").read_text()
    again = run("prepare", str(company.directory), "--port", "1")
    assert again == {**company.told, "new": False, "people": None}
    assert world.everything(company.here) == before
    assert (company.directory / "kept.toml").read_text() == settings


def test_the_cast_is_there_and_hard(company: Company) -> None:
    rows = world.everything(company.here)
    names = [row["name"] for (table, _), row in rows.items() if table == "customers.customer"]
    assert {person.name for person in CAST} <= set(names)
    assert names.count("Ana Weber") == 2
    ana = world.about(rows, "ana.weber@example.de")
    assert ana["support.ticket"] == 2
    assert ana["customers.form_submission"] == 1
    other = world.about(rows, "office@weber-optik.example")
    assert other["customers.customer"] == 1
    assert world.about(rows, "a_b@example.org")["customers.customer"] == 1
    references = [row["customer_ref"] for (t, _), row in rows.items() if t == "support.ticket"]
    assert None in references
    assert "1001" in references
    assert all(row["legal_basis"] for row in rows.values() if "legal_basis" in row)


def test_a_visit_leaves_nothing_behind(company: Company) -> None:
    before = world.everything(company.here)
    forms = ("/contact", "/trial", "/onboarding", "/order", "/support", "/webinar", "/newsletter",
             "/demo", "/download", "/testimonial", "/partner-offers")  # fmt: skip
    with company.kept():
        for path in ("/", "/product", "/about", *forms, "/style.css"):
            status, text, headers = get(company.site, path)
            assert status == 200, path
            assert "Set-Cookie" not in headers
            assert "http" not in text.replace("https://windowworks", "").replace("https://desk", "")
            assert "default-src 'none'" in headers["Content-Security-Policy"]
            if path in forms:
                assert " checked>" not in text
                assert "You can see, correct, take with you and delete" in text
        _, text, _ = get(company.site, "/trial")
        assert text.count("You may leave this empty.") == 5
        _, text, _ = get(company.site, "/webinar")
        assert text.index("Windowworks") < text.index("Deskline") < text.index("<button")
    assert get(company.site, "/nowhere")[0] == 404
    assert get(company.site, "/child")[2]["Location"].endswith("/privacy/requests/child")
    assert world.everything(company.here) == before


def test_nothing_is_stored_while_kept_cannot_be_asked(company: Company) -> None:
    before = world.everything(company.here)
    status, said = company.send("/contact", **FIELDS)
    assert (status, said["stored"]) == (503, None)
    assert get(company.site, "/contact")[0] == 503  # nor is it shown without what is told
    assert world.everything(company.here) == before


def test_what_is_not_complete_is_refused(company: Company) -> None:
    before = world.everything(company.here)
    with company.kept():
        browser = Visitor(company.site)
        for path, fields, status in [
            ("/contact", {"email": "x@example.org"}, 400),
            ("/trial", {}, 400),
            ("/onboarding", {"email": "x@example.org"}, 400),
            ("/order", {"quantity": "1"}, 403),
            ("/support", {"subject": "a", "body": "b"}, 403),
            ("/contact", {**FIELDS, "age": "15"}, 403),
            ("/contact", {**FIELDS, "message": "I am 15 years old"}, 202),
            ("/nowhere", {"a": "b"}, 404),
        ]:
            assert browser.send(path, **fields)[0] == status, path
        for origin in ("http://evil.example", "null"):
            assert send(company.site, "/contact", FIELDS, Origin=origin)[0] == 403
        assert send(company.site, "/contact", FIELDS)[0] == 403
    assert world.everything(company.here) == before


def test_every_form_is_stored_with_what_was_shown(company: Company) -> None:
    sent = {
        "/newsletter": {}, "/webinar": {"company": "Lind AB"}, "/demo": {"country": "SE"},
        "/download": {}, "/partner-offers": {}, "/testimonial": {"words": "It works."},
    }  # fmt: skip
    with company.kept():
        for path, more in sent.items():
            email = f"{path[1:]}@example.org"
            status, said = Visitor(company.site).send(path, email=email, **more)
            assert status == 201, (path, said)
            found = world.about(world.everything(company.here), email)
            assert sum(found.values()) == 1, path
            assert len(said["notice"]) == 64
    rows = world.everything(company.here).values()
    stamped = [r for r in rows if str(r.get("email", "")).partition("@")[0] in
               {path[1:] for path in sent}]  # fmt: skip
    assert {r["legal_basis"] for r in stamped} == {"consent", "contract"}
    assert all(len(r["notice"]) == 64 for r in stamped)


def test_what_a_customer_sends_is_what_the_forms_say(company: Company) -> None:
    """An order and a question hold what her account says of her: that is declared, too."""
    email, customer = "customer@example.org", Visitor(company.site)
    account = {"name": "Kim", "address": "1 Lane", "country": "SE", "password": "long enough"}
    with company.kept():
        for path, fields in {
            "/trial": {"email": email},
            "/onboarding": {"email": email, "terms": "yes", **account},
            "/order": {"quantity": "2"},
            "/support": {"subject": "Windows", "body": "One jumps."},
        }.items():
            assert customer.send(path, **fields)[0] == 201, path
        command = [sys.executable, "-m", "kept.app", "prove", "--clause", "VISIT-2", "--json",
                   "--dir", str(company.directory)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["clauses"][0]["outcome"] == "pass"


def test_trials_that_come_at_once_are_all_stored(company: Company) -> None:
    def sends(number: int) -> int:
        return Visitor(company.site).send("/trial", email=f"once-{number}@example.org")[0]

    with company.kept(), ThreadPoolExecutor(8) as pool:
        assert [*pool.map(sends, range(24))] == [201] * 24


@NEEDS_CHROMIUM
@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1280, "dark")])
def test_in_a_browser(company: Company, browser: Browser, width: int, scheme: Any) -> None:
    context = opened(browser, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    amiss = {}
    with company.kept():
        for path in ("/", "/product", "/contact", "/trial", "/onboarding", "/order", "/webinar"):
            page.goto(company.site + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if found := axe(page):
                amiss[path] = found
        page.goto(company.site + "/contact")
        page.get_by_label("E-mail address").fill(f"reader{width}@example.org")
        page.get_by_label("Your message").fill("Hello?")
        page.get_by_role("button").click()
        assert page.get_by_role("heading", level=1).inner_text() == "Thank you, we have it"
        assert "Legal basis" in page.locator("dl").inner_text()
    if found := axe(page):
        amiss["sent"] = found
        page.goto(company.site + "/order")
        page.get_by_label("Seats for a year").fill("1")
        page.get_by_role("button").click()
        assert "it has to belong to one" in page.locator("dl").inner_text()
    assert amiss == {}
    assert context.cookies() == []
    assert [url for url in asked if not url.startswith(company.site)] == []
    context.close()


@pytest.mark.soak
def test_one_life_after_another_goes_as_it_should(company: Company) -> None:
    """The first of them is part of every demonstration: tests/app/test_demo.py."""
    with company.kept() as said:
        story = run("life", str(company.directory), "--site", company.site, "--kept", said["url"],
                    "--json")  # fmt: skip
        assert story["wrong"] == []
        # Whoever was erased stays unknown; the next person begins anew.
        again = run("life", str(company.directory), "--site", company.site, "--kept", said["url"],
                    "--json")  # fmt: skip
        assert again["wrong"] == []


def test_on_a_no_nothing_is_stored(company: Company) -> None:
    """Without the assessment of its interest the company may not answer a message."""
    settings = company.directory / "kept.toml"
    text = settings.read_text()
    settings.write_text(text.partition("[documents")[0])
    before = world.everything(company.here)
    try:
        with company.kept():
            status, said = Visitor(company.site).send("/contact", **FIELDS, newsletter="yes")
    finally:
        settings.write_text(text)
    assert (status, said["stored"]) == (403, None)
    # What stands against it may be what its owner asked for, and anybody can type her address.
    assert said["reason"] == "We may not store it. If you want it all the same, write to us."
    assert "because" not in said
    assert world.everything(company.here) == before


def test_it_stays_small_and_knows_only_what_is_public() -> None:
    files = [p for p in (ROOT / "examples" / "company").rglob("*") if p.suffix != ".pyc"]
    lines = [line for p in files if p.is_file() for line in p.read_text("utf-8").splitlines()]
    assert sum(1 for line in lines if line.strip()) <= 1500
    assert not [line for line in lines if line.startswith(("import kept", "from kept"))]
