-- The shape that emails keep: heads, contents, recipients and events in tables of their own, each
-- found by its email's id. No table has a CHECK that a new status or reason would have to change.
-- Times are milliseconds since the epoch.
--
-- The release before runs beside this one while it is rolled out, and after a roll-back. It reads
-- and writes `html`, `text` and `attachments` of `emails`, names no number of an event and knows no
-- recipients. The triggers at the end add what it leaves out. It lists emails by recipient without
-- an index meanwhile.
--
-- This copies every email, in one transaction: scripts/deploy refuses it above 300,000 emails.
CREATE TABLE emails_new (
  id TEXT PRIMARY KEY, -- a UUID: version 7, whose rand_a is the shard (0); of an older release version 4
  tenant TEXT NOT NULL, -- 'admin', 'producer', 'system' or 'user:<id>': the owner of the key that sent it
  format INTEGER NOT NULL DEFAULT 1, -- 1: of the release before; 2: of this one. A claim takes no later one.
  generation INTEGER NOT NULL DEFAULT 1, -- raised by each replay
  generation_at INTEGER NOT NULL, -- when this generation was queued: the email's Date header
  status TEXT NOT NULL, -- shared/email/rules/lifecycle.ts lists them
  from_address TEXT NOT NULL,
  to_address TEXT NOT NULL, -- the first recipient
  reply_to TEXT,
  subject TEXT NOT NULL,
  html TEXT, -- for the release before, as `text` and `attachments`: email_contents has them
  text TEXT,
  attachments TEXT,
  category TEXT NOT NULL DEFAULT 'transactional',
  tags TEXT NOT NULL DEFAULT '[]', -- JSON array
  on_unknown TEXT NOT NULL DEFAULT 'hold', -- 'hold' or 'resend'
  attempts INTEGER NOT NULL DEFAULT 0, -- started in this generation
  due_at INTEGER NOT NULL, -- of a pinned email: when it is tried again
  ring_after INTEGER NOT NULL, -- when the sweep notifies the queue again, or sends a dead row again
  rings INTEGER NOT NULL DEFAULT 0, -- notifications by the sweep, since the row was queued or dead
  lease_token TEXT, -- '2:...': of this release
  lease_expires_at INTEGER,
  transport TEXT, -- that has or may have the email; NULL while any may take it
  pinned_until INTEGER, -- until then `transport` recognizes a repeat; no other may take it
  provider_id TEXT, -- the provider's id of the email
  last_error TEXT, -- JSON
  dead_reason TEXT,
  buried_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  sent_at INTEGER,
  trace_id TEXT -- 32 hexadecimal digits: the trace of the request that created the email
) STRICT, WITHOUT ROWID;

-- What leaves with an email. The row goes when the content goes: that frees its pages, which NULL
-- in a row of `emails` would not. Its rowid keeps rows of a few kB together.
CREATE TABLE email_contents (
  email_id TEXT PRIMARY KEY,
  html TEXT,
  text TEXT,
  attachments TEXT -- JSON: [{filename, contentType, content}], content in base64
) STRICT;

