"""What names say: words of a column or table, their stems, and the people they speak of.

The lists are our own, made of the words that eight European languages use for the people in a
database and for what they do to its rows; those of further ones stand in `tongues`. A name is
evidence, never proof.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from kept.stores.discover import tongues

Words: TypeAlias = tuple[str, ...]
#: What a person in a column has to do with the row.
Part: TypeAlias = Literal["own", "handle", "party"]


def listed(text: str) -> frozenset[str]:
    """The words of a text as a set: lists of words are easier to read so."""
    return frozenset(text.split())


def _letters(those: str, latin: str) -> dict[int, str]:
    pairs = list(zip(those.split(), latin.split(), strict=True))
    return {ord(a): "" if b == "-" else b for a, b in pairs} | {
        ord(a.upper()): "" if b == "-" else b.capitalize()
        for a, b in pairs if len(a.upper()) == 1 and a.upper() != a
    }  # fmt: skip


#: Letters that are no Latin ones with a mark, and how names are written without them.
_FOLDS: Final = (
    _letters("ß ł ø æ œ đ ð ı þ", "ss l o ae oe d d i th")
    | _letters(
        "α β γ δ ε ζ η θ ι κ λ μ ν ξ ο π ρ σ ς τ υ φ χ ψ ω",
        "a v g d e z i th i k l m n x o p r s s t y f ch ps o",
    )
    | _letters(
        "а б в г д е ж з и к л м н о п р с т у ф х ц ч ш щ ъ ы ь э ю я і є ґ ђ ј љ њ ћ џ",
        "a b v g d e zh z i k l m n o p r s t u f kh ts ch sh shch - y - e yu ya i ye g dj j lj nj"
        " c dz",
    )
)
_SPLIT: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")


@lru_cache(maxsize=65536)
def words(name: str) -> Words:
    """`SupportRepId`, `support_rep_id` and `SUPPORT-REP-ID` alike: ("support", "rep", "id").

    People that a language calls by two words or more are one: `khach_hang_id` is
    ("khachhang", "id").
    """
    return _one(_plain(name))


def _plain(name: str) -> Words:
    latin = unicodedata.normalize("NFKD", name).translate(_FOLDS)
    latin = "".join(c for c in latin if not unicodedata.combining(c))
    if name.isupper():
        latin = latin.upper()
    return tuple(part.lower() for part in _SPLIT.findall(latin))


@lru_cache(maxsize=1)
def _several() -> dict[str, list[Words]]:
    """First word → the names of people that are several words and begin with it, longest first."""
    found: dict[str, list[Words]] = {}
    for term in tongues.OF_PEOPLE:
        for way in tongues.said(term):
            if len(parts := _plain(way)) > 1:
                found.setdefault(parts[0], []).append(parts)
    return {first: sorted(several, key=len, reverse=True) for first, several in found.items()}


def _one(parts: Words) -> Words:
    made: list[str] = []
    at = 0
    while at < len(parts):
        met = next(
            (w for w in _several().get(parts[at], ()) if parts[at : at + len(w)] == w),
            parts[at : at + 1],
        )
        made.append("".join(met))
        at += len(met)
    return tuple(made)


def _and(term: str, own: str) -> frozenset[str]:
    """The words of a list here, and those of the further languages."""
    return listed(own) | {"".join(_plain(way)) for way in tongues.said(term)}


#: People, as tables are named after them. The second list: people who work there.
PEOPLE: Final = _and(
    "person",
    """
    user customer client person people member contact patient student pupil subscriber visitor
    guest buyer seller player participant attendee applicant candidate donor resident citizen
    borrower passenger individual consumer shopper reader principal beneficiary follower human
    lead registrant respondent volunteer delegate speaker partner party
    kunde benutzer nutzer mitglied ansprechpartner kontakt schueler schuler teilnehmer besucher
    gast abonnent anwender interessent bewerber versicherter mieter
    utilisateur personne membre adherent abonne visiteur eleve etudiant inscrit usager
    cliente usuario persona miembro contacto paciente alumno estudiante socio suscriptor abonado
    utente membro contatto paziente studente iscritto abbonato visitatore anagrafica
    utilizador pessoa contato aluno assinante
    klant gebruiker persoon lid leden leerling abonnee bezoeker deelnemer
    klient uzytkownik osoba czlonek pacjent uczen abonent uczestnik gosc
    """,
)
STAFF: Final = _and(
    "staff",
    """
    employee staff worker waiter waitress cashier admin administrator operator agent clerk
    technician salesperson
    mitarbeiter angestellter sachbearbeiter employe salarie empleado dipendente impiegato
    funcionario empregado medewerker werknemer pracownik
    """,
)
#: Words that may be a person or a thing.
PERHAPS: Final = _and(
    "perhaps",
    "account profile actor author owner identity tenant vendor supplier doctor teacher konto "
    "compte cuenta conta rekening host driver nurse physician provider login",
)

#: People in the place of a column's name: whose row it is …
_OWN: Final = _and(
    "own",
    """
    author owner creator buyer seller payer payee requester requestor reporter submitter applicant
    invitee borrower lender participant attendee voter subscriber poster commenter actor holder
    beneficiary donor player winner guest signer signatory registrant uploader sharer proposer
    subject person user customer client member recipient speaker
    autor auteur autore eigentuemer besitzer ersteller proprietaire propietario proprietario
    proprietari eigenaar wlasciciel kaufer kaeufer acheteur comprador acquirente koper kupujacy
    """,
)
#: … who handles it …
_HANDLE: Final = _and(
    "handle",
    """
    updater editor moderator approver reviewer assignee assigned agent rep handler
    manager supervisor responsible admin resolver lead mentor operator clerk
    salesperson inspector auditor judge verifier checker processor maintainer writer modifier closer
    impersonator
    modified updated edited approved reviewed deleted closed resolved locked verified
    bearbeiter betreuer sachbearbeiter verantwortlicher responsable vendeur gestor gestore
    behandelaar opiekun prowadzacy
    """,
)
#: … and the two sides of something between people.
_PARTY: Final = _and(
    "party",
    """
    sender from source src recipient receiver to target dest destination dst addressee
    follower followed followee following friend friender inviter invited blocker blocked muter
    muted caller callee requester giver taker referrer referred rater rated
    absender empfaenger empfanger expediteur destinataire remitente destinatario mittente
    remetente afzender ontvanger nadawca odbiorca
    """,
)
#: Words beside a person's that say who acts: `by_user`, `user_from`.
_QUALIFIERS: Final = listed(
    "by from to created modified updated deleted last first other second target source src dst "
    "dest original main primary new old current previous parent root related for of in on the "
    "current assigned default real effective alt secondary"
)
#: `created_by`, `erstellt_von`, `cree_par`, `creado_por`, `creato_da`, `gemaakt_door`, …
_BY: Final = _and("by", "by von durch par por da door przez av af")
_CREATING: Final = _and(
    "creating",
    "created posted written submitted uploaded requested reported owned invited ordered added sent "
    "erstellt angelegt cree creado creato criado gemaakt utworzone create sendt booked "
    "entered started opened made registered proposed raised placed paid shared published",
)
#: Kinds of agents that are things: `server_id`, `folder_id`.
_THINGS: Final = listed("""
    server folder container header parameter order number filter layer transfer cluster runner
    trigger router center voucher chapter counter vector sensor color error monitor provider buffer
    pointer register identifier tracker marker parser driver controller adapter scheduler worker
    newsletter letter character chapter semester quarter paper folder banner poster offer master
    cover tier carrier printer timer ledger meter parameter matter slider sticker computer
    processor scanner inner outer upper lower after over under per ever other another whether
    divisor factor operator descriptor selector connector cursor floor door major minor prior
    indicator generator editor element document department component environment content event
    client payment shipment comment attachment segment treatment department account discount
    variant plant grant restaurant constant instant tenant parent agent committee fee employee
    tree attendee currency user tender reminder placeholder gender calendar year user power
    customer member super layer browser cluster producer docker helper loader wrapper manager
    """)
_AGENT: Final = re.compile(r"[a-z]{3,}(?:er|or|ee|eur|eur|ist)\Z")

#: Of all these, the ones that things may be called too.
_LISTERS: Final = listed(
    "journalist specialist generalist novelist panelist finalist medalist vocalist cyclist loyalist"
    " duelist cellist violist stylist herbalist naturalist"
)
_UNSURE: Final = listed(
    "from to source src target dest destination dst lead deleted closed locked modified updated "
    "edited approved reviewed verified following blocked resolved rep subject operator handler "
    "processor writer checker"
)
#: With one of these before it, `rep` is short for a person.
_REPRESENTING: Final = listed("sales support account service customer field medical")

#: Ends and beginnings that only say "this is a key".
KEYS: Final = listed(
    "id ids uid uuid guid fk pk key ref no nr nro num number code ptr oid kod klucz nummer numero "
    "num numer cod codigo codice identifier idx sk hash"
)
#: The same before the word that they belong to: `num_factura`, `cod_cliente`, `codice_cliente`.
_BEFORE: Final = listed("no nr nro num numero nummer numer cod codigo codice code kod")
#: Of these, the ones that make a column a key by themselves.
_STRONG_KEYS: Final = listed("id ids uid uuid guid fk ptr oid")
_GLUED: Final = ("uuid", "guid", "uid", "id", "fk", "nr", "no")
_GENERIC: Final = listed(
    "id uid uuid guid code key name type status number no nr title slug value version pk "
    "nro num numero nummer numer cod codigo codice kod"
)

_IRREGULAR: Final = {
    "people": "person", "persons": "person", "men": "man", "women": "woman",
    "children": "child", "data": "data", "status": "status", "news": "news",
    "addresses": "address", "address": "address", "leden": "lid", "bonus": "bonus",
    "series": "series", "mitglieder": "mitglied", "bilder": "bild", "media": "media",
    "statuses": "status", "analysis": "analysis",
    "personas": "persona", "ludzie": "osoba", "osoby": "osoba", "klienci": "klient",
    "uzytkownicy": "uzytkownik", "pracownicy": "pracownik", "pacjenci": "pacjent",
    "czlonkowie": "czlonek", "goscie": "gosc", "clienti": "cliente", "utenti": "utente",
    "dipendenti": "dipendente", "pazienti": "paziente", "kunden": "kunde", "membri": "membro",
    "contatti": "contatto", "soci": "socio", "studenti": "studente", "iscritti": "iscritto",
    **tongues.PLURALS,
}  # fmt: skip


@lru_cache(maxsize=65536)
def singular(word: str) -> str:
    """The English singular of a word, by its ending; others by `stems`."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


