"""What a map leaves to decide: it can be read all the same, and every answer rests on a guess."""

from __future__ import annotations

from collections.abc import Iterator, Set
from pathlib import Path

from kept.datamap import check as checking
from kept.datamap import others
from kept.datamap.map import DataMap, Dataset, OnErase, Owner, System
from kept.model.plan import Mode
from kept.stores.discover import MARK
from kept.stores.discover.words import SECRET_TYPES as TYPES
from kept.stores.discover.words import secretive
from kept.terms.vocabulary import Vocabulary
from kept.terms.words import many


def undecided(datamap: DataMap, words: Vocabulary) -> Iterator[tuple[str, str, int]]:
    """What a map leaves to decide: (system, in words, how many). It can be read all the same."""
    for name, system in datamap.systems.items():
        told = set[tuple[str, str]]()  # (dataset, words): marks that ask what is said anyway
        missing = checking.unused(system)
        told |= {(d.name, "`activities:`") for d in missing}
        told |= {(d.name, "`retention:`") for d in system.datasets.values() if not d.retention}
        if missing:
            lines = ", ".join(str(d.line) for d in missing)
            yield (
                name,
                f"still to decide: what {many(len(missing), 'dataset')} about people"
                f" {'is' if len(missing) == 1 else 'are'} used for; name it under `activities:`"
                f" ({system.file}:{lines})",
                len(missing),
            )
        unsaid = {
            f"{dataset.name}.{item}": (why, dataset.line)
            for dataset in system.datasets.values()
            for item, why in others.unsaid(datamap, (name, dataset.name))
        }
        told |= {(of, "`others: ") for of, _, _ in (n.partition(".") for n in unsaid)}
        if unsaid:
            where = ", ".join(f"`{item}`: {why}" for item, (why, _) in unsaid.items())
            lines = ", ".join(map(str, sorted({line for _, line in unsaid.values()})))
            yield (
                name,
                f"still to decide: whether {many(len(unsaid), 'field')} of people's rows"
                f" {'names' if len(unsaid) == 1 else 'name'} somebody else ({where}); write"
                " `others: staff` there, `others: person`, or `others: no`"
                f" ({system.file}:{lines})",
                len(unsaid),
            )
        unshared = checking.unshared(system)
        told |= {(d.name, "`shared: ") for d in unshared}
        if unshared:
            yield (
                name,
                f"still to decide: what follows when one of the people goes whose rows"
                f" {many(len(unshared), 'dataset')} {'has' if len(unshared) == 1 else 'have'}"
                f" ({', '.join(f'`{d.name}`' for d in unshared)}); now all personal fields are"
                " emptied, also those of the others; write `shared: delete`, `one-side` or"
                f" `last-owner` ({system.file}:{', '.join(str(d.line) for d in unshared)})",
                len(unshared),
            )
        bare = list(_unsaid_secrets(system))
        told |= {(d.name, "`secret: ") for d, _ in bare}
        if bare:
            where = ", ".join(f"`{d.name}.{item}`" for d, item in bare)
            lines = ", ".join(map(str, sorted({d.line for d, _ in bare})))
            yield (
                name,
                f"still to decide: whether {many(len(bare), 'field')} that"
                f" {'is' if len(bare) == 1 else 'are'} named like what proves a log-in may be"
                f" handed out ({where}); write `secret: true` there, or `secret: false`"
                f" ({system.file}:{lines})",
                len(bare),
            )
        open_ = [(d, t) for d in system.datasets.values() if (t := _unsaid_texts(d, words))]
        if open_:
            where = ", ".join(f"`{d.name}.{item}`" for d, t in open_ for item in t)
            count = sum(len(t) for _, t in open_)
            yield (
                name,
                f"still to decide: what becomes of people who are named in {many(count, 'text')}"
                f" ({where}), where nobody is looked for; write `free_text: redact` (the passage"
                " goes) there, `delete` (the text goes), or `true` (nobody is looked for, and every"
                f" answer says so) ({system.file}:{', '.join(str(d.line) for d, _ in open_)})",
                count,
            )
        silent = [(d, u) for d in system.datasets.values() if (u := checking.unsaid(d))]
        told |= {(d.name, "`origin: ") for d, _ in silent}
        if silent:
            where = ", ".join(f"`{d.name}.{item}`" for d, u in silent for item in u)
            yield (
                name,
                f"still to decide: where what {many(len(silent), 'dataset')} of people's rows"
                f" {'says' if len(silent) == 1 else 'say'} without a category comes from ({where});"
                " write `origin: provided`, `observed`, `derived`, `others` or `own` at the"
                f" dataset or there ({system.file}:{', '.join(str(d.line) for d, _ in silent)})",
                len(silent),
            )
        marks = _marks(system, told)
        if marks:
            yield (
                name,
                f"still to decide: {many(len(marks), 'question')} marked `# ?`"
                f" ({_at(system, marks)}); decide, then remove the mark",
                len(marks),
            )


def _marks(system: System, told: Set[tuple[str, str]] = frozenset()) -> list[int]:
    """The line of each question in a map; without those that ask what is `told` anyway."""
    try:
        text = Path(system.file).read_text("utf-8") if system.file else ""
    except (OSError, UnicodeDecodeError):
        return []
    begun = {d.line: d.name for d in system.datasets.values()}
    found, dataset = [], ""
    for number, line in enumerate(text.splitlines(), 1):
        dataset = begun.get(number, dataset)
        for question in MARK.split(line)[1:]:
            if not any(of == dataset and word in question for of, word in told):
                found.append(number)
    return found


def _at(system: System, marks: list[int]) -> str:
    """The first lines of them, by file."""
    lines = [str(n) for n in dict.fromkeys(marks)]
    return f"{system.file}:{', '.join(lines[:12])}{', …' if len(lines) > 12 else ''}"


def drafts(datamap: DataMap) -> list[str]:
    """Of each system that is written to by itself and whose map is a draft: its questions."""
    return [
        f"{many(len(marks), 'question')} of the map of {name} "
        f"{'is' if len(marks) == 1 else 'are'} undecided"
        f" ({_at(system, marks)})"
        for name, system in datamap.systems.items()
        if system.mode is Mode.ACT and (marks := _marks(system))
    ]


def _unsaid_texts(dataset: Dataset, words: Vocabulary) -> tuple[str, ...]:
    """Texts of which the map does not say what becomes of people who are named there."""
    return () if dataset.on_erase is OnErase.NEVER else dataset.unsaid_texts(words)


def _unsaid_secrets(system: System) -> Iterator[tuple[Dataset, str]]:
    """Fields of people's rows that are named like secrets, and of which the map says nothing."""
    for dataset in system.datasets.values():
        about = dataset.personal or any(link.kind is not Owner.ACCESSED for link in dataset.links)
        for item in dataset.fields.values() if about else ():
            if item.secret is None and item.type in TYPES and secretive(item.name):
                yield dataset, item.name
