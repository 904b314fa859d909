import { cut } from "../../lib/base/cut.ts";
import { within } from "../../lib/base/deadline.ts";
import { callEndpoint, type Called } from "../../webhooks/call-endpoint.ts";
import { unanswered, type WebhookOutcome } from "../../webhooks/rules/answer.ts";
import { checkUrl, type UrlPolicy } from "../../webhooks/rules/url-policy.ts";
import { decryptSecret } from "../../webhooks/secrets.ts";
import type { JobCall, JobTarget } from "../rules/job-definition.ts";
import type { ClaimedRun } from "../sql/job-runs.ts";
import { queueBinding, refusedTarget, serviceBinding, type JobTargets } from "./settings.ts";

/** One call of what a job names. */

export type CallPorts = {
  /** The Worker's bindings: those of the list of targets are among them. */
  bindings: object;
  allowed: JobTargets;
  secretsKey: string;
  policy: UrlPolicy;
  fetch: typeof fetch;
  now: () => number;
};

const MAX_ERROR_LENGTH = 1_024;

/** Never throws. */
export async function callTarget(ports: CallPorts, run: ClaimedRun): Promise<Called> {
  const { target, timeoutMs } = run.job;
  const beganAt = ports.now();
  const after = (outcome: WebhookOutcome, answer: string): Called => ({
    outcome,
    tookMs: Math.max(ports.now() - beganAt, 0),
    answer: cut(answer, MAX_ERROR_LENGTH),
  });
  try {
    // What was allowed when the job was saved may not be any more.
    const refused = refusedTarget(target, ports.allowed);
    if (refused !== null) return after(unanswered("refused-target"), refused);
    if ("url" in target) return await callUrl(ports, run, target.url);
    await within(timeoutMs, callBinding(ports.bindings, target, callOf(run)));
    return after({ kind: "delivered", status: 200 }, "");
  } catch (error) {
    const isLate = error instanceof DOMException && error.name === "TimeoutError";
    const text = error instanceof Error || error instanceof DOMException ? error.message : "";
    return after(unanswered(isLate ? "deadline" : "connection"), text);
  }
}

const callOf = ({ id, slot, job }: ClaimedRun): JobCall => ({
  id,
  job: job.name,
  scheduledTime: new Date(slot).toISOString(),
  payload: job.payload ?? null,
});

async function callUrl(ports: CallPorts, run: ClaimedRun, text: string): Promise<Called> {
  const { id, job } = run;
  const url = checkUrl(text, ports.policy);
  if (!url.ok) return { outcome: unanswered("refused-url"), tookMs: 0, answer: url.error };
  const isRotating = job.previousSecret !== null && (job.previousUntil ?? 0) > ports.now();
  const secrets: string[] = [];
  for (const encrypted of isRotating ? [job.secret, job.previousSecret ?? ""] : [job.secret])
    secrets.push(await decryptSecret(ports.secretsKey, job.id, encrypted));
  return await callEndpoint(
    {
      url: url.value,
      secrets,
      id,
      body: JSON.stringify(callOf(run)),
      timeoutMs: job.timeoutMs,
      headers: { "Idempotency-Key": id },
    },
    { fetch: ports.fetch, clock: { now: ports.now } },
  );
}

type Bound = Exclude<JobTarget, { url: string }>;

/** @throws Error if the deployment has no such binding, or what the receiver throws */
async function callBinding(bindings: object, target: Bound, call: JobCall): Promise<void> {
  const name = "queue" in target ? queueBinding(target.queue) : serviceBinding(target.service);
  const binding = (bindings as Record<string, unknown>)[name];
  if (binding === undefined) throw new Error(`luna-consumer has no binding ${name}`);
  if ("queue" in target) await (binding as Queue).send(call);
  else {
    const service = binding as Record<string, (input: JobCall) => Promise<unknown>>;
    // A stub would take `.call` for the name of a method.
    if (typeof service[target.method] !== "function")
      throw new Error(`${name} has no method ${target.method}`);
    await service[target.method]?.(call);
  }
}