@lru_cache(maxsize=65536)
def stems(word: str) -> frozenset[str]:
    """Everything that the word may be the plural of, in any of the languages."""
    found = {word, singular(word)}
    for ending, other in (
        ("en", ""), ("n", ""), ("e", ""), ("es", ""), ("es", "e"), ("i", "o"), ("i", "e"),
        ("i", ""), ("oes", "ao"), ("aux", "al"), ("x", ""), ("y", "a"), ("y", ""), ("cy", "k"),
        ("nen", ""), ("ia", "ie"), ("ci", "k"), ("ek", ""), ("ok", ""), ("ak", "a"),
        ("uri", ""), ("at", "a"), ("kset", "s"), ("lar", ""), ("ler", ""),
    ):  # fmt: skip
        if word.endswith("l" + ending) and ending in ("lar", "ler"):
            continue  # a controller is not several controls
        if word.endswith(ending) and len(word) - len(ending) + len(other) >= 4:
            found.add(word[: len(word) - len(ending)] + other)
    return frozenset(found)


def same(one: str, other: str) -> bool:
    """Whether two words may be the same, one of them in the plural."""
    return one == other or not stems(one).isdisjoint(stems(other))


def alike(one: Words, other: Words) -> bool:
    """Whether two names are the same, word by word."""
    return len(one) == len(other) and all(map(same, one, other))


