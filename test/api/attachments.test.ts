import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { uploadAttachment as operation } from "../../shared/contract/attachments.ts";
import { createClient } from "../../shared/contract/client/client.ts";
import { sha256Hex } from "../../shared/lib/base/hash.ts";
import { dispatch } from "../../workers/api/dispatch.ts";
import { sendByRpc } from "../../workers/api/emails-rpc.ts";
import type { ApiEnv } from "../../workers/env.ts";
import type { CallOptions } from "../support/http.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { callWith, deadDatabase, rows, signUpAs } from "./support.ts";

afterEach(() => void vi.restoreAllMocks());

const bucket = (): R2Bucket => {
  if (env.ATTACHMENTS === undefined) throw new Error("no bucket is bound");
  return env.ATTACHMENTS;
};
const text = "%PDF-1.7 two pages";

/** @param size what Content-Length announces */
const upload = async (
  bytes: string,
  {
    name = "invoice.pdf",
    size = String(bytes.length),
    bindings = {},
    headers = {},
    ...options
  }: CallOptions & { name?: string; size?: string | null; bindings?: Partial<ApiEnv> } = {},
) =>
  await callWith(bindings)("POST", `/api/attachments?filename=${name}`, bytes, {
    ...options,
    headers: {
      "Content-Type": "application/pdf",
      ...(size !== null && { "Content-Length": size }),
      ...headers,
    },
  });

const stored = async (id: string) =>
  await env.DB.prepare("SELECT * FROM attachments WHERE id = ?1").bind(id).first();
const keyOf = (id: string) => `attachments/${new Date().toISOString().slice(0, 10)}/${id}`;

describe("an uploaded file", () => {
  it("is in R2 byte by byte, and D1 has its size, type and digest", async () => {
    const { status, body } = await upload(text);
    expect(status).toBe(201);
    expect(body).toMatchObject({
      filename: "invoice.pdf",
      contentType: "application/pdf",
      sizeBytes: text.length,
      sha256: await sha256Hex(text),
    });
    expect(await (await bucket().get(keyOf(body.id)))?.text()).toBe(text);
    expect(await stored(body.id)).toMatchObject({
      tenant: "admin",
      status: "stored",
      filename: "invoice.pdf",
      size_bytes: text.length,
      sha256: await sha256Hex(text),
      expires_at: Date.parse(body.expiresAt),
    });
  });

  it("may be empty, and has a type also without Content-Type", async () => {
    const { status, body } = await upload("", { headers: { "Content-Type": "" } });
    expect(status).toBe(422);
    const empty = await upload("");
    expect(empty.body).toMatchObject({ sizeBytes: 0, sha256: await sha256Hex("") });
    expect(body.errors).toMatchObject([{ path: "Content-Type" }]);
  });

  it("is stored by the typed client, in each form that bytes have", async () => {
    const luna = createClient({
      baseUrl: "http://luna.test",
      token: ADMIN_TOKEN,
      fetch: (url, init) => dispatch(new Request(url, init), env),
    });
    const bytes = Uint8Array.from(new TextEncoder().encode(text));
    for (const file of [bytes, bytes.buffer, new Blob([bytes])]) {
      const sent = await luna(operation, {
        query: { filename: "Rechnung März.pdf" },
        file,
        headers: { "Content-Type": "application/pdf" },
      });
      expect(sent).toMatchObject({
        ok: true,
        status: 201,
        body: { filename: "Rechnung März.pdf", sizeBytes: 18, sha256: await sha256Hex(text) },
      });
    }
  });

  it("belongs to the tenant of the key", async () => {
    const { token, userId } = await signUpAs("pro");
    await callWith({})("PATCH", `/api/users/${userId}`, { scopes: ["emails:send"] });
    const { body } = await upload(text, { token });
    expect(await stored(body.id)).toMatchObject({ tenant: `user:${userId}` });
  });
});

describe("an upload that is refused writes nothing", () => {
  it.each([
    ["without a length", { size: null }, 411, "length-required"],
    ["with a length that is no number", { size: "1e3" }, 411, "length-required"],
    ["of more than 25 MiB", { size: "26214401" }, 413, "body-too-large"],
    ["without R2", { bindings: { ATTACHMENTS: undefined as never } }, 503, "misconfigured"],
    ["with a name that has a slash", { name: "a%2Fb" }, 422, "invalid"],
    ["with a type that is none", { headers: { "Content-Type": "pdf" } }, 422, "invalid"],
    [
      "under a malformed Idempotency-Key",
      { headers: { "Idempotency-Key": "a key" } },
      422,
      "invalid",
    ],
  ])("%s", async (_, given, status, tag) => {
    const before = await rows("attachments");
    const answer = await upload(text, given);
    expect(answer).toMatchObject({ status, body: { type: `urn:luna:problem:${tag}` } });
    expect(await rows("attachments")).toBe(before);
  });
});

