"""The vault and its custodian: keys that die when they should, and only then."""

from __future__ import annotations

import datetime as dt
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kept.database import Database
from kept.errors import DatabaseError, Shredded, VaultError
from kept.keys import EPOCH_DAYS, FileCustodian, Vault

NOW = dt.datetime(2026, 3, 14, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
END = NOW.date() + EPOCH_DAYS * DAY


@pytest.fixture
def vault(kept_db: Database, tmp_path: Path) -> Vault:
    return Vault(kept_db, FileCustodian(tmp_path / "keys"), now=NOW)


def again(vault: Vault) -> Vault:
    """The same vault as another process would open it."""
    custodian = vault._custodian
    assert isinstance(custodian, FileCustodian)
    return Vault(vault._database, FileCustodian(custodian.directory), now=NOW + 99 * DAY)


def test_keys_are_made_once_and_differ(vault: Vault) -> None:
    keys = {(s, c): vault.key(s, c) for s in (1, 2, -1) for c in ("person", "case")}
    assert len(set(keys.values())) == 6
    assert all(len(key) == 32 for key in keys.values())
    assert {pair: again(vault).key(*pair) for pair in keys} == keys


def test_keys_of_new_records_are_like_any_other_and_made_once(vault: Vault) -> None:
    database = vault._database
    with database.connection() as c, c.pipeline():
        keys = vault.fresh(c)
        sealed = [keys.seal(-n, "intake", b"said", b"x") for n in (1, 2)]
        for subject, cls in ((1, "intake"), (-1, "marketing")):
            with pytest.raises(VaultError):
                keys.seal(subject, cls, b"said", b"x")
    vault.rotate(NOW)
    for number, one in zip((1, 2), sealed, strict=True):
        assert vault.unseal(-number, "intake", one, b"x") == b"said"
    with pytest.raises(DatabaseError), database.connection() as c:
        vault.fresh(c).seal(-1, "intake", b"other", b"x")
    assert vault.unseal(-1, "intake", sealed[0], b"x") == b"said"


def test_no_key_stands_in_the_database(vault: Vault, tmp_path: Path) -> None:
    key = vault.key(1, "person")
    vault.seal(1, "person", b"x", b"l")
    with vault._database.connection() as c:
        for table in ("subject_key", "key_epoch", "key_check"):
            text = c.execute(f"SELECT t::text FROM {table} t").fetchall()
            for secret in (key, vault._custodian.kek(1), vault._root):
                assert secret.hex() not in str(text)
    for file in (tmp_path / "keys").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        if file.name != "master.key":
            assert vault._root not in file.read_bytes()
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_sealed_data_is_bound_to_its_place(vault: Vault) -> None:
    sealed = vault.seal(1, "person", b"ana", b"name")
    assert again(vault).unseal(1, "person", sealed, b"name") == b"ana"
    assert sealed != vault.seal(1, "person", b"ana", b"name")
    vault.key(2, "person")
    vault.key(1, "case")
    for subject, cls, label in ((2, "person", b"name"), (1, "case", b"name"), (1, "person", b"")):
        with pytest.raises(VaultError, match="altered"):
            vault.unseal(subject, cls, sealed, label)
    for at in range(len(sealed)):
        broken = sealed[:at] + bytes((sealed[at] ^ 1,)) + sealed[at + 1 :]
        with pytest.raises(VaultError):
            vault.unseal(1, "person", broken, b"name")
    for cut in (b"", sealed[:20], sealed[:-1]):
        with pytest.raises(VaultError):
            vault.unseal(1, "person", cut, b"name")


def test_a_wrapped_key_cannot_be_moved(vault: Vault) -> None:
    vault.key(1, "person")
    vault.key(2, "person")
    with vault._database.connection() as c:
        c.execute(
            "UPDATE subject_key SET wrapped = (SELECT wrapped FROM subject_key WHERE subject = 1)"
            " WHERE subject = 2"
        )
    with pytest.raises(VaultError, match="altered"):
        vault.key(2, "person")


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=300), label=st.binary(max_size=20), subject=st.integers(-5, 5))
def test_seal_and_unseal(kept_module_db: Database, tmp_path_factory: pytest.TempPathFactory,
                         data: bytes, label: bytes, subject: int) -> None:  # fmt: skip
    keys = tmp_path_factory.getbasetemp() / "sealing"
    vault = Vault(kept_module_db, FileCustodian(keys), now=NOW)
    assert vault.unseal(subject, "a", vault.seal(subject, "a", data, label), label) == data


