import * as v from "valibot";
import { ok, type Result } from "../../lib/base/result.ts";
import { readVariables, type Misconfigured, type VariablesOf } from "../../lib/worker/variables.ts";
import type { JobTarget } from "../rules/job-definition.ts";

/** Which queues and methods of other Workers jobs may call: they need bindings of a deployment. */

const word = v.pipe(
  v.string("must be text"),
  v.regex(/^[a-z][a-z0-9-]{0,62}$/, "must be lower-case letters, digits or -"),
);
const methodName = v.pipe(
  v.string("must be text"),
  v.regex(/^[a-zA-Z][a-zA-Z0-9]{0,63}$/, "must be the name of a method"),
);

/** `services`: the methods of each that may be called. */
export const jobTargets = v.strictObject({
  queues: v.optional(v.array(word), []),
  services: v.optional(
    v.array(
      v.strictObject({
        service: word,
        entrypoint: v.optional(methodName),
        methods: v.pipe(v.array(methodName), v.minLength(1, "must name a method")),
      }),
    ),
    [],
  ),
});
export type JobTargets = v.InferOutput<typeof jobTargets>;

const targetVariables = v.object({
  JOB_TARGETS: v.optional(
    v.pipe(v.string(), v.parseJson(undefined, "must be JSON"), jobTargets),
    "{}",
  ),
});
export type JobVariables = VariablesOf<typeof targetVariables>;

/** What `[jobs]` of `environments/*.toml` allows. */
export function allowedTargets(env: JobVariables): Result<JobTargets, Misconfigured> {
  const variables = readVariables(targetVariables, env);
  return variables.ok ? ok(variables.value.JOB_TARGETS) : variables;
}

const bindingOf = (kind: "QUEUE" | "SERVICE", name: string): string =>
  `JOB_${kind}_${name.toUpperCase().replaceAll("-", "_")}`;

/** The binding of luna-consumer for a queue of the list. */
export const queueBinding = (queue: string): string => bindingOf("QUEUE", queue);

/** The binding of luna-consumer for a service of the list. */
export const serviceBinding = (service: string): string => bindingOf("SERVICE", service);

/** Why the list does not allow a target; null if it does. A URL has rules of its own. */
export function refusedTarget(target: JobTarget, allowed: JobTargets): string | null {
  if ("url" in target) return null;
  if ("queue" in target)
    return allowed.queues.includes(target.queue)
      ? null
      : `the deployment allows no queue "${target.queue}"`;
  const service = allowed.services.find((one) => one.service === target.service);
  return service?.methods.includes(target.method) === true
    ? null
    : `the deployment allows no method "${target.method}" of a service "${target.service}"`;
}
