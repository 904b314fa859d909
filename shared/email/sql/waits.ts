/** SQL of emails that wait for a reason that is not their own. */

/** Assignments of an UPDATE that begins a generation. */
export const notWaiting = "waits = 0, wait_class = NULL, waiting_since = NULL";

/** Assignments of an UPDATE of what waits for a server, since `now` if it did not wait before. */
export const waitsForServer = (now: string): string =>
  `waits = CASE WHEN wait_class = 'server' THEN waits ELSE 0 END,
   wait_class = 'server', waiting_since = COALESCE(waiting_since, ${now})`;
