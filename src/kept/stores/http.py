"""A service over HTTP as a store: what it offers stands in a description, not in code.

    [systems.crm]
    store = "http"
    url = "https://crm.example/api"
    [systems.crm.options]
    describe = "datamap/crm.http.yml"      # stores.http_describe
    secret = "env:CRM_TOKEN"

What is read is filtered again by the law of `model.predicate`, so a service that finds too
much does no harm; one that would find too little is not asked (`_choose`). A row is done when
a fresh request no longer finds it, whatever the answer to the erasing request was. What the
service has taken and not yet done is remembered beside kept.toml, under the hash of the step
and the row, so that a later run asks how it stands instead of ordering it twice.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx

from kept.datamap.map import Dataset, Field
from kept.errors import ConfigError, NotAble, Pending, StoreError, StoreUnreachable
from kept.model.abilities import Abilities
from kept.model.change import Change
from kept.model.codec import encode_value
from kept.model.plan import Counts
from kept.model.predicate import And, Eq, In, Or, Predicate
from kept.model.safety import Safety
from kept.model.values import Value, coerce
from kept.private import make_private
from kept.stores import http_describe as describe
from kept.stores.adapter import RowSession, RowStore
from kept.stores.http_client import NOT_JSON, Answer, Client
from kept.stores.http_describe import Described, Description, Paging, Read, Write
from kept.stores.rows import Row

_SENT: Final = "sent"  # in the journal: sent, and no answer was heard


class HttpStore(RowStore):
    """The described service. `options`: describe, secret, ca, directory."""

    settings = frozenset(("describe", "secret", "ca"))

    def __init__(
        self,
        system: str,
        mapped: Iterable[Dataset] = (),
        url: str = "",
        *,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(system, mapped)
        given = {"directory": Path(), **(options or {})}
        directory = Path(given["directory"])
        if "describe" not in given:
            raise ConfigError(
                f"nothing says what the service `{system}` offers",
                fix=f'add `describe = "datamap/{system}.http.yml"` under [systems.{system}]',
            )
        self.described: Description = describe.read(directory / given["describe"], self.mapped)
        described = self.described.datasets.values()
        self.abilities = Abilities(
            grain="item",
            delete=any(d.erase is not None for d in described),
            update=any(d.update is not None for d in described),
            lacks=frozenset(describe.lacks(self.described)),
        )
        ca = given.get("ca")
        self.client = Client(
            system,
            url,
            self.described.limits,
            {**self.described.headers, **_auth(system, self.described, given.get("secret"))},
            ca=str(directory / ca) if ca else None,
        )
        self.journal = Journal(directory / "state" / system)

    def datasets(self) -> Iterable[Dataset]:
        """The described datasets, with the members of the first rows that no field names.

        A service cannot be asked what it holds: one page is read for the names in it.
        """
        for name, one in self.described.datasets.items():
            known = self.mapped[name]
            fields = dict(known.fields)
            whole = next((r for r in one.read if not r.fields), None)
            if whole is not None:
                covered = frozenset(one.pointer(field) for field in known.fields)
                absent: list[int] = []
                first = next(self._pages(name, whole, {}, absent), [])
                self._vouched(name, whole, absent)
                for record in first:
                    for pointer in describe.names(record, covered):
                        extra = pointer[1:].replace("/", ".")
                        fields.setdefault(extra, Field(extra, "other"))
            yield Dataset(name, known.key, fields)

    def safety(self) -> Safety:
        """The way there; what the service does at home it does not show."""
        return Safety((self.client.way,))

    def session(self, *, write: bool = False) -> HttpSession:
        """A handle; nothing is asked yet."""
        return HttpSession(self, write)

    def close(self) -> None:
        """Give the connections back."""
        self.client.close()

    # ------------------------------------------------------------ reading

    def _read(self, dataset: str, only: Predicate) -> Iterator[Row]:
        one, known = self._of(dataset), self.dataset(dataset)
        call, wanted = self._choose(dataset, one, only)
        absent: list[int] = []
        for row in wanted:
            try:
                pages = self._pages(dataset, call, row, absent)
                for records in pages:
                    for record in records:
                        yield _row(record, one, known)
            except describe.Unspeakable:
                if call.fields and any(not _sayable(v) for v in row.values()):
                    continue  # no service holds what is no text
                raise
        self._vouched(dataset, call, absent)

    def _choose(
        self, dataset: str, one: Described, only: Predicate
    ) -> tuple[Read, list[dict[str, Value]]]:
        """The request that finds all rows of `only` with the fewest questions, and the questions.

        NotAble where each could miss some: a search that tells cases apart misses a spelling.
        """
        best: tuple[Read, list[dict[str, Value]]] | None = None
        missing: list[str] = []
        whole = next((r for r in one.read if not r.fields), None)
        kinds = {field.name: field.type for field in self.dataset(dataset).fields.values()}
        for call in one.read:
            bound = [_bound(only, field) for field in call.fields]
            sets = [
                list(
                    dict.fromkeys(
                        v for value in values if (v := coerce(value, kinds[f])) is not None
                    )
                )
                for f, (values, _) in zip(call.fields, bound, strict=True)
                if values is not None
            ]
            if not call.fields or len(sets) < len(bound):
                continue
            if any(folded for _, folded in bound) and not call.folded and any(sets):
                missing += call.fields
                continue
            asked: list[dict[str, Value]] = [
                dict(zip(call.fields, row, strict=True)) for row in itertools.product(*sets)
            ]
            few = not call.at_most or len(asked) <= call.at_most or whole is None
            if few and (best is None or len(asked) < len(best[1])):
                best = call, asked
        if best is not None:
            return best
        if whole is not None:
            return whole, [{}]
        why = f"`{missing[0]}` in any case" if missing else "other fields than it was asked for"
        raise NotAble(
            f"`{self.system}` cannot find rows of `{dataset}` by {why}",
            expected="a request that lists all rows, or one that finds these",
            fix="add it to the description; where the service tells no cases apart, write"
            " `folded: true` there; where it stores lower case only, `indexed_exact: true` in the"
            " map",
        )

    def _vouched(self, dataset: str, call: Read, absent: Sequence[int]) -> None:
        """See that the service is there at all, after it said of rows that there are none.

        A service whose address is wrong, or whose routes are gone, says 404 of everything. So a
        404 tells only together with a request that has to be answered, asked after it.
        """
        refused = [status for status in absent if status >= 400]
        if not refused:
            return
        found = describe.witness(self.described, dataset, self.mapped)
        if found is None:
            met, other = "nothing else that could be asked", "a request that lists all rows"
        else:
            name, sure, row = found
            met, other = "", f"`{sure.method} {sure.path}`"
            nothing: list[int] = []
            try:
                next(self._pages(name, sure, row, nothing), None)
            except StoreUnreachable:
                raise
            except StoreError as problem:
                met = problem.met or "another answer than described"
            if nothing:
                met = f"status {nothing[0]}"
        if met:
            raise StoreUnreachable(
                f"`{self.system}` answers `{call.method} {call.path}` with status {refused[0]}, and"
                " nothing shows that it is there at all",
                expected=f"status 200 for {other}",
                met=met,
                fix="see the url in kept.toml and what the secret may see; the description needs"
                " a request under `read:` that lists or searches",
            )

    def _pages(
        self, dataset: str, call: Read, row: Row, absent: list[int]
    ) -> Iterator[list[Mapping[str, Any]]]:
        """The pages of one question, each a list of records; a status of `none`: to `absent`."""
        endpoint = f"`{call.method} {call.path}`"
        query = describe.query_of(call.query, row)
        paging = call.paging
        extra: dict[str, str] = {}
        if paging is not None and paging.size and paging.limit:
            query.append((paging.limit, str(paging.size)))
        position = paging.first if paging is not None and paging.kind == "page" else 0
        path = describe.path_of(call.path, row)
        url = self.client.url(path, query)
        seen: set[str] = set()
        for _ in range(self.described.limits.pages):
            if paging is not None and paging.kind in ("offset", "page"):
                extra = {paging.query: str(position)}
            now = url.copy_merge_params(extra) if extra else url
            if str(now) in seen:
                raise StoreError(f"`{self.system}` repeats a page of {endpoint} without end")
            seen.add(str(now))
            answer = self.client.ask(
                endpoint, call.method, now,
                body=describe.body_of(call.body, row), headers=self._headers(call.headers, row),
                repeatable=True,
            )  # fmt: skip
            if answer.status in call.none:
                absent.append(answer.status)
                return
            self._expect(endpoint, answer, (200,), json=True)
            records = self._records(endpoint, answer, call)
            yield records
            if paging is None:
                return
            if paging.kind in ("offset", "page"):
                if not records:
                    return
                position += len(records) if paging.kind == "offset" else 1
                continue
            further = _further(paging, answer)
            if further is None:
                return
            if paging.kind == "cursor":
                extra = {paging.query: further}
            else:
                url = self.client.link(endpoint, further, answer.url)
        raise StoreError(
            f"`{self.system}` has more pages of {endpoint} than allowed; nothing was left out"
            " silently",
            expected=f"at most {self.described.limits.pages} pages",
            fix="raise `pages` under `limits:`",
        )

    def _records(self, endpoint: str, answer: Answer, call: Read) -> list[Mapping[str, Any]]:
        try:
            met = describe.at(answer.document, call.records)
        except describe.Missing:
            met = None
        found = [met] if isinstance(met, dict) else met
        if not isinstance(found, list) or not all(isinstance(r, dict) for r in found):
            raise StoreError(
                f"the answer of `{self.system}` to {endpoint} is not as described",
                expected=f"a list of records, or one, at `{call.records or 'the whole answer'}`",
                fix="mend `records:` in the description",
            )
        return found

    # ------------------------------------------------------------ writing

    def _write(self, dataset: str, key: Row, new: Row | None) -> None:
        self.order(dataset, key, new, "")

    def call(self, dataset: str, *, deletes: bool) -> Write:
        """The request that erases or changes rows of a dataset; NotAble where there is none."""
        one = self._of(dataset)
        made = one.erase if deletes else one.update
        if made is None:
            verb = "erase" if deletes else "update"
            raise NotAble(
                f"`{self.system}` has no request by which rows of `{dataset}` could go or change",
                expected=f"`{verb}:` in the description",
                fix=f"describe it, or have it done by people: mode assisted for `{self.system}`",
            )
        return made

    def order(self, dataset: str, key: Row, new: Row | None, step: str) -> bool:
        """Have one row erased or changed; False where the service has taken it and not done it.

        Raises StoreError where it refuses. Whether it is done is for a fresh read to say.
        """
        call = self.call(dataset, deletes=new is None)
        endpoint = f"`{call.method} {call.path}`"
        mark = mark_of(step, dataset, key, new)
        status = self.journal.get(mark) if call.pending else None
        if status is not None and status != _SENT:
            return self._poll(endpoint, call, mark, self.client.link(endpoint, status, self._root))
        describe.written(call, key)
        one = self._of(dataset)
        body: Any = None
        if new is not None:
            changed: dict[str, Any] = {}
            for name, value in new.items():
                describe.put(changed, one.pointer(name), describe.plain(value))
            body = changed if call.body is None else describe.body_of(call.body, key, changed)
        elif call.body is not None:
            body = describe.body_of(call.body, key)
        headers = self._headers(call.headers, key)
        if self.described.idempotency:
            headers[self.described.idempotency] = mark
        url = self.client.url(describe.path_of(call.path, key), describe.query_of(call.query, key))
        if call.pending:
            self.journal.put(mark, _SENT)
        answer = self.client.ask(
            endpoint, call.method, url, body=body, headers=headers,
            repeatable=self.described.idempotency is not None,
        )  # fmt: skip
        if call.pending and answer.status in call.pending.status:
            where = self._status_url(endpoint, call, answer)
            self.journal.put(mark, str(where))
            return self._poll(endpoint, call, mark, where)
        if answer.status not in call.gone:
            self._expect(endpoint, answer, call.ok)
        self.journal.remove(mark)
        return True

    def _status_url(self, endpoint: str, call: Write, answer: Answer) -> httpx.URL:
        assert call.pending is not None
        met: Any = answer.headers.get(call.pending.url)
        if call.pending.url.startswith("/"):
            try:
                met = describe.at(answer.document, call.pending.url)
            except describe.Missing:
                met = None
        if not isinstance(met, str) or not met:
            raise StoreError(
                f"`{self.system}` took {endpoint}, but does not say where its state is asked",
                expected=f"`{call.pending.url}` in the answer",
                fix="mend `pending:` in the description",
            )
        return self.client.link(endpoint, met, answer.url)

    def _poll(self, endpoint: str, call: Write, mark: str, where: httpx.URL) -> bool:
        pending = call.pending
        assert pending is not None
        end = time.monotonic() + pending.patience
        while True:
            answer = self.client.ask(f"the state of {endpoint}", "GET", where)
            if answer.status in (404, 410):
                # It knows nothing of the order any more: the next run orders it anew.
                self.journal.remove(mark)
                raise StoreError(
                    f"`{self.system}` no longer knows that {endpoint} was asked of it",
                    met=f"status {answer.status}",
                    fix="run it again: it will be asked anew",
                )
            self._expect(f"the state of {endpoint}", answer, (200, *pending.status), json=True)
            try:
                state = str(describe.at(answer.document, pending.state))
            except describe.Missing:
                state = ""
            if state in pending.done:
                self.journal.remove(mark)
                return True
            if state in pending.failed:
                self.journal.remove(mark)
                raise StoreError(
                    f"`{self.system}` says that {endpoint} failed",
                    fix="ask those who run the service, then run it again",
                )
            if time.monotonic() + pending.every > end:
                return False
            time.sleep(pending.every)

    # ------------------------------------------------------------ inside

    @property
    def _root(self) -> httpx.URL:
        return self.client.url("/")

    def _of(self, dataset: str) -> Described:
        self.dataset(dataset)  # StoreError for one that is not mapped
        return self.described.datasets[dataset]

    def _headers(self, template: Mapping[str, str], row: Row) -> dict[str, str]:
        return dict(describe.query_of(template, row))

    def _expect(
        self, endpoint: str, answer: Answer, ok: Sequence[int], *, json: bool = False
    ) -> None:
        if answer.status not in ok:
            refused = answer.status in (401, 403)
            raise StoreError(
                f"`{self.system}` refuses {endpoint}",
                expected=" or ".join(f"status {s}" for s in ok),
                met=f"status {answer.status}",
                fix="see the secret and what it may do" if refused else "mend the description",
            )
        if json and answer.document is NOT_JSON:
            raise StoreError(
                f"`{self.system}` answers {endpoint} with something that is no JSON",
                fix="see that the url of kept.toml leads to the service itself",
            )


class HttpSession(RowSession):
    """Reads through described requests, writes row by row; each is durable at once."""

    def __init__(self, store: HttpStore, write: bool) -> None:
        super().__init__(store, write)
        self._http = store
        self._step = ""
        self._waiting: set[str] = set()

    def apply(self, changes: Sequence[Change], step: str) -> list[Counts]:
        """Row by row. Raises Pending, after all was ordered, where the service needs time."""
        for change in changes:
            self._http.call(change.select.dataset, deletes=change.deletes)
        self._step, self._waiting = step, set()
        for change in changes:
            self._resume(change)
        counts = super().apply(changes, step)
        if self._waiting:
            raise Pending(
                f"`{self._http.system}` has taken the request and not yet carried it out",
                frozenset(self._waiting),
                fix="run the case again later; it will ask how it stands",
            )
        return counts

    def _resume(self, change: Change) -> None:
        """Ask about rows ordered before, also those that are no longer shown."""
        select = change.select
        for route in select.routes:
            if route.path or route.fields != select.key:
                continue
            for key in route.keys.values:
                address = dict(zip(select.key, key, strict=True))
                mark = mark_of(self._step, select.dataset, address, None)
                if change.deletes and self._http.journal.get(mark) is not None:
                    self._guarded(
                        select.dataset, partial(self._send, select.dataset, address, None)
                    )

    def _send(self, dataset: str, key: Row, new: Row | None) -> None:
        if not self._http.order(dataset, key, new, self._step):
            self._waiting.add(dataset)


class Journal:
    """Orders that a service has taken, one small file each: hash of step and row → its address."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def get(self, mark: str) -> str | None:
        """The address where the order's state is asked; None for one that is not known."""
        try:
            return (self._directory / mark).read_text("utf-8")
        except FileNotFoundError:
            return None

    def put(self, mark: str, words: str) -> None:
        """Note it, on the disk before this returns."""
        make_private(self._directory)
        draft = self._directory / f".{mark}"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(words)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._directory / mark)

    def remove(self, mark: str) -> None:
        """Forget it."""
        (self._directory / mark).unlink(missing_ok=True)


