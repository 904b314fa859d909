/**
 * The transports there are, by the names that `EMAIL_TRANSPORTS` and the breakers `email:<name>`
 * use.
 */
export const transportNames = ["smtp", "cloudflare", "resend"] as const;
export type TransportName = (typeof transportNames)[number];

const HOUR_MS = 3_600_000;
/**
 * A repeat that arrives as the provider forgets would be a second mail: less an hour for clocks
 * that disagree and slow requests.
 */
const FORGETFUL_MS = HOUR_MS;

/**
 * For how long after a hand-over a provider knows a repeat under the same key `id:generation` from
 * a new mail; null where it never does. Resend: 24 hours
 * (https://resend.com/docs/dashboard/emails/idempotency-keys).
 */
export const idempotentForMs: Record<TransportName, number | null> = {
  smtp: null,
  cloudflare: null,
  resend: 24 * HOUR_MS - FORGETFUL_MS,
};

/** The breaker of a transport. */
export function emailBreaker<Name extends TransportName>(name: Name): `email:${Name}` {
  return `email:${name}`;
}
