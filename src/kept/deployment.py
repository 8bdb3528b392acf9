"""A deployment: the directory with kept.toml that says which bundle, map and systems.

Secrets never stand in the file: a value `env:NAME` is read from the environment.
"""

from __future__ import annotations

import codecs
import datetime as dt
import difflib
import hashlib
import json
import os
import re
import tomllib
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kept.datamap import load as datamap_load
from kept.datamap.map import DataMap
from kept.errors import BundleError, ConfigError, KeptError, MapError, UsageError
from kept.model.agents import CLAIMS, Drp
from kept.model.agents import directory as agent_directory
from kept.model.plan import Mode
from kept.model.safety import ASPECTS, Declared, aspect
from kept.policy import bundle as policy_bundle
from kept.policy.bundle import Bundle
from kept.policy.shapes import OURSELVES, PERIOD, Recipient
from kept.policy.yamlfile import close
from kept.stores import open_store, settings
from kept.stores.base import Store
from kept.stores.letters import SETTINGS as LETTERS
from kept.stores.own import NAME as OWN
from kept.stores.post import SETTINGS as MAIL
from kept.stores.post import Mail
from kept.stores.provider import SETTINGS as OIDC
from kept.stores.provider import Oidc
from kept.stores.provider import settings as oidc_settings
from kept.stores.recipients import Way
from kept.stores.tasks import SAFE
from kept.terms.proof import LEVELS
from kept.terms.rights import RIGHTS
from kept.terms.workdays import Workdays

FILE = "kept.toml"
_TABLES: Mapping[str, frozenset[str]] = {
    "choices": frozenset(),  # names come from the bundle
    "systems": frozenset(),  # names are the operator's
    "documents": frozenset(),  # names are facts
    "recipients": frozenset(),  # names are the bundle's or the operator's; settings for all
    "keys": frozenset({"passphrase"}),
    "api": frozenset({"token"}),
    "mail": MAIL | {"url"},
    "site": frozenset(
        {"host", "port", "url", "shows", "proxy", "cookie", "country", "members"}
        | {"forms_per_hour"}
    ),
    "links": frozenset({"look", "addresses"}),
    "networks": frozenset(),  # names are those of recipients of the bundle
    "gateway": frozenset({"upstream", "hosts", "acts", "proxy", "forms", "links", "workers"}),
    "jobs": frozenset(
        ("retain", "letters", "clocks", "systems", "intake", "agents", "deliveries", "forms")
        + ("visits",)
    ),
    "drp": frozenset({"on", "business", "directory", "verifications", "sale"}),
    "desk": frozenset(
        {
            "on",
            "country",
            "subdivision",
            "zone",
            "people",
            "records",
            "large",
            "review_days",
            "pause_days",
            "proof",
            "facts",
            "mail_servers",
        }
    ),
    "login": frozenset({"oidc"}),
    "own": frozenset({"country", "owner", "declared"}),
    "forms": frozenset(),  # names come from the bundle
    "imports": frozenset(),  # names come from the bundle
    "origins": frozenset(),  # names are origins, values sites of the bundle
}
#: What a recipient may be given beside the way in which letters go to it.
_NAMED = frozenset({"title", "lane", "recorded", "policy", "forms", "pages"})
_DESTINATION = frozenset({"dataset", "fields", "stamps", "constants"})
#: Kinds of documents.
_PAPERS = ("assessment", "citation", "agreement")
#: What is stored with what a form takes.
STAMPS = frozenset({"basis", "activity", "policy", "notice", "at"})
#: Forms that one source may send within an hour. Generous: behind one address an office may sit.
FORMS_PER_HOUR = 200
#: What is stored with each line of a list: of whom and by which agreement it came, where it stood
#: and from which day it is, and a mark by which the same line is known again.
MARKS = frozenset({"basis", "activity", "policy", "source", "address", "date", "mark", "at"})
_NEEDED_MARKS = frozenset({"basis", "source", "mark"})
_SUPPLY = _DESTINATION | {"sources", "encoding"}
#: What the public page shows: the text only, dated checks that passed, or how all stands.
SHOWS = ("text", "checks", "live")
#: Addresses of this machine alone.
LOOPBACK = ("localhost", "127.0.0.1", "::1")
#: Seconds between two runs of a job, at most: a month of 31 days.
_LONGEST_PACE = 31 * 24 * 3600
#: Ports that a server can listen on; 0 takes a free one.
PORTS = range(2**16)
#: Where a page comes from (RFC 6454), as browsers say it; on this machine any port may be meant.
ORIGIN = re.compile(
    r"https://[a-z0-9.-]+(?::[0-9]{1,5})?|http://(?:127\.0\.0\.1|localhost):(?:[0-9]{1,5}|\*)"
)
_DOCUMENT = frozenset({"signer", "date", "expires", "file"})
_DECLARED = frozenset({"by", "date", "expires", "how"})
_SYSTEM = frozenset(
    {"store", "url", "mode", "map", "title", "country", "options", "owner", "declared"}
)
#: What a bearer token is made of (RFC 6750, section 2.1: b64token).
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True, slots=True)
class SystemConfig:
    """One `[systems.NAME]` table. `url` may be None: the system is known, not yet connected.

    Only a system without a store may be without a map. `title` and `country` stand where the
    map says neither. `options` are those of the kind of store (of SQL:
    stores.relational.Options).
    """

    name: str
    store: str | None
    url: str | None
    mode: Mode
    map: Path | None
    options: Mapping[str, Any]
    title: str | None = None
    country: str | None = None
    owner: str | None = None
    declared: tuple[Declared, ...] = ()

    @property
    def lacking(self) -> str | None:
        """Why it cannot be asked; None where it can."""
        if self.store is None:
            return "no store is configured for it yet"
        return "no `url` is configured for it yet" if self.url is None else None


@dataclass(frozen=True, slots=True)
class Own:
    """`[own]`: what is said of the place of Kept's own tables, as of any system's."""

    country: str | None = None
    owner: str | None = None
    declared: tuple[Declared, ...] = ()


