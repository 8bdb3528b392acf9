"""Entries: what may be written into the ledger, and its one spelling.

An entry is the canonical JSON (RFC 8785) of `{"at", "body", "kind", "v"}`. Each kind has a
closed list of keys, and each key a shape: pseudonyms, hashes, counts, names, clause ids,
moments. There is no shape for free text, so an address or a person's words have no place to
stand. Because every shape is a set of plain ASCII spellings, the canonical form of a kind is
one regular expression: matching it checks, in one pass, that no key is unknown, missing,
doubled or out of order, that counts are integers, and that the bytes are canonical.

`rfc8785` defines the form; the faster encoder used here is tested to agree with it.
"""

from __future__ import annotations

import datetime as dt
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from kept.errors import LedgerError

Json: TypeAlias = bool | int | str | list["Json"] | dict[str, "Json"]

#: Bytes of an entry that fit into the length prefix of a C2SP entry bundle.
LONGEST: Final = 65_535

_DATE: Final = (
    r"(?:[1-9][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|(?:[1-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)-02-29)"
)
_MOMENT: Final = _DATE + r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z"
_NAME: Final = r'"[A-Za-z0-9_%][A-Za-z0-9._:/+%~-]{0,127}+"'
_CLAUSE: Final = r'"[A-Z][A-Z0-9]{0,15}(?:-[A-Z0-9]{1,15}){1,3}"'
_COUNT: Final = r"(?:0|[1-9][0-9]{0,14})"
_HASH: Final = r'"[0-9a-f]{64}"'


def _list(item: str, most: int) -> str:
    return rf"\[(?:{item}(?:,{item}){{0,{most - 1}}})?\]"


_FINDING: Final = (
    rf'\{{(?:"clause":{_CLAUSE},)?"count":{_COUNT}(?:,"digest":{_HASH})?'
    rf'(?:,"fix":{_NAME})?,"what":{_NAME}(?:,"where":{_NAME})?\}}'
)

#: Shape → (regular expression of its JSON, words for error messages).
SHAPES: Final[Mapping[str, tuple[str, str]]] = {
    "pseudonym": ('"[0-9a-f]{32}"', "a pseudonym (32 hex digits)"),
    "pseudonyms": (_list('"[0-9a-f]{32}"', 1000), "up to 1,000 pseudonyms (32 hex digits)"),
    "sha256": (_HASH, "a SHA-256 (64 hex digits)"),
    "sha256s": (_list(_HASH, 256), "up to 256 SHA-256 (64 hex digits)"),
    "count": (_COUNT, "a whole number from 0 to 999999999999999"),
    "flag": ("(?:true|false)", "true or false"),
    "name": (_NAME, "a name of 1 to 128 letters, digits and ._:/+%~- (see entry.name)"),
    "names": (_list(_NAME, 256), "up to 256 names of letters, digits and ._:/+%~-"),
    "clause": (_CLAUSE, "a clause id such as ABC-1"),
    "clauses": (_list(_CLAUSE, 256), "up to 256 clause ids"),
    "moment": (f'"{_MOMENT}"', "a moment as 2026-11-23T20:16:14.123Z"),
    "date": (f'"{_DATE}"', "a date as 2026-11-23"),
    "mode": ('"(?:observe|assisted|act)"', "observe, assisted or act"),
    "outcome": ('"(?:pass|fail|vacuous|error|expired)"', "pass, fail, vacuous, error or expired"),
    "findings": (
        _list(_FINDING, 256),
        "up to 256 of {count, what} with clause, digest, fix, where as names",
    ),
}

#: Keys that every kind may carry: who acted (a role), in which case, under which rules.
_COMMON: Final = "actor?:name case?:name clauses?:clauses rules?:sha256 subject?:pseudonym"

