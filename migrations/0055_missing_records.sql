-- Since when the DNS has no record of a domain that was verified by it. NULL: it was there when the
-- DNS was last asked. The release before does not ask again.
ALTER TABLE senders ADD COLUMN missing_since INTEGER;

CREATE INDEX senders_to_check ON senders (checked_at, id) WHERE verified_by = 'dns';
