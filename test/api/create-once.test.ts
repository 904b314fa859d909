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
  const base = newTemplate("base");
  await call("POST", "/api/admin/email/templates", base);
  await call("POST", "/api/templates", base, { token: user.token });
  teamId = (await call("POST", "/api/teams", { name: "Team" }, { token: user.token })).body.team
    .teamId;
  for (const name of ["one", "other!"]) {
    const target = { url: "https://receiver.example/" };
    const job = { name: jobOf(name), schedule: { every: "1h" }, target };
    await call("POST", "/api/admin/jobs", job);
    const endpoint = { ...target, events: ["*"] };
    const made = await call("POST", "/api/webhook-endpoints", endpoint, { token: user.token });
    endpoints[name] = made.body.endpoint.id;
  }
});

let teamId = "";
const endpoints: Record<string, string> = {};
const jobOf = (name: string): string => `${name.replace("!", "")}-${n}`;

type Creating = {
  path: (name: string) => string;
  table: string;
  body: (name: string) => unknown;
  /** Without it the operator asks. */
  byUser?: true;
  /** Of a repeat. */
  status?: number;
  /** Of the first request. */
  created?: number;
  headers?: Record<string, string>;
};

const newTemplate = (name: string) => ({
  name: `${name.replace("!", "-2")}-${n}`,
  subject: "Hi",
  html: "<p>Hi</p>",
});
const newVersion = (name: string) => ({ subject: name, html: "<p>Hi</p>", publish: true });
const versions = "email_template_versions";

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
  createTemplate: {
    path: () => "/api/admin/email/templates",
    table: "email_templates",
    body: newTemplate,
  },
  createOwnTemplate: {
    path: () => "/api/templates",
    table: "email_templates",
    body: newTemplate,
    byUser: true,
  },
  addTemplateVersion: {
    path: () => `/api/admin/email/templates/base-${n}/versions`,
    table: versions,
    body: newVersion,
  },
  addOwnTemplateVersion: {
    path: () => `/api/templates/base-${n}/versions`,
    table: versions,
    body: newVersion,
    byUser: true,
  },
  createInvitation: {
    path: () => `/api/teams/${teamId}/invitations`,
    table: "team_invitations",
    body: (name) => ({ email: `${name.replace("!", "")}-${n}@example.com`, role: "member" }),
    byUser: true,
  },
  testWebhookEndpoint: {
    path: (name) => `/api/webhook-endpoints/${endpoints[name]}/test`,
    table: "webhook_events WHERE type = 'webhook.test'",
    body: () => undefined,
    byUser: true,
    created: 202,
    status: 202,
  },
  runJob: {
    path: (name) => `/api/admin/jobs/${jobOf(name)}/run`,
    table: "deliveries WHERE kind = 'job'",
    body: () => undefined,
    created: 202,
    status: 202,
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
    return await call("POST", path(name), sent, {
      ...(byUser === true && { token: user.token }),
      headers: { ...rest.headers, ...length, "Idempotency-Key": key },
    });
  };

  it("is answered with what the first request created, and creates nothing again", async () => {
    const first = await ask("one", `a-${n}`);
    expect(first.status).toBe(rest.created ?? 201);
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

const aRepeat = "a repeat has the effect of the first request";
const aSecret = "the answer has a secret, which is not kept: a repeat makes another one";
/** A POST that answers 201 and takes no Idempotency-Key, with the reason. */
const withoutKey: Record<string, string> = {
  pauseEmails: aRepeat,
  suppress: aRepeat,
  rotateApiKey: aSecret,
  rotateJobSecret: aSecret,
  rotateOperatorKey: aSecret,
  rotateTeamKey: aSecret,
  rotateUserKey: aSecret,
  rotateWebhookSecret: aSecret,
};

it("each POST that creates takes an Idempotency-Key, except where a reason is stated", () => {
  const creates = operations.filter(({ method, answers }) => method === "POST" && 201 in answers);
  const without = creates.filter(({ idempotent }) => idempotent !== true);
  expect(without.map(({ id }) => id).toSorted()).toEqual(Object.keys(withoutKey).toSorted());
  const tested = operations.filter(({ idempotent }) => idempotent === true).map(({ id }) => id);
  expect(tested.filter((id) => creating[id] === undefined && !elsewhere.has(id))).toEqual([]);
});
