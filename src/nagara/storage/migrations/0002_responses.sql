-- Answers of the Responses API that their callers may come back for, and what led to them.
-- `input` is the request's own, `history` the conversation before it, both JSON.
-- `runner` and `lease_until_s` are set while a process still works on a background response.

CREATE TABLE responses (
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    is_test BIGINT NOT NULL,
    id TEXT NOT NULL,
    key_id BIGINT NOT NULL,
    status TEXT NOT NULL,
    is_background BIGINT NOT NULL,
    maker TEXT,
    created_at_s BIGINT NOT NULL,
    expires_at_s BIGINT NOT NULL,
    response BYTEA NOT NULL,
    input BYTEA NOT NULL,
    history BYTEA NOT NULL,
    runner TEXT,
    lease_until_s BIGINT,
    PRIMARY KEY (account_id, is_test, id)
);

CREATE INDEX responses_by_expiry ON responses (expires_at_s);
CREATE INDEX responses_by_lease ON responses (lease_until_s) WHERE lease_until_s IS NOT NULL;

-- The stream of a background response: each row some whole events, as they are sent.
CREATE TABLE response_events (
    account_id BIGINT NOT NULL,
    is_test BIGINT NOT NULL,
    response_id TEXT NOT NULL,
    first_number BIGINT NOT NULL,
    last_number BIGINT NOT NULL,
    expires_at_s BIGINT NOT NULL,
    events BYTEA NOT NULL,
    PRIMARY KEY (account_id, is_test, response_id, first_number)
);

CREATE INDEX response_events_by_expiry ON response_events (expires_at_s);
