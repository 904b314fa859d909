import fc from "fast-check";
import { describe, expect, inject, it } from "vitest";
import {
  automaticReply,
  forms,
  deliveryReport,
  statusOf,
  streamOf,
  type FormName,
  type Stated,
} from "../../../test/support/delivery-reports.ts";
import { deliveryStatusIn } from "../delivery-report.ts";
import { deliveryReports } from "./delivery-status.ts";

const email = { id: "an-id", generation: 2, part: 3 };
const names = Object.keys(forms) as FormName[];
const path = "bounce+abc@bounces.example.com";

/** Read as it comes, from the whole email. */
async function read(name: FormName, ...stated: Stated[]) {
  const status = await deliveryStatusIn(streamOf(deliveryReport(name, path, stated)));
  return status === null ? [] : deliveryReports(status, email);
}

describe("a delivery report of a server", () => {
  it.each(names)("%s: names the hand-over, the recipient and the answer", async (name) => {
    const reports = await read(name, { to: "Ada@Example.com" });
    expect(reports).toEqual([
      {
        feedback: "bounced",
        email,
        providerId: null,
        to: ["ada@example.com"],
        suppress: "bounce",
        detail: {
          transport: "smtp",
          phase: "DSN",
          code: "failed",
          enhancedCode: "5.1.1",
          text: "550 5.1.1 The email account that you tried to reach does not exist.",
        },
      },
    ]);
  });

  it.each(names)("%s: about several recipients has a report for each", async (name) => {
    const reports = await read(
      name,
      { to: "ada@example.com" },
      { to: "bob@example.com", action: "delayed", status: "4.4.1", diagnostic: "timed out" },
    );
    expect(reports.map(({ feedback, to }) => [feedback, to])).toEqual([
      ["bounced", ["ada@example.com"]],
      ["transient-bounce", ["bob@example.com"]],
    ]);
  });

  // https://learn.microsoft.com/exchange/troubleshoot/email-delivery/ndr/ has the codes of Exchange.
  it.each<[FormName, string, string, boolean]>([
    ["exchange", "5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found", true],
    ["postfix", "5.7.1", "550-5.7.1 The IP you're using is not authorized", false],
    ["postfix", "5.2.2", "552 5.2.2 Mailbox full", false],
    ["postfix", "4.4.7", "451 4.4.7 Message expired", false],
    ["gmail", "5.1.1 (bad destination mailbox address)", "510 5.1.1 no such user", true],
    ["exim", "5.0.0", "550 5.1.2 no such domain", true],
    ["exim", "5.0.0", "554 blocked", false],
  ])(
    "%s: failed with %s (%s) is a bounce; it suppresses: %s",
    async (name, status, diagnostic, isHard) => {
      const [report] = await read(name, { to: "ada@example.com", status, diagnostic });
      expect(report?.feedback).toBe("bounced");
      expect(report?.suppress).toBe(isHard ? "bounce" : null);
    },
  );

  // RFC 3464, 2.3.3.
  it.each([
    ["failed", "bounced"],
    ["delayed", "transient-bounce"],
    ["delivered", "delivered"],
    ["relayed", "accepted"],
    ["expanded", "accepted"],
    ["Delivered (to mailbox)", "delivered"],
  ])("that states %s is feedback: %s", (action, feedback) => {
    const status = statusOf("postfix", [{ to: "ada@example.com", action, status: "2.0.0" }]);
    expect(deliveryReports(status, email).map((one) => one.feedback)).toEqual([feedback]);
  });

  it("is about the recipient that was named, not the one to whom it was forwarded", async () => {
    const [report] = await read("postfix", {
      to: "ada@other.example",
      original: "ada@example.com",
    });
    expect(report?.to).toEqual(["ada@example.com"]);
  });

  it.each([
    ["an unknown action", { to: "ada@example.com", action: "vanished" }],
    ["no action", { to: "ada@example.com", action: "" }],
  ])("with %s is no report", async (_, stated) => {
    expect(await read("postfix", stated)).toEqual([]);
  });

  it("that names no address suppresses nobody", async () => {
    const [report] = await read("gmail", { to: "nobody" });
    expect(report).toMatchObject({ feedback: "bounced", to: [], suppress: null });
  });
});

describe("what is no delivery report", () => {
  const plain = deliveryReport("postfix", path, [{ to: "ada@example.com" }]);

  it.each([
    ["the automatic reply of a person", automaticReply(path)],
    [
      "an email that contains a delivery report",
      plain.replace("multipart/report", "multipart/mixed"),
    ],
    ["a report about spam", plain.replace("type=delivery-status", "type=feedback-report")],
    ["a report without a status", plain.replace("message/delivery-status", "text/plain")],
    ["nothing", ""],
  ])("is not read: %s", async (_, text) => {
    expect(await deliveryStatusIn(streamOf(text))).toBeNull();
  });

  it("is a delivery report in the email that came back: only the outer one counts", async () => {
    const inner = deliveryReport("gmail", path, [{ to: "eve@example.com" }]);
    const outer = plain.replace("Hello there", "x").replace(/From: Luna[\s\S]*?x/, inner);
    const status = await deliveryStatusIn(streamOf(outer));
    expect(status).toContain("ada@example.com");
    expect(status).not.toContain("eve@example.com");
  });
});

it("only the beginning of a large delivery report is read", async () => {
  let sent = 0;
  const chunk = new Uint8Array(65_536).fill(97);
  const beginning = deliveryReport("exim", path, [{ to: "ada@example.com" }]).split("--\r\n")[0];
  const raw = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(sent === 0 ? new TextEncoder().encode(beginning) : chunk);
      sent += 1;
      if (sent > 1_000) controller.close();
    },
  });
  expect(await deliveryStatusIn(raw)).toContain("ada@example.com");
  expect(sent).toBeLessThan(20);
});

it("a field of half a megabyte is read in a moment, and names nobody", () => {
  // Its match would take minutes: the test would not end in its time.
  const field = `rfc822;${"a@".repeat(250_000)}< `;
  const text = `Final-Recipient: ${field}x\nAction: failed\nStatus: 5.1.1`;
  expect(deliveryReports(text, email)).toMatchObject([{ to: [], suppress: null }]);
});

it("bytes at random are read without an error, and report only what RFC 3464 defines", async () => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom("Action: failed", "Final-Recipient: rfc822;a@b.c", "", " folded", "Status: 5"),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 20 }), async (lines) => {
      const text = lines.join("\r\n");
      await deliveryStatusIn(streamOf(text));
      for (const { to, feedback } of deliveryReports(text, email)) {
        expect(to.length).toBeLessThanOrEqual(1);
        expect(feedback).toBe("bounced");
      }
    }),
    { numRuns: inject("runs"), seed: inject("seed") },
  );
});
