-- Emails that were accepted on a day in UTC, where a limit is set. The release before neither reads
-- nor writes them.
CREATE TABLE email_days (
  day INTEGER NOT NULL, -- days since the epoch
  tenant TEXT NOT NULL, -- '': all tenants together
  emails INTEGER NOT NULL,
  most INTEGER NOT NULL, -- the limit as it was applied last
  PRIMARY KEY (day, tenant)
) STRICT, WITHOUT ROWID;

-- Those that have used 80 % of their limit.
CREATE INDEX email_days_near ON email_days (day) WHERE emails * 5 >= most * 4;