@dataclass(frozen=True, slots=True)
class Desk:
    """`[desk]`: whether the staff's console is served, when it works, and what is unusual there.

    `on` None: where it can be served safely. `country` (None: not said), `subdivision` and
    `zone` say whose weekends, public holidays and midnight count. As many as `people` persons or
    `records` records opened by one name within an hour raise an alert; a plan that destroys more
    than `large` rows needs two people; roles are looked at again within `review_days`. A clock
    that stands still goes on by itself after `pause_days`. `proof` says of which right more is
    asked to know who asks than terms.proof has, `facts` what people may be asked for that: place
    in the map → question. The stamps of `mail_servers` say when a mail arrived that is entered.
    """

    on: bool | None = None
    country: str | None = None
    subdivision: str | None = None
    zone: dt.tzinfo = dt.UTC
    people: int = 100
    records: int = 10_000
    large: int = 1_000
    review_days: int = 180
    pause_days: int = 30
    proof: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    facts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    mail_servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Before:
    """`[gateway]`: the site that `kept gateway` stands before.

    `acts` False: browsers report what would be refused, and nothing is changed. `hosts` are the
    names of the site. `proxy`: a server before the gateway says who asks, by what, and from
    where ([site] country); whatever else says so is not believed. Forms may be sent to the
    hosts of `forms`; links to those of `links` keep all that they say. `workers`: service workers
    of the site pass, although nobody judges the pages that they make.
    """

    upstream: str | None = None
    hosts: tuple[str, ...] = ()
    acts: bool = False
    proxy: bool = False
    forms: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    workers: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A paper of the organisation that makes a fact hold: an assessment, a cited law.

    `fact` is `assessment:ACTIVITY`, `citation:NAME`, or `agreement:WHO` of whoever gives data;
    `sha256` (hex) is that of its file, None where no file is named.
    """

    fact: str
    signer: str
    date: dt.date
    expires: dt.date | None
    sha256: str | None

    def in_force(self, now: dt.datetime) -> bool:
        """Whether it is signed by `now` and not past its time."""
        today = now.astimezone(dt.UTC).date()
        return self.date <= today and (self.expires is None or today <= self.expires)


@dataclass(frozen=True, slots=True)
class Destination:
    """One `[forms.NAME]`: the dataset in which Kept stores what a form takes.

    `fields` gives the column of a field that is called otherwise, `stamps` those of basis,
    activity, policy, notice and at (the moment); `constants` is what every such row says.
    """

    place: tuple[str, str]
    fields: Mapping[str, str]
    stamps: Mapping[str, str]
    constants: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Network:
    """A network of advertising, analytics or buttons, as the operator engaged it: its country, and
    the audiences of people that it holds for the operator (none: an empty list).
    """

    country: str
    audiences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Supply(Destination):
    """One `[imports.NAME]`: the dataset in which Kept stores what a list brings.

    `sources` are those who may give it here; `encoding` is that of a text that does not say it.
    """

    sources: tuple[str, ...]
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """kept.toml, read and checked. Paths are absolute."""

    directory: Path
    bundle: Path
    database: str
    choices: Mapping[str, Any]
    systems: Mapping[str, SystemConfig]
    documents: tuple[Document, ...]
    passphrase: str | None
    token: str | None
    host: str
    port: int
    url: str | None
    shows: str
    jobs: Mapping[str, int]
    recipients: Mapping[str, Way]
    own: Own
    organisation: str | None = None  # for whom the policy speaks, by the operator's own word
    mail: Mail | None = None  # how letters go to people; None: none do
    proxy: bool = False  # who asks is told by a server before this one (X-Forwarded-For)
    cookie: str | None = None  # the site's own cookie by which it knows a visitor
    country: str | None = None  # the header in which the server before this one says the country
    members: tuple[str, ...] = ()  # paths of the site below which pages belong to an account
    looks: frozenset[str] = frozenset()  # hosts that may be asked whether a link still works
    addresses: Mapping[str, str] = field(default_factory=dict)  # of links left open
    networks: Mapping[str, Network] = field(default_factory=dict)  # whom pages call, as engaged
    desk: Desk = Desk()
    oidc: Oidc | None = None  # where staff may log in beside here
    drp: Drp | None = None  # agents who may ask in the name of people; None: none may
    gateway: Before = Before()
    origins: Mapping[str, str] = field(default_factory=dict)  # origin → site of the policy
    forms: Mapping[str, Destination] = field(default_factory=dict)  # form → where it is stored
    forms_per_hour: int = FORMS_PER_HOUR  # that one source may send; 0: as many as it likes
    imports: Mapping[str, Supply] = field(default_factory=dict)  # import → where, and of whom

    def serves_desk(self, address: str) -> bool:
        """Whether a server on `address` serves the desk: on this machine, or by https, only.

        ConfigError where kept.toml asks for it elsewhere: passwords would go in the clear.
        """
        safe = address in LOOPBACK or (self.url or "").startswith("https://")
        if self.desk.on and not safe:
            raise ConfigError(
                "the desk is not served in the clear",
                where=self._line("on"),
                expected="an address of this machine, or `url` of [site] with https:// (a server"
                " before this one that encrypts)",
                fix="write that address, or on = false",
            )
        return safe if self.desk.on is None else self.desk.on

    @property
    def site_url(self) -> str:
        """Where people find the pages: the public address, else this machine's."""
        return self.url or f"http://{self.host}:{self.port}"

    def check(self, bundle: Bundle, datamap: DataMap) -> None:
        """Refuse a map that names what the bundle does not have. MapError with file:line.

        Nor may a system have the name of Kept's own, which would stand in its place; nor may
        recipients be set up whom the policy has no place for (ConfigError).
        """
        known = bundle.vocabulary.recipients
        for way in self.recipients.values():
            named = way.lane and way.name in known and way.policy is None
            if (way.lane or way.name) not in known or named:
                raise ConfigError(
                    f"`{way.name}` is not a recipient of this policy"
                    if way.name not in known
                    else f"`{way.name}` has its lane in the policy",
                    where=self._line(f"[recipients.{way.name}"),
                    expected=f"one of {', '.join(known)}; or another name, with one of them as"
                    " its `lane`",
                )
        self._check_forms(bundle, datamap)
        self._check_imports(bundle, datamap)
        strange = [p for p in (self.drp.sale if self.drp else ()) if p not in served(bundle)]
        if strange:
            raise ConfigError(
                "`sale` of [drp] names a purpose that the policy does not have",
                where=self._line("sale"),
                expected=f"some of {', '.join(sorted(served(bundle)))}",
            )
        if OWN in datamap.systems:
            raise MapError(
                f"the name `{OWN}` is that of Kept's own tables",
                expected="another name for the system",
                fix="rename it in the map and in kept.toml",
            )
        categories = set(bundle.vocabulary.categories)
        problems = datamap_load.check(
            datamap,
            categories,
            set(bundle.retention),
            set(bundle.activities),
            {r.id for r in bundle.retention.values() if r.law is not None},
        )
        datamap_load.refuse(problems)

    def _check_forms(self, bundle: Bundle, datamap: DataMap) -> None:
        """Refuse origins of sites, and forms and columns, that are not there."""
        for origin, site in self.origins.items():
            if site not in bundle.sites:
                raise ConfigError(
                    "an origin stands for a site that the policy does not list",
                    where=self._line(origin),
                    expected=f"one of {', '.join(bundle.sites)}",
                )
        for way in self.recipients.values():
            for form in way.forms:
                if form not in bundle.forms:
                    raise ConfigError(
                        f"`{way.name}` is to be named on a form that the policy does not have",
                        where=self._line(f"[recipients.{way.name}"),
                        expected=f"some of {', '.join(bundle.forms)}",
                    )
        for form, to in self.forms.items():
            system, dataset = to.place
            known = datamap.systems.get(system)
            there = known.datasets.get(dataset) if known else None
            named = {*to.stamps.values(), *to.constants}
            if form in bundle.forms:
                named |= {to.fields.get(f.name, f.name) for f in bundle.forms[form].fields.values()
                          if not f.consent}  # fmt: skip
            amiss = [] if there is None else sorted(named - there.fields.keys())
            if form not in bundle.forms or there is None or amiss:
                column = f"; `{dataset}` has no {_all(amiss)}" if amiss else ""
                raise ConfigError(
                    f"what the form `{form}` takes cannot be stored as it is set up{column}",
                    where=self._line(f"[forms.{form}"),
                    expected="a form of the policy, a dataset of the map, and a column for each"
                    " field and stamp",
                )

    def _check_imports(self, bundle: Bundle, datamap: DataMap) -> None:
        """Refuse imports whose lines have no place to go, or a source that may not give them."""
        for name, to in self.imports.items():
            where = self._line(f"[imports.{name}")
            one = bundle.imports.get(name)
            if one is None:
                raise ConfigError(
                    f"the policy has no import `{name}`", where=where,
                    expected=f"one of {', '.join(bundle.imports) or 'none: it declares none'}",
                )  # fmt: skip
            known = datamap.systems.get(to.place[0])
            there = known.datasets.get(to.place[1]) if known else None
            named = {*to.stamps.values(), *to.constants}
            named |= {to.fields.get(c.name, c.name) for c in one.columns.values()
                      if not c.consent and c.says not in to.stamps}  # fmt: skip
            amiss = [] if there is None else sorted(named - there.fields.keys())
            if there is None or amiss:
                column = f"; `{there.name}` has no {_all(amiss)}" if there is not None else ""
                raise ConfigError(
                    f"what `{name}` brings cannot be stored as it is set up{column}", where=where,
                    expected="a dataset of the map, and a column for each column and stamp",
                )  # fmt: skip
            own = bundle.activities.get(one.form.activity)
            serves = own is not None and own.id in there.activities
            if own is None or not serves or there.retention != own.retention:
                raise ConfigError(
                    f"`{to.place[1]}` does not keep what `{name}` brings as the policy says",
                    where=where,
                    expected=f"activity `{one.form.activity}` and retention"
                    f" `{own.retention if own else '?'}` at the dataset in its map",
                )
            within = bundle.vocabulary.within
            for source in to.sources:
                ours = source == OURSELVES and OURSELVES in one.gives
                lane = source in bundle.vocabulary.recipients and any(
                    within("recipients", source, lane) for lane in one.gives if lane != OURSELVES
                )
                if not ours and not lane:
                    raise ConfigError(
                        f"`{source}` is nobody who may give `{name}`", where=where,
                        expected=f"somebody of {', '.join(one.gives)}",
                        fix="name it under [recipients] with its lane, or take it out",
                    )  # fmt: skip

    def read_bundle(self) -> Bundle:
        """The policy bundle with the operator's choices filled in."""
        loaded = policy_bundle.load(self.bundle)
        unknown = sorted(set(self.choices) - set(loaded.choices))
        if unknown:
            near = difflib.get_close_matches(unknown[0], loaded.choices, n=1, cutoff=0.6)
            raise ConfigError(
                f"the choice `{unknown[0]}` is not one that the bundle leaves open",
                where=self._line(unknown[0]),
                expected=f"one of {', '.join(f'`{name}`' for name in near or loaded.choices)}",
                fix="correct its name in [choices], or remove it",
            )
        for name, value in self.choices.items():
            period = name in loaded.periods
            if not _is_choice(value, period=period):
                raise ConfigError(
                    f"the value of the choice `{name}` is not of its kind",
                    where=self._line(name),
                    expected="a period" if period else "a word, a number, yes or no, or several",
                    fix=f'write it as "{name}" = '
                    + ('"P30D", "P24M" or "P10Y"' if period else '"…", 20, true or ["…", "…"]'),
                )
        try:
            loaded = loaded.with_addresses(self.addresses)
        except BundleError as problem:
            where = self._line("addresses")
            raise ConfigError(problem.what, where=where, fix=problem.fix) from None
        for name in self.networks:
            if name not in loaded.recipients:
                raise ConfigError(
                    f"the policy has no recipient named {name!r}", where=self._line(name),
                    expected="a recipient of recipients.yml", fix=close(name, loaded.recipients),
                )  # fmt: skip
        try:
            return loaded.with_choices(dict(self.choices)).with_partners(self._partners())
        except BundleError as problem:
            # What is left: a choice that the bundle has made itself.
            made = next(n for n in self.choices if loaded.choices[n].value is not None)
            raise ConfigError(
                problem.what,
                where=self._line(made),
                expected="choices that the bundle leaves open",
                fix="leave it out here, or change it in policy.yml with a new version",
            ) from None

    def _partners(self) -> list[Recipient]:
        """Partners whom forms name: those of [recipients] that have a lane and their own policy."""
        return [
            Recipient(
                w.name, w.title or w.name, w.lane, None, (), "", 0, w.policy, w.forms, w.pages
            )
            for w in self.recipients.values()
            if w.lane is not None and w.policy is not None
        ]

    def read_map(self) -> DataMap:
        """The data map of all systems of the deployment. MapError names all that is amiss."""
        datamap, problems = self.look_at_map()
        datamap_load.refuse(problems)
        return datamap

    def look_at_map(self) -> tuple[DataMap, list[datamap_load.Problem]]:
        """As `read_map`, as far as it can be read, with what is amiss."""
        datamap, problems = datamap_load.read(
            {s.name: s.map for s in self.systems.values()},
            {s.name: s.mode for s in self.systems.values()},
            {s.name: s.store for s in self.systems.values()},
        )
        systems = {
            name: replace(
                system,
                title=system.title or self.systems[name].title,
                country=system.country or self.systems[name].country,
                owner=self.systems[name].owner,
                declared=self.systems[name].declared,
            )
            for name, system in datamap.systems.items()
        }
        return replace(datamap, systems=systems), problems

    def open_stores(self, datamap: DataMap) -> tuple[dict[str, Store], dict[str, str]]:
        """Stores by system, and for each system that has none the reason in words.

        Opening connects to nothing; a store that cannot be reached says so when asked.
        """
        stores: dict[str, Store] = {}
        without: dict[str, str] = {}
        for config in self.systems.values():
            if config.store is None or config.url is None:
                without[config.name] = config.lacking or ""
                continue
            mapped = datamap.systems[config.name].datasets.values()
            try:
                stores[config.name] = open_store(
                    config.store, config.name, mapped, config.url, config.options
                )
            except KeptError as problem:
                for store in stores.values():
                    store.close()
                if isinstance(problem, ConfigError):
                    problem.where = problem.where or self._line(f"[systems.{config.name}")
                raise
        return stores, without

    def _line(self, word: str) -> str:
        return _where(self.directory / FILE, word)


