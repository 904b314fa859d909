-- How large the database was, and whether it takes new emails and users.

-- The size at the first look of each day, for the forecast.
CREATE TABLE database_sizes (
  day INTEGER PRIMARY KEY, -- when the day began (UTC), in milliseconds since the epoch
  bytes INTEGER NOT NULL
) STRICT;

-- One row. The room that is left when it refuses is for emails that were accepted, scheduled tasks,
-- alerts, operators and deletion. It is changed in place: that needs no room.
CREATE TABLE database_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  refuses_new INTEGER NOT NULL,
  full_bytes INTEGER -- how large it was when a write found no room; NULL: none has lately
) STRICT;

-- What is written and deleted at once, to see whether a full database has room again.
CREATE TABLE database_probes (id INTEGER PRIMARY KEY, filler BLOB NOT NULL) STRICT;

INSERT INTO database_state (id, refuses_new) VALUES (1, 0);

-- Each Worker and release keeps to it, in the write itself. Of Luna's own emails (tenant 'system')
-- only those that may wait are refused: usage reports.
CREATE TRIGGER emails_need_room BEFORE INSERT ON emails
WHEN (NEW.tenant <> 'system' OR NEW.category <> 'transactional')
  AND (SELECT refuses_new FROM database_state WHERE id = 1) = 1
BEGIN
  SELECT RAISE(ABORT, 'database-full: it takes no new emails');
END;

CREATE TRIGGER users_need_room BEFORE INSERT ON users
WHEN (SELECT refuses_new FROM database_state WHERE id = 1) = 1
BEGIN
  SELECT RAISE(ABORT, 'database-full: it takes no new users');
END;
