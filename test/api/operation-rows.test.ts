import { env } from "cloudflare:workers";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { operations } from "../../shared/contract/operations.ts";
import { dispatch } from "../../workers/api/dispatch.ts";
import { tasks } from "../../workers/cron/task-list.ts";
import { fakeQueue } from "../support/emails.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { ask as askFor } from "../support/produce.ts";
import { registerTask } from "../support/registered-tasks.ts";
import { runTask } from "../support/run-task.ts";
import { growthOf, readAloneAndAmong, sideBySide, type RowsRead } from "./statements/among.ts";
import { callWith } from "./support.ts";

/**
 * What a caller waits for, and each scheduled task, reads as many rows of D1 in a database of
 * months as in an empty one; among a million emails as many as among 100,000 (`npm run test:deep`).
 * Each statement by itself: statement-rows.test.ts.
 */

type Work = (db: D1Database) => Promise<unknown>;

const user = { userId: "ada", email: "ada@example.com", tier: "pro" };
const email = { to: "grace@example.com", subject: "Hello", text: "Hi" };
const keyed = /^POST .*(emails|usage)/;
/** Of the user, once there is one. */
const made = { key: "", emailId: "" };

/** A request: by an operator, or with the key of the user. */
async function ask(
  db: D1Database,
  request: string,
  { body, by = "operator" }: { body?: unknown; by?: "operator" | "user" } = {},
): Promise<{ apiKey: string; id: string }> {
  const [method = "", path = ""] = request.split(" ");
  const answer = await callWith({ DB: db })(method, path, body, {
    ...(by === "user" && { token: made.key }),
    headers: keyed.test(request) ? { "Idempotency-Key": crypto.randomUUID() } : {},
  });
  if (answer.status >= 300) throw new Error(`${request} answered ${answer.status}`);
  return answer.body as { apiKey: string; id: string };
}

const signUp: Record<string, Work> = {
  "POST /api/users": async (db) => {
    made.key = (await ask(db, "POST /api/users", { body: user })).apiKey;
    await ask(db, "PATCH /api/users/ada", { body: { scopes: ["emails:send"] } });
  },
  "POST /api/emails": async (db) => {
    made.emailId = (await ask(db, "POST /api/emails", { body: email, by: "user" })).id;
  },
  "GET /api/emails/:id": (db) => ask(db, `GET /api/emails/${made.emailId}`, { by: "user" }),
};

const byUser: [request: string, body?: unknown][] = [
  ["POST /api/emails/batch", { emails: Array.from({ length: 100 }, () => email) }],
  ["POST /api/workspaces", { name: "Desk" }],
  ["POST /api/users/ada/usage", { metric: "calls", amount: 1 }],
  ["GET /api/me"],
  ["GET /api/users/ada"],
  ["GET /api/users/ada/workspaces"],
  ["GET /api/users/ada/teams"],
  ["GET /api/emails?limit=20"],
  ["GET /api/emails?limit=20&status=dead"],
];
const byOperator: [request: string, body?: unknown][] = [
  ["GET /api/emails?limit=20&status=pinned"],
  ["GET /api/emails?limit=20&to=ada@example.com&status=dead"],
  ["GET /api/users/ada/export"],
  ["GET /api/admin/users?limit=20"],
  ["GET /api/admin/email/dlq?limit=20"],
  ["GET /api/admin/email/suppressions?limit=20"],
  ["GET /api/admin/email/suppressions?limit=20&tenant=user:nobody"],
  ["GET /api/admin/email/suppressions?limit=20&scope=marketing"],
  ["GET /api/admin/audit?limit=20"],
  ["GET /api/admin/audit?limit=20&actor=nobody"],
  ["GET /api/admin/alerts"],
  ["GET /api/admin/scheduled-tasks/history?limit=20"],
  ["POST /api/admin/email/suppressions", { address: "nobody@example.com" }],
];
const requests = (list: typeof byUser, by: "operator" | "user"): Record<string, Work> =>
  Object.fromEntries(
    list.map(([request, body]) => [
      `${request}, by the ${by}`,
      (db) => ask(db, request, { body, by }),
    ]),
  );

