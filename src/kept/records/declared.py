"""Every table of Kept's own database, as datasets of the system `own`.

The records that speak of people declare theirs; what is left, of no person or of pseudonyms
only, is declared here, so that nothing of Kept's own is unmapped. `on_erase: never` marks what
an erasure leaves: it dies with its own period.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from kept.datamap.map import Dataset, Field, Link, OnErase, Owner, System
from kept.model.plan import Mode
from kept.model.values import Type
from kept.records import (
    account,
    actor,
    agent,
    bulk,
    case,
    casework,
    clock,
    complaint,
    consent,
    correction,
    delivery,
    doubt,
    hold,
    identity,
    incident,
    intake,
    isolated,
    letter_scan,
    linked,
    locator,
    mailed,
    outbox,
    paper,
    part,
    passed,
    preference,
    quarantine,
    recipient,
    redaction,
    release,
    reminder,
    residue,
    session,
    sighting,
    subject,
    suppression,
    view,
    visit,
    watch,
    worklist,
)


def _plain(name: str, key: str, title: str, fields: str, *links: Link) -> Dataset:
    """A dataset without a field of a person. Fields are `name type`, a type with `?` nullable."""
    made = {}
    for text in fields.split(", "):
        field, type_ = text.split(" ")
        kind: Type = _TYPES[type_.rstrip("?")]
        made[field] = Field(field, kind, nullable=type_.endswith("?"))
    return Dataset(name, tuple(key.split()), made, links=links, on_erase=OnErase.NEVER, title=title)


_TYPES: Final[dict[str, Type]] = {
    "text": "text",
    "integer": "integer",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "bytes": "bytes",
    "json": "json",
}

DATASETS: Final[tuple[Dataset, ...]] = (
    *subject.DATASETS,
    *identity.DATASETS,
    *doubt.DATASETS,
    *consent.DATASETS,
    *correction.DATASETS,
    *case.DATASETS,
    *clock.DATASETS,
    *worklist.DATASETS,
    *casework.DATASETS,
    *bulk.DATASETS,
    *residue.DATASETS,
    *recipient.DATASETS,
    *delivery.DATASETS,
    *paper.DATASETS,
    *mailed.DATASETS,
    *intake.DATASETS,
    *letter_scan.DATASETS,
    *preference.DATASETS,
    *quarantine.DATASETS,
    *outbox.DATASETS,
    *agent.DATASETS,
    *hold.DATASETS,
    *suppression.DATASETS,
    *locator.DATASETS,
    *isolated.DATASETS,
    *actor.DATASETS,
    *account.DATASETS,
    *session.DATASETS,
    *linked.DATASETS,
    *watch.DATASETS,
    *incident.DATASETS,
    *visit.DATASETS,
    *view.DATASETS,
    *sighting.DATASETS,
    *redaction.DATASETS,
    *passed.DATASETS,
    *release.DATASETS,
    *part.DATASETS,
    *complaint.DATASETS,
    *reminder.DATASETS,
    _plain(
        "subject_key",
        "subject class generation",
        "Wrapped keys; shredded by the vault, not deleted",
        "subject integer, class text, generation integer, epoch integer?, wrapped bytes?, "
        "final boolean, shredded_at datetime?",
    ),
    _plain(
        "key_epoch",
        "epoch",
        "Dates of the keys that wrap",
        "epoch integer, made_at datetime, ends_on date, current boolean, destroyed_at datetime?",
    ),
    _plain("key_check", "name", "Digests of secrets", "name text, digest bytes"),
    _plain(
        "ledger_entry",
        "index",
        "The ledger: pseudonyms, hashes, counts",
        "index integer, kind integer, leaf bytes",
    ),
    _plain(
        "ledger_tile",
        "level index",
        "Hashes of the ledger",
        "level integer, index integer, root bytes, hashes bytes",
    ),
    _plain(
        "ledger_head",
        "single",
        "The head of the ledger",
        "single boolean, size integer, root bytes, edge bytes",
    ),
    _plain(
        "ledger_checkpoint",
        "size",
        "Signed heads of the ledger",
        "size integer, root bytes, note bytes",
    ),
    _plain(
        "policy_version",
        "entry",
        "Published versions of the policy",
        "policy text, version text, text_sha256 text, rules_sha256 text, units json, at datetime, "
        "entry integer",
    ),
    _plain(
        "notice_text",
        "notice",
        "What people were shown on forms, each text once",
        "notice text, policy text, version text, form text, region text, language text, "
        "shown json, kept_at datetime",
    ),
    _plain(
        "form_once",
        "once",
        "Keyed hashes of forms that were sent, for a day",
        "once bytes, at datetime",
    ),
    _plain(
        "form_refused",
        "day form why",
        "How often nothing was taken of a form",
        "day date, form text, why text, count integer",
    ),
    _plain(
        "import_run",
        "run",
        "Lists that were brought in: how far, by whom, how many lines became what; of nobody",
        "run integer, id text, import text, content bytes, source text, agreement text?, "
        "given date, lines integer, through integer, under_way integer?, counts json, "
        "state text, opened_at datetime, changed_at datetime, actor integer",
        Link(("actor",), "actor", ("actor",), Owner.ACCESSED),
    ),
    _plain(
        "control_run",
        "entry",
        "Runs of controls",
        "entry integer, control text, at datetime, document json",
    ),
    _plain(
        "sighting",
        "number",
        "Hosts and cookies met on the pages of the site, of nobody",
        "number integer, kind text, name text, directive text, page text, count integer, "
        "first_seen datetime, last_seen datetime",
    ),
    _plain(
        "scan",
        "number",
        "What a browser met on the pages of the site, as visitors that it played",
        "number integer, site text, at datetime, rules text, whole boolean, document json",
    ),
    _plain(
        "known_list",
        "source",
        "Lists of others that say who a cookie or a host may be",
        "source text, kind text, dated date, licence text, sha256 text, at datetime, "
        "passed_over integer",
    ),
    _plain(
        "known_name",
        "number",
        "Names in lists of others, of nobody",
        "number integer, source text, kind text, name text, prefix boolean, domain text, "
        "provider text, likely text, days integer?",
        Link(("source",), "known_list", ("source",), Owner.ACCESSED),
    ),
    _plain(
        "system_away",
        "system",
        "Systems that do not answer",
        "system text, since datetime, seen_at datetime, problem text",
    ),
    _plain(
        "job",
        "job",
        "Last runs of what runs by itself",
        "job text, began_at datetime, ended_at datetime?, outcome text?, failures integer",
    ),
)

#: Kept itself, as it stands in the data map beside the company's systems.
SYSTEM: Final = System(
    "own", Mode.ACT, {d.name: d for d in DATASETS}, store="own", title="Our privacy desk (Kept)"
)
#: Its fields in words, for people, where the name alone does not say it.
WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "subject": "your number here",
        "mac": "keyed hash",
        "sealed": "sealed, as bytes",
        "suppress": "keyed hash for opt-outs",
        "evidence": "how sure it is yours",
        "linked_at": "known since",
        "seq": "number in order",
        "fact": "what was chosen or is so",
        "holds": "is it so",
        "valid_from": "since when",
        "known_from": "known since",
        "source": "where it comes from",
        "notice": "notice that was shown",
        "epoch": "number of changes",
        "good_from": "right from",
        "good_until": "right until",
        "rules": "under which rules",
        "number": "number of the request",
        "person": "place in the request",
        "wrong": "keyed hash of what was wrong",
        "dataset": "place",
        "turn": "number in order",
        "act": "what was done",
        "before": "how sure it was before",
        "after": "how sure it was then",
        "words": "reason, sealed, as bytes",
        "pair": "keyed hash of both",
        "reason": "why it may be yours",
        "other": "kind of what may be yours",
        "met_at": "met on",
        "outcome": "what was decided",
        "settled_at": "decided on",
        "recipient": "who was told",
        "noted_at": "noted on",
        "answered_at": "answered on",
        "delivery": "number of the package",
        "letter": "number of the letter",
        "posted_on": "went out on",
        "posted_at": "entered as sent on",
        "token": "keyed hash of the link",
        "file": "name of the file",
        "size": "size in bytes",
        "made_at": "made on",
        "ends_at": "waits until",
        "allowed": "how often it may be fetched",
        "revision": "number of the change",
        "texts": "how many texts were looked at",
        "struck": "how much was left out",
        "spared": "how much was looked at and stayed",
        "left_over": "how much was met in the files afterwards",
        "mark": "keyed hash of what was decided",
        "passed_on": "passed on on",
        "categories": "what kind of data",
        "barred_until": "not to be told until",
        "barred_by": "by which law not",
        "fetched": "how often it was fetched",
        "fetched_at": "first fetched",
        "desk": "waited for our staff",
        "code": "keyed hash of the code",
        "code_until": "the code is good until",
        "tries": "how often the code was tried",
        "codes": "how many codes were made",
        "ended_at": "ended on",
        "refusal": "why it was refused",
        "region": "where you are",
        "matter": "what it is about",
        "arrived": "came in on",
        "rule": "rule by which it is counted",
        "promise": "time that we promise",
        "place": "whose public holidays count",
        "calendar": "version of that calendar",
        "confirm_by": "to be confirmed until",
        "first_due": "first to be answered until",
        "due": "to be answered until",
        "unpaused": "the same without pauses",
        "skipped": "public holidays left out",
        "extended": "may take longer",
        "paused_days": "days of pauses",
        "paused_since": "paused since",
        "paused_for": "why it is paused",
        "waiting": "still to be answered",
        "since": "since",
        "began_at": "begun at",
        "problem": "what stood in the way",
        "dated": "day of it",
        "before_rule": "rule before",
        "after_rule": "rule after",
        "before_due": "day before",
        "after_due": "day after",
        "proof": "how well it is known who asks, from 0 to 3",
        "needs": "how well it has to be known, from 0 to 3",
        "tried": "how often you were asked what only you know",
        "way": "how it was found out",
        "level": "how well it was known then, from 0 to 3",
        "about": "keyed hash of the new address",
    }
)
#: What that system is, for people who never heard of Kept.
ABOUT: Final = (
    "Kept is the program that carries out requests like yours and remembers your choices. What it"
    " holds of you for that is listed like everything else."
)
