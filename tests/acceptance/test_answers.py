"""An answer of people and its entry: killed between the two, neither is lost or told twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import Request, recipients
from kept.errors import StoreError, UsageError
from kept.ledger.entry import Entry
from kept.stores import answering
from kept.stores.tasks import Answered, Outcome, TaskFolder
from kept.terms.identifiers import parse
from tests.soak.town import AGENCY, AGENCY_SYSTEM
from tests.world import NOW, ROOT, make

ANSWER = Answered(
    Outcome.DONE, "kim", NOW, "their letter of 3 March", ({"email": "ana@example.org"},)
)
DONE = Answered(Outcome.DONE, "kim", NOW, "their letter of 3 March")

#: Class, method, before or after, at which call, and whether the task has got the answer by then.
POINTS = [
    ("kept.stores.tasks:TaskFolder", "held", "before", 1, False),
    ("kept.stores.tasks:TaskFolder", "held", "after", 1, False),
    ("kept.stores.tasks:TaskFolder", "held", "after", 2, False),  # what was handed in
    ("kept.stores.tasks:TaskFolder", "held", "before", 3, False),
    ("kept.stores.tasks:TaskFolder", "held", "after", 3, True),
    ("kept.stores.tasks:TaskFolder", "remove", "before", 1, True),
    ("kept.ledger.log:Ledger", "append_in", "before", 1, True),
    ("kept.ledger.log:Ledger", "append_in", "after", 1, True),
    ("kept.controller:Controller", "_entered", "after", 1, True),
    ("kept.stores.tasks:TaskFolder", "remove", "before", 3, True),  # the note of the answer
]
#: What lies with a task: itself, what was handed in, a note of the answer, its letter.
KINDS = (".task.json", ".rows.json", ".answer.json", ".txt", ".draft")
_DRIVER = """
import importlib, os, signal, sys
from pathlib import Path
owner, method, when, which = sys.argv[2:6]
from kept import deployment
from kept.controller import Controller
from kept.duties.rights import recipients
from tests.acceptance.test_answers import ANSWER
with Controller.open(deployment.read(Path(sys.argv[1]))) as controller:
    (task,) = controller.tasks()
    module, _, name = owner.partition(":")
    cls = getattr(importlib.import_module(module), name)
    whole, calls = getattr(cls, method), 0
    def killed(self, *args, **kwargs):
        global calls
        calls += 1
        if when == "before" and calls == int(which):
            os.kill(os.getpid(), signal.SIGKILL)
        result = whole(self, *args, **kwargs)
        if when == "after" and calls == int(which):
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(cls, method, killed)
    recipients.record(controller, task.id, ANSWER, "operator")
"""


@pytest.fixture
def asked(kept_url: str, tmp_path: Path) -> Path:
    """A deployment whose agency was asked what it holds of Ana."""
    world = make(tmp_path / "asked", kept_url, extra=AGENCY_SYSTEM)
    (world / "agency.yml").write_text(AGENCY, "utf-8")
    request = Request(((parse("email=ana@example.org"),),), override="test")
    with Controller.open(deployment.read(world)) as controller:
        assert not rights.access(controller, request, NOW, out=tmp_path / "a.zip").complete
        controller.deliver(NOW)
    return world


def words(controller: Controller) -> list[Entry]:
    return [e for _, e in controller.ledger.entries(kind="word.given")]


def there(world: Path) -> set[str]:
    """What lies with the task and its letter, by kind."""
    found = (path.name for path in (world / "letters").iterdir())
    return {next(end for end in KINDS if name.endswith(end)) for name in found}


@pytest.mark.parametrize("point", POINTS, ids=lambda p: "-".join(map(str, p)))
def test_RIGHT_3_killed_between_an_answer_and_its_entry(
    asked: Path, tmp_path: Path, point: tuple[str, str, str, int, bool]
) -> None:
    """RIGHT-3: what people said is in the ledger once, or nobody was told that it is recorded."""
    *where, stands = point
    killed = subprocess.run(
        [sys.executable, "-c", _DRIVER, str(asked), *map(str, where)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    with Controller.open(deployment.read(asked)) as controller:
        # Whatever comes next finds it: here the same case, which goes on.
        case = controller.cases.all()[0].id
        request = Request((), case=case)
        answer = rights.access(controller, request, NOW, out=tmp_path / "b.zip")
        assert answer.complete == stands
        assert len(words(controller)) == stands
        (task,) = controller.tasks()
        if stands:
            with pytest.raises(UsageError, match="answered already"):
                recipients.record(controller, task.id, ANSWER, "operator")
        else:
            assert there(asked) == {".task.json", ".txt"}
            recipients.record(controller, task.id, ANSWER, "operator")
        (told,) = words(controller)
        assert (told.body["case"], told.body["outcome"], told.body["rows"]) == (case, "done", 1)
        assert controller.ledger.verify(deep=True).ok
        assert there(asked) == ({".task.json"} if stands else {".task.json", ".rows.json"})


def test_an_answer_that_is_refused_leaves_nothing(asked: Path) -> None:
    with Controller.open(deployment.read(asked)) as controller:
        (task,) = controller.tasks()
        stranger = Answered(Outcome.DONE, "kim", NOW, "a letter", ({"email": "ben@example.org"},))
        with pytest.raises(UsageError, match="not about"):
            recipients.record(controller, task.id, stranger, "operator")
        assert there(asked) == {".task.json", ".txt"}
        assert words(controller) == []


def test_an_answer_that_somebody_is_recording_is_left_to_him(asked: Path) -> None:
    folder = TaskFolder(asked / "letters")
    with Controller.open(deployment.read(asked)) as controller:
        (task,) = controller.tasks()
        left = answering.Left(task.id, DONE, "operator")
        with answering.beginning(folder, left):
            folder.settle(task, DONE)
            controller.enter_answers()
            assert words(controller) == []
        # He went away; this is what a machine that stopped leaves.
        os.close(folder.held(f"{task.id}.answer.json", _body()))
        controller.enter_answers()
        controller.enter_answers()
        assert len(words(controller)) == 1
        assert there(asked) == {".task.json"}


def test_an_entry_that_cannot_be_made_is_made_later(
    asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise psycopg.OperationalError("the server is away")

    with Controller.open(deployment.read(asked)) as controller:
        (task,) = controller.tasks()
        with monkeypatch.context() as patch:
            patch.setattr(Controller, "_entered", away)
            with pytest.raises(psycopg.OperationalError):
                recipients.record(controller, task.id, ANSWER, "operator")
        assert words(controller) == []
        controller.deliver(NOW)
        assert len(words(controller)) == 1


def test_a_note_that_cannot_be_read_is_named(asked: Path) -> None:
    folder = TaskFolder(asked / "letters")
    with Controller.open(deployment.read(asked)) as controller:
        (task,) = controller.tasks()
        os.close(folder.held(f"{task.id}.answer.json", "{}"))
        with pytest.raises(StoreError, match="cannot be read"):
            controller.deliver(NOW)
        folder.remove(f"{task.id}.answer.json")
        controller.deliver(NOW)


def test_what_a_killed_writer_left_goes_with_the_file(tmp_path: Path) -> None:
    folder = TaskFolder(tmp_path)
    folder.write("a.rows.json", "[]")
    (tmp_path / ".a.rows.json.draft").write_text("ana@example.org")
    folder.remove("a.rows.json")
    assert list(tmp_path.iterdir()) == []


def _body() -> str:
    return (
        f'{{"outcome": "done", "by": "kim", "at": "{NOW.isoformat()}",'
        ' "evidence": "their letter of 3 March", "role": "operator"}'
    )