def served(bundle: Bundle) -> frozenset[str]:
    """The purposes that activities of the policy serve."""
    return frozenset(activity.purpose for activity in bundle.activities.values())


def read(directory: Path) -> Deployment:
    """Read `directory`/kept.toml. ConfigError names the line and the way out."""
    directory = directory.resolve()
    path = directory / FILE
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            "there is no deployment here",
            where=str(path),
            expected="a kept.toml",
            fix="make one with `kept new DIR`, or name the directory with `--dir DIR`",
        ) from None
    except UnicodeDecodeError as problem:
        line = problem.object[: problem.start].count(b"\n") + 1
        raise ConfigError(
            "kept.toml is not UTF-8", where=f"{path}:{line}", fix="save the file as UTF-8"
        ) from None
    except tomllib.TOMLDecodeError as problem:
        words, _, at = str(problem).partition(" (at ")
        line_met = re.match(r"line (\d+)", at)
        raise ConfigError(
            f"kept.toml cannot be read: {words[:1].lower()}{words[1:]}",
            where=f"{path}:{line_met[1]}" if line_met else str(path),
            expected="TOML in UTF-8",
            fix="a text stands in quotes, a date without (2026-01-31), and a day has to exist;"
            " each table and each key stands once",
        ) from None
    known = {"bundle", "database", "organisation", *_TABLES}
    for key in raw:
        if key not in known:
            raise _unknown(path, key, known)
    for table, keys in _TABLES.items():
        section = raw.get(table, {})
        if not isinstance(section, dict):
            raise ConfigError(
                f"`{table}` is a table", where=_where(path, table), fix=f"write it as [{table}]"
            )
        for key in section if keys else ():
            if key not in keys:
                raise _unknown(path, key, keys)
    site = raw.get("site", {})
    return Deployment(
        directory=directory,
        bundle=(directory / _text(path, raw, "bundle")).resolve(),
        database=_secret(path, str(raw.get("database", "embedded")), "database") or "embedded",
        choices={k: _choice(v) for k, v in raw.get("choices", {}).items()},
        systems={name: _system(path, name, t) for name, t in raw.get("systems", {}).items()},
        documents=tuple(_document(path, k, v) for k, v in raw.get("documents", {}).items()),
        passphrase=_secret(path, raw.get("keys", {}).get("passphrase"), "passphrase"),
        token=_token(path, raw.get("api", {}).get("token")),
        host=_perhaps(path, site, "host") or "127.0.0.1",
        port=_port(path, site.get("port", 8790)),
        url=_perhaps(path, site, "url"),
        shows=_one_of(path, str(site.get("shows", "text")), SHOWS, "shows"),
        jobs={name: _pace(path, name, value) for name, value in raw.get("jobs", {}).items()},
        recipients=_ways(path, raw.get("recipients", {})),
        own=_own(path, raw.get("own", {})),
        organisation=_perhaps(path, raw, "organisation"),
        desk=_desk(path, raw.get("desk", {})),
        mail=_mail(path, raw.get("mail", {})),
        proxy=_flag(path, site, "proxy"),
        cookie=_perhaps(path, site, "cookie"),
        country=_perhaps(path, site, "country") if _flag(path, site, "proxy") else None,
        members=_members(path, site.get("members", ())),
        looks=_hosts(path, raw.get("links", {}).get("look", ())),
        addresses=_addresses(path, raw.get("links", {}).get("addresses", {})),
        networks=_networks(path, raw.get("networks", {})),
        drp=_drp(path, raw.get("drp", {})),
        gateway=_before(path, raw.get("gateway", {})),
        origins=_origins(path, raw.get("origins", {})),
        forms={n: _destination(path, n, t) for n, t in raw.get("forms", {}).items()},
        imports={n: _supply(path, n, t) for n, t in raw.get("imports", {}).items()},
        oidc=_oidc(path, raw.get("login", {}).get("oidc")),
        forms_per_hour=_per_hour(path, site.get("forms_per_hour", FORMS_PER_HOUR)),
    )


