-- Lanes and turns, caps, pauses and senders of emails. Times are milliseconds since the epoch.

-- 0: transactional, which leaves before the rest; 1: the rest.
ALTER TABLE emails ADD COLUMN lane INTEGER GENERATED ALWAYS AS (iif(category = 'transactional', 0, 1)) VIRTUAL;

-- What waits, by tenant, so that tenants take turns.
CREATE INDEX emails_by_turn ON emails (lane, tenant, due_at, id) WHERE status = 'queued';

-- The tenant that had the last turn in each lane. The rows are there from the beginning.
CREATE TABLE email_turns (
  lane INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL
) STRICT;
INSERT INTO email_turns (lane, tenant) VALUES (0, ''), (1, '');

-- Tenants whose emails wait for the rate of a transport, and until when its emails have their times.
CREATE TABLE email_backlogs (
  transport TEXT NOT NULL,
  lane INTEGER NOT NULL,
  tenant TEXT NOT NULL,
  until_at INTEGER NOT NULL,
  PRIMARY KEY (transport, lane, tenant)
) STRICT, WITHOUT ROWID;
CREATE INDEX email_backlogs_by_time ON email_backlogs (transport, until_at, lane);
