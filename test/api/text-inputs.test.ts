import { env } from "cloudflare:workers";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import type { Operation } from "../../shared/contract/operation.ts";
import { operations } from "../../shared/contract/operations.ts";
import { sendByRpc } from "../../workers/api/emails-rpc.ts";
import { ask } from "../support/produce.ts";
import { textFields, withAt } from "../support/text-fields.ts";
import { call, rowsInAll } from "./support.ts";

/** Half an emoji, as `title.slice(0, n)` makes it. */
const HALF = "half \ud83c";

const email = { to: "ada@example.com", subject: "Hi", text: "Hi" };

const successOf = ({ answers }: Operation): number => Math.min(...Object.keys(answers).map(Number));

const withBody = operations.filter(({ body }) => body !== undefined);

const bodyFields = withBody
  .filter(({ id }) => id !== "sendEmails")
  .flatMap((operation) =>
    textFields(operation.body as v.GenericSchema).map(({ path }) => ({
      id: operation.id,
      at: path.join("."),
      path,
      operation,
    })),
  );

describe("text that is not well-formed Unicode", () => {
  it.each(bodyFields)("is refused by name: $id, $at", async ({ operation, path, at }) => {
    const asked = await ask(operation, successOf(operation));
    const before = await rowsInAll();
    const { status, body } = await call(
      operation.method,
      asked.path,
      withAt(asked.body ?? {}, path, HALF),
      asked.token === undefined ? {} : { token: asked.token },
    );
    // Vitest cannot report what is not well-formed.
    expect({ status, errors: body?.errors }).toEqual({
      status: 422,
      errors: [{ path: at, message: "is not well-formed Unicode" }],
    });
    expect(await rowsInAll()).toEqual(before);
  });

  it.each([
    ["data.userId", { ...email, template: "welcome", data: { userId: HALF, tier: "pro" } }],
    ["data.deep.0.deeper.0", { ...email, data: { deep: [{ deeper: [HALF] }] } }],
    ["half \ufffd", { ...email, [HALF]: 1 }],
    ["data.half \ufffd", { ...email, data: { [HALF]: { text: HALF } } }],
  ])("is refused at any depth, also as the name of a field: %s", async (path, body) => {
    const before = await rowsInAll();
    const refused = await call("POST", "/api/emails", body);
    expect(refused.status).toBe(422);
    expect(refused.body.errors[0]).toEqual({ path, message: "is not well-formed Unicode" });
    expect(await rowsInAll()).toEqual(before);
  });

  it("refuses one email of a batch, and no other", async () => {
    const emails = [email, { ...email, subject: HALF }, { ...email, data: HALF }, email];
    const { status, body } = await call("POST", "/api/emails/batch", { emails });
    expect({ status, body }).toMatchObject({
      status: 202,
      body: {
        accepted: 2,
        items: [
          { status: "queued" },
          { error: { errors: [{ path: "subject", message: "is not well-formed Unicode" }] } },
          { error: { errors: [{ path: "data", message: "is not well-formed Unicode" }] } },
          { status: "queued" },
        ],
      },
    });
  });

  it("is refused by RPC, in the message and in the options", async () => {
    for (const [message, options, path] of [
      [{ ...email, text: HALF }, {}, "text"],
      [{ ...email, tags: ["fine", HALF] }, {}, "tags.1"],
      [email, { traceparent: HALF }, "traceparent"],
    ] as const) {
      const before = await rowsInAll();
      expect(await sendByRpc(env, message, options)).toMatchObject({
        ok: false,
        error: { tag: "invalid", errors: [{ path, message: "is not well-formed Unicode" }] },
      });
      expect(await rowsInAll()).toEqual(before);
    }
  });

  it.each(
    operations.flatMap(({ id, method, path, access, query }) =>
      method === "GET" && access !== "anyone" && query !== undefined
        ? textFields(query).map((field) => ({ id, path, name: String(field.path[0]) }))
        : [],
    ),
  )("is refused in a query: $id, $name", async ({ id, path, name }) => {
    const at = path.replace(/:(\w+)/g, (_, parameter: string) =>
      parameter === "name"
        ? id === "previewTemplate"
          ? "welcome"
          : "cache"
        : parameter === "endpointId"
          ? `we_${"0".repeat(32)}`
          : parameter === "heartbeatId"
            ? `hb_${"0".repeat(32)}`
            : parameter === "token"
              ? "00000000-0000-4000-8000-000000000000"
              : parameter === "signal"
                ? "fail"
                : "nobody",
    );
    for (const bytes of ["%ED%A0%BC", "%FF", "a%C3"]) {
      const { status, body } = await call("GET", `${at}?${name}=${bytes}`);
      expect({ bytes, status, body }).toMatchObject({
        status: 422,
        body: { errors: [{ path: name, message: "is not properly encoded" }] },
      });
    }
  });

  it("is refused in a path whose parameter is text", async () => {
    for (const path of [
      "/api/admin/cache/tags/%ED%A0%BC",
      "/api/admin/email/suppressions/%ED%A0%BC%40example.com",
    ]) {
      const method = path.includes("suppressions") ? "DELETE" : "GET";
      expect(await call(method, path)).toMatchObject({ status: 422 });
    }
  });
});

/** Text of several lines, or names of what it only looks for. All other text is shown as a name. */
const freeText = new Set([
  "sendEmail html",
  "sendEmail text",
  "sendEmails emails.0.html",
  "sendEmails emails.0.text",
  "suppress note",
  "resetCircuitBreaker reason",
  "resetEmailTransport reason",
  "closeCircuitBreaker reason",
  "disableCircuitBreaker reason",
  "enableCircuitBreaker reason",
  "openCircuitBreaker reason",
  "resetCacheBreaker reason",
  "invalidate keys.0",
  "invalidate tags.0",
  "invalidate pattern",
  "processDeadLetters ids.0",
  "processDeadLetters filter.tenant",
  "processDeadLetters filter.to",
  "createWorkspace teamId",
  "createUser metadata.X-Any",
  "updateUser metadata.X-Any",
]);

describe("text that is shown as a name", () => {
  const fields = withBody.flatMap((operation) =>
    textFields(operation.body as v.GenericSchema)
      .filter(({ schema }) => (schema as { type?: string }).type !== "unknown")
      .map(({ path, schema }) => ({ name: `${operation.id} ${path.join(".")}`, schema })),
  );
  const spoofing = ["a\nb", "a\u0085b", "a\u2028b", "a\u202eb", "a\u2066b", "\u200b", "\u00a0 "];

  it.each(fields.filter(({ name }) => !freeText.has(name)))(
    "is one line that people can see: $name",
    ({ schema }) => {
      expect(spoofing.filter((text) => v.is(schema, text))).toEqual([]);
    },
  );

  it("is all text but the fields that are listed here", () => {
    const names = new Set(fields.map(({ name }) => name));
    expect([...freeText].filter((name) => !names.has(name))).toEqual([]);
  });
});
