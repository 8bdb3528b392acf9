"""The policy's page, as a stranger is given it: what may stand there, and that nothing else does.

What a page could do to its reader cannot be listed to the end, so nothing is looked for: the
marks of HTML, their attributes and the words are those that the page needs, and whatever else
stands there is a finding.
"""

from __future__ import annotations

import datetime as dt
import html.parser
import http.client
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.controls.words import WORDS
from kept.policy import render
from kept.policy.bundle import Bundle
from kept.policy.spoken import own, speaking
from kept.terms import authorities, tongues
from kept.terms.tongues import count, say
from kept.terms.tongues import number as number_of

_PAGE: Final = "/privacy"
#: The pages that every page leads to.
_PAGES: Final = ("Policy", "Versions", "Your choices", "Your requests")
_NOTHING: Final = "This page sets no cookie, runs no script and asks no other site for anything."
#: Stands for words that differ while a sentence is made a pattern.
_SOMETHING: Final = "\x03"
#: The name under which the page says whose it is and which text it shows.
MARK: Final = "kept"
_STYLE: Final = "/assets/kept.css"
#: Sent with every answer: no script is allowed, nothing comes from elsewhere.
POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
#: Headers that make a browser fetch something, go elsewhere or tell somebody of the visit.
_ACTING: Final = (
    "Refresh", "Link", "Report-To", "Reporting-Endpoints", "NEL", "Speculation-Rules",
    "Content-Security-Policy-Report-Only", "Attribution-Reporting-Register-Source",
    "Attribution-Reporting-Register-Trigger", "SourceMap", "X-SourceMap",
)  # fmt: skip
#: Around the words that are not always seen: in a box to open, to the side, for screen readers.
_HIDES, _SHOWS = "\x01", "\x02"
_HIDING: Final = frozenset(("head", "svg", "details", "nav"))
_HIDING_CLASSES: Final = frozenset(("sr", "skip", "side", "contents-box"))
_VOID: Final = frozenset(("meta", "link"))
_DRAWN: Final = frozenset(("path", "circle", "rect", "use"))
_SVG: Final = r"[\w #.,-]*"
_OUTCOMES: Final = "|".join(WORDS)
#: Tag → attribute → what it may say. What stands neither here nor in `_ours` is a finding.
_TAGS: Final[Mapping[str, Mapping[str, str]]] = {
    "html": {}, "head": {}, "title": {}, "body": {}, "b": {}, "summary": {}, "defs": {},
    "footer": {}, "dl": {}, "dt": {}, "dd": {},
    "section": {"class": "standing", "aria-labelledby": "standing|words-explained"},
    "meta": {}, "link": {},
    "svg": {
        "width": "0", "height": "0", "viewbox": "0 0 100 1", "preserveaspectratio": "none",
        "aria-hidden": "true", "focusable": "false",
    },
    "symbol": {"id": f"m-(?:{_OUTCOMES})", "viewbox": "0 0 16 16"},
    "path": dict.fromkeys(
        ("d", "fill", "stroke", "stroke-width", "stroke-linecap", "stroke-linejoin"), _SVG
    ),
    "circle": dict.fromkeys(
        ("cx", "cy", "r", "fill", "stroke", "stroke-width", "stroke-dasharray"), _SVG
    ),
    "rect": {"class": "all", "width": r"[\d.]+", "height": "1"},
    "use": {"href": f"#m-(?:{_OUTCOMES})"},
    "div": {"class": "with-side|unit", "id": r"s\d+"},
    "nav": {"class": "side|tongues"},
    "header": {"class": "top"},
    "main": {"id": "main"},
    "span": {"class": "who|whole|missing|sr|unit", "id": r"s\d+", "aria-current": "true"},
    "p": {"class": "lede|paragraph"},
    **{f"h{n}": {"class": "sr", "id": "standing|words-explained"} for n in range(1, 7)},
    "time": {"datetime": r"\d{4}-\d\d-\d\d"},
    "ul": {"class": "key|paragraph"},
    "ol": {"class": "contents"},
    "li": {"class": f"unit|{_OUTCOMES}", "id": r"s\d+"},
    "details": {"class": "contents-box"},
    "a": {
        "class": f"skip|term|mark (?:{_OUTCOMES})", "aria-current": "page",
        "rel": "external noreferrer",
    },
}  # fmt: skip
#: The only things said of the page itself, and the only files that it asks for.
_SAID: Final[tuple[Mapping[str, str], ...]] = (
    {"charset": "utf-8"},
    {"name": "viewport", "content": "width=device-width, initial-scale=1"},
    {"name": "color-scheme", "content": "light dark"},
    {"name": "referrer", "content": "no-referrer"},
    {"rel": "stylesheet", "href": _STYLE},
    {"rel": "icon", "href": "/assets/kept.svg", "type": "image/svg+xml"},
)


