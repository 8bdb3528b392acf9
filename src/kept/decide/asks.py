# ruff: noqa: E501 — a row of patterns a line
"""What somebody asks for in her own words: kinds of `terms.asks`, with the words that decided.

Pure: rows of patterns, weighed in one way. Where two overlap, the longer one is meant ("remove me
from your mailing list" is no "remove me"). What nobody can tell apart is `unclear`, never a guess;
a person reads every request before anything but mail is stopped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kept.terms.asks import (
    ASKS,
    CHILD_REPORT,
    MAIL_OF_CUSTOMER,
    MAIL_OF_PARTNER,
    QUESTION,
    STOP_MAILING,
    UNCLEAR,
)

#: So much of a text is looked at, in characters.
LONGEST: Final = 20_000

_ALL = r"(?:everything|all)"
_MINE = r"(?:all |any |the )?(?:of )?(?:my|our|me)"
_DATA = r"(?:personal )?(?:data|information|info|details|records?|account|profile)"
_MAILS = r"(?:e-?mails?|mails?|newsletters?|mailings?|messages?|advertising|marketing|ads|offers)"
_YOUNG = r"(?:child|kid|son|daughter|boy|girl|pupil|minor|grandson|granddaughter|nephew|niece)"
_TO_15 = r"(?:[0-9]|1[0-5]|ten|eleven|twelve|thirteen|fourteen|fifteen|nine|eight|seven|six)"

#: (language, kind, pattern) over folded text. A word before it that says no takes it back.
PATTERNS: Final[tuple[tuple[str, str, str], ...]] = (
    ("en", STOP_MAILING, r"\bunsubscribe\b(?: me)?"),
    ("en", STOP_MAILING, rf"\bstop (?:sending|e-?mailing|mailing|writing)(?: (?:to )?me)?(?: {_MAILS})?"),
    ("en", STOP_MAILING, rf"\bstop (?:the |your |these |all (?:the |your )?)?{_MAILS}\b"),
    ("en", STOP_MAILING, rf"\b(?:no|not) (?:want )?(?:any )?(?:more|further|other) {_MAILS}\b"),
    ("en", STOP_MAILING, rf"\b(?:don't|do not|never) (?:want|send|wish)(?: me| to (?:get|receive))?(?: any)?(?: more)? {_MAILS}\b"),
    ("en", STOP_MAILING, r"\b(?:don't|do not|never) (?:e-?mail|mail|contact|write to) me\b"),
    ("en", STOP_MAILING, r"\b(?:remove|take|get) me (?:off|from|out of) (?:of )?(?:your|the|this|all) (?:e-?mail(?:ing)? |mailing |newsletter |marketing )*lists?\b"),
    ("en", STOP_MAILING, rf"\bopt(?: me)? out(?: of (?:your |the |all )?{_MAILS})?\b"),
    ("en", "erasure", rf"\b(?:delete|erase|remove|destroy|wipe) {_MINE} (?:\w+ ){{0,2}}?{_DATA}\b"),
    ("en", "erasure", rf"\b(?:delete|erase|destroy|wipe|remove) (?:{_ALL}|every bit|the)(?: (?:of )?the)?(?: (?:{_DATA}|that|which|what))? (?:\w+ )?(?:you (?:have|hold|keep|store|know)|(?:about|on|of) me)\b"),
    ("en", "erasure", r"\b(?:delete|erase|forget) me\b(?! from)"),
    ("en", "erasure", r"\b(?:close|cancel) and delete (?:my|the) account\b"),
    ("en", "erasure", r"\bright to (?:be forgotten|erasure|deletion)\b"),
    ("en", "erasure", rf"\b(?:deletion|erasure) of (?:\w+ )?(?:my|our) (?:\w+ )?{_DATA}\b"),
    ("en", f"{STOP_MAILING} erasure", rf"\b(?:remove|delete|erase|take) me (?:from|out of|off) (?:of )?{_ALL}(?! (?:your |the )?(?:\w+ )?lists?)\b"),
    ("en", UNCLEAR, r"\bremove me\b"),
    ("en", UNCLEAR, r"\bdelete me from (?:your|the|this|all) (?:\w+ )?(?:lists?|database|system|files)\b"),
    ("en", UNCLEAR, r"\b(?:leave me alone|get rid of me|take me out|i want out)\b"),
    ("en", "access", rf"\b(?:copy|copies|overview|list) of (?:all |any )?(?:of )?(?:the |my )(?:\w+ )?{_DATA}\b"),
    ("en", "access", rf"\bwhat (?:kind of |sort of )?(?:\w+ )?{_DATA} (?:do |does )?(?:you|your company) (?:\w+ )?(?:have|hold|store|keep|know|process)\b"),
    ("en", "access", r"\bwhat (?:do )?you (?:have|hold|store|keep|know) (?:about|on|of) me\b"),
    ("en", "access", r"\b(?:subject )?access request\b|\bdsar\b|\bright (?:of|to) access\b"),
    ("en", "access", rf"\b(?:see|access|view) (?:all )?(?:of )?my (?:\w+ )?{_DATA}\b"),
    ("en", "portability", r"\b(?:data )?portability\b|\bport my data\b|\bmachine[- ]readable\b"),
    ("en", "portability", rf"\b(?:take|move|transfer) my (?:\w+ )?{_DATA} (?:with me|along|elsewhere|to)\b"),
    ("en", "rectification", rf"\b(?:correct|rectify|update|change|fix) (?:my|the|a|our) (?:\w+ )?(?:{_DATA}|name|address|e-?mail(?: address)?|(?:tele)?phone(?: number)?|date of birth|spelling|mistake)\b"),
    ("en", "rectification", r"\bmy (?:\w+ ){1,2}is (?:wrong|incorrect|misspelt|misspelled|out of date|outdated)\b"),
    ("en", "restriction", rf"\b(?:restrict|freeze|block|limit) (?:the )?(?:use|processing) of (?:my|our) (?:\w+ )?{_DATA}\b"),
    ("en", "restriction", rf"\bstop (?:using|processing) (?:my|our) (?:\w+ )?{_DATA}\b"),
    ("en", "objection", r"\bi (?:hereby )?object\b|\bobject(?:ion)? to (?:the |your )?(?:use|processing|profiling)\b"),
    ("en", "withdrawal", r"\b(?:take down|unpublish|remove|delete|take off) (?:my|our) (?:\w+ )?(?:testimonials?|quotes?|quotation|comments?|review|story|statement)\b"),
    ("en", "withdrawal", r"\b(?:withdraw|revoke|take back) (?:my|our|the) (?:\w+ )?(?:consent|permission|agreement)\b"),
    ("en", CHILD_REPORT, r"\b(?:under|below|younger than) (?:the age of )?(?:16|sixteen|13|thirteen)\b"),
    ("en", CHILD_REPORT, rf"\b{_YOUNG}\b[^.!?]{{0,60}}?\b(?:is|aged|age|only|who is|,) ?(?:only |just )?{_TO_15}\b"),
    ("en", CHILD_REPORT, rf"\b{_TO_15}[- ]years?[- ]old\b"),
    ("en", MAIL_OF_CUSTOMER, rf"\b{_MAILS} (?:i (?:get|got|receive) )?(?:from|by|of) (?:(?:one of )?your (?:customers?|clients?)|(?:a|the) (?:company|firm|shop|customer) (?:that|which|who) uses? (?:you|your))\b"),
    ("en", MAIL_OF_PARTNER, rf"\b{_MAILS} (?:i (?:get|got|receive) )?(?:from|by|of) (?:(?:one of )?your (?:business )?partners?)\b"),
    ("en", QUESTION, r"\b(?:i have )?(?:a|one|some) questions?\b|\b(?:how long|why|where|who|which|how) (?:do|does|is|are|can|will|did) (?:you|your|my)\b"),
    # Beyond English: what is asked for most, in the words in which it is asked.
    ("de", STOP_MAILING, r"\b(?:abmelden|abbestellen|abbestelle|austragen)\b|\bkein(?:e|en)? (?:weiteren? |mehr )?(?:e-?mails?|mails?|newsletter|werbung)\b|\bvom (?:newsletter|verteiler)\b"),
    ("de", "erasure", r"\bl(?:ö|oe)sch(?:en|ung|e|t)\b(?: sie)?(?: bitte)?(?: alle)?(?: meine| meiner)?(?: \w+)?|\brecht auf vergessen"),
    ("de", "access", r"\bauskunft\b|\bwelche (?:\w+ )?daten\b|\bdatenauskunft\b|\bkopie meiner (?:\w+ )?daten\b"),
    ("de", "portability", r"\bdaten(?:ü|ue)bertrag(?:ung|barkeit)\b"),
    ("de", "rectification", r"\bberichtig(?:en|ung|e)\b|\bkorrigier(?:en|e|t)\b"),
    ("de", "restriction", r"\beinschr(?:ä|ae)nk(?:en|ung)\b|\bsperr(?:en|ung)\b"),
    ("de", "objection", r"\bwiderspr(?:eche|uch|echen)\b"),
    ("de", "withdrawal", r"\bwiderruf(?:e|en)?\b|\beinwilligung zur(?:ü|ue)ck"),
    ("de", CHILD_REPORT, r"\bunter (?:16|sechzehn)\b|\b(?:kind|sohn|tochter|enkel\w*)\b[^.!?]{0,60}?\b(?:ist|erst|,) ?(?:erst )?(?:[0-9]|1[0-5])\b"),
    ("de", QUESTION, r"\bfrage\b|\bwie lange\b|\bwarum\b"),
    ("fr", STOP_MAILING, r"\b(?:me )?d(?:é|e)s(?:abonner|inscrire|abonnez|inscrivez)\b(?:[- ]moi)?|\bplus (?:de |recevoir )(?:\w+ )?(?:courriels?|e-?mails?|mails?|publicit(?:é|e)s?|newsletters?)\b"),
    ("fr", "erasure", r"\b(?:supprim|effac)(?:er|ez|e)\b(?: (?:toutes |tous )?(?:mes|mon|les|ma)(?: \w+)?)?|\bdroit (?:à|a) l'(?:oubli|effacement)\b"),
    ("fr", "access", r"\bcopie de mes (?:\w+ )?donn(?:é|e)es\b|\b(?:droit d'|demande d')acc(?:è|e)s\b|\bquelles donn(?:é|e)es\b"),
    ("fr", "portability", r"\bportabilit(?:é|e)\b"),
    ("fr", "rectification", r"\b(?:rectifi|corrig)(?:er|ez|cation)\b"),
    ("fr", "restriction", r"\blimitation du traitement\b"),
    ("fr", "objection", r"\bm'oppose\b|\bopposition\b"),
    ("fr", "withdrawal", r"\bretir(?:er|e|ez) mon consentement\b"),
    ("fr", CHILD_REPORT, r"\bmoins de (?:16|seize) ans\b|\b(?:enfant|fils|fille)\b[^.!?]{0,60}?\b(?:[0-9]|1[0-5]) ans\b"),
    ("fr", QUESTION, r"\bquestion\b|\bcombien de temps\b|\bpourquoi\b"),
    ("es", STOP_MAILING, r"\b(?:dar(?:me)?|denme|deme) de baja\b|\bcancelar (?:la |mi )?suscripci(?:ó|o)n\b|\bno (?:quiero|deseo)(?: recibir)?(?: m(?:á|a)s)? (?:correos?|e-?mails?|publicidad|bolet(?:í|i)n\w*)\b"),
    ("es", "erasure", r"\b(?:borr|elimin|suprim)(?:ar|en|e|an|a|ir)\b(?: (?:todos )?(?:mis|mi|los)(?: \w+)?)?|\bderecho al olvido\b"),
    ("es", "access", r"\bcopia de mis (?:\w+ )?datos\b|\b(?:derecho de )?acceso a mis datos\b|\bqu(?:é|e) datos\b"),
    ("es", "portability", r"\bportabilidad\b"),
    ("es", "rectification", r"\b(?:rectific|correg)(?:ar|ir|uen|en|aci(?:ó|o)n)\b"),
    ("es", "restriction", r"\blimitaci(?:ó|o)n del tratamiento\b"),
    ("es", "objection", r"\bme opongo\b|\boposici(?:ó|o)n\b"),
    ("es", "withdrawal", r"\bretir(?:o|ar) (?:mi|el) consentimiento\b"),
    ("es", CHILD_REPORT, r"\bmenor(?:es)? de (?:16|dieciséis) años\b|\b(?:hijo|hija|niño|niña)\b[^.!?]{0,60}?\b(?:[0-9]|1[0-5]) años\b"),
    ("es", QUESTION, r"\bpregunta\b|\bcu(?:á|a)nto tiempo\b|\bpor qu(?:é|e)\b"),
)  # fmt: skip

_COMPILED: Final = tuple((kinds.split(), re.compile(text)) for _, kinds, text in PATTERNS)
#: What takes back what stands right after it.
_NOT: Final = re.compile(
    r"(?:\b(?:not|never|don't|didn't|won't|without|nicht|kein\w*|jamais|nunca|no|ne)"
    r"(?: (?:want(?: you)? to|wish to|to|ever|yet|pas|quiero|deseo))? ?)$"
)
#: Under these a mail goes on with what somebody else wrote before.
_QUOTE: Final = re.compile(
    r"^\s*(?:>|-{2,} ?(?:original message|forwarded|ursprüngliche nachricht)|_{10,}$"
    r"|(?:on|am|le|el) .{4,120}(?:wrote|schrieb|écrit|escribió).{0,40}:\s*$)",
    re.IGNORECASE,
)
_OTHERS: Final = frozenset((MAIL_OF_CUSTOMER, MAIL_OF_PARTNER))
#: What firmer words beside them leave no doubt about.
_WEAK: Final = frozenset((UNCLEAR, QUESTION))


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a text asks for, in the order of `terms.asks`; `words` are those that decided each."""

    kinds: tuple[str, ...]
    words: tuple[tuple[str, str], ...]

    @property
    def unclear(self) -> bool:
        """Whether somebody has to ask back."""
        return UNCLEAR in self.kinds


