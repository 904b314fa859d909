-- Heartbeats: what their owners want. The state of each is in its object, which needs no D1.
-- Times are milliseconds since the epoch.
CREATE TABLE heartbeats (
  id TEXT PRIMARY KEY, -- 'hb_...'
  token TEXT NOT NULL, -- in its ping URL; names its object
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  schedule TEXT NOT NULL, -- JSON: {every} or {cron, timeZone?}
  grace_ms INTEGER NOT NULL,
  paused INTEGER NOT NULL DEFAULT 0, -- what was asked for last
  pause_revision INTEGER NOT NULL DEFAULT 0, -- the revision that asked for it
  revision INTEGER NOT NULL DEFAULT 1, -- raised by each change
  pending INTEGER NOT NULL DEFAULT 1, -- 1: the object may not have this revision
  ended INTEGER NOT NULL DEFAULT 0, -- 1: deleted; the row goes once the object is empty
  flip INTEGER NOT NULL DEFAULT 0, -- the number of the last flip that the object reported
  status TEXT, -- what that flip led to: 'up' or 'down'
  because TEXT,
  flipped_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX heartbeats_by_tenant ON heartbeats (tenant, created_at, id) WHERE ended = 0;
CREATE INDEX heartbeats_by_age ON heartbeats (created_at, id) WHERE ended = 0;
CREATE INDEX heartbeats_pending ON heartbeats (pending, id) WHERE pending = 1;

CREATE TRIGGER heartbeats_of_deleted_team AFTER DELETE ON teams
BEGIN
  UPDATE heartbeats SET ended = 1, pending = 1
  WHERE tenant = 'team:' || OLD.team_id AND ended = 0;
END;

-- A flip is written once, so it is one event.
CREATE TRIGGER webhook_heartbeat_flipped AFTER UPDATE OF flip ON heartbeats
WHEN NEW.flip <> OLD.flip AND NEW.ended = 0 AND EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('heartbeat.' || NEW.status, NEW.tenant, NEW.flipped_at,
          json_object('heartbeatId', NEW.id, 'name', NEW.name, 'because', NEW.because));
END;
