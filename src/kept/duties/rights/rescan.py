"""The files of a package, read again as whoever gets it reads them: is anything of others left?

What was struck is looked for in every file, in what a reader sees: cells of the tables, values
of the JSON, text and attributes of the page. Looked for is also what names somebody else by
itself: addresses, numbers in the international form, names of staff.
"""

from __future__ import annotations

import csv
import html.parser
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from kept.model.cover import Cover
from kept.model.strike import any_of, holds
from kept.records.redaction import Left

#: Files that hold hashes, and names of columns as the systems call them.
_OF_PROGRAMS: Final = ("manifest.json", "datapackage.json", "README.txt")
#: The longest cell of a table, in characters.
_LONGEST: Final = 2**31 - 1
#: Elements that stand in the middle of a word or a line.
_INLINE: Final = frozenset(("span", "wbr", "b", "strong", "a", "code", "q", "em", "mark", "abbr"))


def left(
    package: Path, struck: Iterable[str], cover: Cover, spared: Iterable[str]
) -> tuple[int, tuple[Left, ...]]:
    """(files read, what is left). `spared`: what somebody decided to leave there."""
    wanted, stays = list(struck), any_of(spared)
    quick = any_of(wanted)
    met: Counter[tuple[str, str, bool]] = Counter()
    files = 0
    with zipfile.ZipFile(package) as archive:
        for name in archive.namelist():
            files += 1
            with archive.open(name) as file:
                text = io.TextIOWrapper(file, "utf-8", newline="")
                for said in seen(name, text):
                    if quick is not None and quick.search(said):
                        for words in wanted:
                            if count := holds(said, words):
                                met[name, words, True] += count
                    if name in _OF_PROGRAMS or name.startswith("schema/"):
                        continue
                    for start, end, _, _ in cover.spans(said):
                        words = said[start:end]
                        # What was struck is counted as such above.
                        known = quick is not None and quick.fullmatch(words)
                        if not known and not (stays is not None and stays.search(words)):
                            met[name, words, False] += 1
    return files, tuple(Left(*key[:2], count, key[2]) for key, count in sorted(met.items()))


def seen(name: str, text: io.TextIOBase) -> Iterator[str]:
    """What a reader of a file sees, piece by piece."""
    if name.endswith(".csv"):
        # A cell is as long as the text in it; by itself the reader stops at 131,072 characters.
        csv.field_size_limit(_LONGEST)
        for row in csv.reader(text):
            yield from row
    elif name.startswith("data/") and name.endswith(".json"):
        # One record a line, so that the longest file is never in memory as a whole.
        for line in text:
            record = line.strip().rstrip(",")
            if record.startswith("{"):
                yield from _strings(json.loads(record))
    elif name.endswith(".json"):
        yield from _strings(json.loads(text.read()))
    elif name.endswith(".html"):
        page = _Page()
        page.feed(text.read())
        page.close()
        yield from page.pieces()
    else:
        yield text.read()


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


class _Page(html.parser.HTMLParser):
    """Text as it runs on the page: an element in a line does not break it, any other does."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._runs: list[str] = [""]
        self._attributes: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._attributes += [value for _, value in attrs if value]
        self._silent += tag == "style"
        if tag not in _INLINE:
            self._runs.append("")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag == "style"
        if tag not in _INLINE:
            self._runs.append("")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._runs[-1] += data

    def pieces(self) -> Iterator[str]:
        """The runs of text, then what stands in attributes."""
        yield from (run for run in self._runs if run.strip())
        yield from self._attributes
