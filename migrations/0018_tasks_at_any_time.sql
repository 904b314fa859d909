-- Tasks that give the same result at whatever time they run, attempts within a slot, and a history
-- that is counted without reading it. The triggers also see what a release writes that does not
-- know these columns. Times are milliseconds since the epoch.

-- What a counter had when its last day began, so that each day gets its own usage although its
-- roll-up runs hours later.
ALTER TABLE usage_metrics ADD COLUMN day TEXT; -- of the last count (UTC), such as '2026-11-25'; NULL: counted before this column
ALTER TABLE usage_metrics ADD COLUMN before_day INTEGER; -- its amount when that day began

CREATE TRIGGER usage_metrics_begin AFTER INSERT ON usage_metrics
BEGIN
  UPDATE usage_metrics SET day = date(NEW.updated_at / 1000, 'unixepoch'), before_day = 0
  WHERE user_id = NEW.user_id AND metric = NEW.metric;
END;

CREATE TRIGGER usage_metrics_next_day AFTER UPDATE OF amount ON usage_metrics
WHEN OLD.day IS NULL OR OLD.day < date(NEW.updated_at / 1000, 'unixepoch')
BEGIN
  UPDATE usage_metrics SET day = date(NEW.updated_at / 1000, 'unixepoch'), before_day = OLD.amount
  WHERE user_id = NEW.user_id AND metric = NEW.metric;
END;

-- Attempts of a run that failed for a passing reason and were followed by another.
ALTER TABLE task_runs ADD COLUMN failed_attempts TEXT; -- JSON: [{startedAt, duration, error: {message}}]; NULL: none

-- The failed run that a run repeats: of two that repeat it at once one begins.
ALTER TABLE task_runs ADD COLUMN retry_of TEXT; -- NULL: none, or from a release that did not store it
CREATE INDEX task_runs_retries ON task_runs (retry_of) WHERE retry_of IS NOT NULL;

-- How many executions are in the history, and how many of them failed. One row.
CREATE TABLE task_execution_counts (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  executions INTEGER NOT NULL,
  failed INTEGER NOT NULL
) STRICT;

INSERT INTO task_execution_counts (id, executions, failed)
SELECT 1, COUNT(*), COALESCE(SUM(failed > 0), 0) FROM task_executions;

CREATE TRIGGER task_executions_added AFTER INSERT ON task_executions
BEGIN
  UPDATE task_execution_counts SET executions = executions + 1, failed = failed + (NEW.failed > 0);
END;

CREATE TRIGGER task_executions_failed AFTER UPDATE OF failed ON task_executions
WHEN (OLD.failed > 0) <> (NEW.failed > 0)
BEGIN
  UPDATE task_execution_counts SET failed = failed + (NEW.failed > 0) - (OLD.failed > 0);
END;

CREATE TRIGGER task_executions_deleted AFTER DELETE ON task_executions
BEGIN
  UPDATE task_execution_counts SET executions = executions - 1, failed = failed - (OLD.failed > 0);
END;
