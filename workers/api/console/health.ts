import type { Health } from "./api.ts";
import { useNow } from "./clock.ts";
import type { Issue } from "./issue.ts";
import { findIssues } from "./issues.ts";
import { useResource, type Reading } from "./resource.ts";
import { recentRequests } from "./series.ts";
import { useTelemetry } from "./telemetry.ts";

/** Outside the pages, because it must outlive a change of page. */
let downSince: string | null = null;

/** `downSince`: when this tab first saw that the database does not answer. */
export function useHealth(everyMs?: number): Reading<Health> & { downSince: string | null } {
  const reading = useResource("getHealth", undefined, everyMs);
  const { body, at } = reading;
  if (body?.status !== "down") downSince = null;
  else if (at !== null) downSince ??= new Date(at).toISOString();
  return { ...reading, downSince };
}

/** What is wrong now, with the readings that show it. */
export function useIssues(everyMs?: number) {
  const now = useNow();
  const health = useHealth(everyMs);
  const alerts = useResource("listAlerts", undefined, everyMs);
  const breakers = useResource("listCircuitBreakers", undefined, everyMs);
  const telemetry = useTelemetry("hour");
  const issues: Issue[] = findIssues({
    health: health.body,
    alerts: alerts.body,
    breakers: breakers.body,
    downSince: health.downSince,
    recent: telemetry.body === null ? null : recentRequests(telemetry.body),
    now,
  });
  return { issues, health, alerts, breakers };
}
