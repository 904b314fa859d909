-- Teams that can be deleted, users in the order of their sign-up, and usage by month.
-- Times are milliseconds since the epoch.

-- Members and workspaces are deleted with their team. SQLite cannot change a reference, so their
-- tables are rebuilt.
CREATE TABLE new_team_members (
  team_id TEXT NOT NULL REFERENCES teams (team_id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (user_id),
  role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
  joined_at INTEGER NOT NULL,
  PRIMARY KEY (team_id, user_id)
) STRICT, WITHOUT ROWID;

INSERT INTO new_team_members (team_id, user_id, role, joined_at) SELECT team_id, user_id, role, joined_at FROM team_members;
DROP TABLE team_members;
ALTER TABLE new_team_members RENAME TO team_members;

CREATE INDEX team_members_by_user ON team_members (user_id);

CREATE TABLE new_workspaces (
  workspace_id TEXT PRIMARY KEY,
  team_id TEXT REFERENCES teams (team_id) ON DELETE CASCADE, -- NULL: personal
  owner_id TEXT NOT NULL REFERENCES users (user_id), -- of a team's workspace: who created it
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

INSERT INTO new_workspaces (workspace_id, team_id, owner_id, name, created_at)
SELECT workspace_id, team_id, owner_id, name, created_at FROM workspaces;
DROP TABLE workspaces;
ALTER TABLE new_workspaces RENAME TO workspaces;

CREATE INDEX workspaces_by_owner ON workspaces (owner_id);
CREATE INDEX workspaces_by_team ON workspaces (team_id);

CREATE INDEX users_by_age ON users (created_at, user_id) WHERE deleted_at IS NULL;

-- How much of each metric a user used in each month (UTC) that has ended: the sum of its days.
CREATE TABLE usage_monthly (
  user_id TEXT NOT NULL,
  metric TEXT NOT NULL,
  month TEXT NOT NULL, -- '2026-11'
  amount INTEGER NOT NULL,
  PRIMARY KEY (user_id, metric, month)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_monthly_by_month ON usage_monthly (month, user_id, metric);

-- A user's history, newest first.
CREATE INDEX usage_monthly_by_user ON usage_monthly (user_id, month);
CREATE INDEX usage_daily_by_user ON usage_daily (user_id, day);

-- How far the counters are rolled up for a day or month. A run continues where the last one stopped.
CREATE TABLE usage_roll_ups (
  period TEXT PRIMARY KEY, -- '2026-11-25' or '2026-11'
  after_user TEXT NOT NULL,
  after_metric TEXT NOT NULL,
  finished INTEGER NOT NULL CHECK (finished IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_reports_by_week ON usage_reports (week);
