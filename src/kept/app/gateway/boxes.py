"""What the gateway puts into pages: the banner, and boxes where something was not loaded."""

from __future__ import annotations

import html
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from kept.app.gateway.rewrite import Boxes
from kept.decide.visit import Visit
from kept.duties.visits import banner
from kept.policy import spoken
from kept.policy.bundle import Bundle
from kept.policy.trackers import Tracker
from kept.terms import tongues
from kept.terms.tongues import say

#: Stands for the page to come back to while a fragment is made once for all pages.
_HERE: Final = "/~here~"
#: A frame of a host that nobody declared. Only ASCII: the page may be in any letters.
_UNKNOWN: Final = '<div class="kept-embed" lang="{language}"><p><b>{what}</b></p><p>{why}</p></div>'
#: In a link to a page of a partner that carries our name: there our policy does not hold.
_THEIRS: Final = '&nbsp;<span class="kept-theirs" lang="{language}">({words})</span>'
#: Within a form of the page: the button stands on the page of choices.
_IN_FORM: Final = (
    '<div class="kept-embed" lang="{language}"><p><b>{title}</b></p><p><a href="{there}">{words}'
    "</a></p></div>"
)


class Fragments:
    """The fragments of one bundle, ready made for each choice and language."""

    def __init__(self, bundle: Bundle, *, views: bool = False) -> None:
        self._bundle, self._views = bundle, views
        self._made = lru_cache(maxsize=256)(self._make)
        self._states: dict[tuple[object, ...], Visit] = {}
        self._marks = lru_cache(maxsize=16)(self._mark)

    def __call__(self, visit: Visit, language: str, here: str) -> Boxes:
        """What goes into the page `here`, in the language that a browser asks for."""
        state = (
            visit.region, tuple(visit.why.items()), visit.signals, visit.ask,
            tuple(visit.trackers.items()),
        )  # fmt: skip
        if len(self._states) > 4096:
            self._states.clear()
        self._states[state] = visit
        head, foot = self._made(state, language[:64])
        known = banner.language_of(self._bundle, language)

        def box(tracker: Tracker | None, host: str, in_form: bool) -> bytes:
            if tracker is None or in_form:
                with spoken.speaking(self._bundle, known):
                    return _ascii(_held(tracker, host, here))
            return _ascii(banner.placeholder(self._bundle, tracker, known, here))

        return Boxes(box, head, _at(foot, here), self._marks(known), "?" in here)

    def _mark(self, language: str) -> dict[str, bytes]:
        """Page of a partner → what is said in links to it."""
        with spoken.speaking(self._bundle, language):
            spoke = tongues.spoken().language
            return {
                page: _ascii(_THEIRS.format(language=spoke, words=html.escape(_theirs(row.name))))
                for row in self._bundle.recipients.values()
                for page in row.pages
            }

    def _make(self, state: tuple[object, ...], language: str) -> tuple[bytes, bytes]:
        visit, known = self._states[state], banner.language_of(self._bundle, language)
        return (
            _ascii(
                banner.guard(self._bundle, visit)
                + banner.head(self._bundle, visit, views=self._views)
            ),
            _ascii(banner.fragment(self._bundle, visit, known, _HERE)),
        )


def _theirs(name: str) -> str:
    return say(
        "another website: what {name} does there falls under the privacy policy of {name}, not"
        " under ours",
        name=name,
    )


def _held(tracker: Tracker | None, host: str, here: str) -> str:
    """What stands for a part that no button in its place can load."""
    language = tongues.spoken().language
    if tracker is None:
        what = say("Something from {host} was not loaded", host=host)
        why = say(
            "It stands on none of our lists, so we do not know what it would learn of you."
        )  # fmt: skip
        return _UNKNOWN.format(language=language, what=html.escape(what), why=html.escape(why))
    there = f"{banner.PATH}?return_to={quote(here, safe='/')}"
    words = html.escape(say("It was not loaded. Choose what may run"))
    title = html.escape(spoken.own(tracker.title))
    return _IN_FORM.format(language=language, title=title, there=there, words=words)


def _ascii(text: str) -> bytes:
    """The same in any encoding of the page around it."""
    return text.encode("ascii", "xmlcharrefreplace")


def _at(foot: bytes, here: str) -> bytes:
    linked = f"return_to={quote(here, safe='/')}".encode("ascii")
    foot = foot.replace(f"return_to={_HERE}".encode(), linked)
    return foot.replace(_HERE.encode(), _ascii(html.escape(here)))
