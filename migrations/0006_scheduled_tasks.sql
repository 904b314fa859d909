-- Scheduled tasks: which slot of each was dealt with last, and every run. Times are milliseconds since the epoch.
CREATE TABLE task_states (
  task TEXT PRIMARY KEY,
  last_slot INTEGER NOT NULL, -- slots up to here ran, were skipped or were missed; at first when the task was first seen
  first_seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What one trigger began: the tasks that were due together, or the one that somebody asked for.
CREATE TABLE task_executions (
  execution_id TEXT PRIMARY KEY,
  trigger TEXT NOT NULL CHECK (trigger IN ('cron', 'operator', 'retry')),
  started_at INTEGER NOT NULL,
  ended_at INTEGER, -- NULL while a run of it goes on
  total INTEGER NOT NULL, -- runs, without what was skipped or missed
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
  scheduled_at INTEGER NOT NULL, -- the slot; of a run that nobody scheduled, when it was asked for
  attempt INTEGER NOT NULL DEFAULT 1,
  status TEXT NOT NULL CHECK (status IN ('running', 'success', 'failure', 'skipped', 'missed')),
  started_at INTEGER NOT NULL,
  lease_expires_at INTEGER, -- while it is running: after that it is abandoned
  ended_at INTEGER,
  result TEXT, -- JSON
  error TEXT, -- JSON: {message, stack?}
  missed_until INTEGER, -- missed only: the last of the slots that begin at scheduled_at...
  missed_count INTEGER -- ...and how many they are
) STRICT;

-- A slot runs once, however many triggers come for it.
CREATE UNIQUE INDEX task_runs_by_slot ON task_runs (task, scheduled_at) WHERE trigger = 'cron' AND status <> 'missed';
CREATE INDEX task_runs_running ON task_runs (lease_expires_at) WHERE status = 'running';
CREATE INDEX task_runs_by_execution ON task_runs (execution_id);
CREATE INDEX task_runs_by_task ON task_runs (task, started_at);

-- Whatever somebody should be told of: whether it holds, since when, and what was said of it.
CREATE TABLE alerts (
  key TEXT PRIMARY KEY, -- 'task:<name>', 'breaker:<name>', ...
  holds_since INTEGER, -- NULL: it does not hold
  fired_at INTEGER, -- NULL: nobody was told, or it is over
  reminded_at INTEGER,
  summary TEXT NOT NULL,
  revision INTEGER NOT NULL -- raised by each change, so that of two who judge at the same moment one has its way
) STRICT, WITHOUT ROWID;

-- What is to be said, until every channel has said it.
CREATE TABLE alert_notices (
  id TEXT PRIMARY KEY,
  key TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('fired', 'reminder', 'recovered')),
  summary TEXT NOT NULL,
  at INTEGER NOT NULL,
  email_at INTEGER, -- when it was said there
  webhook_at INTEGER
) STRICT;

CREATE INDEX alert_notices_by_age ON alert_notices (at, id);

-- The trial whose end its user was told of: each is told once.
ALTER TABLE subscriptions ADD COLUMN told_of_trial_end INTEGER; -- the trial_ends_at that the mail was about

CREATE INDEX subscriptions_trialing ON subscriptions (trial_ends_at, user_id) WHERE status = 'trialing';

-- How much of each metric a user used on each day (UTC), from what the counters said when the day was rolled up.
CREATE TABLE usage_daily (
  user_id TEXT NOT NULL,
  metric TEXT NOT NULL,
  day TEXT NOT NULL, -- '2026-11-25'
  amount INTEGER NOT NULL, -- since the day before that was rolled up
  total INTEGER NOT NULL, -- what the counter said
  PRIMARY KEY (user_id, metric, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_daily_by_day ON usage_daily (day, user_id) WHERE amount > 0;

-- The weeks whose usage report a user was sent.
CREATE TABLE usage_reports (
  user_id TEXT NOT NULL,
  week TEXT NOT NULL, -- its Monday
  PRIMARY KEY (user_id, week)
) STRICT, WITHOUT ROWID;