# — pseudonyms and hashes —————————————————————————————————————————————————————————————————


def test_pseudonyms_differ_by_person_class_and_month(vault: Vault) -> None:
    months = [NOW, NOW + 40 * DAY, NOW + 366 * DAY]
    names = {
        (s, c, m): vault.pseudonym(s, c, m) for s in (1, 2) for c in ("person", "a") for m in months
    }
    assert len(set(names.values())) == len(names)
    assert all(len(n) == 32 and int(n, 16) >= 0 for n in names.values())
    assert vault.pseudonym(1, "a", NOW) == vault.pseudonym(1, "a", NOW.replace(day=1, hour=0))
    # The month is that of UTC, wherever the clock stands.
    east = dt.timezone(dt.timedelta(hours=14))
    assert vault.pseudonym(1, "a", dt.datetime(2026, 4, 1, 1, tzinfo=east)) == vault.pseudonym(
        1, "a", NOW
    )
    assert again(vault).pseudonyms([(2, "a"), (1, "a"), (2, "a")], NOW) == [
        names[(2, "a", NOW)], names[(1, "a", NOW)], names[(2, "a", NOW)],
    ]  # fmt: skip


def test_hashes_differ_by_use(vault: Vault) -> None:
    assert vault.mac("locator", b"x") != vault.mac("suppression", b"x")
    assert vault.mac("locator", b"x") == again(vault).mac("locator", b"x")
    assert len(vault.mac("locator", b"x")) == 32


def test_the_signing_key_stays(vault: Vault) -> None:
    assert isinstance(vault.signing_key(), Ed25519PrivateKey)
    public = vault.signing_key().public_key().public_bytes_raw()
    assert again(vault).signing_key().public_key().public_bytes_raw() == public


# — shredding —————————————————————————————————————————————————————————————————————————————


def test_shredding_is_final_and_says_when(vault: Vault) -> None:
    sealed = vault.seal(1, "person", b"ana", b"")
    other = vault.seal(2, "person", b"bea", b"")
    kept = vault.seal(1, "case", b"why", b"")
    assert vault.shred([1], ["person", "never-used"], NOW) == END
    for cls in ("person", "never-used"):
        with pytest.raises(Shredded):
            vault.key(1, cls)
        with pytest.raises(Shredded):
            vault.pseudonym(1, cls, NOW)
    with pytest.raises(Shredded):
        again(vault).unseal(1, "person", sealed, b"")
    assert vault.unseal(2, "person", other, b"") == b"bea"
    assert vault.unseal(1, "case", kept, b"") == b"why"
    with vault._database.connection() as c:
        assert c.execute(
            "SELECT count(*) FROM subject_key WHERE subject = 1 AND class = 'person'"
            " AND (wrapped IS NOT NULL OR epoch IS NOT NULL)"
        ).fetchone() == (0,)
    # Past its planned end the epoch still holds, so the day is today, not yesterday.
    assert vault.shred([1], ["person"], NOW + 99 * DAY) == (NOW + 99 * DAY).date()


def test_a_class_past_its_time_begins_anew(vault: Vault) -> None:
    sealed = vault.seal(1, "news", b"old", b"")
    old = vault.pseudonym(1, "news", NOW)
    vault.shred([1], ["news"], NOW, final=False)
    with pytest.raises(Shredded):
        vault.unseal(1, "news", sealed, b"")
    fresh = vault.seal(1, "news", b"new", b"")
    assert vault.unseal(1, "news", fresh, b"") == b"new"
    assert vault.pseudonym(1, "news", NOW) != old
    with pytest.raises(Shredded):
        vault.unseal(1, "news", sealed, b"")
    # An erasure afterwards is final, whether or not the class had begun anew.
    for begun in (False, True):
        vault.shred([1], ["news"], NOW, final=False)
        if begun:
            vault.key(1, "news")
        vault.shred([1], ["news"], NOW)
        with pytest.raises(Shredded):
            vault.key(1, "news")
        with vault._database.connection() as c:
            c.execute("UPDATE subject_key SET final = false")


