"""Pages, mails and letters for people in the languages of a policy: German, English, a third."""

from __future__ import annotations

import dataclasses
import datetime as dt
import html.parser
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from litestar.testing import TestClient
from playwright.sync_api import Browser, Route
from tests import huts
from tests.app.test_asking_browser import look
from tests.asking import Desk, links, mail_server, read, text
from tests.browser import COLOURS, NEEDS_CHROMIUM, axe, browser, opened, weak
from tests.forms import Fields

from kept import deployment
from kept.app import promptly, web
from kept.app.mail import composed
from kept.app.surface import SURFACES
from kept.controller import Controller
from kept.duties import page as clean
from kept.duties import rights
from kept.duties.collect import taking
from kept.duties.collect.taking import Sent
from kept.duties.rights import paper
from kept.duties.rights.letter import letter
from kept.duties.rights.request import Request
from kept.embedded import Server
from kept.errors import UsageError
from kept.policy.spoken import speaking
from kept.records.outbox import Letter
from kept.records.preference import token, way_of
from kept.terms import tongues
from kept.terms.identifiers import Identifier, parse

__all__ = ["browser"]  # the fixture
NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
KNOWN, UNKNOWN = "seraina.caflisch@example.org", "nobody.at.all@example.org"
HERS = "ursina@example.org"
#: Words of English that are none of German.
ENGLISH = frozenset(
    re.findall(
        r"\w+",
        "the and you your of with is are that this not have we for from what which there nobody it"
        " its our they been when who how why without before if do does",
    )
)
#: What stands there in English and is right: names of authorities, of a standard, of commands.
NAMES = re.compile(
    r"Global Privacy Control|Commission for Personal|Information Commissioner’s Office"
    r"|kept-verify COPY --key KEY|kept prove --clause \S+|Office of the|Federal Trade Commission"
)
VOID = frozenset(("meta", "link", "input", "br", "path", "circle", "rect", "use", "wbr"))