def _all(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _before(path: Path, table: Mapping[str, Any]) -> Before:
    """`[gateway]`: the site before which Kept stands."""
    lists = {}
    for key in ("hosts", "forms", "links"):
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise ConfigError(
                f"`{key}` is no list of hosts", where=_where(path, key),
                expected=f'{key} = ["www.example.org"]',
            )  # fmt: skip
        lists[key] = tuple(host.lower() for host in value)
    for host in lists["hosts"]:
        if "/" in host or host.count(":") == 1:  # more of them are an IPv6 address
            raise ConfigError(
                "`hosts` of [gateway] holds more than a name", where=_where(path, "hosts"),
                expected='names without scheme and port: ["www.example.org"]',
            )  # fmt: skip
    return Before(
        upstream=_perhaps(path, table, "upstream"),
        acts=_flag(path, table, "acts"),
        proxy=_flag(path, table, "proxy"),
        workers=_flag(path, table, "workers"),
        **lists,
    )


def _members(path: Path, value: Any) -> tuple[str, ...]:
    """`members` of [site]: the beginnings of paths."""
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(one, str) and re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", one) for one in value
    ):
        raise ConfigError(
            "`members` of [site] is no list of paths", where=_where(path, "members"),
            expected='where pages need an account, as ["/account", "/orders"]',
        )  # fmt: skip
    return tuple(value)