def marks(controller: Controller) -> tuple[str, str]:
    """What only a page of this deployment can carry, and what only one with today's text can."""
    text = controller.bundle.text_digest
    return controller.vault.mac("page", b"").hex(), controller.vault.mac(
        "page", text.encode()
    ).hex()


class _Page(html.parser.HTMLParser):
    """The words of a page in order, and what stands there that may not."""

    def __init__(self, ours: Mapping[tuple[str, str], frozenset[str]]) -> None:
        super().__init__()
        self.marks: tuple[str, ...] = ()
        self.sections: list[str] = []
        self.words: list[str] = []
        self.odd: dict[str, None] = {}
        self._ours = ours
        self._open: list[tuple[str, bool]] = []

    def handle_data(self, data: str) -> None:
        """Note the words, without the blanks between them."""
        self.words += data.replace(_HIDES, "?").replace(_SHOWS, "?").split()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the tag may not be or say."""
        said = {name: value or "" for name, value in attrs}
        if tag == "meta" and said.get("name") == MARK and not self.marks:
            self.marks = tuple(said.get("content", "").split())
            said["content"] = ""
        if tag not in _TAGS:
            self.odd["a tag that the page does not need"] = None
        elif tag in _VOID:
            if said not in (*_SAID, {"name": MARK, "content": ""}):
                self.odd["something is said of the page that it does not need"] = None
        elif len(said) < len(attrs) or not all(self._may(tag, n, v) for n, v in said.items()):
            self.odd[f"an attribute of <{tag}> that the page does not need"] = None
        if tag == "section" and "id" in said:
            self.sections.append(said["id"])
        if tag not in _VOID:
            hides = tag in _HIDING or not _HIDING_CLASSES.isdisjoint(said.get("class", "").split())
            self._open.append((tag, hides))
            self.words += [_HIDES] if hides else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag that ends itself; a browser takes only what is drawn for ended so."""
        self.handle_starttag(tag, attrs)
        if tag in _DRAWN:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """What was opened last is ended first, or a browser makes of it something else."""
        if not self._open or self._open[-1][0] != tag:
            self.odd["tags that are not closed in their order"] = None
            return
        self.words += [_SHOWS] if self._open.pop()[1] else []

    def handle_comment(self, data: str) -> None:
        """Browsers differ in where a comment ends, so the page has none."""
        self.odd["a comment"] = None

    handle_pi = unknown_decl = handle_comment

    def handle_decl(self, decl: str) -> None:
        """The one declaration, at the beginning."""
        if decl.lower() != "doctype html" or self._open or self.words:
            self.odd["a declaration that the page does not need"] = None

    def close(self) -> None:
        """The end of the page, where nothing is open any more."""
        super().close()
        if self._open:
            self.odd["tags that are not closed in their order"] = None

    def _may(self, tag: str, name: str, value: str) -> bool:
        pattern = _TAGS[tag].get(name)
        if pattern is not None and re.fullmatch(pattern, value, re.ASCII):
            return True
        return value in self._ours.get((tag, name), ())


