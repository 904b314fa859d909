/** The part of the breaker that needs no Workers runtime, for contracts, scripts and clients. */
export { commandOrigin } from "./rpc.ts";
export { breakerSettings } from "./variables.ts";
export type { Admission } from "./view.ts";
