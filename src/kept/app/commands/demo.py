"""`kept demo`: one company, its policy, one person's life, and what of it can be checked."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import http.client
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final, TextIO

from cyclopts import App, Parameter

from kept import deployment
from kept.app.commands.common import COMMON, Common, clone, next_command
from kept.app.commands.prove import counted, in_words
from kept.app.commands.serve import free_port
from kept.app.fit import width_of, wrapped
from kept.app.output import table
from kept.deployment import FILE
from kept.errors import KeptError, UsageError

_HOST: Final = "127.0.0.1"
_KEPT_PORT: Final = 8790
_SITE_PORT: Final = 8780
_STREET_PORT: Final = 8770
_GATEWAY_PORT: Final = 8800
_READY_SECONDS: Final = 90
_STOP_SECONDS: Final = 20
#: The columns in which her story names its steps.
_STEP: Final = 16


def register(app: App) -> None:
    """Add the command to the command line."""
    app.command(demo)


def demo(
    *,
    once: Annotated[
        bool,
        Parameter(help="do all of it, print the result, remove it again and exit", negative=""),
    ] = False,
    fresh: Annotated[
        bool,
        Parameter(help="remove the company that was made before, and make a new one", negative=""),
    ] = False,
    port: Annotated[
        int | None, Parameter(help="where Kept serves; 0 takes a free port (default: 8790)")
    ] = None,
    common: Common = COMMON,
) -> int:
    """A company at work and one person's life through it, on real databases of this machine.

    Serves until Ctrl-C; everything lies in the folder demo/ of the clone, or in --dir.
    """
    root = clone()
    if root is None or not (root / "examples" / "company" / "__main__.py").is_file():
        raise UsageError(
            "the example company is not here",
            expected="the folder examples/ of a clone, beside src/",
            fix="run it from a clone; `kept new DIR` makes a deployment without it",
        )
    with ExitStack() as stack:
        stack.enter_context(_interruptible())
        if common.dir is not None:
            directory = common.dir.resolve()
        elif once:
            directory = Path(stack.enter_context(_temporary()))
        else:
            directory = root / "demo"
        play = _Play(root, directory, common, port)
        stack.callback(play.stop)
        if fresh:
            play.remove()
        document = play.run()
        say = common.out
        if not once:
            document["serving"] = True
        say.result(document, play.summary(document))
        if not once:
            # Being interrupted is how it ends.
            with contextlib.suppress(KeyboardInterrupt):
                play.wait()
            say.say("Stopping all of it …")
            play.stop()
            say.say(f"Stopped. Go on with this company: {play.command()}")
    return 0 if document["ok"] else 1


class _Play:
    """The processes of the demonstration; `stop` ends every one of them."""

    def __init__(self, root: Path, directory: Path, common: Common, port: int | None) -> None:
        self._root, self._directory, self._common = root, directory, common
        self._say, self._asked = common.out, port
        self._running: list[subprocess.Popen[str]] = []
        self._prepared = False
        self._claim: TextIO | None = None
        self.begun = time.monotonic()

    def command(self, *words: str) -> str:
        """The command line that starts this demonstration again."""
        return self._common.next("demo", *words)

    def run(self) -> dict[str, Any]:
        """All of it in order; the result as JSON."""
        say = self._say.say
        self._take()
        self._whole()
        port = self._port()
        since = _made_on(self._directory)
        if since is None:
            say(f"Preparing the company in {self._directory} …")
        else:
            say(f"Going on with the company that was made on {since}, in {self._directory};")
            say(f"{self.command('--fresh')} removes it and makes a new one.")
        self._prepared = True
        with self._doing("  its databases, with the people who were there before"):
            made = self._company(
                "prepare", str(self._directory), "--port", str(port),
                "--street", str(_free(_STREET_PORT)),
            )  # fmt: skip
        with self._doing("  Kept's own database, and the policy, published"):
            version = self._kept("policy", "publish")
        with self._doing("  the pages of Kept, and the company's web site"):
            kept = self._pages(port)["url"]
            site = self._site(_free(_SITE_PORT), kept)["site"]
        front = self._before(site, kept, int(json.loads(made).get("street", 0)))
        ready = time.monotonic() - self.begun
        say(f"Ready after {ready:.0f} seconds: {kept}/privacy and {site}")
        say()
        say("One person's life with this company:")
        life = self._life(site, kept)
        say()
        with self._doing("Checking the policy on this company's real data"):
            proof = self._kept("prove", broken=True)
            ledger = self._kept("ledger", "verify", broken=True)
        broken = [c["id"] for c in proof["clauses"] if c["outcome"] in ("fail", "error", "expired")]
        number = (self._directory / "company" / "lives").read_text("utf-8")
        return {
            "ok": not life["wrong"] and not broken and bool(ledger["ok"]),
            "kept": kept,
            "policy": f"{kept}/privacy",
            "site": site,
            "gateway": front,
            "directory": str(self._directory),
            "package": str(self._directory / "company" / f"access-{number}.zip"),
            "version": version["version"],
            "ready_seconds": round(ready, 1),
            "life": life,
            "totals": proof["totals"],
            "broken": broken,
            "clauses": [
                {k: c[k] for k in ("id", "outcome", "looked_at", "scope", "controls")}
                for c in proof["clauses"]
                if c["controls"]
            ],
            "ledger": {k: ledger[k] for k in ("entries", "root", "ok")},
        }

    def summary(self, document: dict[str, Any]) -> list[str]:
        """The result in words; while it serves, also what to look at."""
        ledger = document["ledger"]
        holds = "holds" if ledger["ok"] else "does NOT hold"
        words = [
            counted(document["totals"]),
            f"The ledger {holds}: {ledger['entries']:,} entries, root {ledger['root']}",
        ]
        if document["life"]["wrong"]:
            words.append("Not as it should be: " + "; ".join(document["life"]["wrong"]))
        if not document.get("serving"):
            return [self._checked(document), "", *words]
        at, site = self._directory, document["site"]
        ask = ("rights", "access", "--identity", "email=YOURS", "--override", "trying", "--out")
        officer = ("account", "add", "officer", "--role", "privacy-officer")
        return [
            *words,
            "",
            "Look at",
            table(
                ("", ""),
                [
                    ("  the policy, sentence by sentence", document["policy"]),
                    ("  its versions", f"{document['policy']}/versions"),
                    ("  the company's web site", site),
                    *(
                        [
                            ("  the same behind the gateway", f"{front}/news"),
                            ("  … with a film and buttons", f"{front}/film, {front}/share"),
                        ]
                        if (front := document["gateway"])
                        else []
                    ),
                    ("  the desk of the staff (make an account first)", f"{document['kept']}/desk"),
                    ("  the answer she got: open index.html in", document["package"]),
                ],
            ),
            "",
            *self._on_purpose(document),
            "Try next",
            "  Press the mark beside a sentence: what was checked, where, when, by which code.",
            f"  Write to the company at {site}/contact, then ask what it knows of you:",
            f"    {next_command((*ask, at / 'mine.zip'), at)}",
            f"  Ask as a person, with any address, at {document['policy']}/requests.",
            f"  The code lies in a mail in {at / 'letters'}; a mail program opens it.",
            "  Make yourself the privacy officer of the desk; a password is shown once:",
            f"    {next_command(officer, at)}",
            "  See each check with its figures:",
            f"    {next_command(('prove',), at)}",
            "",
            "Ctrl-C stops all of it.",
        ]

    def _on_purpose(self, document: dict[str, Any]) -> list[str]:
        """What is amiss here because it was put there, and what nobody looked at, with why."""
        words = []
        pasted = self._of(document, "trackers.nothing-undeclared")
        if document["gateway"] and pasted:
            prove = next_command(("prove",), self._directory)
            words += [
                "On purpose",
                f"  {document['gateway']}/film carries a tag that nobody declared. Open it in a"
                " browser: it is refused, and the desk hears of it (/desk/trackers).",
                f"  From then on `{prove}` ends with exit status 1: the check behind {pasted}"
                " fails, as it should, until somebody decides about that tag.",
            ]
        links = self._of(document, "visits.opt-out-links-work", "vacuous")
        if links:
            words += [] if words else ["On purpose"]
            words += [
                f"  {links}: {in_words('vacuous')}. Their links lead to real networks, and a"
                " demonstration asks nobody; [links] look in kept.toml names whom Kept may ask.",
            ]
        return [*words, ""] if words else []

    @staticmethod
    def _of(document: dict[str, Any], control: str, outcome: str = "") -> str:
        """The clauses that a control judges, in order; those of an outcome, where one is named."""
        ids = [
            c["id"]
            for c in document["clauses"]
            if control in c["controls"] and outcome in ("", c["outcome"])
        ]
        return ", ".join(ids)

    @staticmethod
    def _checked(document: dict[str, Any]) -> str:
        rows = [
            (
                c["id"],
                in_words(c["outcome"]),
                c["looked_at"],
                c["scope"] if c["scope"] != "not about systems" else "–",
                ", ".join(c["controls"]),
            )
            for c in document["clauses"]
        ]
        return table(("clause", "outcome", "#looked at", "scope", "control"), rows)

    def wait(self) -> None:
        """Stay until somebody interrupts, or one of the servers is gone."""
        while all(p.poll() is None for p in self._running):
            time.sleep(0.5)
        raise KeptError(
            "a server of the demonstration stopped", fix="start it again with `kept demo`"
        )

    def stop(self) -> None:
        """End every process that was started, the company's database server too."""
        for process in reversed(self._running):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self._running):
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
        if self._prepared:
            self._prepared = False
            with contextlib.suppress(KeptError):
                self._company("stop", str(self._directory))
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    def remove(self) -> None:
        """Remove the company that was made before, and nothing else that lies beside it."""
        going = self._directory / _REMOVING
        if not (self._directory / "company").exists() and not going.exists():
            return
        if _made_on(self._directory) is None and not going.exists() and not self._begun_here():
            raise UsageError(
                "what lies there was not made by `kept demo`, and is not removed",
                expected="the folder of a demonstration",
                fix="name another folder with --dir",
            )
        self._take()
        if not going.exists():
            self._port()  # refuses while something else serves it
        self._clear()

    def _clear(self) -> None:
        """Remove what a demonstration made. Broken off, the next start finishes it (`_whole`)."""
        self._say.say("Removing the old company …")
        self._company("stop", str(self._directory))
        going = self._directory / _REMOVING
        going.mkdir(exist_ok=True)
        for name in _MADE:
            path = self._directory / name
            if path.exists():
                path.rename(going / name)
        shutil.rmtree(going)

    def _whole(self) -> None:
        """Remove what is left of a removal, or of a first start, that was broken off."""
        assert self._claim is not None
        if (self._directory / _REMOVING).exists():
            self._clear()
        made = any((self._directory / name).exists() for name in _MADE)
        if made and self._begun_here() and not (self._directory / "company/company.json").exists():
            self._clear()
        elif not made and not self._begun_here():
            self._claim.write("What lies beside this file was made by `kept demo`.\n")
            self._claim.flush()

    def _begun_here(self) -> bool:
        """Whether the folder held nothing that could be another's when a demonstration came."""
        mark = self._directory / _CLAIM
        return mark.exists() and mark.stat().st_size > 0

    def _take(self) -> None:
        """Take the folder for this run; UsageError where another demonstration has it."""
        if self._claim is not None:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        claim = (self._directory / _CLAIM).open("a", encoding="utf-8")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            claim.close()
            raise UsageError(
                "the demonstration runs already",
                where=str(self._directory),
                fix="look at it where it was started, or stop it there with Ctrl-C; for one more"
                " beside it, name another folder: `kept demo --dir DIR`",
            ) from None
        self._claim = claim

    def _port(self) -> int:
        """Where Kept will serve: as asked, else as before, else the usual port or a free one."""
        settings = self._directory / FILE
        if not settings.exists():
            return _free(_KEPT_PORT) if self._asked is None else free_port(_HOST, self._asked)
        before = deployment.read(self._directory).port
        # Another deployment's Kept may have that port; this one's has this folder's database.
        if (self._directory / _OWN_DATABASE).exists() and _kept_answers(before):
            raise UsageError(
                "this company's Kept is being served already",
                where=f"{_HOST}:{before}",
                fix="stop that `kept serve` first, then start this again",
            )
        port = _free(before) if self._asked is None else free_port(_HOST, self._asked)
        self._settle(port)
        return port

    def _settle(self, port: int) -> None:
        """Write the port where Kept will serve into its settings."""
        settings = self._directory / FILE
        before = deployment.read(self._directory).port
        if port != before:
            text = settings.read_text("utf-8").replace(f"port = {before}\n", f"port = {port}\n", 1)
            settings.write_text(text, "utf-8")

    def _pages(self, port: int) -> dict[str, Any]:
        """Serve the pages of Kept; at another port where somebody took this one meanwhile."""
        command = (*_KEPT, "serve", "--dir", str(self._directory), "--json", "--port")
        try:
            return self._serve((*command, str(port)))
        except KeptError:
            if self._asked or _free(port) == port:
                raise
        other = _free(port)
        self._say.say(f"  port {port} was taken meanwhile; {other} it is")
        self._settle(other)
        return self._serve((*command, str(other)))

    def _before(self, site: str, kept: str, street: int) -> str | None:
        """The gateway before the site, and the others whom its pages call; None where a company
        was made without them, or somebody has their port.
        """
        if not street:
            return None
        if _free(street) != street:
            self._say.say(
                f"  no gateway: port {street}, at which the pages of this company call others, is"
                " taken; free it and start again"
            )
            return None
        with self._doing("  the gateway before the site, and others whom its pages call"):
            self._serve((*_STREET, "--port", str(street)))
            command = (*_KEPT, "gateway", "--dir", str(self._directory), "--json", "--upstream",
                       site, "--kept", kept, "--port", str(_free(_GATEWAY_PORT)))  # fmt: skip
            return str(self._serve(command)["url"])

    def _site(self, port: int, kept: str) -> dict[str, Any]:
        """Serve the company's web site; at another port where somebody took this one meanwhile."""
        command = (*_COMPANY, "site", str(self._directory), "--kept", kept, "--port")
        try:
            return self._serve((*command, str(port)))
        except KeptError:
            if _free(port) == port:
                raise
        other = _free(port)
        self._say.say(f"  port {port} was taken meanwhile; {other} it is")
        return self._serve((*command, str(other)))

    @contextlib.contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        """Say what begins, and show that it goes on."""
        self._say.say(f"{what} …")
        with self._say.progress("a few seconds"):
            yield

    def _company(self, *arguments: str) -> str:
        return self._run((*_COMPANY, *arguments))

    def _kept(self, *arguments: str, broken: bool = False) -> dict[str, Any]:
        done = self._run(
            (*_KEPT, *arguments, "--dir", str(self._directory), "--json"),
            accepted=(0, 1) if broken else (0,),
        )
        document: dict[str, Any] = json.loads(done)
        if "error" in document:
            raise KeptError(f"`kept {' '.join(arguments)}`: {document['what']}")
        return document

    def _run(self, command: Sequence[str], accepted: Sequence[int] = (0,)) -> str:
        with self._start(command, stderr=subprocess.PIPE) as process:
            out, err = process.communicate()
            self._running.remove(process)
        if process.returncode not in accepted:
            raise self._failed(command, process.returncode, err)
        return out

    def _life(self, site: str, kept: str) -> dict[str, Any]:
        """Her life; told as it happens, and with --json kept for the document."""
        command = [*_COMPANY, "life", str(self._directory), "--site", site, "--kept", kept]
        quiet = self._say.as_json
        if quiet:
            out = self._run([*command, "--json"], accepted=(0, 1))
            story: dict[str, Any] = json.loads(out)
            return story
        with self._start(command, stderr=None) as process:
            assert process.stdout is not None
            wrong = []
            while True:
                with self._say.progress("her story goes on"):
                    line = process.stdout.readline()
                if not line:
                    break
                self._say.say(_beside(line.rstrip("\n")))
                if "NOT AS IT SHOULD BE:" in line:
                    wrong.append(line.partition(":")[2].strip())
            status = process.wait()
            self._running.remove(process)
        if status not in (0, 1) or (status == 1 and not wrong):
            raise self._failed(command, status, "")
        return {"wrong": wrong}

    def _serve(self, command: Sequence[str]) -> dict[str, Any]:
        """Start a server; the line of JSON that it prints when it is ready."""
        process = self._start(command, stderr=None)
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _READY_SECONDS)
        line = process.stdout.readline() if ready else ""
        if not line.startswith("{"):
            raise self._failed(command, process.poll(), "")
        # What it prints later is read away, so that it never waits for a reader.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        document: dict[str, Any] = json.loads(line)
        if "error" in document:
            raise self._failed(command, process.wait(_STOP_SECONDS), document["what"])
        return document

    def _start(self, command: Sequence[str], stderr: int | None) -> subprocess.Popen[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KEPT_")}
        # A session of its own: Ctrl-C reaches this process alone, which then stops the others.
        process = subprocess.Popen(  # noqa: S603 — programs of this clone
            list(command), cwd=self._root, env=environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=stderr, start_new_session=True,
        )  # fmt: skip
        self._running.append(process)
        return process

    @staticmethod
    def _failed(command: Sequence[str], status: int | None, err: str) -> KeptError:
        said = [line for line in err.strip().splitlines() if line.strip()]
        what = " ".join(command[2:5])
        return KeptError(
            f"the demonstration broke off at `{what}`",
            met=said[-1] if said else f"exit status {status}",
        )


#: Held by the demonstration that runs in a folder; the system lets go of it when that one ends.
#: Words in it: all that lies beside it was made by a demonstration.
_CLAIM: Final = ".demo"
#: Where the old company is put aside; there until all of it is removed.
_REMOVING: Final = ".removing"
#: There while the database of Kept itself runs.
_OWN_DATABASE: Final = "postgres/data/postmaster.pid"
#: What a demonstration puts into its folder.
_MADE: Final = ("kept.toml", "company", "datamap", "documents", "keys", "policy", "postgres")


def stopped(directory: Path) -> bool:
    """Whether a demonstration was made in this deployment, and its databases do not run now."""
    running = directory / "company" / "postgres" / "postmaster.pid"
    return _made_on(directory) is not None and not running.exists()


def _made_on(directory: Path) -> dt.date | None:
    """The day on which a demonstration was made here; None where there is none."""
    # Written once, when the company's database was made.
    try:
        made = (directory / "company" / "postgres" / "PG_VERSION").stat().st_mtime
    except OSError:
        return None
    return dt.datetime.fromtimestamp(made, dt.UTC).date()


_KEPT: Final = (sys.executable, "-m", "kept.app")
_COMPANY: Final = (sys.executable, "-m", "examples.company")
_STREET: Final = (sys.executable, "-m", "examples.street")


def _kept_answers(port: int) -> bool:
    """Whether a Kept serves there; anything else that listens does not count."""
    connection = http.client.HTTPConnection(_HOST, port, timeout=2)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/health")
        return connection.getresponse().read(8) == b"ok"
    return False


def _beside(line: str) -> str:
    """A line of her story on this terminal: what is too long goes on beside the step's name."""
    width = width_of(sys.stdout)
    if width is None or width < 2 * _STEP or line[_STEP - 1 : _STEP] != " ":
        return line
    words = wrapped(line[_STEP:], width - _STEP)
    return line[:_STEP] + ("\n" + " " * _STEP).join(words)


def _free(port: int) -> int:
    try:
        return free_port(_HOST, port)
    except UsageError:
        return free_port(_HOST, 0)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and a closed terminal end it as Ctrl-C does, also where Ctrl-C was ignored."""

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def leave(_: int, __: FrameType | None) -> None:
        for number in numbers:  # stopping the others is not interrupted a second time
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = [signal.signal(number, leave) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextlib.contextmanager
def _temporary() -> Iterator[str]:
    made = tempfile.mkdtemp(prefix="kept-demo-")
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
