-- The answers of writes that came with an Idempotency-Key, except those of emails, which
-- idempotency_keys has. Times are milliseconds since the epoch.
CREATE TABLE answered_requests (
  tenant TEXT NOT NULL, -- who called: a tenant as in emails
  operation TEXT NOT NULL,
  key TEXT NOT NULL,
  request_hash TEXT NOT NULL, -- SHA-256 in hex of the request
  request_id TEXT NOT NULL, -- the request that was answered first
  answer TEXT NOT NULL, -- JSON
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, operation, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX answered_requests_by_expiry ON answered_requests (expires_at);
