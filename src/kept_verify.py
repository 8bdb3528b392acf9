#!/usr/bin/env python3
"""kept-verify: check an exported ledger of Kept without trusting Kept.

    kept-verify DIR [--key KEY] [--since CHECKPOINT] [--tree-only] [--json]
    kept-verify RECEIPT [--key KEY] [--json]

One file, Python's standard library and `cryptography`; it imports nothing of Kept, so that it
can be read in one sitting and run on another machine. Exit status: 0 everything checked holds,
1 something does not, 2 wrong use.

DIR holds what `kept ledger export` wrote (C2SP tlog-tiles):
    checkpoint               the signed head: origin, size, root (C2SP tlog-checkpoint)
    key                      the verifier key, `<name>+<hash>+<key>` (C2SP signed-note)
    tile/<L>/<N>[.p/<W>]     hashes of the Merkle tree, 256 in a full tile
    tile/entries/<N>[.p/<W>] the entries, each after its length (big-endian uint16)

What is checked: the signatures; that every file belongs there and none is missing; that every
entry is canonical JSON (RFC 8785) of the few value shapes that a ledger may hold; that entries
hash to the tiles, tiles to tiles, and all to the signed root (RFC 6962). With --key, that it is
the log you know; with --since, that it continues what you saw before (no rollback, no fork).
What could not be checked is said, not passed over.

RECEIPT is the file that somebody got for a choice on a page: that it was signed with the key of
the ledger, and not changed since.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NoReturn

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    # Exit status 1 would say that the ledger does not hold.
    print(
        "kept-verify: the package `cryptography` is missing: pip install cryptography",
        file=sys.stderr,
    )
    sys.exit(2)

HASH, WIDTH, LONGEST_NOTE, LONGEST_LINE = 32, 256, 1 << 16, 400
EMPTY_ROOT = sha256(b"").digest()
DASH = "— "


class Broken(Exception):
    """Something about the ledger does not hold."""


class Misuse(Exception):
    """The command was given something it cannot work with."""


@dataclass
class Report:
    """What was found. `problems` empty means: all that was checked holds."""

    origin: str = ""
    entries: int = 0
    root: str = ""
    signed_at: int | None = None
    key: str = ""
    problems: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    more: int = 0

    def problem(self, words: str) -> None:
        """Name a problem; after twenty only count."""
        if len(self.problems) < 20:
            self.problems.append(words)
        else:
            self.more += 1


# ---- signed notes --------------------------------------------------------------------------


def unbase64(text: str) -> bytes | None:
    """Base64 in its one spelling, or None."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None


NAME: Final = re.compile(r"[^\s+\x00-\x20\x7f]{1,200}")