class Words(html.parser.HTMLParser):
    """The words of a page by the language that it says they are in; its links and languages."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.by: dict[str, list[str]] = {}
        self.links: list[str] = []
        self.languages: set[str] = set()
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        language = said.get("lang") or (self._open[-1] if self._open else "")
        self.languages.add(language)
        if tag == "a" and said.get("href"):
            self.links.append(str(said["href"]))
        self.by.setdefault(language, []).extend(
            str(said[name]) for name in ("aria-label", "title", "placeholder") if said.get(name)
        )
        if tag not in VOID:
            self._open.append(language if tag != "style" else "style")

    def handle_endtag(self, tag: str) -> None:
        self._open.pop() if tag not in VOID else None

    def handle_data(self, data: str) -> None:
        self.by.setdefault(self._open[-1] if self._open else "", []).append(data)

    def english(self) -> list[str]:
        """Pieces of what is said to be German that hold words of English."""
        found = []
        for words in self.by.get("de", ()):
            if ENGLISH & set(re.findall(r"[a-z]+", NAMES.sub("", words).lower())):
                found.append(words.strip())
        return found


@pytest.fixture(scope="module")
def hut(
    tmp_path_factory: pytest.TempPathFactory, pg_server: Server, _kept_template: str
) -> Iterator[Desk]:
    """The second bundle at work: an English and a German association, asked by people."""
    name = f"languages_{os.getpid()}"
    url = pg_server.make_database(name, template=_kept_template)
    office = pg_server.make_database(f"{name}_office")
    directory = huts.make(tmp_path_factory.mktemp("huts") / "kept", url, office)
    with mail_server() as (inbox, server):
        with (directory / "kept.toml").open("a") as file:
            file.write(f'\n[mail]\nurl = "{server}"\nfrom = "datenschutz@example.net"\n')
            file.write('\n[site]\nurl = "http://testserver.local"\n')
        with Controller.open(deployment.read(directory)) as controller:
            controller.surfaces = SURFACES
            app = web.make(
                controller, token=None, shows="live", clock=lambda: NOW, proxy=True,
                wake=lambda: promptly.at_once(controller, lambda: NOW) and None,
            )  # fmt: skip
            with TestClient(app, raise_server_exceptions=True) as client:
                yield Desk(directory, controller, client, inbox, NOW)


def pages(hut: Desk) -> Iterator[tuple[str, str]]:
    """(path, page) of every step that people can come to, in German, in the order of the story."""
    got = {
        "privacy": "/privacy", "versions": "/privacy/versions", "sentence": "/privacy/sentences/3",
        "choices": "/privacy/choices", "authorities": "/privacy/authorities",
        "switzerland": "/privacy/authorities?country=CH", "bed": "/forms/bed",
        "course": "/forms/course", "requests": "/privacy/requests",
        "child": "/privacy/requests/child", "mail": "/privacy/requests/mail",
        "complaints": "/privacy/complaints", "gone": f"/privacy/requests/{'x' * 43}",
        "nowhere": "/privacy/nowhere",
    }  # fmt: skip
    for name, path in got.items():
        yield name, hut.get(f"{path}{'&' if '?' in path else '?'}lang=de").text
    sent = {
        "empty": ("/privacy/requests", {"asked": [], "email": "?", "once": "1" * 32}),
        "child-empty": ("/privacy/requests/child", {"once": "2" * 32}),
        "guidance": ("/privacy/requests/mail", {"asked": "mail-of-partner", "once": "3" * 32}),
        "complaint-empty": ("/privacy/complaints", {"once": "4" * 32}),
        "not-chosen": ("/privacy/choices", {"do": "refuse", "by": "page"}),
    }  # fmt: skip
    for name, (path, fields) in sent.items():
        yield name, hut.post(f"{path}?lang=de", fields).text
    story = {
        "code": ("/privacy/requests", {"asked": ["access"], "email": UNKNOWN, "once": "5" * 32}),
        "report": ("/privacy/requests/child", {"about": "kid@example.org", "once": "6" * 32}),
        "complaint": ("/privacy/complaints", {"words": "x", "email": UNKNOWN, "once": "7" * 32}),
    }  # fmt: skip
    for name, (path, fields) in story.items():
        led = hut.post(f"{path}?lang=de", fields).headers["Location"]
        assert led.endswith("?lang=de")
        yield name, hut.get(led).text
        if name == "code":
            yield (
                "wrong",
                hut.get(hut.post(led, {"do": "code", "code": "0"}).headers["location"]).text,
            )
            code = hut.inbox.code(UNKNOWN)
            known = hut.post(led, {"do": "code", "code": code}).headers["location"]
            assert known.endswith("?lang=de")
            yield "status", hut.get(known).text


def hers(hut: Desk) -> Iterator[tuple[str, str]]:
    """The same of what somebody allowed: from her yes on a German form to a no and back."""
    asked = taking.prepared(hut.controller, "bed", "EEA", "de")
    typed = {"who": "Ursina", "mail": HERS, "nights": "1", "news": "yes"}
    came = Sent([*typed.items()], "https://betten.huettenbund.example", asked.hash, "EEA", "de")
    assert taking.submit(hut.controller, "bed", came, NOW).consents
    way = "/privacy/preferences?lang=de"
    yield "way", hut.get(way).text
    yield "way-wrong", hut.post(way, {"email": "?"}).text
    yield "way-sent", hut.post(way, {"email": HERS}).text
    told, link = hut.inbox.to(HERS)
    assert told["Subject"] == "Sie haben Hüttenbund Rätikon etwas erlaubt"
    assert "auf dem Formular „Ein Bett buchen“" in text(told)
    assert "- Neuigkeiten per E-Mail senden" in text(told)
    assert link["Subject"] == "Was Sie Hüttenbund Rätikon erlaubt haben"
    # Both lead to a page that speaks as they do.
    (page,) = {x.removeprefix("http://testserver.local") for x in links(link)}
    assert page.endswith("?lang=de")
    assert sum(x.endswith("?lang=de") for x in links(told)) == 2
    shown = hut.get(page).text
    assert "An. Sie haben es am 23. November 2026 erlaubt, auf dem Formular „Ein Bett" in shown
    yield "hers", shown
    stopped = hut.post(page, {"do": "stop"}).text
    yield "hers-stopped", stopped
    undo = dict(Fields(stopped).fields)["undo"]
    for name in ("hers-undone", "hers-late"):
        yield name, hut.post(page, {"do": "undo", "undo": undo}).text
    yield "hers-off", hut.post(page, {"do": "save", "was": ["newsletter"]}).text
    want = {"want": "newsletter", "email": HERS}
    yield "hers-on", hut.post(page, {"do": "save", "on": ["newsletter"]}).text
    yield "hers-other", hut.post(page, {**want, "do": "send", "email": UNKNOWN}).text
    sent = hut.post(page, {**want, "do": "send"}).text
    yield "hers-code", sent
    code = {**want, "do": "code", "ask": dict(Fields(sent).fields)["ask"]}
    yield "hers-wrong", hut.post(page, {**code, "code": "0"}).text
    assert "wieder erlauben:\n\n- Neuigkeiten per" in text(hut.inbox.to(HERS)[-1])
    again = hut.post(page, {**code, "code": hut.inbox.code(HERS)}).text
    assert "Ab jetzt wieder an:" in again
    yield "hers-again", again
    for _ in range(3):
        yield "way-many", hut.post(way, {"email": HERS}).text
    for name, path in (("over", "/p/x?lang=de"), ("press", "/u/x?lang=de")):
        yield name, hut.get(path).text
    yield "pressed", hut.post("/u/x?lang=de", {"List-Unsubscribe": "One-Click"}).text
    record = hut.get(page.replace("?", "/receipt?")).json()["record"]
    assert record["dct:language"] == "de"
    titles = [one["dct:title"] for one in record["dpv:hasProcess"]]
    assert titles == ["Neuigkeiten per E-Mail senden"]


def test_no_sentence_of_english_is_left_on_a_german_page(hut: Desk) -> None:
    seen = dict([*pages(hut), *hers(hut)])
    left = {name: found for name, page in seen.items() if (found := Words(page).english())}
    assert not left
    assert len(seen) >= 35
    for name, page in seen.items():
        assert '<html lang="de">' in page, name
        # What the policy says in English alone says so.
        assert Words(page).languages <= {"de", "en-GB", "en", ""}, name


def test_the_language_is_named_asked_for_or_the_first_and_goes_along(hut: Desk) -> None:
    first = hut.get("/privacy/requests")
    assert '<html lang="en-GB">' in first.text
    assert first.headers["content-language"] == "en-GB"
    assert "Accept-Language" in first.headers["vary"]
    asked = hut.client.get("/privacy/requests", headers={"Accept-Language": "fr, de-AT;q=0.8"})
    assert '<html lang="de">' in asked.text
    assert "lang=" not in "".join(x for x in Words(asked.text).links if x.startswith("/privacy"))
    named = hut.client.get(
        "/privacy/authorities?country=CH&lang=en-GB", headers={"Accept-Language": "de"}
    )
    assert '<html lang="en-GB">' in named.text
    own = [x for x in Words(named.text).links if x.startswith("/privacy")]
    assert own
    assert all("lang=en-GB" in x for x in own)
    assert "?country=CH&lang=de" in Words(named.text).links  # the same page in the other one
    for reply in (first, asked, named):
        assert "set-cookie" not in reply.headers
    unknown = hut.get("/privacy?lang=tlh")
    assert '<html lang="en-GB">' in unknown.text


def test_the_same_words_whether_or_not_somebody_is_known_in_german_too(hut: Desk) -> None:
    met = {}
    for n, address in enumerate((KNOWN, UNKNOWN)):
        fields = {"asked": ["erasure"], "email": address, "once": f"{80 + n:032x}"}
        page = hut.post("/privacy/requests?lang=de", fields)
        shown = hut.get(page.headers["location"]).text
        assert "Code eintippen" in shown
        met[address] = re.sub(r"<b>[^<]*@[^<]*</b>", "", shown)
        mail = hut.inbox.to(address)[-1]
        met[address] += re.sub(r"\d{4} \d{4}", "", text(mail)) + str(mail["Subject"])
    assert met[KNOWN] == met[UNKNOWN]


def test_the_letter_of_a_yes_speaks_as_the_form_that_a_program_showed(hut: Desk) -> None:
    shown = taking.prepared(hut.controller, "bed", "EEA", "de")
    typed = {"who": "Ida", "mail": "ida@example.org", "nights": "2", "news": "yes"}
    came = Sent([*typed.items()], shown.form.site, shown.hash, "EEA", "de")
    assert taking.submit(hut.controller, "bed", came, NOW).consents
    promptly.at_once(hut.controller, lambda: NOW)
    assert hut.inbox.to("ida@example.org")[-1]["Content-Language"] == "de"


def test_mail_letter_and_package_speak_as_she_asked(hut: Desk, tmp_path: Path) -> None:
    fields = {"asked": ["access"], "email": KNOWN, "once": "9" * 32, "region": "CH"}
    led = hut.post("/privacy/requests?lang=de", fields).headers["location"]
    mail = hut.inbox.to(KNOWN)[-1]
    assert mail["Content-Language"] == "de"
    assert mail["Subject"] == "Ihr Code für Hüttenbund Rätikon"
    assert "Sehen, was Sie über mich haben" in text(mail)
    hut.post(led, {"do": "code", "code": hut.inbox.code(KNOWN)})
    assert hut.inbox.to(KNOWN)[-1]["Subject"] == "Hüttenbund Rätikon hat Ihre Anfrage"
    case = max(hut.controller.cases.all(), key=lambda one: one.number)
    said = letter(hut.controller, case.id, NOW)
    assert said.language == "de"
    assert said.title == "Unsere Antwort auf Ihre Anfrage: Sehen, was aufbewahrt wird"
    assert "Ihr Recht darauf: Art. 25 DSG." in said.text()  # she said that she lives there
    assert "23. November 2026" in said.text()
    assert '<html lang="de">' in said.html()
    told = {"number": "1", "words": "Two cases are late.", "link": "http://testserver.local/desk"}
    mine = Letter("1", KNOWN, "reminder", told, NOW)
    assert read(composed(hut.controller, mine))["Content-Language"] == "en"  # it goes to the staff
    mine = Letter("1", KNOWN, "question", {"day": "2026-11-23"}, NOW, "de")
    assert "Ihre Frage kam am 23. November 2026 an." in text(read(composed(hut.controller, mine)))
    left = [w for p in said.parts for w in (p.title, *p.lines, *p.points)
            if ENGLISH & set(re.findall(r"[a-z]+", NAMES.sub("", w).lower()))]  # fmt: skip
    assert not left
    assert letter(hut.controller, case.id, NOW, language="en-GB").title.startswith("Our answer")
    out = tmp_path / "daten.zip"
    answer = rights.access(
        hut.controller, Request(((Identifier("email", KNOWN),),), case=case.id, override="test"),
        NOW, out=out,
    )  # fmt: skip
    assert answer.summary.startswith("We looked in")  # for the staff
    # On paper too: as she asked, and as somebody chose who read a letter of hers.
    kim = hut.controller.actors.of("Kim", "privacy-officer", NOW)
    for chosen in ("", "en-GB"):
        paper.make(hut.controller, case.id, ["Ana", "Davos"], kim, NOW, language=chosen)
        *_, (_, made) = hut.controller.ledger.entries(kind="letter.made")
        spoken = letter(hut.controller, case.id, NOW, language=chosen or "de").text()
        assert made.body["text"] == hut.controller.digest(spoken.encode())
    with pytest.raises(UsageError, match="in that language"):
        paper.make(hut.controller, case.id, ["Ana", "Davos"], kim, NOW, language="fr")
    with zipfile.ZipFile(out) as archive:
        page, read_me = (archive.read(n).decode() for n in ("index.html", "README.txt"))
    assert '<html lang="de">' in page
    assert "Ihre Daten bei Hüttenbund Rätikon" in page
    assert "Ihre Einträge als Tabellen" in read_me
    # What the map and people's own records say is in their words.
    data = re.compile(r"(?s)<(?:dd|td|summary)\b.*?</(?:dd|td|summary)>")
    titles = [s.title for s in hut.controller.datamap.systems.values()]
    titles += [d.title for s in hut.controller.datamap.systems.values()
               for d in s.datasets.values()]  # fmt: skip
    mapped = re.compile("|".join(re.escape(one) for one in titles if one))
    left = [w for w in Words(data.sub("", page)).english()
            if ENGLISH & set(re.findall(r"[a-z]+", mapped.sub("", w).lower()))]  # fmt: skip
    assert not left
    shots = os.environ.get("KEPT_SHOTS")
    if shots:
        (Path(shots) / "paket.html").write_text(page, "utf-8")
        (Path(shots) / "brief.html").write_text(said.html(), "utf-8")


def test_a_third_language_is_wired_nowhere(hut: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tongue that is made up here, beside a language of which no words of ours are there."""
    german = tongues.GERMAN
    made = dataclasses.replace(
        german, code="rm", name="Rumantsch", months=[f"mais{n}" for n in range(1, 13)],
        said={k: f"¡{k}" for k in german.said},
        forms={k: (f"¡1 {k}", f"¡2 {k}") for k in german.forms},
    )  # fmt: skip
    monkeypatch.setitem(tongues.TONGUES, "rm", made)
    bundle = dataclasses.replace(
        hut.controller.bundle, languages=("rm", "fr", "de"), messages={"fr": {"Nights": "Nuits"}}
    )
    monkeypatch.setattr(hut.controller, "bundle", bundle)
    app = web.make(hut.controller, token=None, shows="text", clock=lambda: NOW)
    with TestClient(app) as client:
        page = client.get("/privacy/choices").text
        assert '<html lang="rm">' in page
        assert "¡Your choices" in page
        assert set(re.findall(r'hreflang="(\w+)"', page)) == {"de"}  # and it is in rm
        french = client.get("/privacy/choices?lang=fr").text
        # No words of ours are French, so they are in the first, and say so; its own are marked.
        assert '<html lang="rm">' in french
        german_page = client.get("/privacy/choices?lang=de").text
        assert '<html lang="de">' in german_page
        assert "Ihre Auswahl" in german_page