def mark_of(step: str, dataset: str, key: Row, new: Row | None) -> str:
    """The name of one order: the same when it is repeated. The step's id is random (a case)."""
    parts = [step, dataset, "erase" if new is None else "update"]
    for row in (key, new or {}):
        parts += [f"{name}={encode_value(value)!r}" for name, value in row.items()]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _auth(system: str, described: Description, secret: str | None) -> dict[str, str]:
    if described.auth is None:
        return {}
    if not secret:
        raise ConfigError(
            f"the service `{system}` wants a secret",
            fix=f'add `secret = "env:NAME"` or `secret = "file:PATH"` under [systems.{system}]',
        )
    return {described.auth.header: described.auth.value.replace("{secret}", secret)}


def _row(record: Mapping[str, Any], one: Described, known: Dataset) -> Row:
    row: dict[str, Value] = {}
    for field in known.fields.values():
        try:
            raw = describe.at(record, one.pointer(field.name))
        except describe.Missing:
            raw = None
        row[field.name] = describe.value_of(raw, field.type)
    return row


def _further(paging: Paging, answer: Answer) -> str | None:
    """The cursor or address of the next page; None at the end."""
    if paging.kind == "link":
        return next(
            (
                link["url"]
                for link in _links(answer.headers.get("Link", ""))
                if link["rel"] == "next"
            ),
            None,
        )
    try:
        met = describe.at(answer.document, paging.at)
    except describe.Missing:
        return None
    return None if met is None or met == "" or met is False else str(met)


