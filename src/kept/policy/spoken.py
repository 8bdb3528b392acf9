"""Words of the policy, in the language that is spoken: those of messages.yml, or beside each other.

A word without a translation stays in the policy's first language; `marked` says so in a page.
"""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from types import MappingProxyType

from markupsafe import Markup

from kept.policy.bundle import Bundle
from kept.policy.shapes import Text
from kept.terms import tongues
from kept.terms.tongues import sheets
from kept.terms.vocabulary import KINDS, SHIPPED


@functools.cache
def _labels() -> frozenset[str]:
    """What the shipped vocabulary calls things."""
    return frozenset(t.label for kind in KINDS for t in SHIPPED.tree(kind).values())


def speaking(bundle: Bundle, language: str | None) -> AbstractContextManager[tongues.Speech]:
    """Speak a language of the policy within the block; None: its first."""
    asked = language if language in bundle.languages else None
    own = bundle.messages.get(asked or bundle.languages[0], MappingProxyType({}))
    return tongues.speaking(asked, bundle.languages[0], own)


def named(bundle: Bundle, language: str | None) -> str:
    """What the address of a page says for it to speak a language; nothing where there is one."""
    several = len(bundle.languages) > 1 and language in bundle.languages
    return f"?lang={language}" if several else ""


def own(text: Text) -> str:
    """Words of the policy, or a label of the shipped vocabulary, in the language spoken."""
    return found(text)[0]


def told(text: str) -> str:
    """Words that are the policy's, or ours, or those of somebody who wrote them down."""
    said = own(text)
    return tongues.say(text) if said == text else said


def marked(text: Text) -> Markup:
    """The same for a page: in another language than the page's, they say in which."""
    return sheets.marked(*found(text))


def found(text: Text) -> tuple[str, str]:
    """Words of the policy, and the language that they are in."""
    speech = tongues.spoken()
    if isinstance(text, str):
        if text in speech.own:
            return speech.own[text], speech.asked
        if text not in _labels():
            return text, speech.first
        # Labels of the shipped vocabulary are English, whatever the policy is written in.
        in_tongue = speech.tongue.said.get(text)
        return (text, "en") if in_tongue is None else (in_tongue, speech.language)
    for language in (speech.asked, tongues.base(speech.asked)):
        if language in text:
            return text[language], speech.asked
    for language in (speech.language, tongues.base(speech.language)):
        if language in text:
            return text[language], speech.language
    language = next(iter(text), speech.first)
    return text.get(language, ""), language
