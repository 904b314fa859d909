import type { EmailCategory } from "../schemas.ts";
import type { FileOfEmail } from "./file.ts";
import type { OnUnknown } from "./lifecycle.ts";
import type { TransportName } from "./transports.ts";
import type { Waited } from "./waits.ts";

/**
 * An email under a lease. `pinned`: its outcome is open at that transport, which recognizes a
 * repeat by its key until then.
 */
export type Claimed = {
  id: string;
  tenant: string;
  generation: number;
  attempts: number;
  onUnknown: OnUnknown;
  category: EmailCategory;
  /** Since when it could have been claimed, in milliseconds since the epoch. */
  dueAt: number;
  /** Of the request that brought it; null if the release that accepted it kept none. */
  traceId: string | null;
  /** Whether others of its tenant and lane wait for the rate of a transport already. */
  hasBacklog: boolean;
  /** The order that its sender names; empty: as configured. */
  transportOrder: readonly TransportName[];
  pinned: { to: TransportName; until: number } | null;
  /** Since when it waits for a server, a rate or a mailbox; null or absent if it does not. */
  waitingSince?: number | null;
  /** The uploaded files that it names; absent if it names none. */
  files?: readonly FileOfEmail[];
  /** What a wait for those depends on; absent without them. */
  waiting?: { since: number; last: Waited | null };
};
