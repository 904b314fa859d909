-- What is deleted after its retention, by index. An email gets its entry when it is over, not before.
CREATE INDEX emails_over ON emails (updated_at, id)
WHERE status IN ('sent', 'delivered', 'bounced', 'complained', 'discarded', 'cancelled', 'suppressed');

-- A dead email is over when its dead letter is gone.
CREATE INDEX emails_buried ON emails (buried_at, id) WHERE status = 'dead' AND buried_at IS NOT NULL;

-- How far contents are deleted. The rows are there from the beginning, so that a full database needs
-- no room for them.
INSERT INTO task_cursors (name, scope, at, id, finished)
VALUES ('email-contents:over', '', 0, '', 0), ('email-contents:dead', '', 0, '', 0);
