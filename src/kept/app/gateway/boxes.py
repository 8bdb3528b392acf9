"""What the gateway puts into pages: the banner, and boxes where something was not loaded."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
#: Where it stands, as a part of an address or as it is.
_STANDS: Final = re.compile(rb"(return_to=)?" + _HERE.encode())
#: Visits, and what is ready made, that are remembered at once.
_MOST: Final = 4096
#: A frame of a host that nobody declared. Only ASCII: the page may be in any letters.
_UNKNOWN: Final = '<div class="kept-embed" lang="{language}"><p><b>{what}</b></p><p>{why}</p></div>'
#: In a link to a page of a partner that carries our name: there our policy does not hold.
_THEIRS: Final = '&nbsp;<span class="kept-theirs" lang="{language}">({words})</span>'
#: Within a form of the page: the button stands on the page of choices.
_IN_FORM: Final = (
    '<div class="kept-embed" lang="{language}"><p><b>{title}</b></p><p><a href="{there}">{words}'
    "</a></p></div>"
)


@dataclass(frozen=True, slots=True)
class _Made:
    """What is put in for one choice in one language. `foot`: its parts, and between them None or
    what stands before the page to come back to in an address.
    """

    language: str
    head: bytes
    foot: Sequence[bytes | None]
    marks: Mapping[str, bytes]
    key: bytes

    def at(self, here: str) -> bytes:
        """The foot of the page `here`."""
        linked = f"return_to={quote(here, safe='/')}".encode("ascii")
        put = {None: _ascii(html.escape(here)), b"return_to=": linked}
        return b"".join(
            part if n % 2 == 0 and part is not None else put[part]
            for n, part in enumerate(self.foot)
        )


class Fragments:
    """The fragments of one bundle, ready made for each choice and language."""

    def __init__(self, bundle: Bundle, *, views: bool = False) -> None:
        self._bundle, self._views = bundle, views
        self._made: dict[tuple[object, ...], _Made] = {}
        self._known: dict[tuple[int, str], tuple[Visit, _Made]] = {}
        self._marks = lru_cache(maxsize=16)(self._mark)

    def __call__(self, visit: Visit, language: str, here: str) -> Boxes:
        """What goes into the page `here`, in the language that a browser asks for."""
        made = self._for(visit, language[:64])
        known = made.language

        def box(tracker: Tracker | None, host: str, in_form: bool) -> bytes:
            if tracker is None or in_form:
                with spoken.speaking(self._bundle, known):
                    return _ascii(_held(tracker, host, here))
            return _ascii(banner.placeholder(self._bundle, tracker, known, here))

        return Boxes(box, made.head, made.at(here), made.marks, "?" in here, made.key)

    def _for(self, visit: Visit, language: str) -> _Made:
        """What was made for whoever is shown the same. A visit is mostly the very object of
        before, which is kept beside it so that no other can take its place.
        """
        met = self._known.get((id(visit), language))
        if met is not None:
            return met[1]
        if max(len(self._known), len(self._made)) >= _MOST:
            self._known.clear()
            self._made.clear()
        state = (
            visit.region, tuple(visit.why.items()), visit.signals, visit.ask,
            tuple(visit.trackers.items()), visit.state, language,
        )  # fmt: skip
        made = self._made.get(state)
        if made is None:
            made = self._made[state] = self._make(visit, language)
        self._known[id(visit), language] = visit, made
        return made

    def _mark(self, language: str) -> dict[str, bytes]:
        """Page of a partner → what is said in links to it."""
        with spoken.speaking(self._bundle, language):
            spoke = tongues.spoken().language
            return {
                page: _ascii(_THEIRS.format(language=spoke, words=html.escape(_theirs(row.name))))
                for row in self._bundle.recipients.values()
                for page in row.pages
            }

    def _make(self, visit: Visit, language: str) -> _Made:
        known = banner.language_of(self._bundle, language)
        head = _ascii(
            banner.guard(self._bundle, visit) + banner.head(self._bundle, visit, views=self._views)
        )
        foot = _ascii(banner.fragment(self._bundle, visit, known, _HERE))
        marks = self._marks(known)
        key = hashlib.blake2b(repr((head, foot, *marks.items())).encode(), digest_size=16).digest()
        return _Made(known, head, _STANDS.split(foot), marks, key)


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
