/** Why an email is dead. `suppressed`: of an older release. */
export const deadReasons = [
  "exhausted",
  "retry-window",
  "server",
  "permanent",
  "operator",
  "suppressed",
] as const;
export type DeadReason = (typeof deadReasons)[number];