def _hosts(path: Path, value: Any) -> frozenset[str]:
    """`look` of [links]: hosts, by name."""
    host = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(one, str) and host.fullmatch(one) for one in value
    ):
        raise ConfigError(
            "`look` of [links] is no list of hosts",
            where=_where(path, "look"),
            expected='names of hosts such as ["optout.aboutads.info"]',
        )
    return frozenset(value)


def _addresses(path: Path, value: Any) -> Mapping[str, str]:
    """`addresses` of [links]: a link of the bundle that has none → where it leads."""
    if not isinstance(value, dict) or not all(
        isinstance(url, str) and re.fullmatch(r"https?://[^\s/?#@\\]+([/?#][^\s\\]*)?", url)
        for url in value.values()
    ):
        raise ConfigError(
            "`addresses` of [links] does not say where links lead",
            where=_where(path, "addresses"),
            expected='a table of addresses: {nai-education = "https://…"}',
        )
    return MappingProxyType(dict(value))


def _networks(path: Path, section: Mapping[str, Any]) -> Mapping[str, Network]:
    """`[networks]`: of recipients of the policy, what only the operator knows."""
    found = {}
    for name, row in section.items():
        if not (
            isinstance(row, dict)
            and set(row) == {"country", "audiences"}
            and re.fullmatch(r"[A-Z]{2}", str(row["country"]))
            and isinstance(row["audiences"], list)
            and all(isinstance(one, str) and one.strip() for one in row["audiences"])
        ):
            raise ConfigError(
                f"`{name}` of [networks] does not say where the network is and what it holds",
                where=_where(path, name),
                expected='{country = "US", audiences = []}, or the names of the audiences',
            )
        found[name] = Network(row["country"], tuple(row["audiences"]))
    return MappingProxyType(found)


def _drp(path: Path, table: Mapping[str, Any]) -> Drp | None:
    """`[drp]`: agents who ask by the Data Rights Protocol; None where it is not on."""
    if not _flag(path, table, "on"):
        return None
    business = _text(path, table, "business", "drp")
    if not re.fullmatch(r"[A-Z_]{1,64}", business):
        raise ConfigError(
            "`business` of [drp] is no id of the protocol",
            where=_where(path, "business"),
            expected="letters A to Z and _, as the network gave it to you",
        )
    file = path.parent / _text(path, table, "directory", "drp")
    try:
        document = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        raise ConfigError(
            "the directory of agents cannot be read",
            where=_where(path, "directory"),
            expected="a file of JSON in UTF-8 beside kept.toml",
            fix="see docs/how-to/agents.md",
        ) from None
    lists = {}
    for key in ("verifications", "sale"):
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ConfigError(
                f"`{key}` of [drp] is no list of words", where=_where(path, key), expected='["…"]'
            )
        lists[key] = tuple(value)
    if not set(lists["verifications"]) <= set(CLAIMS):
        raise ConfigError(
            "`verifications` of [drp] names what cannot be checked here",
            where=_where(path, "verifications"),
            expected=f"some of {', '.join(CLAIMS)}",
        )
    return Drp(business, agent_directory(document, file.name), **lists)


def _mail(path: Path, table: Mapping[str, Any]) -> Mail | None:
    """`[mail]`: how letters go to people."""
    if not table:
        return None
    url = _secret(path, table.get("url"), "url")
    if not url:
        raise ConfigError(
            "it is not said how mail goes out",
            where=_where(path, "[mail]"),
            expected='url = "smtp://host:587", "smtps://host" or a folder',
        )
    return Mail(url, {k: _option(path, v, k) for k, v in table.items() if k != "url"})


def _oidc(path: Path, table: Any) -> Oidc | None:
    """`[login.oidc]`: the provider of logins beside Kept's own; None: there is none."""
    if table is None:
        return None
    where = _where(path, "[login.oidc")
    if not isinstance(table, dict):
        raise ConfigError("`oidc` is a table", where=where, fix="write it as [login.oidc]")
    for key in table:
        if key not in OIDC:
            raise _unknown(path, key, OIDC)
    return oidc_settings({key: _option(path, one, key) for key, one in table.items()}, where)


def _flag(path: Path, table: Mapping[str, Any], key: str) -> bool:
    value = table.get(key, False)
    if type(value) is not bool:
        raise ConfigError(f"`{key}` is not true or false", where=_where(path, key))
    return value


