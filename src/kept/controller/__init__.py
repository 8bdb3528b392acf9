"""The Controller and its one door: every use of personal data passes here.

The controller is the organisation that answers for the data (GDPR Art. 4(7)): a bundle, a
data map, stores, records, a ledger. Its verbs: `decide`, `use`, `audience` (for purposes),
`locate`, `read`, `execute` (for rights), `inspect` (counts, hashes and comparisons, never
values). Stores hand sessions to nobody else.
"""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import NamedTuple

from kept.controller import concerned as concerning
from kept.controller import execute as executing
from kept.controller import isolate as isolating
from kept.controller import locate as locating
from kept.controller import naming, others, passage, reading, staff
from kept.controller import release as releasing
from kept.controller import retained as retaining
from kept.controller import serve as serving
from kept.controller.alike import Alike
from kept.controller.alike import look as look_alike
from kept.controller.anonymise import Anonymity
from kept.controller.beneath import Beneath
from kept.controller.collect import Collecting, Gathering
from kept.controller.concerned import Concerned
from kept.controller.foresee import Foreseen
from kept.controller.inspect import Inspector
from kept.controller.locate import Located
from kept.controller.mentions import Texts
from kept.controller.retained import Retained
from kept.controller.serve import Delivery
from kept.controller.sides import Reader, Says
from kept.custodian import FileCustodian
from kept.database import Connection, Database, at_once
from kept.datamap.check import realised
from kept.datamap.map import DataMap, Link, OnErase, System
from kept.datamap.reach import Place
from kept.decide import compile as compiling
from kept.decide.facts import GROUNDS
from kept.decide.reasons import theirs
from kept.decide.sides import Sides
from kept.decide.ties import Questions, Ties, norm
from kept.decide.use import Rules
from kept.decide.use import use as may
from kept.deployment import (
    Deployment,
    Desk,
    Destination,
    Document,
    Measures,
    Network,
    Release,
    Supply,
)
from kept.errors import Denied, StoreError, UsageError
from kept.keys import Vault
from kept.ledger.entry import Entry, name
from kept.ledger.log import Ledger
from kept.ledger.proof import KeySigner
from kept.model.abilities import Abilities
from kept.model.agents import Drp
from kept.model.decision import Ask, Decision, Facts
from kept.model.plan import Action, Mode, Plan, Step, StepResult, Word
from kept.model.safety import Safety
from kept.model.select import Batch, KeyRow, KeyTable, Select, by_key
from kept.model.surface import Surface
from kept.model.values import Value
from kept.policy.bundle import Bundle
from kept.records.account import Accounts
from kept.records.actor import Actor, Actors
from kept.records.agent import Agents
from kept.records.away import Away
from kept.records.bulk import Bulks
from kept.records.case import Case, Cases
from kept.records.casework import Casework
from kept.records.clock import Clocks
from kept.records.complaint import Complaints
from kept.records.consent import WORDS, Consents
from kept.records.correction import Corrections
from kept.records.declared import SYSTEM
from kept.records.delivery import Deliveries
from kept.records.doubt import Doubts
from kept.records.hold import Holds
from kept.records.identity import Identities
from kept.records.imported import Imports
from kept.records.incident import Incident, Incidents
from kept.records.intake import Intakes
from kept.records.isolated import Opened
from kept.records.known import KnownNames
from kept.records.letter_scan import LetterScans
from kept.records.linked import Links
from kept.records.locator import Held, Locator
from kept.records.mailed import Mailed
from kept.records.notice import Notices
from kept.records.outbox import Outbox
from kept.records.paper import Papers
from kept.records.part import Parts
from kept.records.passed import PassedOn
from kept.records.preference import PreferenceMail
from kept.records.quarantine import Quarantine
from kept.records.recipient import ERASED, Recipients, noted_as
from kept.records.redaction import Redactions
from kept.records.release import Member, Members
from kept.records.reminder import Reminders
from kept.records.scan import Scans
from kept.records.session import Attempts, Sessions
from kept.records.sighting import Sightings
from kept.records.subject import Subjects
from kept.records.suppression import ALL, ERASURE, Suppressions, fact_of
from kept.records.view import MAC, Views
from kept.records.view import NAME as VIEWS
from kept.records.visit import VisitRecords
from kept.records.watch import Watch
from kept.records.worklist import Worklist
from kept.stores.base import Store
from kept.stores.dialects import POSTGRESQL, render
from kept.stores.own import OwnStore
from kept.stores.post import Folder, Post
from kept.stores.provider import Provider
from kept.stores.recipients import Reach
from kept.stores.tasks import Answered, Outcome, Task
from kept.terms import separation
from kept.terms.identifiers import Identifier
from kept.terms.workdays import Workdays
from kept.wire import Statement

__all__ = ["Controller", "Located", "Place", "workdays"]

#: The people whom Kept knows, as a place of the map.
SUBJECT: Place = (SYSTEM.name, "subject")
#: What goes with them, whatever is held: all by which Kept knows somebody, and what she chose.
REGISTRY: frozenset[Place] = frozenset(
    (SYSTEM.name, d.name) for d in SYSTEM.datasets.values()
    if d.name == SUBJECT[1]
    or (d.on_erase is OnErase.DELETE and any(link.to == SUBJECT[1] for link in d.links))
)  # fmt: skip
#: No origins beside those of the sites themselves.
NO_ORIGINS: Mapping[str, str] = MappingProxyType({})
#: No form whose data Kept stores.
NOWHERE: Mapping[str, Destination] = MappingProxyType({})
UNSAID: Mapping[str, Network] = MappingProxyType({})
#: Nothing that goes out to anybody.
NOBODY: Mapping[str, Release] = MappingProxyType({})
#: No list that Kept brings in.
NOTHING: Mapping[str, Supply] = MappingProxyType({})
#: Nothing that strangers may send.
UNLIMITED: Mapping[str, int] = MappingProxyType({})
#: The kind of document by which somebody gives data.
AGREEMENT = "agreement"
#: Kinds of grounds that can arise in the very act asked about (a form that is being sent).
ARISING = frozenset(("consent", "contract", "request", "terms", "preference"))


