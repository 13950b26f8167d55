-- Money. Amounts are whole nano-dollars, times Unix milliseconds or seconds, as the names say.

-- Who can owe and own: `customer` (owner: accounts.id), `key` (keys.id), and the house's own
-- (owner 0): `revenue`, `cash`, `promotion`, `adjustment`, `uncollected`, and for each provider
-- `cost:NAME` and `provider:NAME`. The three sums are kept for customers and keys, in the commit of each
-- movement; for the others (revenue, cash, promotions, provider costs) they are summed up from
-- `transfers` when asked for, so that no row is written by every request of every process.
-- A key's debits are what was charged through it, collected or not; its credits are its refunds.
-- `limit_nano` bounds a key within `limit_period` (total, day, week, month): `period_nano` is what
-- `activity` has of it from the day of `period_began_s` on. `attributed_nano` is how much of a
-- customer's debits was already taken from its grants.
CREATE TABLE ledger_accounts (
    id GENERATED_ID,
    kind TEXT NOT NULL,
    owner BIGINT NOT NULL,
    credits_nano BIGINT NOT NULL DEFAULT 0,
    debits_nano BIGINT NOT NULL DEFAULT 0,
    pending_nano BIGINT NOT NULL DEFAULT 0,
    attributed_nano BIGINT NOT NULL DEFAULT 0,
    limit_nano BIGINT,
    limit_period TEXT NOT NULL DEFAULT 'total',
    period_began_s BIGINT NOT NULL DEFAULT 0,
    period_nano BIGINT NOT NULL DEFAULT 0,
    UNIQUE (kind, owner)
);

-- What moved. Never changed, never deleted: a correction is another row. `id` derives from the
-- request, or from whoever asks for the movement, so that a repetition is refused by the store.
-- Its sides are `ledger_accounts` (id): every insert looks them up there by their names, so a
-- reference would only look them up once more. `account_id` and `key_id` are the customer's whose movement it is (0 for nobody's).
CREATE TABLE transfers (
    seq GROWING_ID,
    id TEXT NOT NULL UNIQUE,
    at_ms BIGINT NOT NULL,
    debit_id BIGINT NOT NULL,
    credit_id BIGINT NOT NULL,
    amount_nano BIGINT NOT NULL CHECK (amount_nano > 0),
    code TEXT NOT NULL,
    account_id BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    request TEXT,
    note TEXT
);

CREATE INDEX transfers_by_account ON transfers (account_id, seq);
CREATE INDEX transfers_of_refunds ON transfers (request) WHERE code = 'refund';

-- Money that is set aside for a request that runs. A row is deleted by exactly one of post, void
-- and expire. `runner` is the process that serves it.
CREATE TABLE holds (
    id TEXT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    amount_nano BIGINT NOT NULL CHECK (amount_nano >= 0),
    runner TEXT NOT NULL,
    made_at_ms BIGINT NOT NULL
) IN_KEY_ORDER;

-- A process that holds money counts `beat` up. Whoever watches it stand still for long enough
-- takes the process for dead; no clock is compared with another's.
CREATE TABLE runners (
    id TEXT PRIMARY KEY,
    beat BIGINT NOT NULL
);

-- Credit that was given, with how much of it is left as of the customer's `attributed_nano`.
-- What expires soonest is spent first.
CREATE TABLE grants (
    id GENERATED_ID,
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    transfer TEXT NOT NULL UNIQUE,
    amount_nano BIGINT NOT NULL,
    remaining_nano BIGINT NOT NULL,
    expires_at_s BIGINT,
    ended_at_s BIGINT
);

CREATE INDEX grants_by_account ON grants (account_id);
CREATE INDEX grants_by_expiry ON grants (expires_at_s) WHERE ended_at_s IS NULL;

-- Rate cards that something was charged by: never changed, named by what they say.
CREATE TABLE rate_cards (
    version TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    first_used_at_s BIGINT NOT NULL,
    card BYTEA NOT NULL
);

-- One row for each request that was let through. `id` is also its hold's; `request_id` is what
-- the caller knows it by, and may repeat. `usage` and `charge` are JSON.
CREATE TABLE requests (
    seq GROWING_ID,
    id TEXT NOT NULL UNIQUE,
    request_id TEXT NOT NULL,
    account_id BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    operation TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT,
    deployment TEXT,
    status BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    error TEXT,
    is_streamed BIGINT NOT NULL,
    is_test BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    first_byte_ms BIGINT,
    duration_ms BIGINT NOT NULL,
    dropped TEXT,
    usage TEXT,
    is_usage_estimated BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    held_nano BIGINT NOT NULL,
    charge_nano BIGINT NOT NULL,
    cost_nano BIGINT,
    rate_card TEXT,
    charge TEXT
);

CREATE INDEX requests_by_account ON requests (account_id, seq);

-- Sums of `requests` by UTC day (days since 1970-01-01), kept in the commit of each charge.
CREATE TABLE activity (
    account_id BIGINT NOT NULL,
    day BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    model TEXT NOT NULL,
    requests BIGINT NOT NULL,
    charge_nano BIGINT NOT NULL,
    cost_nano BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    PRIMARY KEY (account_id, day, key_id, model)
) IN_KEY_ORDER;

INSERT INTO ledger_accounts (kind, owner) VALUES
    ('revenue', 0), ('promotion', 0), ('cash', 0), ('adjustment', 0), ('uncollected', 0);

-- Accounts and keys from before there was a ledger: an opening grant each, nothing spent yet.
INSERT INTO ledger_accounts (kind, owner, credits_nano)
    SELECT 'customer', id, balance_nano FROM accounts;

INSERT INTO ledger_accounts (kind, owner, limit_nano)
    SELECT 'key', id, credit_limit_nano FROM keys;

INSERT INTO transfers (id, at_ms, debit_id, credit_id, amount_nano, code, account_id, key_id)
    SELECT 'opening:' || accounts.id, accounts.created_at_s * 1000, promotion.id, customer.id,
        accounts.balance_nano, 'grant', accounts.id, 0
    FROM accounts
    JOIN ledger_accounts AS customer
        ON customer.kind = 'customer' AND customer.owner = accounts.id
    JOIN ledger_accounts AS promotion ON promotion.kind = 'promotion'
    WHERE accounts.balance_nano > 0;

INSERT INTO grants (account_id, transfer, amount_nano, remaining_nano)
    SELECT id, 'opening:' || id, balance_nano, balance_nano FROM accounts WHERE balance_nano > 0;

ALTER TABLE accounts DROP COLUMN balance_nano;
ALTER TABLE keys DROP COLUMN credit_limit_nano;

-- In place of the models' own markups. A discount leaves something to pay: what is free says so.
ALTER TABLE accounts ADD COLUMN markup_ppm BIGINT CHECK (markup_ppm > -1000000);