/** Each operation of the API with its first answer that is no problem. */
const ofContract: Record<string, Work> = Object.fromEntries(
  operations.map((operation) => {
    const status = Object.keys(operation.answers).map(Number).toSorted()[0] ?? 200;
    const work: Work = async (db) => {
      const { path, body, bindings, ...options } = await askFor(operation, status);
      const send = callWith({ ...bindings, DB: db });
      const answer = await send(operation.method, path, body, { ...options, text: true });
      if (answer.status !== status) throw new Error(`${operation.id} answered ${answer.status}`);
    };
    return [operation.id, work];
  }),
);

/** Queues that take everything. */
const queues = { EMAIL_QUEUE: fakeQueue().queue, EMAIL_DLQ: fakeQueue().queue };
const ofTasks: Record<string, Work> = Object.fromEntries(
  tasks.map(({ name }) => [
    `the task ${name}`,
    async (db) => {
      if (name === "send-usage-reports") await rollUpLastSunday();
      await runTask(name, { ...queues, DB: db });
    },
  ]),
);

/** Reports wait until the Sunday before this week is rolled up. */
async function rollUpLastSunday(): Promise<void> {
  const sinceMonday = (new Date().getUTCDay() + 6) % 7;
  const sunday = new Date(Date.now() - (sinceMonday + 1) * 86_400_000).toISOString().slice(0, 10);
  await env.DB.prepare(
    `INSERT INTO usage_roll_ups (period, after_user, after_metric, finished)
     VALUES (?1, '', '', 1) ON CONFLICT (period) DO UPDATE SET finished = 1`,
  )
    .bind(sunday)
    .run();
}

/** A page of 20, or 20 executions with their runs, with index entries and look-ups. */
const PAGE_ROWS = 150;
/** A page of 100, which is the default. */
const LONG_PAGE_ROWS = 700;
/** Of those that count what is stored, up to 1,000, and of those that read 100 users or emails. */
const bounds: Record<string, number> = {
  "GET /health": 10 * 1_001,
  "GET /metrics": 9 * 1_001,
  getHealth: 10 * 1_001,
  getStart: 10 * 1_001,
  scrapeMetrics: 9 * 1_001,
  // 1,000 letters by their index.
  listDeadLetterCauses: 2 * 1_001,
  listAlerts: LONG_PAGE_ROWS,
  listDeadLetters: LONG_PAGE_ROWS,
  listEmails: LONG_PAGE_ROWS,
  listSuppressions: LONG_PAGE_ROWS,
  listUsers: LONG_PAGE_ROWS,
  scheduledTaskHistory: LONG_PAGE_ROWS,
  "the task warm-cache": 100 * 30,
  // A page of 1,000: looked at with its index entries, and found again for its deletion.
  deleteSuppressions: 1_000 * 5,
  // All that there is, a page at a time.
  exportSuppressions: Infinity,
  // Each email looks for the subscriptions of its tenant once there is an endpoint.
  "POST /api/emails/batch, by the user": 100 * 12,
};
/** Of a task: so many pages of its work in a run, however much waits. */
const TASK_ROWS = 1_000_000;

const works: Record<string, Work> = {
  ...signUp,
  ...requests(byUser, "user"),
  ...requests(byOperator, "operator"),
  "GET /health": (db) => ask(db, "GET /health"),
  "GET /metrics": async (db) => {
    const headers = { Authorization: `Bearer ${ADMIN_TOKEN}` };
    const request = new Request("http://luna.test/metrics", { headers });
    const { status } = await dispatch(request, { ...env, DB: db });
    if (status !== 200) throw new Error(`GET /metrics answered ${status}`);
  },
  ...ofContract,
  ...ofTasks,
};

let rows: Record<string, RowsRead>;
beforeAll(async () => {
  rows = await readAloneAndAmong({ now: Date.now(), begin: registerTask }, works);
});
afterAll(() => void vi.restoreAllMocks());

const boundOf = (name: string): number =>
  bounds[name] ?? (name.startsWith("the task") ? TASK_ROWS : PAGE_ROWS);

it.each(Object.keys(works))("%s reads as much among many rows as without them", (name) => {
  const read = rows[name];
  const isCapped = name.startsWith("the task") || boundOf(name) === Infinity;
  expect(read === undefined ? "not run" : growthOf(read, () => boundOf(name), isCapped)).toBeNull();
});

/** `npx vitest run --reporter=verbose` shows them. */
it("the rows read stand side by side", async ({ annotate }) => {
  expect(Object.keys(rows)).toEqual(Object.keys(works));
  await annotate(sideBySide(rows));
});
