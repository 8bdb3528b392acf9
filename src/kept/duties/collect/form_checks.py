"""Are the forms what they say: nothing taken that is not declared, everything told that has to be?

What was shown is looked at as it is kept, what was stored as it lies in the company's systems.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control, unasked
from kept.datamap.map import Dataset
from kept.decide import form as judging
from kept.decide.form import Why
from kept.decide.lines import Amiss, Reading
from kept.decide.notice import digest
from kept.duties.collect import taking
from kept.duties.collect.importing import PREFIX
from kept.errors import StoreError, UsageError
from kept.model.predicate import And, In, IsNull, Not
from kept.policy.forms import partners
from kept.policy.shapes import Form
from kept.policy.spoken import own, speaking
from kept.terms import ages, regimes
from kept.terms.addresses import web_origin
from kept.terms.words import many

#: What a browser would fill into a field of a type.
_SAMPLES: Final[Mapping[str, str]] = {
    "email": "control@kept.invalid", "tel": "+1 555 0100", "number": "1", "country": "DE",
    "checkbox": "yes", "text": "control", "textarea": "control",
}  # fmt: skip
#: What stands in a column of a list.
LIST_SAMPLES: Final[Mapping[str, str]] = {
    **_SAMPLES, "account": "A-1", "date": "2024-01-31", "textarea": "control",
}  # fmt: skip
#: Names that links and programs add to a form, and no form declares.
_STRAY: Final = ("utm_source", "screen", "referrer")
#: Categories of which a row has its own number, which nobody typed.
_NUMBERS: Final = "identifier"


def _minimal(form: Form) -> list[tuple[str, str]]:
    """What somebody sends who fills in what is needed, and nothing else."""
    found = []
    for name, one in form.fields.items():
        if one.required:
            choices = list(one.options or ())
            found.append((name, choices[0] if choices else _SAMPLES[one.type]))
    return found


def _stamped(controller: Controller) -> Iterator[tuple[str, Dataset, str]]:
    """(system, dataset, field) where the hash of what was shown stands with a row."""
    asked = set(controller.inspect().systems)
    for system in controller.datamap.systems.values():
        for dataset in system.datasets.values():
            for one in dataset.fields.values():
                if one.stamp == "notice" and system.name in asked:
                    yield system.name, dataset, one.name


def _documents(controller: Controller) -> dict[str, Mapping[str, Any]]:
    """Hash → document, of every text that is kept."""
    return {one.notice: one.shown for one in controller.notices.all()}


def _in_force(controller: Controller, form: Form) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(where, document) of a form as it is kept under the version in force, or as it would be
    shown where nobody has sent it yet.
    """
    version = str(controller.bundle.version)
    kept = [
        one for one in controller.notices.all() if (one.form, one.version) == (form.id, version)
    ]
    for one in kept:
        yield f"notice {one.notice[:12]}", one.shown
    if not kept:
        shown = taking.prepared(controller, form.id, "unknown", None)
        yield f"form {form.id}", shown.document


