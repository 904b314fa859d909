-- Emails that can be cancelled or sent later, with attachments, tags and a category. SQLite cannot
-- change a CHECK, so the table is rebuilt with its rows.
CREATE TABLE emails_new (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL, -- 'admin' or 'user:<id>': the owner of the key that sent it
  generation INTEGER NOT NULL DEFAULT 1, -- raised by each replay
  generation_at INTEGER NOT NULL, -- when this generation was queued: the email's Date header
  status TEXT NOT NULL CHECK (status IN ('queued', 'claimed', 'sending', 'sent', 'unknown', 'dead', 'cancelled')),
  from_address TEXT NOT NULL,
  to_address TEXT NOT NULL,
  reply_to TEXT,
  subject TEXT NOT NULL,
  html TEXT,
  text TEXT,
  attachments TEXT, -- JSON: [{filename, contentType, content}], content in base64
  category TEXT NOT NULL DEFAULT 'transactional',
  tags TEXT NOT NULL DEFAULT '[]', -- JSON array
  on_unknown TEXT NOT NULL DEFAULT 'hold' CHECK (on_unknown IN ('hold', 'resend')),
  attempts INTEGER NOT NULL DEFAULT 0, -- attempts started in this generation
  due_at INTEGER NOT NULL,
  ring_after INTEGER NOT NULL, -- when the sweep notifies the queue again, or sends a dead row again
  rings INTEGER NOT NULL DEFAULT 0, -- notifications by the sweep, since the row was queued or dead
  lease_token TEXT,
  lease_expires_at INTEGER,
  last_error TEXT, -- JSON
  dead_reason TEXT CHECK (dead_reason IN ('exhausted', 'permanent', 'operator', 'suppressed')),
  buried_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  sent_at INTEGER
) STRICT;

INSERT INTO emails_new (id, tenant, generation, generation_at, status, from_address, to_address, reply_to, subject, html, text, on_unknown, attempts, due_at,
                        ring_after, rings, lease_token, lease_expires_at, last_error, dead_reason, buried_at, created_at, updated_at, sent_at)
SELECT id, tenant, generation, generation_at, status, from_address, to_address, reply_to, subject, html, text, on_unknown, attempts, due_at,
       ring_after, rings, lease_token, lease_expires_at, last_error, dead_reason, buried_at, created_at, updated_at, sent_at FROM emails;

DROP TABLE emails;
ALTER TABLE emails_new RENAME TO emails;

-- Addresses that receive no email, or transactional email only.
CREATE TABLE suppressions (
  id INTEGER PRIMARY KEY,
  address TEXT NOT NULL, -- in lower case
  scope TEXT NOT NULL CHECK (scope IN ('all', 'non-transactional')),
  reason TEXT NOT NULL CHECK (reason IN ('bounce', 'complaint', 'unsubscribe', 'manual')),
  note TEXT,
  created_at INTEGER NOT NULL,
  UNIQUE (address, scope)
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
