"""Stores over a shop made for one test, and a certificate for those that speak TLS."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.stores.mariadb_shop import MAPPED, SCHEMA, run

from kept.stores.mariadb import MariaDBStore

DAY = dt.timedelta(days=1)


@pytest.fixture
def maria_shop_url(fresh_maria_url: str) -> str:
    """The URL of the shop of tests.stores.mariadb_shop."""
    run(fresh_maria_url, SCHEMA)
    return fresh_maria_url


@pytest.fixture
def maria_shop(maria_shop_url: str) -> Iterator[MariaDBStore]:
    """Its store."""
    made = MariaDBStore("shop", (MAPPED,), maria_shop_url)
    yield made
    made.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for `localhost` with its key, in one file; it vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(today - DAY).not_valid_after(today + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path
