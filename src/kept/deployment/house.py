"""The parts of kept.toml about systems, documents, people who work here and letters."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import zoneinfo
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from kept.deployment import toml
from kept.deployment.shapes import Desk, Document, Measures, Own, SystemConfig
from kept.errors import ConfigError, UsageError
from kept.model.agents import CLAIMS, Drp
from kept.model.agents import directory as agent_directory
from kept.model.plan import Mode
from kept.model.safety import ASPECTS, WORDS, Declared
from kept.stores import settings
from kept.stores.letters import SETTINGS as LETTERS
from kept.stores.own import NAME as OWN
from kept.stores.post import Mail
from kept.stores.provider import SETTINGS as OIDC
from kept.stores.provider import Oidc
from kept.stores.provider import settings as oidc_settings
from kept.stores.recipients import Way
from kept.stores.tasks import SAFE
from kept.terms.proof import LEVELS
from kept.terms.rights import RIGHTS
from kept.terms.workdays import Workdays

#: What a recipient may be given beside the way in which letters go to it.
_NAMED = frozenset({"title", "lane", "recorded", "policy", "forms", "pages"})
#: Kinds of documents.
_PAPERS = ("assessment", "citation", "agreement")
#: Seconds between two runs of a job, at most: a month of 31 days.
_LONGEST_PACE = 31 * 24 * 3600
#: For so long a word is good at most: nobody vouches for ever.
_LONGEST_WORD = dt.timedelta(days=3_650)
_DOCUMENT = frozenset({"signer", "date", "expires", "file"})
_DECLARED = frozenset({"by", "date", "expires", "how"})
_SYSTEM = frozenset(
    {"store", "url", "mode", "map", "title", "country", "options", "owner", "accounts", "declared"}
)


def drp(path: Path, table: Mapping[str, Any]) -> Drp | None:
    """`[drp]`: agents who ask by the Data Rights Protocol; None where it is not on."""
    if not toml.flag(path, table, "on"):
        return None
    business = toml.text(path, table, "business", "drp")
    if not re.fullmatch(r"[A-Z_]{1,64}", business):
        raise ConfigError(
            "`business` of [drp] is no id of the protocol",
            where=toml.where(path, "business"),
            expected="letters A to Z and _, as the network gave it to you",
        )
    file = path.parent / toml.text(path, table, "directory", "drp")
    try:
        document = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        raise ConfigError(
            "the directory of agents cannot be read",
            where=toml.where(path, "directory"),
            expected="a file of JSON in UTF-8 beside kept.toml",
            fix="see docs/how-to/agents.md",
        ) from None
    lists = {}
    for key in ("verifications", "sale"):
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ConfigError(
                f"`{key}` of [drp] is no list of words",
                where=toml.where(path, key),
                expected='["…"]',
            )
        lists[key] = tuple(value)
    if not set(lists["verifications"]) <= set(CLAIMS):
        raise ConfigError(
            "`verifications` of [drp] names what cannot be checked here",
            where=toml.where(path, "verifications"),
            expected=f"some of {', '.join(CLAIMS)}",
        )
    return Drp(business, agent_directory(document, file.name), **lists)


def mail(path: Path, table: Mapping[str, Any]) -> Mail | None:
    """`[mail]`: how letters go to people."""
    if not table:
        return None
    url = toml.secret(path, table.get("url"), "url")
    if not url:
        raise ConfigError(
            "it is not said how mail goes out",
            where=toml.where(path, "[mail]"),
            expected='url = "smtp://host:587", "smtps://host" or a folder',
        )
    return Mail(url, {k: toml.option(path, v, k) for k, v in table.items() if k != "url"})


def oidc(path: Path, table: Any) -> Oidc | None:
    """`[login.oidc]`: the provider of logins beside Kept's own; None: there is none."""
    if table is None:
        return None
    where = toml.where(path, "[login.oidc")
    if not isinstance(table, dict):
        raise ConfigError("`oidc` is a table", where=where, fix="write it as [login.oidc]")
    for key in table:
        if key not in OIDC:
            raise toml.unknown(path, key, OIDC)
    return oidc_settings({key: toml.option(path, one, key) for key, one in table.items()}, where)


