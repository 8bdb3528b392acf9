"""What people see: the policy with its marks, what stands behind each sentence, its versions."""

from __future__ import annotations

import datetime as dt
import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

import jinja2
from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from markupsafe import Markup

from kept.app import speech
from kept.controller import Controller
from kept.controls.evidence import Evidence, Outcome, gathered
from kept.controls.history import latest
from kept.controls.runner import ClauseReport, report
from kept.controls.words import WORDS
from kept.duties.page import marks
from kept.duties.rights.intake import LONGEST
from kept.policy import render, spoken
from kept.records.version import Version, Versions
from kept.terms import authorities, tongues
from kept.terms.tongues import count, say, sheets

#: The order in which the standing is shown, and the mark of a sentence with several clauses:
#: the first of these that occurs among them.
ORDER: Final = (
    "fail", "error", "expired", "open", "vacuous", "attested", "gated", "pass", "statement",
)  # fmt: skip
_SHOWN: Final = (
    "pass",
    "gated",
    "attested",
    "statement",
    "vacuous",
    "open",
    "expired",
    "error",
    "fail",
)
#: What a clause is, by its mode, for everybody.
_MODES: Final[Mapping[str, str]] = {
    "never": "something we never do", "must": "something we must do", "right": "a right of yours",
    "fact": "a fact", "may": "something we may do", "limit": "a limit",
    "implied": "something that follows from the sentence",
}  # fmt: skip
#: The most that is taken in one message, in bytes.
LARGEST: Final = 64 * 1024
_LARGE: Final = "What you sent is too long. At most {most} kB are taken."
#: Pages on which people write to us, and what is said there of a text that is larger than that.
_ASKING: Final = ("/privacy/requests", "/privacy/complaints")
_LONG: Final = "What you sent is too long. Please use at most {most} characters."
#: Words that would look torn if a line ended at their hyphen: e-mail, opt-out.
_TOGETHER: Final = re.compile(r"((?<![\w/.:-])\w{1,3}-\w+)")


def whole(text: str) -> Markup:
    """Text as HTML, escaped; words such as e-mail stay on one line."""
    kept = Markup('<span class="whole">{}</span>')
    parts = enumerate(_TOGETHER.split(text))
    return Markup("").join(kept.format(p) if n % 2 else Markup.escape(p) for n, p in parts)


def coded(text: str) -> Markup:
    """Text as HTML, escaped; what stands between backticks is code."""
    code = Markup("<code>{}</code>")
    parts = enumerate(text.split("`"))
    return Markup("").join(code.format(p) if n % 2 else Markup.escape(p) for n, p in parts)


