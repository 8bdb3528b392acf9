"""RIGHT, SEC: every write of every right failed before and after; see tests/soak/matrix.py."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from kept.embedded import SUPERUSER, Server
from tests.mariadb import Mariadb
from tests.soak import TOLD, town
from tests.soak.matrix import RIGHTS, Fault, Matrix
from tests.soak.nursery import Nursery
from tests.stores.vendor import TOKEN, vendor
from tests.world import ROOT


@pytest.fixture(scope="module")
def kept_anew(pg_server: Server, _kept_template: str) -> Iterator[Callable[[], str]]:
    """Makes a migrated, empty database of Kept's own; the one before goes."""
    name = f"kept_matrix_{os.getpid()}"

    def drop() -> None:
        with psycopg.connect(pg_server.url("postgres", SUPERUSER), autocommit=True) as c:
            c.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())

    def anew() -> str:
        drop()
        return pg_server.make_database(name, template=_kept_template)

    yield anew
    drop()


@pytest.fixture(scope="module")
def matrix(
    tmp_path_factory: pytest.TempPathFactory, pg_url: str, maria_url: str,
    maria_server: Mariadb, kept_anew: Callable[[], str],
) -> Iterator[Matrix]:  # fmt: skip
    base = tmp_path_factory.mktemp("matrix")
    nursery = Nursery(ROOT, base / "workers", {"CRM_TOKEN": TOKEN})
    os.environ["CRM_TOKEN"] = TOKEN
    try:
        with vendor() as crm:
            yield Matrix(town.Town(base / "town", pg_url, maria_url, crm), nursery, kept_anew)
    finally:
        nursery.close()
        os.environ.pop("CRM_TOKEN", None)


#: One fault of each kind, and at each store at least one; of the rights with writes of their own
#: each at least one. `make soak` runs all.
SOME = (
    "erasure-desk.commit-1-after-kill",
    "erasure-shop.commit-1-before-error",
    "erasure-lake.file-1-after-kill",
    "erasure-crm.send-1-after-error", "erasure-journal-1-after-kill",
    "erasure-kept-3-before-kill", "rectification-archive.commit-1-after-error",
    "withdrawal-kept-2-after-kill", "restriction-kept-3-after-kill",
    "lifting-kept-1-before-kill",
    "ending-shop.commit-1-after-kill", "scrubbing-kept-1-after-error",
    "access-package-1-after-kill", "portability-package-1-before-error",
    "asking-task-1-after-kill", "answering-kept-1-before-error", "hearing-kept-3-after-kill",
)  # fmt: skip
#: Which faults the whole matrix has survived so far; stopped, it goes on with the others.
PROGRESS = ROOT / "build" / "soak-matrix.json"


@pytest.mark.parametrize("words", SOME)
def test_RIGHT_3_some_faults_are_survived(matrix: Matrix, words: str) -> None:
    """RIGHT-3: of the matrix below, one fault of each kind at each store."""
    matrix.survive(Fault.of(words))


@pytest.mark.soak
@pytest.mark.parametrize("right", RIGHTS)
def test_RIGHT_3_every_write_may_fail_before_and_after(
    matrix: Matrix, right: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """RIGHT-3, SEC-2: the whole matrix of one right."""
    began = time.monotonic()
    faults = list(matrix.faults(right))
    assert faults
    known: dict[str, str] = json.loads(PROGRESS.read_text()) if PROGRESS.exists() else {}
    PROGRESS.parent.mkdir(exist_ok=True)
    for number, fault in enumerate(faults, 1):
        if known.get(str(fault)) != "":
            try:
                matrix.survive(fault)
                known[str(fault)] = ""
            except AssertionError as wrong:
                known[str(fault)] = str(wrong)[:2000] or "an assertion"
            PROGRESS.write_text(json.dumps(known))
        broken = {str(f): known[str(f)] for f in faults[:number] if known[str(f)]}
        if number % 10 == 0 or number == len(faults):
            with capsys.disabled():
                print(f"  [{time.monotonic() - began:6.0f} s] MATRIX {right}: {number} of"
                      f" {len(faults)} faults, {len(broken)} broken", flush=True)  # fmt: skip
    TOLD.append(f"MATRIX {right}: {len(faults)} faults, {len(broken)} broken")
    if right == RIGHTS[-1]:
        PROGRESS.unlink()
    assert not broken, "\n".join(f"{fault}: {words}" for fault, words in broken.items())


def test_world_of_the_matrix_is_the_one_written_down(matrix: Matrix) -> None:
    """The twin itself is held against what was written down by hand."""
    for right, meant in (
        ("erasure", town.erased(1)), ("withdrawal", town.withdrawn(1)), ("ending", town.ended(1)),
    ):  # fmt: skip
        end = matrix.twin(right)
        whole = town.replaced(town.everybody((1, 2, 3)), 1, meant[0])
        assert not town.differing(end.rows, whole)