def ways(path: Path, section: Mapping[str, Any]) -> dict[str, Way]:
    """`[recipients]` holds settings for all, `[recipients.NAME]` those of one."""
    mail = LETTERS | {"url"}
    common = {key: value for key, value in section.items() if not isinstance(value, dict)}
    for key in common:
        if key not in mail:
            raise toml.unknown(path, key, mail)
    ways = {}
    for name, own in section.items():
        if not isinstance(own, dict):
            continue
        if not SAFE.match(name):
            raise ConfigError(
                f"`{name}` cannot be the name of a recipient",
                where=toml.where(path, name),
                expected="letters, digits and . _ -",
            )
        for key in own:
            if key not in mail | _NAMED:
                raise toml.unknown(path, key, mail | _NAMED)
        recorded = own.get("recorded")
        if not (recorded is None or isinstance(recorded, bool)):
            raise ConfigError(
                f"`recorded` of `{name}` says neither yes nor no",
                where=toml.where(path, f"[recipients.{name}"),
                expected="true or false",
            )
        table = {**common, **own}
        url = toml.secret(path, table.get("url"), "url")
        if not url:
            raise ConfigError(
                f"it is not said how letters to `{name}` go",
                where=toml.where(path, f"[recipients.{name}"),
                expected='url = "smtp://host:587", "smtps://host" or a folder',
                fix="write it in [recipients], for all, or in the table of this one",
            )
        options = {k: toml.option(path, v, k) for k, v in table.items() if k in LETTERS}
        title, lane = (table.get(k) and str(table[k]) for k in ("title", "lane"))
        ways[name] = Way(
            name, title, lane, url, options, recorded, toml.https(path, own.get("policy")),
            toml.names(path, own.get("forms", ()), "forms"), _addressed(path, own),
        )  # fmt: skip
    return ways


def _addressed(path: Path, own: Mapping[str, Any]) -> tuple[str, ...]:
    """`pages`: where a partner carries our name; it has a policy, as that is said to hold there."""
    found = toml.names(path, own.get("pages", ()), "pages")
    bare = [one for one in found if not re.fullmatch(r"https?://[^\s/]+/\S*", one)]
    if bare or (found and not (own.get("policy") and own.get("lane"))):
        raise ConfigError(
            "`pages` does not say where a partner carries our name",
            where=toml.where(path, "pages"),
            expected='addresses such as ["https://events.partner.example/ours"], beside the `lane`'
            " and the `policy` of that partner",
        )
    return found


def own(path: Path, table: Mapping[str, Any]) -> Own:
    """`[own]`: where Kept's own database is, and who answers for it."""
    return Own(
        toml.perhaps(path, table, "country"), toml.perhaps(path, table, "owner"),
        _declared(path, "own", table.get("declared", {})),
    )  # fmt: skip


def desk(path: Path, table: Mapping[str, Any]) -> Desk:
    """`[desk]`: the place of the desk, its days, and what it asks of people."""
    country, part, zone = (toml.perhaps(path, table, k) for k in ("country", "subdivision", "zone"))
    if part is not None and country is None:
        raise ConfigError(
            "`subdivision` of [desk] stands without its country",
            where=toml.where(path, "subdivision"),
            fix='write country = "…" beside it',
        )
    try:
        Workdays.at(country, part)
    except UsageError as problem:
        raise ConfigError(
            problem.what, where=toml.where(path, "[desk"), expected=problem.expected
        ) from None
    try:
        place = dt.UTC if zone is None else zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise ConfigError(
            "`zone` of [desk] is not a time zone that this machine knows",
            where=toml.where(path, "zone"),
            expected="a name as Europe/Nicosia or America/New_York",
            fix="correct its spelling, or leave it out: then days end at midnight UTC",
        ) from None
    if type(table.get("on", True)) is not bool:
        raise ConfigError(
            "`on` of [desk] is neither yes nor no",
            where=toml.where(path, "on"),
            expected="true or false",
        )
    for key in ("people", "records", "large", "review_days", "pause_days", "requests"):
        if type(table.get(key, 1)) is not int or not 1 <= table.get(key, 1) <= 1_000_000_000:
            raise ConfigError(
                f"`{key}` of [desk] is not a number",
                where=toml.where(path, key),
                expected="a whole number of 1 or more",
            )
    login = table.get("login")
    if login is not None and not (isinstance(login, str) and _HTTPS.fullmatch(login)):
        raise ConfigError(
            "`login` of [desk] is no address of a page",
            where=toml.where(path, "login"),
            expected='an address such as "https://shop.example/account/privacy"',
        )
    own = ("country", "subdivision", "zone", "proof", "facts", "mail_servers")
    rest = {k: v for k, v in table.items() if k not in own}
    return Desk(
        country=country, subdivision=part, zone=place, proof=_levels(path, table.get("proof", {})),
        facts=_questions(path, table.get("facts", {})),
        mail_servers=toml.names(path, table.get("mail_servers", ()), "mail_servers"), **rest,
    )  # fmt: skip