def test_a_shredding_that_is_rolled_back_did_not_happen(vault: Vault) -> None:
    key = vault.key(1, "person")

    def broken() -> None:
        with vault._database.connection() as c:
            vault.shred([1], ["person"], NOW, connection=c)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert vault.key(1, "person") == key


def test_rotation_keeps_keys_and_the_old_kek_dies(vault: Vault, tmp_path: Path) -> None:
    keys = {s: vault.key(s, "person") for s in range(1, 1203)}
    with vault._database.connection() as c:
        backup = c.execute("SELECT epoch, wrapped FROM subject_key WHERE subject = 7").fetchone()
    assert backup is not None
    vault.shred([7], ["person"], NOW)
    other = again(vault)  # has the old KEK in memory
    other.key(8, "person")
    assert vault.rotate(NOW + DAY) == 2
    # Between the two steps the wrapped bytes of a backup can still be opened …
    assert vault._unwrap(7, "person", 1, *backup) == keys[7]
    vault.destroy_epoch(1, NOW + DAY)
    assert not (tmp_path / "keys" / "epoch-1.key").exists()
    # … and afterwards by nobody, not even by a process that had the KEK.
    for each in (vault, other):
        with pytest.raises(VaultError, match="epoch 1 is not there"):
            each._unwrap(7, "person", 1, *backup)
        assert each.key(8, "person") == keys[8]
    assert vault.key(1202, "person") == keys[1202]
    vault.destroy_epoch(1, NOW + DAY)  # twice
    with vault._database.connection() as c:
        assert c.execute("SELECT DISTINCT epoch FROM subject_key WHERE epoch > 0").fetchall() == [
            (2,)
        ]
    with pytest.raises(VaultError, match="no such epoch"):
        vault.destroy_epoch(12, NOW)


def test_the_daily_turn(vault: Vault) -> None:
    key = vault.key(1, "person")
    assert vault.turn(NOW) == []
    later = NOW + EPOCH_DAYS * DAY
    assert vault.shred([9], ["person"], later - DAY) == END
    assert vault.turn(later) == [1]
    assert vault.turn(later) == []
    assert vault.key(1, "person") == key
    assert vault.shred([9], ["person"], later) == later.date() + EPOCH_DAYS * DAY