def _links(header: str) -> Iterator[dict[str, str]]:
    for name, link in httpx.Response(200, headers={"Link": header}).links.items():
        yield {"rel": link.get("rel", name or ""), "url": link.get("url", "")}


def _bound(only: Predicate, field: str) -> tuple[list[Value] | None, bool]:
    """The values that `field` must have in every row of `only` (None: any), and whether folded."""
    match only:
        case Eq(name, value, folded) if name == field:
            return [] if value is None else [value], folded
        case In(name, values, folded) if name == field:
            return list(dict.fromkeys(v for v in values if v is not None)), folded
        case And(parts):
            known = [(v, f) for v, f in (_bound(part, field) for part in parts) if v is not None]
            # an exact question before a folded one, then the shortest
            return min(known, key=lambda k: (k[1], len(k[0] or ())), default=(None, False))
        case Or(parts):
            each = [_bound(part, field) for part in parts]
            if any(v is None for v, _ in each):
                return None, False
            values_ = dict.fromkeys(v for those, _ in each for v in those or ())
            return list(values_), any(f for _, f in each)
        case _:
            return None, False


def _sayable(value: Value) -> bool:
    try:
        return value is not None and not isinstance(value, bytes) and bool(str(value).encode())
    except UnicodeEncodeError:
        return False
