import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { checkHeaders, customHeaders } from "./custom-headers.ts";

const luna = { idHeader: "X-Email-ID", hasLink: true };
const problems = (headers: unknown, owned = luna): string[] => {
  const parsed = v.safeParse(customHeaders, headers);
  return parsed.success
    ? checkHeaders(parsed.output, owned).map(({ path, message }) => `${path} ${message}`)
    : parsed.issues.map((issue) => `headers.${v.getDotPath(issue) ?? ""} ${issue.message}`);
};

describe("headers of the sender", () => {
  it("may be for threading, of lists, or its own", () => {
    const headers = {
      "In-Reply-To": "<a@x.example>",
      References: "<a@x.example> <b+1@x.example>",
      "List-Id": "Orders <orders.x.example>",
      "X-Entity-Ref-ID": "42",
    };
    expect(problems(headers)).toEqual([]);
    expect(
      problems({ "List-Unsubscribe": "<https://x.example>" }, { ...luna, hasLink: false }),
    ).toEqual([]);
  });

  const refused: [headers: object, problem: string | RegExp][] = [
    [{ "x-email-id": "1" }, "headers.x-email-id is set by Luna"],
    [{ "X-Luna-Email": "1" }, "headers.X-Luna-Email is set by Luna"],
    [{ "list-unsubscribe": "<https://x.example>" }, "headers.list-unsubscribe is set by Luna"],
    [{ "X-A": "1", "x-a": "2" }, "headers.x-a is there twice"],
    [{ "X-SMTPAPI": "{}" }, "headers.X-SMTPAPI would give the email other recipients"],
    [{ References: "a@x.example" }, "headers.References must be message ids, as <id@example.com>"],
    [{ "X-A": "a\r\nBcc: e@x.example" }, /headers.X-A must be printable ASCII/],
    [{ "X-A": "grün" }, /headers.X-A must be printable ASCII/],
    [{ "X-A": " a" }, /headers.X-A must be printable ASCII/],
    [{ "X-A": "" }, /headers.X-A must be printable ASCII/],
    [{ "X-A": "a".repeat(901) }, /headers.X-A must have at most 900 characters/],
    [Object.fromEntries(Array.from({ length: 31 }, (_, n) => [`X-${n}`, "1"])), /at most 30/],
    [
      Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`X-${n}`, "a".repeat(900)])),
      /in all/,
    ],
    ...[
      "From",
      "To",
      "Bcc",
      "Subject",
      "Date",
      "Content-Type",
      "Auto-Submitted",
      "X-",
      "X A",
      "X-A:",
    ].map(
      (name) =>
        [{ [name]: "a" }, /is not a header that an email may set/] satisfies [object, RegExp],
    ),
  ];
  it.each(refused)("%j is refused by its name", (headers, problem) => {
    const found = problems(headers);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(problem);
  });

  it("keep a name that is one of every object", () => {
    expect(problems({ constructor: "a" })).toHaveLength(1);
  });
});
