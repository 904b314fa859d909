import { expect, it } from "vitest";
import { resendReport } from "./resend-feedback.ts";

const bounced = (to: string[], bounce: Record<string, unknown>) =>
  resendReport({
    type: "email.bounced",
    data: { email_id: "re-1", to, bounce: { type: "Permanent", ...bounce } },
  });

const both = ["Ada <ada@example.com>", "bob@example.com"];

it.each<[string, string[], Record<string, unknown>, string[]]>([
  ["one recipient", ["Bob@Example.com"], { message: "no" }, ["bob@example.com"]],
  ["its message", both, { message: "<ada@example.com> is unknown" }, ["ada@example.com"]],
  [
    "its diagnostic code",
    both,
    { diagnosticCode: ["smtp; 550 5.1.1 <Bob@example.com>: no such user"] },
    ["bob@example.com"],
  ],
  ["a text that names nobody", both, { message: "no" }, ["ada@example.com", "bob@example.com"]],
])("a bounce is about those whom it names: by %s", (_, to, bounce, expected) => {
  expect(bounced(to, bounce)).toMatchObject({ to: expected, suppress: "bounce" });
});