def recognise(text: str, partners: Iterable[str] = ()) -> Recognised:
    """What is asked for in these words. `partners` are names whose mail is not the company's own."""
    folded = fold(own_words(text))
    met: list[tuple[int, int, list[str]]] = []
    for kinds, pattern in _COMPILED:
        met += [
            (m.start(), m.end(), kinds)
            for m in pattern.finditer(folded)
            if STOP_MAILING in kinds or not _NOT.search(folded[max(0, m.start() - 24) : m.start()])
        ]
    for name in partners:
        mail = rf"\b{_MAILS} (?:i (?:get|got|receive) )?(?:from|by|of) {re.escape(fold(name))}\b"
        met += [(m.start(), m.end(), [MAIL_OF_PARTNER]) for m in re.finditer(mail, folded)]
    # The longest first; what overlaps with a longer one says nothing of its own. Whose mail it is
    # counts before what is to become of it.
    taken: list[tuple[int, int, list[str]]] = []
    for one in sorted(met, key=lambda m: (not _OTHERS.intersection(m[2]), m[0] - m[1], m[0])):
        if all(one[1] <= start or one[0] >= end for start, end, _ in taken):
            taken.append(one)
    found: dict[str, str] = {}
    for start, end, kinds in sorted(taken, key=lambda m: m[0]):
        for kind in kinds:
            found.setdefault(kind, folded[start:end].strip())
    if _OTHERS & found.keys():
        # To stop somebody else's mail is not to be written to no more by us.
        found.pop(STOP_MAILING, None)
    if found.keys() - _WEAK:
        found.pop(UNCLEAR, None)
        found.pop(QUESTION, None)
    elif UNCLEAR in found:
        found.pop(QUESTION, None)
    if not found:
        found[QUESTION if folded.rstrip().endswith("?") else UNCLEAR] = ""
    return Recognised(
        tuple(k for k in ASKS if k in found),
        tuple((k, found[k]) for k in ASKS if found.get(k)),
    )


def own_words(text: str) -> str:
    """A mail without what it quotes: the foot of a newsletter says "unsubscribe" to everybody."""
    lines = []
    for line in text[:LONGEST].splitlines():
        if _QUOTE.match(line):
            if line.lstrip().startswith(">"):
                continue
            break
        lines.append(line)
    return "\n".join(lines)


def fold(text: str) -> str:
    """Small letters, straight apostrophes, single blanks; sentences stay apart."""
    text = unicodedata.normalize("NFC", text).casefold()
    return " ".join(text.replace("’", "'").replace("‘", "'").replace("`", "'").split())
