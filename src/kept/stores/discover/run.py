"""Discovery from end to end: introspect, profile, infer, explain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from kept.datamap.map import Owner
from kept.stores.discover import categories, names, owners, soft, values
from kept.stores.discover.idioms import Idiom, idiom
from kept.stores.discover.links import Linker
from kept.stores.discover.names import listed
from kept.stores.discover.overlap import Overlap
from kept.stores.discover.profile import profiles as profiled
from kept.stores.discover.shapes import (
    Discovered,
    Discovery,
    Found,
    Profile,
    Question,
    Traced,
    Verdict,
)
from kept.stores.discover.tables import naming, people
from kept.stores.relational import SqlSession, SqlStore

#: By which somebody is reached; by what says which machine it was one would ask about each log.
_REACHES: Final = ("email", "phone")

#: Rows asked of each table unless the caller says otherwise.
SAMPLE: Final = 1000

_MONEY: Final = listed(
    "order invoice payment purchase sale transaction receipt charge refund subscription cart "
    "checkout billing booking rechnung bestellung zahlung auftrag kauf facture commande paiement "
    "achat factura pedido pago compra fattura ordine pagamento acquisto fatura pagamento "
    "factuur bestelling betaling faktura zamowienie platnosc zakup line item detail rental"
)


def discover(
    store: SqlStore,
    *,
    year: int,
    sample: int | None = SAMPLE,
    step: Callable[[str], None] = lambda _: None,
    begin: Callable[[int], None] = lambda _: None,
) -> Discovery:
    """What lies in a database and whose it is, in one reading session; nothing is written.

    `sample`: rows looked at of each table, None: all (values of at most `profile.MOST`; links
    are compared over all). `year` is the present one: it tells dates of birth. `begin` is told
    the number of steps, `step` the name of each as it begins. StoreUnreachable, StoreError.
    """
    tables = {n: t for n, t in store.reflect(None).items() if n != "kept_step"}
    begin(2 * len(tables))
    session = store.session()
    with session:
        tongue = idiom(store.dialect.name)
        found = profiled(session, tongue, tables, sample, year, step)
        return _inferred(session, tongue, found, sample, step)


def _inferred(
    session: SqlSession,
    tongue: Idiom,
    found: Mapping[str, Profile],
    sample: int | None,
    step: Callable[[str], None],
) -> Discovery:
    raws = {
        name: {c.name: categories.raw(p, c) for c in p.table.columns.values()}
        for name, p in found.items()
    }
    mails = {
        name: [
            c for c, one in several.items()
            if one is not None and one.verdict.identifies == "email"
            and found[name].look(c).share("email") > 0.6
        ]
        for name, several in raws.items()
    }  # fmt: skip
    called = naming(found)
    persons = people(found, called)
    linker = Linker(found, called, persons, Overlap(session, tongue, found, sample))
    links: dict[str, list[Found]] = {}
    questions: dict[str, list[Found]] = {}
    for name, profile in found.items():
        step(name)
        sure, perhaps = linker.links(name)
        if not profile.table.view and profile.size != 0:
            kinds = soft.polymorphic(linker, profile)
            taken = {k.columns for k in kinds}
            sure = [*(k for k in sure if k.columns not in taken), *kinds]
            perhaps = [k for k in perhaps if k.columns not in taken]
            sure += soft.documents(linker, profile)
            tied = {k.columns for k in sure if k.to in persons}
            if not tied:
                sure += soft.addresses(linker, profile, mails)
        links[name], questions[name] = sure, perhaps
    owned = owners.ownership(found, links, persons)
    fields = {
        name: _fields(profile, owned, raws[name], linker.main, owned.persons.get(name))
        for name, profile in found.items()
        if not profile.table.view
    }
    traced, dark = _traced(session, tongue, found)
    somebodys = _somebodys(owned, fields)
    said = {root: _of_people(fields[root]) for root in somebodys.values()}
    reached = [r for r in said if any(v.identifies in _REACHES for v in fields[r].values())]
    done: dict[str, Discovered] = {}
    for name, profile in found.items():
        asked = list(owned.questions.get(name, ()))
        for link in questions[name]:
            words = (
                f"does `{', '.join(link.columns)}` lead to `{link.to}`? "
                f"({link.confidence:.0%}: {'; '.join(link.evidence)})"
            )
            asked.append(Question(words, link.columns))
        if profile.table.view:
            shown = _viewed(profile, (traced or {}).get(name, {}), fields, raws[name])
            if name in dark:
                asked.append(Question(f"{dark[name]}: what do its columns show?"))
            done[name] = Discovered(profile, shown, (), None, None, tuple(asked))
            continue
        hers = _fields(profile, owned, raws[name], linker.main, owned.persons.get(name, "owned"))
        leads = _whose(owned, somebodys, said, fields[name], hers, name)
        if _lost(fields[name], leads):
            words = (
                f"its rows {_of_people(fields[name])}, and nothing in it leads to whoever that is:"
                " write `identifies:` at a field by which she is known (a number of hers, a user"
                " name), or a link to rows by which she is found; without it every answer says"
                " that nobody is found there"
            )
            asked.append(Question(words))
        if owned.persons.get(name) is None and profile.size != 0 and not profile.unseen:
            spoken = {c for link in (*links[name], *questions[name]) for c in link.columns}
            asked += soft.unspoken(linker, profile, spoken, reached)
        done[name] = Discovered(
            profile, fields[name], leads, owned.persons.get(name), owned.outcomes.get(name),
            tuple(asked),
        )  # fmt: skip
    unseen = {n: p.unseen for n, p in found.items() if p.unseen}
    left_out = []
    if traced is None:
        left_out.append("views were not traced to their tables")
    if not values.checked():
        left_out.append("check digits of numbers that states give to people were not tried")
    return Discovery(done, sample, unseen, tuple(left_out))


def _somebodys(
    owned: owners.Ownership, fields: Mapping[str, Mapping[str, Verdict]]
) -> dict[str, str]:
    """Datasets whose rows may be somebody's: dataset → the one behind it that says something of
    people, by their addresses or their dates of birth.

    No word says that such a table holds people, as `singer` or `hiker`. Were it taken for granted
    that the rows there are nobody's, what leads to them, however far, would be overlooked in
    silence.
    """
    found = {
        name: name
        for name, several in fields.items()
        if owned.persons.get(name) is None
        and any(
            v.identifies or (v.category and not v.free_text) or v.ask == categories.WHO
            for v in several.values()
        )
    }
    ends = list(found)
    while ends:
        to = ends.pop()
        for name in fields:
            if name in found or owned.persons.get(name) is not None:
                continue
            if any(link.to == to and _may_own(link, name) for link in owned.links.get(name, ())):
                found[name] = found[to]
                ends.append(name)
    return found


def _of_people(fields: Mapping[str, Verdict]) -> str:
    if any(verdict.identifies for verdict in fields.values()):
        return "name people by their addresses"
    held = [f"`{c}`" for c, v in fields.items() if v.category is not None and not v.free_text]
    if not held:
        asked = (f"`{c}`" for c, v in fields.items() if v.ask == categories.WHO)
        return f"may name people ({', '.join(asked)})"
    return f"say something of people ({', '.join(held)})"


def _lost(fields: Mapping[str, Verdict], links: Sequence[Found]) -> bool:
    """Whether rows say something of people, and by nothing that was given one could be found."""
    return (
        any(v.category is not None and not v.free_text for v in fields.values())
        and not any(v.identifies for v in fields.values())
        and all(link.kind is Owner.ACCESSED and not link.ask for link in links)
    )


def _may_own(link: Found, name: str) -> bool:
    return (
        link.kind is Owner.ACCESSED
        and link.ask is None
        and link.basis in ("declared", "inferred")
        and link.role != "handle"
        and link.to != name
    )


def _whose(
    owned: owners.Ownership,
    somebodys: Mapping[str, str],
    said: Mapping[str, str],
    fields: Mapping[str, Verdict],
    hers: Mapping[str, Verdict],
    name: str,
) -> tuple[Found, ...]:
    """The links of a dataset; asked about are those to rows that may be somebody's.

    `fields` is what the dataset holds as rows of nobody, `hers` as rows of a person: where the
    answer makes them hers, what is personal in them then is said with the question. `said`:
    dataset → what its rows say of people.
    """
    more = [
        f"`{column}` ({verdict.category})"
        for column, verdict in hers.items()
        if verdict.category is not None and fields[column].category is None
    ]
    then = "Then write `owned-by`" + (f", and say what it holds: {', '.join(more)}" if more else "")
    done = []
    for link in owned.links.get(name, ()):
        if link.to in somebodys and _may_own(link, name):
            root = somebodys[link.to]
            if root == link.to:
                ask = f"rows of `{root}` {said[root]}: is a row of `{name}` the data of whoever is"
                ask += f" meant there? {then}"
            else:
                ask = f"rows of `{link.to}` may be the data of whoever is meant in `{root}`: are"
                ask += f" those of `{name}`, too? {then}"
            evidence = tuple(one for one in link.evidence if one != owners.NOBODYS)
            link = replace(link, evidence=evidence, ask=ask)
        done.append(link)
    return tuple(done)


def _traced(
    session: SqlSession, tongue: Idiom, found: Mapping[str, Profile]
) -> tuple[Mapping[str, Traced] | None, Mapping[str, str]]:
    """What views show, and why some stay dark; None where the extra `discover` is missing."""
    tables = {name: profile.table for name, profile in found.items()}
    if not any(table.view for table in tables.values()):
        return {}, {}
    try:
        from kept.stores.discover.views import trace
    except ImportError:
        return None, {}
    return trace(tongue.sqlglot, tongue.views(session), tables)


def _fields(
    profile: Profile,
    owned: owners.Ownership,
    raws: dict[str, categories.Raw | None],
    main: str | None,
    person: str | None,
) -> dict[str, Verdict]:
    name = profile.name
    keys: dict[str, Verdict] = {}
    if person in ("person", "staff") and len(profile.table.key) == 1:
        keys[profile.table.key[0]] = Verdict(
            "identifier.account", 0.95, ("the key of a table of people",),
            "account" if name == main else None,
        )  # fmt: skip
    # A column that leads to whom the row belongs to says so, whatever else it may lead to, and
    # in whichever order an engine lists the tables.
    nearest = sorted(owned.links.get(name, ()), key=lambda k: k.kind is Owner.ACCESSED)
    for link in nearest:
        if len(link.columns) != 1 or link.path or link.basis == "email":
            continue
        if link.kind is not Owner.ACCESSED and owned.persons.get(link.to) in ("person", "staff"):
            keys.setdefault(
                link.columns[0],
                Verdict(
                    "identifier.account", link.confidence,
                    (f"leads to `{link.to}`, a table of people",),
                ),
            )  # fmt: skip
        elif link.columns != profile.table.key:
            keys.setdefault(
                link.columns[0], Verdict(None, link.confidence, (f"leads to `{link.to}`",))
            )
    if len(profile.table.key) == 1 and profile.table.columns[profile.table.key[0]].type in (
        "integer", "uuid",
    ):  # fmt: skip
        keys.setdefault(profile.table.key[0], Verdict(None, 0.9, ("the key of its rows",)))
    mixed = person
    if person is None and any(r and r.always and r.verdict.confidence > 0.8
                              and r.verdict.identifies for r in raws.values()):  # fmt: skip
        mixed = "owned"  # a table of addresses that nobody's key leads to
    money = any(not names.stems(w).isdisjoint(_MONEY) for w in names.words(name))
    return categories.verdicts(profile, mixed, raws, keys, money)


def _viewed(
    profile: Profile,
    traced: Traced,
    fields: Mapping[str, Mapping[str, Verdict]],
    raws: dict[str, categories.Raw | None],
) -> dict[str, Verdict]:
    """A view's columns hold what the columns behind them hold."""
    found: dict[str, Verdict] = {}
    for column in profile.table.columns:
        met = [
            (place, fields[place[0]][place[1]])
            for place in traced.get(column, ())
            if place[0] in fields and place[1] in fields[place[0]]
        ]
        personal = [(p, v) for p, v in met if v.category is not None]
        one = raws.get(column)
        if personal:
            _, verdict = max(personal, key=lambda m: m[1].confidence)
            said = ", ".join(f"`{p[0]}.{p[1]}`" for p, _ in personal)
            found[column] = replace(verdict, evidence=(f"shows {said}",))
        elif met:
            said = ", ".join(f"`{p[0]}.{p[1]}`" for p, _ in met)
            found[column] = Verdict(None, met[0][1].confidence, (f"shows {said}",))
        elif one is not None and one.always:
            found[column] = one.verdict
        else:
            found[column] = Verdict(None, 0.6, ("not traced to a table",))
    return found
