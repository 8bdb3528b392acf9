"""A decision: `decide.use` against a dict, a bitmask and a reason.

Shape: 1,000,000 subjects × 8 purposes × 8 recipients; 48 of the 64 pairs are allowed to
whoever consented; 2,000 random triples, answers compared on every one. The reference knows
nothing but the consent; ours judges the whole register (freezes, objections, withdrawals,
suppressions, grounds, recipients, context, region) and answers with clauses and basis.
"""

from __future__ import annotations

import argparse
import random

from _ratio import Result, bench, interleave, row
from kept.decide.use import Rules, use
from kept.model.decision import Ask, Decision, Facts
from kept.policy.shapes import Activity

PURPOSES = (
    "analytics.third-party",
    "advertising.targeted",
    "marketing.email",
    "marketing.post",
    "fraud-screening",
    "service.provide",
    "statistics",
    "marketing.partner-offers",
)
RECIPIENTS = (
    "provider",
    "partner-campaign",
    "partner",
    "co-marketing",
    "ad-network",
    "authority",
    "successor",
    "person",
)
Triples = list[tuple[int, tuple[int, int]]]

CHUNK = 100  # triples in one sample: the clock itself takes as long as one decision


def run(args: argparse.Namespace) -> Result:
    draw = random.Random(args.seed)
    pairs = [(p, r) for p in range(8) for r in range(8)]
    allowed = set(draw.sample(pairs, 48))

    rules = Rules(
        Activity(
            f"a{p}",
            purpose,
            purpose,
            ("contact", "navigation"),
            ("any",),
            {"default": "consent"},
            (),
            tuple(RECIPIENTS[r] for r in range(8) if (p, r) in allowed),
            "any",
            (f"USE-{p}",),
            p + 1,
        )
        for p, purpose in enumerate(PURPOSES)
    )
    asks = {
        (p, r): Ask(PURPOSES[p], "contact.email", recipient=RECIPIENTS[r], region="EEA")
        for p, r in pairs
    }
    words_of = [
        rules.word(Facts(frozenset(f"consent:{PURPOSES[p]}" for p in range(8) if mask >> p & 1)))
        for mask in range(256)
    ]
    masks = draw.choices(range(256), k=args.subjects)
    consents = dict(enumerate(masks))
    facts = {subject: words_of[mask] for subject, mask in enumerate(masks)}
    need = {(p, r): (1 << p if (p, r) in allowed else 256) for p, r in pairs}

    unknown, recipient = (False, "unknown"), (False, "recipient")
    consent, no_consent = (True, "consent"), (False, "no_consent")

    def decide(subject: int, pair: tuple[int, int]) -> tuple[bool, str]:
        mask = consents.get(subject)
        if mask is None:
            return unknown
        bit = need[pair]
        if bit == 256:
            return recipient
        return consent if mask & bit else no_consent

    def reference(triples: Triples) -> list[tuple[bool, str]]:
        return [decide(subject, pair) for subject, pair in triples]

    def ours(triples: Triples) -> list[Decision]:
        return [use(rules, asks[pair], facts.get(subject, 0)) for subject, pair in triples]

    triples = [(draw.randrange(args.subjects), draw.choice(pairs)) for _ in range(2_000)]
    expected = {
        unknown: None,
        consent: (True, "allowed by"),
        no_consent: (False, "consent to"),
        recipient: (False, "no activity gives"),
    }
    allows = 0
    for plain, decision in zip(reference(triples), ours(triples), strict=True):
        want = expected[plain]
        if want is None or (decision.allow, decision.reason.startswith(want[1])) != (want[0], True):
            raise SystemExit(f"answers differ: {plain} and {decision}")
        allows += decision.allow

    chunks = [triples[i : i + CHUNK] for i in range(0, len(triples), CHUNK)] * args.rounds
    times = interleave(
        {"reference": reference, "ours": ours}, chunks, warm=len(triples) // CHUNK, same=False
    )
    made = {
        subject: Facts(frozenset(f"consent:{PURPOSES[p]}" for p in range(8) if mask >> p & 1))
        for subject, mask in ((s, consents[s]) for s, _ in triples)
    }

    def from_names(triples: Triples) -> list[Decision]:
        return [use(rules, asks[pair], made[subject]) for subject, pair in triples]

    def fresh(triples: Triples) -> list[Decision]:
        return [
            use(
                rules,
                Ask(PURPOSES[p], "contact.email", recipient=RECIPIENTS[r], region="EEA"),
                facts[subject],
            )
            for subject, (p, r) in triples
        ]

    named = interleave(
        {"reference": reference, "ours": from_names}, chunks[: 20 * CHUNK], warm=20, same=False
    )
    anew = interleave(
        {"reference": reference, "ours": fresh}, chunks[: 20 * CHUNK], warm=20, same=False
    )
    return Result(
        (
            row("use, facts as a word", times, unit="ns", per=CHUNK, goal=1.5),
            row("use, facts by name", named, unit="ns", per=CHUNK),
            row("use, a new Ask each time", anew, unit="ns", per=CHUNK),
        ),
        {"subjects": args.subjects, "triples": len(triples), "allowed": allows},
    )


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--subjects", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=20230627)


if __name__ == "__main__":
    bench("decide", run, arguments=arguments)
