import { beforeEach, describe, expect, it } from "vitest";
import { operations } from "../../shared/contract/operations.ts";
import { call, rows, signUpAs, type TestUser } from "./support.ts";

/** A POST creates one object per Idempotency-Key, also if it is repeated at the same time. */

let user: TestUser;
let n = 0;
const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
beforeEach(async () => {
  user = await signUpAs("pro");
  await call("PATCH", `/api/users/${user.userId}`, { scopes: ["emails:send"] });
  n += 1;
});

type Creating = {
  path: () => string;
  table: string;
  body: (name: string) => unknown;
  /** Without it the operator asks. */
  byUser?: true;
  status?: number;
  headers?: Record<string, string>;
};

const creating: Record<string, Creating> = {
  createUser: {
    path: () => "/api/users",
    table: "users",
    body: (name) => ({ userId: `${name}-${n}`, email: `${name}-${n}@example.com` }),
    status: 200,
  },
  createTeam: {
    path: () => "/api/teams",
    table: "teams",
    body: (name) => ({ name }),
    byUser: true,
  },
  createWorkspace: {
    path: () => "/api/workspaces",
    table: "workspaces",
    body: (name) => ({ name }),
    byUser: true,
  },
  createSender: {
    path: () => "/api/admin/email/senders",
    table: "senders",
    body: (name) => ({ address: `${name}-${n}@operator.example` }),
  },
  requestSender: {
    path: () => "/api/senders",
    table: "senders",
    body: (name) => ({ domain: `${name}-${n}.example` }),
    byUser: true,
  },
  silenceAlerts: {
    path: () => "/api/admin/alerts/silences",
    table: "alert_silences",
    body: (name) => ({ match: "email:due", reason: name, endsAt: tomorrow }),
  },
  uploadAttachment: {
    path: () => "/api/attachments?filename=a.txt",
    table: "attachments",
    body: (name) => name,
    byUser: true,
    headers: { "Content-Type": "text/plain" },
  },
};
/** These have tests of their own. */
const elsewhere = new Set([
  "addUsage",
  "sendEmail",
  "sendEmails",
  "createWebhookEndpoint",
  "createUserKey",
  "createTeamKey",
  "createOperatorKey",
  "createHeartbeat",
  "createJob",
  "testTemplate",
  "testOwnTemplate",
]);

describe.each(Object.entries(creating))("%s", (_, { path, table, body, byUser, ...rest }) => {
  const ask = async (name: string, key: string) => {
    const sent = body(name);
    const length = typeof sent === "string" ? { "Content-Length": String(sent.length) } : {};
    return await call("POST", path(), sent, {
      ...(byUser === true && { token: user.token }),
      headers: { ...rest.headers, ...length, "Idempotency-Key": key },
    });
  };

  it("is answered with what the first request created, and creates nothing again", async () => {
    const first = await ask("one", `a-${n}`);
    expect(first.status).toBe(201);
    const before = await rows(table);
    const again = await ask("one", `a-${n}`);
    expect(again.status).toBe(rest.status ?? 201);
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
    const { apiKey: _key, ...created } = first.body;
    expect(again.body).toEqual(created);
    expect((await ask("other!", `a-${n}`)).status).toBe(422);
    expect(await rows(table)).toBe(before);
  });

  it("creates one object for eight repeats at once", async () => {
    const stored = table === "attachments" ? "attachments WHERE status = 'stored'" : table;
    const before = await rows(stored);
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask("one", `b-${n}`)));
    const shown = answers.map(({ body: { apiKey: _key, ...object } }) => JSON.stringify(object));
    expect(new Set(shown).size).toBe(1);
    expect(await rows(stored)).toBe(before + 1);
  });
});

it("each POST that creates takes an Idempotency-Key", () => {
  const creates = operations.filter(
    ({ method, answers, id }) => method === "POST" && 201 in answers && !id.startsWith("rotate"),
  );
  expect(creates.filter(({ idempotent }) => idempotent !== true).map(({ id }) => id)).toEqual([
    // A repeat has the effect of the first. A template's name is taken by the first, and a version
    // more changes no email. An address has one invitation to a team at a time.
    "pauseEmails",
    "suppress",
    "createTemplate",
    "addTemplateVersion",
    "createInvitation",
    "createOwnTemplate",
    "addOwnTemplateVersion",
  ]);
  const tested = operations.filter(({ idempotent }) => idempotent === true).map(({ id }) => id);
  expect(tested.filter((id) => creating[id] === undefined && !elsewhere.has(id))).toEqual([]);
});
