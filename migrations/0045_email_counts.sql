-- How many emails were accepted on each day (UTC), and what has become of them. A task counts them
-- from `emails`, again and again for some days. Times are milliseconds since the epoch.
CREATE TABLE email_counts (
  tenant TEXT NOT NULL, -- as in `emails`; '': all tenants together
  kind TEXT NOT NULL, -- 'day', 'tag', 'sender' or 'transport'
  day TEXT NOT NULL, -- such as '2026-11-25', on which the emails were accepted
  name TEXT NOT NULL, -- of the tag, sender or transport; '': of the day, or of all further names
  waiting INTEGER NOT NULL,
  sent INTEGER NOT NULL,
  delivered INTEGER NOT NULL,
  bounced INTEGER NOT NULL,
  complained INTEGER NOT NULL,
  unknown INTEGER NOT NULL,
  dead INTEGER NOT NULL,
  cancelled INTEGER NOT NULL,
  suppressed INTEGER NOT NULL,
  PRIMARY KEY (tenant, kind, day, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX email_counts_by_day ON email_counts (day);

-- When each day was counted, and how far its count has come.
CREATE TABLE email_count_days (
  day TEXT PRIMARY KEY,
  counted_at INTEGER, -- when the last complete count began; NULL: none is complete
  progress TEXT -- JSON: the count that is under way; NULL: none is
) STRICT, WITHOUT ROWID;
