import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { CountedDatabase } from "../../bench/counted-database.ts";
import { sha256Hex } from "../../shared/lib/base/hash.ts";
import { sendByRpc } from "../../workers/api/emails-rpc.ts";
import { answerResend } from "../../workers/api/resend/answer.ts";
import type { ApiEnv } from "../../workers/env.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { callWith, rows } from "./support.ts";

/** Emails that come as one request with more than a row of D1 has room for. */

afterEach(() => void vi.restoreAllMocks());

const MIB = 1_048_576;
const bucket = (): R2Bucket => {
  if (env.ATTACHMENTS === undefined) throw new Error("no bucket is bound");
  return env.ATTACHMENTS;
};
const base64Of = (text: string): string => new TextEncoder().encode(text).toBase64();

const film = "film".repeat(MIB);
const logo = "a logo";
const email = {
  to: "ada@example.com",
  subject: "A film",
  html: '<img src="cid:logo">',
  attachments: [
    { filename: "logo.png", contentType: "image/png", content: base64Of(logo), contentId: "logo" },
    { filename: "film.mp4", contentType: "video/mp4", content: base64Of(film) },
  ],
};

const send = async (body: unknown, changes: Partial<ApiEnv> = {}, key?: string) =>
  await callWith(changes)("POST", "/api/emails", body, {
    headers: key === undefined ? {} : { "Idempotency-Key": key },
  });
const inRow = async (id: string): Promise<Record<string, unknown>[]> =>
  JSON.parse(
    (await env.DB.prepare("SELECT attachments FROM email_contents WHERE email_id = ?1")
      .bind(id)
      .first<string>("attachments")) ?? "[]",
  ) as Record<string, unknown>[];
const objects = async (): Promise<R2Object[]> => (await bucket().list()).objects;

describe("a file within an email that its row has no room for", () => {
  it("is in R2 byte by byte, and the email names it as one that was uploaded", async () => {
    const { status, body } = await send(email);
    expect(status).toBe(202);
    const id = body.id as string;
    const attachments = await inRow(id);
    expect(attachments).toEqual([
      email.attachments[0],
      { filename: "film.mp4", contentType: "video/mp4", id: expect.any(String) },
    ]);
    const file = await env.DB.prepare(
      `SELECT a.* FROM email_attachments AS l JOIN attachments AS a ON a.id = l.attachment_id
       WHERE l.email_id = ?1`,
    )
      .bind(id)
      .first();
    expect(file).toMatchObject({
      id: attachments[1]?.["id"],
      tenant: "admin",
      status: "stored",
      filename: "film.mp4",
      size_bytes: film.length,
      sha256: await sha256Hex(film),
      expires_at: null,
    });
    const [object, ...others] = await objects();
    expect(others).toEqual([]);
    expect(object?.key).toContain(attachments[1]?.["id"]);
    const stored = await (await bucket().get(object?.key ?? ""))?.text();
    expect(stored === film).toBe(true);
    await bucket().delete(object?.key ?? "");
  });

  it("is committed with the email in one round trip to D1", async () => {
    const database = new CountedDatabase(env.DB);
    const small = new CountedDatabase(env.DB);
    expect((await send({ ...email, attachments: [] }, { DB: small.db })).status).toBe(202);
    expect((await send(email, { DB: database.db })).status).toBe(202);
    expect(database.roundTrips).toBe(small.roundTrips);
    for (const { key } of await objects()) await bucket().delete(key);
  });

  it("comes by RPC and by the resend package, too", async () => {
    const byRpc = await sendByRpc(env, email, {});
    expect(byRpc).toMatchObject({ ok: true });
    const request = {
      from: "Luna <hello@luna.example>",
      to: ["ada@example.com"],
      subject: "A film",
      text: "See the film.",
      attachments: [{ filename: "film.mp4", content: base64Of(film) }],
    };
    const bySdk = await answerResend(
      new Request("http://luna.test/resend/emails", {
        method: "POST",
        headers: { Authorization: `Bearer ${ADMIN_TOKEN}`, "Content-Type": "application/json" },
        body: JSON.stringify(request),
      }),
      env,
    );
    const { id: sdkId } = await bySdk.json<{ id: string }>();
    expect(bySdk.status).toBe(200);
    for (const id of [byRpc.ok ? byRpc.value.id : "", sdkId])
      expect((await inRow(id)).at(-1)).toMatchObject({ id: expect.any(String) });
    for (const { key } of await objects()) await bucket().delete(key);
  });

  it("leaves nothing in R2 if the email is refused, or repeated under its key", async () => {
    const first = await send(email, {}, "film-1");
    const before = (await objects()).length;
    const again = await send(email, {}, "film-1");
    expect(again.body.id).toBe(first.body.id);
    await env.DB.prepare(
      `INSERT INTO suppressions (address, scope, reason, created_at)
       VALUES ('gone@example.com', 'all', 'bounce', 0)`,
    ).run();
    expect((await send({ ...email, to: "gone@example.com" })).status).toBe(422);
    expect(await objects()).toHaveLength(before);
  });

  it("is refused without R2, and while R2 fails, and nothing is written", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const before = await rows("emails");
    expect(await send(email, { ATTACHMENTS: undefined as never })).toMatchObject({
      status: 503,
      body: { type: "urn:luna:problem:misconfigured" },
    });
    const down = {
      put: () => Promise.reject(new Error("put: internal error (10001)")),
      delete: () => Promise.resolve(),
    } as unknown as R2Bucket;
    expect(await send(email, { ATTACHMENTS: down })).toMatchObject({
      status: 503,
      body: { detail: "The attachment store did not answer. Nothing was written." },
    });
    expect(await rows("emails")).toBe(before);
    expect(await rows("attachments")).toBe(await rows("email_attachments"));
  });

  it("is refused by name where no configured transport takes it", async () => {
    const answer = await send(email, { EMAIL_TRANSPORTS: "cloudflare" });
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ path: "attachments" }] } });
  });
});

describe("a request with emails", () => {
  it("has at most 8 MiB", async () => {
    const content = "A".repeat(8 * MIB);
    const large = { ...email, attachments: [{ filename: "a", content }] };
    const refused = { type: "urn:luna:problem:body-too-large" };
    expect(await send(large)).toMatchObject({ status: 413, body: refused });
    expect(await callWith({})("POST", "/api/emails/batch", { emails: [large] })).toMatchObject({
      status: 413,
    });
    expect(await callWith({})("POST", "/api/senders", { address: content })).toMatchObject({
      status: 413,
      body: { detail: expect.stringContaining("1048576") },
    });
  });

  it("has at most 1 MiB of HTML and text together in each email, by HTTP and RPC", async () => {
    const { attachments: _, ...plain } = email;
    const half = "\u00fc".repeat(MIB / 4);
    const most = { ...plain, html: half, text: half };
    expect((await send(most)).status).toBe(202);
    const more = { ...most, text: `${half}!` };
    const errors = [{ path: "html", message: expect.stringContaining("1048576 bytes") }];
    expect(await send(more)).toMatchObject({ status: 422, body: { errors } });
    expect(await sendByRpc(env, more, {})).toMatchObject({ ok: false, error: { errors } });
    const text = { ...plain, html: undefined, text: "x".repeat(MIB + 1) };
    expect(await send(text)).toMatchObject({ status: 422, body: { errors: [{ path: "text" }] } });
  });
});
