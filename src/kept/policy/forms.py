"""The forms of a bundle: whom they name, what they feed, and what is amiss with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from kept.policy.bundle import Bundle
from kept.policy.problem import Problem
from kept.policy.shapes import Activity, Form, FormField, Recipient, Text, said
from kept.policy.yamlfile import close
from kept.terms.ages import asks_age

#: Lanes of those who use what they get for themselves; of one that joins in a campaign a form
#: names everybody, with a link, and of the other where people are asked whether it may have it.
_TOGETHER: Final = "co-marketing"
_PARTNER: Final = "partner"
_INTEREST: Final = "legitimate-interest"
_BIRTH: Final = ("https://w3id.org/dpv/pd#BirthDate", "https://w3id.org/dpv/pd#Age")


def partners(bundle: Bundle, form: Form) -> tuple[Recipient, ...]:
    """Those whom a form names: of its lanes, who stands on it or on all; and its recipients."""
    within = bundle.vocabulary.within
    return tuple(
        r
        for r in bundle.recipients.values()
        if r.id in form.partners
        or (
            any(within("recipients", r.lane, lane) for lane in form.partners if lane not in (r.id,))
            and (not r.forms or form.id in r.forms)
        )
    )


def feeds(bundle: Bundle, form: Form) -> list[Activity]:
    """The activities that a form feeds: its own, and those for the purposes that it names."""
    asked = {*form.purposes, *form.makes.values(), *([form.consent] if form.consent else [])}
    for field in form.fields.values():
        asked |= {p for p in (field.consent, field.purpose) if p}
    own = [bundle.activities[form.activity]] if form.activity in bundle.activities else []
    return own + [
        a
        for a in bundle.activities.values()
        if a.purpose in asked
        and a.id != form.activity
        and {"any", form.context} & {*a.contexts, *(["any"] if form.context == "any" else [])}
    ]


def check(bundle: Bundle) -> Iterator[Problem]:
    """What is amiss with the forms beyond their words: what people would not be told, or be made
    to say.
    """
    paths: dict[tuple[str, str], str] = {}
    for form in bundle.forms.values():
        where = f"forms.yml:{form.line}"
        if form.site not in bundle.sites:
            what = f"the form {form.id} stands on a site that policy.yml does not list"
            yield Problem(where, what, close(form.site, bundle.sites))
        first = paths.setdefault((form.site, form.path), form.id)
        if first != form.id:
            what = f"the form {form.id} stands where {first} stands"
            yield Problem(where, what, "give it another path, or keep one of them")
        own = bundle.activities.get(form.activity)
        if own and form.context != "any" and not {"any", form.context} & {*own.contexts}:
            what = f"the form {form.id} says it is filled in at {form.context}, where the activity"
            yield Problem(
                where, f"{what} {own.id} collects nothing", close(form.context, own.contexts)
            )
        if form.consent and {*form.purposes, form.consent} != {form.consent}:
            what = f"sending the form {form.id} is a consent, and it has other purposes beside"
            fix = "write `purposes: [" + form.consent + "]`, or make the consent a box to tick"
            yield Problem(where, what, fix)
        yield from _told(bundle, form, where)
        yield from _languages(bundle, where, f"the form {form.id}", [form.title])
        for field in form.fields.values():
            yield from _asked(bundle, form, field)


def _told(bundle: Bundle, form: Form, where: str) -> Iterator[Problem]:
    """Interests and partners: what has to be named before anything is sent."""
    within = bundle.vocabulary.within
    for activity in feeds(bundle, form):
        at = f"activities.yml:{activity.line}"
        if _INTEREST in activity.bases.values() and activity.interest is None:
            what = f"the form {form.id} rests on an interest, and {activity.id} does not say which"
            fix = "add `interest: {words: …, whose: …}`: what it is, and whose"
            yield Problem(at, what, fix)
        if activity.interest is not None:
            texts = (activity.interest.words, activity.interest.whose)
            yield from _languages(bundle, at, f"the interest of {activity.id}", texts)
        for lane in activity.recipients:
            asked = set(activity.bases.values()) == {"consent"}
            if not within("recipients", lane, _TOGETHER) and not (
                asked and within("recipients", lane, _PARTNER)
            ):
                continue
            if not any(within("recipients", lane, one) for one in form.partners):
                what = f"{activity.id} gives what the form {form.id} asks to {lane}, and the form"
                fix = f"add `partners: [{lane}]`, so that each is named before anything is sent"
                yield Problem(where, f"{what} names nobody", fix)
    known = {*bundle.recipients, *bundle.vocabulary.recipients}
    for name in form.partners:
        if name not in known:
            what = f"the form {form.id} names the partner {name}, who is no recipient"
            yield Problem(where, what, close(name, known))
    for one in partners(bundle, form):
        if one.policy is None:
            what = f"{one.id} is named on the form {form.id} without a link to its privacy policy"
            fix = "add `policy: https://…`: there people see how to refuse its messages"
            yield Problem(f"recipients.yml:{one.line}", what, fix)


def _asked(bundle: Bundle, form: Form, field: FormField) -> Iterator[Problem]:
    where, name = f"forms.yml:{field.line}", f"{form.id}.{field.name}"
    box = field.type == "checkbox"
    if field.ticked or field.value is not None:
        what = f"{name} is {'ticked' if field.ticked else 'filled in'} before anybody touched it"
        yield Problem(where, what, f"remove `{'ticked' if field.ticked else 'value'}:`")
    if field.required and not field.why and field.demand is None:
        fix = "say under `why` what it is needed for, or write `required: false`"
        yield Problem(where, f"{name} has to be filled in, and nothing says why", fix)
    if field.consent and field.required:
        what = f"{name} is a consent that has to be given, which is none"
        yield Problem(where, what, "write `required: false`")
    if (field.consent or field.agrees) and not box:
        fix = "write `type: checkbox`"
        yield Problem(where, f"{name} agrees to something and is no box to tick", fix)
    yield from _gathered(bundle, form, field)
    if field.consent and field.agrees:
        what = f"{name} agrees to two things by one tick"
        yield Problem(where, what, "make two fields of it")
    if field.demand is not None and field.demand.by == "law" and not field.demand.citation:
        what = f"{name} is said to be asked by a law, and no law is named"
        yield Problem(where, what, "add `citation:` to `demand`")
    if (field.type == "select") != (field.options is not None):
        what = f"{name} is {'a choice of nothing' if field.type == 'select' else 'no choice'}"
        fix = "add `options:`" if field.type == "select" else "write `type: select`, or remove them"
        yield Problem(where, what, fix)
    if bundle.minimum_age is not None and asks_how_old(bundle, field.name, field.category):
        what = f"{name} asks how old somebody is; who is under {bundle.minimum_age} would tell it"
        yield Problem(where, what, "remove the field: act on signs, and start no collection")
    texts = (field.label, field.why, *(field.options or {}).values())
    texts += () if field.demand is None else (field.demand.otherwise,)
    yield from _languages(bundle, where, name, texts)


def _gathered(bundle: Bundle, form: Form, field: FormField) -> Iterator[Problem]:
    """A consent on a form, for which no activity collects there: the form could not be shown."""
    words, asked = bundle.vocabulary, field.consent
    if asked is None or asked not in words.purposes or field.category not in words.categories:
        return
    near = words.above("purposes", asked) | words.below("purposes", asked)
    able = [
        a for a in bundle.activities.values()
        if a.purpose in near and any(words.within("categories", field.category, c)
                                     for c in a.categories)
    ]  # fmt: skip
    contexts = sorted({c for a in able for c in a.contexts})
    if form.context == "any" or {"any", form.context} & {*contexts}:
        return
    what = f"{form.id}.{field.name} asks for a consent to {asked}, and for that no activity"
    if able:
        what += f" collects {field.category} at {form.context}"
        fix = f"add {form.context} to the contexts of the activity {able[0].id}"
    else:
        what += f" uses {field.category}"
        fix = f"write a category of an activity for {asked}"
    yield Problem(f"forms.yml:{field.line}", what, f"{fix}, or remove the field")


def asks_how_old(bundle: Bundle, name: str, category: str) -> bool:
    """Whether a field or column of this name and category says how old somebody is."""
    words = bundle.vocabulary
    above = words.above("categories", category) if category in words.categories else ()
    return asks_age(name) or any(words.categories[c].iri in _BIRTH for c in above)


def _languages(bundle: Bundle, where: str, what: str, texts: Iterable[Text]) -> Iterator[Problem]:
    """Words that are given by language are there in each language of the policy."""
    for text in texts:
        if isinstance(text, str):
            continue
        lacks = [
            language
            for language in bundle.languages
            if language not in text and language.partition("-")[0] not in text
        ]
        if lacks:
            shown = said(text, bundle.languages[0])[:40]
            fix = f"add `{lacks[0]}:`, or write one text for all languages"
            yield Problem(where, f"{what}: {shown!r} is not there in {lacks[0]}", fix)
