-- Silences and acknowledgements of alerts, and how urgent a notice is. The release before obeys none
-- of them. Times are milliseconds since the epoch.
CREATE TABLE alert_silences (
  id TEXT PRIMARY KEY,
  match TEXT NOT NULL, -- the key of an alert, or the beginning of keys with '*' at its end
  reason TEXT NOT NULL,
  created_by TEXT NOT NULL,
  starts_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_silences_by_end ON alert_silences (ends_at, id);

-- They count while they are not older than fired_at: the release before ends an alert without them.
ALTER TABLE alerts ADD COLUMN acknowledged_at INTEGER;
ALTER TABLE alerts ADD COLUMN acknowledged_by TEXT;
ALTER TABLE alerts ADD COLUMN withheld INTEGER; -- 1: a silence kept its latest notice

ALTER TABLE alert_notices ADD COLUMN severity TEXT; -- NULL: of the release before
-- 1: a silence kept it. Its times of delivery are set, so that no release delivers it.
ALTER TABLE alert_notices ADD COLUMN silenced INTEGER;

DROP TRIGGER webhook_alert_notified;
CREATE TRIGGER webhook_alert_notified AFTER INSERT ON alert_notices
WHEN NEW.silenced IS NULL AND EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('alert.notified', 'admin', NEW.at,
          json_object('key', NEW.key, 'kind', NEW.kind, 'summary', NEW.summary));
END;
