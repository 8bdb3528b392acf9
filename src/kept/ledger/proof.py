"""The arithmetic of the log: Merkle tree, proofs, tile paths, signed notes. No I/O, no clock.

Hashing and proofs as in RFC 6962 §2.1 and RFC 9162 §2.1 (SHA-256; leaves 0x00, nodes 0x01).
Files and names as in C2SP tlog-tiles, checkpoints as in C2SP tlog-checkpoint, signatures as in
C2SP signed-note (Ed25519, type 0x01). The moment of signing travels as a second signature
line by the same key, a timestamped C2SP tlog-cosignature (type 0x04): the note itself stays
three lines, and the time cannot be changed without breaking a signature.

A *node* (height, index) is the hash over the leaves [index·2^height, (index+1)·2^height);
only complete nodes exist. A tile of level L holds 256 nodes of height 8·L.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kept.errors import LedgerError, Tampered

HASH: Final = 32  # bytes of a hash
WIDTH: Final = 256  # hashes in a full tile
EMPTY_ROOT: Final = sha256(b"").digest()

#: Gives the hash of the complete node (height, index).
Nodes = Callable[[int, int], bytes]


# ---- tree ----------------------------------------------------------------------------------


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 6962 hash of one entry."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: bytes) -> bytes:
    """Root over concatenated hashes of equal height; a last odd one rises unpaired."""
    if not hashes:
        return EMPTY_ROOT
    while len(hashes) > HASH:
        paired = len(hashes) - len(hashes) % (2 * HASH)
        hashes = (
            b"".join(
                [
                    sha256(b"\x01" + hashes[at : at + 2 * HASH]).digest()
                    for at in range(0, paired, 2 * HASH)
                ]
            )
            + hashes[paired:]
        )
    return hashes


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a tree: all that is needed to append to it and to know its root.

    `nodes` maps the height of each set bit of `size` to the hash of that complete node.
    """

    size: int
    nodes: dict[int, bytes]

    @classmethod
    def unpack(cls, size: int, packed: bytes) -> Edge:
        """From the stored form: the hashes one after the other, lowest first."""
        heights = [h for h in range(size.bit_length()) if size >> h & 1]
        if len(packed) != HASH * len(heights):
            raise Tampered(
                "the stored edge of the ledger's tree has the wrong length",
                expected=f"{HASH * len(heights)} bytes for {size} entries",
                met=f"{len(packed)} bytes",
                fix="run `kept ledger verify` and restore the ledger's tables from a backup",
            )
        return cls(size, {h: packed[HASH * i : HASH * i + HASH] for i, h in enumerate(heights)})

    def pack(self) -> bytes:
        """The stored form."""
        return b"".join(self.nodes[h] for h in sorted(self.nodes))

    def root(self) -> bytes:
        """The RFC 6962 root of the whole tree."""
        root: bytes | None = None
        for height in sorted(self.nodes):
            node = self.nodes[height]
            root = node if root is None else sha256(b"\x01" + node + root).digest()
        return EMPTY_ROOT if root is None else root

    def extend(self, leaves: bytes) -> tuple[Edge, dict[int, bytes]]:
        """Append leaf hashes (concatenated); also the new complete nodes of heights 8, 16, …

        Works level by level over whole batches, and touches each new node once.
        """
        nodes, tops, start, height = dict(self.nodes), {}, self.size, 0
        row = leaves
        while row:
            if height and height % 8 == 0:
                tops[height] = row
            if start & 1:
                row = nodes.pop(height) + row
                start -= 1
            whole = len(row) - len(row) % (2 * HASH)
            if whole < len(row):
                nodes[height] = row[whole:]
            row = b"".join(
                [
                    sha256(b"\x01" + row[at : at + 2 * HASH]).digest()
                    for at in range(0, whole, 2 * HASH)
                ]
            )
            start >>= 1
            height += 1
        return Edge(self.size + len(leaves) // HASH, nodes), tops


def _split(size: int) -> int:
    """The largest power of two below `size` (size > 1)."""
    return 1 << ((size - 1).bit_length() - 1)


def range_root(low: int, high: int, nodes: Nodes) -> bytes:
    """Root over the leaves [low, high), where `low` is aligned as RFC 6962 splits it."""
    root: bytes | None = None
    parts = []
    while low < high:
        height = (high - low).bit_length() - 1
        parts.append(nodes(height, low >> height))
        low += 1 << height
    for part in reversed(parts):
        root = part if root is None else node_hash(part, root)
    return EMPTY_ROOT if root is None else root


def inclusion(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """The audit path of entry `index` in the tree of `size` (RFC 6962 §2.1.1)."""
    if not 0 <= index < size:
        raise LedgerError(
            "no such entry", expected=f"an index from 0 to {size - 1}", met=str(index)
        )
    path, low, high = [], 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(range_root(middle, high, nodes))
            high = middle
        else:
            path.append(range_root(low, middle, nodes))
            low = middle
    return path[::-1]


def consistency(first: int, second: int, nodes: Nodes) -> list[bytes]:
    """Proof that the tree of `first` is a prefix of that of `second` (RFC 6962 §2.1.2)."""
    if not 0 <= first <= second:
        raise LedgerError(
            "no consistency between these sizes",
            expected=f"an earlier size from 0 to {second}",
            met=str(first),
        )
    if first in (0, second):
        return []
    path, low, high, whole = [], 0, second, True
    while first != high:
        middle = low + _split(high - low)
        if first <= middle:
            path.append(range_root(middle, high, nodes))
            high = middle
        else:
            path.append(range_root(low, middle, nodes))
            low, whole = middle, False
    if not whole:
        path.append(range_root(low, high, nodes))
    return path[::-1]


def includes(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the path proves that the leaf hash stands at `index` (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size or any(len(p) != HASH for p in path):
        return False
    number, last, found = index, size - 1, leaf
    for part in path:
        if last == 0:
            return False
        if number & 1 or number == last:
            found = node_hash(part, found)
            while not number & 1 and number:
                number >>= 1
                last >>= 1
        else:
            found = node_hash(found, part)
        number >>= 1
        last >>= 1
    return last == 0 and found == root


def consistent(
    first: int, second: int, path: Sequence[bytes], first_root: bytes, second_root: bytes
) -> bool:
    """Whether the path proves the first tree a prefix of the second (RFC 9162 §2.1.4.2)."""
    if not 0 <= first <= second or any(len(p) != HASH for p in path):
        return False
    if first == second:
        return not path and first_root == second_root
    if first == 0:
        return not path and first_root == EMPTY_ROOT
    parts = list(path)
    if first & (first - 1) == 0:
        parts.insert(0, first_root)
    if not parts:
        return False
    number, last = first - 1, second - 1
    while number & 1:
        number >>= 1
        last >>= 1
    old = new = parts[0]
    for part in parts[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            old, new = node_hash(part, old), node_hash(part, new)
            while not number & 1 and number:
                number >>= 1
                last >>= 1
        else:
            new = node_hash(new, part)
        number >>= 1
        last >>= 1
    return last == 0 and old == first_root and new == second_root


# ---- tiles ---------------------------------------------------------------------------------


def tile_path(level: int | str, number: int, width: int = WIDTH) -> str:
    """C2SP path of a tile; `level` is 0 to 63 or "entries", `width` 1 to 256 hashes."""
    groups = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        groups.append(f"x{number % 1000:03d}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"


def tile_widths(size: int) -> list[tuple[int, int, int]]:
    """(level, number of full tiles, width of the partial one or 0) for each level of a tree."""
    levels = []
    level = 0
    while size >> 8 * level:
        count = size >> 8 * level
        levels.append((level, count >> 8, count & 255))
        level += 1
    return levels


# ---- signed notes --------------------------------------------------------------------------


class Signer(Protocol):
    """Whoever holds the private key: a file, a token, a service. Ed25519 only."""

    def sign(self, data: bytes, /) -> bytes:
        """64 bytes of signature over `data`."""

    @property
    def public_bytes(self) -> bytes:
        """The 32 bytes of the public key (RFC 8032)."""


class KeySigner:
    """A Signer over a private key in memory."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = key.public_key().public_bytes_raw()

    def sign(self, data: bytes, /) -> bytes:
        """64 bytes of signature over `data`."""
        return self._key.sign(data)

    @property
    def public_bytes(self) -> bytes:
        """The 32 bytes of the public key."""
        return self._public


_NAME: Final = re.compile(r"[^\s+\x00-\x20\x7f]{1,200}")
_DASH: Final = "— "
_PLAIN, _TIMED = b"\x01", b"\x04"


def check_origin(origin: str) -> str:
    """The origin, if it can name a log and its key: no blanks, no plus, not empty."""
    if not _NAME.fullmatch(origin) or origin == "cosignature/v1":
        raise LedgerError(
            "this name cannot be the origin of a ledger",
            expected="a name without blanks and without +, such as example.com/kept",
            fix="choose another origin in kept.toml",
        )
    return origin


def _unbase64(text: str) -> bytes | None:
    """Strict base64 (RFC 4648 §4): one spelling per value, or None."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A name and an Ed25519 public key, written `<name>+<8 hex>+<base64(0x01 ‖ key)>`."""

    name: str
    public: bytes

    def key_id(self, kind: bytes = _PLAIN) -> bytes:
        """The first four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ key)."""
        return sha256(self.name.encode() + b"\n" + kind + self.public).digest()[:4]

    def __str__(self) -> str:
        encoded = base64.b64encode(_PLAIN + self.public).decode()
        return f"{self.name}+{self.key_id().hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key written in `text`; every other spelling is refused."""
        name, _, rest = text.partition("+")
        raw = _unbase64(rest.partition("+")[2])
        if raw is not None and len(raw) == 1 + HASH and raw[:1] == _PLAIN and _NAME.fullmatch(name):
            key = cls(name, raw[1:])
            if str(key) == text:
                return key
        raise LedgerError(
            "this is not the verifier key of a ledger",
            expected="<name>+<hash>+<key>, Ed25519",
            fix="use the line printed by `kept ledger export`",
        )

    def holds(self, signature: bytes, message: bytes) -> bool:
        """Whether the 64 bytes are this key's signature over the message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed head: `size` entries with this `root`, as of `time` (seconds since 1970, UTC)."""

    origin: str
    size: int
    root: bytes
    time: int
    note: bytes

    @property
    def root_text(self) -> str:
        """The root as the note writes it (base64)."""
        return base64.b64encode(self.root).decode()


def _body(origin: str, size: int, root: bytes) -> bytes:
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode()


def _timed(body: bytes, time: int) -> bytes:
    return b"cosignature/v1\ntime " + str(time).encode() + b"\n" + body


def sign_checkpoint(origin: str, size: int, root: bytes, time: int, signer: Signer) -> Checkpoint:
    """The signed note of a head. The caller has made sure that the entries are durable."""
    key = VerifierKey(check_origin(origin), signer.public_bytes)
    body = _body(origin, size, root)
    plain = key.key_id() + signer.sign(body)
    timed = key.key_id(_TIMED) + time.to_bytes(8, "big") + signer.sign(_timed(body, time))
    lines = "".join(f"{_DASH}{origin} {base64.b64encode(s).decode()}\n" for s in (plain, timed))
    return Checkpoint(origin, size, root, time, body + b"\n" + lines.encode())


def is_note(data: bytes) -> bool:
    """Whether the bytes have the form of a checkpoint at all: text, a blank line, signatures."""
    return _parts(data) is not None


def _parts(note: bytes) -> tuple[str, list[str]] | None:
    """The text of three lines and the signature lines of a note, unread; None if it is none."""
    try:
        text = note.decode("utf-8")
    except UnicodeDecodeError:
        return None
    head, blank, tail = text.rpartition("\n\n")
    signatures = tail.split("\n")
    if any(c < " " and c != "\n" for c in text) or not blank or signatures.pop() != "":
        return None
    return (head, signatures) if head.count("\n") == 2 and 1 <= len(signatures) <= 16 else None


def read_checkpoint(note: bytes, key: VerifierKey) -> Checkpoint:
    """The checkpoint in a note, both signatures of `key` verified; Tampered otherwise.

    Signature lines of other names or keys are ignored, as the format demands.
    """

    def refuse(what: str) -> Tampered:
        return Tampered(
            f"the checkpoint is not as it was signed: {what}",
            fix="fetch it again from where it was published; if it stays so, it was changed",
        )

    parts = _parts(note)
    if parts is None:
        raise refuse("it is not a text of three lines with 1 to 16 signature lines")
    head, signatures = parts
    lines = head.split("\n")
    origin, size, root = lines[0], lines[1], _unbase64(lines[2])
    if root is None or len(root) != HASH or not re.fullmatch(r"0|[1-9][0-9]{0,18}", size):
        raise refuse("size or root hash is not in its one spelling")
    if origin != key.name:
        raise refuse("its origin is not the name of the key")
    body = (head + "\n").encode()
    plain, time = False, None
    for line in signatures:
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        raw = _unbase64(encoded)
        if not line.startswith(_DASH) or not _NAME.fullmatch(name) or raw is None or len(raw) < 5:
            raise refuse("a signature line is not in its one spelling")
        if name == key.name and raw[:4] == key.key_id():
            plain = key.holds(raw[4:], body)
            if not plain:
                raise refuse("the signature does not fit")
        elif name == key.name and raw[:4] == key.key_id(_TIMED):
            time = int.from_bytes(raw[4:12], "big")
            if not key.holds(raw[12:], _timed(body, time)):
                raise refuse("the timestamped signature does not fit")
    if not plain or time is None:
        raise refuse("the key's own signatures (plain and timestamped) are not both there")
    return Checkpoint(origin, int(size), root, time, note)