const failing = (put: () => Promise<never>) =>
  ({ ATTACHMENTS: { put } as unknown as R2Bucket }) satisfies Partial<ApiEnv>;

describe("an upload that fails leaves a row that expires at once", () => {
  const left = async () =>
    await env.DB.prepare(
      `SELECT status, sha256, expires_at <= ?1 AS expired FROM attachments
       ORDER BY created_at DESC, id DESC LIMIT 1`,
    )
      .bind(Date.now())
      .first();

  it("while R2 refuses: 503, and it can be sent again", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const down = failing(() => Promise.reject(new Error("put: internal error (10001)")));
    expect(await upload(text, { bindings: down })).toMatchObject({
      status: 503,
      body: { detail: "The attachment store did not answer. Nothing was written." },
    });
    expect(await left()).toEqual({ status: "uploading", sha256: null, expired: 1 });
  });

  it("if the client goes away: no error, and nothing in R2", async () => {
    const error = vi.spyOn(console, "error");
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode("%PDF")),
      pull: (controller) => controller.error(new Error("Network connection lost.")),
    });
    const headers = { Authorization: `Bearer ${ADMIN_TOKEN}`, "Content-Length": "1000" };
    const request = new Request("http://luna.test/api/attachments?filename=a", {
      method: "POST",
      headers,
      body,
    });
    const objects = async () => (await bucket().list()).objects.length;
    const before = await objects();
    expect((await dispatch(request, env)).status).toBe(499);
    expect(error).not.toHaveBeenCalled();
    expect(await objects()).toBe(before);
    expect(await left()).toEqual({ status: "uploading", sha256: null, expired: 1 });
  });

  it("if less arrives than was announced: 503, and nothing in R2", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    expect(await upload(text, { size: "1000" })).toMatchObject({ status: 503 });
    expect(await left()).toEqual({ status: "uploading", sha256: null, expired: 1 });
  });
});

it("without D1 nothing reaches R2", async () => {
  vi.spyOn(console, "error").mockReturnValue();
  const put = vi.fn<() => Promise<never>>();
  const bindings = { DB: deadDatabase, ...failing(put) };
  expect(await upload(text, { bindings })).toMatchObject({ status: 503 });
  expect(put).not.toHaveBeenCalled();
});

