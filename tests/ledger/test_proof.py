"""The tree and its proofs, against the definition, published roots and another library."""

from __future__ import annotations

import base64
import dataclasses
import importlib.util

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from kept.errors import LedgerError, Tampered
from kept.ledger import proof
from kept.ledger.proof import Edge, KeySigner, VerifierKey, leaf_hash, node_hash

LEAVES = [leaf_hash(b"entry %d" % i) for i in range(900)]
SIGNER = KeySigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
KEY = VerifierKey("example.com/kept", SIGNER.public_bytes)


def defined(hashes: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if not hashes:
        return proof.EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return node_hash(defined(hashes[:k]), defined(hashes[k:]))


def nodes(height: int, index: int) -> bytes:
    part = LEAVES[index << height : (index + 1) << height]
    assert len(part) == 1 << height
    return defined(part)


def test_published_roots() -> None:
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657",
              "606162636465666768696a6b6c6d6e6f"]  # fmt: skip
    hashes = [leaf_hash(bytes.fromhex(i)) for i in inputs]
    roots = {
        0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    for size, root in roots.items():
        edge, _ = Edge(0, {}).extend(b"".join(hashes[:size]))
        assert edge.root().hex() == proof.fold(b"".join(hashes[:size])).hex() == root


@given(st.lists(st.integers(0, 300), max_size=6))
def test_the_edge_grown_in_any_batches_gives_the_defined_root(batches: list[int]) -> None:
    edge, at, high = Edge(0, {}), 0, b""
    for count in batches:
        count = min(count, len(LEAVES) - at)
        edge, tops = edge.extend(b"".join(LEAVES[at : at + count]))
        at += count
        high += tops.get(8, b"")
        assert edge.size == at
        assert edge.root() == defined(LEAVES[:at]) == proof.fold(b"".join(LEAVES[:at]))
        assert Edge.unpack(at, edge.pack()) == edge
    assert high == b"".join(nodes(8, i) for i in range(at // 256))


def test_an_edge_of_wrong_length_is_refused() -> None:
    with pytest.raises(Tampered):
        Edge.unpack(3, bytes(32))


SIZES = st.integers(1, 140)


@given(SIZES, st.data())
def test_inclusion_proves_its_entry_and_nothing_else(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    path, root = proof.inclusion(index, size, nodes), defined(LEAVES[:size])
    assert proof.includes(LEAVES[index], index, size, path, root)
    other = data.draw(st.integers(0, size - 1).filter(lambda i: i != index) | st.just(size))
    assert not proof.includes(LEAVES[index], other, size, path, root)
    assert not proof.includes(LEAVES[other], index, size, path, root)
    assert not proof.includes(LEAVES[index], index, size, [*path, LEAVES[0]], root)
    assert not proof.includes(LEAVES[index], index, size, path, LEAVES[500])
    assert not proof.includes(LEAVES[index], -1, size, path, root)
    if path:
        assert not proof.includes(LEAVES[index], index, size, path[1:], root)
        at = data.draw(st.integers(0, len(path) - 1))
        bad = [*path[:at], LEAVES[600], *path[at + 1 :]]
        assert not proof.includes(LEAVES[index], index, size, bad, root)
        assert not proof.includes(LEAVES[index], index, size, [*path[:-1], path[-1][:-1]], root)


@given(SIZES, st.data())
def test_consistency_proves_the_prefix_and_nothing_else(second: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, second))
    old, new = defined(LEAVES[:first]), defined(LEAVES[:second])
    path = proof.consistency(first, second, nodes)
    assert proof.consistent(first, second, path, old, new)
    assert not proof.consistent(first, second, path, LEAVES[500], new)
    assert not proof.consistent(first, second, [*path, LEAVES[0]], old, new)
    assert not proof.consistent(second + 1, second, path, old, new)
    if first:
        assert not proof.consistent(first, second, path, old, LEAVES[500])
    for at in range(len(path)):
        bad = [*path[:at], LEAVES[600], *path[at + 1 :]]
        assert not proof.consistent(first, second, bad, old, new)
        assert not proof.consistent(first, second, path[:at] + path[at + 1 :], old, new)


def test_proofs_of_what_is_not_there_are_refused() -> None:
    for index, size in ((0, 0), (5, 5), (-1, 5)):
        with pytest.raises(LedgerError):
            proof.inclusion(index, size, nodes)
    for first, second in ((-1, 5), (6, 5)):
        with pytest.raises(LedgerError):
            proof.consistency(first, second, nodes)


@pytest.mark.skipif(
    importlib.util.find_spec("pymerkle") is None,
    reason="pymerkle is not installed (pip install pymerkle): another library's roots",
)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 77, 256, 257])
def test_another_library_finds_the_same_roots(size: int) -> None:
    from pymerkle import InmemoryTree

    tree = InmemoryTree(algorithm="sha256")
    data = [b"entry %d" % i for i in range(size)]
    for one in data:
        tree.append_entry(one)
    assert tree.get_root() == proof.fold(b"".join(LEAVES[:size]))


@pytest.mark.parametrize(
    ("level", "number", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 273, 112, "tile/0/273.p/112"),
        (2, 1234067, 256, "tile/2/x001/x234/067"),
        ("entries", 1000, 1, "tile/entries/x001/000.p/1"),
    ],
)
def test_tile_paths(level: int | str, number: int, width: int, path: str) -> None:
    assert proof.tile_path(level, number, width) == path


