-- Times are Unix seconds, amounts nano-dollars. Names end in their unit.

CREATE TABLE accounts (
    id GENERATED_ID,
    name TEXT NOT NULL UNIQUE,
    created_at_s BIGINT NOT NULL,
    balance_nano BIGINT NOT NULL
);

-- A deleted key keeps its row, for the records that name it, but loses its digest.
CREATE TABLE keys (
    id GENERATED_ID,
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    digest BYTEA UNIQUE,
    hint TEXT NOT NULL,
    created_at_s BIGINT NOT NULL,
    expires_at_s BIGINT,
    is_enabled BIGINT NOT NULL DEFAULT 1,
    credit_limit_nano BIGINT,
    allowed_models TEXT,
    deleted_at_s BIGINT
);

CREATE INDEX keys_by_account ON keys (account_id);

CREATE TABLE catalogues (
    name TEXT PRIMARY KEY,
    built_at_s BIGINT NOT NULL,
    document BYTEA NOT NULL
);

-- How often a group of tables was changed: one row to read instead of all of theirs.
CREATE TABLE revisions (
    name TEXT PRIMARY KEY,
    number BIGINT NOT NULL
);

INSERT INTO revisions (name, number) VALUES ('keys', 0), ('catalogue', 0);

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);
