import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { sendByRpc } from "../../workers/api/emails-rpc.ts";
import { call, deadDatabase, rowsInAll } from "./support.ts";

const email = { to: "ada@example.com", subject: "By RPC", text: "Hi" };

describe("the entrypoint Emails", () => {
  it("accepts an email as over HTTP, once per key", async () => {
    const first = await sendByRpc(env, email, { idempotencyKey: "rpc-1" });
    expect(first).toMatchObject({ ok: true, value: { status: "queued", replayed: false } });
    const again = await sendByRpc(env, email, { idempotencyKey: "rpc-1" });
    const id = first.ok ? first.value.id : "";
    expect(again).toEqual({ ok: true, value: { id, status: "queued", replayed: true } });
    expect((await call("GET", `/api/emails/${id}`)).body).toMatchObject({ subject: "By RPC" });
  });

  it.each([
    [{ ...email, to: "nobody" }, {}, "to"],
    [{ ...email, from: "a@nobody.example" }, {}, "from"],
    [null, {}, "body"],
    [{ ...email, subject: 1n }, {}, "subject"],
    [email, { idempotencyKey: "has spaces" }, "idempotencyKey"],
    [email, { tenant: "admin" }, "tenant"],
  ])(
    "answers %o, %o with the name of the field, and writes nothing",
    async (message, options, field) => {
      const before = await rowsInAll();
      expect(await sendByRpc(env, message, options)).toMatchObject({
        ok: false,
        error: { tag: "invalid", errors: [{ path: field }] },
      });
      expect(await rowsInAll()).toEqual(before);
    },
  );

  it("refuses what HTTP would not read: more than 8 MiB", async () => {
    const attachments = [{ filename: "a", content: "A".repeat(8_388_608) }];
    expect(await sendByRpc(env, { ...email, attachments }, {})).toMatchObject({
      ok: false,
      error: { tag: "body-too-large", limitBytes: 8_388_608 },
    });
  });

  it("names a missing variable that an email needs, as over HTTP", async () => {
    const news = { ...email, category: "marketing" };
    expect(await sendByRpc({ ...env, PUBLIC_URL: "" }, news, {})).toMatchObject({
      ok: false,
      error: { tag: "misconfigured", variable: "PUBLIC_URL" },
    });
    expect(await sendByRpc(env, news, {})).toMatchObject({ ok: true });
  });

  it("answers outcome-unknown and does not throw while D1 is silent", async () => {
    expect(await sendByRpc({ ...env, DB: deadDatabase }, email, {})).toMatchObject({
      ok: false,
      error: { tag: "outcome-unknown" },
    });
  });
});
