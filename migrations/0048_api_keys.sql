-- API keys of users, teams and operators, beside the first key of each user (api_key_hash of users).
-- The release before refuses them. Times are milliseconds since the epoch.
CREATE TABLE api_keys (
  id TEXT PRIMARY KEY, -- 'key_...'
  owner TEXT NOT NULL, -- the tenant: 'user:<id>', 'team:<id>', or 'admin' for an operator's key
  name TEXT NOT NULL,
  prefix TEXT NOT NULL, -- the first characters of the key, to identify it
  hash TEXT NOT NULL UNIQUE, -- SHA-256 in hex
  previous_hash TEXT UNIQUE, -- of the key before the last rotation, valid until previous_until
  previous_until INTEGER,
  scopes TEXT NOT NULL, -- JSON array
  role TEXT, -- of an operator, instead of scopes
  test INTEGER NOT NULL CHECK (test IN (0, 1)), -- 1: its emails go nowhere
  created_by TEXT NOT NULL, -- as the audit log names who made it
  expires_at INTEGER, -- NULL: never
  last_used_at INTEGER, -- to ten minutes; NULL: not yet
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX api_keys_by_owner ON api_keys (owner, created_at, id);
CREATE INDEX api_keys_by_expiry ON api_keys (expires_at) WHERE expires_at IS NOT NULL;

CREATE TRIGGER webhook_api_key_created AFTER INSERT ON api_keys
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('key.created', NEW.owner, NEW.created_at,
          json_object('keyId', NEW.id, 'name', NEW.name, 'prefix', NEW.prefix));
END;

CREATE TRIGGER webhook_api_key_rotated AFTER UPDATE OF hash ON api_keys
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions) AND NEW.hash <> OLD.hash
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('key.rotated', NEW.owner, NEW.updated_at,
          json_object('keyId', NEW.id, 'name', NEW.name, 'prefix', NEW.prefix));
END;

-- Not of a key that has expired before.
CREATE TRIGGER webhook_api_key_revoked AFTER DELETE ON api_keys
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions)
  AND (OLD.expires_at IS NULL OR OLD.expires_at > CAST(unixepoch('subsec') * 1000 AS INTEGER))
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('key.revoked', OLD.owner, CAST(unixepoch('subsec') * 1000 AS INTEGER),
          json_object('keyId', OLD.id, 'name', OLD.name, 'prefix', OLD.prefix));
END;

-- What a team had as a tenant ends with it, also if the release before deletes it. ended_until: for
-- ever.
CREATE TRIGGER team_tenant_deleted AFTER DELETE ON teams
BEGIN
  DELETE FROM api_keys WHERE owner = 'team:' || OLD.team_id;
  DELETE FROM webhook_endpoints WHERE tenant = 'team:' || OLD.team_id;
  DELETE FROM senders WHERE tenant = 'team:' || OLD.team_id;
  DELETE FROM sender_links WHERE tenant = 'team:' || OLD.team_id;
  INSERT INTO ended_tenants (tenant, ended_until, ended_at)
  VALUES ('team:' || OLD.team_id, 9007199254740991, CAST(unixepoch('subsec') * 1000 AS INTEGER))
  ON CONFLICT (tenant) DO NOTHING;
END;

-- 1: a key for tests sent it, and it goes nowhere. Its format keeps the release before from it.
ALTER TABLE emails ADD COLUMN test INTEGER NOT NULL DEFAULT 0;
