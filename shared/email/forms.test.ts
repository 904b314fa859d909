import fc from "fast-check";
import * as v from "valibot";
import { expect, it } from "vitest";
import { brandOf } from "./brand.ts";
import { emailForms } from "./forms.ts";
import { emailRequest, messageOf } from "./schemas.ts";
import { templateNames } from "./templates/templates.ts";

const welcome = { userId: "ada", tier: "pro" };
const cancellation = { userId: "ada", endsOn: "31 December 2026" };

const content = { subject: "Hi", html: "<p>Hi</p>", text: null, layout: true, version: 1 };
const templates = new Map([["none", { own: content, shared: null }]]);

/** Requests with most fields right, so that both answers are frequent. */
const requests = fc.record(
  {
    to: fc.constantFrom("ada@example.com", "ada@example.com", "nobody"),
    subject: fc.constantFrom("Hi", ""),
    text: fc.constantFrom("Hi", ""),
    html: fc.constantFrom("<p>", 1),
    template: fc.constantFrom<string>(...templateNames, "none"),
    data: fc.constantFrom<unknown>(welcome, cancellation, {}, null, []),
    tags: fc.constantFrom(["a"], [1], []),
    attachments: fc.constantFrom(
      [{ filename: "a.txt", content: "QQ==" }],
      [{ id: "01890a5d-ac96-774b-bcce-b302099a8057" }],
      [{ id: "x" }],
      ["a"],
    ),
    sendAt: fc.constantFrom("1970-01-02T00:00:00Z", "soon"),
    onUnknown: fc.constantFrom("hold", "never"),
    category: fc.constantFrom("marketing", "spam"),
  },
  { requiredKeys: ["to"] },
);
const likely = fc.oneof(
  requests,
  requests.map(({ to, subject, text }) => ({ to, subject, text })),
  requests.map(({ to, template, data }) => ({ to, template, data })),
);

it("the forms that the OpenAPI document has accept what the API accepts, and nothing else", () => {
  let accepted = 0;
  fc.assert(
    fc.property(likely, (given) => {
      const request: unknown = JSON.parse(JSON.stringify(given));
      const parsed = v.safeParse(emailRequest, request);
      const isAccepted =
        parsed.success && messageOf(parsed.output, brandOf({}), { now: 0, templates }).ok;
      if (isAccepted) accepted += 1;
      expect(v.is(emailForms, request)).toBe(isAccepted);
    }),
    { numRuns: 6_000 },
  );
  expect(accepted).toBeGreaterThan(100);
});
