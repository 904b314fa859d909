/** The part of the breaker that needs no Workers runtime, for contracts, scripts and clients. */
export {
  commandOrigin,
  type CommandOrigin,
  type Inspection,
  type Outage,
  type RecordedTransition,
} from "./rpc.ts";
export { breakerSettings, type BreakerVariables } from "./variables.ts";
export type { Admission } from "./admission.ts";
