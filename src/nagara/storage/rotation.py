"""A new secret for a key that stays the same key.

The key keeps its id, and with it what it spent, its limits and its records: were the new secret a
key of its own, every rotation would hand out the credit limit once more. Its former secret goes to
`retired_secrets`, where it opens the same key until it expires, and never longer than the key
itself. Whoever switches the key off or deletes it does so for all of its secrets.

Raises `StorageError` as the driver does.
"""

import msgspec

from nagara.access import IssuedKey
from nagara.domain.catalog import Key
from nagara.storage.driver import Driver, ExpectationError, Statement
from nagara.storage.keys import KEYS_CHANGED

OVERLAP_MAX_S = 30 * 86_400
"""How long a former secret may work on."""

RETIRED_MAX = 10
"""Former secrets of one key that work at once, at most."""

_RETIRE = (
    "INSERT INTO retired_secrets (digest, key_id, hint, expires_at_s) "
    "SELECT digest, id, hint, CAST($3 AS BIGINT) FROM keys "
    "WHERE id = $1 AND digest = $2 AND deleted_at_s IS NULL "
    f"AND (SELECT COUNT(*) FROM retired_secrets WHERE key_id = $1) < {RETIRED_MAX}"
)
_REPLACE = (
    "UPDATE keys SET digest = $3, hint = $4 WHERE id = $1 AND digest = $2 AND deleted_at_s IS NULL"
)
_SWEEP = "DELETE FROM retired_secrets WHERE key_id = $1 AND expires_at_s <= $2"
_RETIRED = "SELECT digest, key_id, hint, expires_at_s FROM retired_secrets"


async def rotate_key(
    driver: Driver, key: Key, issued: IssuedKey, *, now_s: int, overlap_s: int
) -> bool:
    """Give a key the issued secret; its present one works on for `overlap_s`, or not at all.

    False when it was rotated or deleted since it was read, or has `RETIRED_MAX` former secrets that
    still work: nothing was changed then.
    """
    own = (key.id, key.digest)
    statements = [Statement(_SWEEP, (key.id, now_s))]
    if overlap_s > 0:
        statements.append(Statement(_RETIRE, (*own, now_s + overlap_s), rows_expected=1))
    statements.append(Statement(_REPLACE, (*own, issued.digest, issued.hint), rows_expected=1))
    try:
        await driver.commit([*statements, KEYS_CHANGED])
    except ExpectationError:
        return False
    return True


async def load_retired(driver: Driver, keys: list[Key]) -> list[Key]:
    """The keys once more for each former secret that they have, as that secret opens them."""
    by_id = {key.id: key for key in keys}
    rows = await driver.query(_RETIRED)
    return [
        msgspec.structs.replace(
            key,
            digest=digest,
            hint=hint,
            expires_at_s=expires_at_s
            if key.expires_at_s is None
            else min(expires_at_s, key.expires_at_s),
        )
        for digest, key_id, hint, expires_at_s in rows
        if (key := by_id.get(key_id)) is not None
    ]
