-- Transactional email. The row is the truth; the queue message is only a notification.
-- Times are milliseconds since the epoch.
CREATE TABLE emails (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL, -- 'admin' or 'user:<id>': the owner of the key that sent it
  generation INTEGER NOT NULL DEFAULT 1, -- raised by each replay
  generation_at INTEGER NOT NULL, -- when this generation was queued: the email's Date header
  status TEXT NOT NULL CHECK (status IN ('queued', 'claimed', 'sending', 'sent', 'unknown', 'dead')),
  from_address TEXT NOT NULL,
  to_address TEXT NOT NULL,
  reply_to TEXT,
  subject TEXT NOT NULL,
  html TEXT,
  text TEXT,
  on_unknown TEXT NOT NULL DEFAULT 'hold' CHECK (on_unknown IN ('hold', 'resend')),
  attempts INTEGER NOT NULL DEFAULT 0, -- attempts started in this generation
  due_at INTEGER NOT NULL,
  ring_after INTEGER NOT NULL, -- when the sweep notifies the queue again, or sends a dead row again
  rings INTEGER NOT NULL DEFAULT 0, -- notifications by the sweep, since the row was queued or dead
  lease_token TEXT,
  lease_expires_at INTEGER,
  last_error TEXT, -- JSON
  dead_reason TEXT CHECK (dead_reason IN ('exhausted', 'permanent', 'operator')),
  buried_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  sent_at INTEGER
) STRICT;

CREATE INDEX emails_to_ring ON emails (ring_after) WHERE status = 'queued';
CREATE INDEX emails_due ON emails (due_at) WHERE status = 'queued';
CREATE INDEX emails_leased ON emails (lease_expires_at) WHERE status IN ('claimed', 'sending');
CREATE INDEX emails_lease_token ON emails (lease_token) WHERE lease_token IS NOT NULL;
CREATE INDEX emails_unknown ON emails (created_at, id) WHERE status = 'unknown';
CREATE INDEX emails_dead ON emails (created_at, id) WHERE status = 'dead';
CREATE INDEX emails_by_age ON emails (created_at, id);
CREATE INDEX emails_by_tenant ON emails (tenant, created_at, id);
CREATE INDEX emails_unburied ON emails (ring_after) WHERE status = 'dead' AND buried_at IS NULL;

CREATE TABLE email_events (
  id INTEGER PRIMARY KEY,
  email_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  type TEXT NOT NULL,
  at INTEGER NOT NULL,
  detail TEXT -- JSON
) STRICT;

CREATE INDEX email_events_of ON email_events (email_id, id);

CREATE TABLE dead_letters (
  id TEXT PRIMARY KEY, -- the email's id, or 'poison:<message id>'
  kind TEXT NOT NULL CHECK (kind IN ('email', 'poison')),
  generation INTEGER,
  reason TEXT NOT NULL,
  last_error TEXT, -- JSON
  attempts INTEGER NOT NULL,
  raw_body TEXT, -- poison only
  buried_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX dead_letters_by_age ON dead_letters (buried_at, id);
CREATE INDEX dead_letters_by_expiry ON dead_letters (expires_at);

CREATE TABLE idempotency_keys (
  tenant TEXT NOT NULL,
  key TEXT NOT NULL,
  request_hash TEXT NOT NULL, -- SHA-256 in hex of the canonical request body
  email_id TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);
