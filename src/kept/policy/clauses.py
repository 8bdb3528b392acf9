"""Does the bundle make sense? Everything amiss with it, each with file:line and the fix.

The names of controls come from the caller: this room knows none.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from kept.errors import BundleError
from kept.policy import bundle as reading
from kept.policy import forms as declared
from kept.policy import imports as lists
from kept.policy import messages, versions, visit_checks
from kept.policy.bundle import Bundle
from kept.policy.problem import Problem
from kept.policy.render import resolve
from kept.policy.shapes import Clause, Form, Unit
from kept.policy.textfile import marks
from kept.policy.versions import Published
from kept.policy.yamlfile import close
from kept.terms.regimes import REGIONS
from kept.terms.vocabulary import Kind

# Grounds that an activity may require; those with True name something after a colon.
_GROUNDS: Final = {
    "assessment": True, "citation": True, "consent": True, "contract": False,
    "preference": True, "request": True, "terms": False,
}  # fmt: skip
_WORD: Final = re.compile(r"\w[\w’'&-]*")
# A capital after one of these begins a sentence or a quotation and tells nothing.
_BEGINS: Final = tuple('.!?:([{"“‘«–—')
_STATEMENT_KINDS: Final = {"definition", "scope"}
_STATEMENT_MODES: Final = {"fact", "may", "implied"}


def check(
    bundle: Bundle, control_names: Collection[str], published: Published | None = None
) -> list[Problem]:
    """Everything amiss with a bundle that could be read, by file and line.

    `published` is the last publication of this policy; None means it is a draft.
    """
    found = [
        *_text(bundle),
        *_clauses(bundle, control_names),
        *_words(bundle),
        *_choices(bundle),
        *_activities(bundle),
        *_retention(bundle),
        *_answers(bundle),
        *_recipients(bundle),
        *_links(bundle),
        *_forms(bundle),
        *visit_checks.visits(bundle),
        *visit_checks.trackers(bundle),
        *declared.check(bundle),
        *lists.check(bundle),
        *messages.check(bundle),
        *(versions.changed(bundle, published) if published else ()),
    ]
    return sorted(set(found), key=lambda problem: problem.place)


def check_directory(
    directory: Path | str, control_names: Collection[str], published: Published | None = None
) -> tuple[Bundle | None, list[Problem]]:
    """Read and check: the bundle (None where its files have the wrong form) and the problems."""
    bundle, problems = reading.read(directory)
    return bundle, problems if bundle is None else check(bundle, control_names, published)


def summary(bundle: Bundle | None, problems: Iterable[Problem]) -> dict[str, Any]:
    """The outcome of a check as JSON: how many clauses, what is amiss, what is open."""
    choices = bundle.choices.values() if bundle else ()
    return {
        "clauses": len(bundle.clauses) if bundle else 0,
        "problems": [{"where": p.where, "what": p.what, "fix": p.fix} for p in problems],
        "open": [name for name in bundle.clauses if bundle.status(name) == "open"]
        if bundle
        else [],
        "choices_open": [choice.name for choice in choices if choice.value is None],
        "addresses_open": [link.id for link in bundle.unaddressed] if bundle else [],
    }


def _text(bundle: Bundle) -> Iterator[Problem]:
    known = _known_phrases(bundle)
    for unit in bundle.units:
        where = f"text.md:{unit.line}"
        if not unit.clauses:
            what = f"this {unit.kind} carries no clause"
            yield Problem(where, what, "end it with the ids of the clauses it carries: {#ABC-1}")
        yield from _unknown(bundle, where, unit.clauses)
        for mark in marks(unit.text):
            try:
                resolve(bundle, mark)
            except BundleError as error:
                yield Problem(where, error.what, error.fix or "remove it")
        for word in _capitals(unit, known):
            what = f"{word!r} is written as a defined term or a name, and is neither"
            fix = "write it in lower case, or add it to `glossary` or `names` of vocabulary.yml"
            yield Problem(where, what, fix)


def _capitals(unit: Unit, known: re.Pattern[str]) -> Iterator[str]:
    """Capitalised words of a sentence that are part of no known phrase."""
    if unit.kind not in {"sentence", "bullet"}:
        return
    text = "".join(mark.words if mark.kind == "words" else "x" for mark in marks(unit.text))
    text = known.sub(lambda match: "x" * len(match[0]), text)
    for match in _WORD.finditer(text):
        word, before = match[0], text[: match.start()].rstrip()
        begins = not before or before.endswith(_BEGINS)
        if word[0].isupper() and word != "I" and not begins:
            yield word


def _known_phrases(bundle: Bundle) -> re.Pattern[str]:
    """What may be capitalised in a sentence: terms, names, and what the bundle itself names."""
    phrases = {
        *(name for d in bundle.glossary.values() for name in (d.term, *d.aliases)),
        *bundle.references,
        *bundle.names,
        *bundle.organisation.post,
        bundle.organisation.name,
        bundle.title,
        *(recipient.name for recipient in bundle.recipients.values()),
        *(section.title for section in bundle.sections),
        *(link.words for link in bundle.links.values()),
    }
    longest_first = sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")


def _unknown(bundle: Bundle, where: str, ids: Iterable[str]) -> Iterator[Problem]:
    for name in ids:
        if name not in bundle.clauses:
            fix = f"add it to clauses.yml, or {_near(name, bundle.clauses)}"
            yield Problem(where, f"{name} is no clause of clauses.yml", fix)


def _near(name: str, clauses: Mapping[str, Clause]) -> str:
    """The clauses of its section: numbers have no near spelling. Else the nearest of all."""
    family = [known for known in clauses if known.rpartition("-")[0] == name.rpartition("-")[0]]
    return f"write one of: {', '.join(family)}" if family else close(name, clauses)


def _clauses(bundle: Bundle, control_names: Collection[str]) -> Iterator[Problem]:
    carried = {name for unit in bundle.units for name in unit.clauses}
    for clause in bundle.clauses.values():
        where = f"clauses.yml:{clause.line}"
        problem = functools.partial(Problem, where)
        if clause.id not in carried:
            fix = f"end the sentence that says or implies it with {{#{clause.id}}} in text.md"
            yield problem(f"no sentence carries {clause.id}", fix)
        for name in clause.controls:
            if name not in control_names:
                fix = close(name, control_names)
                yield problem(f"{clause.id} names the control {name}, which is not there", fix)
        refs = [anchor.ref for anchor in clause.sources]
        for anchor in clause.sources[1:]:
            if refs.count(anchor.ref) > 1:
                what = f"{clause.id} is anchored to {anchor.ref} more than once"
                yield Problem(f"clauses.yml:{anchor.line}", what, "keep one of them")
                break
        yield from _status(clause, problem)


def _status(clause: Clause, problem: functools.partial[Problem]) -> Iterator[Problem]:
    name, status = clause.id, clause.status
    if status == "checked" and not clause.controls:
        fix = "name one under `controls`, or set the status to open and say what is missing"
        yield problem(f"{name} is said to be checked, and names no control", fix)
    if status == "open" and not clause.notes:
        fix = "say under `notes` why it is not kept yet, and what is missing"
        yield problem(f"{name} is open and does not say why", fix)
    if status == "gated" and clause.document is None:
        fix = "add `document: {sha256, signer, date}`, or set the status to open"
        yield problem(f"{name} is gated, and no document is named", fix)
    if status == "attested" and clause.attestation is None:
        fix = "add `attestation: {signer, date, expiry}`, or set the status to open"
        yield problem(f"{name} is attested, and nobody is named who attests it", fix)
    for paper in (clause.document, clause.attestation):
        if paper and paper.expiry and paper.expiry <= paper.date:
            fix = "write the day after which it counts no more"
            yield problem(f"the paper of {name} expires before it is signed", fix)
    if status != "statement":
        return
    allowed = clause.mode == "limit" or (
        clause.kind in _STATEMENT_KINDS and clause.mode in _STATEMENT_MODES
    )
    if not allowed:
        what = f"{name} asks something of the system ({clause.mode}, {clause.kind})"
        fix = "a statement is a limit, or a definition or scope that is fact, may or implied: "
        yield problem(what, fix + "set the status to checked, gated, attested or open")
    if clause.controls:
        fix = "set the status to checked, or remove the controls"
        yield problem(f"{name} is a statement, and names controls", fix)


def _words(bundle: Bundle) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for definition in bundle.glossary.values():
        where = f"vocabulary.yml:{definition.line}"
        yield from _unknown(bundle, where, [definition.source])
        for name in (definition.term, *definition.aliases):
            if name in seen:
                what = f"{name!r} is defined twice, under {seen[name]} and {definition.term}"
                yield Problem(where, what, "keep one of them")
            seen[name] = definition.term
    codes = {section.id for section in bundle.sections}
    for reference in bundle.references.values():
        if reference.section not in codes:
            what = f"the reference {reference.words!r} dangles: no section {reference.section}"
            yield Problem(f"vocabulary.yml:{reference.line}", what, close(reference.section, codes))
    used = [activity.purpose for activity in bundle.activities.values()]
    for name, line in bundle.named_purposes.items():
        if not any(bundle.vocabulary.within("purposes", purpose, name) for purpose in used):
            what = f"no activity has the purpose {name}, or one below it"
            fix = "add the activity to activities.yml, or remove the purpose"
            yield Problem(f"vocabulary.yml:{line}", what, fix)


def _choices(bundle: Bundle) -> Iterator[Problem]:
    for choice in bundle.choices.values():
        yield from _unknown(bundle, f"policy.yml:{choice.line}", choice.clauses)
    for region in bundle.regions:
        if region not in REGIONS:
            where = f"policy.yml:{bundle.lines.get('regions', 1)}"
            yield Problem(where, f"{region!r} is no region", close(region, REGIONS))


def _term(
    bundle: Bundle, where: str, kind: Kind, name: str, also: Iterable[str] = ()
) -> Iterator[Problem]:
    tree = bundle.vocabulary.tree(kind)
    if name not in tree and name not in also:
        what = f"the term {name} is not defined among the {kind}"
        fix = f"add it to `{kind}` of vocabulary.yml, or {close(name, {*tree, *also})}"
        if kind == "bases":  # closed by law
            fix = close(name, tree)
        yield Problem(where, what, fix)


def _activities(bundle: Bundle) -> Iterator[Problem]:
    for activity in bundle.activities.values():
        where = f"activities.yml:{activity.line}"
        yield from _unknown(bundle, where, activity.clauses)
        yield from _term(bundle, where, "purposes", activity.purpose)
        for name in activity.categories:
            yield from _term(bundle, where, "categories", name)
        for name in activity.recipients:
            yield from _term(bundle, where, "recipients", name, bundle.recipients)
        if not activity.bases:
            fix = "add `default:` with a basis of GDPR Art. 6 (1)"
            yield Problem(where, f"{activity.id} has no legal basis", fix)
        for region, basis in activity.bases.items():
            if region not in REGIONS and region != "default":
                fix = close(region, {*REGIONS, "default"})
                yield Problem(where, f"{activity.id}: {region!r} is no region", fix)
            yield from _term(bundle, where, "bases", basis)
        for ground in activity.requires:
            yield from _ground(bundle, where, ground)
        if activity.retention not in bundle.retention:
            what = f"{activity.id} names the retention class {activity.retention}, not there"
            fix = f"add it to retention.yml, or {close(activity.retention, bundle.retention)}"
            yield Problem(where, what, fix)


def _ground(bundle: Bundle, where: str, ground: str) -> Iterator[Problem]:
    head, _, rest = ground.partition(":")
    if head not in _GROUNDS:
        yield Problem(where, f"{ground!r} is no ground", close(head, _GROUNDS))
    elif _GROUNDS[head] != bool(rest):
        form = f"{head}:NAME" if _GROUNDS[head] else head
        yield Problem(where, f"{ground!r} is no ground", f"write {form}")
    elif head == "consent":
        yield from _term(bundle, where, "purposes", rest)
    elif head == "assessment" and rest not in bundle.activities:
        what = f"{ground!r} names an activity that is not there"
        yield Problem(where, what, close(rest, bundle.activities))
    elif head == "request":
        yield from _term(bundle, where, "recipients", rest, bundle.recipients)


def _retention(bundle: Bundle) -> Iterator[Problem]:
    for row in bundle.retention.values():
        where = f"retention.yml:{row.line}"
        law = () if row.law is None or row.law.clause is None else (row.law.clause,)
        yield from _unknown(bundle, where, (*row.clauses, *law))
        yield from _term(bundle, where, "categories", row.category)
        for name in (row.keep_choice, row.law.keep_choice if row.law else None):
            if name is not None and name not in bundle.choices:
                what = f"{row.id} leaves its period to the choice {name}, which is not there"
                fix = f"add it to `choices` of policy.yml, or {close(name, bundle.choices)}"
                yield Problem(where, what, fix)


def _answers(bundle: Bundle) -> Iterator[Problem]:
    for region, name in bundle.answers.items():
        if name not in bundle.choices:
            where = f"policy.yml:{bundle.lines['answers']}"
            what = f"`answers` names the choice {name} for {region}, which is not there"
            fix = f"add it to `choices` of policy.yml, or {close(name, bundle.choices)}"
            yield Problem(where, what, fix)


def _recipients(bundle: Bundle) -> Iterator[Problem]:
    for recipient in bundle.recipients.values():
        where = f"recipients.yml:{recipient.line}"
        yield from _unknown(bundle, where, recipient.clauses)
        yield from _term(bundle, where, "recipients", recipient.lane)


def _links(bundle: Bundle) -> Iterator[Problem]:
    for link in bundle.links.values():
        where = f"links.yml:{link.line}"
        yield from _unknown(bundle, where, [link.clause])
        if link.url is None and not link.note:
            fix = "say under `note` why: the original does not give it, say"
            yield Problem(where, f"the link {link.id} leads nowhere and does not say why", fix)


def _forms(bundle: Bundle) -> Iterator[Problem]:
    for form in bundle.forms.values():
        yield from _form(bundle, form, "forms.yml", f"the form {form.id}")
    for one in bundle.imports.values():
        yield from _form(bundle, one.form, "imports.yml", f"the import {one.id}")


def _form(bundle: Bundle, form: Form, file: str, called: str) -> Iterator[Problem]:
    within, where = bundle.vocabulary.within, f"{file}:{form.line}"
    yield from _unknown(bundle, where, form.clauses)
    named = {p for f in form.fields.values() for p in (f.consent, f.purpose) if p}
    for purpose in sorted({*form.purposes, *form.makes.values(), *named}):
        yield from _term(bundle, where, "purposes", purpose)
    if form.activity not in bundle.activities:
        what = f"{called} feeds the activity {form.activity}, which is not there"
        fix = f"add it to activities.yml, or {close(form.activity, bundle.activities)}"
        yield Problem(where, what, fix)
        return
    feeds = declared.feeds(bundle, form)
    asked = [(f.category, f.name, f.line) for f in form.fields.values()]
    for category, name, line in [*asked, *((c, "made by it", form.line) for c in form.makes)]:
        at = f"{file}:{line}"
        known = category in bundle.vocabulary.categories
        yield from _term(bundle, at, "categories", category)
        covered = any(within("categories", category, c) for a in feeds for c in a.categories)
        if known and not covered:
            what = f"{called} asks for {category} ({name}), "
            what += "which none of the activities it feeds names"
            fix = f"add the category to the activity {form.activity}, or remove the field"
            yield Problem(at, what, fix)
