-- After a restore from Time Travel: emails that waited at :moment may have been sent since. They are not sent until an operator resolves them.
INSERT INTO email_events (email_id, generation, type, at, detail)
SELECT id, generation, 'unknown', unixepoch() * 1000, '{"restored":true}' FROM emails
WHERE status IN ('scheduled', 'queued', 'claimed', 'sending') AND due_at <= unixepoch() * 1000 AND created_at < (unixepoch(:moment) + 1) * 1000;
UPDATE emails SET status = 'unknown', lease_token = NULL, lease_expires_at = NULL, updated_at = unixepoch() * 1000
WHERE status IN ('scheduled', 'queued', 'claimed', 'sending') AND due_at <= unixepoch() * 1000 AND created_at < (unixepoch(:moment) + 1) * 1000
