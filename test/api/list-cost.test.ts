import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { CountedPlatform } from "../support/counted-platform.ts";
import { callWith, signUpAs, type TestUser } from "./support.ts";

/**
 * What lists read when thousands of rows are stored that they do not show. The plans:
 * statement-plans.test.ts.
 */

const STORED = 3_000;
/** A page of 20 and one more, each with its index entry, and who asks. */
const MAX_ROWS_READ = 60;
const numbers = `WITH RECURSIVE numbers (n) AS
  (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${STORED})`;

let user: TestUser;
let platform: CountedPlatform;

beforeAll(async () => {
  user = await signUpAs("pro");
  const statuses = ["sent", "unknown", "pinned", "dead", "scheduled", "queued"]
    .map((status, n) => `WHEN ${n} THEN '${status}'`)
    .join(" ");
  await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO emails (id, tenant, generation_at, status, from_address, to_address, subject,
         due_at, ring_after, created_at, updated_at)
       ${numbers} SELECT 'stored-' || n, 'user:other', 1, CASE n % 6 ${statuses} END,
         'a@b.cc', 'Popular@example.com', 'Hi', 1, 1, n, n
       FROM numbers`,
    ),
    env.DB.prepare(
      `INSERT INTO dead_letters (id, kind, generation, reason, attempts, buried_at, expires_at)
       SELECT id, 'email', 1, 'exhausted', 1, created_at, 9e15 FROM emails WHERE status = 'dead'`,
    ),
    env.DB.prepare(
      `INSERT INTO suppressions (address, scope, reason, created_at)
       ${numbers} SELECT n || '@example.com', 'all', 'bounce', n FROM numbers`,
    ),
    env.DB.prepare(
      `INSERT INTO scoped_suppressions (id, address, tenant, scope, reason, created_at)
       ${numbers} SELECT 's_' || n, n || '@example.com', 'user:' || n, 'all', 'bounce', n
       FROM numbers`,
    ),
    env.DB.prepare(
      `INSERT INTO audit_log (id, at, actor, operation, path, request_id)
       ${numbers} SELECT 'a' || n, n, 'another', 'suppress', '/', 'r' FROM numbers`,
    ),
    env.DB.prepare(
      `INSERT INTO task_executions (execution_id, trigger, started_at, ended_at, total)
       ${numbers} SELECT 'e' || n, 'cron', n, n, 1 FROM numbers`,
    ),
    env.DB.prepare(
      `INSERT INTO task_runs (run_id, execution_id, task, trigger, scheduled_at, status, started_at)
       ${numbers} SELECT 'r' || n, 'e' || n, 'backup', 'cron', n, 'success', n FROM numbers`,
    ),
  ]);
});
beforeEach(() => void (platform = new CountedPlatform()));
afterEach(() => void vi.restoreAllMocks());

const emails = ["", "&status=unknown", "&status=pinned", "&status=dead"].flatMap((status) =>
  ["", "&to=popular@example.com", "&to=nobody@example.com"].map(
    (to) => `/api/emails?limit=20${status}${to}`,
  ),
);
const unsent = ["scheduled", "queued"].map((status) => `status=${status}`);
const ofAdmin = [
  ...emails,
  ...["", ...unsent, "status=dead"].map(
    (status) => `/api/emails?limit=20&tenant=user:nobody&${status}`,
  ),
  ...unsent.map((status) => `/api/emails?limit=20&tenant=user:other&${status}`),
  "/api/admin/email/dlq?to=nobody@example.com",
  "/api/admin/email/suppressions?address=nobody@example.com",
  "/api/admin/email/suppressions?limit=20",
  "/api/admin/email/suppressions?limit=20&tenant=",
  "/api/admin/email/suppressions?limit=20&tenant=user:nobody",
  "/api/admin/email/suppressions?limit=20&scope=all",
  "/api/admin/email/suppressions?limit=20&scope=marketing",
  "/api/admin/audit?actor=nobody",
];

const rowsReadBy = async (path: string, token?: string): Promise<number> => {
  const { status } = await callWith({ DB: platform.database(env.DB) })(
    "GET",
    path,
    undefined,
    token === undefined ? {} : { token },
  );
  expect(status).toBe(200);
  const { d1RowsRead } = await platform.take();
  return d1RowsRead;
};

it.each(emails)("GET %s by a user who has no emails reads next to nothing", async (path) => {
  expect(await rowsReadBy(path, user.token)).toBeLessThanOrEqual(MAX_ROWS_READ);
});

it("GET /api/admin/scheduled-tasks/history reads what it shows, and counts all without reading it", async () => {
  // The page is read twice: for the executions, and for their runs.
  const read = await rowsReadBy("/api/admin/scheduled-tasks/history?limit=20");
  expect(read).toBeLessThanOrEqual(3 * MAX_ROWS_READ);
  const { body } = await callWith({})("GET", "/api/admin/scheduled-tasks/history?limit=20");
  expect(body).toMatchObject({ total: STORED, successful: STORED, failed: 0 });
});

it.each(ofAdmin)("GET %s by an admin reads little more than it shows", async (path) => {
  expect(await rowsReadBy(path)).toBeLessThanOrEqual(MAX_ROWS_READ);
});
