import * as v from "valibot";
import { ok, type Result } from "../lib/base/result.ts";
import {
  readVariables,
  token,
  type Misconfigured,
  type VariablesOf,
} from "../lib/worker/variables.ts";
import type { UrlPolicy } from "./rules/url-policy.ts";

const secretsVariables = v.object({ SECRETS_KEY: token });
const outboundVariables = v.object({
  OUTBOUND_ALLOW_LOOPBACK: v.optional(
    v.picklist(["true", "false"], 'must be "true" or "false"'),
    "false",
  ),
});

export type WebhookVariables = VariablesOf<typeof secretsVariables> &
  VariablesOf<typeof outboundVariables>;

/** What encrypts the secrets of endpoints. */
export function secretsKey(env: WebhookVariables): Result<string, Misconfigured> {
  const variables = readVariables(secretsVariables, env);
  return variables.ok ? ok(variables.value.SECRETS_KEY) : variables;
}

/** Which URLs may be called. A deployment refuses to allow loopback. */
export function outboundPolicy(env: WebhookVariables): Result<UrlPolicy, Misconfigured> {
  const variables = readVariables(outboundVariables, env);
  if (!variables.ok) return variables;
  return ok({ allowLoopback: variables.value.OUTBOUND_ALLOW_LOOPBACK === "true" });
}
