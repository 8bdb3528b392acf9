"""The whole error tree.

Every message says what was expected, what was met and how to mend it. No message
carries personal data: no identifier, no row value, no statement with parameters.

    KeptError
    ├── UsageError             wrong use: an argument, a setting, a file (exit status 2)
    │   ├── ConfigError        kept.toml or an environment variable it names
    │   ├── BundleError        a file of the policy bundle
    │   ├── MapError           a file of the data map, or the map against reality
    │   ├── Busy               somebody else is at it right now: ask again
    │   └── IdentifierError    an identifier that is not of its kind
    ├── Denied                 the door said no; carries the Decision
    ├── StoreError             a company's store (carries system and dataset, never a value)
    │   ├── StoreUnreachable   could not be asked
    │   ├── Pending            asked, and not done yet: ask again later
    │   ├── NotAble            the store's abilities exclude it; raised before anything is tried
    │   ├── Obstructed         the rehearsal found obstacles; nothing was written
    │   └── ReadBackFailed     what was done could not be read back through a second handle
    ├── DatabaseError          Kept's own PostgreSQL
    ├── VaultError             keys
    │   └── Shredded           the key was destroyed; by intent nothing can bring it back
    └── LedgerError            the ledger or a proof from it
        └── Tampered           stored bytes do not match what was signed
"""

from __future__ import annotations


class KeptError(Exception):
    """Base of all errors of Kept.

    `what` went wrong; `expected`, `met` and `fix` complete the sentence.
    `exit_status` is that of the command line: 1 a promise is broken or a request
    is incomplete, 2 wrong use.
    """

    exit_status = 1

    def __init__(
        self,
        what: str,
        *,
        expected: str | None = None,
        met: str | None = None,
        fix: str | None = None,
        where: str | None = None,
    ) -> None:
        self.what, self.expected, self.met, self.fix, self.where = what, expected, met, fix, where
        super().__init__(what)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.expected:
            text += f"; expected {self.expected}"
        if self.met:
            text += f"; met {self.met}"
        if self.fix:
            text += f". {self.fix[0].upper()}{self.fix[1:]}"
        return text


class UsageError(KeptError):
    """Wrong use: an argument, a setting or a file."""

    exit_status = 2


class ConfigError(UsageError):
    """kept.toml, or an environment variable that it names."""


class BundleError(UsageError):
    """A file of the policy bundle; `where` is file:line."""


class MapError(UsageError):
    """A file of the data map (`where` is file:line), or the map against reality."""


class Busy(UsageError):
    """Somebody else is at it right now; nothing was changed, and asking again is all to do."""


class IdentifierError(UsageError):
    """An identifier that is not of its kind. The message never repeats the value."""


class Denied(KeptError):
    """The door said no. `because` holds the ids of the clauses that decided."""

    def __init__(self, what: str, because: tuple[str, ...] = (), *, fix: str | None = None) -> None:
        super().__init__(what, fix=fix)
        self.because = because


class StoreError(KeptError):
    """A company's store failed. Holds system, dataset and the kind of failure only."""


class StoreUnreachable(StoreError):
    """The store could not be asked."""


class Pending(StoreError):
    """The store was asked and has not done it yet; `datasets` are those that still wait."""

    def __init__(
        self, what: str, datasets: frozenset[str] = frozenset(), *, fix: str | None = None
    ) -> None:
        super().__init__(what, fix=fix)
        self.datasets = datasets


class NotAble(StoreError):
    """The store's abilities exclude it; raised before anything is tried."""


class Obstructed(StoreError):
    """The rehearsal found obstacles; nothing was written."""


class ReadBackFailed(StoreError):
    """What was done could not be read back through a second handle."""


class DatabaseError(KeptError):
    """Kept's own PostgreSQL could not be reached, made or migrated."""


class VaultError(KeptError):
    """A key is missing, locked or of another epoch."""


class Shredded(VaultError):
    """The key was destroyed; by intent nothing can bring it back."""


class LedgerError(KeptError):
    """The ledger refused an entry, or a proof does not hold."""


class Tampered(LedgerError):
    """Stored bytes do not match what was signed."""
