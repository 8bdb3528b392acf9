"""A small bundle that is whole, written out so that a test can plant one fault in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[2] / "policies" / "interop.io"

FILES = {
    "policy.yml": """\
format: 1
id: example
title: Privacy policy of Example
version: 2024-03-01
organisation:
  name: Example Ltd
  country: NO
  contacts:
    email: privacy@example.com
    post: [Example Ltd, 1 High Street]
sites: [https://example.com]
languages: [en]
regions: [EEA, UK]
splitter_exceptions: ["e.g."]
choices:
  retention.messages:
    value: null
    asks: How long do messages stay?
    clauses: [KEEP-2]
    by: operator
  statistics.least-group: {value: 10, asks: "How few?", clauses: [USE-2], by: operator}
visits:
  purposes:
    run: {necessary: true, covers: [site.operate], label: {en: Run}, words: {en: What pages need}}
    count: {covers: [analytics], label: {en: Count}, words: {en: Which pages are read}}
  rules:
    EEA: {count: opt-in}
    default: {count: opt-out}
  gpc: [count]
  texts:
    en: {title: "May we?", lead: Later too, accept: Allow, refuse: Refuse, choose: One by one}
  clauses: [USE-2]
minimum_age: 16
""",
    "text.md": """\
# Privacy policy of {org.name} {section=SCOPE} {#SCOPE-1}

This policy is in force since {version}. {#SCOPE-1}
Ask us at {org.email} or write to {org.post}. {#SCOPE-2}

## What we use {section=USE} {#USE-1}

We use [[Contact Data]] to answer you. {#USE-1}
We count visits, and Contact Data stay out of it; more is in {ref:KEEP}. {#USE-2}
- You can read {link:guide}. {#USE-2}
- Or what {link:lost} says about [[details|Contact Data]]. {#USE-3}

### How you choose {#USE-3}

You can object. {#USE-3}

## How long we keep it {section=KEEP} {#KEEP-1}{#KEEP-2}

We delete messages when they are {ref:What we use}d no more. {#KEEP-2}
Invoices stay as long as the law in Norway says. {#KEEP-1}
""",
    "clauses.yml": """\
SCOPE-1: {mode: fact, kind: scope, status: statement}
SCOPE-2:
  mode: must
  kind: channel
  status: attested
  attestation: {signer: Data Officer, date: 2024-03-01, expiry: 2025-03-01}
USE-1:
  mode: must
  kind: use
  status: checked
  controls: [use.only-as-registered]
USE-2: {mode: limit, kind: use, status: statement}
USE-3:
  mode: right
  kind: right
  status: gated
  controls: [rights.objection]
  document:
    sha256: 3333333333333333333333333333333333333333333333333333333333333333
    signer: Data Officer
    date: 2024-03-01
KEEP-1: {mode: must, kind: retention, status: checked, controls: [retention.nothing-overdue]}
KEEP-2:
  mode: must
  kind: retention
  status: open
  notes: The period is not decided yet.
""",
    "vocabulary.yml": """\
purposes:
  support: {}
  support.chat: {parent: support, label: Answer in a chat}
glossary:
  Contact Data: {means: how to reach you, source: USE-1, aliases: [Contact Details]}
references: {What we use: USE}
names: [Norway]
""",
    "activities.yml": """\
- id: answer
  title: Answer messages
  purpose: support.chat
  categories: [contact, free-text]
  contexts: [site-form]
  bases: {EEA: legitimate-interest, default: legitimate-interest}
  requires: ["assessment:answer"]
  interest: {words: to answer whoever asks, whose: ours}
  recipients: [provider, helpdesk]
  retention: messages
  clauses: [USE-1]
""",
    "retention.yml": """\
messages:
  applies: {category: free-text}
  clock: need_closed
  keep: {choice: retention.messages}
  then: [erase]
  clause: KEEP-2
  choice: operator
invoices:
  applies: {category: transaction.paid}
  clock: creation
  keep: P1Y
  then: [erase, anonymise]
  clause: KEEP-1
  law: {citation: Bookkeeping Act s. 13, words: Books are kept for five years., keep: P5Y}
""",
    "recipients.yml": """\
- {id: helpdesk, name: Helpdesk Inc, lane: provider, country: US, clauses: [USE-1]}
""",
    "links.yml": """\
guide: {url: "https://example.com/guide", words: our guide, clause: USE-2}
lost: {url: null, words: the old guide, clause: USE-3, note: the original does not give it}
""",
    "forms.yml": """\
contact:
  title: Write to us
  path: /contact
  activity: answer
  context: site-form
  fields:
    email: {category: contact.email, label: E-mail, required: true, type: email, why: to reach you}
    message: {category: free-text, label: Message, required: true, type: textarea, why: to answer}
  clauses: [USE-1]
""",
    "trackers.yml": """\
- id: counter
  title: Counter
  provider: helpdesk
  purposes: [count]
  hosting: provider
  hosts: {script: [count.example, "*.count.example:8443"], img: ["http://127.0.0.1:80"]}
  leaves: [{name: "_c*", party: third, lifetime: P30D}, {name: s, lifetime: null}]
  sends: [navigation.ip]
  outside: true
  policy: guide
  opt-out: [lost]
  embed: true
  clauses: [USE-2]
""",
}
CONTROLS = frozenset({"use.only-as-registered", "rights.objection", "retention.nothing-overdue"})

#: What the fixture `write` is: edits → the directory of the bundle.
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the small bundle; `(file, old, new)` plants a fault, which must really change it."""

    def written(*edits: tuple[str, str, str], name: str = "bundle") -> Path:
        root = tmp_path / name
        root.mkdir()
        files = dict(FILES)
        for file, old, new in edits:
            assert files[file].count(old) >= 1, f"{old!r} is not in {file}"
            files[file] = files[file].replace(old, new, 1)
        for file, text in files.items():
            (root / file).write_text(text, encoding="utf-8")
        return root

    return written


def line_of(file: str, text: str) -> int:
    """The line of the small bundle's file where that text first stands."""
    return FILES[file][: FILES[file].index(text)].count("\n") + 1
