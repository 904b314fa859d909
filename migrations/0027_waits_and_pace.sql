-- Emails that wait for a reason that is not their own, and transports that a provider slows down.
-- The release before neither reads nor writes these columns. Times are milliseconds since the epoch.
ALTER TABLE emails ADD COLUMN wait_class TEXT; -- why it waits: 'needs-time', 'rate' or 'server'; NULL: it does not
ALTER TABLE emails ADD COLUMN waits INTEGER NOT NULL DEFAULT 0; -- answers of that class, one after another
ALTER TABLE emails ADD COLUMN waiting_since INTEGER; -- since when this generation waits; counts only while 'queued'
CREATE INDEX emails_waiting ON emails (waiting_since) WHERE status = 'queued' AND waiting_since IS NOT NULL;

ALTER TABLE transport_pace ADD COLUMN slowed_ms REAL; -- per email, by rate answers; NULL: as configured
ALTER TABLE transport_pace ADD COLUMN slowed_at INTEGER; -- the last rate answer
ALTER TABLE transport_pace ADD COLUMN closed_until INTEGER NOT NULL DEFAULT 0; -- a limit resets then
ALTER TABLE transport_pace ADD COLUMN closed_by TEXT; -- JSON: the answer that closed it
