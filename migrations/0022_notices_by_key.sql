-- The notices of one alert: when its channels took one since it fired, and which the webhook has not taken.
CREATE INDEX alert_notices_by_key ON alert_notices (key, at);
