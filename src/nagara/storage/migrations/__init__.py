"""The schema's history: numbered SQL files, applied in order, once each, and recorded.

A file is named `0001_what_it_does.sql`; a statement ends with a semicolon at the end of a line. A
file that was ever released is never edited: a change is another file. They are written in the SQL
that SQLite and PostgreSQL share. Some words stand for a driver's own:

    GENERATED_ID    an id column that numbers itself and never reuses a number
    GROWING_ID      the same in a table whose rows are never deleted, which may take less
    IN_KEY_ORDER    after a table: its rows lie in the order of their primary key, if they can
"""

from functools import cache
from pathlib import Path

import msgspec

VERSION_TABLE = (
    "CREATE TABLE IF NOT EXISTS schema_versions "
    "(version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at_s BIGINT NOT NULL)"
)
RECORD_VERSION = "INSERT INTO schema_versions (version, name, applied_at_s) VALUES ($1, $2, $3)"
READ_VERSION = "SELECT MAX(version) FROM schema_versions"


class Migration(msgspec.Struct, frozen=True):
    """One file: its number, its name, and its statements in order."""

    version: int
    name: str
    statements: tuple[str, ...]


@cache
def load_migrations() -> tuple[Migration, ...]:
    """All migrations in order. Raises `ValueError` when a number is missing or taken twice."""
    found = tuple(_read(path) for path in sorted(Path(__file__).parent.glob("*.sql")))
    versions = [migration.version for migration in found]
    if versions != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations must be numbered from 1 without gaps, not {versions}")
    return found


def _read(path: Path) -> Migration:
    number, _, name = path.stem.partition("_")
    lines = [line for line in path.read_text().splitlines() if not line.startswith("--")]
    pieces = "\n".join(lines).split(";\n")
    statements = tuple(piece.strip().rstrip(";") for piece in pieces if piece.strip())
    return Migration(int(number), name, statements)
