import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import type { CallOptions } from "../support/http.ts";
import { callWith, rows, signUpAs } from "./support.ts";

const text = "%PDF-1.7 two pages";
const upload = async (bytes: string, options: CallOptions) =>
  await callWith({})("POST", "/api/attachments?filename=invoice.pdf", bytes, {
    ...options,
    headers: { "Content-Type": "application/pdf", "Content-Length": String(bytes.length) },
  });
const objects = async (): Promise<number> => (await env.ATTACHMENTS?.list())?.objects.length ?? -1;

/** @param each bytes of a file */
const fill = async (tenant: string, files: number, each: number, expiresAt: number) =>
  await env.DB.prepare(
    `WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
     INSERT INTO attachments
       (id, tenant, status, filename, content_type, size_bytes, created_at, expires_at)
     SELECT ?2 || n || '-' || ?4, ?2, 'stored', 'a', 'b/c', ?3, ?4, ?4 FROM numbers`,
  )
    .bind(files, tenant, each, expiresAt)
    .run();
const mailer = async () => {
  const { token, userId } = await signUpAs("pro");
  await callWith({})("PATCH", `/api/users/${userId}`, { scopes: ["emails:send"] });
  return { token, tenant: `user:${userId}` };
};
const later = Date.now() + 3_600_000;

it("files that no email names are at most 500 per tenant; one that an email names counts no longer", async () => {
  const { token, tenant } = await mailer();
  await fill(tenant, 499, 1, later);
  await fill(tenant, 100, 1, Date.now() - 1);
  const last = await upload(text, { token });
  expect(last.status).toBe(201);
  const before = [await rows("attachments"), await objects()];
  expect(await upload(text, { token })).toMatchObject({
    status: 429,
    body: { type: "urn:luna:problem:too-many-files" },
  });
  expect([await rows("attachments"), await objects()]).toEqual(before);
  expect((await upload(text, { token: (await mailer()).token })).status).toBe(201);
  const email = { to: "ada@example.com", subject: "Hi", text: "Hi" };
  const named = { ...email, attachments: [{ id: last.body.id }] };
  expect((await callWith({})("POST", "/api/emails", named, { token })).status).toBe(202);
  expect((await upload(text, { token })).status).toBe(201);
});

it("files that no email names have at most 1 GiB together per tenant", async () => {
  const { token, tenant } = await mailer();
  await fill(tenant, 64, 16_777_216, later);
  expect((await upload("", { token })).status).toBe(201);
  expect(await upload("a", { token })).toMatchObject({ status: 429 });
});