def test_tile_widths() -> None:
    assert proof.tile_widths(70_000) == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]
    assert proof.tile_widths(256) == [(0, 1, 0), (1, 0, 1)]
    assert proof.tile_widths(0) == []


# ---- notes ---------------------------------------------------------------------------------

GO_SUM = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"


def test_verifier_keys_have_one_spelling() -> None:
    assert str(VerifierKey.parse(GO_SUM)) == GO_SUM  # the key of Go's public checksum log
    for bad in (GO_SUM + "\n", GO_SUM[:-1], GO_SUM.replace("033d", "033e"), GO_SUM.upper(), "",
                GO_SUM.replace("sum.", "sun."), GO_SUM[:-1] + "9", "+033de0ae+"):  # fmt: skip
        with pytest.raises(LedgerError):
            VerifierKey.parse(bad)


def test_a_checkpoint_is_a_signed_note() -> None:
    signed = proof.sign_checkpoint("example.com/kept", 7, LEAVES[0], 1_795_464_974, SIGNER)
    lines = signed.note.decode().split("\n")
    assert lines[:4] == ["example.com/kept", "7", base64.b64encode(LEAVES[0]).decode(), ""]
    assert [line.split(" ")[:2] for line in lines[4:6]] == [["—", "example.com/kept"]] * 2
    plain = base64.b64decode(lines[4].split(" ")[2])
    assert plain[:4].hex() == str(KEY).split("+")[1]
    body = "\n".join(lines[:3]) + "\n"
    assert KEY.holds(plain[4:], body.encode())
    assert proof.read_checkpoint(signed.note, KEY) == signed


def test_every_changed_byte_of_a_checkpoint_is_found() -> None:
    note = proof.sign_checkpoint("example.com/kept", 7, LEAVES[0], 1_795_464_974, SIGNER).note
    for at in range(len(note)):
        for bit in range(8):
            bad = note[:at] + bytes([note[at] ^ 1 << bit]) + note[at + 1 :]
            with pytest.raises(Tampered):
                proof.read_checkpoint(bad, KEY)
    for bad in (b"", note[:-1], note + b"\n", note.replace(b"\n", b"\r\n"), b"\n" + note):
        with pytest.raises(Tampered):
            proof.read_checkpoint(bad, KEY)


def test_signatures_of_others_are_ignored_and_those_of_our_name_checked() -> None:
    note = proof.sign_checkpoint("example.com/kept", 7, LEAVES[0], 5, SIGNER).note
    witness = "— witness.example/w1 " + base64.b64encode(bytes(72)).decode() + "\n"
    assert proof.read_checkpoint(note + witness.encode(), KEY).size == 7
    other = dataclasses.replace(KEY, public=bytes(32))
    with pytest.raises(Tampered):
        proof.read_checkpoint(note, other)


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb", "cosignature/v1", "a\u00a0b"])
def test_origins_that_cannot_name_a_key_are_refused(origin: str) -> None:
    with pytest.raises(LedgerError):
        proof.check_origin(origin)
