-- What an audited request changed, as JSON: [{field, from, to}]. NULL: nothing known, or an entry of
-- an earlier release.
ALTER TABLE audit_log ADD COLUMN changes TEXT;

-- Random keys of this database, for keyed hashes.
CREATE TABLE hash_keys (
  name TEXT PRIMARY KEY,
  key TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO hash_keys (name, key) VALUES ('trials', HEX(RANDOMBLOB(32)));

-- Addresses that had a trial, as keyed hashes: they outlive their accounts.
CREATE TABLE trial_addresses (
  address_hash TEXT PRIMARY KEY, -- HMAC-SHA-256 under the key 'trials', base64url
  started_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
