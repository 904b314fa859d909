import type { Outbox } from "../outbox.ts";
import type { QueueMessage } from "../queue-messages.ts";
import type { Candidate } from "../rules/plan.ts";
import type { RetryPolicy } from "../rules/retry-policy.ts";
import type { TransportName } from "../rules/transports.ts";
import type { WaitLimits } from "../rules/waits.ts";
import type { GuardedTransport } from "../transports/transport.ts";
import type { UnsubscribeSettings } from "../unsubscribe.ts";

/** What a delivery needs from outside. */
export type Delivery = Outbox & {
  deadLetterQueue: Queue<QueueMessage>;
  /** In the order in which they are tried. */
  transports: GuardedTransport[];
  policy: RetryPolicy;
  waitLimits: WaitLimits;
  /** Milliseconds since the epoch. */
  clock: () => number;
  /** In [0, 1). */
  random: () => number;
  sleep: (ms: number) => Promise<void>;
  /** Null while the links are not configured: then emails that need one wait. */
  unsubscribe: UnsubscribeSettings | null;
  /** The header with id and generation: see `Brand`. */
  emailIdHeader: string;
};

/**
 * From when on a transport has free capacity, and when the emails of each tenant come back; absent
 * if it has some now.
 */
export type Paced = Map<
  TransportName,
  { until: number; lines: ReadonlyMap<string, { fromAt: number; everyMs: number }> }
>;

export function candidatesOf(
  transports: GuardedTransport[],
  paced: Readonly<Paced> = new Map(),
): Candidate[] {
  return transports.map((transport) => {
    const { name, everyMs } = transport;
    return {
      name,
      everyMs,
      admission: transport.admission(),
      pacedUntil: paced.get(name)?.until ?? 0,
      lines: paced.get(name)?.lines ?? new Map(),
    };
  });
}
