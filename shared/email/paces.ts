import type { AttemptDetail } from "./rules/outcome.ts";
import { byTransport, transportNames, type TransportName } from "./rules/transports.ts";
import { emailTransports, transportRates, type EmailVariables } from "./settings.ts";
import { readLimits } from "./sql/limits.ts";

/**
 * How fast a transport gets emails now, in milliseconds per email; null for no limit. `used`:
 * whether the settings name it.
 */
export type EmailPace = {
  name: TransportName;
  used: boolean;
  configuredMs: number | null;
  everyMs: number | null;
  /** When an answer last slowed it down; null once that has recovered. */
  slowedAt: number | null;
  closed: { until: number; by: AttemptDetail } | null;
};

/**
 * Every transport. Settings that are bad stop the consumer, which reports them: here they count as
 * used and without a rate.
 */
export async function emailPaces(
  db: D1Database,
  env: EmailVariables,
  now: number,
): Promise<EmailPace[]> {
  const limits = await readLimits(db, now);
  const named = emailTransports(env);
  const rates = transportRates(env);
  const configured = rates.ok ? rates.value : byTransport(() => null);
  return transportNames.map((name) => {
    const limit = limits.find(({ transport }) => transport === name);
    const configuredMs = configured[name];
    const slowedMs = limit?.slowedMs ?? 0;
    const isSlowed = slowedMs > (configuredMs ?? 0);
    const { closedUntil = 0, closedBy = null } = limit ?? {};
    return {
      name,
      used: !named.ok || named.value.includes(name),
      configuredMs,
      everyMs: isSlowed ? slowedMs : configuredMs,
      slowedAt: isSlowed ? (limit?.slowedAt ?? null) : null,
      closed: closedUntil > now && closedBy !== null ? { until: closedUntil, by: closedBy } : null,
    };
  });
}
