/** The metrics of webhooks, for `metrics`. No label per endpoint: there may be thousands. */
export const webhookMetrics = {
  luna_webhook_calls_total: {
    kind: "counter",
    help: "Calls of webhook endpoints by outcome.",
    labels: { outcome: ["delivered", "failed", "busy", "gone"] },
  },
} as const;
