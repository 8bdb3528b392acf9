"""What kept.toml says, as values."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kept.datamap import load as datamap_load
from kept.datamap.map import DataMap
from kept.deployment import releases as outgoing
from kept.deployment import toml
from kept.errors import BundleError, ConfigError, KeptError, MapError
from kept.model.agents import Drp
from kept.model.plan import Mode
from kept.model.safety import Declared
from kept.policy import bundle as policy_bundle
from kept.policy.bundle import Bundle
from kept.policy.shapes import OURSELVES, Recipient
from kept.policy.yamlfile import close
from kept.stores import open_store
from kept.stores.base import Store
from kept.stores.own import NAME as OWN
from kept.stores.post import Mail
from kept.stores.provider import Oidc
from kept.stores.recipients import Way

FILE = "kept.toml"
#: Addresses of this machine alone.
LOOPBACK = ("localhost", "127.0.0.1", "::1")
#: Forms that one source may send within an hour. Generous: behind one address an office may sit.
FORMS_PER_HOUR = 200
#: Of many people behind one address each chooses once, and may change her mind.
CHOICES_PER_HOUR = 600


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
    accounts: tuple[str, ...] = ()
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
class Measures:
    """`[measures]`: what people vouch for of the whole house. Each word has an end.

    `words` are by those of model.safety.WORDS; `supported` by releases ("OpenSSL 3.0") whose
    faults somebody mends whom no table of ours names.
    """

    words: Mapping[str, Declared] = field(default_factory=lambda: MappingProxyType({}))
    supported: Mapping[str, Declared] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Desk:
    """`[desk]`: whether the staff's console is served, when it works, and what is unusual there.

    `on` None: where it can be served safely. `country` (None: not said), `subdivision` and
    `zone` say whose weekends, public holidays and midnight count. As many as `people` persons or
    `records` records opened by one name within an hour raise an alert; a plan that destroys more
    than `large` rows needs two people; roles are looked at again within `review_days`. A clock
    that stands still goes on by itself after `pause_days`. The public form takes `requests` within
    an hour, and so does that for complaints and that for choices; what comes beyond is shown the
    other ways. `proof` says of which right more is asked to know who asks than terms.proof has,
    `facts` what people may be asked for that: place in the map → question, `login` the address
    at which somebody asks who is logged in to an account of hers (None: there is none). The stamps
    of `mail_servers` say when a mail arrived that is entered.
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
    requests: int = 500
    proof: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    facts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    login: str | None = None
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
    measures: Measures = Measures()
    oidc: Oidc | None = None  # where staff may log in beside here
    drp: Drp | None = None  # agents who may ask in the name of people; None: none may
    gateway: Before = Before()
    origins: Mapping[str, str] = field(default_factory=dict)  # origin → site of the policy
    forms: Mapping[str, Destination] = field(default_factory=dict)  # form → where it is stored
    forms_per_hour: int = FORMS_PER_HOUR  # that one source may send; 0: as many as it likes
    choices_per_hour: int = CHOICES_PER_HOUR  # of visitors; beyond them every no still holds
    imports: Mapping[str, Supply] = field(default_factory=dict)  # import → where, and of whom
    releases: Mapping[str, outgoing.Release] = field(default_factory=dict)  # what goes out to whom

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
        held = {name: one.audiences for name, one in self.networks.items()}
        outgoing.check(self.releases, held, bundle, datamap, self._line)
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
                columns = ", ".join(f"`{name}`" for name in amiss)
                column = f"; `{dataset}` has no {columns}" if amiss else ""
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
                columns = ", ".join(f"`{name}`" for name in amiss)
                column = f"; `{there.name}` has no {columns}" if there is not None else ""
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
        read = loaded = policy_bundle.load(self.bundle)
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
            if not toml.is_choice(value, period=period):
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
        partners = self._partners()
        try:
            return read.filled(
                repr((dict(self.addresses), dict(self.choices), partners)),
                lambda: loaded.with_choices(dict(self.choices)).with_partners(partners),
            )
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
                accounts=self.systems[name].accounts,
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
        return toml.where(self.directory / FILE, word)


def served(bundle: Bundle) -> frozenset[str]:
    """The purposes that activities of the policy serve."""
    return frozenset(activity.purpose for activity in bundle.activities.values())