def _ways(path: Path, section: Mapping[str, Any]) -> dict[str, Way]:
    """`[recipients]` holds settings for all, `[recipients.NAME]` those of one."""
    mail = LETTERS | {"url"}
    common = {key: value for key, value in section.items() if not isinstance(value, dict)}
    for key in common:
        if key not in mail:
            raise _unknown(path, key, mail)
    ways = {}
    for name, own in section.items():
        if not isinstance(own, dict):
            continue
        if not SAFE.match(name):
            raise ConfigError(
                f"`{name}` cannot be the name of a recipient",
                where=_where(path, name),
                expected="letters, digits and . _ -",
            )
        for key in own:
            if key not in mail | _NAMED:
                raise _unknown(path, key, mail | _NAMED)
        recorded = own.get("recorded", False)
        if not isinstance(recorded, bool):
            raise ConfigError(
                f"`recorded` of `{name}` says neither yes nor no",
                where=_where(path, f"[recipients.{name}"),
                expected="true or false",
            )
        table = {**common, **own}
        url = _secret(path, table.get("url"), "url")
        if not url:
            raise ConfigError(
                f"it is not said how letters to `{name}` go",
                where=_where(path, f"[recipients.{name}"),
                expected='url = "smtp://host:587", "smtps://host" or a folder',
                fix="write it in [recipients], for all, or in the table of this one",
            )
        options = {k: _option(path, v, k) for k, v in table.items() if k in LETTERS}
        title, lane = (table.get(k) and str(table[k]) for k in ("title", "lane"))
        ways[name] = Way(
            name, title, lane, url, options, recorded, _https(path, own.get("policy")),
            _names(path, own.get("forms", ()), "forms"), _addressed(path, own),
        )  # fmt: skip
    return ways


def _addressed(path: Path, own: Mapping[str, Any]) -> tuple[str, ...]:
    """`pages`: where a partner carries our name; it has a policy, as that is said to hold there."""
    found = _names(path, own.get("pages", ()), "pages")
    bare = [one for one in found if not re.fullmatch(r"https?://[^\s/]+/\S*", one)]
    if bare or (found and not (own.get("policy") and own.get("lane"))):
        raise ConfigError(
            "`pages` does not say where a partner carries our name",
            where=_where(path, "pages"),
            expected='addresses such as ["https://events.partner.example/ours"], beside the `lane`'
            " and the `policy` of that partner",
        )
    return found


def _https(path: Path, value: Any) -> str | None:
    """The address of a partner's own policy."""
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"https://[^\s/]+(?:/\S*)?", value):
        raise ConfigError(
            "`policy` is no address of a privacy policy",
            where=_where(path, "policy"),
            expected='an address such as "https://partner.example/privacy"',
        )
    return value


