"""From the plain values of the files to the parts of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kept.errors import BundleError
from kept.policy.problem import Problem
from kept.policy.shapes import (
    Activity,
    Anchor,
    Choice,
    Clause,
    Column,
    Definition,
    Demand,
    Form,
    FormField,
    Import,
    Interest,
    LawHold,
    Link,
    Organisation,
    Paper,
    Recipient,
    Reference,
    RetentionClass,
    Text,
)
from kept.policy.yamlfile import File, close
from kept.terms.vocabulary import SHIPPED, Kind, Term, Vocabulary

# Bases are closed by law (GDPR Art. 6 (1)): a bundle cannot invent one.
_EXTENDS: tuple[Kind, ...] = ("purposes", "categories", "channels", "recipients")


def organisation(file: File) -> Organisation:
    """Who answers for the policy."""
    value = file.value["organisation"]
    contacts = value["contacts"]
    return Organisation(value["name"], value["country"], contacts["email"], tuple(contacts["post"]))


def choices(file: File) -> dict[str, Choice]:
    """What the text leaves open, by name."""
    return {
        name: Choice(
            name=name,
            value=tuple(row["value"]) if isinstance(row["value"], list) else row["value"],
            asks=row["asks"],
            clauses=tuple(row["clauses"]),
            by=row["by"],
            line=file.line("choices", name),
        )
        for name, row in file.value["choices"].items()
    }


def clauses(file: File) -> dict[str, Clause]:
    """The clauses by id, in the order of the file."""
    return {
        name: Clause(
            id=name,
            mode=row["mode"],
            kind=row["kind"],
            status=row["status"],
            controls=tuple(row.get("controls", ())),
            notes=row.get("notes", "").strip(),
            sources=tuple(
                Anchor(anchor["ref"], anchor["sha256"], file.line(name, "source", n))
                for n, anchor in enumerate(row.get("source", ()))
            ),
            document=_paper(row.get("document")),
            attestation=_paper(row.get("attestation")),
            line=file.line(name),
        )
        for name, row in file.value.items()
    }


def _paper(row: Mapping[str, Any] | None) -> Paper | None:
    if row is None:
        return None
    return Paper(row["signer"], row["date"], row.get("sha256"), row.get("expiry"))


def vocabulary(file: File) -> tuple[Vocabulary | None, dict[str, int], list[Problem]]:
    """The shipped vocabulary with the terms of the bundle, and the purposes that it lists."""
    extra: dict[Kind, list[Term]] = {}
    problems: list[Problem] = []
    for kind in _EXTENDS:
        rows: dict[str, Any] = file.value.get(kind, {})
        shipped = SHIPPED.tree(kind)
        for name, row in rows.items():
            where = f"{file.name}:{file.line(kind, name)}"
            if name in shipped:
                if row:
                    fix = f"write `{name}: {{}}` to name it, or give your own term another name"
                    problems.append(Problem(where, f"{name} is a shipped term", fix))
                continue
            lacks = [key for key in ("parent", "label") if key not in row]
            if lacks:
                what = f"the new term {name} lacks {' and '.join(lacks)}"
                fix = f"add it; if a shipped term was meant, {close(name, shipped)}"
                problems.append(Problem(where, what, fix))
                continue
            parent = row["parent"]
            if parent is not None and parent not in shipped and parent not in rows:
                what = f"{name} lies under {parent}, which is no term of {kind}"
                problems.append(Problem(where, what, close(parent, {*shipped, *rows} - {name})))
            extra.setdefault(kind, []).append(
                Term(name, parent, row["label"], row.get("iri"), row.get("channel"))
            )
    named = {name: file.line("purposes", name) for name in file.value.get("purposes", {})}
    if problems:
        return None, named, problems
    try:
        return SHIPPED.with_terms(extra), named, []
    except BundleError as error:
        problem = Problem(f"{file.name}:1", error.what, error.fix or "mend the tree of terms")
        return None, named, [problem]


def glossary(file: File) -> dict[str, Definition]:
    """The definitions, by term."""
    return {
        term: Definition(
            term, row["means"], row["source"], tuple(row.get("aliases", ())),
            file.line("glossary", term),
        )
        for term, row in file.value.get("glossary", {}).items()
    }  # fmt: skip


def references(file: File) -> dict[str, Reference]:
    """The cross-references, by the words of the text."""
    return {
        words: Reference(words, section, file.line("references", words))
        for words, section in file.value.get("references", {}).items()
    }


def activities(file: File) -> tuple[dict[str, Activity], list[Problem]]:
    """The record of processing, by id."""
    found: dict[str, Activity] = {}
    problems = []
    for n, row in enumerate(file.value):
        line, name = file.line(n), row["id"]
        if name in found:
            problems.append(_twice(file, line, name, found[name].line))
        found[name] = Activity(
            id=name,
            title=row["title"],
            purpose=row["purpose"],
            categories=tuple(row["categories"]),
            contexts=tuple(row["contexts"]),
            bases=MappingProxyType(row["bases"]),
            requires=tuple(row.get("requires", ())),
            recipients=tuple(row.get("recipients", ())),
            retention=row["retention"],
            clauses=tuple(row["clauses"]),
            line=line,
            interest=_interest(row.get("interest")),
        )
    return found, problems


def _interest(row: Mapping[str, Any] | None) -> Interest | None:
    return None if row is None else Interest(words(row["words"]), words(row["whose"]))


def words(value: str | Mapping[str, str]) -> Text:
    """Words for people, in one language or in several."""
    return value if isinstance(value, str) else MappingProxyType(dict(value))


def retention(file: File) -> tuple[dict[str, RetentionClass], list[Problem]]:
    """The retention classes by name, choices not yet looked up."""
    found = {}
    problems = []
    for name, row in file.value.items():
        line = file.line(name)
        if ("clause" in row) == ("clauses" in row):
            what = f"{name} names its clause twice or not at all"
            fix = "write `clause: ID`, or `clauses: [ID, …]` for several"
            problems.append(Problem(f"{file.name}:{line}", what, fix))
        keep, keep_choice = _keep(row["keep"])
        law = row.get("law")
        found[name] = RetentionClass(
            id=name,
            category=row["applies"]["category"],
            clock=row["clock"],
            keep=keep,
            keep_choice=keep_choice,
            then=tuple(row["then"]),
            clauses=tuple(row.get("clauses", ())) or (row.get("clause", ""),),
            law=None
            if law is None
            else LawHold(law["citation"], law["words"], *_keep(law["keep"]), law.get("clause")),
            choice=row.get("choice"),
            line=line,
        )
    return found, problems


def _keep(value: str | Mapping[str, str]) -> tuple[str | None, str | None]:
    return (value, None) if isinstance(value, str) else (None, value["choice"])


def recipients(file: File) -> tuple[dict[str, Recipient], list[Problem]]:
    """The recipients, by id."""
    found: dict[str, Recipient] = {}
    problems = []
    for n, row in enumerate(file.value):
        line, name = file.line(n), row["id"]
        if name in found:
            problems.append(_twice(file, line, name, found[name].line))
        found[name] = Recipient(
            name, row["name"], row["lane"], row["country"], tuple(row["clauses"]),
            row.get("notes", ""), line, row.get("policy"), tuple(row.get("forms", ())),
            tuple(row.get("pages", ())),
        )  # fmt: skip
    return found, problems


def with_recipients(words: Vocabulary, found: Mapping[str, Recipient]) -> Vocabulary:
    """The vocabulary in which each recipient is a word below its lane.

    So an activity may name one of them instead of the whole lane. One whose lane is not there
    is left out; so is one that has the name of a lane.
    """
    lanes = words.recipients
    own = [Term(r.id, r.lane, r.name) for r in found.values() if r.lane in lanes]
    return words.with_terms({"recipients": [term for term in own if term.id not in lanes]})


def links(file: File) -> dict[str, Link]:
    """The links, by id."""
    return {
        name: Link(
            name,
            row["url"],
            row["words"],
            row["clause"],
            row.get("note", ""),
            file.line(name),
            row.get("where"),
            row.get("needed", False),
        )
        for name, row in file.value.items()
    }


def forms(file: File, first_site: str) -> dict[str, Form]:
    """The forms, by id."""
    return {
        name: Form(
            id=name,
            title=words(row["title"]),
            path=row["path"],
            activity=row["activity"],
            purposes=tuple(row.get("purposes", ())),
            context=row.get("context", "any"),
            fields=MappingProxyType(
                {n: _field(n, f, file.line(name, "fields", n)) for n, f in row["fields"].items()}
            ),
            clauses=tuple(row["clauses"]),
            line=file.line(name),
            site=row.get("site", first_site),
            grounds=tuple(row.get("grounds", ())),
            makes=MappingProxyType(dict(row.get("makes", {}))),
            partners=tuple(row.get("partners", ())),
            consent=row.get("consent"),
        )
        for name, row in file.value.items()
    }


def _field(name: str, row: Mapping[str, Any], line: int) -> FormField:
    demand, options = row.get("demand"), row.get("options")
    return FormField(
        name=name,
        category=row["category"],
        label=words(row["label"]),
        required=row["required"],
        type=row.get("type", "text"),
        why=words(row.get("why", "")),
        consent=row.get("consent"),
        line=line,
        purpose=row.get("purpose"),
        agrees=row.get("agrees"),
        demand=None
        if demand is None
        else Demand(demand["by"], words(demand["otherwise"]), demand.get("citation", "")),
        options=None
        if options is None
        else MappingProxyType({value: words(text) for value, text in options.items()}),
        region=row.get("region"),
        ticked=row.get("ticked", False),
        value=row.get("value"),
    )


def imports(file: File) -> dict[str, Import]:
    """The imports, by id."""
    return {name: _import(file, name, row) for name, row in file.value.items()}


def _import(file: File, name: str, row: Mapping[str, Any]) -> Import:
    columns = {n: _column(n, c, file.line(name, "columns", n)) for n, c in row["columns"].items()}
    fields = {
        n: FormField(
            n, c.category, n, c.required, "textarea" if c.type == "textarea" else "text", "",
            c.consent, c.line, purpose=c.purpose, region=c.region,
        )
        for n, c in columns.items()
    }  # fmt: skip
    form = Form(
        id=f"import:{name}", title=row["title"], path="", activity=row["activity"], purposes=(),
        context=row["context"], fields=MappingProxyType(fields), clauses=tuple(row["clauses"]),
        line=file.line(name), grounds=tuple(row.get("grounds", ())),
    )  # fmt: skip
    return Import(
        name, row["title"], form, MappingProxyType(columns), tuple(row["from"]),
        tuple(row.get("needs", ())), file.line(name),
    )  # fmt: skip


def _column(name: str, row: Mapping[str, Any], line: int) -> Column:
    proof = row.get("proof")
    return Column(
        name, row["category"], row.get("type", "text"), row.get("required", False),
        tuple(row.get("names", ())), line, row.get("order"), row.get("purpose"),
        row.get("consent"), None if proof is None else MappingProxyType(dict(proof)),
        row.get("says"), row.get("region"),
    )  # fmt: skip


def _twice(file: File, line: int, name: str, first: int) -> Problem:
    what = f"{name} stands here a second time (first in line {first})"
    return Problem(f"{file.name}:{line}", what, "give one of them another id")