_AT, _BODY, _KIND, _END = b'{"at":"', b'","body":', b',"kind":"', b'","v":1}'


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of entry: its number in the database, its keys → (shape, required)."""

    name: str
    number: int
    keys: Mapping[str, tuple[str, bool]]
    tail: bytes

    def compile(self, keys: Iterable[str] | None = None) -> re.Pattern[bytes]:
        """The canonical form of the body: with every key that may be, or with exactly these.

        `keys` are all known ones. Exact forms match several times faster.
        """
        members = []
        for key in sorted(self.keys if keys is None else keys):
            shape, required = self.keys[key]
            member = rf'"{key}":{SHAPES[shape][0]}'
            if keys is None:
                # A comma only where another key follows, so that every key can be the last.
                member += r'(?:,(?=")|(?=\}))'
                member = member if required else f"(?:{member})?"
            members.append(member)
        body = ("" if keys is None else ",").join(members)
        return re.compile(rf"\{{{body}\}}".encode())


def _kind(number: int, name: str, keys: str) -> Kind:
    table: dict[str, tuple[str, bool]] = {}
    for word in f"{_COMMON} {keys}".split():
        key, shape = word.split(":")
        table[key.removesuffix("?")] = (shape, not key.endswith("?"))
    return Kind(name, number, table, _KIND + name.encode() + _END)


# Numbers are stored: never reuse one, never change a shape; new keys are optional. Kinds below
# 1000 are rare and indexed in the database; those from 1000 come in bulk and are not.
_TABLE: Final = (
    _kind(1, "policy.published",
          "policy:name version:name text:sha256 rules:sha256 archive?:sha256"),
    _kind(2, "deployment.changed", "what:name digest:sha256 system?:name mode?:mode version?:name"),
    _kind(3, "control.ran",
          "control:name code:sha256 outcome:outcome looked_at:count findings:findings"
          " found?:count datasets?:count systems?:count known?:count unreached?:names run?:name"
          " policy?:name version?:name map?:sha256 evidence?:sha256 error?:name"),
    _kind(4, "attestation.given", "clause:clause document:sha256 signer?:name expires?:date"),
    _kind(10, "case.opened",
          "case:name right:name people?:count verified?:name override?:sha256 due?:date"
          " ground?:name arrived?:date rule?:name level?:count needs?:count"),
    _kind(11, "case.moved", "case:name state:name reason?:sha256 code?:name ground?:name"),
    _kind(12, "case.closed",
          "case:name right:name complete:flag receipt?:sha256 package?:sha256 steps?:count"
          " found?:count changed?:count retained?:count isolated?:count unreached?:names"),
    _kind(13, "plan.made",
          "case:name right:name plan:sha256 steps:count people?:count rows?:count systems?:names"
          " unreached?:names"),
    _kind(14, "plan.approved", "case:name plan:sha256"),
    _kind(15, "access.given",
          "case:name package:sha256 rows:count datasets?:count systems?:count known?:count"
          " unreached?:names right?:name received?:count named_in?:names"),
    _kind(16, "override.used", "reason:sha256 verb:name role?:name"),
    _kind(17, "word.given",
          "case:name system:name dataset:name action:name outcome:name evidence:sha256 rows?:count"
          " role?:name"),
    _kind(20, "hold.added",
          "hold:name ground:name system?:name dataset?:name law?:name until?:date clause?:clause"
          " reason?:sha256"),
    _kind(21, "hold.released", "hold:name ground?:name reason?:sha256"),
    _kind(22, "suppression.added", "channel?:name reason?:name class?:name"),
    _kind(23, "suppression.lifted", "channel?:name reason?:name class?:name"),
    _kind(24, "keys.shredded",
          "classes:names epoch?:count epochs?:names dies?:date people?:count"),
    _kind(25, "epoch.opened", "epoch:count dies?:date"),
    _kind(26, "epoch.destroyed", "epoch:count"),
    _kind(27, "locator.used", "found:count ground?:name"),
    _kind(28, "identity.linked",
          "link:sha256 kind:name level:name before?:name reason:sha256 same?:flag"),
    _kind(29, "identity.unlinked",
          "link:sha256 kind:name level?:name before:name reason:sha256"),
    _kind(37, "identity.doubted", "count:count what:names rows?:count nameless?:count"),
    _kind(38, "identity.settled", "what:name outcome:name reason:sha256"),
    _kind(30, "consent.given",
          "purpose:name wording?:sha256 version?:name source?:name channel?:name epoch?:count"),
    _kind(31, "consent.withdrawn",
          "purpose:name source?:name channel?:name epoch?:count had?:flag"),
    _kind(32, "objection.made", "purpose?:name channel?:name source?:name epoch?:count"
          " unreached?:names"),
    _kind(33, "objection.lifted",
          "purpose?:name channel?:name source?:name epoch?:count request?:name of?:name"),
    _kind(34, "preference.set",
          "topic:name value:name channel?:name source?:name epoch?:count"),
    _kind(35, "restriction.set",
          "ground?:name source?:name epoch?:count unreached?:names"),
    _kind(36, "restriction.lifted", "ground?:name source?:name epoch?:count"),
    _kind(40, "release.made",
          "recipient:name purposes:names rows:count people?:count package?:sha256 lane?:name"
          " release?:name audience?:name notice?:sha256 again?:flag"),
    _kind(41, "audience.drawn",
          "activity?:name purpose:name people:count excluded?:count digest?:sha256 channel?:name"),
    _kind(42, "retention.ran",
          "class:name system:name dataset:name found:count changed:count retained?:count"
          " isolated?:count verified:flag until?:date mode?:mode"),
    _kind(43, "inspection.made",
          "what:name system?:name datasets?:count rows?:count findings?:findings"),
    _kind(44, "retention.ended", "case:name system:name dataset:name action:name rows:count"),
    _kind(50, "residue.looked",
          "system:name layer:name state:name looked:count found:count until?:date"),
    _kind(51, "store.scrubbed", "system:name full:flag done:flag"),
    _kind(52, "recipient.noted", "case:name right:name recipients:names"),
    _kind(53, "case.struck", "case:name cases?:count"),
    _kind(80, "answer.given",
          "case:name right:name text:sha256 complete:flag missing:names authorities:names"
          " found?:count changed?:count retained?:count"),
    _kind(81, "delivery.made", "case:name file:sha256 ends:moment allowed:count size?:count"),
    _kind(82, "delivery.fetched", "case:name file:sha256 fetched:count"),
    _kind(83, "delivery.ended", "case:name file:sha256 outcome:name fetched:count"),
    _kind(60, "clock.moved",
          "case:name act:name before:date due:date rule:name dated?:date reason?:name"
          " words?:sha256"),
    _kind(61, "clock.reminded", "case:name level:name due:date role:name"),
    _kind(64, "account.changed",
          "account:pseudonym what:name by?:pseudonym role?:name until?:moment reason?:sha256"
          " count?:count"),
    _kind(65, "account.entered", "what:name account?:pseudonym"),
    _kind(66, "access.reviewed", "by:pseudonym grants:count"),
    _kind(68, "data.shown", "request?:name records:count account:pseudonym"),
    _kind(67, "alert.raised", "what:name people:count records:count account?:pseudonym"),
    _kind(70, "request.taken",
          "request:name channel:name kinds:names arrived?:date verified?:name reply?:name"),
    _kind(71, "request.left", "count:count"),
    _kind(72, "request.ended", "request:name outcome:name reason?:sha256"),
    _kind(90, "incident.opened",
          "incident:name kinds:names places:names noticed:moment due:moment rule:name words:sha256"
          " people?:count rows?:count unreached?:names"),
    _kind(91, "incident.judged",
          "incident:name risk:name reason:sha256 people?:count rows?:count unreached?:names"),
    _kind(92, "incident.notified",
          "incident:name to:sha256 way:name sent:moment late:flag reason?:sha256 text:sha256"),
    _kind(93, "incident.told",
          "incident:name way:name people:count text:sha256 sent:moment of?:count"
          " unreached?:names"),
    _kind(94, "incident.untold", "incident:name ground:name reason:sha256"),
    _kind(95, "incident.ended", "incident:name reason:sha256"),
    _kind(151, "incident.returned", "incident:name people:count"),
    _kind(111, "complaint.opened",
          "complaint:name channel:name by:name arrived:date confirm:date rule:name words:sha256"
          " due?:date"),
    _kind(112, "complaint.moved",
          "complaint:name act:name way?:name done?:moment words?:sha256"),
    _kind(113, "complaint.ended",
          "complaint:name outcome:name authorities?:names words?:sha256 way?:name"),
    _kind(114, "desk.forgot", "what:name count:count before:date held?:count"),
    _kind(73, "use.frozen", "request:name kinds:names people:count whole:flag"),
    _kind(74, "use.unfrozen", "request:name reason:sha256 left?:count"),
    _kind(100, "agent.entered", "agent:name"),
    _kind(101, "agent.asked",
          "request:name agent:name exercise:name regime?:name status:name reason?:name"
          " verified?:name"),
    _kind(102, "agent.status", "request:name agent:name status:name reason?:name due?:date"),
    _kind(103, "agent.told", "request:name agent:name done:flag attempts:count"),
    _kind(104, "agent.refused", "agent:name why:name"),
    _kind(105, "redaction.handed",
          "case:name plan:sha256 texts:count struck:count spared:count added:count"),
    _kind(106, "redaction.approved", "case:name plan:sha256 left?:count reason?:sha256"),
    _kind(107, "redaction.scanned",
          "case:name plan:sha256 files:count places:count left:count law:name package?:sha256"),
    _kind(108, "identity.proven", "case:name way:name level:count needs:count paper:flag"),
    _kind(109, "identity.tried", "case:name tries:count"),
    _kind(110, "hold.asked", "hold:name reason:sha256"),
    _kind(115, "letter.made", "case:name kind:name text:sha256 file:sha256"),
    _kind(116, "letter.posted", "case:name kind:name file:sha256 sent:date"),
    _kind(118, "notice.kept",
          "notice:sha256 form:name region:name language:name version:name"),
    _kind(119, "form.held", "item:name form:name notice:sha256"),
    _kind(120, "form.decided", "item:name form:name outcome:name reason:sha256"),
    _kind(121, "form.handed", "item:name form:name"),
    _kind(122, "choice.made",
          "act:name place:name region:name allowed:names refused:names notice:sha256"
          " receipt:sha256 version:name gpc:flag"),
    _kind(123, "link.looked", "link:name outcome:name status?:count"),
    _kind(127, "tracker.met", "what:name name:name directive?:name"),
    _kind(128, "tracker.settled", "what:name name:name outcome:name"),
    _kind(130, "site.scanned",
          "site:name passes:count pages:count amiss:count whole:flag rules:sha256 document:sha256"),
    _kind(131, "trackers.imported", "source:name licence:name rows:count left:count file:sha256"),
    _kind(132, "mail.put",
          "case:name kind:name letter:name again:flag actor:name text?:sha256"),
    _kind(133, "mail.ended", "case:name kind:name outcome:name letter?:name"),
    _kind(134, "report.held", "request:name by:name frozen:count"),
    _kind(135, "letter.scanned", "request:name form:name file:sha256"),
    _kind(136, "release.ran",
          "release:name recipient:name activity:name purpose:name sent:count confirmed:count"
          " left:count reasons:findings audience?:name from_age?:count"),
    _kind(137, "removal.asked", "release:name recipient:name why:name audience?:name"),
    _kind(138, "removal.confirmed",
          "release:name recipient:name tries:count audience?:name"),
    _kind(139, "withdrawal.undone", "purpose:name source:name"),
    _kind(140, "views.recorded",
          "activity:name batch:name rows:count version:name refused?:count dropped?:count"
          " repeated?:count bases?:names"),
    _kind(141, "views.forgotten", "activity:name rows:count before:date held?:count"),
    _kind(143, "import.begun",
          "run:name import:name source:name file:sha256 agreement?:sha256 given:date lines:count"
          " dropped:count"),
    _kind(144, "import.stored",
          "run:name import:name source:name activity:name first:count last:count rows:count"
          " refused:count held:count there:count righted?:count bases?:names digest?:sha256"),
    _kind(145, "import.ended", "run:name import:name rows:count refused:count held:count"
          " there:count"),
    _kind(146, "answer.handed", "case:name on:date actor:name"),
    _kind(147, "proof.destroyed", "what:name case?:name request?:name count:count"),
    # Who was waited for has answered, or officers know that it did not: the case has ended.
    _kind(148, "recipients.settled",
          "case:name right:name done:count cannot:count left:count escalated:count"),
    # Where values that were made of what was wrong are asked to be made anew.
    _kind(149, "derived.asked", "case:name right:name places:names"),
    # What was objected to, and rests on bases to which nobody can object, or on none.
    _kind(150, "objection.inapplicable", "purpose:name bases:names"),
    # What was to be made anew is erased, so nobody has to make it.
    _kind(152, "derived.erased", "case:name system:name dataset:name"),
    _kind(1000, "use.decided",
          "purpose:name allowed:flag activity?:name category?:name context?:name recipient?:name"
          " region?:name basis?:name reason?:name channel?:name people?:count epoch?:count"),
    _kind(1001, "step.done",
          "step:name action:name system:name dataset:name found:count changed:count"
          " retained:count isolated:count verified:flag attempt?:count class?:name until?:date"
          " law?:name hold?:name mode?:mode word?:flag theirs?:flag"),
    _kind(1002, "step.failed",
          "step:name action:name system:name dataset?:name error:name attempt?:count"),
    _kind(1003, "data.collected",
          "activity:name rows:count form?:name source?:name basis?:name notice?:sha256"
          " system?:name dataset?:name region?:name language?:name dropped?:count"),
    _kind(1004, "notice.shown", "notice:sha256 language?:name version?:name form?:name"),
)  # fmt: skip

#: Name → kind: everything that the ledger can say.
KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in _TABLE}
_BY_BYTES: Final = {kind.name.encode(): kind for kind in _TABLE}
_BODIES: Final = msgspec.json.Encoder(order="sorted")


class Entry(NamedTuple):
    """What happened: its kind, its moment (aware; kept to the millisecond, UTC), its body."""

    kind: str
    at: dt.datetime
    body: Mapping[str, Any]


def name(text: str) -> str:
    """A technical name (of a table, a field, a law) as an entry can carry it.

    Whatever is not a letter, digit or one of ._:/+~- is percent-escaped (RFC 3986).
    Never give it a person's words.
    """
    escaped = urllib.parse.quote(text, safe="._:/+~-")
    return escaped if escaped[:1].isalnum() or escaped[:1] in "_%" else "_" + escaped


@lru_cache(maxsize=256)
def moment(at: dt.datetime) -> str:
    """RFC 3339, UTC, milliseconds (cut, not rounded): 2026-11-23T20:16:14.123Z."""
    if at.tzinfo is None:
        raise LedgerError(
            "an entry needs an aware moment", expected="a datetime with a zone", met="a naive one"
        )
    text = at.astimezone(dt.UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
    if text[0] == "0":
        raise LedgerError("an entry's moment is out of range", expected="a year from 1000 to 9999")
    return text


@lru_cache(maxsize=256)
def _start(at: dt.datetime) -> bytes:
    return _AT + moment(at).encode() + _BODY


@lru_cache(maxsize=1024)
def _form(name: str, keys: tuple[str, ...]) -> tuple[Kind, re.Pattern[bytes]] | None:
    """The kind and its form with exactly these keys; None where it has no such form."""
    kind = KINDS.get(name)
    if kind is None or not kind.keys.keys() >= set(keys):
        return None
    if any(required and key not in keys for key, (_, required) in kind.keys.items()):
        return None
    return kind, kind.compile(keys)


def encode(entry: Entry) -> tuple[Kind, bytes]:
    """The kind and the canonical bytes of an entry; LedgerError where it breaks its schema."""
    name, at, body = entry
    try:
        form = _form(name, tuple(body))
        spelt = _BODIES.encode(body)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        form = None
    if form is None:
        raise _explain(entry)
    kind, pattern = form
    leaf = _start(at) + spelt + kind.tail
    if pattern.fullmatch(spelt) is None or len(leaf) > LONGEST:
        raise _explain(entry)
    return kind, leaf


class _Forms:
    """The forms that were met of late, per kind: few forms fill a ledger."""

    def __init__(self) -> None:
        self._known: dict[str, list[re.Pattern[bytes]]] = {}
        self._whole: dict[str, re.Pattern[bytes]] = {}

    def split(self, leaf: bytes) -> tuple[Kind, bytes] | None:
        """The kind and the body of canonical bytes; None for any other spelling."""
        at = leaf.rfind(_KIND)
        kind = _BY_BYTES.get(leaf[at + len(_KIND) : -len(_END)])
        if kind is None or at + len(kind.tail) != len(leaf) or len(leaf) > LONGEST:
            return None
        if not leaf.endswith(_END) or not _is_start(leaf[:_START]):
            return None
        body = leaf[_START:at]
        known = self._known.setdefault(kind.name, [])
        for pattern in known:
            if pattern.fullmatch(body):
                return kind, body
        whole = self._whole.get(kind.name)
        if whole is None:
            whole = self._whole[kind.name] = kind.compile()
        if not whole.fullmatch(body):
            return None
        if len(known) < 16:
            form = _form(kind.name, tuple(msgspec.json.decode(body)))
            assert form is not None
            known.append(form[1])
        return kind, body


_FORMS: Final = _Forms()
_START: Final = len(_AT) + 24 + len(_BODY)
_MOMENT_FIRST: Final = re.compile(re.escape(_AT) + _MOMENT.encode() + re.escape(_BODY))


@lru_cache(maxsize=1024)
def _is_start(start: bytes) -> bool:
    return _MOMENT_FIRST.fullmatch(start) is not None


def kind_of(leaf: bytes) -> Kind | None:
    """The kind of canonical bytes, or None where they are not the one spelling of an entry."""
    found = _FORMS.split(leaf)
    return found[0] if found else None


def number_of(leaf: bytes) -> int | None:
    """The number of the kind that bytes name at their end; None for an unknown one.

    Cheap, and says nothing of the rest of the bytes.
    """
    kind = _BY_BYTES.get(leaf[leaf.rfind(_KIND) + len(_KIND) : -len(_END)])
    return None if kind is None else kind.number


def decode(leaf: bytes) -> Entry:
    """The entry in canonical bytes; LedgerError for every other spelling, however similar."""
    found = _FORMS.split(leaf)
    if found is None:
        raise LedgerError(
            "these bytes are not an entry",
            expected="the canonical JSON of a known kind, with its keys and shapes only",
            met=f"{len(leaf)} bytes of another form",
            fix="run `kept ledger verify` to see which entries were changed",
        )
    kind, body = found
    at = dt.datetime.fromisoformat(leaf[len(_AT) : _START - len(_BODY)].decode())
    return Entry(kind.name, at, msgspec.json.decode(body))


def _spelt(value: object) -> bytes:
    try:
        return _BODIES.encode(value)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return b""


def _explain(entry: Entry) -> LedgerError:
    """Which key is wrong and what it should be: names of keys and shapes, never a value."""
    kind, body = KINDS.get(entry.kind), entry.body
    if kind is None:
        return LedgerError(
            "the ledger knows no such kind of entry",
            expected="one of the table in kept.ledger.entry",
            fix="add the kind to that table, with the shape of each key",
        )
    what = f"the ledger refused an entry of kind {kind.name}"
    for key, (shape, required) in sorted(kind.keys.items()):
        regex, words = SHAPES[shape]
        if key not in body:
            if required:
                return LedgerError(what, expected=f"{words} as {key}", met="nothing")
        elif not re.fullmatch(regex.encode(), _spelt(body[key])):
            met = f"a {type(body[key]).__name__} of another form"
            return LedgerError(what, expected=f"{words} as {key}", met=met)
    unknown = sum(key not in kind.keys for key in body)
    if unknown:
        return LedgerError(
            what,
            expected=f"only the keys {', '.join(sorted(kind.keys))}",
            met=f"{unknown} other",
            fix="leave them out, or add them to the kind in kept.ledger.entry",
        )
    return LedgerError(what, expected=f"at most {LONGEST} bytes", met="more")