@dataclass(frozen=True)
class Key:
    """A key's name and its 32 bytes (Ed25519)."""

    name: str
    public: bytes

    def key_id(self, kind: int) -> bytes:
        """First four bytes of SHA-256(name, newline, signature type, key)."""
        return sha256(self.name.encode() + b"\n" + bytes([kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        raw = base64.b64encode(b"\x01" + self.public).decode()
        return f"{self.name}+{self.key_id(1).hex()}+{raw}"

    def check(self, signature: bytes, message: bytes, what: str) -> None:
        """Raise Broken unless `signature` is this key's over `message`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise Broken(f"{what} is not that of the key") from None


def read_key(text: str) -> Key | None:
    """A verifier key in its one spelling, or None."""
    name, _, rest = text.partition("+")
    raw = unbase64(rest.partition("+")[2])
    if raw is None or len(raw) != 33 or raw[0] != 1 or not NAME.fullmatch(name):
        return None
    key = Key(name, raw[1:])
    return key if str(key) == text else None


@dataclass(frozen=True)
class Head:
    """A signed head. `others` counts signature lines by unknown keys."""

    origin: str
    size: int
    root: bytes
    time: int
    others: int


def note_parts(note: bytes) -> tuple[str, list[str]]:
    """The text of three lines and the signature lines of a note; Broken if it is no note."""
    try:
        text = note.decode("utf-8")
    except UnicodeDecodeError:
        raise Broken("it is not UTF-8") from None
    body, blank, tail = text.rpartition("\n\n")
    signatures = tail.split("\n")
    if any(c < " " and c != "\n" for c in text) or not blank or signatures.pop() != "":
        raise Broken("it is not a signed note")
    if body.count("\n") != 2 or not 1 <= len(signatures) <= 16:
        raise Broken("it has not three lines and 1 to 16 signatures")
    return body, signatures


def read_head(note: bytes, key: Key) -> Head:
    """The head in a signed note; Broken unless both signatures of the key hold.

    The log signs the note (type 0x01) and, with the moment, once more (type 0x04).
    """
    body, signatures = note_parts(note)
    lines = body.split("\n")
    origin, size, root = lines[0], lines[1], unbase64(lines[2])
    if not re.fullmatch("0|[1-9][0-9]{0,18}", size) or root is None or len(root) != HASH:
        raise Broken("its size or root hash is not in the one spelling allowed")
    if origin != key.name:
        raise Broken("its origin is not the name of the key")
    signed = body.encode() + b"\n"
    plain, time, others = False, None, 0
    for line in signatures:
        name, _, encoded = line.removeprefix(DASH).partition(" ")
        raw = unbase64(encoded)
        if not line.startswith(DASH) or not NAME.fullmatch(name) or raw is None or len(raw) < 5:
            raise Broken("a signature line is not in the one spelling allowed")
        if name == key.name and raw[:4] == key.key_id(1):
            key.check(raw[4:], signed, "its signature")
            plain = True
        elif name == key.name and raw[:4] == key.key_id(4):
            time = int.from_bytes(raw[4:12], "big")
            message = b"cosignature/v1\ntime %d\n" % time + signed
            key.check(raw[12:], message, "its timestamped signature")
        else:
            others += 1
    if not plain or time is None:
        raise Broken("it does not carry both signatures of the key, plain and timestamped")
    return Head(origin, int(size), root, time, others)


# ---- files ---------------------------------------------------------------------------------


def tile_path(level: str, number: int, width: int) -> str:
    """C2SP path of a tile: index in groups of three digits, `.p/<W>` if partial."""
    groups = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        groups.append(f"x{number % 1000:03d}")
    return f"tile/{level}/{'/'.join(reversed(groups))}" + ("" if width == WIDTH else f".p/{width}")


def read_file(root: Path, path: str, most: int) -> bytes:
    """The bytes of a plain file of at most `most` bytes. Links are never followed."""
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        handle = os.open(f"{root}/{path}", flags)
    except FileNotFoundError:
        raise Broken(f"{path} is missing") from None
    except OSError as error:
        raise Broken(f"{path} cannot be read: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Broken(f"{path} is not a plain file")
        data = b""
        while part := os.read(handle, most + 1 - len(data)):
            data += part
    finally:
        os.close(handle)
    if len(data) > most:
        raise Broken(f"{path} is longer than it may be")
    return data


TILE_PATH: Final = re.compile(
    r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


def check_files(root: Path, size: int, report: Report) -> None:
    """Every file in the directory belongs to this tree; nothing else is there.

    A partial tile may have stayed behind beside a later one; it must be its beginning.
    """
    for path, plain in walk(root, ""):
        match = TILE_PATH.fullmatch(path)
        if not plain:
            report.problem(f"{path} is neither a file nor a directory of files")
        elif path in ("checkpoint", "key"):
            pass
        elif match is None:
            report.problem(f"{path} does not belong in a ledger")
        else:
            level, groups, wide = match[1], match[2].replace("x", "").replace("/", ""), match[3]
            number, width = int(groups), int(wide or WIDTH)
            count = size >> (0 if level == "entries" else 8 * int(level))
            there = min(WIDTH, count - number * WIDTH)
            if tile_path(level, number, width) != path or width > WIDTH - bool(wide):
                report.problem(f"{path} is not how this tile is spelt")
            elif width > there:
                report.problem(f"{path} lies beyond the signed size")
            elif width < there:
                check_beginning(root, path, tile_path(level, number, there), width, report)


def check_beginning(root: Path, path: str, later: str, width: int, report: Report) -> None:
    """The partial tile `path` of `width` is the beginning of the `later` one."""
    try:
        old, new = (read_file(root, p, WIDTH * (1 << 16)) for p in (path, later))
        whole = len(old) == width * HASH
        if path.startswith("tile/entries/"):
            whole = len(split(old)) == width
    except Broken as error:
        report.problem(f"{path} cannot be compared with {later}: {error}")
        return
    if not whole or not new.startswith(old):
        report.problem(f"{path} disagrees with {later}")


def walk(root: Path, below: str) -> Iterator[tuple[str, bool]]:
    """(path, whether it is a plain file) of all files; also of links, sockets, empty folders."""
    left = [below]
    while left:
        below, empty = left.pop(), True
        try:
            with os.scandir(f"{root}/{below}") as listing:
                for item in listing:
                    empty = False
                    path = below + item.name
                    mode = item.stat(follow_symlinks=False).st_mode
                    if stat.S_ISDIR(mode):
                        left.append(path + "/")
                    else:
                        yield path, stat.S_ISREG(mode)
        except OSError:  # deeper than a path may be long, or closed: no directory of ours
            yield below, False
            continue
        if empty and below:
            yield below, False


# ---- entries -------------------------------------------------------------------------------

STRING: Final = '"[A-Za-z0-9%_][A-Za-z0-9._:/+%~-]{0,127}"'
COUNT: Final = "(?:0|[1-9][0-9]{0,14})"
MOMENT: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z"
KIND: Final = r"[a-z]+\.[a-z-]+"
is_string: Final = re.compile(STRING[1:-1]).fullmatch
is_moment: Final = re.compile(MOMENT).fullmatch
is_kind: Final = re.compile(KIND).fullmatch
MOST: Final = 10**15


def refuse(_: str) -> NoReturn:
    """For numbers that are not integers."""
    raise ValueError


decode: Final = json.JSONDecoder(parse_float=refuse, parse_constant=refuse).decode
encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def allowed(value: Any) -> bool:
    """Counts, flags, names, hashes and moments; lists and objects of these. No free text."""
    if isinstance(value, bool):
        return True
    if isinstance(value, int):
        return 0 <= value < MOST
    if isinstance(value, str):
        return is_string(value) is not None
    if isinstance(value, list):
        return all(map(allowed, value))
    return isinstance(value, dict) and all(
        re.fullmatch("[a-z_]+", k) and allowed(v) for k, v in value.items()
    )


def is_entry(leaf: bytes) -> bool:
    """Whether the bytes are an entry in its one spelling."""
    try:
        value = decode(leaf.decode("ascii"))
        return (
            isinstance(value, dict)
            and value.keys() == {"at", "body", "kind", "v"}
            and type(value["v"]) is int
            and value["v"] == 1
            and isinstance(value["at"], str)
            and is_moment(value["at"]) is not None
            and isinstance(value["kind"], str)
            and is_kind(value["kind"]) is not None
            and isinstance(value["body"], dict)
            and allowed(value["body"])
            # RFC 8785 for these values: keys sorted, none twice, no blanks, no escapes.
            and encode(value).encode() == leaf
        )
    except (ValueError, RecursionError):
        return False


def form_of(value: Any) -> str | None:
    """A regular expression for the canonical JSON of this value's form, or None."""
    if isinstance(value, bool):
        return "(?:true|false)"
    if isinstance(value, int):
        return COUNT
    if isinstance(value, str):
        return STRING
    if isinstance(value, list):
        return rf"\[{STRING}(?:,{STRING})*\]" if value and isinstance(value[0], str) else None
    members = [(key, form_of(value[key])) for key in sorted(value)]
    if any(form is None for _, form in members):
        return None
    return r"\{" + ",".join(f'"{key}":{form}' for key, form in members) + r"\}"


class Forms:
    """Remembers the forms of entries that `is_entry` accepted, because few forms fill a ledger.

    An entry of a known form matches one regular expression; it differs from one that was
    checked in full only by one allowed value for another.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, list[Callable[[bytes], object]]] = {}

    def accept(self, leaf: bytes) -> bool:
        """The same as `is_entry`, sooner."""
        kind = leaf[leaf.rfind(b',"kind":') :]
        known = self._known.get(kind, ())
        for match in known:
            if match(leaf):
                return True
        if not is_entry(leaf):
            return False
        body = form_of(json.loads(leaf)["body"])
        if body is not None and len(known) < 64:
            form = rf'\{{"at":"{MOMENT}","body":{body},"kind":"{KIND}","v":1\}}'
            self._known.setdefault(kind, []).append(re.compile(form.encode()).fullmatch)
        return True


def split(bundle: bytes) -> list[bytes]:
    """The entries of a bundle; Broken where it ends inside one."""
    leaves, at, end = [], 0, len(bundle)
    try:
        while at < end:
            start = at + 2
            at = start + (bundle[at] << 8 | bundle[at + 1])
            leaves.append(bundle[start:at])
    except IndexError:
        at = -1
    if at != end:
        raise Broken("a bundle of entries ends inside an entry")
    return leaves


# ---- the tree ------------------------------------------------------------------------------


def parents(hashes: bytes) -> bytes:
    """One level up: pairs hashed, a last odd one unchanged."""
    paired = len(hashes) & -(2 * HASH)
    made = [sha256(b"\x01" + hashes[at : at + 64]).digest() for at in range(0, paired, 64)]
    return b"".join(made) + hashes[paired:]


def fold(hashes: bytes) -> bytes:
    """The root over hashes of equal height."""
    while len(hashes) > HASH:
        hashes = parents(hashes)
    return hashes or EMPTY_ROOT


class Tree:
    """Grows tile by tile, checks each level's tiles, and knows the root of an earlier size.

    Holds one unfinished tile per level, whatever the size.
    """

    def __init__(self, root: Path, size: int, since: int | None, report: Report) -> None:
        self._root, self._size, self._since, self._report = root, size, since, report
        self._rows: list[bytes] = []
        self._numbers: list[int] = []
        self.since_root: bytes | None = EMPTY_ROOT if since == 0 else None

    def add(self, hashes: bytes) -> None:
        """The next tile of leaf hashes: full, or the last one."""
        size = (self._numbers[0] if self._numbers else 0) * WIDTH
        inside = (self._since or 0) - size
        if 0 < inside <= len(hashes) // HASH:
            self.since_root = self._fold_right(hashes[: inside * HASH])
        self._put(0, hashes)

    def finish(self) -> bytes:
        """Check the partial tiles; the root."""
        for level, row in enumerate(self._rows):
            if row:
                self._compare(level, row)
        return self._fold_right(b"")

    def _fold_right(self, last: bytes) -> bytes:
        """The root over what came before, and `last` as the unfinished tile of level 0."""
        root = fold(last) if last else b""
        for level, row in enumerate(self._rows):
            row = last if level == 0 and last else row
            if level == 0:
                root = fold(row) if row else b""
                continue
            at, parts = 0, []
            for bit in range(7, -1, -1):
                if len(row) // HASH >> bit & 1:
                    parts.append(fold(row[at : at + (HASH << bit)]))
                    at += HASH << bit
            for part in reversed(parts):
                root = sha256(b"\x01" + part + root).digest() if root else part
        return root or EMPTY_ROOT

    def _put(self, level: int, hashes: bytes) -> None:
        while len(self._rows) <= level:
            self._rows.append(b"")
            self._numbers.append(0)
        row = self._rows[level] + hashes
        if len(row) == WIDTH * HASH:
            self._compare(level, row)
            self._rows[level] = b""
            self._numbers[level] += 1
            self._put(level + 1, fold(row))
        else:
            self._rows[level] = row

    def _compare(self, level: int, row: bytes) -> None:
        path = tile_path(str(level), self._numbers[level], len(row) // HASH)
        try:
            stored = read_file(self._root, path, WIDTH * HASH)
        except Broken as error:
            self._report.problem(str(error))
            return
        if stored != row:
            self._report.problem(f"{path} does not hold the hashes of what lies below it")


def check_entries(root: Path, size: int, tree: Tree, tree_only: bool, report: Report) -> bool:
    """All bundles in order into the tree; False where the tree cannot be told any more."""
    accept = Forms().accept
    digest = sha256
    for number in range((size + WIDTH - 1) // WIDTH):
        width = min(WIDTH, size - number * WIDTH)
        path = tile_path("entries", number, width)
        try:
            leaves = split(read_file(root, path, width * ((1 << 16) + 1)))
            if len(leaves) != width:
                raise Broken(f"there are {len(leaves)} entries instead of {width}")
        except Broken as error:
            words = str(error)
            report.problem(words if words.startswith(path) else f"{path}: {words}")
            return False
        if not tree_only and not all(map(accept, leaves)):
            for at, leaf in enumerate(leaves):
                if not is_entry(leaf):
                    report.problem(f"entry {number * WIDTH + at} is not an entry as it is spelt")
        tree.add(b"".join([digest(b"\x00" + leaf).digest() for leaf in leaves]))
    return True


# ---- all together --------------------------------------------------------------------------


def verify(
    root: Path, key: Key | None = None, since: bytes | None = None, tree_only: bool = False
) -> Report:
    """Check the exported ledger under `root`; see the module's text."""
    report = Report()
    try:
        note = read_file(root, "checkpoint", LONGEST_NOTE)
        text = read_file(root, "key", 1024).decode("utf-8", "replace")
        own = read_key(text[:-1]) if text.endswith("\n") else None
        if own is None:
            raise Broken("the file key is not a verifier key in its one spelling")
        if key is not None and own != key:
            report.problem("the key in the directory is not the key that you gave")
        known = key or own
        report.key = str(known)
        try:
            head = read_head(note, known)
        except Broken as error:
            raise Broken(f"the checkpoint does not hold: {error}") from None
    except Broken as error:
        report.problem(str(error))
        return report
    report.origin, report.entries, report.signed_at = head.origin, head.size, head.time
    report.root = base64.b64encode(head.root).decode()
    earlier = None
    if since is not None:
        try:
            earlier = read_head(since, known)
        except Broken as error:
            report.problem(f"the earlier checkpoint does not hold: {error}")
    if earlier is not None and earlier.size > head.size:
        report.problem(
            f"ROLLBACK: {earlier.size} entries were signed before, and now there are {head.size}"
        )
    try:
        check_files(root, head.size, report)
    except OSError as error:
        report.problem(f"not every file can be looked at: {error.strerror}")
    tree = Tree(root, head.size, earlier.size if earlier else None, report)
    if check_entries(root, head.size, tree, tree_only, report):
        if tree.finish() != head.root:
            report.problem("the entries do not make the signed root")
        if earlier and earlier.size <= head.size and tree.since_root != earlier.root:
            report.problem(
                f"FORK: the first {earlier.size} entries are not those that were signed before"
            )
    _say_unchecked(report, key, since, head, tree_only)
    return report


def _say_unchecked(
    report: Report, key: Key | None, since: bytes | None, head: Head, tree_only: bool
) -> None:
    """What these checks cannot show, in words."""
    say = report.unchecked.append
    if key is None:
        say(
            "whose ledger this is: no --key was given, so the key in the directory was used,"
            " which proves only that nothing was changed after it was signed with that key"
        )
    if since is None:
        say(
            "whether it was rolled back or forked: no --since was given; keep this checkpoint"
            " and give it next time"
        )
    if head.others:
        say(f"{head.others} signatures by keys that this program was not given")
    if tree_only:
        say("whether the entries are spelt as they must be: --tree-only was given")
    say("whether others were shown the same ledger: compare checkpoints with them")
    say("whether the entries are true, and complete: a ledger shows only that none was changed")


DOMAIN: Final = b"kept consent receipt v1\n"
LONGEST_RECEIPT: Final = 1 << 20


def receipt(data: bytes, key: Key | None) -> Report:
    """Check the receipt of a choice: the signature over the canonical form of its record."""
    found = Report()
    try:
        if len(data) > LONGEST_RECEIPT:
            raise Broken("the receipt is longer than any that is written")
        try:
            parts = json.loads(data.decode("utf-8"), object_pairs_hook=_once)
            record, signature, said = parts["record"], parts["signature"], parts["key"]
            whole = {"key", "kept", "record", "signature"}
            if set(parts) != whole or parts["kept"] != "consent receipt 1":
                raise Broken("this is no receipt")
            if not (isinstance(record, dict) and isinstance(signature, str)):
                raise Broken("this is no receipt")
            text = json.dumps(
                record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
            ).encode()
            found.origin = str(record["dpv:hasIdentifier"])
        except (KeyError, TypeError, ValueError, RecursionError):
            raise Broken("this is no receipt") from None
        own = read_key(said) if isinstance(said, str) else None
        used = key or own
        if used is None:
            raise Broken("the key in the receipt is no verifier key")
        found.key, found.root, found.entries = str(used), sha256(text).hexdigest(), 1
        used.check(unbase64(signature) or b"", DOMAIN + text, "the signature of the receipt")
    except Broken as problem:
        found.problem(str(problem))
    if key is None:
        found.unchecked.append(
            "whose receipt this is: no --key was given, so the key in the receipt was used,"
            " which proves only that nothing was changed after it was signed with that key"
        )
    found.unchecked.append(
        "whether the ledger has it: look there for an entry choice.made with this receipt's hash;"
        " for choices of a known person, for her entries consent.given and consent.withdrawn"
    )
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError
    return made


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kept-verify",
        description="Check an exported ledger of Kept, or the receipt of a choice, without Kept.",
        epilog="Exit status: 0 all that was checked holds, 1 something does not, 2 wrong use.",
    )
    parser.add_argument(
        "directory", metavar="DIR", type=Path, help="what the export wrote; or a receipt, a file"
    )
    parser.add_argument(
        "--key", metavar="KEY", help="the log's verifier key, or a file with it, from elsewhere"
    )
    parser.add_argument(
        "--since", metavar="CHECKPOINT", type=Path, help="file with a checkpoint seen earlier"
    )
    parser.add_argument(
        "--tree-only", action="store_true", help="hashes and signatures only, not the spelling"
    )
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    return parser


def _given_key(text: str) -> Key:
    path = Path(text)
    try:
        if path.is_file():
            text = path.read_text("utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError):
        pass
    key = read_key(text)
    if key is None:
        raise Misuse("--key is neither a verifier key (<name>+<hash>+<key>) nor a file with one")
    return key


def main(arguments: list[str] | None = None) -> int:
    """The command. 0 all that was checked holds, 1 something does not, 2 wrong use."""
    args = _arguments().parse_args(arguments)
    try:
        key = _given_key(args.key) if args.key is not None else None
        since = None
        if args.since is not None:
            try:
                since = args.since.read_bytes()
            except OSError as error:
                raise Misuse(f"--since cannot be read: {error.strerror}") from None
            try:
                note_parts(since)
            except Broken as error:
                raise Misuse(f"--since is no checkpoint: {error}") from None
        if not args.directory.is_dir() and not args.directory.is_file():
            raise Misuse(
                f"{str(args.directory)!r} is no directory: give that of an exported ledger"
            )
    except Misuse as error:
        print(f"kept-verify: {error}", file=sys.stderr)
        return 2
    if args.directory.is_file():
        report = receipt(args.directory.read_bytes(), key)
    else:
        report = verify(args.directory, key, since, args.tree_only)
    if report.more:
        report.problems.append(f"and {report.more} more")
    _print(report, args.json)
    return 1 if report.problems else 0


def printable(words: str) -> str:
    """The words on one line, in ASCII: a file's name may hold what moves a terminal's cursor."""
    shown = words if words.isascii() and words.isprintable() else ascii(words)[1:-1]
    return shown if len(shown) <= LONGEST_LINE else shown[:LONGEST_LINE] + "..."


def _print(report: Report, as_json: bool) -> None:
    ok = not report.problems
    if as_json:
        fields = {name: value for name, value in vars(report).items() if name != "more"}
        print(json.dumps({"ok": ok, **fields}, indent=1))
        return
    print(f"{'OK' if ok else 'BROKEN'}  {report.entries} entries  {printable(report.origin)}")
    if report.signed_at is not None:
        print(f"    root    {report.root}\n    key     {printable(report.key)}")
    for words in report.problems:
        print(f"  ! {printable(words)}")
    if report.unchecked:
        print("not checked:")
    for words in report.unchecked:
        print(f"  - {words}")


if __name__ == "__main__":
    sys.exit(main())
