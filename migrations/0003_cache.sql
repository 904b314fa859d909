-- Tables for the cached reads of an account, and the purge outbox.
-- Times are milliseconds since the epoch.
CREATE TABLE teams (
  team_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE team_members (
  team_id TEXT NOT NULL REFERENCES teams (team_id),
  user_id TEXT NOT NULL REFERENCES users (user_id),
  role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
  joined_at INTEGER NOT NULL,
  PRIMARY KEY (team_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX team_members_by_user ON team_members (user_id);

CREATE TABLE workspaces (
  workspace_id TEXT PRIMARY KEY,
  team_id TEXT REFERENCES teams (team_id), -- NULL: personal
  owner_id TEXT NOT NULL REFERENCES users (user_id),
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX workspaces_by_owner ON workspaces (owner_id);
CREATE INDEX workspaces_by_team ON workspaces (team_id);

-- Purges, inserted in the batch of their write. They are delivered to the tag index at once, or by a
-- scheduled task if that failed.
CREATE TABLE purge_intents (
  id TEXT PRIMARY KEY,
  tags TEXT NOT NULL, -- JSON array, or '"everything"'
  mode TEXT NOT NULL CHECK (mode IN ('hard', 'soft')),
  created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX purge_intents_by_age ON purge_intents (created_at);
