import { env } from "cloudflare:workers";
import { beforeAll, expect, it } from "vitest";
import { queueEmail } from "../support/emails.ts";
import { call } from "./support.ts";

const ids: string[] = [];

/** An email that a server refused, with its dead letter. */
async function die(code: number, text: string, to = "ada@example.com"): Promise<void> {
  const id = await queueEmail(env.DB, 1_000, { to });
  ids.push(id);
  const detail = JSON.stringify({ transport: "smtp", phase: "RCPT TO", code, text });
  await env.DB.batch([
    env.DB.prepare(
      "UPDATE emails SET status = 'dead', buried_at = ?2, last_error = ?3 WHERE id = ?1",
    ).bind(id, 1_000 + ids.length, detail),
    env.DB.prepare(
      `INSERT INTO dead_letters
         (id, kind, generation, reason, last_error, attempts, buried_at, expires_at)
       VALUES (?1, 'email', 1, 'permanent', ?3, 1, ?2, 9e15)`,
    ).bind(id, 1_000 + ids.length, detail),
  ]);
}

beforeAll(async () => {
  await die(550, "no such user ada");
  await die(550, "no such user bob", "bob@example.com");
  await die(554, "blocked");
});

const causes = async (query = "") => {
  const { status, body } = await call("GET", `/api/admin/email/dlq-causes${query}`);
  expect(status).toBe(200);
  return body as { items: { code: number; ids: string[] }[]; more: boolean };
};

it("dead letters are shown by what ended them, and those of one cause are replayed", async () => {
  const { items, more } = await causes();
  expect(items).toMatchObject([
    { reason: "permanent", transport: "smtp", code: 550, ids: ids.slice(0, 2) },
    { code: 554, ids: ids.slice(2) },
  ]);
  expect(more).toBe(false);
  const wanted = items[0]?.ids;
  const { body } = await call("POST", "/api/admin/email/process-dlq", { ids: wanted });
  expect(body).toMatchObject({ processed: 2, errors: 0 });
  expect((await causes()).items.map(({ code }) => code)).toEqual([554]);
  // A repeat of the same request finds them queued, and sends nobody a second copy.
  const again = await call("POST", "/api/admin/email/process-dlq", { ids: wanted });
  expect(again.body).toMatchObject({ processed: 0, errors: 2 });
});

it("a filter limits the dead letters whose causes are shown", async () => {
  expect((await causes("?to=nobody@example.com")).items).toEqual([]);
  const { status, body } = await call("GET", "/api/admin/email/dlq-causes?kind=poison");
  expect([status, body.errors?.[0]?.path]).toEqual([422, "kind"]);
});
