-- When users were last seen, to the hour, and when the cache was last warmed for them.
-- Times are milliseconds since the epoch.
CREATE TABLE user_activity (
  user_id TEXT PRIMARY KEY REFERENCES users (user_id),
  last_seen_at INTEGER NOT NULL,
  warmed_at INTEGER -- NULL: not since they were first seen
) STRICT, WITHOUT ROWID;

CREATE INDEX user_activity_by_age ON user_activity (last_seen_at);

-- The schedule that last_slot belongs to. A deployment may change it or remove the task.
ALTER TABLE task_states ADD COLUMN cron TEXT; -- NULL: from a release that did not store it
ALTER TABLE task_states ADD COLUMN retired_at INTEGER; -- since when no task of that name is registered

CREATE INDEX task_executions_by_end ON task_executions (ended_at) WHERE trigger = 'cron' AND total > 0;

-- Queries of each minute must not scan the history of a month.
DROP INDEX task_runs_running;
CREATE INDEX task_runs_running ON task_runs (task, lease_expires_at) WHERE status = 'running';
CREATE INDEX alert_notices_email ON alert_notices (at, id) WHERE email_at IS NULL;
CREATE INDEX alert_notices_webhook ON alert_notices (at, id) WHERE webhook_at IS NULL;

-- Leases of notices: two concurrent rounds must not both deliver one.
ALTER TABLE alert_notices ADD COLUMN email_lease INTEGER; -- until when a round may deliver it
ALTER TABLE alert_notices ADD COLUMN webhook_lease INTEGER;
