import * as v from "valibot";
import { DOMAIN } from "../../shared/email/transports/rules/ehlo-name.ts";
import { record } from "../../shared/lib/worker/record.ts";
import { jobTargets } from "../../shared/schedule/jobs/settings.ts";
import type { Variables } from "../../workers/env.ts";

/**
 * The three Workers, in the order of deployment: `luna-api` hosts the objects that the others call.
 */
export const workers = ["api", "consumer", "cron"] as const;
export type Worker = (typeof workers)[number];

export const environmentNames = ["production", "staging"] as const;
export type EnvironmentName = (typeof environmentNames)[number];

/** What an account has for one environment. Nothing is shared between two of them. */
export type Names = {
  database: string;
  namespace: string;
  queues: string[];
  /** The one of them that takes events of Cloudflare's Email Service. */
  feedbackQueue: string;
  bucket: string;
  worker: (worker: Worker) => string;
};

/** The base TOMLs name everything `luna...`; staging is the same with its own first word. */
export function renamed(name: string, environment: EnvironmentName): string {
  return environment === "production" ? name : name.replace(/^luna(?=-|$)/, `luna-${environment}`);
}

const queues = ["email", "email-dlq", "email-feedback", "webhook", "webhook-slow", "job"] as const;

export function namesOf(environment: EnvironmentName): Names {
  const name = (base: string): string => renamed(base, environment);
  return {
    database: name("luna"),
    namespace: name("luna-cache"),
    queues: queues.map((queue) => name(`luna-${queue}`)),
    feedbackQueue: name("luna-email-feedback"),
    bucket: name("luna-attachments"),
    worker: (worker) => name(`luna-${worker}`),
  };
}

const locations = ["weur", "eeur", "apac", "oc", "wnam", "enam"] as const;

const environmentFile = v.strictObject({
  domain: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^[a-z0-9.-]+\.[a-z]+$/, "must be a host name such as api.example.com"),
    ),
  ),
  location: v.optional(v.picklist(locations, `must be one of ${locations.join(", ")}`)),
  steps: v.optional(
    v.pipe(
      v.array(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(100))),
      v.check(
        (steps) =>
          steps.at(-1) === 100 && steps.every((step, n) => n === 0 || step > (steps[n - 1] ?? 0)),
        "must rise to 100",
      ),
    ),
    [0, 10, 50, 100],
  ),
  pauseSeconds: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(3_600)), 30),
  smokeTestTo: v.optional(v.pipe(v.string(), v.email("must be one plain email address"))),
  jobs: v.optional(jobTargets, {}),
  feedbackDomains: v.optional(
    record(
      v.pipe(
        v.string(),
        v.regex(DOMAIN, "must have domains such as example.com"),
        v.regex(/^[^A-Z]+$/, "must have domains in lower case"),
      ),
      v.pipe(v.string(), v.regex(/^[\da-f]{32}$/, "must have the id of the domain's zone")),
    ),
    {},
  ),
  vars: v.optional(record(v.string(), v.string()), {}),
});

/** What `environments/<name>.toml` has. */
export type Environment = Omit<v.InferOutput<typeof environmentFile>, "vars"> & {
  name: EnvironmentName;
  vars: Variables;
};

/** The variable by which the Workers know for which senders feedback comes. */
const SUBSCRIBED = "CLOUDFLARE_FEEDBACK_DOMAINS" satisfies keyof Variables;

/**
 * @param known the names of `workers/env.ts`: any other would be set and never read
 * @throws Error naming what is wrong
 */
export function parseEnvironment(
  name: EnvironmentName,
  file: unknown,
  known: ReadonlySet<string>,
): Environment {
  const parsed = v.safeParse(environmentFile, file);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new Error(`environments/${name}.toml: ${v.getDotPath(issue) ?? ""} ${issue.message}`);
  }
  const unknown = Object.keys(parsed.output.vars).find((variable) => !known.has(variable));
  if (unknown !== undefined)
    throw new Error(`environments/${name}.toml: there is no variable ${unknown}`);
  const { feedbackDomains, vars } = parsed.output;
  if (Object.hasOwn(vars, SUBSCRIBED))
    throw new Error(`environments/${name}.toml: ${SUBSCRIBED} is made from [feedbackDomains]`);
  const domains = Object.keys(feedbackDomains);
  const subscribed = domains.length > 0 && { [SUBSCRIBED]: domains.join(",") };
  return { ...parsed.output, vars: { ...vars, ...subscribed }, name };
}
