-- How fast an account or a key may call: JSON with the names of the account API, of what differs
-- from the settings. Null where nothing does.

ALTER TABLE accounts ADD COLUMN limits TEXT;
ALTER TABLE keys ADD COLUMN limits TEXT;
