import * as v from "valibot";
import { address } from "./address.ts";

/**
 * What an operator may pause: all emails, those of a tenant, or those from a sender. A paused email
 * is accepted and waits, without an end, and uses up no attempt.
 */
const kinds = ["tenant:", "sender:"] as const;
const MAX_SCOPE_LENGTH = 300;
const message = 'must be "all", "tenant:<tenant>" or "sender:<address>"';

export const pauseScope = v.pipe(
  v.string("must be text"),
  v.maxLength(MAX_SCOPE_LENGTH, "is too long"),
  v.check(
    (scope) => scope === "all" || kinds.some((kind) => scope.startsWith(kind) && scope !== kind),
    message,
  ),
  v.check(
    (scope) => !scope.startsWith("sender:") || v.is(address, scope.slice("sender:".length)),
    'must name an address after "sender:"',
  ),
  v.transform((scope) => (scope.startsWith("sender:") ? scope.toLowerCase() : scope)),
);

/** How long a paused email is left alone. Then it is looked at again. */
export const LOOK_AGAIN_MS = 1_800_000;
