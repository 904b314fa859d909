-- Changes of address that wait for their confirmation, and tenants whose emails are no longer sent.
-- Times are milliseconds since the epoch.
CREATE TABLE address_changes (
  user_id TEXT PRIMARY KEY REFERENCES users (user_id),
  email TEXT NOT NULL, -- the new address, in lower case
  token_hash TEXT UNIQUE, -- SHA-256 in hex of the token in the link; NULL: withdrawn
  requested_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  confirmed_at INTEGER, -- NULL: not yet
  requests INTEGER NOT NULL, -- within the 24 hours from counted_from on
  counted_from INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX address_changes_by_expiry ON address_changes (expires_at);

-- When the user was last notified that another user asked for their address.
ALTER TABLE users ADD COLUMN in_use_notified_at INTEGER;

-- Emails of these tenants that were queued at `ended_until` or before are cancelled instead of sent.
CREATE TABLE ended_tenants (
  tenant TEXT PRIMARY KEY,
  ended_until INTEGER NOT NULL, -- of a deleted account: the largest integer, for ever
  ended_at INTEGER NOT NULL,
  swept_at INTEGER -- since when none of its emails waits; NULL: not known yet
) STRICT, WITHOUT ROWID;

CREATE INDEX ended_tenants_unswept ON ended_tenants (ended_at) WHERE swept_at IS NULL;

-- The emails of a tenant that have not left: lists by these statuses, and what is cancelled at its end.
CREATE INDEX emails_unsent_by_tenant ON emails (tenant, status, created_at, id) WHERE status IN ('scheduled', 'queued');
