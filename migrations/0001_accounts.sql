-- Accounts. Times are milliseconds since the epoch.
CREATE TABLE users (
  user_id TEXT PRIMARY KEY,
  email TEXT UNIQUE, -- NULL once deleted
  tier TEXT NOT NULL CHECK (tier IN ('free', 'pro', 'enterprise')),
  api_key_hash TEXT UNIQUE, -- SHA-256 in hex; NULL once deleted
  api_key_prefix TEXT,
  scopes TEXT NOT NULL DEFAULT '[]', -- JSON array
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER
) STRICT;

CREATE TABLE usage_metrics (
  user_id TEXT NOT NULL REFERENCES users (user_id),
  metric TEXT NOT NULL,
  amount INTEGER NOT NULL DEFAULT 0,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, metric)
) STRICT, WITHOUT ROWID;

CREATE TABLE subscriptions (
  user_id TEXT PRIMARY KEY REFERENCES users (user_id),
  status TEXT NOT NULL CHECK (status IN ('trialing', 'active', 'cancelled')),
  started_at INTEGER NOT NULL,
  trial_ends_at INTEGER,
  ended_at INTEGER
) STRICT;