class Arrival(NamedTuple):
    """Who sends something: whether it came for the first time, whom she is known as, on which
    channels she is suppressed; `new`: the number under which she may be made, and the epoch.
    """

    first: bool
    people: tuple[int, ...]
    refused: frozenset[str]
    new: tuple[int, int] | None


class Controller:
    """The organisation at work. Threads may share it; processes open their own."""

    def __init__(
        self,
        bundle: Bundle,
        datamap: DataMap,
        stores: Mapping[str, Store],
        without: Mapping[str, str],
        database: Database,
        vault: Vault,
        ledger: Ledger,
        *,
        bundle_directory: Path,
        reach: Reach,
        documents: Sequence[Document] = (),
        site_url: str | None = None,
        directory: Path,
        desk: Desk = Desk(),  # noqa: B008 — a value that nobody can change
        post: Post | Folder | None = None,
        drp: Drp | None = None,
        origins: Mapping[str, str] = NO_ORIGINS,
        destinations: Mapping[str, Destination] = NOWHERE,
        supplies: Mapping[str, Supply] = NOTHING,
        provider: Provider | None = None,
        looks: frozenset[str] = frozenset(),
        networks: Mapping[str, Network] = UNSAID,
        outgoing: Mapping[str, Release] = NOBODY,
        measures: Measures = Measures(),  # noqa: B008 — nor this one
        limits: Mapping[str, int] = UNLIMITED,
    ) -> None:
        """`without` names the systems that have no store, with the reason; `directory` is that of
        the deployment; `drp` are the agents that may ask in the name of people, None: none may.
        `looks` are the hosts that may be asked whether a link still leads somewhere; `networks`
        what the operator says of those whom pages call. `limits`: what a source sends → how often
        within an hour, 0: as often as it likes.
        """
        self.bundle_directory, self.directory = bundle_directory, directory
        self.bundle, self.datamap, self.database = bundle, datamap, database
        self.vault, self.ledger, self.site_url = vault, ledger, site_url
        self.surfaces: tuple[Surface, ...] = ()
        #: A specimen in HTML of every kind of letter that Kept sends, by name; the faces name them.
        self.specimens: Callable[[], Sequence[tuple[str, str]]] = tuple
        self.desk = desk
        self._stores, self._without = dict(stores), dict(without)
        self._documents = tuple(documents)
        self._realised, self._looked_into = datamap, set[str]()
        self._foreign_keys: Mapping[Place, tuple[Link, ...]] = {}
        self.rules = bundle.once("rules", lambda: Rules.of(bundle))
        self.subjects = Subjects(database, vault)
        self.identities = Identities(database, vault, self.subjects)
        self.doubts = Doubts(database, vault)
        self.actors = Actors(database)
        self.cases = Cases(database, vault, self.subjects)
        self.bulks = Bulks(database, self.cases)
        self.consents = Consents(database)
        self.visits, self.looks = VisitRecords(database), looks
        self.views = Views(database, vault)
        self.networks = networks
        self.measures, self.limits = measures, limits
        #: What goes out, and who is out there by it.
        self.outgoing, self.members = outgoing, Members(database, vault)
        self.corrections = Corrections(database, vault)
        self.holds = Holds(database, vault)
        self.suppressions = Suppressions(database, vault)
        self.locator = Locator(database, vault)
        self.clocks, self.desk = Clocks(database, vault), desk
        self.workdays = workdays(self.desk, bundle)
        self.recipients, self.reach = Recipients(database, vault), reach
        self.deliveries, self.papers = Deliveries(database, vault), Papers(database, vault)
        self.mailed = Mailed(database)
        self.accounts = Accounts(database, vault)
        self.sessions, self.attempts = Sessions(database, self.accounts), Attempts(database, vault)
        self.links = Links(database, vault, self.accounts)
        #: Where staff may log in beside here; None: nowhere.
        self.provider = provider
        self.watch = Watch(database, vault)
        self.worklist, self.casework = Worklist(database), Casework(database, vault)
        self.intakes, self.outbox = Intakes(database, vault), Outbox(database, vault)
        self.preference_mail = PreferenceMail(database, vault)
        self.letter_scans = LetterScans(database, vault)
        self.sightings = Sightings(database)
        self.scans, self.known_names = Scans(database), KnownNames(database)
        self.incidents = Incidents(database, vault)
        self.redactions = Redactions(database, vault)
        self.passed = PassedOn(database, vault)
        self.parts = Parts(database, vault)
        self.complaints, self.reminders = Complaints(database, vault), Reminders(database)
        self.away = Away(database)
        self.agents, self.drp = Agents(database, vault), drp
        self.notices, self.quarantine = Notices(database), Quarantine(database, vault)
        #: Further origins (scheme, host, port) that stand for sites of the policy.
        self.origins = origins
        #: Form → where Kept stores what it takes.
        self.destinations = destinations
        #: Import → where Kept stores what a list brings, and who may give it.
        self.supplies, self.imports = supplies, Imports(database)
        #: How letters go to people; None where no way is set up.
        self.post = post

    @classmethod
    def open(cls, deployment: Deployment) -> Controller:
        """Open everything that a deployment names. Closing it gives everything back."""
        bundle, datamap = deployment.read_bundle(), deployment.read_map()
        deployment.check(bundle, datamap)
        datamap = datamap.with_texts(bundle.vocabulary)
        database = Database.open(deployment.database, deployment.directory)
        try:
            custodian = FileCustodian(deployment.directory / "keys", deployment.passphrase)
            vault = Vault(database, custodian)
            ledger = Ledger(database, KeySigner(vault.signing_key()), f"kept/{bundle.id}")
            stores, without = deployment.open_stores(datamap)
            own = replace(
                bundle.once("own", lambda: _own(bundle)), country=deployment.own.country,
                owner=deployment.own.owner, declared=deployment.own.declared,
            )  # fmt: skip
            datamap = DataMap({**datamap.systems, own.name: own}, datamap.digest)
            stores[own.name] = OwnStore(
                database, own.datasets.values(), directory=deployment.directory
            )
        except BaseException:
            database.close()
            raise
        return cls(
            bundle, datamap, stores, without, database, vault, ledger,
            bundle_directory=deployment.bundle, documents=deployment.documents,
            reach=Reach(deployment.directory, deployment.recipients),
            site_url=deployment.site_url, directory=deployment.directory, desk=deployment.desk,
            post=deployment.mail.open(deployment.directory) if deployment.mail else None,
            drp=deployment.drp, origins=deployment.origins, destinations=deployment.forms,
            supplies=deployment.imports,
            provider=Provider(deployment.oidc) if deployment.oidc else None,
            looks=deployment.looks, networks=deployment.networks, outgoing=deployment.releases,
            measures=deployment.measures,
            limits={"forms": deployment.forms_per_hour, "choices": deployment.choices_per_hour},
        )  # fmt: skip

    def close(self) -> None:
        """Give back stores and database; may be called twice."""
        for store in self._stores.values():
            store.close()
        self.database.close()

    def __enter__(self) -> Controller:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def day(self, at: dt.datetime) -> dt.date:
        """Which day a moment is at the place of the organisation."""
        return at.astimezone(self.desk.zone).date()

    # — the door ——————————————————————————————————————————————————————————————————————————

    def facts(
        self, person: Identifier | None, now: dt.datetime, arising: Iterable[str] = (),
        *, met: tuple[tuple[int, ...], frozenset[str]] | None = None,
        connection: Connection | None = None,
    ) -> Facts:  # fmt: skip
        """What is known of a person as of `now`, with the organisation's documents in force.

        An identifier that leads to several people gets the impediments of all of them and the
        grounds that every one of them has. `met`: to whom it leads and on which channels it is
        suppressed, where that was asked already (`arriving`), also of somebody without a name here.
        """
        standing = self._standing(now)
        for fact in arising:
            if fact.partition(":")[0] not in ARISING:
                raise UsageError(
                    "a ground that cannot arise in an act was given",
                    expected=f"one of {', '.join(sorted(ARISING))}, with its purpose",
                    met=f"`{fact.partition(':')[0][:40]}`",
                )
            standing.add(fact)
        if person is None and met is None:
            return Facts(frozenset(standing))
        if person is not None and met is None:
            people = self.subjects.find([person])
            channels = frozenset() if people else self.suppressions.channels(person)
        else:
            assert met is not None
            people, channels = met
        if not people:
            return Facts(frozenset(standing | {fact_of(channel) for channel in channels}))
        known = self.consents.facts_of(people, now, connection=connection)
        grounds = frozenset.intersection(*(_grounds(f) for f in known))
        others = frozenset().union(*(f.held - _grounds(f) for f in known))
        unknown = frozenset().union(*(f.unknown for f in known))
        return Facts(grounds | others | standing, unknown, max(f.epoch for f in known))

    def facts_of_many(
        self, people: Sequence[Sequence[Identifier]], now: dt.datetime
    ) -> list[tuple[tuple[int, ...], Facts]]:
        """Of each of these people whom her identifiers lead to, and what is known of her: the
        impediments of all of them, and of those whom nobody knows by her identifiers alone; who was
        erased is `erased`. The grounds are those that every one of them has.
        """
        flat = [(who, one) for who, named in enumerate(people) for one in named]
        found = self.subjects.find_many(people)
        named = [one for _, one in flat]
        more: dict[int, set[str]] = {}
        standings = self.suppressions.standing(named)
        for (who, _), (refused, erased) in zip(flat, standings, strict=True):
            if refused:
                more.setdefault(who, set()).update(map(fact_of, refused), ["erased"] * erased)
        return self._together(found, more, now)

    def facts_of_hashed(
        self, people: Sequence[Sequence[bytes]], now: dt.datetime
    ) -> list[tuple[tuple[int, ...], Facts]]:
        """`facts_of_many`, for who has nothing but the hashes under which suppressions are kept."""
        flat = [(who, mac) for who, macs in enumerate(people) for mac in macs]
        more: dict[int, set[str]] = {}
        for who, channel, source in self.suppressions.hashed_many(flat, now):
            more.setdefault(who, set()).add(fact_of(channel))
            if (channel, source) == (ALL, ERASURE):
                more[who].add("erased")
        found = self.subjects.refusing_many(len(people), flat)
        return self._together(found, more, now)

    def _together(
        self, found: Sequence[tuple[int, ...]], more: Mapping[int, Iterable[str]], now: dt.datetime
    ) -> list[tuple[tuple[int, ...], Facts]]:
        """What is known of people, each of whom is all these subjects; `more`: who → further facts
        of hers.
        """
        standing = frozenset(self._standing(now))
        numbers = sorted({n for one in found for n in one})
        every = self.consents.facts_of(numbers, now) if numbers else []
        known = dict(zip(numbers, every, strict=True))
        nobody = Facts(standing)
        made = []
        for who, subjects in enumerate(found):
            if not subjects and who not in more:
                made.append((subjects, nobody))
                continue
            facts = [known[n] for n in subjects]
            grounds = frozenset.intersection(*map(_grounds, facts)) if facts else frozenset()
            others = frozenset().union(*(f.held - _grounds(f) for f in facts), more.get(who, ()))
            unknown = frozenset().union(*(f.unknown for f in facts))
            epoch = max((f.epoch for f in facts), default=0)
            made.append((subjects, Facts(grounds | others | standing, unknown, epoch)))
        return made

    def agreement(self, source: str, now: dt.datetime) -> Document | None:
        """The agreement in force with whoever gives data; None where there is none."""
        wanted = f"{AGREEMENT}:{source}"
        return next((d for d in self._documents if d.fact == wanted and d.in_force(now)), None)

    def _standing(self, now: dt.datetime) -> set[str]:
        """What the organisation's documents in force make hold; agreements say who, not what."""
        return {
            d.fact for d in self._documents
            if d.in_force(now) and d.fact.partition(":")[0] != AGREEMENT
        }  # fmt: skip

    def decide(
        self,
        ask: Ask,
        person: Identifier | None,
        now: dt.datetime,
        *,
        arising: Iterable[str] = (),
    ) -> Decision:
        """May this be done? The answer is recorded, allowed or denied, with its clauses."""
        return self._passage(ask, self.facts(person, now, arising), now)

    def arriving(
        self, person: Identifier | None, once: str | None, now: dt.datetime,
        connection: Connection, *, joins: bool = False,
    ) -> Arrival:  # fmt: skip
        """Whether something was not sent before, and what has to be known of who sent it: all asked
        in one round trip. With `joins` she may be made in this transaction, by nobody else.
        """
        claim = self.subjects.claimed(person) if joins and person is not None else []
        asked: list[Statement] = [*claim, self.vault.current()] if claim else []
        at = len(asked)
        if person is not None:
            asked += [self.subjects.sought(person), self.suppressions.sought(person)]
        if once is not None:
            asked.append(self.quarantine.first(once, now))
        found = at_once(connection, asked)
        known, refused = found[at : at + 2] if person is not None else ([], [])
        number = found[at - 2][0][0] if claim else None
        people = () if person is None else self.subjects.met(person, known, connection=connection)
        return Arrival(
            once is None or bool(found[-1]), people,
            frozenset(str(row[0]) for row in refused),
            # An epoch that was just left: she is made as anybody else is.
            None if number is None or not found[at - 1] else (number, int(found[at - 1][0][0])),
        )  # fmt: skip

    def note(self, ask: Ask, facts: Facts, decision: Decision, now: dt.datetime) -> None:
        """Record a decision that was made elsewhere by the same rules."""
        rule = self.rules.judge(ask).deciding(self.rules.word(facts))
        self.ledger.append(passage.entry(self.bundle, ask, decision, rule, facts.epoch, now))

    def collect(self, place: Place, row: Mapping[str, Value]) -> Collecting:
        """Add a row that somebody sent; it counts once committed. See `controller.collect`."""
        return Collecting(self.datamap, self._stores, place, row)

    def gather(self, place: Place, mark: str) -> Gathering:
        """Where the lines of a list go. See `controller.collect`."""
        return Gathering(self.datamap, self._stores, place, mark)

    def use(self, ask: Ask, person: Identifier, now: dt.datetime) -> Iterator[tuple[Place, Batch]]:
        """A person's rows for a purpose: only datasets that serve the activity which allowed it,
        and of these only the key and the fields of its categories that may be used so as well.

        Raises Denied. Rows that are retained for another reason are not among them.
        """
        facts = self.facts(person, now)
        decision = self._passage(ask, facts, now)
        if not decision.allow:
            raise Denied(decision.reason, decision.because)
        activity = self.bundle.activities[decision.activity or ""]
        within = self.bundle.vocabulary.within
        allowed = {
            category
            for category in self.bundle.vocabulary.categories
            if any(within("categories", category, c) for c in activity.categories)
            # Each by its own rules: another activity may be stricter about it.
            and may(self.rules, replace(ask, category=category), facts).allow
        }
        found = self.locate([[person]])
        serving = {
            s: tuple(y for x in selects if (y := self._serving(s, x, activity.id, allowed)))
            for s, selects in found.selects.items()
        }
        found.selects = {s: selects for s, selects in serving.items() if selects}
        yield from self.read(found)

    def audience(self, ask: Ask, now: dt.datetime) -> list[int]:
        """Numbers of all known people for whom the Ask is allowed at `now`; drawn in the database.

        Also of a moment that is past: by what held and was known then.
        """
        standing = frozenset(self._standing(now))
        digests = ("\n".join(self.rules.facts), repr(sorted(standing)))
        rules = ":".join(hashlib.sha256(one.encode()).hexdigest()[:32] for one in digests)
        self.consents.refresh(
            lambda f: self.rules.word(Facts(f.held | standing, f.unknown, f.epoch)), rules, now
        )
        where, parameters = render(compiling.compile(self.rules, ask, WORDS), POSTGRESQL)
        with self.database.connection() as connection:
            # Bits of other rules or moments, which somebody else may just have made, are no answer.
            rows = connection.execute(
                f"SELECT subject FROM subject_facts WHERE ({where}) AND rules = %s"
                " AND good_from <= %s AND (good_until IS NULL OR good_until > %s) ORDER BY subject",
                [*parameters, rules, now, now],
            ).fetchall()
        entry = Entry("audience.drawn", now, {"purpose": name(ask.purpose), "people": len(rows)})
        self.ledger.append(entry)
        return [int(row[0]) for row in rows]

    def release(
        self, what: Release, clock: Callable[[], dt.datetime]
    ) -> Iterator[list[releasing.Candidate]]:
        """The people of a release, each judged as she is when her turn comes: whom the door lets
        go to this recipient, with what goes, and of the others why not. What goes is recorded by
        who sends it, person by person; see `controller.release`.
        """
        activity, dataset = self.bundle.activities[what.activity], self.datamap.dataset(*what.place)
        wanted = releasing.asks(
            activity, what.to, what.context or activity.contexts[0],
            releasing.categories(dataset, what),
        )  # fmt: skip
        return releasing.candidates(
            self.datamap, self._stores, self.locator.veil(), what, wanted,
            lambda people: self.facts_of_many(people, clock()), self._lets_go,
        )  # fmt: skip

    def may_keep(self, out: Sequence[Member], now: dt.datetime) -> list[str]:
        """Of each who is out there: why whoever has her data may not keep it; empty: it may."""
        known = self.facts_of_hashed([one.macs for one in out], now)
        found = []
        for one, (_, facts) in zip(out, known, strict=True):
            wanted = [Ask(one.purpose, c, one.context, one.recipient) for c in one.categories]
            found.append(self._lets_go(wanted, facts)[0])
        return found

    def _lets_go(self, wanted: Sequence[Ask], facts: Facts) -> tuple[str, str]:
        """(the kind of rule by which one of these is denied, the legal basis)."""
        basis = ""
        for ask in wanted:
            decision = may(self.rules, ask, facts)
            if not decision.allow:
                return self.rules.judge(ask).deciding(self.rules.word(facts)), ""
            basis = decision.basis or ""
        return "", basis

    def together(
        self, people: Sequence[Sequence[Identifier]], *, whole: bool
    ) -> tuple[Controller, Foreseen]:
        """For requests of these people, one after the other: this Controller with a memory.

        Their rows are asked for at once; each has her turn (`Foreseen.turn`), in which she is
        answered as she would be alone. `whole`: rows are to be shown, not only counted.
        """
        asked = {
            name: store
            for name, store in self._stores.items()
            # What Kept itself holds changes with every request.
            if name != SYSTEM.name and not store.abilities.word
        }
        seen = Foreseen(
            self.datamap, asked, self.locator.veil, self.bundle.vocabulary, people, whole=whole
        )
        view = copy.copy(self)
        view._stores = {**self._stores, **seen.stores}
        view._looked_into = set(self._looked_into)
        return view, seen

    # — rights ————————————————————————————————————————————————————————————————————————————

    def locate(
        self,
        people: Sequence[Sequence[Identifier]],
        known: Mapping[Place, KeyTable] | None = None,
        values: Mapping[Place, KeyTable] | None = None,
    ) -> Located:
        """Where the people's rows are, over all systems of the map; Kept's own among them.

        `values` are those of an earlier search for the same people (`Located.values`).
        """
        seeds = dict(known or {})
        numbers = self.subjects.find_many(people)
        rows = tuple((who, (n,)) for who, found in enumerate(numbers) for n in found)
        if rows:
            seeds[SUBJECT] = KeyTable(("subject",), rows)
        # Views of pages stand under a keyed hash of the cookie: of who is known by it alone, too.
        viewed = tuple(
            (who, (self.views.mac(one),))
            for who, named in enumerate(people) for one in named if one.kind == "cookie"
        )  # fmt: skip
        if viewed:
            seeds[SYSTEM.name, VIEWS] = KeyTable((MAC,), viewed)
        return locating.locate(self.datamap, self._stores, self._without, people, seeds, values)

    def keys(self, found: Located, *, retained: bool = False) -> dict[Place, KeyTable]:
        """The keys of the rows found, without those that are retained (the locator has them), or
        with them.
        """
        if retained:
            return locating.keys(self._stores, found)
        return locating.shown(self.locator.veil(), self._stores, found)

    def retained(self, case: Case, people: Sequence[Sequence[Identifier]]) -> Retained:
        """What is retained of the people of a case, by the locator; Denied for people of others."""
        held = self.locator.find(case, people)
        return self.still(held) if held else Retained()

    def still(self, held: Held) -> Retained:
        """What of the rows that the locator names is there as it was."""
        return retaining.still(self.locator.veil(), self.datamap, self._stores, held)

    def isolate(self, case: Case | None, steps: Iterable[Step], now: dt.datetime) -> None:
        """Seal what the rows of isolating steps say, before they are written over."""
        number = case.number if case else None
        steps = [s for s in steps if self.datamap.systems[s.system].mode is not Mode.OBSERVE]
        isolating.seal(self.locator, self.datamap, self._stores, number, steps, now)

    @property
    def anonymity(self) -> Anonymity:
        """What is done to make rows nobody's, and the proof that they are."""
        return Anonymity(self.datamap, self._stores, self.realised)

    @property
    def texts(self) -> Texts:
        """Texts of others, in which people may be named."""
        return Texts(self.datamap, self._stores, self.locator.veil, self.bundle.vocabulary)

    def covering(
        self, people: Sequence[Sequence[Identifier]], own: Mapping[Place, KeyTable]
    ) -> others.Covering:
        """What covers other people in her rows, for one answer; `own` are all rows of hers."""
        organisation = self.bundle.organisation
        return others.covering(
            self.datamap, self._stores, people, own, (organisation.email,), organisation.country,
            self.bundle.vocabulary,
        )  # fmt: skip

    def known(
        self, runs: Iterable[tuple[str, ...]]
    ) -> tuple[list[tuple[str, str]], dict[str, str]]:
        """Which of these runs of words are names of people that the systems know; who is away."""
        return others.known(self.datamap, self._stores, runs, self.bundle.vocabulary, SYSTEM.name)

    def isolation(self) -> Iterator[isolating.Sealing]:
        """For every dataset with retained rows: what of them can be read, and by whom; counts."""

        def door(place: Place, table: KeyTable) -> Iterator[Mapping[str, Value]]:
            found = Located((), {place[0]: (by_key(place[1], table),)})
            for _, batch in self.read(found):
                yield from (dict(zip(batch.columns, row, strict=True)) for row in batch.rows)
            for _, why in found.unreached.items():
                raise StoreError(why)

        yield from isolating.look(self.locator, self.datamap, self._stores, door)

    def witness(self, case: Case, steps: Iterable[Step], connection: Connection) -> None:
        """Remember what the rows of these steps say by which they are known again later."""
        for step in steps:
            dataset = self.datamap.dataset(step.system, step.dataset)
            place = (step.system, step.dataset)
            rows = list(retaining.read(self._stores, place, step.keys).values())
            self.locator.witness(case, step.system, dataset, rows, connection=connection)

    def read(
        self,
        found: Located,
        retained: Mapping[Place, KeyTable] | None = None,
        opened: Opened | None = None,
        *,
        mark: str = "",
    ) -> Iterator[tuple[Place, Batch]]:
        """The rows themselves, streamed; retained rows only where `retained` names them, and
        isolated ones as they were only where `opened` holds their copies. `mark` is the case for
        which is read: people who answer for a system are asked once for it.

        Batches of one dataset come in turn. A system that fails moves to `found.unreached`,
        and what came of it before is not complete.
        """
        return reading.rows(
            self.datamap, self._stores, self.locator.veil(), found, retained or {}, opened, mark
        )

    def count(self, found: Located) -> dict[Place, int]:
        """Distinct rows per dataset, counted by the stores (retained ones included)."""
        counted: dict[Place, int] = {}
        for system, selects in found.selects.items():
            with self._stores[system].session() as session:
                for select, rows in zip(selects, session.count(selects), strict=True):
                    counted[(system, select.dataset)] = rows
        return counted

    def answer(
        self, questions: Questions
    ) -> tuple[dict[Place, dict[tuple[Value, ...], Value]], Ties]:
        """Dates and ties that a plan has to know, read from the stores. For planning only."""
        dates: dict[Place, dict[tuple[Value, ...], Value]] = {}
        ties: dict[str, Mapping[str, KeyTable]] = {}
        for system in sorted({*questions.dates, *questions.references}):
            with self._stores[system].session() as session:
                if system in questions.dates:
                    dates.update(questions.dated(system, session.read(questions.dates[system])))
                if system in questions.references:
                    ties[system] = session.keys(questions.references[system])
        return dates, questions.ties(ties)

    def sides(
        self,
        datamap: DataMap,
        found: Mapping[Place, KeyTable],
        own: Mapping[Place, KeyTable],
        selects: Mapping[str, Sequence[Select]] | None = None,
        says: Says | None = None,
    ) -> Sides:
        """Which of the rows `found` are somebody else's as well, beside those whose rows are `own`;
        `selects`: how these were found, or, where that is not known any more, what `says` whose
        they are. For planning only.
        """
        reader = Reader(
            datamap, self._stores, self.locator.veil, own, selects or {}, self._foreign_keys, says
        )
        return reader.look(found)

    def her_part(self, located: Located, place: Place, table: KeyTable, name: str) -> KeyTable:
        """Those of her rows in which a field is not that of another whose row it is as well."""
        reader = Reader(
            self.datamap, self._stores, self.locator.veil, {}, located.selects, self._foreign_keys
        )
        return reader.part(place, table, name)

    def left_to_others(
        self, steps: Iterable[Step]
    ) -> tuple[dict[Place, KeyTable], dict[Place, KeyTable], dict[str, str]]:
        """The rows that these steps left to somebody else, as far as they are there; those of them
        that are nobody's by now, because somebody else went at the same time; and which systems
        could not be asked, and why.
        """
        rows: dict[Place, list[KeyRow]] = {}
        for s in steps:
            if s.reason is not None and theirs(s.reason.words):
                rows.setdefault((s.system, s.dataset), []).extend(s.keys.rows)
        tables = {
            place: KeyTable(self.datamap.dataset(*place).key, tuple(keys))
            for place, keys in rows.items()
            if place[0] in self._stores and place[1] in self.datamap.systems[place[0]].datasets
        }
        reader = Reader(self.datamap, self._stores, self.locator.veil, {}, {}, self._foreign_keys)
        return reader.there(tables)

    def foreign_keys(self) -> Mapping[Place, tuple[Link, ...]]:
        """The real foreign keys of all systems that were looked into (`realised`), as links."""
        return self._foreign_keys

    def realised(self, systems: Iterable[str]) -> DataMap:
        """The map with what the engines themselves say of these systems (NOT NULL, keys).

        Looked up once per system for the life of the Controller.
        """
        new = [s for s in sorted(systems) if s not in self._looked_into]
        if new:
            real = dict(self._realised.systems)
            links = dict(self._foreign_keys)
            for system in new:
                there = list(self._stores[system].datasets())
                real[system] = realised(real[system], there)
                links.update({(system, d.name): d.links for d in there})
            self._realised = DataMap(real, self.datamap.digest)
            self._foreign_keys = links
            self._looked_into.update(new)
        return self._realised

    def identifiers(
        self, found: Mapping[Place, KeyTable], given: Sequence[Sequence[Identifier]] = ()
    ) -> list[tuple[int, Identifier]]:
        """(person, identifier) of all that the rows themselves say of whose they are; `given` is
        by what they are known.

        For the person's own case only: by these she is found again, and not written to again.
        """
        return naming.identifiers(self.datamap, self._stores, found, given)

    def spelt(
        self, found: Mapping[Place, KeyTable], given: Sequence[Sequence[Identifier]]
    ) -> list[tuple[int, str, str]]:
        """(person, kind, text) of the same, letter by letter, and of what links to it; `given` is
        by what they are known.
        """
        return naming.spelt(self.datamap, self._stores, found, along=True, given=given)

    def naming(
        self, place: Place, keys: KeyTable, fields: tuple[str, ...]
    ) -> Iterator[tuple[str, Value]]:
        """(field, value) of these rows. To see whether they name one person; never shown."""
        return naming.values(self._stores, place, keys, fields)

    def alike(
        self, people: Sequence[Sequence[Identifier]], own: Mapping[Place, KeyTable],
        before: Sequence[Sequence[Identifier]] = (),
        called: Sequence[tuple[int, tuple[str, ...]]] = (),
    ) -> Alike:  # fmt: skip
        """Rows that may be the people's and were not found for them: places, never values."""
        return look_alike(
            self.datamap, self._stores, self.locator.veil(), self.bundle.vocabulary.is_name,
            people, own, before, called,
        )  # fmt: skip

    @property
    def abilities(self) -> dict[str, Abilities]:
        """What the store of each system can do, as data for the planner."""
        return {system: store.abilities for system, store in self._stores.items()}

    def execute(
        self,
        plan: Plan,
        *,
        mark: str,
        done: Mapping[int, StepResult],
        record: executing.Recorder,
    ) -> list[executing.Outcome]:
        """Carry out a plan whose keys are sealed; see `controller.execute`.

        What counts is the mode that a system has now, not the one it had when this was planned.
        """
        now = {name: system.mode for name, system in self.datamap.systems.items()}
        systems = tuple(replace(p, mode=now.get(p.system, p.mode)) for p in plan.systems)
        plan = replace(plan, systems=systems)
        return executing.execute(
            plan, self.datamap, self._stores, mark=mark, done=done, record=record
        )

    def noted(
        self, actor: Actor, what: Iterable[str], records: int, now: dt.datetime, *,
        connection: Connection,
    ) -> list[Entry]:  # fmt: skip
        """Note whom somebody of the staff opens; see `controller.staff`."""
        return staff.noted(
            self.watch, self.accounts, self.desk, actor, what, records, now, connection
        )

    def approving(self, case: Case, actor: Actor, rows: int, *, draws: bool = False) -> None:
        """Refuse an approval that takes another person; see `controller.staff`."""
        staff.approving(self.cases, self.desk, case, actor, rows, draws=draws)

    def stands_against(self, case: Case, who: str, rows: int, *, draws: bool = False) -> str:
        """Why somebody may not approve the plan of a case; empty where he may."""
        return staff.stands_against(self.cases, self.desk, case, who, rows, draws=draws)

    def did(self, case: Case) -> list[separation.Did]:
        """What was done in a case so far, by whom."""
        return staff.did(self.cases, case)

    def alone(
        self, case: Case | None, actor: Actor, rows: int, verb: str, reason: str,
        now: dt.datetime, *, connection: Connection,
    ) -> list[Entry]:  # fmt: skip
        """Alert officers that somebody did alone what takes two people; see `controller.staff`.

        Denied for who may not in an emergency either, and without a reason.
        """
        if not reason.strip():
            raise Denied("it is not said why it could not wait for another person")
        did = [] if case is None else staff.did(self.cases, case)
        if why := separation.never(actor.name, did):
            raise Denied(f"this takes another person, whatever the emergency: {why}")
        return staff.alone(
            self.watch, self.accounts, case, actor, rows, verb, self.digest(reason.encode()), now,
            connection,
        )  # fmt: skip

    def turned_away(self, what: str, came: int, now: dt.datetime) -> None:
        """Alert officers, once an hour, that a public form (`what`, as records.watch names them)
        turns people away, so many having come within an hour. Of nobody anything is kept.
        """
        with self.database.connection() as c:
            actor = self.actors.of("by herself", "person", now, connection=c)
            if self.watch.flooded(actor, came, now, connection=c, what=what):
                body = {"what": what, "people": came, "records": 0, "actor": name(actor.role)}
                self.ledger.append_in(c, [Entry("alert.raised", now, body)])

    def digest(self, data: bytes) -> str:
        """A keyed hash (64 hex digits) for the ledger of what else could be guessed from it:
        plans with their row keys, words of people. Comparable within this deployment only.
        """
        return self.vault.mac("ledger", data).hex()

    def written_before(self, step: Step) -> frozenset[tuple[Value, ...]]:
        """Keys (normalised) of rows that hold already what an overwriting step would put there."""
        return executing.written_before(self._stores[step.system], self.datamap, step)

    def silent(self) -> dict[str, str]:
        """System → class of the error, of those that do not answer now; nothing is read."""
        found = {}
        for system, store in self._stores.items():
            try:
                with store.session():
                    pass
            except StoreError as problem:
                found[system] = type(problem).__name__
        return found

    # — what people do ————————————————————————————————————————————————————————————————————

    def word(self, system: str, dataset: str, action: Action, mark: str) -> Word:
        """What people said of a step of the case `mark`, where only they can do it."""
        with self._stores[system].session() as session:
            return session.word(dataset, action, mark)

    def settle(self, mark: str) -> None:
        """The case is complete: stores give up what they kept for it alone."""
        for store in self._stores.values():
            store.settle(mark)

    def tasks(self) -> list[Task]:
        """What people were asked to do and have not been let off, oldest first."""
        self._catch_up()
        return serving.tasks(serving.served(self._stores, self.reach))

    def deliver(self, now: dt.datetime) -> Delivery:
        """Send the letters that wait, and reminders where an answer is late."""
        self._catch_up()
        return serving.deliver(serving.served(self._stores, self.reach), now)

    def let_off(self, tasks: Iterable[Task]) -> None:
        """Give up tasks that nobody has to do any more, with their letters."""
        for task in tasks:
            for one in serving.served(self._stores, self.reach):
                if one.system == task.system and one.folder.get(task.id) is not None:
                    one.let_off(task)

    def answer_task(self, id_: str, answer: Answered, role: str) -> Task:
        """Record what a person says became of a task; its entry holds no words of hers."""
        self.enter_answers()
        return serving.answer(
            serving.served(self._stores, self.reach), id_, answer, role,
            lambda task: self._entered(task, answer, role),
        )  # fmt: skip

    def enter_answers(self) -> None:
        """Enter what people said where whoever recorded it was stopped before that."""
        all_ = serving.served(self._stores, self.reach)
        serving.enter_left(all_, self.ledger, self._entered)

    def _entered(self, task: Task, answer: Answered, role: str) -> None:
        with self.database.connection() as connection:
            noted = noted_as(task)
            if noted is not None:
                self.recipients.answered(
                    task.case, noted, answer.outcome.value, answer.at, connection=connection
                )
            self.ledger.append_in(connection, [serving.entry(task, answer, role)])
            if noted is not None:
                actor = self.actors.of(answer.by, role, answer.at, connection=connection)
                self.recipients_settled(task.case, actor, answer.at, connection)

    def recipients_settled(
        self, case: str, actor: Actor, now: dt.datetime, connection: Connection
    ) -> bool:
        """Close a case that waited for recipients, or for what is made anew, where each has
        answered or was brought before the officers, with how that came out; whether it is closed
        by this.
        """
        found = self.recipients.outcomes(case, connection=connection)
        if found is None:
            return False
        closed = self.cases.over(case, actor, now, connection=connection)
        if closed is None:
            return False
        counts = Counter(found)
        body = {
            "case": case, "right": closed.right,
            "done": counts[Outcome.DONE] + counts[Outcome.NOTHING] + counts[ERASED],
            "cannot": counts[Outcome.CANNOT], "left": counts[Outcome.LEFT],
            "escalated": counts[None],
        }  # fmt: skip
        self.ledger.append_in(connection, [Entry("recipients.settled", now, body)])
        return True

    def _catch_up(self) -> None:
        """Do what a machine that stopped left undone between a record and its file."""
        serving.write_down(self.recipients, self.reach, self._stores)
        self.enter_answers()

    def forget_tasks(self, mark: str) -> None:
        """Give up everything that people were asked and answered for a case."""
        self.enter_answers()
        for one in serving.served(self._stores, self.reach):
            one.forget(mark)

    # — looking ———————————————————————————————————————————————————————————————————————————

    def inspect(self) -> Inspector:
        """Counts, hashes and comparisons of rows for controls and discovery."""
        return Inspector(
            self.datamap,
            # Who can only be asked by letter cannot be looked into.
            {name: one for name, one in self._stores.items() if not one.abilities.word},
            lambda people: self.keys(self.locate(people)),
            self.locator.veil().hidden,
            lambda people, own, place: {
                norm(m.key) for m in self.texts.mentions(people, own).found if m.place == place
            },
            self._rehearsed,
        )

    def concerned(self, incident: Incident) -> Concerned:
        """Whom an incident hit, as the stores say today: counts, and keyed references."""

        def refer(text: str) -> str:
            return self.vault.mac("incident", f"{incident.id}\x00{text}".encode())[:8].hex()

        places = [(p.system, p.dataset, p.fields) for p in incident.places]
        return concerning.look(self.datamap, self._stores, self._without, places, refer)

    def _rehearsed(
        self, people: Sequence[Sequence[Identifier]]
    ) -> Iterator[tuple[Place, Sequence[str], Sequence[Sequence[Value]]]]:
        """What an answer would hand out, to look into: (place, columns, rows)."""
        found = self.locate(people)
        own = self.keys(found)
        covering = self.covering(people, own)
        for place, batch in self.read(found):
            yield place, batch.columns, covering.rows(place, batch.columns, batch.rows)
        for one in self.texts.mentions(self.texts.known_by(people, own), own).found:
            texts = [(covering.text(one.place, text, masked),) for text, masked in one.passages]
            yield one.place, ("passage",), texts

    def safety(self) -> dict[str, Safety | StoreError]:
        """System → what its store says of its place: nothing where there is no store, and the
        problem where it does not answer.
        """
        found: dict[str, Safety | StoreError] = {}
        for system in self.datamap.systems:
            try:
                store = self._stores.get(system)
                found[system] = store.safety() if store is not None else Safety()
            except StoreError as problem:
                found[system] = problem
        return found

    @property
    def beneath(self) -> Beneath:
        """What stores find beneath their rows."""
        return Beneath(self.datamap, self._stores)

    def _serving(
        self, system: str, select: Select, activity: str, allowed: Container[str]
    ) -> Select | None:
        """The Select with what of it serves the activity; None where nothing does."""
        dataset = self.datamap.dataset(system, select.dataset)
        fields = [f.name for f in dataset.fields.values() if f.category in allowed]
        if activity not in dataset.activities or not fields:
            return None
        return replace(select, fields=tuple(dict.fromkeys((*dataset.key, *fields))))

    def _passage(self, ask: Ask, facts: Facts, now: dt.datetime) -> Decision:
        """The judgement, with its entry."""
        decision = may(self.rules, ask, facts)
        self.note(ask, facts, decision, now)
        return decision


def _own(bundle: Bundle) -> System:
    """Kept itself as a system of the map; its tables serve the activities that carry out rights."""
    rights = tuple(a.id for a in bundle.serving("rights"))
    datasets = {n: replace(d, activities=rights) for n, d in SYSTEM.datasets.items()}
    events = bundle.visits.events
    if events is not None and (activity := bundle.activities.get(events.activity)):
        datasets[VIEWS] = replace(
            datasets[VIEWS], activities=(activity.id,), retention=activity.retention
        )
    return replace(SYSTEM, datasets=datasets)


def _grounds(facts: Facts) -> frozenset[str]:
    return frozenset(f for f in facts.held if f.partition(":")[0] in GROUNDS)


def workdays(desk: Desk, bundle: Bundle) -> Workdays:
    """Those of the place that kept.toml names, else of the country that the policy names."""
    if desk.country is not None:
        return Workdays.at(desk.country, desk.subdivision)
    try:
        return Workdays.at(bundle.organisation.country)
    except UsageError:
        return Workdays()
