/** Of how emails leave, read at each scrape. `names`: those of `KnownNames`. */
export const emailGauges = {
  luna_email_oldest_due_age_seconds: {
    kind: "gauge",
    help: "How long the oldest due email has been due.",
    labels: {},
  },
  luna_email_rate_per_second: {
    kind: "gauge",
    help: "How many emails per second a transport gets at most: 0 while a limit closes it.",
    labels: { transport: "names" },
  },
} as const;