@control("collect.forms-take-what-is-declared")
def forms_take_what_is_declared(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """What a form does not declare is left out; no stored row says more than its form asked, and
    where Kept stores them there are no more rows than the ledger says.
    """
    bundle = controller.bundle
    for form in bundle.forms.values():
        sent = [*_minimal(form), *((name, "control") for name in _STRAY)]
        met = judging.read(bundle, form, sent, "unknown", ages.today_in("unknown", now))
        more = sorted(set(met.values) - set(form.fields))
        if more or met.dropped != len(_STRAY):
            yield Finding(f"form {form.id}", "a field that is not declared is taken")
        yield Looked(1, "forms")
    hashes: dict[str, list[str]] = {}
    for hash_, document in _documents(controller).items():
        hashes.setdefault(str(document["form"]), []).append(hash_)
    stored: list[tuple[str, str, int]] = []
    within = bundle.vocabulary.within
    inspector = controller.inspect()
    for system, dataset, stamp in _stamped(controller):
        where = f"{system}.{dataset.name}"
        try:
            for name, known in hashes.items():
                one = bundle.forms.get(name)
                if one is None:
                    continue
                rows = inspector.count(system, dataset, In(stamp, tuple(known)))
                to = controller.destinations.get(name)
                # A company's own program may make several rows of one form; Kept makes one.
                if to is not None and to.place == (system, dataset.name):
                    stored.append((where, name, rows))
                asked = {*(f.category for f in one.fields.values()), *one.makes}
                for field in dataset.fields.values():
                    category = field.category
                    if category is None or within("categories", category, _NUMBERS) or not rows:
                        continue
                    if any(within("categories", category, c) or within("categories", c, category)
                           for c in asked):  # fmt: skip
                        continue
                    filled = And((In(stamp, tuple(known)), Not(IsNull(field.name))))
                    count = inspector.count(system, dataset, filled)
                    if count:
                        yield Finding(
                            where,
                            f"{count} rows of the form {name} hold {category} (`{field.name}`),"
                            " which it does not ask",
                            "find out which program adds it, and declare it or take it out",
                        )
                if rows:
                    yield Looked(rows, where, system)
        except StoreError as problem:
            yield unasked(where, problem)
    # Rows were counted before: what is taken meanwhile is entered before it is stored.
    if not stored:
        return
    entered = Counter(
        str(entry.body.get("form")) for _, entry in controller.ledger.entries(kind="data.collected")
    )
    for where, name, rows in stored:
        if rows > entered[name]:
            yield Finding(
                where,
                f"{many(rows - entered[name], 'row')} more than the ledger says came by the form"
                f" {name}",
                "find out which program wrote them",
            )


@control("collect.only-what-is-needed-is-required")
def only_what_is_needed_is_required(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """A form with its needed fields alone is taken; nothing is ticked or filled in before; each
    needed field says why, and a consent is never needed.
    """
    bundle = controller.bundle
    for form in bundle.forms.values():
        where = f"form {form.id}"
        for one in form.fields.values():
            if one.ticked or one.value is not None:
                yield Finding(where, f"`{one.name}` is filled in before anybody touched it")
            if one.required and (one.consent or not (one.why or one.demand)):
                yield Finding(where, f"`{one.name}` is needed, and nothing says what for")
        if form.partners and not partners(bundle, form):
            continue  # nobody joins in it: it is not shown, and takes nothing
        try:
            shown = taking.prepared(controller, form.id, "unknown", None)
        except UsageError as problem:
            yield Finding(where, f"it cannot be shown: {problem.what}")
            continue
        least, most = (
            _taken(controller, form, sent, shown, now) for sent in (_minimal(form), _filled(form))
        )
        if not most:
            continue  # it is closed to everybody: an interest that nobody has weighed yet, say
        if not least:
            yield Finding(where, "it is taken with all fields, and not with the needed ones alone")
        yield Looked(len(form.fields), "fields of forms")


def _filled(form: Form) -> list[tuple[str, str]]:
    """What somebody sends who fills in everything."""
    return [
        (n, next(iter(f.options)) if f.options else _SAMPLES[f.type])
        for n, f in form.fields.items()
    ]


def _taken(
    controller: Controller, form: Form, sent: list[tuple[str, str]], shown: taking.Prepared,
    now: dt.datetime,
) -> bool:  # fmt: skip
    """Whether that would be taken of somebody who is not known. Nothing is stored."""
    bundle = controller.bundle
    met = judging.read(bundle, form, sent, "unknown", ages.today_in("unknown", now))
    if met.refused or met.problems:
        return False
    facts = controller.facts(None, now, judging.grounds(bundle, form, met.values))
    return judging.judge(bundle, controller.rules, form, met, facts, shown.asks).taken


@control("collect.only-from-our-sites")
def only_from_our_sites(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every form stands on a site of the policy; what comes from elsewhere is not taken."""
    bundle = controller.bundle
    sites = {web_origin(site) for site in bundle.sites}
    for form in bundle.forms.values():
        where = f"form {form.id}"
        if form.site not in bundle.sites:
            yield Finding(where, "it stands on a site that the policy does not cover")
        host = (web_origin(form.site) or "").partition("://")[2]
        others = [
            None, "null", "", f"https://old.{host}", f"https://{host}.example", f"http://{host}",
            f"https://{host}:8443", f"https://{host}@elsewhere.example", "https://elsewhere.example",
        ]  # fmt: skip
        known = sites | set(controller.origins)
        for origin in others:
            if origin not in known and taking.accepted(controller, form, origin, ()):
                yield Finding(where, "it is taken from a page that is none of the policy's sites")
        yield Looked(len(others), "origins")
    for site in controller.origins.values():
        if site not in bundle.sites:
            yield Finding("kept.toml", "an origin stands for a site that the policy does not cover")


@control("notice.demands-are-told")
def demands_are_told(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Beside each field that a law or a contract asks for stands which, and what follows."""
    for form in controller.bundle.forms.values():
        demanded = [one for one in form.fields.values() if one.demand is not None]
        if not demanded or (form.partners and not partners(controller.bundle, form)):
            continue
        try:
            shown = list(_in_force(controller, form))
        except UsageError as problem:
            yield Finding(f"form {form.id}", f"it cannot be shown: {problem.what}")
            continue
        for where, document in shown:
            beside = {f["name"]: " ".join(f["words"]) for f in document["fields"]}
            for one in demanded:
                assert one.demand is not None
                words = beside.get(one.name, "")
                with speaking(controller.bundle, str(document["language"])):
                    needed = own(one.demand.otherwise)
                if needed not in words or one.demand.citation not in words:
                    yield Finding(
                        where,
                        f"`{one.name}` of the form {form.id} is asked by {one.demand.by}, and what"
                        " follows if it is not given does not stand beside it",
                    )
            yield Looked(len(demanded), "fields that a law or a contract asks for")


@control("notice.interests-are-told")
def interests_are_told(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Whoever sent something that rests on an interest was told which one, and whose it is."""
    texts = _documents(controller)
    counted: dict[tuple[str, str], int] = {}
    for _, entry in controller.ledger.entries(kind="data.collected"):
        body = entry.body
        if body.get("basis") == "legitimate-interest" and "notice" in body:
            key = (str(body["activity"]), str(body["notice"]))
            counted[key] = counted.get(key, 0) + 1
    for (name, hash_), count in counted.items():
        activity, document = controller.bundle.activities.get(name), texts.get(hash_)
        if document is None or activity is None:
            yield Finding("the ledger", f"{count} records, of which nobody can say what was told")
            continue
        interest, told = activity.interest, " ".join(map(str, document["told"]))
        language = str(document["language"])
        if document["version"] != str(controller.bundle.version):
            continue  # an earlier version had its own words
        with speaking(controller.bundle, language):
            said = interest is not None and all(
                own(text) in told for text in (interest.words, interest.whose)
            )
        if not said:
            yield Finding(
                f"notice {hash_[:12]}",
                f"{count} records rest on an interest of `{name}` that was not told",
            )
        yield Looked(count, "records that rest on an interest")


@control("notice.can-be-shown-again")
def can_be_shown_again(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """What was told with each record is there, word by word, and did not change in place."""
    texts = _documents(controller)
    for hash_, document in texts.items():
        if digest(document) != hash_:
            yield Finding(f"notice {hash_[:12]}", "its words are not those that were shown")
    version = str(controller.bundle.version)
    for one in controller.notices.all():
        if one.version != version or one.form not in controller.bundle.forms:
            continue
        try:
            now_shown = taking.prepared(controller, one.form, one.region, one.language).hash
        except UsageError:
            continue
        if now_shown != one.notice:
            yield Finding(
                f"form {one.form}",
                f"it tells something else than notice {one.notice[:12]} did under the same version",
                "publish a new version of the policy for what has changed",
            )
    met = 0
    for _, entry in controller.ledger.entries(kind=("data.collected", "consent.given")):
        hash_ = str(entry.body.get("notice") or entry.body.get("wording") or "")
        # What somebody agreed to elsewhere lies with the row that a list brought; none of ours.
        if hash_ and not str(entry.body.get("source", "")).startswith(PREFIX):
            met += 1
            if hash_ not in texts:
                yield Finding("the ledger", "a record names a notice whose words are not kept")
    yield Looked(met, "records in the ledger")
    inspector = controller.inspect()
    for system, dataset, stamp in _stamped(controller):
        where = f"{system}.{dataset.name}"
        try:
            rows = inspector.count(system, dataset, Not(IsNull(stamp)))
            known = inspector.count(system, dataset, In(stamp, tuple(texts))) if texts else 0
        except StoreError as problem:
            yield unasked(where, problem)
            continue
        if rows - known:
            yield Finding(where, f"{rows - known} rows name a notice whose words are not kept")
        if rows:
            yield Looked(rows, where, system)


@control("notice.partners-are-named")
def partners_are_named(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """A form that gives to partners names each of them, with a link to its own privacy policy."""
    for form in controller.bundle.forms.values():
        if not form.partners:
            continue
        named = partners(controller.bundle, form)
        for one in named:
            if one.policy is None or not one.policy.startswith("https://"):
                yield Finding(
                    f"form {form.id}", f"`{one.id}` is named without a link to its policy"
                )
        if not named:
            continue  # it cannot be shown, and takes nothing
        try:
            shown = list(_in_force(controller, form))
        except UsageError as problem:
            yield Finding(f"form {form.id}", f"it cannot be shown: {problem.what}")
            continue
        for where, document in shown:
            links = {tuple(row) for row in document["partners"]}
            for one in named:
                if (one.name, one.policy) not in links:
                    yield Finding(
                        where, f"`{one.id}` gets what the form {form.id} takes, and is not named"
                    )
            yield Looked(len(named), "partners on forms")


def _told_ages(years: int, late: dt.date, birthday: dt.date) -> tuple[tuple[str, str, bool], ...]:
    """(name of a field, what stands in it, whether it has to be refused)."""
    return (
        ("birth_date", late.isoformat(), True), ("birth_date", birthday.isoformat(), False),
        ("age", str(years - 1), True), ("age", str(years), False),
    )  # fmt: skip


@control("collect.nobody-too-young")
def nobody_too_young(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Of who says that she is too young nothing is taken; what only sounds so waits, and not for
    ever; nothing asks how old somebody is.
    """
    bundle, years = controller.bundle, controller.bundle.minimum_age
    if years is None:
        return
    for region in regimes.REGIONS:
        today = ages.today_in(region, now)
        birthday = regimes.add_months(today, -12 * years)
        late = birthday + dt.timedelta(days=1)
        for form in bundle.forms.values():
            for name, value, refused in _told_ages(years, late, birthday):
                met = judging.read(bundle, form, [*_minimal(form), (name, value)], region, today)
                if (met.refused is Why.AGE) is not refused or (met.values and refused):
                    yield Finding(f"form {form.id}", "an age is not judged by the day it is there")
        yield Looked(len(bundle.forms), "forms")
    for listed in bundle.imports.values():
        cells = [LIST_SAMPLES[c.type] if c.required else "" for c in listed.columns.values()]
        # A list has its own word of where people are; who says nothing has the strictest day.
        region = Reading(bundle, listed, [*listed.columns], now).line(2, cells).region
        birthday = regimes.add_months(ages.today_in(region, now), -12 * years)
        for name, value, refused in _told_ages(years, birthday + dt.timedelta(days=1), birthday):
            # A column that the import does not declare: what it says counts all the same.
            reading = Reading(bundle, listed, [*listed.columns, name], now)
            line = reading.line(2, [*cells, value])
            if (line.why is Amiss.AGE) is not refused or (line.values and refused):
                yield Finding(f"import {listed.id}", "an age is not judged by the day it is there")
        yield Looked(1, "imports")
    for form in bundle.forms.values():
        if any(ages.asks_age(name) for name in form.fields):
            yield Finding(f"form {form.id}", "it asks how old somebody is")
    for system in controller.datamap.systems.values():
        for dataset in system.datasets.values():
            for one in dataset.fields.values():
                if one.category is not None and ages.asks_age(one.name):
                    yield Finding(
                        f"{system.name}.{dataset.name}", f"`{one.name}` holds how old people are"
                    )
    late_ones = [one for one in controller.quarantine.open() if one.expires_at <= now]
    if late_ones:
        yield Finding(
            "quarantine", f"{len(late_ones)} wait although their time is over",
            "run `kept quarantine sweep`; `kept serve` does it by itself",
        )  # fmt: skip