templates = jinja2.Environment(
    loader=jinja2.PackageLoader("kept.app", "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
templates.filters["whole"] = whole
templates.filters["coded"] = coded
sheets.speaks(templates)
templates.globals["own"] = spoken.marked


def day_words(moment: dt.date, controller: Controller) -> str:
    """A day in words, in the language that is spoken."""
    return tongues.day(moment)


def minute(moment: dt.datetime, controller: Controller) -> str:
    """A moment in words, in UTC."""
    return tongues.minute(moment)


def rendered(name: str, controller: Controller, status: int = 200, **values: Any) -> Response[str]:
    """A page of the site, from its template."""
    bundle, language = controller.bundle, tongues.spoken().language
    body = templates.get_template(name).render(
        title=spoken.own(bundle.title),
        language=language,
        tongues=speech.links(bundle),
        carried=speech.carried(),
        in_first=_in(bundle.languages[0], language),
        in_english=_in("en", language),
        in_page=_in(language, bundle.languages[0]),
        first_named=authorities.language(tongues.base(bundle.languages[0])),
        organisation=bundle.organisation.name,
        email=bundle.organisation.email,
        post=", ".join(p for p in bundle.organisation.post if p != bundle.organisation.name),
        words=WORDS,
        marks=" ".join(marks(controller)),
        **values,
    )
    return Response(speech.carrying(body), media_type=MediaType.HTML, status_code=status)


def _in(language: str, page: str) -> Markup:
    """The attribute of what is in another language than the page."""
    if tongues.base(language) == tongues.base(page):
        return Markup("")
    return Markup(' lang="{}"').format(language)


def _reports(state: State) -> dict[str, ClauseReport]:
    """Clause id → how it stands, from the newest evidence in the ledger; empty: text only."""
    if state.shows == "text":
        return {}
    controller: Controller = state.controller
    found = report(controller.bundle, latest(controller), state.clock())
    if state.shows == "checks":
        found = [r for r in found if r.outcome in ("pass", "gated", "attested", "statement")]
    return {r.clause.id: r for r in found}


def _outcome(clauses: Sequence[str], reports: Mapping[str, ClauseReport]) -> str | None:
    met = {reports[c].outcome for c in clauses if c in reports}
    if len(met) < 1 or any(c not in reports for c in clauses):
        return None
    return next(o for o in ORDER if o in met)


def _sections(state: State, base: str = "") -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Sections as blocks for the template, and all units in order, each with its mark."""
    controller: Controller = state.controller
    reports = _reports(state)
    sections: list[dict[str, Any]] = []
    units: list[dict[str, Any]] = []
    for section in render.render(controller.bundle):
        blocks: list[dict[str, Any]] = []
        lead: Markup | None = None
        for block in section.blocks:
            made: list[dict[str, Any]] = []
            for shown in block.units:
                made.append(
                    {
                        "number": len(units) + len(made) + 1,
                        "html": _markup(shown, base),
                        "words": shown.words,
                        "kind": shown.kind,
                        "clauses": shown.clauses,
                        "outcome": _outcome(shown.clauses, reports),
                        # A point of a list is half a sentence: the other half leads to it.
                        "lead": lead if block.kind == "list" else None,
                    }
                )
            if block.kind != "list":
                lead = made[-1]["html"]
            units += made
            level = max(2, block.units[0].level)
            blocks.append({"kind": block.kind, "units": made, "level": level})
        sections.append({"id": section.anchor, "title": section.title, "blocks": blocks})
    return sections, units


def _markup(shown: render.Shown, base: str) -> Markup:
    """A unit as HTML; every word escaped, addresses only as links."""
    parts = []
    for piece in shown.segments:
        if piece.kind == "term":
            link = Markup('<a class="term" href="{}{}">{}</a>')
            parts.append(link.format(base, piece.target, whole(piece.words)))
        elif piece.target and piece.kind in ("link", "reference", "email"):
            outside = Markup(' rel="external noreferrer"') if "://" in piece.target else ""
            target = f"{base}{piece.target}" if piece.kind == "reference" else piece.target
            parts.append(
                Markup('<a href="{}"{}>{}</a>').format(target, outside, whole(piece.words))
            )
        elif piece.kind == "link":
            parts.append(
                Markup('{} <span class="missing"{}>({})</span>').format(
                    whole(piece.words),
                    _in(tongues.spoken().language, tongues.spoken().first),
                    say("the address is still missing"),
                )
            )
        elif piece.kind == "date":
            parts.append(Markup('<time datetime="{}">{}</time>').format(piece.note, piece.words))
        else:
            parts.append(whole(piece.words))
    return Markup("").join(parts)


def _standing(units: Sequence[Mapping[str, Any]], at: str) -> dict[str, Any] | None:
    counted: dict[str, int] = {}
    for unit in units:
        if unit["outcome"]:
            counted[unit["outcome"]] = counted.get(unit["outcome"], 0) + 1
    if not counted:
        return None
    total = sum(counted.values())
    bar = Markup(
        '<svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '<rect class="all" width="100" height="1"/><rect width="{}" height="1"/></svg>'
    )
    words = count(total, "{n} sentence, with a mark.", "{n} sentences, each with a mark.")
    words += " " + say("Open a mark to see what was checked, where and when.")
    return {
        "words": words + (" " + say("Last checked on {at}.", at=at) if at else ""),
        "rows": [
            {
                "outcome": o,
                "count": counted[o],
                "words": say(WORDS[o]["one" if counted[o] == 1 else "many"]),
                "bar": bar.format(f"{max(100 * counted[o] / total, 1):.1f}"),
            }
            for o in _SHOWN
            if o in counted
        ],
    }


@get("/", include_in_schema=False)
async def home() -> Redirect:
    """The policy is the front page."""
    return Redirect("/privacy")


@get("/privacy", media_type=MediaType.HTML, sync_to_thread=True)
def policy_page(state: State) -> Response[str]:
    """The policy in force; beside each sentence how it stands, as far as the operator shows it."""
    controller: Controller = state.controller
    sections, units = _sections(state)
    opening = [u for b in sections[0]["blocks"] for u in b["units"] if u["kind"] == "title"]
    for section in sections:
        section["blocks"] = [b for b in section["blocks"] if b["units"][0]["kind"] != "title"]
    newest = max((e.at for e in latest(controller)), default=None)
    at = minute(newest, controller) if newest else ""
    return rendered(
        "policy.html.j2",
        controller,
        here="policy",
        opening=opening,
        sections=sections,
        version=controller.bundle.version.isoformat(),
        version_words=day_words(controller.bundle.version, controller),
        draft=Versions(controller.database).newest(controller.bundle.id) is None,
        standing=_standing(units, at),
        glossary=[
            {"id": render.word_anchor(d.term), "term": d.term, "means": d.means}
            for d in render.glossary(controller.bundle)
        ],
    )


@get("/privacy/sentences/{number:int}", media_type=MediaType.HTML, sync_to_thread=True)
def sentence_page(number: FromPath[int], state: State) -> Response[str]:
    """What stands behind one sentence: each clause, its checks, when, where, how to repeat them."""
    controller: Controller = state.controller
    _, units = _sections(state, "/privacy")
    reports = _reports(state)
    if not 1 <= number <= len(units) or units[number - 1]["outcome"] is None:
        raise NotFoundException
    unit = units[number - 1]
    open_ones = [u["number"] for u in units if u["outcome"]]
    at = open_ones.index(number)
    shown = []
    for clause_id in unit["clauses"]:
        one = reports[clause_id]
        elsewhere = [u["number"] for u in units if clause_id in u["clauses"] and u is not unit]
        word = one.clause.document or one.clause.attestation
        shown.append(
            {
                "id": clause_id,
                "mode": _MODES[one.clause.mode],
                "outcome": one.outcome,
                "notes": one.clause.notes,
                "word": word,
                "other": elsewhere,
                "evidence": [_evidence(e, controller) for e in one.evidence],
            }
        )
    return rendered(
        "sentence.html.j2",
        controller,
        here="sentence",
        unit=unit,
        last=len(units),
        before=open_ones[at - 1] if at else None,
        after=open_ones[at + 1] if at + 1 < len(open_ones) else None,
        clauses=shown,
        repeat=[clause["id"] for clause in shown if clause["evidence"]],
    )


def _where(e: Evidence) -> str:
    """Over which places a check went, in words for people who never heard of Kept."""
    if not e.asked:
        return say("this site and its records")
    words = (
        "{asked} of {known} known systems, and this site’s own records"
        if e.own
        else "{asked} of {known} known systems"
    )
    return say(words, asked=e.asked, known=e.known)


def _evidence(e: Evidence, controller: Controller) -> dict[str, Any]:
    things = count(e.looked_at, "{n} thing", "{n} things")
    places = count(e.places, "in {n} place", "in {n} places")
    return {
        "sentence": e.sentence,
        "outcome": e.outcome.value,
        "at": e.at.isoformat(),
        "at_words": minute(e.at, controller),
        "looked_words": f"{things} {places}" if e.looked_at else say("nothing"),
        "text": e.text_digest,
        "rules": e.rules_digest,
        "scope": _where(e),
        "control": e.control,
        "code": e.code,
        "entry": e.entry,
        "findings": gathered(e.findings) if e.outcome in (Outcome.FAIL, Outcome.ERROR) else [],
    }


@get("/privacy/versions", media_type=MediaType.HTML, sync_to_thread=True)
def versions_page(state: State) -> Response[str]:
    """Every published version with its date, its hashes and what changed."""
    controller: Controller = state.controller
    archive = Versions(controller.database).all(controller.bundle.id)
    shown = []
    for before, version in zip([None, *archive], archive, strict=False):
        shown.append(
            {
                "version": version.published.version,
                "words": day_words(
                    dt.date.fromisoformat(str(version.published.version)), controller
                ),
                "published_at": version.at.isoformat(),
                "published_words": minute(version.at, controller),
                "text_sha256": version.published.text_sha256,
                "rules_sha256": version.published.rules_sha256,
                "entry": version.entry,
                "sentences": len(version.units),
                "changes": _changes(before, version) if before else [],
            }
        )
    return rendered("versions.html.j2", controller, here="versions", versions=shown[::-1])


def _changes(before: Version, after: Version) -> list[dict[str, str]]:
    changes = []
    for line in difflib.ndiff(before.units, after.units):
        if line[:2] == "- ":
            changes.append({"kind": "removed", "text": line[2:]})
        elif line[:2] == "+ ":
            changes.append({"kind": "added", "text": line[2:]})
    return changes


@get("/privacy/versions/{version:str}", media_type=MediaType.HTML, sync_to_thread=True)
def version_page(version: FromPath[str], state: State) -> Response[str]:
    """The text of one published version, as it was shown."""
    controller: Controller = state.controller
    found = [
        v
        for v in Versions(controller.database).all(controller.bundle.id)
        if str(v.published.version) == version
    ]
    if not found:
        raise NotFoundException
    last = found[-1]
    return rendered(
        "version.html.j2",
        controller,
        here="version",
        words_date=day_words(dt.date.fromisoformat(version), controller),
        units=[{"kind": k, "text": t} for k, t in zip(last.kinds, last.units, strict=True)],
    )


@get("/privacy/authorities", media_type=MediaType.HTML, sync_to_thread=True)
def authorities_page(state: State, country: FromQuery[str | None] = None) -> Response[str]:
    """To whom people can complain: one country's authorities, or the countries to pick from."""
    controller: Controller = state.controller
    known = authorities.countries()
    chosen = (country or "").strip().upper()
    if country and chosen not in known:
        raise NotFoundException
    found = authorities.of_country(chosen)
    return rendered(
        "authorities.html.j2",
        controller,
        here="authorities",
        countries=sorted(known.items(), key=lambda item: _ordered(say(item[1]))),
        chosen=chosen,
        country=known.get(chosen),
        everybody=[_authority(one, controller) for one in found if one.covers is None],
        certain=[_authority(one, controller) for one in found if one.covers is not None],
    )


def _ordered(words: str) -> str:
    """By what letters are sorted: Österreich stands with O."""
    return unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode().casefold()


def _authority(one: authorities.Authority, controller: Controller) -> dict[str, Any]:
    return {
        "one": one,
        "part": ", ".join(map(say, one.place.split(", "))) if one.part else None,
        "languages": ", ".join(say(authorities.language(code)) for code in one.languages),
        "checked": day_words(one.checked_on, controller),
        "how": authorities.BY[one.by],
    }


def asset_bytes(name: str) -> bytes:
    """A file of ours that goes out as it is."""
    return resources.files("kept.app").joinpath("assets", name).read_bytes()


@get("/assets/{name:str}", include_in_schema=False, sync_to_thread=True)
def asset(name: FromPath[str]) -> Response[bytes]:
    """Style sheets and icon: three files of our own."""
    kinds = {"kept.css": "text/css", "desk.css": "text/css", "kept.svg": "image/svg+xml"}
    if name not in kinds:
        raise NotFoundException
    return Response(
        asset_bytes(name), media_type=kinds[name], headers={"Cache-Control": "public, max-age=300"}
    )


@get("/health", include_in_schema=False)
async def health() -> str:
    """Whether the process answers."""
    return "ok"


def error_page(request: Request[Any, Any, Any], status: int) -> Response[str]:
    """A page for people; it repeats nothing of what was sent."""
    words = {404: "This page does not exist.", 405: "This page only shows something."}
    message = say(words[status]) if status in words else say("Something went wrong on our side.")
    if status == 413:
        message = say(_LARGE, most=tongues.number(LARGEST // 1024))
        if request.url.path.startswith(_ASKING):
            message = say(_LONG, most=tongues.number(LONGEST))
    return rendered(
        "error.html.j2", request.app.state.controller, status, here="error", message=message,
    )  # fmt: skip


HANDLERS: Final = [
    home, policy_page, sentence_page, versions_page, version_page, authorities_page, asset,
    health,
]  # fmt: skip
