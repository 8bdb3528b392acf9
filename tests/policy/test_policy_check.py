"""Every kind of finding of a check: one fault is planted, exactly that is found, at its line."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from tests.policy.conftest import CONTROLS, Write, line_of

from kept.errors import BundleError
from kept.policy import bundle as reading
from kept.policy import clauses, spoken, versions

A_HASH = "3333333333333333333333333333333333333333333333333333333333333333"
ANCHORED = f"status: checked\n  source: [{{ref: L1.1, sha256: {A_HASH}}}]\n"


def found(root: Path) -> list[tuple[str, str, str]]:
    _, problems = clauses.check_directory(root, CONTROLS)
    return [(p.where, p.what, p.fix) for p in problems]


def test_the_small_bundle_is_whole(write: Write) -> None:
    assert found(write()) == []


# file, what stands there, what is planted, the file:text where it is found, what, fix
SENSE = [
    pytest.param("text.md", "answer you. {#USE-1}", "answer you. {#USE-9}", "text.md",
                 "We use [[", "USE-9 is no clause", "write one of: USE-1, USE-2, USE-3",
                 id="unknown id in the text"),
    pytest.param("text.md", "can object. {#USE-3}", "can object.", "text.md",
                 "You can object", "this sentence carries no clause", "end it with the ids",
                 id="sentence without a clause"),
    pytest.param("text.md", "### How you choose {#USE-3}", "### How you choose", "text.md",
                 "### How", "this heading carries no clause", "end it with the ids",
                 id="heading without a clause"),
    pytest.param("clauses.yml", "USE-2: {",
                 "USE-4: {mode: limit, kind: use, status: statement}\nUSE-2: {", "clauses.yml",
                 "USE-2: {", "no sentence carries USE-4", "{#USE-4} in text.md",
                 id="clause without a sentence"),
    pytest.param("clauses.yml", ", controls: [retention.nothing-overdue]", "", "clauses.yml",
                 "KEEP-1", "KEEP-1 is said to be checked, and names no control",
                 "status to open", id="checked without a control"),
    pytest.param("clauses.yml", "use.only-as-registered", "use.only-as-registred", "clauses.yml",
                 "USE-1:", "names the control use.only-as-registred",
                 "write use.only-as-registered", id="unknown control"),
    pytest.param("clauses.yml", "{mode: limit, kind: use, status: statement}",
                 "{mode: must, kind: use, status: statement}", "clauses.yml", "USE-2:",
                 "USE-2 asks something of the system (must, use)", "set the status to checked",
                 id="statement that is a promise"),
    pytest.param("clauses.yml", "{mode: fact, kind: scope, status: statement}",
                 "{mode: must, kind: scope, status: statement}", "clauses.yml", "SCOPE-1:",
                 "SCOPE-1 asks something of the system (must, scope)", "set the status",
                 id="statement of a scope that is a promise"),
    pytest.param("clauses.yml", "{mode: limit, kind: use, status: statement}",
                 "{mode: limit, kind: use, status: statement, controls: [rights.objection]}",
                 "clauses.yml", "USE-2:", "USE-2 is a statement, and names controls",
                 "remove the controls", id="statement with a control"),
    pytest.param("clauses.yml", "  notes: The period is not decided yet.\n", "", "clauses.yml",
                 "KEEP-2:", "KEEP-2 is open and does not say why", "what is missing",
                 id="open without a reason"),
    pytest.param("clauses.yml", f"  document:\n    sha256: {A_HASH}\n    signer: Data Officer\n"
                 "    date: 2024-03-01\n", "", "clauses.yml", "USE-3:",
                 "USE-3 is gated, and no document", "document: {sha256, signer, date}",
                 id="gated without a document"),
    pytest.param("clauses.yml", "  attestation: {signer: Data Officer, date: 2024-03-01, "
                 "expiry: 2025-03-01}\n", "", "clauses.yml", "SCOPE-2:",
                 "SCOPE-2 is attested, and nobody", "attestation: {signer, date, expiry}",
                 id="attested by nobody"),
    pytest.param("clauses.yml", "expiry: 2025-03-01", "expiry: 2024-03-01", "clauses.yml",
                 "SCOPE-2:", "expires before it is signed", "write the day",
                 id="expired from birth"),
    pytest.param("clauses.yml", "status: checked\n", "status: checked\n  source: "
                 f"[{{ref: L1.1, sha256: {A_HASH}}}, {{ref: L1.1, sha256: {A_HASH}}}]\n",
                 "clauses.yml", "  controls: [use", "anchored to L1.1 more than once", "keep one",
                 id="the same anchor twice"),
    pytest.param("text.md", "[[Contact Data]] to answer", "[[Contract Data]] to answer", "text.md",
                 "We use [[", "the term 'Contract Data' is not defined", "write Contact Data",
                 id="undefined term, marked"),
    pytest.param("text.md", "and Contact Data stay", "and Device Data stay", "text.md",
                 "We count", "'Data' is written as a defined term",
                 "add it to `glossary` or `names`", id="undefined term, capitalised"),
    pytest.param("vocabulary.yml", "means: how to reach you, source: USE-1",
                 "means: how to reach you, source: USE-8", "vocabulary.yml", "  Contact Data",
                 "USE-8 is no clause", "write one of", id="definition from an unknown clause"),
    pytest.param("vocabulary.yml", "aliases: [Contact Details]", "aliases: [Contact Data]",
                 "vocabulary.yml", "  Contact Data", "defined twice", "keep one",
                 id="term defined twice"),
    pytest.param("text.md", "{ref:KEEP}", "{ref:KEPT}", "text.md", "We count",
                 "the reference to 'KEPT' dangles", "write KEEP",
                 id="dangling reference in the text"),
    pytest.param("vocabulary.yml", "What we use: USE", "What we use: USED", "vocabulary.yml",
                 "references", "the reference 'What we use' dangles", "write USE",
                 id="dangling reference in the vocabulary"),
    pytest.param("text.md", "{link:guide}", "{link:guides}", "text.md", "- You can read",
                 "the link 'guides' is not in links.yml", "write guide", id="dangling link"),
    pytest.param("text.md", "{org.email}", "{org.mail}", "text.md", "Ask us",
                 "{org.mail} is no placeholder", "write org.email", id="unknown placeholder"),
    pytest.param("text.md", "{org.email}", "{org.email:now}", "text.md", "Ask us",
                 "takes nothing after a colon", "write {org.email}",
                 id="placeholder with too much"),
    pytest.param("vocabulary.yml", "  support: {}\n", "  support: {}\n  statistics: {}\n",
                 "vocabulary.yml", "  support.chat", "no activity has the purpose statistics",
                 "add the activity", id="purpose that no activity uses"),
    pytest.param("policy.yml", "clauses: [KEEP-2]", "clauses: [KEEP-3]", "policy.yml",
                 "  retention.messages", "KEEP-3 is no clause", "KEEP-1, KEEP-2",
                 id="choice for an unknown clause"),
    pytest.param("policy.yml", "[EEA, UK]", "[EAA, UK]", "policy.yml", "regions",
                 "'EAA' is no region", "write EEA", id="unknown region"),
    pytest.param("activities.yml", "purpose: support.chat", "purpose: suport.chat",
                 "activities.yml", "- id", "the term suport.chat is not defined among the purposes",
                 "write support.chat", id="activity with an unknown purpose"),
    pytest.param("activities.yml", "[contact, free-text]", "[contact, free-txt, free-text]",
                 "activities.yml", "- id", "the term free-txt is not defined", "write free-text",
                 id="activity with an unknown category"),
    pytest.param("activities.yml", "[provider, helpdesk]", "[provider, help-desk]",
                 "activities.yml", "- id", "the term help-desk is not defined", "write helpdesk",
                 id="activity with an unknown recipient"),
    pytest.param("activities.yml", "default: legitimate-interest", "default: legitimate",
                 "activities.yml", "- id", "the term legitimate is not defined among the bases",
                 "write legitimate-interest", id="activity on an unknown basis"),
    pytest.param("activities.yml", "{EEA: legitimate-interest, default: legitimate-interest}", "{}",
                 "activities.yml", "- id", "answer has no legal basis", "GDPR Art. 6",
                 id="activity without a basis"),
    pytest.param("activities.yml", "{EEA: ", "{EU: ", "activities.yml", "- id",
                 "'EU' is no region", "write", id="basis for an unknown region"),
    pytest.param("activities.yml", "assessment:answer", "assesment:answer", "activities.yml",
                 "- id", "is no ground", "write assessment", id="unknown ground"),
    pytest.param("activities.yml", "assessment:answer", "consent", "activities.yml",
                 "- id", "is no ground", "write consent:NAME", id="ground without its name"),
    pytest.param("activities.yml", "assessment:answer", "consent:suport", "activities.yml",
                 "- id", "the term suport is not defined", "write support",
                 id="consent to an unknown purpose"),
    pytest.param("activities.yml", "assessment:answer", "assessment:answers", "activities.yml",
                 "- id", "names an activity that is not there", "write answer",
                 id="assessment of an unknown activity"),
    pytest.param("activities.yml", "assessment:answer", "request:helpdesks", "activities.yml",
                 "- id", "the term helpdesks is not defined", "write helpdesk",
                 id="request to an unknown recipient"),
    pytest.param("activities.yml", "retention: messages", "retention: mesages", "activities.yml",
                 "- id", "names the retention class mesages", "write messages",
                 id="activity in an unknown retention class"),
    pytest.param("activities.yml", "clauses: [USE-1]", "clauses: [USES-1]", "activities.yml",
                 "- id", "USES-1 is no clause", "write USE-1", id="activity of an unknown clause"),
    pytest.param("retention.yml", "keep: P5Y}", "keep: P5Y, clause: KEEPS-1}", "retention.yml",
                 "invoices", "KEEPS-1 is no clause", "write KEEP-1",
                 id="law by an unknown clause"),
    pytest.param("retention.yml", "category: free-text", "category: free-txt", "retention.yml",
                 "messages", "the term free-txt is not defined", "write free-text",
                 id="retention of an unknown category"),
    pytest.param("retention.yml", "choice: retention.messages", "choice: retention.mesages",
                 "retention.yml", "messages", "the choice retention.mesages, which is not there",
                 "write retention.messages", id="period of an unknown choice"),
    pytest.param("retention.yml", "keep: P5Y", "keep: {choice: law.books}", "retention.yml",
                 "invoices", "the choice law.books, which is not there", "add it to `choices`",
                 id="legal period of an unknown choice"),
    pytest.param("retention.yml", "clause: KEEP-1", "clause: KEEP-7", "retention.yml",
                 "invoices", "KEEP-7 is no clause", "KEEP-1, KEEP-2",
                 id="retention by an unknown clause"),
    pytest.param("recipients.yml", "lane: provider", "lane: providers", "recipients.yml", "- {id",
                 "the term providers is not defined among the recipients", "write provider",
                 id="recipient in an unknown lane"),
    pytest.param("recipients.yml", "[USE-1]", "[USE-7]", "recipients.yml", "- {id",
                 "USE-7 is no clause", "USE-1, USE-2", id="recipient of an unknown clause"),
    pytest.param("links.yml", "clause: USE-2", "clause: USE-7", "links.yml", "guide",
                 "USE-7 is no clause", "USE-1, USE-2", id="link of an unknown clause"),
    pytest.param("links.yml", ", note: the original does not give it", "", "links.yml", "lost",
                 "the link lost leads nowhere and does not say why", "say under `note`",
                 id="link without target or reason"),
    pytest.param("forms.yml", "activity: answer", "activity: answers", "forms.yml", "contact",
                 "feeds the activity answers, which is not there", "write answer",
                 id="form that feeds an unknown activity"),
    pytest.param("forms.yml", "contact.email", "contact.emial", "forms.yml", "email:",
                 "the term contact.emial is not defined", "write contact.email",
                 id="form that asks for an unknown category"),
    pytest.param("forms.yml", "category: contact.email", "category: navigation.ip", "forms.yml",
                 "email:", "asks for navigation.ip (email), which none of the activities",
                 "add the category", id="form that asks for more than its activity names"),
    pytest.param("forms.yml", "type: email", "type: email, consent: suport", "forms.yml",
                 "contact", "the term suport is not defined", "write support",
                 id="form with an unknown consent"),
    pytest.param("forms.yml", "clauses: [USE-1]", "clauses: [USE-7]", "forms.yml", "contact",
                 "USE-7 is no clause", "USE-1, USE-2", id="form of an unknown clause"),
    pytest.param("policy.yml", "covers: [analytics]", "covers: [analitics]", "policy.yml",
                 "count: {covers", "count covers analitics, which is no purpose",
                 "", id="visitors asked for no purpose"),
    pytest.param("policy.yml", "default: {count: opt-out}", "default: {}", "policy.yml",
                 "visits:", "whether count is opt-in or opt-out for default",
                 "write `count: opt-in` under default", id="no rule for a purpose"),
    pytest.param("policy.yml", "EEA: {count: opt-in}", "EEA: {count: opt-in, run: opt-in}",
                 "policy.yml", "visits:", "run is nothing that visitors choose about",
                 "write count", id="a rule for what is not chosen"),
    pytest.param("policy.yml", "gpc: [count]", "gpc: [counts]", "policy.yml", "visits:",
                 "counts is nothing that visitors choose about", "write count",
                 id="a signal that stops nothing"),
    pytest.param("policy.yml", "label: {en: Count}", "label: {de: Count}", "policy.yml",
                 "count: {covers", "the label of count is missing in en", "add `en:`",
                 id="no label in a language"),
    pytest.param("policy.yml", "refuse: Refuse, ", "", "policy.yml", "visits:",
                 "the banner lacks 'refuse' in en", "write `refuse:` under `texts.en`",
                 id="a banner without a no"),
    pytest.param("policy.yml", "refuse: Refuse, ", "refuse: Refuse, wheedle: Please, ",
                 "policy.yml", "visits:", "'wheedle' is no text of the banner", "write one of",
                 id="a text too many"),
    pytest.param("trackers.yml", "provider: helpdesk", "provider: helpdisk", "trackers.yml",
                 "- id: counter", "counter: helpdisk is no recipient", "write helpdesk",
                 id="tracker of nobody"),
    pytest.param("trackers.yml", "provider: helpdesk", "provider: null", "trackers.yml",
                 "- id: counter", "counter is hosted by a provider, and none is named",
                 "`hosting: self`", id="provider not named"),
    pytest.param("trackers.yml", "purposes: [count]", "purposes: [spy]", "trackers.yml",
                 "- id: counter", "counter: spy is no purpose of `visits`", "write one of",
                 id="tracker for no purpose"),
    pytest.param("trackers.yml", "sends: [navigation.ip]", "sends: [navigation.shoe]",
                 "trackers.yml", "- id: counter", "navigation.shoe is no category", "",
                 id="tracker sends what has no name"),
    pytest.param("trackers.yml", "  policy: guide\n", "", "trackers.yml", "- id: counter",
                 "counter is loaded by a click, and no policy is linked", "under `policy`",
                 id="embed without a policy"),
    pytest.param("trackers.yml", "opt-out: [lost]", "opt-out: [loost]", "trackers.yml",
                 "- id: counter", "counter: loost is no link", "write lost",
                 id="opt-out that leads nowhere"),
    pytest.param("trackers.yml", "hosting: provider", "hosting: self", "trackers.yml",
                 "- id: counter", "counter is our own, and _c* is not", "write `party: first`",
                 id="our own that others set"),
    pytest.param("forms.yml", "type: email,", "type: email, value: nobody,", "forms.yml",
                 "email:", "contact.email is filled in before anybody", "remove `value:`",
                 id="form that is filled in before"),
    pytest.param("forms.yml", "type: email,", "type: checkbox, ticked: true,", "forms.yml",
                 "email:", "contact.email is ticked before", "remove `ticked:`",
                 id="form with a box ticked before"),
    pytest.param("forms.yml", ", why: to reach you", "", "forms.yml", "email:",
                 "contact.email has to be filled in, and nothing says why", "required: false",
                 id="form that enforces a field without need"),
    pytest.param("forms.yml", "why: to reach you", "why: to, consent: support", "forms.yml",
                 "email:", "contact.email is a consent that has to be given", "required: false",
                 id="form with a consent that is enforced"),
    pytest.param("forms.yml", "type: email, why: to reach you",
                 "type: text, why: to, agrees: terms", "forms.yml", "email:",
                 "agrees to something and is no box to tick", "type: checkbox",
                 id="form in which typing agrees"),
    pytest.param("forms.yml", "required: true, type: email, why: to reach you",
                 "required: false, type: checkbox, agrees: terms, consent: support", "forms.yml",
                 "email:", "agrees to two things by one tick", "make two fields of it",
                 id="form with a bundled consent"),
    pytest.param("forms.yml", "message: {category: free-text, label: Message, required: true, type:"
                 " textarea, why: to answer}", "message: {category: transaction.paid, label: Call,"
                 " required: false, type: checkbox, consent: support}", "forms.yml",
                 "message:", "for that no activity uses transaction.paid", "write a category",
                 id="form with a consent to what nobody uses it for"),
    pytest.param("forms.yml", "context: site-form\n  fields:\n", "context: shop\n  fields:\n"
                 "    box: {category: contact.email, label: Call, required: false, type: checkbox,"
                 " consent: support.chat}\n", "forms.yml",
                 "email:", "no activity collects contact.email at shop", "add shop to the contexts",
                 id="form with a consent to what nobody does there"),
    pytest.param("forms.yml", "why: to reach you",
                 "demand: {by: law, otherwise: nothing follows}", "forms.yml", "email:",
                 "is said to be asked by a law, and no law is named", "add `citation:`",
                 id="form with a law that is not named"),
    pytest.param("forms.yml", "why: to reach you", "demand: {by: law, citation: Act}", "forms.yml",
                 "email:", "lacks 'otherwise'", "add `otherwise:`",
                 id="form that asks by law without consequence"),
    pytest.param("forms.yml", "email: {", "birth_date: {", "forms.yml", "email:",
                 "asks how old somebody is", "remove the field",
                 id="form that asks for a birthday"),
    pytest.param("forms.yml", "type: textarea", "type: select", "forms.yml", "message:",
                 "contact.message is a choice of nothing", "add `options:`",
                 id="form with a choice of nothing"),
    pytest.param("forms.yml", "label: E-mail", "label: {de: Adresse}", "forms.yml", "email:",
                 "is not there in en", "add `en:`", id="form without the language of the policy"),
    pytest.param("forms.yml", "path: /contact", "path: /contact\n  site: https://old.example",
                 "forms.yml", "contact", "on a site that policy.yml does not list", "https://",
                 id="form on a strange site"),
    pytest.param("forms.yml", "path: /contact", "path: /contact\n  partners: [helpdesk]",
                 "recipients.yml", "- {id", "without a link to its privacy policy", "add `policy:",
                 id="partner on a form without a link"),
    pytest.param("forms.yml", "path: /contact", "path: /contact\n  partners: [somebody]",
                 "forms.yml", "contact", "names the partner somebody, who is no", "one of",
                 id="partner who is no recipient"),
    pytest.param("activities.yml", "  interest: {words: to answer whoever asks, whose: ours}\n", "",
                 "activities.yml", "- id: answer", "rests on an interest, and answer does not say",
                 "add `interest:", id="form on an interest that nobody named"),
    pytest.param("activities.yml", "recipients: [provider, helpdesk]",
                 "recipients: [provider, helpdesk, co-marketing]", "forms.yml", "contact",
                 "gives what the form contact asks to co-marketing", "add `partners:",
                 id="form that gives to partners and names none"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "at", "text", "what", "fix"), SENSE)
def test_sense(
    write: Write, file: str, old: str, new: str, at: str, text: str, what: str, fix: str
) -> None:
    problems = found(write((file, old, new)))
    hits = [p for p in problems if what in p[1]]
    assert hits, problems
    assert hits[0][0] == f"{at}:{line_of(at, text)}"
    assert fix in hits[0][2]
    # One fault, one place: what else is said is a consequence of it.
    assert len(problems) <= 3, problems


FORM = [
    pytest.param("policy.yml", "languages: [en]", "langauges: [en]", 12, "unknown key 'langauges'",
                 "write languages", id="unknown key"),
    pytest.param("policy.yml", "languages: [en]\n", "", 1, "lacks 'languages'", "add `languages:`",
                 id="missing key"),
    pytest.param("policy.yml", "languages: [en]", "languages: [en]\nlanguages: [de]", 13,
                 "languages stands here a second time (first in line 12)", "keep one",
                 id="duplicate key"),
    pytest.param("policy.yml", "languages: [en]", "languages: [en, en]", 12, "names en twice",
                 "remove one", id="duplicate in a list"),
    pytest.param("policy.yml", "languages: [en]", "languages: en", 12, "wrong shape",
                 "write a list", id="wrong shape"),
    pytest.param("policy.yml", "languages: [en]", "languages: []", 12, "languages is empty",
                 "name at least one", id="empty list"),
    pytest.param("policy.yml", "version: 2024-03-01", "version: 2024-02-30", 4, "is no date",
                 "YYYY-MM-DD", id="no such day"),
    pytest.param("policy.yml", "format: 1", "format: 2", 1, "2 is not known", "write 1",
                 id="another format"),
    pytest.param("policy.yml", "by: operator\n", "by: nobody\n", 20, "'nobody' is not known",
                 "write operator", id="unknown word"),
    pytest.param("policy.yml", "languages: [en]", "languages: [en", 13, "this is not YAML",
                 "mend the indentation, quotes or brackets", id="not YAML"),
    pytest.param("policy.yml", "id: example", "id: !!python/name:os.system", 2, "has the tag",
                 "without a tag", id="tag"),
    pytest.param("policy.yml", "[en]", "&a [*a]", 12, "contains itself", "without an alias",
                 id="alias of itself"),
    pytest.param("clauses.yml", "KEEP-1: {", "KEEP-2: {", 23, "KEEP-2 stands here a second time",
                 "keep one", id="duplicate clause"),
    pytest.param("clauses.yml", "KEEP-1: {", "Keep-1: {", 22, "'Keep-1' is no name for this",
                 "such as ABC-1", id="malformed clause id"),
    pytest.param("clauses.yml", "mode: limit", "mode: limits", 12, "'limits' is not known",
                 "write limit", id="unknown mode"),
    pytest.param("clauses.yml", A_HASH, A_HASH[:-1], 19, "is not well formed", "64 hex digits",
                 id="malformed hash"),
    pytest.param("clauses.yml", "notes: The period is not decided yet.", "notes:", 27,
                 "wrong shape", "write text", id="empty value"),
    pytest.param("vocabulary.yml", "  support: {}", "  support: {parent: null, label: Mine}", 2,
                 "support is a shipped term", "write `support: {}`", id="shipped term redefined"),
    pytest.param("vocabulary.yml", "  support: {}", "  suport: {}", 2,
                 "the new term suport lacks parent and label", "write support", id="misspelt term"),
    pytest.param("vocabulary.yml", "parent: support,", "parent: suport,", 3,
                 "support.chat lies under suport", "write support", id="term under nothing"),
    pytest.param("vocabulary.yml", "parent: support,", "parent: support.chat,", 1,
                 "lies under itself", "another parent", id="term under itself"),
    pytest.param("activities.yml", "- id: answer", "- id: answer\n  title: x\n  purpose: support\n"
                 "  categories: [contact]\n  contexts: [any]\n  bases: {default: consent}\n"
                 "  retention: messages\n  clauses: [USE-1]\n- id: answer", 9,
                 "answer stands here a second time (first in line 1)", "another id",
                 id="duplicate activity"),
    pytest.param("recipients.yml", "- {id", "- {id: helpdesk, name: A, lane: provider, country: US,"
                 " clauses: [USE-1]}\n- {id", 2, "helpdesk stands here a second time",
                 "another id", id="duplicate recipient"),
    pytest.param("retention.yml", "  clause: KEEP-2", "  clauses: [KEEP-2]\n  clause: KEEP-2", 1,
                 "messages names its clause twice or not at all", "write `clause: ID`",
                 id="retention with clause and clauses"),
    pytest.param("retention.yml", "keep: P1Y", "keep: P1Y6M", 11, "is not well formed",
                 "P24M", id="malformed period"),
    pytest.param("policy.yml", "value: null", "value: two years", 16,
                 "the choice retention.messages is no period", "P24M",
                 id="choice that is no period"),
    pytest.param("activities.yml", "contexts: [site-form]", "contexts: site-form", 5,
                 "answer.contexts has the wrong shape", "write a list", id="item with an id"),
    pytest.param("retention.yml", "then: [erase, anonymise]", "then: [erase, burn]", 12,
                 "invoices.then[2]: 'burn' is not known", "write one of", id="item without a name"),
    pytest.param("text.md", "# Privacy policy", "## Privacy policy", 1, "the text has no title",
                 "# Title {section=CODE}", id="no title"),
    pytest.param("text.md", "## What we use", "# What we use", 6, "a second title", "write ##",
                 id="two titles"),
    pytest.param("text.md", " {section=SCOPE}", "", 1, "before the first section",
                 "name the section in the title", id="no section"),
    pytest.param("text.md", "{section=KEEP}", "{section=USE}", 17,
                 "the section USE stands here a second time (first in line 6)", "another code",
                 id="duplicate section"),
    pytest.param("text.md", "{section=KEEP}", "{section=keep}", 17, "is no code of a section",
                 "write capitals", id="malformed section"),
    pytest.param("text.md", "object. {#USE-3}", "object. {#USE-3}{#USE-3}", 15,
                 "USE-3 stands here twice", "keep one", id="id twice in a sentence"),
    pytest.param("text.md", "object. {#USE-3}", "object. {#use-3}", 15,
                 "{#use-3} is no clause id", "{#ABC-1}", id="malformed id"),
    pytest.param("text.md", "object. {#USE-3}", "object. {#USE-3} And so on.", 15,
                 "'{#USE-3}' stands where it has no meaning", "at the end of the line",
                 id="id in the middle"),
    pytest.param("text.md", "{org.email}", "{org.email", 4, "stands where it has no meaning",
                 "closed as they were opened", id="open brace"),
    pytest.param("text.md", "You can object.", "[[You can object.", 15,
                 "'[[' stands where it has no meaning", "closed as they were opened",
                 id="open term"),
    *(pytest.param("policy.yml", "privacy@example.com", f"'{wrong}'", 9,
                   "is not well formed", "an e-mail address", id=wrong)
      for wrong in ('a@b.de"><script>x</script>', "a@b", "a b@c.de", "a@b.de?bcc=c@d.de", "a@.de",
                    "@b.de", "a@b..de", "Ana <a@b.de>")),
    pytest.param("text.md", "### How", "#### How", 13, "this is no heading", "one to three #",
                 id="no such heading"),
    pytest.param("text.md", "You can object. {", "{", 15, "nothing to read", "write the sentence",
                 id="ids without words"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "line", "what", "fix"), FORM)
def test_form(write: Write, file: str, old: str, new: str, line: int, what: str, fix: str) -> None:
    root = write((file, old, new))
    problems = found(root)
    hits = [p for p in problems if what in p[1]]
    assert hits, problems
    assert hits[0][0] == f"{file}:{line}"
    assert fix in hits[0][2]
    # A bundle of a wrong form is not loaded at all, and the first thing amiss is named.
    with pytest.raises(BundleError) as error:
        reading.load(root)
    assert error.value.where == str(root / problems[0][0])
    assert error.value.fix


@pytest.mark.parametrize("field", ["url", "words", "clause", "https://ann:hunter2@old.example"])
def test_a_password_in_a_link_is_not_repeated(write: Write, field: str) -> None:
    address = '"https://ann:hunter2@example.com/guide"'
    if field == "url":
        root = write(("links.yml", '"https://example.com/guide"', address))
    elif field == "words":
        root = write(("links.yml", "words: our guide", f"words: [{address}]"))
    elif field == "clause":
        root = write(("links.yml", "clause: USE-2", f"clause: {address}"))
    else:
        root = write(("links.yml", "words: our guide", f'words: our guide, "{field}": x'))
    problems = found(root)
    assert problems
    assert "hunter2" not in str(problems)
    if field == "url":
        assert problems[0][1] == "guide.url: '…' is not well formed"
        assert "without user:password@" in problems[0][2]


def test_words_in_another_language_are_those_of_the_other_files(write: Write) -> None:
    root = write(("policy.yml", "languages: [en]", "languages: [en, de]"))
    bundle, _ = reading.read(root)
    assert bundle is not None
    title = next(iter(bundle.activities.values())).title
    (root / "messages.yml").write_text(f"de:\n  {title}: Etwas tun\n", "utf-8")
    assert not [p for p in found(root) if p[0].startswith("messages")]
    again, _ = reading.read(root)
    assert again is not None
    assert again.text_digest != bundle.text_digest  # it is shown, so it is published
    assert again.rules_digest == bundle.rules_digest
    with spoken.speaking(again, "de"):
        assert spoken.own(title) == "Etwas tun"
        assert spoken.own("Nobody translated this") == "Nobody translated this"
        assert spoken.marked("Not this") == '<span lang="en">Not this</span>'
    (root / "messages.yml").write_text("de:\n  Nobody says this: Nein\nfr:\n  x: y\n", "utf-8")
    assert [p for p in found(root) if p[0].startswith("messages")] == [
        ("messages.yml:2", "no file says 'Nobody says this'",
         "spell it as the file does that says it, or remove it"),
        ("messages.yml:3", "fr is no language of this policy",
         "add it to `languages`, or remove its words"),
        ("messages.yml:4", "no file says 'x'",
         "spell it as the file does that says it, or remove it"),
    ]  # fmt: skip


def test_a_file_that_is_no_part_of_the_bundle(write: Write) -> None:
    root = write()
    (root / "activites.yml").write_text("[]")
    (root / "README.md").write_text("Notes.")
    assert found(root) == [
        ("activites.yml:1", "this is no part of a bundle of format 1", "write activities.yml")
    ]


@pytest.mark.parametrize("file", ["policy.yml", "text.md"])
def test_a_file_that_is_not_utf_8(write: Write, file: str) -> None:
    root = write()
    path = root / file
    path.write_bytes(path.read_bytes().replace(b"Example", b"Ex\xe4mple", 1)
                     if file == "policy.yml" else b"# A\n\xff\n")  # fmt: skip
    line = 3 if file == "policy.yml" else 2
    assert found(root) == [(f"{file}:{line}", "this is not UTF-8", "save the file as UTF-8")]


def test_files_without_a_word(write: Write) -> None:
    root = write()
    (root / "policy.yml").write_text("# nothing yet\n")
    problems = found(root)
    assert ("policy.yml:1", "the file lacks 'version'", "add `version:`") in problems
    (root / "text.md").unlink()
    assert any(where == "text.md:1" for where, _, _ in found(root))


def test_no_bundle_at_all(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no policy bundle"):
        reading.load(tmp_path)
    with pytest.raises(BundleError, match="is no policy bundle"):
        clauses.check_directory(tmp_path / "nowhere", CONTROLS)


def test_all_faults_are_found_at_once_and_in_order(write: Write) -> None:
    root = write(
        ("text.md", "can object. {#USE-3}", "can object."),
        ("text.md", "answer you. {#USE-1}", "answer you. {#USE-9}"),
        ("retention.yml", "category: free-text", "category: free-txt"),
    )
    where = [p[0] for p in found(root)]
    assert where == ["retention.yml:1", "text.md:8", "text.md:15"]


# --- publication -------------------------------------------------------------------------------

CHANGES = [
    pytest.param(("text.md", "You can object.", "You may object."), "text", id="one word"),
    pytest.param(("text.md", "- You can read", "You can read"), "text", id="a bullet"),
    pytest.param(("policy.yml", "1 High Street", "2 High Street"), "text", id="a contact point"),
    pytest.param(("vocabulary.yml", "how to reach you", "who you are"), "text", id="a definition"),
    pytest.param(("links.yml", "words: our guide", "words: the guide"), "text",
                 id="words of a link"),
    pytest.param(("retention.yml", "keep: P1Y", "keep: P2Y"), "rules", id="a period"),
    pytest.param(("retention.yml", "clock: creation", "clock: closed"), "rules", id="a clock"),
    pytest.param(("policy.yml", "value: 10", "value: 11"), "rules", id="a choice"),
    pytest.param(("policy.yml", "value: null", "value: P1Y"), "rules", id="a choice made"),
    pytest.param(("clauses.yml", "SCOPE-2:\n  mode: must", "SCOPE-2:\n  mode: may"), "rules",
                 id="a mode"),
    pytest.param(("activities.yml", "[provider, helpdesk]", "[provider]"), "rules",
                 id="a recipient of an activity"),
    pytest.param(("recipients.yml", "country: US", "country: DE"), "rules", id="a country"),
    pytest.param(("forms.yml", "required: true, type: email", "required: false, type: email"),
                 "rules", id="a field of a form"),
    pytest.param(("links.yml", "com/guide", "com/help"), "rules", id="an address"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "what"), CHANGES)
def test_changed_without_a_new_version(write: Write, edit: tuple[str, str, str], what: str) -> None:
    published = versions.publish(reading.load(write()))
    changed = reading.load(write(edit, name="changed"))
    problems = clauses.check(changed, CONTROLS, published)
    whats = [p.what for p in problems]
    assert f"the {what} of version 2024-03-01 changed after it was published" in whats
    assert {p.where for p in problems} == {f"policy.yml:{line_of('policy.yml', 'version')}"}
    assert "set `version` to the date" in problems[0].fix
    # With a new date the same change is in order.
    dated = ("policy.yml", "version: 2024-03-01", "version: 2024-04-01")
    assert clauses.check(reading.load(write(edit, dated, name="new")), CONTROLS, published) == []


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(("clauses.yml", "status: checked\n", "status: checked\n  notes: Good.\n"),
                     id="notes"),
        pytest.param(("clauses.yml", "  controls: [use.only-as-registered]",
                      "  controls: [use.only-as-registered, rights.objection]"), id="controls"),
        pytest.param(("clauses.yml", "status: checked\n", ANCHORED), id="source"),
        pytest.param(("clauses.yml", "status: gated", "status: checked"), id="status"),
        pytest.param(("links.yml", "does not give it", "is silent"), id="note of a link"),
        pytest.param(("retention.yml", "messages:", "# a remark\nmessages:"), id="a comment"),
        pytest.param(("policy.yml", "asks: How long", "asks: For how long"), id="a question"),
    ],
)  # fmt: skip
def test_what_is_no_part_of_a_publication(write: Write, edit: tuple[str, str, str]) -> None:
    published = versions.publish(reading.load(write()))
    assert clauses.check(reading.load(write(edit, name="new")), CONTROLS, published) == []


def test_a_choice_made_by_a_deployment_is_a_rule(write: Write) -> None:
    draft = reading.load(write())
    published = versions.publish(draft)
    chosen = draft.with_choices({"retention.messages": "P1Y"})
    assert chosen.rules_digest != draft.rules_digest
    assert chosen.text_digest == draft.text_digest
    assert [p.what for p in versions.changed(chosen, published)] == [
        "the rules of version 2024-03-01 changed after it was published"
    ]


def test_older_than_published_and_another_policy(write: Write) -> None:
    bundle = reading.load(write())
    record = versions.publish(bundle)
    newer = versions.Published(
        bundle.id, dt.date(2024, 5, 1), record.text_sha256, record.rules_sha256
    )
    assert "is published, and this one is older" in clauses.check(bundle, CONTROLS, newer)[0].what
    other = versions.Published("other", bundle.version, record.text_sha256, record.rules_sha256)
    (problem,) = clauses.check(bundle, CONTROLS, other)
    assert problem.where == f"policy.yml:{line_of('policy.yml', 'id: example')}"
    assert problem.fix.startswith("write `id: other`")


def test_the_record_of_a_publication_survives_json(write: Write) -> None:
    record = versions.publish(reading.load(write()))
    assert versions.Published.of(record.body()) == record
    with pytest.raises(BundleError, match="no record of a publication"):
        versions.Published.of({"id": "x"})


def test_summary(write: Write) -> None:
    bundle, problems = clauses.check_directory(write(), CONTROLS)
    assert clauses.summary(bundle, problems) == {
        "clauses": 7,
        "problems": [],
        "open": ["KEEP-2"],
        "choices_open": ["retention.messages"],
        "addresses_open": [],
    }
    bundle, problems = clauses.check_directory(
        write(("policy.yml", "format: 1", "format: 2"), name="wrong"), CONTROLS
    )
    assert clauses.summary(bundle, problems)["problems"] == [
        {"where": "policy.yml:1", "what": "format: 2 is not known", "fix": "write 1"}
    ]
