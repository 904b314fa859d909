-- How far a task has come through a table, so that no run reads what earlier ones have done. One row
-- per walk. Times are milliseconds since the epoch.
CREATE TABLE task_cursors (
  name TEXT PRIMARY KEY, -- such as 'usage-reports'
  scope TEXT NOT NULL, -- what the walk is about, such as a week: of another one it begins anew
  at INTEGER NOT NULL, -- of the last row, if the order is by time; else 0
  id TEXT NOT NULL, -- of the last row
  finished INTEGER NOT NULL -- 1: nothing follows
) STRICT, WITHOUT ROWID;
