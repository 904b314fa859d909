import { webhookMetrics } from "./webhook-metrics.ts";

/** The metrics of jobs. No label per job: there may be thousands. */
const jobMetrics = {
  luna_job_calls_total: {
    kind: "counter",
    help: "Calls of the targets of jobs, by kind of target and outcome.",
    labels: {
      target: ["url", "queue", "service"],
      outcome: ["delivered", "failed", "busy", "gone"],
    },
  },
  luna_job_delay_seconds: {
    kind: "histogram",
    help: "How long after its slot the first call of a run began.",
    labels: {},
    per: 1_000,
    bounds: [1, 5, 15, 30, 60, 120, 300, 900, 3_600],
  },
} as const;

/** Of the calls of webhooks and jobs, for `metrics`. */
export const callMetrics = { ...webhookMetrics, ...jobMetrics } as const;
