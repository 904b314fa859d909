-- The heartbeats of a team end with it, as those of a user do with the account.
CREATE TRIGGER team_heartbeats_ended AFTER DELETE ON teams
BEGIN
  UPDATE heartbeats SET ended = 1, pending = 1 WHERE tenant = 'team:' || OLD.team_id AND ended = 0;
END;
