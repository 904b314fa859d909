-- Emails over several transports, statuses for scheduled, suppressed and discarded emails, and
-- feedback from providers. SQLite cannot change a CHECK, so the table is rebuilt with its rows.
CREATE TABLE emails_new (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL, -- 'admin', 'producer' or 'user:<id>': the owner of the key that sent it
  generation INTEGER NOT NULL DEFAULT 1, -- raised by each replay
  generation_at INTEGER NOT NULL, -- when this generation was queued: the email's Date header
  status TEXT NOT NULL CHECK (status IN ('scheduled', 'queued', 'pinned', 'claimed', 'sending', 'sent', 'delivered', 'bounced', 'complained', 'unknown',
                                         'dead', 'discarded', 'cancelled', 'suppressed')),
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
  attempts INTEGER NOT NULL DEFAULT 0, -- started in this generation
  due_at INTEGER NOT NULL, -- of a pinned email: when it is tried again
  ring_after INTEGER NOT NULL, -- when the sweep notifies the queue again, or sends a dead row again
  rings INTEGER NOT NULL DEFAULT 0, -- notifications by the sweep, since the row was queued or dead
  lease_token TEXT,
  lease_expires_at INTEGER,
  transport TEXT, -- that has or may have the email; NULL while any may take it
  pinned_until INTEGER, -- until then `transport` recognizes a repeat; no other may take it
  provider_id TEXT, -- the provider's id of the email
  last_error TEXT, -- JSON
  dead_reason TEXT CHECK (dead_reason IN ('exhausted', 'permanent', 'operator', 'suppressed')), -- 'suppressed': from an older release
  buried_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  sent_at INTEGER
) STRICT;

INSERT INTO emails_new (id, tenant, generation, generation_at, status, from_address, to_address, reply_to, subject, html, text, attachments,
                        category, tags, on_unknown, attempts, due_at, ring_after, rings, lease_token, lease_expires_at, last_error, dead_reason,
                        buried_at, created_at, updated_at, sent_at)
SELECT id, tenant, generation, generation_at, status, from_address, to_address, reply_to, subject, html, text, attachments,
       category, tags, on_unknown, attempts, due_at, ring_after, rings, lease_token, lease_expires_at, last_error, dead_reason,
       buried_at, created_at, updated_at, sent_at FROM emails;

DROP TABLE emails;
ALTER TABLE emails_new RENAME TO emails;

CREATE INDEX emails_to_ring ON emails (ring_after) WHERE status IN ('queued', 'pinned');
CREATE INDEX emails_due ON emails (due_at) WHERE status = 'queued';
CREATE INDEX emails_waiting ON emails (due_at) WHERE status IN ('queued', 'pinned');
CREATE INDEX emails_pinned ON emails (pinned_until) WHERE status = 'pinned';
CREATE INDEX emails_scheduled ON emails (due_at, id) WHERE status = 'scheduled';
CREATE INDEX emails_leased ON emails (lease_expires_at) WHERE status IN ('claimed', 'sending');
CREATE INDEX emails_lease_token ON emails (lease_token) WHERE lease_token IS NOT NULL;
CREATE INDEX emails_unknown ON emails (created_at, id) WHERE status = 'unknown';
CREATE INDEX emails_dead ON emails (created_at, id) WHERE status = 'dead';
CREATE INDEX emails_by_age ON emails (created_at, id);
CREATE INDEX emails_by_tenant ON emails (tenant, created_at, id);
CREATE INDEX emails_unburied ON emails (ring_after) WHERE status = 'dead' AND buried_at IS NULL;
CREATE INDEX emails_by_provider_id ON emails (provider_id) WHERE provider_id IS NOT NULL;

-- The rate limit of each transport that has one, for the whole fleet.
CREATE TABLE transport_pace (
  transport TEXT PRIMARY KEY,
  free_at INTEGER NOT NULL, -- when the next email may be sent
  backlog_at INTEGER NOT NULL DEFAULT 0, -- when the emails return for which there was no slot
  granted_to TEXT NOT NULL -- the group of emails that took the last slot
) STRICT, WITHOUT ROWID;

-- Processed feedback, so that a repeat changes nothing.
CREATE TABLE webhook_messages (
  provider TEXT NOT NULL,
  message_id TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  PRIMARY KEY (provider, message_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX webhook_messages_by_age ON webhook_messages (received_at);
