import * as v from "valibot";
import { address } from "./address.ts";

/**
 * What an operator may pause: all emails, those of a tenant, or those from a sender. A paused email
 * is accepted and waits, without an end, and uses up no attempt.
 */
const SENDER = "sender:";
const kinds = ["tenant:", SENDER] as const;
const MAX_SCOPE_LENGTH = 300;
const message = 'must be "all", "tenant:<tenant>" or "sender:<address>"';

export const pauseScope = v.pipe(
  v.string("must be text"),
  v.maxLength(MAX_SCOPE_LENGTH, "is too long"),
  v.check(
    (scope) => scope === "all" || kinds.some((kind) => scope.startsWith(kind) && scope !== kind),
    message,
  ),
  v.rawTransform<string, string>(({ dataset: { value: scope }, addIssue, NEVER }) => {
    if (!scope.startsWith(SENDER)) return scope;
    // As emails have it: its domain in punycode.
    const parsed = v.safeParse(address, scope.slice(SENDER.length));
    if (parsed.success) return SENDER + parsed.output.toLowerCase();
    addIssue({ message: 'must name an address after "sender:"' });
    return NEVER;
  }),
);

/** How long a paused email is left alone. Then it is looked at again. */
export const LOOK_AGAIN_MS = 1_800_000;