def _ours(bundle: Bundle) -> dict[tuple[str, str], frozenset[str]]:
    """(tag, attribute) → what the bundle makes it say."""
    sections = render.render(bundle)
    segments = [g for s in sections for u in s.units for g in u.segments]
    units = range(1, sum(len(s.units) for s in sections) + 1)
    mail = f"mailto:{bundle.organisation.email}"
    to = {
        "/privacy",
        "/privacy/versions",
        "/privacy/choices",
        "/privacy/authorities",
        "/privacy/complaints",
        "/privacy/requests",
        "#main",
        "#words-explained",
        mail,
        *(f"#{s.anchor}" for s in sections),
        *(f"?lang={one}" for one in bundle.languages),
    }
    to |= {f"/privacy/sentences/{n}" for n in units}
    return {
        ("html", "lang"): frozenset((tongues.spoken().language,)),
        **{(tag, "lang"): frozenset(bundle.languages) for tag in ("section", "li", "h1", "dl")},
        **{
            (tag, name): frozenset((*bundle.languages, tongues.spoken().language))
            for tag in ("a", "span")
            for name in ("lang", "hreflang")
        },
        ("nav", "aria-label"): frozenset(
            (say("Parts of this policy"), say("Privacy"), say("Language"))
        ),
        ("section", "id"): frozenset(s.anchor for s in sections),
        ("section", "aria-label"): frozenset(s.title for s in sections),
        ("dt", "id"): frozenset(render.word_anchor(d.term) for d in render.glossary(bundle)),
        ("a", "title"): frozenset(say(w["one"]) for w in WORDS.values()),
        ("a", "href"): frozenset(to | {g.target for g in segments if g.target}),
    }


def _text(bundle: Bundle) -> re.Pattern[str]:
    """The words of the whole page, without blanks: those of the bundle and of the frame."""

    def hidden(*words: str) -> str:
        return f"{_HIDES}{''.join(words)}{_SHOWS}"

    organisation, sections = bundle.organisation, render.render(bundle)
    by = {k: "|".join(sorted({_bare(say(w[k])) for w in WORDS.values()})) for k in ("one", "many")}
    words_head = _bare(say("What some words mean here")) if bundle.glossary else ""
    titles = "".join(_bare(s.title) for s in sections if s.title) + words_head
    meanings = "".join(_bare(d.term) + _bare(d.means) for d in render.glossary(bundle))
    icon = hidden()
    number = 0
    first: list[str] = []
    rest: list[str] = []
    for section in sections:
        for unit in section.units:
            number += 1
            said = _bare(
                say("Sentence {number}, {outcome}: what stands behind it", number=number,
                    outcome=_SOMETHING)
            ).replace(_SOMETHING, f"(?:{by['one']})")  # fmt: skip
            words = "".join(
                _bare(g.words)
                + (
                    _bare(f"({say('the address is still missing')})")
                    if g.kind == "link" and not g.target
                    else ""
                )
                for g in unit.segments
            )
            title = unit.kind == "title"
            (first if title else rest).append(f"{words}(?:{icon}{hidden(said)})?")
    day = r"(?:\d{1,2}\.?[A-Z]\w+\d{4}|\d{4}-\d\d-\d\d)"
    many = "{n} sentences, each with a mark."
    marked = "|".join(
        _bare(count(n, "{n} sentence, with a mark.", many)).replace(number_of(n), r"[\d.,]+", 1)
        for n in (1, 2)
    )
    checked = _bare(say("Last checked on {at}.", at=_SOMETHING)).replace(
        _SOMETHING, rf"{day},\d\d:\d\dUTC"
    )
    told = (
        f"(?:{marked}){_bare(say('Open a mark to see what was checked, where and when.'))}"
        f"(?:{checked})?"
    )
    standing = (
        f"(?:{hidden(_bare(say('How this policy is kept')))}{told}"
        f"(?:{icon}\\d+(?:{by['one']}|{by['many']}){icon})+)?"
    )
    name, post = organisation.name, [p for p in organisation.post if p != organisation.name]
    names = [tongues.tongue_of(one).name for one in bundle.languages if tongues.known(one)]
    first_language, alone = bundle.languages[0], ""
    if tongues.base(first_language) != tongues.base(tongues.spoken().language):
        called = say(authorities.language(tongues.base(first_language)))
        alone = say("The text of this policy is there in {language} only.", language=called)
    foot = _bare(f"{name} · {organisation.email} · {', '.join(post)}")
    return re.compile(
        "".join(
            (
                hidden(_bare(own(bundle.title))),
                hidden(_bare(say("Go to the text"))),
                icon,
                hidden(_bare(say("In this policy")), titles),
                _bare(name),
                hidden(*map(_bare, map(say, _PAGES))),
                hidden(*map(_bare, names)) if len(names) > 1 else "",
                *first,
                _bare(say("In force since") + tongues.day(bundle.version)),
                f"(?:·{_bare(say('a draft: this version has not been published'))})?",
                f"(?:{_bare(alone)})?" if alone else "",
                standing,
                hidden(_bare(say("What is in here")), titles),
                *rest,
                words_head,
                meanings,
                foot,
                _bare(f"{say('Complain to us')} · {say('Complain to an authority')}"),
                _bare(say(_NOTHING)),
            )
        )
    )


