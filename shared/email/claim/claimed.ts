import type { OnUnknown } from "../lifecycle.ts";
import type { EmailCategory } from "../schemas.ts";
import type { TransportName } from "../transports/names.ts";

/** A mail under a lease. `pinned`: its fate is open at that transport, which knows a repeat by its key until then. */
export type Claimed = {
  id: string;
  generation: number;
  attempts: number;
  onUnknown: OnUnknown;
  category: EmailCategory;
  pinned: { to: TransportName; until: number } | null;
};