def _levels(path: Path, table: Any) -> Mapping[str, int]:
    """Right → the level at which it has to be known who asks."""
    if not isinstance(table, dict) or not all(
        right in RIGHTS and type(level) is int and level in LEVELS for right, level in table.items()
    ):
        raise ConfigError(
            "`proof` of [desk] does not say of a right how well it has to be known who asks",
            where=toml.where(path, "[desk.proof"),
            expected=f"among {', '.join(RIGHTS)}, each with a number from 0 to {max(LEVELS)}",
        )
    return MappingProxyType(dict(table))


def _questions(path: Path, table: Any) -> Mapping[str, str]:
    """Place in the map → what people are asked."""
    if not isinstance(table, dict) or not all(
        place.count(".") >= 2 and isinstance(words, str) and words.strip()
        for place, words in table.items()
    ):
        raise ConfigError(
            "`facts` of [desk] does not say of a place in the map what people are asked",
            where=toml.where(path, "[desk.facts"),
            expected='lines as "shop.customer.phone" = "Your telephone number"',
        )
    return MappingProxyType(dict(table))


_HTTPS: Final = re.compile(r"https://[^\s/]+(?:/\S*)?")


def _after(day: dt.date, span: dt.timedelta) -> dt.date:
    """The day so long after another, or the last that there is."""
    return day + span if dt.date.max - day > span else dt.date.max


def measures(path: Path, table: Mapping[str, Any]) -> Measures:
    """`[measures]`: when somebody last did what nobody can measure, and who mends old software."""
    words = {}
    for word, usual in WORDS.items():
        one, days = table.get(word), usual
        if isinstance(one, dict):
            one = dict(one)
            days = one.pop("days", usual)
        if type(days) is not int or not 1 <= days <= _LONGEST_WORD.days:
            raise ConfigError(
                f"`days` of `{word}` of [measures] is not a number of days",
                where=toml.where(path, word),
                expected="a whole number from 1 to 3650: for so long the word is good",
            )
        if one is not None:
            [said] = _words(path, "measures", {word: one}, WORDS)
            end = _after(said.date, dt.timedelta(days))
            words[word] = replace(said, expires=min(end, said.expires or end))
    found = _words(path, "measures.supported", table.get("supported", {}), None)
    if any(one.expires is None for one in found):
        raise ConfigError(
            "it is not said until when a release of [measures.supported] is mended",
            where=toml.where(path, "supported"),
            expected="`expires` beside `by`, `date` and `how`",
        )
    long = [o for o in found if o.expires and o.expires > _after(o.date, _LONGEST_WORD)]
    if long:
        raise ConfigError(
            f"the word that `{long[0].about}` of [measures.supported] is mended never ends",
            where=toml.where(path, long[0].about),
            expected=f"`expires` within {_LONGEST_WORD.days} days after `date`",
        )
    return Measures(
        MappingProxyType(words), MappingProxyType({one.about: one for one in found})
    )  # fmt: skip


def _declared(path: Path, of: str, table: Any) -> tuple[Declared, ...]:
    """What people vouch for of a place: aspect → by, date, how and perhaps expires."""
    return _words(path, of, table, ASPECTS)


def _words(path: Path, of: str, table: Any, known: Collection[str] | None) -> tuple[Declared, ...]:
    """What people vouch for, of what is `known` (None: anything): by, date, how, expires."""
    found = []
    whole = isinstance(table, dict) and all(isinstance(one, dict) for one in table.values())
    for word, one in table.items() if whole else ((str(table), None),):
        if one is None or (known is not None and word not in known):
            raise ConfigError(
                f"[{of}] does not say what is declared",
                where=toml.where(path, of.rpartition(".")[2] if known is None else "declared"),
                expected="one or several of "
                + (", ".join(known) if known is not None else "releases as OpenSSL 3.0")
                + ", each a table",
                fix='write for example encryption = {by = "NAME", date = 2026-01-31, how = "…"}',
            )
        for key in one:
            if key not in _DECLARED:
                raise toml.unknown(path, key, _DECLARED)
        for key in ("by", "how"):
            if not isinstance(one.get(key), str) or not one[key].strip():
                raise ConfigError(
                    f"`{word}` of [{of}] is declared without `{key}`",
                    where=toml.where(path, word),
                    expected="who vouches for it (`by`), since when (`date`), and how it is so"
                    " (`how`)",
                )
        for key in ("date", "expires"):
            if type(one.get(key)) is not dt.date and (key == "date" or key in one):
                raise ConfigError(
                    f"`{key}` of `{word}` of [{of}] is not a date",
                    where=toml.where(path, word),
                    expected=f"{key} = 2026-01-31, without quotes and without a time",
                )
        found.append(Declared(word, one["by"], one["date"], one["how"], one.get("expires")))
    return tuple(found)


