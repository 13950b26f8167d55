-- Calls with an `Idempotency-Key`, by account and by what kind of key they came with.
-- `fingerprint` is a digest of what was asked. `request` is our own id of the request that owns the
-- row, `request_id` what its caller knows it by. `runner` is the process that serves it, until it
-- has ended; then there is its answer (`status`, `headers`, `body`), or in `lost` why there is none.

CREATE TABLE idempotent_calls (
    account_id BIGINT NOT NULL,
    is_test BIGINT NOT NULL,
    idempotency_key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    request TEXT NOT NULL,
    request_id TEXT NOT NULL,
    runner TEXT,
    lost TEXT,
    status BIGINT,
    headers BYTEA,
    body BYTEA,
    expires_at_s BIGINT NOT NULL,
    PRIMARY KEY (account_id, is_test, idempotency_key)
);

CREATE INDEX idempotent_calls_by_expiry ON idempotent_calls (expires_at_s);
CREATE INDEX idempotent_calls_by_runner ON idempotent_calls (runner) WHERE runner IS NOT NULL;