@pytest.mark.parametrize("languages", [("en-GB", "de"), ("de", "en"), ("de",), ("fr", "de")])
def test_the_control_of_the_page_knows_its_words_in_every_language(
    hut: Desk, languages: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = dataclasses.replace(hut.controller.bundle, languages=languages)
    monkeypatch.setattr(hut.controller, "bundle", bundle)
    app = web.make(hut.controller, token=None, shows="live", clock=lambda: NOW)
    with TestClient(app) as client:
        shown = client.get("/privacy").text
    with speaking(bundle, None):
        met, expected = clean._Page(clean._ours(bundle)), clean._text(bundle)
    met.feed(shown)
    met.close()
    assert not met.odd
    assert expected.fullmatch("".join(met.words))
    assert ("in French only" in shown) == (languages[0] == "fr")


@NEEDS_CHROMIUM
def test_every_german_page_fits_a_telephone_and_axe_finds_nothing(
    browser: Browser, hut: Desk
) -> None:
    shots = bool(os.environ.get("KEPT_SHOTS"))
    sizes = (360, 1280) if shots else (360,)
    context = opened(browser, java_script_enabled=True, color_scheme="dark" if not shots else None)
    page = context.new_page()

    def from_client(route: Route) -> None:
        where = urlsplit(route.request.url)
        reply = hut.client.get(f"{where.path}?{where.query}", follow_redirects=False)
        headers = {k: v for k, v in reply.headers.items() if k != "content-length"}
        headers.pop("content-security-policy", None)  # axe is put into the page
        route.fulfill(status=reply.status_code, headers=headers, body=reply.content)

    page.route("**/*", from_client)
    paths = ["/privacy", "/privacy/choices", "/privacy/requests", "/forms/bed", "/forms/course",
             "/privacy/complaints", "/privacy/authorities?country=CH",
             "/privacy/preferences"]  # fmt: skip
    way = way_of(hut.controller.vault, "page", parse(f"email={HERS}"), NOW)
    paths.append(f"/p/{token(hut.controller.vault, way)}")
    if shots:
        paths += ["/privacy/sentences/3", "/privacy/requests/child", "/privacy/requests/mail",
                  "/privacy/versions", "/u/x"]  # fmt: skip
    for language in ("de", "en-GB") if shots else ("de",):
        for width in sizes:
            page.set_viewport_size({"width": width, "height": 740})
            for path in paths:
                page.goto(f"http://hut.test{path}{'&' if '?' in path else '?'}lang={language}")
                look(page, f"{language}-{width}-{re.sub('[^a-z]+', '-', path[1:])[:40]}")
                if not shots:
                    assert axe(page) == [], path
                    assert weak(page.evaluate(COLOURS)) == set(), path
    context.close()
