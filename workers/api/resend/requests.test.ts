import { describe, expect, it } from "vitest";
import { lunaBatch, lunaEmail, lunaMove, lunaPage } from "./requests.ts";

const now = Date.parse("2026-11-30T12:00:00Z");
const valueOf = (body: unknown) => {
  const email = lunaEmail(body, now, false);
  if (!email.ok) throw new Error(email.error.message);
  return email.value;
};
const problemOf = (body: unknown) => {
  const email = lunaEmail(body, now, false);
  return email.ok ? null : email.error;
};

describe("an email in Resend's fields", () => {
  it("keeps what has the same meaning, under Luna's names", () => {
    expect(
      valueOf({ from: "a@b.cc", to: ["x@y.zz"], reply_to: "r@b.cc", headers: { "X-A": "1" } }),
    ).toEqual({ from: "a@b.cc", to: ["x@y.zz"], replyTo: "r@b.cc", headers: { "X-A": "1" } });
  });

  it("has each tag as one text", () => {
    expect(valueOf({ tags: [{ name: "order", value: "7" }] })).toEqual({ tags: ["order:7"] });
  });

  it("has files with the type of their name, unless they have one", () => {
    const attachments = [
      { filename: "a.pdf", content: "QQ==" },
      { filename: "a.pdf", content: "QQ==", content_type: "text/plain", content_id: "one" },
      { filename: "a.unknown", content: "QQ==" },
      { content: "QQ==" },
    ];
    expect(valueOf({ attachments })).toEqual({
      attachments: [
        { filename: "a.pdf", content: "QQ==", contentType: "application/pdf" },
        { filename: "a.pdf", content: "QQ==", contentType: "text/plain", contentId: "one" },
        { filename: "a.unknown", content: "QQ==", contentType: undefined },
        { filename: "attachment", content: "QQ==", contentType: undefined },
      ],
    });
  });

  it("has a template with its variables as data", () => {
    expect(valueOf({ template: { id: "welcome", variables: { a: 1 } } })).toEqual({
      template: "welcome",
      data: { a: 1 },
    });
    expect(valueOf({ template: { id: "welcome" } })).toEqual({ template: "welcome", data: {} });
  });

  it.each([
    ["in 1 min", "2026-11-30T12:01:00.000Z"],
    ["in 90 seconds", "2026-11-30T12:01:30.000Z"],
    ["In 2 hours", "2026-11-30T14:00:00.000Z"],
    ["in 3 days", "2026-12-03T12:00:00.000Z"],
    ["2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"],
    ["tomorrow at 9am", "tomorrow at 9am"],
    ["in many days", "in many days"],
  ])("scheduled for %s is due at %s", (scheduledAt, sendAt) => {
    expect(valueOf({ scheduled_at: scheduledAt })).toEqual({ sendAt });
    expect(lunaMove({ scheduled_at: scheduledAt }, now)).toEqual({ sendAt });
  });

  it("has a relative time only without an idempotency key, under which a repeat would differ", () => {
    const relative = lunaEmail({ scheduled_at: "in 1 hour" }, now, true);
    expect(relative.ok ? null : relative.error.message).toContain("ISO 8601");
    expect(lunaEmail({ scheduled_at: "2027-01-01T00:00:00Z" }, now, true).ok).toBe(true);
  });

  it("leaves a tag without a name or a value to Luna's schema", () => {
    const tags = [{ name: "a" }, {}, { name: { toString: 1 }, value: "b" }];
    expect(valueOf({ tags })).toEqual({ tags });
  });

  it("leaves out what is null", () => {
    expect(valueOf({ cc: null, topic_id: null, scheduled_at: null, tags: null })).toEqual({});
  });

  it("keeps values of a wrong type, for Luna's schema to refuse", () => {
    const wrong = { to: 1, tags: "x", attachments: "x", scheduled_at: 5, headers: [] };
    expect(valueOf(wrong)).toEqual({
      to: 1,
      tags: "x",
      attachments: "x",
      sendAt: 5,
      headers: [],
    });
    expect(valueOf({ tags: ["x", 1], attachments: [1] })).toEqual({
      tags: ["x", 1],
      attachments: [1],
    });
  });
});

describe("what Luna does not support", () => {
  it.each([
    [{ topic_id: "news" }, "Luna does not support the field `topic_id`."],
    [{ region: "eu" }, "Luna does not support the field `region`."],
    [{ attachments: [{ path: "https://a.bb/c" }] }, "Luna fetches no files"],
    [{ attachments: [{ filename: "a" }] }, "Attachment must have `content`."],
    [[], "The body must be an object."],
    [null, "The body must be an object."],
  ])("%j is refused by name", (body, message) => {
    expect(problemOf(body)?.message).toContain(message);
  });

  it("is a batch with files, without emails, or with too many", () => {
    const errorOf = (batch: unknown) => {
      const emails = lunaBatch(batch, now, false);
      return emails.ok ? null : emails.error.message;
    };
    expect(errorOf({})).toBe("The body must be a list of emails.");
    expect(errorOf([])).toBe("The list must have at least one email.");
    expect(errorOf(Array.from({ length: 101 }, () => ({})))).toBe(
      "The list may have at most 100 emails.",
    );
    const files = lunaBatch([{ attachments: [] }, { to: "a@b.cc" }], now, false);
    expect(files.ok && files.value.map(({ ok }) => ok)).toEqual([false, true]);
  });

  it("is a page before an email", () => {
    expect(lunaPage(new URLSearchParams({ before: "x" })).ok).toBe(false);
    expect(lunaPage(new URLSearchParams({ after: "x" }))).toEqual({
      ok: true,
      value: { limit: "20" },
    });
  });
});