def _names(path: Path, value: Any, key: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise ConfigError(
            f"`{key}` is no list of names", where=_where(path, key), expected='["…", "…"]'
        )
    return tuple(value)


def _origins(path: Path, table: Mapping[str, Any]) -> dict[str, str]:
    """`[origins]`: further places at which a site of the policy answers, each with that site."""
    for origin, site in table.items():
        if not ORIGIN.fullmatch(origin) or not isinstance(site, str):
            raise ConfigError(
                "this is no origin of a site",
                where=_where(path, origin),
                expected='"https://host" = "https://site-of-the-policy"; without TLS a loopback'
                ' address alone, as "http://127.0.0.1:8780" or, for any port, "http://127.0.0.1:*"',
            )
    return dict(table)


def _destination(path: Path, form: str, table: Any) -> Destination:
    """`[forms.NAME]`: where Kept stores what a form takes."""
    place, named = _stored(path, "forms", form, table, _DESTINATION)
    if named["stamps"].keys() - STAMPS or {"basis", "notice"} - named["stamps"].keys():
        raise _stamps(path, "forms", form, "basis and notice", STAMPS)
    return Destination(place, **named)


def _supply(path: Path, name: str, table: Any) -> Supply:
    """`[imports.NAME]`: where Kept stores what a list brings, and who may give it."""
    place, named = _stored(path, "imports", name, table, _SUPPLY)
    if named["stamps"].keys() - MARKS or _NEEDED_MARKS - named["stamps"].keys():
        raise _stamps(path, "imports", name, "basis, source and mark", MARKS)
    sources = table.get("sources")
    if not isinstance(sources, list) or not sources or not all(isinstance(s, str) for s in sources):
        raise ConfigError(
            f"it is not said who gives `{name}`", where=_where(path, f"[imports.{name}"),
            expected=f'sources = ["NAME"], each a recipient of the policy, or "{OURSELVES}"',
        )  # fmt: skip
    encoding = _perhaps(path, table, "encoding")
    try:
        codecs.lookup(encoding or "utf-8")
    except LookupError:
        raise ConfigError(
            f"the encoding of `{name}` is not known", where=_where(path, "encoding"),
            expected='a name such as "windows-1252"',
        ) from None  # fmt: skip
    return Supply(place, **named, sources=tuple(sources), encoding=encoding)


def _stored(
    path: Path, section: str, name: str, table: Any, keys: frozenset[str]
) -> tuple[tuple[str, str], dict[str, dict[str, str]]]:
    """The dataset that a table names, and the columns of it."""
    head = f"[{section}.{name}"
    where = _where(path, head)
    if not isinstance(table, dict):
        raise ConfigError(f"`{section}.{name}` is a table", where=where)
    for key in table:
        if key not in keys:
            raise _unknown(path, key, keys)
    system, dot, dataset = _text(path, table, "dataset", f"{head}]").partition(".")
    if not (system and dot and dataset):
        what = "takes" if section == "forms" else "brings"
        raise ConfigError(
            f"it is not said where what `{name}` {what} is stored", where=where,
            expected='dataset = "SYSTEM.DATASET", as the data map names them',
        )  # fmt: skip
    named: dict[str, dict[str, str]] = {}
    for key in ("fields", "stamps", "constants"):
        rows = table.get(key, {})
        if not isinstance(rows, dict) or not all(isinstance(v, str) for v in rows.values()):
            raise ConfigError(
                f"`{key}` of `{name}` is no table of names", where=where,
                expected=f'{key} = {{name = "column"}}',
            )  # fmt: skip
        named[key] = dict(rows)
    return (system, dataset), named


def _stamps(path: Path, section: str, name: str, needed: str, known: frozenset[str]) -> ConfigError:
    return ConfigError(
        f"`stamps` of `{name}` does not name the columns of the stamps",
        where=_where(path, f"[{section}.{name}"),
        expected=f"{needed}, and as you like " + ", ".join(sorted(known)),
    )


def _own(path: Path, table: Mapping[str, Any]) -> Own:
    return Own(
        _perhaps(path, table, "country"), _perhaps(path, table, "owner"),
        _declared(path, "own", table.get("declared", {})),
    )  # fmt: skip


def _desk(path: Path, table: Mapping[str, Any]) -> Desk:
    country, part, zone = (_perhaps(path, table, k) for k in ("country", "subdivision", "zone"))
    if part is not None and country is None:
        raise ConfigError(
            "`subdivision` of [desk] stands without its country",
            where=_where(path, "subdivision"),
            fix='write country = "…" beside it',
        )
    try:
        Workdays.at(country, part)
    except UsageError as problem:
        raise ConfigError(
            problem.what, where=_where(path, "[desk"), expected=problem.expected
        ) from None
    try:
        place = dt.UTC if zone is None else zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise ConfigError(
            "`zone` of [desk] is not a time zone that this machine knows",
            where=_where(path, "zone"),
            expected="a name as Europe/Nicosia or America/New_York",
            fix="correct its spelling, or leave it out: then days end at midnight UTC",
        ) from None
    if type(table.get("on", True)) is not bool:
        raise ConfigError(
            "`on` of [desk] is neither yes nor no",
            where=_where(path, "on"),
            expected="true or false",
        )
    for key in ("people", "records", "large", "review_days", "pause_days"):
        if type(table.get(key, 1)) is not int or not 1 <= table.get(key, 1) <= 1_000_000_000:
            raise ConfigError(
                f"`{key}` of [desk] is not a number",
                where=_where(path, key),
                expected="a whole number of 1 or more",
            )
    own = ("country", "subdivision", "zone", "proof", "facts", "mail_servers")
    rest = {k: v for k, v in table.items() if k not in own}
    return Desk(
        country=country, subdivision=part, zone=place, proof=_levels(path, table.get("proof", {})),
        facts=_questions(path, table.get("facts", {})),
        mail_servers=_names(path, table.get("mail_servers", ()), "mail_servers"), **rest,
    )  # fmt: skip


def _levels(path: Path, table: Any) -> Mapping[str, int]:
    """Right → the level at which it has to be known who asks."""
    if not isinstance(table, dict) or not all(
        right in RIGHTS and type(level) is int and level in LEVELS for right, level in table.items()
    ):
        raise ConfigError(
            "`proof` of [desk] does not say of a right how well it has to be known who asks",
            where=_where(path, "[desk.proof"),
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
            where=_where(path, "[desk.facts"),
            expected='lines as "shop.customer.phone" = "Your telephone number"',
        )
    return MappingProxyType(dict(table))


def _declared(path: Path, of: str, table: Any) -> tuple[Declared, ...]:
    """What people vouch for of a place: aspect → by, date, how and perhaps expires."""
    found = []
    whole = isinstance(table, dict) and all(isinstance(one, dict) for one in table.values())
    for word, one in table.items() if whole else ((str(table), None),):
        named = aspect(word)
        if named is None or one is None:
            raise ConfigError(
                f"`declared` of [{of}] does not say what is declared",
                where=_where(path, "declared"),
                expected=f"one or several of {', '.join(ASPECTS)}, each a table",
                fix='write for example encryption = {by = "NAME", date = 2026-01-31, how = "…"}',
            )
        for key in one:
            if key not in _DECLARED:
                raise _unknown(path, key, _DECLARED)
        for key in ("by", "how"):
            if not isinstance(one.get(key), str) or not one[key].strip():
                raise ConfigError(
                    f"`{word}` of [{of}] is declared without `{key}`",
                    where=_where(path, word),
                    expected="who vouches for it (`by`), since when (`date`), and how it is so"
                    " (`how`)",
                )
        for key in ("date", "expires"):
            if type(one.get(key)) is not dt.date and (key == "date" or key in one):
                raise ConfigError(
                    f"`{key}` of `{word}` of [{of}] is not a date",
                    where=_where(path, word),
                    expected=f"{key} = 2026-01-31, without quotes and without a time",
                )
        found.append(Declared(named, one["by"], one["date"], one["how"], one.get("expires")))
    return tuple(found)


def _pace(path: Path, name: str, value: Any) -> int:
    """Seconds between two runs of a job; 0: it does not run by itself."""
    if type(value) is not int or not 0 <= value <= _LONGEST_PACE:
        raise ConfigError(
            f"`{name}` of [jobs] is not a number of seconds",
            where=_where(path, name),
            expected=f"a whole number up to {_LONGEST_PACE:,}; 0: not by itself",
        )
    return value


def _document(path: Path, fact: str, table: Any) -> Document:
    kind, _, about = fact.partition(":")
    if kind not in _PAPERS or not about or not isinstance(table, dict):
        raise ConfigError(
            f"`{fact}` is not a document that makes a use lawful",
            where=_where(path, fact),
            expected='"assessment:ACTIVITY", "citation:NAME" or "agreement:WHO" with signer and'
            " date",
        )
    for key in table:
        if key not in _DOCUMENT:
            raise _unknown(path, key, _DOCUMENT)
    signer, date, expires = table.get("signer"), table.get("date"), table.get("expires")
    if not isinstance(signer, str) or not signer.strip():
        raise ConfigError(
            f"the document `{fact}` does not say who signed it",
            where=_where(path, fact),
            expected='signer = "name"',
            met="nothing" if signer is None else _kind(signer),
            fix="write it under the document's head",
        )
    for key, value in (("date", date), ("expires", expires)):
        if type(value) is not dt.date and (key == "date" or value is not None):
            raise ConfigError(
                f"`{key}` of the document `{fact}` is not a date",
                where=_where(path, fact),
                expected=f"{key} = 2026-01-31, without quotes and without a time",
                met="nothing" if value is None else _kind(value),
                fix="write it so",
            )
    assert type(date) is dt.date
    if expires is not None and expires < date:
        raise ConfigError(
            f"the document `{fact}` expires before it was signed",
            where=_where(path, fact),
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
                where=_where(path, fact),
                expected=f"a file `{table['file']}` beside kept.toml",
            ) from None
    return Document(fact, signer, date, expires, sha256)


def _system(path: Path, name: str, table: Any) -> SystemConfig:
    if not isinstance(table, dict):
        raise ConfigError(
            f"`systems.{name}` is a table", where=_where(path, name), fix=f"write [systems.{name}]"
        )
    if name == OWN:
        raise ConfigError(
            f"the name `{OWN}` is that of Kept's own tables",
            where=_where(path, f"[systems.{name}"),
            expected="another name for the system",
            fix="rename it here, in its map and in what refers to it",
        )
    for key in table:
        if key not in _SYSTEM:
            raise _unknown(path, key, _SYSTEM)
    options = table.get("options", {})
    if not isinstance(options, dict):
        raise ConfigError(
            f"`options` of the system `{name}` is a table",
            where=_where(path, "options"),
            fix=f"write it as [systems.{name}.options]",
        )
    further = settings(str(table.get("store")))
    for key in options if further else ():
        if key not in further:
            raise _unknown(path, key, further)
    options = {key: _option(path, value, key) for key, value in options.items()}
    modes = tuple(m.value for m in Mode)
    mode = _one_of(path, str(table.get("mode", Mode.OBSERVE.value)), modes, "mode")
    store = _perhaps(path, table, "store")
    place = f"systems.{name}"
    return SystemConfig(
        name=name,
        store=store,
        url=_beside(path, store, _secret(path, table.get("url"), "url")),
        mode=Mode(mode),
        map=None
        if store is None and "map" not in table
        else (path.parent / _text(path, table, "map", place)).resolve(),
        options={**options, "directory": path.parent} if further else options,
        title=_perhaps(path, table, "title"),
        country=_perhaps(path, table, "country"),
        owner=_perhaps(path, table, "owner"),
        declared=_declared(path, place, table.get("declared", {})),
    )


def _option(path: Path, value: Any, key: str) -> Any:
    """A setting of one kind of store; a text may name where the secret is kept."""
    if isinstance(value, str) and value.startswith("file:"):
        file = path.parent / value.removeprefix("file:")
        try:
            return file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigError(
                f"the file of `{key}` cannot be read",
                where=_where(path, value),
                expected="a text file in UTF-8 beside kept.toml",
            ) from None
    return _secret(path, value, key) if isinstance(value, str) else value


def _beside(path: Path, store: Any, url: str | None) -> str | None:
    """A file or folder is named relative to kept.toml, whatever the current directory is."""
    prefix = {"sqlite": "sqlite:///", "parquet": "file://"}.get(store)
    if prefix is None or url is None:
        return url
    return str((path.parent / url.removeprefix(prefix)).resolve())


def _one_of(path: Path, value: str, known: tuple[str, ...], key: str) -> str:
    if value not in known:
        raise ConfigError(
            f"`{value}` is not a value of `{key}`",
            where=_where(path, value),
            expected=f"one of {', '.join(known)}",
        )
    return value


def _port(path: Path, value: Any) -> int:
    if type(value) is not int or value not in PORTS:
        raise ConfigError(
            "`port` is not a port",
            where=_where(path, "port"),
            expected=f"a whole number from {PORTS[0]} to {PORTS[-1]}; 0 takes a free one",
        )
    return value


def _per_hour(path: Path, value: Any) -> int:
    if type(value) is not int or not 0 <= value <= 100_000:
        raise ConfigError(
            "`forms_per_hour` is not a number of forms",
            where=_where(path, "forms_per_hour"),
            expected="a whole number up to 100000: so many may one source send; 0: any number",
        )
    return value


def _text(path: Path, table: Mapping[str, Any], key: str, inside: str = "") -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        place = f" in [{inside}]" if inside else ""
        raise ConfigError(
            f"`{key}` is missing{place}",
            where=_where(path, inside.rpartition(".")[2] or key),
            expected="a path relative to kept.toml",
            fix=f'add `{key} = "…"`{place}',
        )
    return value


def _perhaps(path: Path, table: Mapping[str, Any], key: str) -> str | None:
    """A text that may be missing."""
    value = table.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise ConfigError(
            f"`{key}` is not text",
            where=_where(path, key),
            expected=f'`{key} = "…"`',
            met=_kind(value),
            fix="put it in quotes, or leave the line out",
        )
    return value


def _kind(value: Any) -> str:
    """What kind of value stands there, in words; never the value, which may be a secret."""
    if isinstance(value, str) and not value.strip():
        return "nothing between the quotes"
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "true or false"), (int, "a number"), (float, "a number"), (str, "a text"),
        (dt.datetime, "a moment"), (dt.date, "a date"), (dt.time, "a time"), (list, "a list"),
        (dict, "a table"),
    )  # fmt: skip
    return next(words for kind, words in kinds if isinstance(value, kind))