def person_word(word: str) -> Literal["person", "staff", "perhaps"] | None:
    """Whether the word, in singular or plural, means people."""
    met = stems(word)
    if not met.isdisjoint(PEOPLE):
        return "person"
    if not met.isdisjoint(STAFF):
        return "staff"
    return None if met.isdisjoint(PERHAPS) else "perhaps"


def base(name: str, glued: Iterable[str] = ()) -> tuple[Words, bool]:
    """The words of a column without those that only say "key", and whether any did.

    `glued` are words of tables: `kundennr` and `userid` are split where one of them is met.
    """
    parts = list(words(name))
    keyed = False
    if parts and parts[0] in ("fk", "id", "uid") and len(parts) > 1:
        parts, keyed = parts[1:], True
    elif len(parts) > 1 and parts[0] in _BEFORE:
        parts = parts[1:]
    while len(parts) > 1 and parts[-1] in KEYS:
        keyed = keyed or parts[-1] in _STRONG_KEYS or parts[-1] in ("no", "nr")
        parts = parts[:-1]
    if not keyed and parts:
        whole = parts[-1]
        known = frozenset(glued)
        for ending in _GLUED:
            head = whole.removesuffix(ending)
            if head != whole and len(head) >= 3 and (stems(head) & known or head in known):
                return (*parts[:-1], head), True
        if whole.startswith(("id", "fk")) and len(whole) > 5 and stems(whole[2:]) & known:
            return (*parts[:-1], whole[2:]), True
    return tuple(parts), keyed


