"""Do the choices of visitors and the declared trackers make sense? As `clauses.check` asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from kept.policy.bundle import Bundle
from kept.policy.problem import Problem
from kept.policy.visits import RECORDED, Words
from kept.policy.yamlfile import close

#: The words of the banner: what is asked, and the three things that can be pressed.
TEXTS: Final = ("title", "lead", "accept", "refuse", "choose")


def visits(bundle: Bundle) -> Iterator[Problem]:
    """All that is amiss with the section `visits` of policy.yml."""
    rules, where = bundle.visits, f"policy.yml:{bundle.visits.line}"
    for clause in rules.clauses:
        if clause not in bundle.clauses:
            yield Problem(where, f"{clause} is no clause", close(clause, bundle.clauses))
    for aim in rules.aims.values():
        at = f"policy.yml:{aim.line}"
        for purpose in aim.covers:
            if purpose not in bundle.vocabulary.purposes:
                what = f"{aim.id} covers {purpose}, which is no purpose"
                yield Problem(at, what, close(purpose, bundle.vocabulary.purposes))
        yield from _languages(bundle, at, f"the label of {aim.id}", aim.label)
        yield from _languages(bundle, at, f"the words of {aim.id}", aim.words)
    for name in (*rules.gpc, *(aim for row in rules.rules.values() for aim in row)):
        if name not in rules.optional:
            what = f"{name} is nothing that visitors choose about"
            yield Problem(where, what, close(name, rules.optional))
    yield from _events(bundle)
    if not rules.optional:
        return
    for region in ("EEA", "default") if "EEA" in bundle.regions else ("default",):
        for name in rules.optional:
            if name not in rules.rules.get(region, {}):
                what = f"`rules` does not say whether {name} is opt-in or opt-out for {region}"
                yield Problem(where, what, f"write `{name}: opt-in` under {region}")
    for language in bundle.languages:
        said = rules.texts.get(language, {})
        for key in TEXTS:
            if key not in said:
                fix = f"write `{key}:` under `texts.{language}`"
                yield Problem(where, f"the banner lacks {key!r} in {language}", fix)
        for key in said:
            if key not in TEXTS:
                yield Problem(where, f"{key!r} is no text of the banner", close(key, TEXTS))
    for language in rules.texts:
        if language not in bundle.languages:
            fix = "add it to `languages`, or remove the texts"
            yield Problem(where, f"{language} is no language of this policy", fix)


def _events(bundle: Bundle) -> Iterator[Problem]:
    """What is amiss with the record of views: each field is one that its activity uses."""
    events = bundle.visits.events
    if events is None:
        return
    where, activity = f"policy.yml:{events.line}", bundle.activities.get(events.activity)
    if activity is None:
        what = f"views are recorded for {events.activity}, which is no activity"
        yield Problem(where, what, close(events.activity, bundle.activities))
        return
    if bundle.visits.covering(activity.purpose) is None:
        what = f"no purpose that visitors choose about covers {activity.purpose}"
        yield Problem(where, what, "name it under `covers` of one of them")
    words = bundle.vocabulary
    for name in events.fields:
        if name not in RECORDED:
            what = f"{name} is nothing that is recorded of a view"
            yield Problem(where, what, close(name, RECORDED))
        elif not any(words.within("categories", name, used) for used in activity.categories):
            what = f"{activity.id} does not use {name}"
            yield Problem(where, what, "leave it out, or add it to the activity")


def _languages(bundle: Bundle, where: str, what: str, words: Words) -> Iterator[Problem]:
    for language in bundle.languages:
        if language not in words:
            yield Problem(where, f"{what} is missing in {language}", f"add `{language}:`")


def trackers(bundle: Bundle) -> Iterator[Problem]:
    """All that is amiss with trackers.yml."""
    for row in bundle.trackers.values():
        where = f"trackers.yml:{row.line}"
        named: tuple[tuple[str, tuple[str, ...], Mapping[str, object]], ...] = (
            ("clause", row.clauses, bundle.clauses),
            ("purpose of `visits`", row.aims, bundle.visits.aims),
            ("category", row.sends, bundle.vocabulary.categories),
            ("recipient", (row.provider,) if row.provider else (), bundle.recipients),
            ("link", (*((row.policy,) if row.policy else ()), *row.opt_out), bundle.links),
        )
        for kind, names, known in named:
            for name in names:
                if name not in known:
                    yield Problem(where, f"{row.id}: {name} is no {kind}", close(name, known))
        if row.hosting == "provider" and row.provider is None:
            fix = "name the recipient under `provider`, or write `hosting: self`"
            yield Problem(where, f"{row.id} is hosted by a provider, and none is named", fix)
        if row.embed and row.provider is not None and row.policy is None:
            fix = "name the link to the provider’s policy under `policy`"
            yield Problem(where, f"{row.id} is loaded by a click, and no policy is linked", fix)
        for trace in row.traces:
            if trace.party == "third" and row.hosting == "self":
                fix = "write `party: first`, or `hosting: provider`"
                yield Problem(where, f"{row.id} is our own, and {trace.name} is not", fix)
