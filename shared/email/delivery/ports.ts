import type { Outbox } from "../outbox.ts";
import type { QueueMessage } from "../queue-messages.ts";
import type { Candidate } from "../rules/choice.ts";
import type { RetryPolicy } from "../rules/retry-policy.ts";
import type { TransportName } from "../rules/transports.ts";
import type { WaitLimits } from "../rules/waits.ts";
import type { Pace } from "../sql/pace.ts";
import type { GuardedTransport } from "../transports/transport.ts";
import type { UnsubscribeSettings } from "../unsubscribe.ts";

/** What a delivery needs from outside. */
export type Delivery = Outbox & {
  deadLetterQueue: Queue<QueueMessage>;
  /** In the order in which they are tried. */
  transports: GuardedTransport[];
  policy: RetryPolicy;
  waitLimits: WaitLimits;
  /** With the uploaded files that emails name. */
  bucket?: R2Bucket | undefined;
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
 * What is known of a transport's pace. `until`: from when on it has free capacity, 0 for now, and
 * `lines` when the emails of each tenant come back. `everyMs`: the rate that holds.
 */
type KnownPace = {
  until: number;
  lines: ReadonlyMap<string, { fromAt: number; everyMs: number }>;
  everyMs: number | null;
  closedUntil: number;
};
export type Paced = Map<TransportName, KnownPace>;

export function paceOf({ name, everyMs }: GuardedTransport, paced: Readonly<Paced>): KnownPace {
  return paced.get(name) ?? { until: 0, lines: new Map(), everyMs, closedUntil: 0 };
}

/** What D1 had of it by now. */
export function knownPace(
  transports: readonly GuardedTransport[],
  pace: readonly Pace[],
  known: Readonly<Paced> = new Map(),
): Paced {
  return new Map(
    transports.flatMap((transport) => {
      const row = pace.find((one) => one.transport === transport.name);
      if (row === undefined) return [];
      const everyMs = Math.max(transport.everyMs ?? 0, row.slowedMs);
      const { closedUntil } = row;
      const now = { everyMs: everyMs === 0 ? null : everyMs, closedUntil };
      return [[transport.name, { ...paceOf(transport, known), ...now }] as const];
    }),
  );
}

export function candidatesOf(
  transports: readonly GuardedTransport[],
  paced: Readonly<Paced>,
  now: number,
): Candidate[] {
  return transports.map((transport) => {
    const { until: pacedUntil, lines, everyMs, closedUntil } = paceOf(transport, paced);
    return {
      name: transport.name,
      everyMs,
      admission:
        closedUntil > now
          ? { do: "closed", retryAfterMs: closedUntil - now }
          : transport.admission(),
      pacedUntil,
      lines,
    };
  });
}
