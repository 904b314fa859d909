-- Users who were added to a team and have not confirmed yet. `user_id` refers to no table: a row for an id without an
-- account is the same, so that neither answers nor lists reveal which ids exist.
-- Times are milliseconds since the epoch.
CREATE TABLE pending_members (
  team_id TEXT NOT NULL REFERENCES teams (team_id) ON DELETE CASCADE,
  user_id TEXT NOT NULL,
  added_by TEXT NOT NULL, -- the user whose number of open confirmations is limited
  added_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (team_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX pending_members_by_user ON pending_members (user_id, added_at);
CREATE INDEX pending_members_by_adder ON pending_members (added_by, expires_at);
CREATE INDEX pending_members_by_expiry ON pending_members (expires_at);