def pace(path: Path, name: str, value: Any) -> int:
    """Seconds between two runs of a job; 0: it does not run by itself."""
    if type(value) is not int or not 0 <= value <= _LONGEST_PACE:
        raise ConfigError(
            f"`{name}` of [jobs] is not a number of seconds",
            where=toml.where(path, name),
            expected=f"a whole number up to {_LONGEST_PACE:,}; 0: not by itself",
        )
    return value


def document(path: Path, fact: str, table: Any) -> Document:
    """One of `[documents]`: who signed what, when, until when."""
    kind, _, about = fact.partition(":")
    if kind not in _PAPERS or not about or not isinstance(table, dict):
        raise ConfigError(
            f"`{fact}` is not a document that makes a use lawful",
            where=toml.where(path, fact),
            expected='"assessment:ACTIVITY", "citation:NAME" or "agreement:WHO" with signer and'
            " date",
        )
    for key in table:
        if key not in _DOCUMENT:
            raise toml.unknown(path, key, _DOCUMENT)
    signer, date, expires = table.get("signer"), table.get("date"), table.get("expires")
    if not isinstance(signer, str) or not signer.strip():
        raise ConfigError(
            f"the document `{fact}` does not say who signed it",
            where=toml.where(path, fact),
            expected='signer = "name"',
            met="nothing" if signer is None else toml.kind(signer),
            fix="write it under the document's head",
        )
    for key, value in (("date", date), ("expires", expires)):
        if type(value) is not dt.date and (key == "date" or value is not None):
            raise ConfigError(
                f"`{key}` of the document `{fact}` is not a date",
                where=toml.where(path, fact),
                expected=f"{key} = 2026-01-31, without quotes and without a time",
                met="nothing" if value is None else toml.kind(value),
                fix="write it so",
            )
    assert type(date) is dt.date
    if expires is not None and expires < date:
        raise ConfigError(
            f"the document `{fact}` expires before it was signed",
            where=toml.where(path, fact),
            expected="`expires` after `date`",
            met=f"{expires} and {date}",
            fix="mend the one that is wrong",
        )
    sha256 = None
    if table.get("file"):
        file = path.parent / str(table["file"])
        try:
            sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError:
            raise ConfigError(
                f"the document `{fact}` is not there",
                where=toml.where(path, fact),
                expected=f"a file `{table['file']}` beside kept.toml",
            ) from None
    return Document(fact, signer, date, expires, sha256)


def system(path: Path, name: str, table: Any) -> SystemConfig:
    """One of `[systems]`: its store, its map, its mode."""
    if not isinstance(table, dict):
        raise ConfigError(
            f"`systems.{name}` is a table",
            where=toml.where(path, name),
            fix=f"write [systems.{name}]",
        )
    if name == OWN:
        raise ConfigError(
            f"the name `{OWN}` is that of Kept's own tables",
            where=toml.where(path, f"[systems.{name}"),
            expected="another name for the system",
            fix="rename it here, in its map and in what refers to it",
        )
    for key in table:
        if key not in _SYSTEM:
            raise toml.unknown(path, key, _SYSTEM)
    options = table.get("options", {})
    if not isinstance(options, dict):
        raise ConfigError(
            f"`options` of the system `{name}` is a table",
            where=toml.where(path, "options"),
            fix=f"write it as [systems.{name}.options]",
        )
    further = settings(str(table.get("store")))
    for key in options if further else ():
        if key not in further:
            raise toml.unknown(path, key, further)
    options = {key: toml.option(path, value, key) for key, value in options.items()}
    modes = tuple(m.value for m in Mode)
    mode = toml.one_of(path, str(table.get("mode", Mode.OBSERVE.value)), modes, "mode")
    store = toml.perhaps(path, table, "store")
    place = f"systems.{name}"
    return SystemConfig(
        name=name,
        store=store,
        url=toml.beside(path, store, toml.secret(path, table.get("url"), "url")),
        mode=Mode(mode),
        map=None
        if store is None and "map" not in table
        else (path.parent / toml.text(path, table, "map", place)).resolve(),
        options={**options, "directory": path.parent} if further else options,
        title=toml.perhaps(path, table, "title"),
        country=toml.perhaps(path, table, "country"),
        owner=toml.perhaps(path, table, "owner"),
        accounts=toml.names(path, table.get("accounts", ()), "accounts"),
        declared=_declared(path, place, table.get("declared", {})),
    )
