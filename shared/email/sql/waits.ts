import { nextNotificationAt } from "../rules/retry-policy.ts";
import type { TransportName } from "../rules/transports.ts";
import { sizeOfFiles } from "./named-files.ts";
import { orderColumn } from "./named-sender.ts";

/** SQL of emails that wait for a reason that is not their own. */

/** Assignments of an UPDATE that begins a generation. */
export const notWaiting = "waits = 0, wait_class = NULL, waiting_since = NULL";

/** How long emails wait for one transport. `maxBytes`: the largest content that it takes. */
export type TransportWait = {
  name: TransportName;
  until: number;
  detail: string;
  limited: boolean;
  maxBytes: number;
};

/**
 * SQL over a row `e` of `emails` and a wait `w`: the email may go to its transport. What is pinned
 * goes to one only, and what its sender or its size keeps from others waits for none of those.
 */
const mayGoTo = `CASE WHEN e.status = 'pinned' THEN e.transport = w.value ->> 'name'
  ELSE (COALESCE(${orderColumn("e")}, '[]') = '[]' OR EXISTS (
      SELECT 1 FROM json_each(${orderColumn("e")}) AS o WHERE o.value = w.value ->> 'name'))
    AND ${sizeOfFiles("e")} <= w.value ->> 'maxBytes' END`;

/**
 * SQL over a row `e` of `emails`: the first of the waits that holds for it.
 *
 * @param waits JSON of waits, the shortest first
 * @param otherwise JSON of the wait if no transport that waits takes it
 */
export const firstWait = (waits: string, otherwise: string): string =>
  `COALESCE(${waits} -> (SELECT MIN(w.key) FROM json_each(${waits}) AS w WHERE ${mayGoTo}),
     ${otherwise})`;

/** Waits as `firstWait` takes them. */
export const asWait = (
  { name, until, detail, limited, maxBytes }: Partial<TransportWait> & { until: number },
  now: number,
): object => ({
  name,
  until,
  notifyAfter: nextNotificationAt(until, now, 0),
  detail,
  maxBytes,
  class: limited === true ? "rate" : "server",
});

/**
 * Assignments of an UPDATE of what waits for a server or a limit, since `now` if it did not wait
 * before.
 *
 * @param wait SQL for what `firstWait` found
 */
export const waitsAs = (wait: string, now: string): string =>
  `due_at = ${wait} ->> 'until', ring_after = ${wait} ->> 'notifyAfter', rings = 0,
   last_error = ${wait} ->> 'detail', updated_at = ${now},
   waits = CASE WHEN wait_class = ${wait} ->> 'class' THEN waits ELSE 0 END,
   wait_class = ${wait} ->> 'class', waiting_since = COALESCE(waiting_since, ${now})`;
