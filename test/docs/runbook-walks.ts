/** Which tests and chapters of the demo walk through a runbook. */
type Walk = {
  /** A file, and how the title of one of its tests begins. */
  tests: readonly (readonly [file: string, title: string])[];
  demo?: readonly string[];
};

/** By the name of the page in `docs/operate/runbooks`. */
export const walks: Readonly<Record<string, Walk>> = {
  "alerts-unheard": {
    tests: [
      [
        "test/stack/alerts.test.ts",
        "a webhook that is broken fails no run and delays no email, and gets",
      ],
      ["test/stack/alerts.test.ts", "alerts-unheard"],
    ],
  },
  "circuit-breaker-open": {
    tests: [
      [
        "test/stack/circuit-breaker.test.ts",
        "a mail server that dies opens its breaker: emails wait and burn no",
      ],
      [
        "test/stack/circuit-breaker.test.ts",
        "an operator's verbs by RPC from another Worker reach every isolate",
      ],
      ["test/stack/runbooks-outages.test.ts", "circuit-breaker-open"],
    ],
    demo: ["provider", "kv", "database"],
  },
  "d1-down": {
    tests: [
      ["test/stack/runbooks-outages.test.ts", "d1-down"],
      [
        "test/api/circuit-breaker-admin.test.ts",
        "open the breaker when D1 fails; calls are then rejected at once until a",
      ],
      [
        "test/stack/dead-letters.test.ts",
        "loses nothing when the runtime itself dead-letters a notification",
      ],
    ],
    demo: ["database"],
  },
  "database-full": {
    tests: [
      ["test/api/database-full.test.ts", "takes new emails and accounts again once it has room"],
      ["test/cron/database-size.test.ts", "takes no new emails and users from 95 % on"],
    ],
  },
  "dead-letters-growing": {
    tests: [
      [
        "test/stack/dead-letters.test.ts",
        "dead-letters an email whose attempts ran out, and replays it once the",
      ],
      [
        "test/stack/dead-letters.test.ts",
        "dead-letters a poison message with its body and delivers the emails of",
      ],
      ["test/stack/runbooks-outages.test.ts", "dead-letters-growing"],
    ],
    demo: ["poison-message"],
  },
  "deploy-and-roll-back": {
    tests: [
      [
        "test/consumer/transports.test.ts",
        "the release before this one, beside it or after a rollback,",
      ],
      ["test/stack/migrations.test.ts", "keeps every head, with its content in a table of its own"],
      ["test/stack/runbooks-upkeep.test.ts", "deploy-and-roll-back"],
    ],
  },
  errors: {
    tests: [
      ["test/stack/runbooks-outages.test.ts", "errors"],
      [
        "test/api/errors.test.ts",
        "an unexpected exception is a 500 that reveals only its request id",
      ],
    ],
  },
  "first-24-hours": {
    tests: [["test/stack/runbooks-upkeep.test.ts", "first-24-hours"]],
  },
  "first-week": {
    tests: [
      ["test/stack/runbooks-upkeep.test.ts", "first-week"],
      ["test/cron/digest.test.ts", "reports the day before, and nothing earlier or later"],
    ],
  },
  "hit-rate-low": {
    tests: [
      ["test/stack/runbooks-upkeep.test.ts", "hit-rate-low"],
      ["test/api/cache.test.ts", "counts for the whole fleet, with the state of the breaker"],
    ],
    demo: ["cached-reads"],
  },
  "jobs-failing": {
    tests: [["test/stack/jobs.test.ts", "jobs-failing"]],
  },
  "key-leaked": {
    tests: [
      ["test/stack/runbooks-upkeep.test.ts", "key-leaked"],
      ["test/api/sign-in.test.ts", "works beside the previous one while both are set"],
      [
        "test/api/cache.test.ts",
        "come from D1 or are refused while the index is down, and never from the",
      ],
    ],
  },
  "kv-down": {
    tests: [
      ["test/stack/runbooks-outages.test.ts", "kv-down"],
      ["test/api/cache-failures.test.ts", "the failure matrix"],
      [
        "shared/lib/cache/isolate/read-through.test.ts",
        "that %s is a miss, is counted, is deleted and counts as no failure of KV",
      ],
    ],
    demo: ["kv"],
  },
  location: {
    tests: [
      ["test/stack/runbooks-upkeep.test.ts", "location"],
      [
        "shared/lib/worker/placement.test.ts",
        "an object is asked for near the location of the variable",
      ],
    ],
  },
  "old-data-served": {
    tests: [
      [
        "test/stack/cache.test.ts",
        "a purge that its writer could not deliver is delivered by the sweep, to",
      ],
      ["test/stack/runbooks-upkeep.test.ts", "old-data-served"],
    ],
    demo: ["cached-reads"],
  },
  "provider-down": {
    tests: [
      [
        "test/stack/circuit-breaker.test.ts",
        "a mail server that dies opens its breaker: emails wait and burn no",
      ],
      ["test/stack/transports.test.ts", "leaves to SMTP what Resend refuses, in the same attempt"],
      ["test/stack/runbooks-outages.test.ts", "provider-down"],
    ],
    demo: ["provider"],
  },
  "queue-stuck": {
    tests: [
      ["test/stack/runbooks-outages.test.ts", "queue-stuck"],
      ["test/stack/cron.test.ts", "the platform's cron trigger notifies for a due email without a"],
      [
        "test/cron/sweep.test.ts",
        "of a thousand emails at most in one run, longest waiting first, and",
      ],
      [
        "test/stack/dead-letters.test.ts",
        "loses nothing when the runtime itself dead-letters a notification",
      ],
    ],
  },
  "restore-from-time-travel": {
    tests: [["test/stack/runbooks-upkeep.test.ts", "restore-from-time-travel"]],
  },
  "task-overdue": {
    tests: [
      [
        "test/stack/alerts.test.ts",
        "while luna-cron is dead the watchdog notifies by email and by webhook,",
      ],
      [
        "test/stack/cron.test.ts",
        "the history has every run, a failed one with its error, which can be",
      ],
      ["test/stack/runbooks-outages.test.ts", "task-overdue"],
    ],
    demo: ["failing-task"],
  },
  "unknown-emails": {
    tests: [
      [
        "test/stack/email-journey.test.ts",
        "calls an email unknown, and sends it again only on request of an operator",
      ],
      ["test/stack/runbooks-upkeep.test.ts", "restore-from-time-travel"],
    ],
  },
};
