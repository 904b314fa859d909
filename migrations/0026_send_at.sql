-- When its sender wants an email to leave: the date in its header, since due_at moves with each try.
-- NULL: as soon as it was accepted, and each email of an earlier release.
ALTER TABLE emails ADD COLUMN send_at INTEGER;