def _bare(words: str) -> str:
    return re.escape("".join(words.split()))


def _fetch(url: str, path: str, accept: str) -> tuple[http.client.HTTPResponse, bytes]:
    base = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if base.scheme == "https" else http.client.HTTPConnection
    connection = kind(base.hostname or "", base.port, timeout=10)
    try:
        connection.request("GET", path, headers={"Accept": accept})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


@control("publication.policy-page-is-clean")
def policy_page_is_clean(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """The policy page shows the text and nothing but it, runs nothing, asks no other host.

    Its headers, tags, attributes, words and style sheet are those that it needs, and no others.
    Where another program answers in the place of this deployment, nothing was looked at.
    """
    if controller.site_url is None:
        return
    try:
        response, body = _fetch(controller.site_url, _PAGE, "text/html")
    except OSError:
        return  # nothing is served now: nothing was looked at
    # Nothing asks for a language, so the page speaks the policy's first.
    with speaking(controller.bundle, None):
        page, expected = _Page(_ours(controller.bundle)), _text(controller.bundle)
    page.feed(body.decode("utf-8", "replace"))
    page.close()
    ours, text = marks(controller)
    if page.marks[:1] != (ours,):
        return  # whoever answers there, it is no page of ours
    yield Looked(1, _PAGE)
    if response.status != 200:
        yield Finding(_PAGE, f"the page answers {response.status}")
        return
    if page.marks != (ours, text):
        yield Finding(
            _PAGE, "the page shows another text than the bundle holds", "restart the server"
        )
    yield from _headers(response)
    for odd in page.odd:
        yield Finding(_PAGE, f"the page holds {odd}", "look at what stands before the server")
    wanted = [s.id for s in controller.bundle.sections]
    yield Looked(len(page.sections), f"{_PAGE} sections")
    shown: Iterable[str] = (i for i in page.sections if i in set(wanted))
    if list(shown) != wanted:
        yield Finding(_PAGE, "sections are missing or out of order")
    if not expected.fullmatch("".join(page.words)):
        yield Finding(_PAGE, "the page does not show the words of the text, all and no others")
    try:
        style = _fetch(controller.site_url, _STYLE, "text/css")[1]
    except OSError:
        yield Finding(_STYLE, "the style sheet was not given")
        return
    if style != resources.files("kept.app").joinpath("assets", "kept.css").read_bytes():
        yield Finding(_STYLE, "the style sheet is not the one that Kept has", "restart the server")


def _headers(response: http.client.HTTPResponse) -> Iterator[Finding]:
    given = response.headers
    if given.get_all("Set-Cookie"):
        yield Finding(_PAGE, "the page sets a cookie")
    policies = given.get_all("Content-Security-Policy") or []
    if POLICY not in policies or any("report" in one for one in policies):
        yield Finding(
            _PAGE,
            "the page does not tell browsers to run nothing and to ask nobody else",
            "let the header Content-Security-Policy through as the server sends it",
        )
    for name in _ACTING:
        if given.get_all(name):
            yield Finding(_PAGE, f"the header {name} makes browsers do more than show the page")
    kind = (given.get("Content-Type") or "").replace(" ", "").lower()
    if kind != "text/html;charset=utf-8" or given.get("Content-Encoding"):
        yield Finding(_PAGE, "the page is not sent as HTML in UTF-8")
