"""May this be done with this person's data, as of a moment? Pure: no clock, no store.

A use is allowed when the register of activities covers it and every rule that speaks to it
permits it. The laws, each of them a property test:

- What no activity covers is denied.
- What cannot be judged forbids: an activity with a word that the vocabulary lacks or a clause
  that the policy lacks, a fact that could not be read, a fact of an unknown kind.
- Forbid beats allow; the order of activities and their repetition do not matter.
- A fact turns a deny into an allow only if it names a ground.
- What is not said is judged by the strictest: an unknown region by the rules of the EEA, and
  by consent wherever any region asks for it; an unstated context of collection alike.
- A basis is never swapped. Where one of the activities that speak to a use rests on consent,
  no other basis stands in for it; where none does, the grounds of all of them are needed.
  An activity for the very context in which the data was collected speaks before one for any
  context, because the basis depends on the context.

The facts of a person are bits of one integer (`Rules.word`). An Ask is worked out once, into
a Judge: a short list of checks over bits. Decisions are made once and handed out again.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from kept.decide.facts import BASES, FREEZES, Layout
from kept.decide.register import Register
from kept.model.decision import Ask, Decision, Facts
from kept.policy.shapes import Activity
from kept.terms.vocabulary import SHIPPED, Kind, Vocabulary

#: Direct marketing and the profiling for it end with an objection or a withdrawal, whatever
#: basis is claimed for them (GDPR Art. 21(2) and (3)).
ABSOLUTE: Final = ("marketing", "advertising", "profiling")
_PROMOTION: Final = ("marketing", "advertising")

_MANY: Final = 1024  # asks, and words of one ask, that are kept at hand


class Registering(Protocol):
    """What of a policy bundle the rules are made of."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The words."""
        ...

    @property
    def activities(self) -> Mapping[str, Activity]:
        """The register, id → Activity."""
        ...

    @property
    def clauses(self) -> Mapping[str, object]:
        """The clauses of the text, by id."""
        ...


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that can deny.

    With `forbids` it denies where one of these bits stands and none of `lifts`; with `needs`
    where none of these bits stands; with neither, always. `rule` is its kind.
    """

    rule: str
    words: str
    forbids: int = 0
    lifts: int = 0
    needs: int = 0

    def denies(self, word: int) -> bool:
        """Whether it denies a person with the facts of `word`."""
        if self.forbids:
            return bool(word & self.forbids) and not word & self.lifts
        return not word & self.needs


class Judge:
    """One Ask, worked out: word of facts → Decision. Equal answers are one object."""

    __slots__ = ("_allow", "_by_part", "_clauses", "_made", "_refusals", "care", "checks")

    def __init__(
        self,
        checks: tuple[Check, ...],
        allow: Decision | None,
        clauses: tuple[str, ...],
        refusals: Mapping[str, tuple[str, ...]],
    ) -> None:
        """`allow` None: nothing can make it lawful; then a check denies always."""
        self.checks = checks
        self._allow, self._clauses, self._refusals = allow, clauses, refusals
        self.care = 0  # the bits that matter
        for check in checks:
            self.care |= check.forbids | check.lifts | check.needs
        self._by_part: dict[int, Decision] = {}
        self._made: dict[tuple[Check, ...], Decision] = {}

    def __call__(self, word: int) -> Decision:
        """The Decision for a person with the facts of `word`."""
        part = word & self.care
        found = self._by_part.get(part)
        if found is None:
            if len(self._by_part) >= _MANY:
                self._by_part.clear()
                self._made.clear()
            failing = self.failing(part)
            found = self._by_part[part] = self._made.setdefault(failing, self._decide(failing))
        return found

    @property
    def lawful(self) -> bool:
        """Whether any facts at all lead to an allow."""
        return self._allow is not None

    @property
    def permits(self) -> Decision | None:
        """The allow to which the right facts lead; None where none do."""
        return self._allow

    def deciding(self, word: int) -> str:
        """The kind of the rule that decides: that of the first check that denies, or `allow`."""
        return next((check.rule for check in self.checks if check.denies(word)), "allow")

    def failing(self, word: int) -> tuple[Check, ...]:
        """The checks that deny a person with the facts of `word`."""
        return tuple(check for check in self.checks if check.denies(word))

    def _decide(self, failing: tuple[Check, ...]) -> Decision:
        if not failing:
            assert self._allow is not None
            return self._allow
        because = dict.fromkeys(self._clauses)
        for check in failing:
            because.update(dict.fromkeys(self._refusals.get(check.rule, ())))
        reason = "; ".join(dict.fromkeys(check.words for check in failing))
        return Decision(False, tuple(because), reason)


class _Kept(dict[int, Decision]):
    """Word → Decision of one very Ask, which it holds, so that its id stays its own.

    Beside the Judge, which looks at the bits that matter, this looks at the whole word: one
    step less for words that were met before.
    """

    __slots__ = ("ask", "judge")

    def __init__(self, ask: Ask, judge: Judge) -> None:
        super().__init__()
        self.ask, self.judge = ask, judge

    def __missing__(self, word: int) -> Decision:
        made = self.judge(word)
        if len(self) < _MANY:
            self[word] = made
        return made


class Rules:
    """The register of a bundle, ready to judge.

    `facts` names the facts in the order of their bits; it depends on the activities and the
    vocabulary only, not on their order. `refusals` adds clause ids to denials, by the kind of
    the rule that denies (`Check.rule`): what no activity covers has no clause of its own.
    `clauses` are those of the policy: an activity bound to another cannot be judged.
    """

    __slots__ = ("_judges", "clauses", "layout", "near", "refusals", "register", "vocabulary")

    def __init__(
        self,
        activities: Iterable[Activity],
        vocabulary: Vocabulary = SHIPPED,
        refusals: Mapping[str, tuple[str, ...]] | None = None,
        clauses: Container[str] | None = None,
    ) -> None:
        self.vocabulary = vocabulary
        self.clauses = clauses
        self.refusals = dict(refusals or {})
        self.register = Register(activities, vocabulary, clauses)
        self.layout = Layout(self.register.sound, vocabulary)
        self._judges: dict[Ask, Judge] = {}
        self.near: dict[int, _Kept] = {}  # id of an Ask → its Decisions by word

    @classmethod
    def of(
        cls, bundle: Registering, refusals: Mapping[str, tuple[str, ...]] | None = None
    ) -> Rules:
        """The rules of a policy bundle."""
        return cls(bundle.activities.values(), bundle.vocabulary, refusals, bundle.clauses)

    @property
    def facts(self) -> tuple[str, ...]:
        """Every fact that some rule may look at, in the order of its bit."""
        return self.layout.names

    def word(self, facts: Facts) -> int:
        """Facts as bits; see Layout."""
        return self.layout.word(facts)

    def judge(self, ask: Ask) -> Judge:
        """The Ask, worked out; the same object for equal asks."""
        judge = self._judges.get(ask)
        if judge is None:
            if len(self._judges) >= _MANY:
                self._judges.clear()
            judge = self._judges[ask] = self._work_out(ask)
        return judge

    def keep_near(self, ask: Ask) -> dict[int, Decision]:
        """Puts the Decisions of this very Ask at hand for `use`: word → Decision."""
        if len(self.near) >= _MANY:
            self.near.clear()
        kept = self.near[id(ask)] = _Kept(ask, self.judge(ask))
        return kept

    def _work_out(self, ask: Ask) -> Judge:
        uncovered = self._uncovered(ask)
        if uncovered is not None:
            return Judge((uncovered,), None, (), self.refusals)
        speaking = self.register.speaking(ask)
        clauses = self._named(speaking)
        flaws = tuple(
            Check("unjudgeable", f"the activity `{a.id}` cannot be judged: {flaw}")
            for a in speaking
            if (flaw := self.register.flaw(a))
        )
        if flaws:
            return Judge(flaws, None, clauses, self.refusals)
        rows = [(a, basis) for a in speaking if (basis := self.register.basis(a, ask.region))]
        if not rows:
            why = f"no activity has a legal basis for `{ask.purpose}` in the region `{ask.region}`"
            return Judge((Check("region", why),), None, clauses, self.refusals)
        rows.sort(key=lambda row: (BASES.index(row[1]), row[0].id))
        strictest = [row for row in rows if row[1] == BASES[0]] or rows
        checks = [*self._impediments(ask.purpose, {basis for _, basis in rows})]
        checks += dict.fromkeys(self._ground(ask.purpose, *row) for row in strictest)
        for fact in dict.fromkeys(fact for a, _ in rows for fact in sorted(a.requires)):
            place = self.layout.place[fact]
            if all(check.needs != place for check in checks):  # the basis itself may ask for it
                checks.append(Check("requires", f"`{fact}` is missing", needs=place))
        activity, basis = rows[0]
        reason = f"allowed by `{activity.id}` on {basis.replace('-', ' ')}"
        clauses = self._named(a for a, _ in rows)
        allow = Decision(True, clauses, reason, basis, activity.id)
        return Judge(tuple(checks), allow, clauses, self.refusals)

    def _named(self, activities: Iterable[Activity]) -> tuple[str, ...]:
        """The clauses of the policy that these activities are bound to."""
        known = self.clauses
        found = {clause for a in activities for clause in a.clauses}
        return tuple(sorted(c for c in found if known is None or c in known))

    def _uncovered(self, ask: Ask) -> Check | None:
        """Why no activity covers the Ask, or None where one does."""
        terms: tuple[tuple[Kind, str], ...] = (
            ("purposes", ask.purpose),
            ("categories", ask.category),
            ("recipients", ask.recipient),
        )
        for kind, term in terms:
            if term not in self.vocabulary.tree(kind):
                return Check("word", f"`{term}` is not among the {kind} of the vocabulary")
        part = self.register.missing(ask)
        if part is None:
            return None
        what = f"`{ask.category}` for `{ask.purpose}`"
        if part == "purpose":
            why = f"no activity serves the purpose `{ask.purpose}`"
        elif part == "category":
            why = f"no activity uses {what}"
        elif part == "recipient":
            why = f"no activity gives {what} to `{ask.recipient}`"
        else:
            where = (
                "in a context that is not stated" if ask.context == "any" else f"`{ask.context}`"
            )
            why = f"no activity uses {what} where it was collected: {where}"
        return Check(part, why)

    def _impediments(self, purpose: str, bases: set[str]) -> Iterator[Check]:
        words, place = self.vocabulary, self.layout.place
        above = words.above("purposes", purpose)
        for fact, (why, spares, ground) in FREEZES.items():
            if above.isdisjoint(spares):
                lifts = place.get(f"{ground}:{purpose}", 0)
                yield Check(fact, why, forbids=place[fact], lifts=lifts)
        channel = words.channel_of(purpose)
        if channel is not None or not above.isdisjoint(_PROMOTION):
            # Promotion without a channel of its own may use any of them.
            for name in sorted(words.channels) if channel is None else (channel,):
                why = f"the person is suppressed for `{name}`"
                yield Check("suppressed", why, forbids=place[f"suppressed:{name}"])
        refusable = not bases.isdisjoint(("consent", "legitimate-interest"))
        if refusable or not above.isdisjoint(ABSOLUTE):
            for kind, what in (("objection", "objected"), ("withdrawn", "withdrew consent")):
                why = f"the person {what} to `{purpose}`, or to what it is part or made of"
                yield Check(kind, why, forbids=place[f"{kind}:{purpose}"])

    def _ground(self, purpose: str, activity: Activity, basis: str) -> Check:
        place = self.layout.place
        if basis == "consent":
            why = f"consent to `{purpose}` is missing"
            return Check("consent", why, needs=place[f"consent:{purpose}"])
        if basis == "contract":
            return Check("contract", "a contract is missing", needs=place["contract"])
        if basis == "legitimate-interest":
            why = f"an assessment of the interest of `{activity.id}` is missing"
            return Check("assessment", why, needs=place[f"assessment:{activity.id}"])
        cited = [fact for fact in sorted(activity.requires) if fact.startswith("citation:")]
        name = cited[0] if cited else f"citation:{activity.id}"
        why = f"the law that asks for `{activity.id}` is not cited"
        return Check("citation", why, needs=place[name])


def use(rules: Rules, ask: Ask, facts: Facts | int) -> Decision:
    """May this be done? `facts` are Facts, or the word that `Rules.word` made of them.

    The fast way is an Ask that is kept and asked again, with a word: it is found by identity.
    """
    if isinstance(facts, int):
        try:
            return rules.near[id(ask)][facts]
        except KeyError:
            return rules.keep_near(ask)[facts]
    word = rules.word(facts)
    decision = use(rules, ask, word)
    if decision.allow or not facts.unknown:
        return decision
    return _doubted(rules, ask, facts, word, decision)


# A function of its own: its inner generator would make the arguments of `use` cells, which
# costs every call a tenth of its time.
def _doubted(rules: Rules, ask: Ask, facts: Facts, word: int, decision: Decision) -> Decision:
    """The denial, naming the facts behind it that could not be judged."""
    bits = 0
    for check in rules.judge(ask).failing(word):
        bits |= check.forbids | check.needs
    doubtful = sorted(fact for fact in facts.unknown if rules.layout.bits(fact) & bits)
    if not doubtful:
        return decision
    names = ", ".join(f"`{fact}`" for fact in doubtful)
    return replace(decision, reason=f"{decision.reason}; could not be judged: {names}")
