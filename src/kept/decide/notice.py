"""What people are told on a form before they send it, word by word. Pure.

A notice is the words themselves, not what they are made of: whoever holds it can show again what
was shown. Its hash is that of those words. Which activity and which basis it names is what the
judgement names for the region, so that nobody is told another than the one that counts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import rfc8785

from kept.decide.phrases import PHRASES, UNITS
from kept.decide.use import Rules
from kept.model.decision import Ask, Decision
from kept.policy import spoken
from kept.policy.bundle import Bundle
from kept.policy.forms import partners
from kept.policy.shapes import Activity, Form, FormField
from kept.terms import regimes
from kept.terms.tongues import count, day, say
from kept.terms.tongues import spoken as spoken_now

_UNIT: Final = re.compile(r"P(\d+)([YMD])")


@dataclass(frozen=True, slots=True)
class FieldNotice:
    """What stands at a field: its label, and the words beside it. `options`: value, words."""

    name: str
    label: str
    words: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """The words of one form for a region, in a language. `partners` are (name, address)."""

    policy: str
    version: str
    form: str
    region: str
    language: str
    title: str
    told: tuple[str, ...]
    partners_told: str
    partners: tuple[tuple[str, str], ...]
    fields: tuple[FieldNotice, ...]
    rights: str

    def document(self) -> dict[str, Any]:
        """As JSON: what is kept, and what the hash is of."""
        return {
            "policy": self.policy, "version": self.version, "form": self.form,
            "region": self.region, "language": self.language, "title": self.title,
            "told": list(self.told), "partners_told": self.partners_told,
            "partners": [list(one) for one in self.partners],
            "fields": [
                {"name": f.name, "label": f.label, "words": list(f.words),
                 "options": [list(one) for one in f.options]}
                for f in self.fields
            ],
            "rights": self.rights,
        }  # fmt: skip

    def text(self) -> str:
        """All of it as plain text, in the order in which it is shown."""
        return as_text(self.document())


def digest(document: Mapping[str, Any]) -> str:
    """The hash of a notice (64 hex digits)."""
    return hashlib.sha256(rfc8785.dumps(dict(document))).hexdigest()


def as_text(document: Mapping[str, Any]) -> str:
    """The document of a notice as plain text."""
    lines = [document["title"], "", *document["told"]]
    if document["partners"]:
        lines += ["", document["partners_told"]]
        lines += [f"- {name}: {address}" for name, address in document["partners"]]
    for field in document["fields"]:
        lines += ["", field["label"], *(f"  {words}" for words in field["words"])]
        lines += [f"  ( ) {words}" for _, words in field["options"]]
    return "\n".join([*lines, "", document["rights"], ""])


def asks(form: Form, region: str, purpose: str | None = None) -> dict[str, Ask]:
    """What a form does with what it asks: name of a field, or category that it makes → Ask."""
    lead = purpose or form.purposes[0]
    found = {
        f.name: Ask(f.consent or f.purpose or lead, f.category, form.context, "controller", region)
        for f in form.fields.values()
    }
    for category, serves in form.makes.items():
        found[f":{category}"] = Ask(serves, category, form.context, "controller", region)
    return found


def leading(bundle: Bundle, form: Form) -> str:
    """The purpose of fields that name none."""
    return form.purposes[0] if form.purposes else bundle.activities[form.activity].purpose


class Unsaid(Exception):
    """A form that cannot be shown: there is something that people would have to be told first."""


def notice(bundle: Bundle, rules: Rules, form: Form, region: str, language: str) -> Notice:
    """The words of a form for a region. Unsaid where the policy does not say what has to be said.

    The region is the one whose rules hold: that of somebody who does not say where she is is the
    strictest.
    """
    with spoken.speaking(bundle, language):
        return _notice(bundle, rules, form, region, language)


def _notice(bundle: Bundle, rules: Rules, form: Form, region: str, language: str) -> Notice:
    lead = leading(bundle, form)
    wanted = asks(form, region, lead)
    told: list[str] = [_phrase("who", org=bundle.organisation.name,
                              email=bundle.organisation.email,
                              post=", ".join(bundle.organisation.post[1:]))]  # fmt: skip
    met: dict[str, Activity] = {}
    for name, ask in wanted.items():
        field = form.fields.get(name)
        if field is not None and field.consent:
            continue  # told at its box
        permit = _permit(rules, form, ask)
        activity = bundle.activities[permit.activity or ""]
        if activity.id not in met:
            met[activity.id] = activity
            told += _use(bundle, activity, permit, whole=form.consent is not None)
    named = partners(bundle, form)
    if form.partners and not named:
        raise Unsaid(f"the form {form.id} names its partners, and none is known")
    lanes = dict.fromkeys(lane for a in met.values() for lane in a.recipients)
    shown = [
        spoken.own(bundle.vocabulary.recipients[r].label)  # of a lane, or the name of one in it
        for r in lanes
        if not any(bundle.vocabulary.within("recipients", r, one) for one in form.partners)
    ]  # fmt: skip
    shown = list(dict.fromkeys(shown))
    if shown:
        told.append(_phrase("recipients", who=", ".join(shown)))
    elif not named:
        told.append(_phrase("nobody"))
    told += [_phrase("kept", what=_period(bundle, a)) for a in met.values()]
    return Notice(
        policy=bundle.id,
        version=str(bundle.version),
        form=form.id,
        region=region,
        language=language,
        title=spoken.own(form.title),
        told=tuple(dict.fromkeys(told)),
        partners_told=_phrase("partners") if named else "",
        partners=tuple((r.name, r.policy or "") for r in named),
        fields=tuple(_field(bundle, rules, form, f, wanted[f.name]) for f in form.fields.values()),
        rights=_phrase("rights", version=_version(bundle)),
    )


def _permit(rules: Rules, form: Form, ask: Ask) -> Decision:
    judge = rules.judge(ask)
    if judge.permits is None:
        raise Unsaid(f"the form {form.id} cannot be shown: {judge(0).reason}")
    return judge.permits


def _use(bundle: Bundle, activity: Activity, permit: Decision, *, whole: bool) -> list[str]:
    """What one activity does, and on what it rests."""
    found = [_phrase("use", what=spoken.own(activity.title))]
    if permit.basis == "legitimate-interest":
        if activity.interest is None:
            raise Unsaid(f"nobody has written down the interest of {activity.id}")
        found.append(
            _phrase("interest", what=spoken.own(activity.interest.words),
                   whose=spoken.own(activity.interest.whose))
        )  # fmt: skip
    elif permit.basis == "consent":
        found.append(_phrase("sending" if whole else "ticking"))
    else:
        found.append(_phrase(permit.basis or ""))
    return found


def _field(bundle: Bundle, rules: Rules, form: Form, field: FormField, ask: Ask) -> FieldNotice:
    words: list[str] = []
    why, demand = spoken.own(field.why), field.demand
    if demand is not None:
        must = "must" if field.required else "may"
        law = {"law": demand.citation} if demand.by == "law" else {}
        words.append(_phrase(f"{demand.by}.{must}", **law))
        words.append(_phrase("otherwise", what=spoken.own(demand.otherwise)))
    elif field.required:
        words.append(_phrase("needed", why=why))
    elif not field.consent:
        words.append(_phrase("optional"))
    if why and (demand is not None or not field.required):
        words.append(_phrase("why", why=why))
    if field.consent:
        permit = _permit(rules, form, ask)
        activity = bundle.activities[permit.activity or ""]
        words += _use(bundle, activity, permit, whole=False)
        words.append(_phrase("kept", what=_period(bundle, activity)))
    return FieldNotice(
        field.name, spoken.own(field.label), tuple(words),
        tuple((value, spoken.own(text)) for value, text in (field.options or {}).items()),
    )  # fmt: skip


def _period(bundle: Bundle, activity: Activity) -> str:
    """How long an activity keeps what it has, in words."""
    rule = bundle.retention.get(activity.retention)
    if rule is None or rule.keep is None:
        return _phrase("period.open")
    met = _UNIT.fullmatch(rule.keep)
    assert met is not None
    words = _phrase(f"clock.{rule.clock}", length=count(int(met[1]), *UNITS[met[2]]))
    return f"{words} {spoken.own(rule.law.words)}" if rule.law else words


def _version(bundle: Bundle) -> str:
    """The day of the version. In English it stays as it was: notices that were shown are kept by
    the hash of their words.
    """
    return day(bundle.version) if spoken_now().tongue.said else str(bundle.version)


def _phrase(name: str, **values: str) -> str:
    return say(PHRASES[name], **values)


def known_region(region: str) -> str:
    """The region whose rules are told: that of somebody who does not say is the strictest."""
    return region if region in regimes.REGIONS and region != "unknown" else "unknown"