def _is_choice(value: Any, *, period: bool) -> bool:
    """Whether a value of [choices] is one: a period, or words, numbers, yes or no, or several."""
    if period:
        return isinstance(value, str) and re.fullmatch(PERIOD, value) is not None
    values = value if isinstance(value, list) else [value]
    # "…" is where a value has to go, not a value.
    return all(any(c.isalnum() for c in v) if isinstance(v, str) else _is_number(v) for v in values)


def _is_number(value: Any) -> bool:
    """A number, or yes or no, that JSON can hold and every reader reads alike."""
    return isinstance(value, (int, float)) and -(2**53) < value < 2**53


def _choice(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (dt.date, dt.datetime)) else value


def _secret(path: Path, value: Any, key: str, *, required: bool = True) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigError(f"`{key}` is not text", where=_where(path, key), expected="a text value")
    if not value.startswith("env:"):
        return value
    name = value.removeprefix("env:")
    found = os.environ.get(name)
    if found is None and required:
        raise ConfigError(
            f"the environment variable `{name}` is not set",
            where=_where(path, name),
            expected=f"the value of `{key}`",
            fix=f"set {name} before starting kept",
        )
    return found


def _token(path: Path, value: Any) -> str | None:
    token = _secret(path, value, "token", required=False)
    if token and not _TOKEN.fullmatch(token):
        raise ConfigError(
            "`token` cannot be sent as a bearer token (RFC 6750)",
            where=_where(path, "token"),
            expected="letters A to Z, digits and - . _ ~ + /, with = at the end only",
            fix="make one of such signs, for example 32 hexadecimal digits or more",
        )
    return token


def _unknown(path: Path, key: str, known: set[str] | frozenset[str]) -> ConfigError:
    return ConfigError(
        f"`{key}` is not a setting",
        where=_where(path, key),
        expected=f"one of {', '.join(sorted(known))}",
        fix="correct its spelling, or remove it",
    )


def _where(path: Path, word: str) -> str:
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError:
        return str(path)
    there = (n for n, line in enumerate(lines, 1) if word and word in line.partition("#")[0])
    return f"{path.name}:{next(there, 1)}"
