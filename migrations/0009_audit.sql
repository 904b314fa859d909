-- Every write by an admin. Times are milliseconds since the epoch.
CREATE TABLE audit_log (
  id TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  operation TEXT NOT NULL,
  path TEXT NOT NULL,
  request_id TEXT NOT NULL,
  status INTEGER -- NULL: while it runs, or if its outcome could not be stored
) STRICT;

CREATE INDEX audit_log_by_age ON audit_log (at, id);
CREATE INDEX audit_log_by_actor ON audit_log (actor, at, id);
