/**
 * How long a claim, and then each hand-over, holds an email. Longer than a hand-over may take, see
 * `transport.ts`.
 */
export const LEASE_MS = 60_000;

/** Emails in hand-over at once. A crash leaves at most these `unknown`. */
export const GROUP_SIZE = 5;
