-- Further events of webhooks: cancelled emails, renamed teams and circuit breakers. Only triggers
-- change. That of emails is replaced, because a second one would cost each email another look.
DROP TRIGGER webhook_email_events;

CREATE TRIGGER webhook_email_events AFTER INSERT ON email_events
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions)
  AND (instr(' sent delivered bounced complained suppressed cancelled dead unknown ',
             ' ' || NEW.type || ' ') > 0 -- a list of IN would be read with each statement
       OR (NEW.type IN ('queued', 'scheduled') AND NEW.generation = 1 AND NEW.n <= 1
           AND (SELECT COUNT(*) FROM email_events x WHERE x.email_id = NEW.email_id) = 1))
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  SELECT 'email.' || iif(NEW.type IN ('queued', 'scheduled'), 'accepted', NEW.type), e.tenant,
    NEW.at,
    json_patch(
      json_object(
        'emailId', e.id, 'generation', NEW.generation, 'from', e.from_address,
        'to', json((SELECT json_group_array(r.address) FROM email_recipients r
                    WHERE r.email_id = e.id AND r.kind = 'to')),
        'subject', e.subject, 'category', e.category, 'tags', json(e.tags)),
      json_object('detail', json(NEW.detail)))
  FROM emails e WHERE e.id = NEW.email_id;
END;

CREATE TRIGGER webhook_team_updated AFTER UPDATE OF name ON teams
WHEN EXISTS (SELECT 1 FROM webhook_subscriptions) AND NEW.name <> OLD.name
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('team.updated', 'team:' || NEW.team_id, CAST(unixepoch('subsec') * 1000 AS INTEGER),
          json_object('teamId', NEW.team_id, 'name', NEW.name));
END;

-- A breaker is not closed while the last time in `held` has no end. A breaker that was never
-- watched before has no row yet, so that it needs a trigger of its own.
CREATE TRIGGER webhook_breaker_found_open AFTER INSERT ON alerts
WHEN NEW.key LIKE 'breaker:%' AND json_array_length(NEW.held) > 0
  AND json_extract(NEW.held, '$[#-1][1]') IS NULL
  AND EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES ('breaker.opened', 'admin', json_extract(NEW.held, '$[#-1][0]'),
          json_object('name', substr(NEW.key, 9)));
END;

CREATE TRIGGER webhook_breaker_changed AFTER UPDATE OF held ON alerts
WHEN NEW.key LIKE 'breaker:%' AND json_array_length(NEW.held) > 0
  AND (json_extract(NEW.held, '$[#-1][1]') IS NULL)
    <> (COALESCE(json_array_length(OLD.held), 0) > 0
        AND json_extract(OLD.held, '$[#-1][1]') IS NULL)
  AND EXISTS (SELECT 1 FROM webhook_subscriptions)
BEGIN
  INSERT INTO webhook_outbox (type, tenant, at, data)
  VALUES (iif(json_extract(NEW.held, '$[#-1][1]') IS NULL, 'breaker.opened', 'breaker.closed'),
          'admin',
          COALESCE(json_extract(NEW.held, '$[#-1][1]'), json_extract(NEW.held, '$[#-1][0]')),
          json_object('name', substr(NEW.key, 9)));
END;
