-- Alerts that do not flap: when a condition has held lately, and since when its alert flaps. A
-- release that does not know these columns leaves them as they are.
-- Times are milliseconds since the epoch.
ALTER TABLE alerts ADD COLUMN held TEXT; -- JSON: [[from, until or null, 1 if it counts as a beginning]]; NULL: see holds_since
ALTER TABLE alerts ADD COLUMN flapping_since INTEGER; -- NULL: it does not flap

-- A notice of the kind 'reminder' about an alert that flaps. The CHECK of kind knows no other value.
ALTER TABLE alert_notices ADD COLUMN flapping INTEGER; -- 1 or NULL
