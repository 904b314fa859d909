-- Scheduled tasks: the last handled slot of each, and every run.
-- Times are milliseconds since the epoch.
CREATE TABLE task_states (
  task TEXT PRIMARY KEY,
  last_slot INTEGER NOT NULL, -- slots up to here were run, skipped or missed
  first_seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The runs of one trigger: the tasks that were due together, or the one that an operator ran.
CREATE TABLE task_executions (
  execution_id TEXT PRIMARY KEY,
  trigger TEXT NOT NULL CHECK (trigger IN ('cron', 'operator', 'retry')),
  started_at INTEGER NOT NULL,
  ended_at INTEGER, -- NULL while one of its runs is running
  total INTEGER NOT NULL, -- runs, without skipped and missed slots
  successful INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX task_executions_open ON task_executions (started_at) WHERE ended_at IS NULL;
CREATE INDEX task_executions_by_age ON task_executions (started_at, execution_id);

CREATE TABLE task_runs (
  run_id TEXT PRIMARY KEY,
  execution_id TEXT NOT NULL REFERENCES task_executions (execution_id),
  task TEXT NOT NULL,
  trigger TEXT NOT NULL CHECK (trigger IN ('cron', 'operator', 'retry')),
  scheduled_at INTEGER NOT NULL, -- the slot; for an operator's run, when it was requested
  attempt INTEGER NOT NULL DEFAULT 1,
  status TEXT NOT NULL CHECK (status IN ('running', 'success', 'failure', 'skipped', 'missed')),
  started_at INTEGER NOT NULL,
  lease_expires_at INTEGER, -- while it is running: then it counts as abandoned
  ended_at INTEGER,
  result TEXT, -- JSON
  error TEXT, -- JSON: {message, stack?}
  missed_until INTEGER, -- missed only: the last of the slots from scheduled_at on...
  missed_count INTEGER -- ...and their number
) STRICT;

-- A slot is run once, also by many triggers.
CREATE UNIQUE INDEX task_runs_by_slot ON task_runs (task, scheduled_at) WHERE trigger = 'cron' AND status <> 'missed';
CREATE INDEX task_runs_running ON task_runs (lease_expires_at) WHERE status = 'running';
CREATE INDEX task_runs_by_execution ON task_runs (execution_id);
CREATE INDEX task_runs_by_task ON task_runs (task, started_at);

-- Alerts: whether the condition holds, since when, and the notices so far.
CREATE TABLE alerts (
  key TEXT PRIMARY KEY, -- 'task:<name>', 'breaker:<name>', ...
  holds_since INTEGER, -- NULL: it does not hold
  fired_at INTEGER, -- NULL: it has not fired, or has recovered
  reminded_at INTEGER,
  summary TEXT NOT NULL,
  revision INTEGER NOT NULL -- raised by each change: of two concurrent evaluations one is saved
) STRICT, WITHOUT ROWID;

-- Notices, and which channels have delivered them.
CREATE TABLE alert_notices (
  id TEXT PRIMARY KEY,
  key TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('fired', 'reminder', 'recovered')),
  summary TEXT NOT NULL,
  at INTEGER NOT NULL,
  email_at INTEGER, -- when that channel delivered it
  webhook_at INTEGER
) STRICT;

CREATE INDEX alert_notices_by_age ON alert_notices (at, id);

-- The trial end that the user was notified of: each is notified once.
ALTER TABLE subscriptions ADD COLUMN told_of_trial_end INTEGER; -- the trial_ends_at of the email

CREATE INDEX subscriptions_trialing ON subscriptions (trial_ends_at, user_id) WHERE status = 'trialing';

-- How much of each metric a user used per day (UTC), from the counters at the roll-up of the day.
CREATE TABLE usage_daily (
  user_id TEXT NOT NULL,
  metric TEXT NOT NULL,
  day TEXT NOT NULL, -- '2026-11-25'
  amount INTEGER NOT NULL, -- since the previous roll-up
  total INTEGER NOT NULL, -- the counter at the roll-up
  PRIMARY KEY (user_id, metric, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_daily_by_day ON usage_daily (day, user_id) WHERE amount > 0;

-- The weeks whose usage report was sent to a user.
CREATE TABLE usage_reports (
  user_id TEXT NOT NULL,
  week TEXT NOT NULL, -- its Monday
  PRIMARY KEY (user_id, week)
) STRICT, WITHOUT ROWID;
