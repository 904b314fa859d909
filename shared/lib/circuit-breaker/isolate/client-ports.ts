import type { HeldSnapshot } from "../rules/admission.ts";
import type { CallPolicy } from "./executor.ts";
import type { IsolateBreakerPorts } from "./isolate-breaker-ports.ts";
import type { IsolateBreaker } from "./isolate-breaker.ts";

/** What a client needs from its isolate. */
export type ClientPorts = Pick<IsolateBreakerPorts, "background" | "clock" | "random"> & {
  dependency: string;
  policy: CallPolicy;
  breaker: IsolateBreaker;
  newId: () => string;
  /** Called for each call that is rejected. */
  rejected?: () => void;
};

/** The handlers of the calls under one snapshot that allows them all. */
export type SnapshotHandlers = {
  held: HeldSnapshot;
  askedAt: number;
  freshMs: number;
  succeeded: <Value>(value: Value) => Value;
  failed: (error: unknown) => never;
};
