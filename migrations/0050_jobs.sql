-- Jobs of operators. Their runs are rows of `deliveries`, which gets columns and statuses for them.
-- The triggers also see what a release writes that does not know jobs.
-- Times are milliseconds since the epoch.
CREATE TABLE jobs (
  id TEXT PRIMARY KEY, -- 'job_...'
  name TEXT NOT NULL,
  schedule TEXT NOT NULL, -- JSON: {cron}, {every} or {at}
  time_zone TEXT NOT NULL,
  from_at INTEGER NOT NULL, -- slots of {every} are counted from here
  target TEXT NOT NULL, -- JSON: {url}, {queue} or {service, method}
  payload TEXT, -- JSON
  timeout_ms INTEGER NOT NULL,
  overlap TEXT NOT NULL, -- 'skip', 'allow' or 'queue'
  max_retries INTEGER NOT NULL,
  backoff TEXT NOT NULL, -- a duration such as '10s'
  missed TEXT NOT NULL, -- 'skip' or 'run-once'
  grace_ms INTEGER NOT NULL,
  secret TEXT NOT NULL, -- encrypted under SECRETS_KEY, as the next
  previous_secret TEXT, -- signs too until previous_until
  previous_until INTEGER,
  next_at INTEGER, -- the first slot that is not recorded; NULL: paused, or none is left
  paused_at INTEGER, -- NULL: not paused
  over_at INTEGER, -- when its last slot was recorded; NULL: it has further slots
  failures INTEGER NOT NULL DEFAULT 0, -- runs that died in a row
  revision INTEGER NOT NULL DEFAULT 1, -- raised by each change of the definition
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX jobs_by_name ON jobs (name);
CREATE INDEX jobs_by_age ON jobs (created_at, id);
CREATE INDEX jobs_due ON jobs (next_at, id) WHERE next_at IS NOT NULL;
CREATE INDEX jobs_over ON jobs (over_at) WHERE over_at IS NOT NULL;
CREATE INDEX jobs_failing ON jobs (failures, name) WHERE failures > 0;

-- Of a run ('job' as `kind`, the job as `target`): its slot, or when an operator asked for it. Its
-- `id` is '<job>.<slot>', so that a slot is claimed once.
ALTER TABLE deliveries ADD COLUMN slot INTEGER;
ALTER TABLE deliveries ADD COLUMN trigger TEXT; -- 'schedule' or 'operator'
ALTER TABLE deliveries ADD COLUMN missed_until INTEGER; -- missed only: the last slot from `slot` on...
ALTER TABLE deliveries ADD COLUMN missed_count INTEGER; -- ...and their number

CREATE INDEX deliveries_job_due ON deliveries (due_at, id)
WHERE kind = 'job' AND status = 'pending';
CREATE INDEX deliveries_job_leases ON deliveries (lease_expires_at)
WHERE kind = 'job' AND status = 'delivering';
CREATE INDEX deliveries_waiting ON deliveries (target, created_at, id) WHERE status = 'waiting';

-- The release before takes the receiver of a run for an endpoint that was deleted.
CREATE TRIGGER deliveries_job_kept BEFORE UPDATE OF status ON deliveries
WHEN OLD.kind = 'job' AND NEW.reason = 'deleted'
BEGIN
  SELECT RAISE(IGNORE);
END;

-- Under the lease of the run, like the outcome itself: a late result changes nothing.
CREATE TRIGGER jobs_run_ended AFTER UPDATE OF status ON deliveries
WHEN NEW.kind = 'job' AND OLD.status = 'delivering' AND NEW.status IN ('delivered', 'dead')
BEGIN
  UPDATE jobs SET failures = iif(NEW.status = 'dead', failures + 1, 0) WHERE id = NEW.target;
END;

CREATE TRIGGER webhook_job_dead AFTER UPDATE OF status ON deliveries
WHEN NEW.kind = 'job' AND OLD.status = 'delivering' AND NEW.status = 'dead'
  AND EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  SELECT 'job.dead', 'admin', NEW.updated_at,
    json_object('job', name, 'runId', NEW.id, 'generation', NEW.generation, 'reason', NEW.reason)
  FROM jobs WHERE id = NEW.target;
END;

CREATE TRIGGER webhook_job_failed AFTER UPDATE OF failures ON jobs
WHEN (OLD.failures = 0) <> (NEW.failures = 0) AND EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES (iif(NEW.failures = 0, 'job.recovered', 'job.failed'), 'admin',
          CAST(unixepoch('subsec') * 1000 AS INTEGER), json_object('job', NEW.name));
END;

-- An operator pauses a built-in task: its slots are skipped.
ALTER TABLE task_states ADD COLUMN paused_at INTEGER;
