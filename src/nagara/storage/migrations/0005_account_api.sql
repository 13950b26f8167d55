-- What the account API reads by: requests by their time, and movements other than those of calls,
-- of which there are few among many.

DROP INDEX requests_by_account;
CREATE INDEX requests_by_time ON requests (account_id, at_ms, seq);
CREATE INDEX transfers_beside_calls ON transfers (account_id, seq)
    WHERE code <> 'post' AND code <> 'cost';

-- Secrets that a key had before it was rotated, and that still open it until they expire.
CREATE TABLE retired_secrets (
    digest BYTEA PRIMARY KEY,
    key_id BIGINT NOT NULL REFERENCES keys (id),
    hint TEXT NOT NULL,
    expires_at_s BIGINT NOT NULL
);

CREATE INDEX retired_secrets_by_key ON retired_secrets (key_id);