describe("an email that names uploaded files", () => {
  const file = async (options: Parameters<typeof upload>[1] = {}): Promise<string> =>
    (await upload(text, options)).body.id;
  const send = async (attachments: unknown[], options: CallOptions = {}, bindings = {}) =>
    await callWith(bindings)(
      "POST",
      "/api/emails",
      { to: "ada@example.com", subject: "Hi", html: "<p>Hi</p>", attachments },
      options,
    );
  const expiryOf = async (id: string) => (await stored(id))?.["expires_at"];
  const written = async () => [await rows("emails"), await rows("email_attachments")];

  it("is accepted beside content of its own, and keeps the files", async () => {
    const [one, other] = [await file(), await file({ name: "logo.png" })];
    const inline = { filename: "a.txt", content: "SGk=" };
    const sent = await send([
      { id: one, filename: "Rechnung.pdf" },
      inline,
      { id: other, contentId: "logo" },
    ]);
    expect(sent.status).toBe(202);
    expect([await expiryOf(one), await expiryOf(other)]).toEqual([null, null]);
    const { body } = await callWith({})("GET", `/api/emails/${sent.body.id}?content=true`);
    expect(body.content.attachments).toEqual([
      { filename: "Rechnung.pdf", contentType: "application/pdf" },
      { filename: "a.txt", contentType: "application/octet-stream" },
      { filename: "logo.png", contentType: "application/pdf", contentId: "logo" },
    ]);
  });

  it("expires a file when the last of its emails loses its content", async () => {
    const id = await file();
    const emails = [await send([{ id }]), await send([{ id }])];
    const contentOf = (email: (typeof emails)[number] | undefined) =>
      env.DB.prepare("DELETE FROM email_contents WHERE email_id = ?1").bind(email?.body.id);
    await contentOf(emails[0]).run();
    expect(await expiryOf(id)).toBeNull();
    await env.DB.prepare("DELETE FROM emails WHERE id = ?1").bind(emails[1]?.body.id).run();
    expect(await expiryOf(id)).toBeLessThanOrEqual(Date.now());
    expect((await send([{ id }])).status).toBe(202);
    expect(await expiryOf(id)).toBeNull();
  });

  it("is refused by the place of each file that is not there, and nothing is written", async () => {
    const { token, userId } = await signUpAs("pro");
    await callWith({})("PATCH", `/api/users/${userId}`, { scopes: ["emails:send"] });
    const [own, foreign] = [await file(), await file({ token })];
    const uploading = await file();
    await env.DB.prepare("UPDATE attachments SET status = 'uploading' WHERE id = ?1")
      .bind(uploading)
      .run();
    const before = await written();
    const refused = await send([
      { id: own },
      { filename: "a.txt", content: "SGk=" },
      { id: foreign },
      { id: uploading },
    ]);
    expect(refused).toMatchObject({
      status: 422,
      body: {
        type: "urn:luna:problem:invalid",
        errors: [{ path: "attachments.2.id" }, { path: "attachments.3.id" }],
      },
    });
    expect(await written()).toEqual(before);
    expect(await expiryOf(own)).not.toBeNull();
    expect((await send([{ id: foreign }], { token })).status).toBe(202);
  });

  it.each([
    ["no id", [{ id: "x" }], "attachments.0.id"],
    ["content beside the id", [{ id: crypto.randomUUID(), content: "" }], "attachments.0.content"],
    ["neither", [{ filename: "a" }], "attachments.0.content"],
  ])("is refused by its field with %s", async (_, attachments, path) => {
    expect((await send(attachments)).body.errors).toMatchObject([{ path }]);
  });

  it("is refused if an email names it twice, and nothing is written", async () => {
    const id = await file();
    const before = await written();
    expect(await send([{ id }, { id }])).toMatchObject({
      status: 422,
      body: { errors: [{ path: "attachments.1.id", message: "is named twice" }] },
    });
    expect(await written()).toEqual(before);
  });

  it("is refused if no configured transport takes its size", async () => {
    const [half, more] = [await file(), await file()];
    const sized = env.DB.prepare("UPDATE attachments SET size_bytes = ?2 WHERE id = ?1");
    await env.DB.batch([sized.bind(half, 13_107_200), sized.bind(more, 13_107_193)]);
    const before = await written();
    // <p>Hi</p> has 9 bytes.
    expect(await send([{ id: half }, { id: more }])).toMatchObject({
      status: 422,
      body: {
        errors: [
          {
            path: "attachments",
            message: "must have at most 26214391 bytes together, and the files have 26214393",
          },
        ],
      },
    });
    const small = { EMAIL_TRANSPORTS: "cloudflare" };
    expect((await send([{ id: half }], {}, small)).body.errors).toMatchObject([
      { path: "attachments", message: expect.stringContaining("3783423") },
    ]);
    expect(await written()).toEqual(before);
    expect((await send([{ id: half }])).status).toBe(202);
  });

  it("is the same request with the same ids, also once the file is gone", async () => {
    const [id, other] = [await file(), await file()];
    const key = { headers: { "Idempotency-Key": `files-${id}` } };
    const first = await send([{ id }], key);
    expect(await send([{ id: other }], key)).toMatchObject({ status: 422 });
    await env.DB.prepare("UPDATE attachments SET status = 'deleting' WHERE id = ?1").bind(id).run();
    const again = await send([{ id }], key);
    expect(again).toMatchObject({ status: 202, body: { id: first.body.id } });
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
  });

  it("leaves its key free if it is refused", async () => {
    const id = await file();
    const key = { headers: { "Idempotency-Key": `refused-${id}` } };
    expect((await send([{ id: crypto.randomUUID() }], key)).status).toBe(422);
    expect((await send([{ id }], key)).status).toBe(202);
  });

  it("refuses no other email of a batch", async () => {
    const id = await file();
    const email = (attachments: unknown[]) => ({
      to: "ada@example.com",
      subject: "Hi",
      text: "Hi",
      attachments,
    });
    const emails = [email([{ id }]), email([{ id: crypto.randomUUID() }]), email([])];
    const { body } = await callWith({})("POST", "/api/emails/batch", { emails });
    expect(body).toMatchObject({ accepted: 2, refused: 1 });
    expect(body.items[1].error.errors).toMatchObject([{ path: "attachments.0.id" }]);
  });

  it("by a binding of the operator's may name the operator's files, and no user's", async () => {
    const { token, userId } = await signUpAs("pro");
    await callWith({})("PATCH", `/api/users/${userId}`, { scopes: ["emails:send"] });
    const produced = async (id: string) =>
      await sendByRpc(
        env,
        { to: "ada@example.com", subject: "Hi", text: "Hi", attachments: [{ id }] },
        {},
      );
    expect(await produced(await file())).toMatchObject({ ok: true });
    expect(await produced(await file({ token }))).toMatchObject({
      ok: false,
      error: { tag: "invalid", errors: [{ path: "attachments.0.id" }] },
    });
  });
});