CREATE TABLE email_recipients (
  email_id TEXT NOT NULL,
  n INTEGER NOT NULL, -- from 1 on, in the order of the email
  kind TEXT NOT NULL, -- 'to', 'cc' or 'bcc'
  address TEXT NOT NULL,
  name TEXT,
  tenant TEXT NOT NULL, -- as in `emails`, for lists
  created_at INTEGER NOT NULL, -- as in `emails`, for lists
  status TEXT, -- NULL: follows from that of the email
  trouble TEXT, -- the email's status while it is 'unknown', 'pinned' or 'dead', for lists; else NULL
  PRIMARY KEY (email_id, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE email_events_new (
  email_id TEXT NOT NULL,
  n INTEGER NOT NULL DEFAULT 0, -- from 1 on; 0 only until the trigger numbers it
  generation INTEGER NOT NULL,
  type TEXT NOT NULL,
  at INTEGER NOT NULL,
  detail TEXT, -- JSON
  id INTEGER GENERATED ALWAYS AS (n) VIRTUAL, -- the release before orders by it
  PRIMARY KEY (email_id, n)
) STRICT, WITHOUT ROWID;

INSERT INTO emails_new (id, tenant, generation, generation_at, status, from_address, to_address, reply_to, subject, category, tags,
                        on_unknown, attempts, due_at, ring_after, rings, lease_token, lease_expires_at, transport, pinned_until,
                        provider_id, last_error, dead_reason, buried_at, created_at, updated_at, sent_at, trace_id)
SELECT id, tenant, generation, generation_at, status, from_address, to_address, reply_to, subject, category, tags,
       on_unknown, attempts, due_at, ring_after, rings, lease_token, lease_expires_at, transport, pinned_until,
       provider_id, last_error, dead_reason, buried_at, created_at, updated_at, sent_at, trace_id FROM emails ORDER BY id;

INSERT INTO email_contents (email_id, html, text, attachments)
SELECT id, html, text, attachments FROM emails ORDER BY rowid;

INSERT INTO email_recipients (email_id, n, kind, address, tenant, created_at, trouble)
SELECT id, 1, 'to', to_address, tenant, created_at, iif(status IN ('unknown', 'pinned', 'dead'), status, NULL)
FROM emails ORDER BY id;

INSERT INTO email_events_new (email_id, n, generation, type, at, detail)
SELECT email_id, ROW_NUMBER() OVER (PARTITION BY email_id ORDER BY id), generation, type, at, detail
FROM email_events ORDER BY email_id, id;

DROP TABLE emails;
DROP TABLE email_events;
ALTER TABLE emails_new RENAME TO emails;
ALTER TABLE email_events_new RENAME TO email_events;

-- Work: what waits, what is in flight, and what has ended in trouble.
CREATE INDEX emails_to_ring ON emails (ring_after) WHERE status IN ('queued', 'pinned');
CREATE INDEX emails_due ON emails (due_at) WHERE status = 'queued';
CREATE INDEX emails_scheduled ON emails (due_at, id) WHERE status = 'scheduled';
-- A hand-over changes neither the key nor the condition, so it writes no entry.
CREATE INDEX emails_in_flight ON emails (id) WHERE status IN ('claimed', 'sending');
CREATE INDEX emails_pinned ON emails (pinned_until) WHERE status = 'pinned';
CREATE INDEX emails_pinned_due ON emails (due_at) WHERE status = 'pinned';
CREATE INDEX emails_unburied ON emails (ring_after) WHERE status = 'dead' AND buried_at IS NULL;
CREATE INDEX emails_by_provider_id ON emails (provider_id) WHERE provider_id IS NOT NULL;

-- Lists: SQLite uses a partial index for a query that repeats its condition, word for word.
CREATE INDEX emails_by_age ON emails (created_at, id);
CREATE INDEX emails_by_tenant ON emails (tenant, created_at, id);
CREATE INDEX emails_unknown ON emails (created_at, id) WHERE status = 'unknown';
CREATE INDEX emails_pinned_by_age ON emails (created_at, id) WHERE status = 'pinned';
CREATE INDEX emails_dead ON emails (created_at, id) WHERE status = 'dead';
CREATE INDEX emails_troubled_by_tenant ON emails (tenant, status, created_at, id) WHERE status IN ('unknown', 'pinned', 'dead');
CREATE INDEX emails_unsent_by_tenant ON emails (tenant, status, created_at, id) WHERE status IN ('scheduled', 'queued');
CREATE INDEX email_recipients_by_address ON email_recipients (LOWER(address), created_at, email_id);
CREATE INDEX email_recipients_by_tenant ON email_recipients (tenant, LOWER(address), created_at, email_id);
CREATE INDEX email_recipients_troubled ON email_recipients (LOWER(address), trouble, created_at, email_id)
WHERE trouble IS NOT NULL;
CREATE INDEX email_recipients_troubled_by_tenant ON email_recipients (tenant, LOWER(address), trouble, created_at, email_id)
WHERE trouble IS NOT NULL;

-- An email leaves nothing behind.
CREATE TRIGGER emails_deleted AFTER DELETE ON emails
BEGIN
  DELETE FROM email_contents WHERE email_id = OLD.id;
  DELETE FROM email_recipients WHERE email_id = OLD.id;
  DELETE FROM email_events WHERE email_id = OLD.id;
END;

-- Keeps `trouble` as the email is, whichever release changes it.
CREATE TRIGGER emails_trouble AFTER UPDATE OF status ON emails
WHEN OLD.status <> NEW.status
  AND (OLD.status IN ('unknown', 'pinned', 'dead') OR NEW.status IN ('unknown', 'pinned', 'dead'))
BEGIN
  UPDATE email_recipients SET trouble = iif(NEW.status IN ('unknown', 'pinned', 'dead'), NEW.status, NULL)
  WHERE email_id = NEW.id;
END;

-- What the release before inserts gets its content and its recipient.
CREATE TRIGGER emails_of_release_before AFTER INSERT ON emails WHEN NEW.format = 1
BEGIN
  INSERT INTO email_contents (email_id, html, text, attachments)
  VALUES (NEW.id, NEW.html, NEW.text, NEW.attachments);
  INSERT INTO email_recipients (email_id, n, kind, address, tenant, created_at, trouble)
  VALUES (NEW.id, 1, 'to', NEW.to_address, NEW.tenant, NEW.created_at,
          iif(NEW.status IN ('unknown', 'pinned', 'dead'), NEW.status, NULL));
END;

-- What the release before hands over gets its content back, which it reads right after.
CREATE TRIGGER emails_to_release_before AFTER UPDATE OF status ON emails
WHEN NEW.status = 'sending' AND NEW.lease_token NOT GLOB '2:*'
BEGIN
  UPDATE emails SET (html, text, attachments) =
    (SELECT c.html, c.text, c.attachments FROM email_contents c WHERE c.email_id = NEW.id)
  WHERE id = NEW.id;
END;

CREATE TRIGGER email_events_of_release_before AFTER INSERT ON email_events WHEN NEW.n = 0
BEGIN
  UPDATE email_events SET n = (SELECT MAX(n) + 1 FROM email_events WHERE email_id = NEW.email_id)
  WHERE email_id = NEW.email_id AND n = 0;
END;
