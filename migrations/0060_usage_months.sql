-- How much a counter counted in a month (UTC), for quotas. The triggers of 0018 keep the month in the
-- UPDATE in which they keep the day: a count writes no further row. They also see what a release
-- counts that does not know these columns.
ALTER TABLE usage_metrics ADD COLUMN month TEXT; -- of the last count (UTC), such as '2026-11'; NULL: not counted since this column
ALTER TABLE usage_metrics ADD COLUMN before_month INTEGER; -- its amount when that month began

-- The month of each counter's last count, and its amount when that month began. A counter that has
-- not been counted since these columns has the amount before the first day of the month that is
-- rolled up. Without such a day it has the amount when its last day began.
CREATE VIEW usage_months AS
SELECT user_id, metric, amount, coalesce(month, substr(day, 1, 7)) AS month,
  coalesce(before_month,
           (SELECT d.total - d.amount FROM usage_daily d
            WHERE d.user_id = m.user_id AND d.metric = m.metric AND d.day >= substr(m.day, 1, 7)
            ORDER BY d.day LIMIT 1),
           before_day) AS before_month
FROM usage_metrics m;

DROP TRIGGER usage_metrics_begin;
CREATE TRIGGER usage_metrics_begin AFTER INSERT ON usage_metrics
BEGIN
  UPDATE usage_metrics SET
    day = date(NEW.updated_at / 1000, 'unixepoch'), before_day = 0,
    month = strftime('%Y-%m', NEW.updated_at / 1000, 'unixepoch'), before_month = 0
  WHERE user_id = NEW.user_id AND metric = NEW.metric;
END;

-- A count that comes late belongs to the day and the month that the counter has reached.
DROP TRIGGER usage_metrics_next_day;
CREATE TRIGGER usage_metrics_next_day AFTER UPDATE OF amount ON usage_metrics
WHEN OLD.day IS NULL OR OLD.month IS NULL OR OLD.day < date(NEW.updated_at / 1000, 'unixepoch')
BEGIN
  UPDATE usage_metrics SET
    day = max(coalesce(OLD.day, ''), date(NEW.updated_at / 1000, 'unixepoch')),
    before_day =
      iif(OLD.day >= date(NEW.updated_at / 1000, 'unixepoch'), OLD.before_day, OLD.amount),
    month = max(coalesce(OLD.month, substr(OLD.day, 1, 7), ''),
                strftime('%Y-%m', NEW.updated_at / 1000, 'unixepoch')),
    before_month =
      iif(coalesce(OLD.month, substr(OLD.day, 1, 7))
            >= strftime('%Y-%m', NEW.updated_at / 1000, 'unixepoch'),
          (SELECT before_month FROM usage_months
           WHERE user_id = NEW.user_id AND metric = NEW.metric),
          OLD.amount)
  WHERE user_id = NEW.user_id AND metric = NEW.metric;
END;
