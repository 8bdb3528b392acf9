"""What a map leaves to decide: it can be read all the same, and every answer rests on a guess."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kept.app.output import many
from kept.datamap import check as checking
from kept.datamap import others
from kept.datamap.map import DataMap, Dataset, Owner, System
from kept.model.plan import Mode
from kept.stores.discover.words import SECRET_TYPES as TYPES
from kept.stores.discover.words import secretive

#: A draft's question: a comment that begins with a question mark.
_MARK: Final = re.compile(r"#\s*\?\s")


def undecided(datamap: DataMap) -> Iterator[tuple[str, str]]:
    """What a map leaves to decide: (system, in words). A map with it can be read all the same."""
    for name, system in datamap.systems.items():
        missing = checking.unused(system)
        if missing:
            lines = ", ".join(str(d.line) for d in missing)
            yield (
                name,
                f"still to decide: what {many(len(missing), 'dataset')} about people"
                f" {'is' if len(missing) == 1 else 'are'} used for; name it under `activities:`"
                f" ({system.file}:{lines})",
            )
        unsaid = {
            f"{dataset.name}.{item}": (why, dataset.line)
            for dataset in system.datasets.values()
            for item, why in others.unsaid(datamap, (name, dataset.name))
        }
        if unsaid:
            where = ", ".join(f"`{item}`: {why}" for item, (why, _) in unsaid.items())
            lines = ", ".join(map(str, sorted({line for _, line in unsaid.values()})))
            yield (
                name,
                f"still to decide: whether {many(len(unsaid), 'field')} of people's rows"
                f" {'names' if len(unsaid) == 1 else 'name'} somebody else ({where}); write"
                " `others: staff` there, `others: person`, or `others: no`"
                f" ({system.file}:{lines})",
            )
        bare = list(_unsaid_secrets(system))
        if bare:
            where = ", ".join(f"`{d.name}.{item}`" for d, item in bare)
            lines = ", ".join(map(str, sorted({d.line for d, _ in bare})))
            yield (
                name,
                f"still to decide: whether {many(len(bare), 'field')} that"
                f" {'is' if len(bare) == 1 else 'are'} named like what proves a log-in may be"
                f" handed out ({where}); write `secret: true` there, or `secret: false`"
                f" ({system.file}:{lines})",
            )
        silent = [(d, n) for d in system.datasets.values() for n in checking.unsaid(d)]
        if silent:
            count = len(silent)
            where = ", ".join(f"`{d.name}.{n}`" for d, n in silent)
            lines = ", ".join(map(str, sorted({d.line for d, _ in silent})))
            yield (
                name,
                f"still to decide: whether {many(count, 'field')} of people's rows"
                f" {'is' if count == 1 else 'are'} theirs to take along ({where}); write"
                " `origin: provided`, `observed`, `derived`, `others` or `own` there or at the"
                f" dataset ({system.file}:{lines})",
            )
        marks = _marks(system)
        # The head of a draft explains the mark; it is none.
        if marks:
            yield (
                name,
                f"still to decide: {many(len(marks), 'question')} marked `# ?`"
                f" ({system.file}:{', '.join(marks[:12])}{', …' if len(marks) > 12 else ''});"
                " decide, then remove the mark",
            )


def _marks(system: System) -> list[str]:
    """The lines of a map that are marked as questions."""
    try:
        text = Path(system.file).read_text("utf-8") if system.file else ""
    except (OSError, UnicodeDecodeError):
        return []
    return [str(n) for n, line in enumerate(text.splitlines(), 1) if _MARK.search(line)]


def drafts(datamap: DataMap) -> list[str]:
    """Of each system that is written to by itself and whose map is a draft: its questions."""
    return [
        f"{many(len(marks), 'question')} of the map of {name} "
        f"{'is' if len(marks) == 1 else 'are'} undecided"
        f" ({system.file}:{', '.join(marks[:12])}{', …' if len(marks) > 12 else ''})"
        for name, system in datamap.systems.items()
        if system.mode is Mode.ACT and (marks := _marks(system))
    ]


def _unsaid_secrets(system: System) -> Iterator[tuple[Dataset, str]]:
    """Fields of people's rows that are named like secrets, and of which the map says nothing."""
    for dataset in system.datasets.values():
        about = dataset.personal or any(link.kind is not Owner.ACCESSED for link in dataset.links)
        for item in dataset.fields.values() if about else ():
            if item.secret is None and item.type in TYPES and secretive(item.name):
                yield dataset, item.name
