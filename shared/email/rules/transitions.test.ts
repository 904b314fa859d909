import { describe, expect, it } from "vitest";
import type { EmailStatus } from "./lifecycle.ts";
import { afterFeedback, transitions, type Feedback } from "./transitions.ts";

describe("what a provider reports later on", () => {
  const rows: [EmailStatus, Record<Feedback, EmailStatus | null>][] = [
    [
      "sent",
      {
        accepted: null,
        delivered: "delivered",
        bounced: "bounced",
        complained: "complained",
        failed: "bounced",
        "transient-bounce": null,
      },
    ],
    [
      "sending",
      {
        accepted: "sent",
        delivered: "delivered",
        bounced: "bounced",
        complained: "complained",
        failed: "dead",
        "transient-bounce": "sent",
      },
    ],
    [
      "unknown",
      {
        accepted: "sent",
        delivered: "delivered",
        bounced: "bounced",
        complained: "complained",
        failed: "dead",
        "transient-bounce": "sent",
      },
    ],
    [
      "pinned",
      {
        accepted: "sent",
        delivered: "delivered",
        bounced: "bounced",
        complained: "complained",
        failed: "dead",
        "transient-bounce": "sent",
      },
    ],
    [
      "dead",
      {
        accepted: "sent",
        delivered: "delivered",
        bounced: "bounced",
        complained: "complained",
        failed: null,
        "transient-bounce": "sent",
      },
    ],
    // Old news, or in the wrong order.
    [
      "delivered",
      {
        accepted: null,
        delivered: null,
        bounced: "bounced",
        complained: "complained",
        failed: null,
        "transient-bounce": null,
      },
    ],
    [
      "bounced",
      {
        accepted: null,
        delivered: null,
        bounced: null,
        complained: "complained",
        failed: null,
        "transient-bounce": null,
      },
    ],
    [
      "complained",
      {
        accepted: null,
        delivered: null,
        bounced: null,
        complained: null,
        failed: null,
        "transient-bounce": null,
      },
    ],
    // It never left.
    [
      "queued",
      {
        accepted: null,
        delivered: null,
        bounced: null,
        complained: null,
        failed: null,
        "transient-bounce": null,
      },
    ],
    [
      "scheduled",
      {
        accepted: null,
        delivered: null,
        bounced: null,
        complained: null,
        failed: null,
        "transient-bounce": null,
      },
    ],
    [
      "cancelled",
      {
        accepted: null,
        delivered: null,
        bounced: null,
        complained: null,
        failed: null,
        "transient-bounce": null,
      },
    ],
    [
      "suppressed",
      {
        accepted: null,
        delivered: null,
        bounced: null,
        complained: null,
        failed: null,
        "transient-bounce": null,
      },
    ],
  ];

  it.each(rows)("of an email that is %s", (status, expected) => {
    for (const [feedback, next] of Object.entries(expected)) {
      expect(afterFeedback(status, feedback as Feedback), feedback).toBe(next);
    }
  });

  it("never takes an email that was sent back to where it could be sent again", () => {
    for (const status of ["sent", "delivered", "bounced", "complained"] as const) {
      for (const next of transitions[status])
        expect(["delivered", "bounced", "complained"]).toContain(next);
    }
  });
});
