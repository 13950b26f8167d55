"""What PostgreSQL says went wrong, in words for the operator, and what to do about it.

Errors are told apart by their SQLSTATE, never by their text, which depends on the server's
language; only a connection that could not be made has no other sign than its text.
https://www.postgresql.org/docs/current/errcodes-appendix.html

Invariant: no message holds a password. Where a database is, is said as `host:port/name`.
"""

import msgspec

from nagara.storage.driver import ConflictError, StorageError

REFUSED_CLASSES = ("22", "23")
"""What will be refused however often it is tried: a value that its column cannot take, such as a
sum beyond 64 bits, and a constraint."""
AGAIN = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock: nothing was done, and the same may be tried once more."""
STALE_PLAN = frozenset({"0A000", "26000"})
"""A prepared statement that the schema has changed under, or that somebody dropped."""

# Errors of these classes are about the server or the connection, not about one statement.
_OF_THE_SERVER = frozenset({"08", "25", "53", "54", "55", "57", "58", "F0", "XX"})

_ADVICE = {
    "25006": "only lets us read: name the primary server, and a user who may write",
    "42501": "does not let this user do that: GRANT them ALL on its schema and tables",
    "53100": "cannot grow: its disk is full. Free some space; nothing was lost",
    "53300": "has no connection left: raise its max_connections, or run fewer processes",
    "55P03": "was locked by another program for too long: find out which one holds it",
    "57014": "was too slow, so that the statement was stopped (storage_timeout_s)",
    "57P01": "was shut down by its operator",
    "57P03": "is starting up or shutting down: it can be used in a moment",
}

_REASONS = (
    ("password authentication failed", "refuses the user or the password"),
    ("no password supplied", "wants a password, and none was given"),
    ("no pg_hba.conf entry", "does not let this user in from this machine (its pg_hba.conf)"),
    ("Connection refused", "cannot be reached: make sure that it runs and listens there"),
    ("could not translate host name", "cannot be found: there is no machine of that name"),
    ("timeout expired", "did not answer in time: make sure that it can be reached from here"),
    ("does not exist", "is not there: make it with CREATE DATABASE, or name another"),
    ("too many clients", _ADVICE["53300"]),
)


class ServerError(msgspec.Struct, frozen=True):
    """One error of the server's: its SQLSTATE and its primary message."""

    sqlstate: str
    message: str

    @property
    def is_worth_another_try(self) -> bool:
        """Whether the whole transaction may simply be run again."""
        return self.sqlstate in AGAIN | STALE_PLAN

    @property
    def is_of_statement(self) -> bool:
        """Whether the statement itself was wrong: another transaction may well do better."""
        return self.sqlstate[:2] not in _OF_THE_SERVER and not self.is_worth_another_try


class ConnectionLostError(StorageError):
    """The connection is gone, or cannot be made; it is not known how far the server came."""


def tell(error: ServerError, where: str, index: int = 0) -> StorageError:
    """What to raise for an error in statement `index` on the database at `where`."""
    if error.sqlstate.startswith(REFUSED_CLASSES):
        return ConflictError(index, error.message)
    advice = _ADVICE.get(error.sqlstate)
    if advice is None:
        return StorageError(f"the database {where} refused: {error.message} ({error.sqlstate})")
    return StorageError(f"the database {where} {advice} ({error.message})")


def tell_unreachable(text: str, where: str) -> ConnectionLostError:
    """What to raise when no connection could be made; `text` is the client library's own."""
    words = " ".join(text.split())
    advice = next((advice for sign, advice in _REASONS if sign in words), "cannot be used")
    return ConnectionLostError(f"the database {where} {advice} ({words})")


def tell_lost(where: str, reason: str) -> ConnectionLostError:
    """What to raise when a connection ended while it was in use."""
    return ConnectionLostError(
        f"the connection to the database {where} was lost: {' '.join(reason.split())}"
    )
