/** SQL of emails that wait for a reason that is not their own. */

/** Assignments of an UPDATE that begins a generation. */
export const notWaiting = "waits = 0, wait_class = NULL, waiting_since = NULL";

/**
 * Assignments of an UPDATE of what waits for a server or a limit, since `now` if it did not wait
 * before.
 */
export const waitsFor = (waitClass: "server" | "rate", now: string): string =>
  `waits = CASE WHEN wait_class = '${waitClass}' THEN waits ELSE 0 END,
   wait_class = '${waitClass}', waiting_since = COALESCE(waiting_since, ${now})`;
