-- Before a restore from Time Travel: what happened since :moment and must stay true afterwards. `redo` is the SQL that repeats it;
-- without it the page describes the step.
SELECT 'key' AS what, user_id AS id, api_key_prefix AS detail,
  'UPDATE users SET api_key_hash = ' || quote(api_key_hash) || ', api_key_prefix = ' || quote(api_key_prefix) || ' WHERE user_id = ' || quote(user_id) || ';' AS redo
FROM users WHERE deleted_at IS NULL AND created_at < unixepoch(:moment) * 1000 AND updated_at >= unixepoch(:moment) * 1000;
SELECT 'suppression' AS what, address AS id, scope AS detail,
  'INSERT OR IGNORE INTO suppressions (address, scope, reason, note, created_at) VALUES (' || quote(address) || ', ' || quote(scope) || ', ' || quote(reason)
    || ', ' || quote(note) || ', ' || created_at || ');' AS redo
FROM suppressions WHERE created_at >= unixepoch(:moment) * 1000;
SELECT 'suppression' AS what, address AS id, tenant || ' ' || scope AS detail,
  'INSERT OR IGNORE INTO scoped_suppressions (id, address, tenant, scope, reason, note, created_at) VALUES (' || quote(id) || ', ' || quote(address) || ', '
    || quote(tenant) || ', ' || quote(scope) || ', ' || quote(reason) || ', ' || quote(note) || ', ' || created_at || ');' AS redo
FROM scoped_suppressions WHERE created_at >= unixepoch(:moment) * 1000;
SELECT 'usage-report' AS what, user_id AS id, week AS detail, 'INSERT OR IGNORE INTO usage_reports (user_id, week) VALUES (' || quote(user_id) || ', ' || quote(week) || ');' AS redo
FROM usage_reports WHERE week >= date(:moment, '-14 days');
SELECT 'trial-end-told' AS what, user_id AS id, NULL AS detail, 'UPDATE subscriptions SET told_of_trial_end = ' || told_of_trial_end || ' WHERE user_id = ' || quote(user_id) || ';' AS redo
FROM subscriptions WHERE told_of_trial_end >= unixepoch(:moment) * 1000;
SELECT 'deleted-account' AS what, user_id AS id, NULL AS detail, NULL AS redo FROM users WHERE deleted_at >= unixepoch(:moment) * 1000;
SELECT 'new-account' AS what, user_id AS id, email AS detail, NULL AS redo FROM users WHERE deleted_at IS NULL AND created_at >= unixepoch(:moment) * 1000;
SELECT 'email' AS what, id, status AS detail, NULL AS redo FROM emails WHERE updated_at >= unixepoch(:moment) * 1000