@pytest.mark.parametrize("where", ["make", "_rewrap", "destroy"])
def test_a_kill_during_a_turn_loses_no_key(where: str, kept_db: Database, tmp_path: Path) -> None:
    custodian = FileCustodian(tmp_path / "keys")
    vault = Vault(kept_db, custodian, now=NOW)
    keys = {s: vault.key(s, "person") for s in range(1, 20)}
    code = f"""
        import datetime as dt, os, signal
        from pathlib import Path
        from kept.database import Database
        from kept.keys import FileCustodian, Vault
        vault = Vault(Database.open({kept_db.url!r}, Path({str(tmp_path)!r})),
                      FileCustodian(Path({str(tmp_path / "keys")!r})))
        for owner in (FileCustodian, Vault):
            before = getattr(owner, {where!r}, None)
            if before is not None:
                def dies(*args, before=before):
                    before(*args)
                    os.kill(os.getpid(), signal.SIGKILL)
                setattr(owner, {where!r}, dies)
        vault.turn(dt.datetime(2026, 5, 1, tzinfo=dt.UTC))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    recovered = again(vault)
    assert {s: recovered.key(s, "person") for s in keys} == keys
    recovered.turn(dt.datetime(2026, 5, 1, tzinfo=dt.UTC))
    assert {s: recovered.key(s, "person") for s in keys} == keys
    assert not (tmp_path / "keys" / "epoch-1.key").exists()
    with kept_db.connection() as c:
        assert c.execute("SELECT count(*) FROM key_epoch WHERE current").fetchone() == (1,)
        assert c.execute(
            "SELECT count(*) FROM subject_key k JOIN key_epoch e USING (epoch)"
            " WHERE e.destroyed_at IS NOT NULL"
        ).fetchone() == (0,)


def test_rotation_while_others_make_keys(vault: Vault, tmp_path: Path) -> None:
    code = f"""
        from pathlib import Path
        from kept.database import Database
        from kept.keys import FileCustodian, Vault
        vault = Vault(Database.open({vault._database.url!r}, Path({str(tmp_path)!r})),
                      FileCustodian(Path({str(tmp_path / "keys")!r})))
        print("up", flush=True)
        for subject in range(100, 400):
            print(subject, vault.key(subject, "person").hex(), flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        for _ in range(5):
            vault.turn(NOW + 10_000 * DAY)
            with vault._database.connection() as c:
                c.execute("UPDATE key_epoch SET ends_on = '2026-01-01' WHERE current")
        made = dict(line.split() for line in other.stdout)
    assert other.returncode == 0
    assert len(made) == 300
    assert {s: vault.key(int(s), "person").hex() for s in made} == made


# — the custodian —————————————————————————————————————————————————————————————————————————


def quick(directory: Path, passphrase: str) -> FileCustodian:
    return FileCustodian(directory, passphrase, passes=1, memory=64)


def test_a_passphrase_locks_the_keys(kept_db: Database, tmp_path: Path) -> None:
    vault = Vault(kept_db, quick(tmp_path / "k", "correct horse"), now=NOW)
    key = vault.key(1, "person")
    assert Vault(kept_db, quick(tmp_path / "k", "correct horse")).key(1, "person") == key
    with pytest.raises(VaultError, match="passphrase of the keys is wrong"):
        quick(tmp_path / "k", "wrong horse")
    with pytest.raises(VaultError, match=r"locked with a passphrase.*kept\.toml"):
        FileCustodian(tmp_path / "k")
    assert not (tmp_path / "k" / "master.key").exists()
    assert '"argon2id"' in (tmp_path / "k" / "passphrase.json").read_text()


def test_a_passphrase_for_keys_without_one(tmp_path: Path) -> None:
    FileCustodian(tmp_path / "k")
    with pytest.raises(VaultError, match="without a passphrase"):
        quick(tmp_path / "k", "x")


def test_the_usual_cost_is_that_of_rfc_9106(tmp_path: Path) -> None:
    FileCustodian(tmp_path / "k", "x")
    text = (tmp_path / "k" / "passphrase.json").read_text()
    assert '"passes": 3' in text
    assert '"memory_kib": 65536' in text


def test_an_open_master_key_is_refused(tmp_path: Path) -> None:
    FileCustodian(tmp_path / "k")
    (tmp_path / "k" / "master.key").chmod(0o644)
    with pytest.raises(VaultError, match="chmod 600"):
        FileCustodian(tmp_path / "k")


def test_a_wrong_or_lost_key_directory_is_noticed(vault: Vault, tmp_path: Path) -> None:
    database = vault._database
    with pytest.raises(VaultError, match="`mac` is not there"):
        Vault(database, FileCustodian(tmp_path / "other"))
    stranger = FileCustodian(tmp_path / "stranger")
    stranger.secret("mac", make=True)
    with pytest.raises(VaultError, match="not that of this database"):
        Vault(database, stranger)


@pytest.mark.parametrize("name", ["mac.key", "epoch-1.key", "master.key"])
def test_damaged_files_are_named(name: str, vault: Vault, tmp_path: Path) -> None:
    vault.key(1, "person")
    path = tmp_path / "keys" / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(VaultError, match="damaged"):
        again(vault).key(1, "person")


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VaultError, match="cannot be used"):
        FileCustodian(tmp_path / "file" / "keys")


def test_two_makers_agree(tmp_path: Path) -> None:
    first, second = FileCustodian(tmp_path / "k"), FileCustodian(tmp_path / "k")
    first.make(1)
    second.make(1)
    assert first.kek(1) == second.kek(1)
    assert first.secret("mac", make=True) == second.secret("mac", make=True)
    assert not [f for f in os.listdir(tmp_path / "k") if f.startswith(".")]
