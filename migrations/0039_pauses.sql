-- Pauses of sending. The release before does not obey them.
CREATE TABLE email_pauses (
  scope TEXT PRIMARY KEY, -- 'all', 'tenant:<tenant>' or 'sender:<address in lower case>'
  reason TEXT NOT NULL,
  created_at INTEGER NOT NULL -- milliseconds since the epoch
) STRICT, WITHOUT ROWID;

-- From when on a wait for something else counts: the end of a pause. NULL: since it became due.
ALTER TABLE emails ADD COLUMN waits_from INTEGER;

-- What waits because of a pause.
CREATE INDEX emails_paused ON emails (due_at) WHERE status = 'queued' AND wait_class = 'paused';