def after(column: str, table: str) -> bool:
    """Whether a column is the table's own key by its name: `dashboard_userid`, `OrderNo`."""
    head, whole = "".join(words(column)), "".join(words(table))
    return any(
        head.endswith(end) and same(head.removesuffix(end), whole)
        for end in ("id", "uuid", "guid", "uid", "no", "nr", "num", "number", "code", "key", "pk")
    )


def generic(name: str) -> bool:
    """Whether the name could be any table's key or label."""
    return len(words(name)) == 1 and words(name)[0] in _GENERIC


def qualifier(word: str) -> bool:
    """Whether the word only tells one of several people apart."""
    return word in _QUALIFIERS or word.isdigit() or word in _PARTY or word in _HANDLE


def part(parts: Words) -> Part | None:
    """What the person in a column so named has to do with the row; None: no such word."""
    if not parts:
        return None
    last = parts[-1]
    if last in _BY or (len(last) > 4 and last.endswith("by")):
        rest = parts[:-1] or (last.removesuffix("by"),)
        return "own" if rest and rest[-1] in _CREATING else "handle"
    first = parts[0] if all(map(qualifier, parts[1:])) else last
    for word in (last, first):
        either = {word, singular(word)}
        if either & _PARTY:
            return "party"
        if either & _HANDLE:
            return "handle"
        if either & _OWN:
            return "own"
    if len(parts) == 1 and last in ("create", "write", "created", "modified", "updated"):
        return "own" if last.startswith("create") else "handle"
    return None


def unsure(parts: Words) -> bool:
    """Whether things are called so as well as people: `target_id`, `cloned_from_id`."""
    word = parts[-1]
    if word == "rep" and len(parts) > 1:
        return parts[-2] not in _REPRESENTING
    return word in _UNSURE or word in _BY


def agent(parts: Words) -> bool:
    """Whether the last word looks like somebody who does something: `inviter`, `approver`."""
    last = parts[-1] if parts else ""
    if last.endswith("list") and last not in _LISTERS:
        return False  # a playlist does nothing
    return bool(_AGENT.match(last)) and last not in _THINGS and singular(last) not in _THINGS


def actor(parts: Words) -> bool:
    """Whether the words by themselves say that a person acts (`author`, `created_by`)."""
    if not parts:
        return False
    last = parts[-1]
    if last in _BY or (len(last) > 4 and last.endswith("by") and last not in ("nearby", "hobby")):
        return True
    if last == "to" and len(parts) > 1:
        return parts[-2] in _HANDLE - _UNSURE
    return last in (_OWN | _HANDLE | _PARTY) - _UNSURE
