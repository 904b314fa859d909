import { env } from "cloudflare:workers";
import { Webhook } from "standardwebhooks";
import { isWrite, type Operation } from "../../shared/contract/operation.ts";
import { scopeNamed } from "../../shared/contract/scopes.ts";
import { unsubscribeUrl } from "../../shared/email/unsubscribe.ts";
import type { ApiEnv } from "../../workers/env.ts";
import { call, callWith, deadDatabase } from "../api/support.ts";

/**
 * How each documented answer of each operation is produced: what is asked, by whom, and what fails
 * meanwhile.
 */

export type Asked = {
  path: string;
  body?: unknown;
  token?: string | null;
  headers?: Record<string, string>;
  bindings?: Partial<ApiEnv>;
  defect?: true;
};

let next = 0;
const id = (): string => `produced-${(next += 1)}`;

type Person = { userId: string; token: string; email: string };

async function person(tier = "pro"): Promise<Person> {
  const userId = id();
  const email = `${userId}@example.com`;
  const { body } = await call("POST", "/api/users", { userId, email, tier });
  return { userId, email, token: body.apiKey };
}

async function teamOf(owner: Person): Promise<string> {
  return (await call("POST", "/api/teams", { name: "Team" }, { token: owner.token })).body.team
    .teamId;
}

async function workspaceOf({ token }: Person, teamId?: string): Promise<string> {
  const { body } = await call("POST", "/api/workspaces", { name: "Desk", teamId }, { token });
  return body.workspace.workspaceId;
}

/** A member of fifty teams. */
async function busyPerson(): Promise<Person> {
  const busy = await person();
  const prefix = id();
  await manyRows(
    "INSERT INTO teams (team_id, name, created_at) VALUES (?1 || ?2, 'x', 0)",
    50,
    prefix,
  );
  await env.DB.prepare(
    `INSERT INTO team_members (team_id, user_id, role, joined_at) SELECT team_id, ?1, 'owner', 0
      FROM teams WHERE team_id LIKE ?2 || '%' ORDER BY team_id LIMIT 50`,
  )
    .bind(busy.userId, prefix)
    .run();
  return busy;
}

/** A D1 where the owner of the team has another role during each batch. */
function changingRole(teamId: string): Partial<ApiEnv> {
  const become = async (role: string) =>
    await env.DB.prepare("UPDATE team_members SET role = ?2 WHERE team_id = ?1")
      .bind(teamId, role)
      .run();
  const DB = {
    prepare: (sql: string) => env.DB.prepare(sql),
    batch: async (statements: D1PreparedStatement[]) => {
      await become("admin");
      const replies = await env.DB.batch(statements);
      await become("owner");
      return replies;
    },
  } as unknown as D1Database;
  return { DB };
}

/** What an owner asks of their team while their role changes all the time. */
const ofChangingTeam = (body?: unknown) => async (): Promise<Asked> => {
  const owner = await person();
  const teamId = await teamOf(owner);
  return {
    path: `/api/teams/${teamId}`,
    body,
    token: owner.token,
    bindings: changingRole(teamId),
  };
};
const ofChangingWorkspace = (body?: unknown) => async (): Promise<Asked> => {
  const owner = await person();
  const teamId = await teamOf(owner);
  return {
    path: `/api/workspaces/${await workspaceOf(owner, teamId)}`,
    body,
    token: owner.token,
    bindings: changingRole(teamId),
  };
};

async function newEmail(status?: string): Promise<string> {
  const sendAt = new Date(Date.now() + 3_600_000).toISOString();
  const { body } = await call("POST", "/api/emails", {
    to: "ada@example.com",
    subject: "Hi",
    text: "Hi",
    sendAt,
  });
  if (status !== undefined)
    await env.DB.prepare("UPDATE emails SET status = ?2 WHERE id = ?1").bind(body.id, status).run();
  return body.id;
}

async function firingAlert(): Promise<string> {
  const key = `task:${id()}`;
  await env.DB.prepare(
    "INSERT INTO alerts (key, holds_since, fired_at, summary, revision) VALUES (?1, 1, 1, 'x', 1)",
  )
    .bind(key)
    .run();
  return encodeURIComponent(key);
}

const silence = () => ({
  match: "breaker:*",
  reason: "maintenance",
  endsAt: new Date(Date.now() + 3_600_000).toISOString(),
});

async function waitingEmail(): Promise<string> {
  const email = await newEmail("queued");
  await env.DB.prepare("UPDATE emails SET wait_class = 'server', waiting_since = 1 WHERE id = ?")
    .bind(email)
    .run();
  return email;
}

async function deadLetter(): Promise<string> {
  const dead = await newEmail("dead");
  await env.DB.prepare(
    `INSERT INTO dead_letters (id, kind, generation, reason, attempts, buried_at, expires_at)
      VALUES (?1, 'email', 1, 'exhausted', 4, 0, ?2)`,
  )
    .bind(dead, Date.now() + 86_400_000)
    .run();
  return dead;
}

const noEndpoint = {
  endpointId: `we_${"0".repeat(32)}`,
  deliveryId: `evt_${"0".repeat(32)}.we_${"0".repeat(32)}`,
  runId: `job_${"0".repeat(32)}.1`,
};
const newEndpoint = { url: "https://example.com/hook", events: ["email.*"] };

async function endpoint(suffix = ""): Promise<string> {
  const { body } = await call("POST", "/api/webhook-endpoints", newEndpoint, {
    token: (await person()).token,
  });
  return `/api/webhook-endpoints/${body.endpoint.id}${suffix}`;
}

const newHeartbeat = { name: "Backup", schedule: { every: "1d" }, graceSeconds: 60 };

async function heartbeat(suffix = ""): Promise<string> {
  const { token } = await person();
  const { body } = await call("POST", "/api/heartbeats", newHeartbeat, { token });
  return `/api/heartbeats/${body.id}${suffix}`;
}

async function pingPath(suffix = ""): Promise<string> {
  const { pingUrl } = (await call("GET", await heartbeat())).body;
  return new URL(pingUrl).pathname + suffix;
}

/** Answers of an operation that takes pings. */
const ofPings = (suffix: string) => ({
  200: async () => ({ path: await pingPath(suffix), token: null }),
  404: at(`/ping/00000000-0000-4000-8000-000000000000${suffix}`, { token: null }),
  422: at(`/ping/00000000-0000-4000-8000-000000000000${suffix}?rid=x`, { token: null }),
  503: async () => ({
    path: await pingPath(suffix),
    token: null,
    bindings: { HEARTBEAT: { getByName: () => ({}) } as never },
  }),
});

/** A test delivery that is not under way or waiting any more, or still is. */
async function webhookDelivery(status: string): Promise<string> {
  const path = await endpoint();
  const { deliveryId } = (await call("POST", `${path}/test`)).body;
  await env.DB.prepare("UPDATE deliveries SET status = ?2 WHERE id = ?1")
    .bind(deliveryId, status)
    .run();
  return `${path}/deliveries/${deliveryId}/replay`;
}

const newJob = (): { name: string; schedule: object; target: object } => ({
  name: `job-${id()}`,
  schedule: { cron: "30 2 * * *" },
  target: { url: "https://example.com/hook" },
});

async function job(suffix = ""): Promise<string> {
  const { body } = await call("POST", "/api/admin/jobs", newJob());
  return `/api/admin/jobs/${body.job.name}${suffix}`;
}

/** A run of a job that has ended, or has not. */
async function jobRun(status: string): Promise<string> {
  const path = await job();
  const { runId } = (await call("POST", `${path}/run`)).body;
  await env.DB.prepare("UPDATE deliveries SET status = ?2 WHERE id = ?1").bind(runId, status).run();
  return `${path}/history/${runId}/replay`;
}

const MISSING_JOB = "/api/admin/jobs/no-such-job";

/** What a built-in task refuses. */
const ofTask = (suffix: string, body?: unknown) => async (): Promise<Asked> => {
  await env.DB.prepare(
    `INSERT INTO task_states (task, last_slot, first_seen_at) VALUES ('sweep-outbox', 0, 0)
     ON CONFLICT (task) DO NOTHING`,
  ).run();
  return { path: `/api/admin/jobs/sweep-outbox${suffix}`, body, bindings: { CRON: cron() } };
};

/** A sender of an operator. */
async function senderPath(): Promise<string> {
  const { body } = await call("POST", "/api/admin/email/senders", {
    address: `${id()}@example.com`,
    tenant: "producer",
  });
  return `/api/admin/email/senders/${body.id}`;
}

const newTemplate = { subject: "Hi {{name}}", html: "<p>{{name}}</p>", example: { name: "Ada" } };

/** A shared template with two versions, or one of a mailer. */
async function templatePath(suffix = ""): Promise<Asked> {
  const name = id();
  // What made another answer full.
  await env.DB.prepare("UPDATE email_templates SET bytes = 1").run();
  await call("POST", "/api/admin/email/templates", { name, ...newTemplate, publish: true });
  const path = `/api/admin/email/templates/${name}`;
  await call("POST", `${path}/versions`, newTemplate);
  return { path: `${path}${suffix}` };
}
async function ownTemplatePath(suffix = ""): Promise<Asked> {
  const [name, { token }] = [id(), await mailer()];
  await call("POST", "/api/templates", { name, ...newTemplate, publish: true }, { token });
  const path = `/api/templates/${name}`;
  await call("POST", `${path}/versions`, newTemplate, { token });
  return { path: `${path}${suffix}`, token };
}

/** How each answer about a template is produced. `at`: its path with a suffix. */
const templateAnswers = (list: string, at: (suffix?: string) => Promise<Asked>) => {
  const on = (suffix: string, body?: unknown) => async () => ({ ...(await at(suffix)), body });
  const full = async () => {
    await env.DB.prepare("UPDATE email_templates SET bytes = 1000000000").run();
  };
  return {
    list: { 200: async () => ({ path: list }) },
    create: {
      201: async () => ({ path: list, body: { name: id(), ...newTemplate } }),
      409: async () => {
        const { path, token: own } = await at();
        const name = path.split("/").at(-1);
        return {
          path: list,
          body: { name, ...newTemplate },
          ...(own !== undefined && { token: own }),
        };
      },
    },
    get: { 200: on("") },
    remove: { 204: on("") },
    add: {
      201: on("/versions", newTemplate),
      409: async () => {
        const asked = await at("/versions");
        await full();
        return { ...asked, body: newTemplate };
      },
    },
    version: { 200: on("/versions/1") },
    publish: { 200: on("/versions/2/publish") },
    show: { 200: on("/preview") },
    draft: {
      200: on("/preview", newTemplate),
      404: async () => ({ path: `${list}/No_Name/preview`, body: newTemplate }),
    },
    test: {
      202: on("/test", { to: "ada@example.com" }),
      409: async () => {
        const asked = await at("/test");
        const headers = { "Idempotency-Key": id() };
        const options = { headers, ...(asked.token !== undefined && { token: asked.token }) };
        await call("POST", asked.path, { to: "ada@example.com" }, options);
        return { ...asked, headers, body: { to: "eve@example.com" } };
      },
    },
  };
};

/** Who may send emails. */
async function mailer(): Promise<Person> {
  const one = await person();
  await call("PATCH", `/api/users/${one.userId}`, { scopes: ["emails:send"] });
  return one;
}

async function ownSender(body: object, suffix = ""): Promise<Asked> {
  const { token } = await mailer();
  const made = await call("POST", "/api/senders", body, { token });
  return { path: `/api/senders/${made.body.id}${suffix}`, token };
}

async function suspend(userId: string): Promise<void> {
  await env.DB.prepare(
    "UPDATE users SET suspended_at = 1, suspended_reason = 'spam' WHERE user_id = ?1",
  )
    .bind(userId)
    .run();
}

/** The link to verify an address. */
async function verifyPath(then = async (_userId: string): Promise<void> => {}): Promise<string> {
  const address = `${id()}@example.com`;
  const { userId, token } = await mailer();
  await call("POST", "/api/senders", { address }, { token });
  await then(userId);
  const text = await env.DB.prepare(
    `SELECT c.text FROM emails e JOIN email_contents c ON c.email_id = e.id
     WHERE e.to_address = ?1`,
  )
    .bind(address)
    .first<string>("text");
  return /\/verify-sender\/[\w-]+/.exec(text ?? "")?.[0] ?? "";
}

async function unsubscribePath(): Promise<string> {
  const { PUBLIC_URL: publicUrl = "", UNSUBSCRIBE_SECRET: secret = "" } = env;
  return new URL(await unsubscribeUrl({ publicUrl, secret }, await newEmail())).pathname;
}

function signedWebhook(type = "email.clicked", data: object = {}): Asked {
  const payload = JSON.stringify({ type, created_at: new Date().toISOString(), data });
  const [messageId, at] = [id(), new Date()];
  const headers = {
    "svix-id": messageId,
    "svix-timestamp": String(Math.floor(at.getTime() / 1_000)),
    "svix-signature": new Webhook(env.WEBHOOK_SECRET_RESEND ?? "").sign(messageId, at, payload),
  };
  return { path: "/api/webhooks/resend", body: payload, token: null, headers };
}

/** luna-cron, which does not run beside the Worker under test. */
const error = { message: "it broke" };
const run = { task: "sweep-outbox", runId: "r", status: "failure" as const, duration: 1, error };
export const cron = (changes: Partial<ApiEnv["CRON"]> = {}): ApiEnv["CRON"] =>
  ({
    list: async () => [
      {
        name: "sweep-outbox",
        cron: "* * * * *",
        timeoutMs: 1,
        graceMs: 1,
        overlap: "skip",
        nextAt: Date.now(),
      },
    ],
    run: async (name: string) => (name === "sweep-outbox" ? run : { status: "not-found" }),
    retry: async (runId: string) =>
      runId === "r"
        ? { task: "sweep-outbox", runId, status: "success", duration: 1, result: { done: 1 } }
        : { status: "not-found" },
    tick: async () => ({
      executionId: "e",
      startedAt: Date.now(),
      total: 1,
      successful: 0,
      failed: 1,
      duration: 1,
      results: [
        run,
        { task: "x", status: "skipped" },
        { task: "x", status: "missed", missed: { from: 0, until: 0, count: 1 } },
      ],
    }),
    register: async () => undefined,
    ...changes,
  }) as unknown as ApiEnv["CRON"];

/** The link to confirm a change of address. */
async function confirmPath(
  email = `${id()}@example.com`,
  then = async (_userId: string): Promise<void> => {},
): Promise<string> {
  const { userId, token } = await person();
  await call("PATCH", `/api/users/${userId}`, { email }, { token });
  await then(userId);
  const text = await env.DB.prepare(
    `SELECT c.text FROM emails e JOIN email_contents c ON c.email_id = e.id
     WHERE e.to_address = ?1`,
  )
    .bind(email)
    .first<string>("text");
  return /\/confirm-address\/[\w-]+/.exec(text ?? "")?.[0] ?? "";
}

/** A link to confirm the address of a suspended user. */
const suspendedPath = (): Promise<string> => confirmPath(`${id()}@example.com`, suspend);

/** An invitation to the address of a user, of a team with that owner. */
async function invitation(guest: Person, owner?: Person): Promise<{ id: string; path: string }> {
  const inviter = owner ?? (await person());
  const path = `/api/teams/${await teamOf(inviter)}/invitations`;
  const { body } = await call("POST", path, { email: guest.email }, { token: inviter.token });
  return { id: body.invitation.id, path: `${path}/${body.invitation.id}` };
}

/** The link of an invitation. */
async function invitationPath(guest: Person): Promise<string> {
  await invitation(guest);
  const text = await env.DB.prepare(
    `SELECT c.text FROM emails e JOIN email_contents c ON c.email_id = e.id
     WHERE e.to_address = ?1 AND c.text LIKE '%/invitations/%'`,
  )
    .bind(guest.email)
    .first<string>("text");
  return /\/invitations\/[\w-]+/.exec(text ?? "")?.[0] ?? "";
}

const pressing = (choice: string): Partial<Asked> => ({
  token: null,
  body: `choice=${choice}`,
  headers: { "Content-Type": "application/x-www-form-urlencoded" },
});

const ofUser =
  (suffix = "", rest: Partial<Asked> = {}) =>
  async (): Promise<Asked> => {
    const { userId } = await person();
    return { path: `/api/users/${userId}${suffix}`, ...rest };
  };
const at =
  (path: string, rest: Partial<Asked> = {}) =>
  async (): Promise<Asked> => ({ path, ...rest });
const reason = { reason: "a test" };
const tagIndexDown = {
  getByName: () => ({
    purge: () => Promise.reject(new Error("down")),
    sync: () => Promise.reject(new Error("down")),
  }),
} as unknown as ApiEnv["CACHE_TAG_INDEX"];

async function manyRows(sql: string, count: number, ...bound: unknown[]): Promise<void> {
  await env.DB.batch(
    Array.from({ length: count }, (_, n) => env.DB.prepare(sql).bind(...bound, n)),
  );
}

const newKey = { name: "Batch jobs", scopes: ["emails:read"] };
const operatorKeys = "/api/admin/api-keys";
const keysOfUser = async (): Promise<string> => `/api/users/${(await person()).userId}/api-keys`;
const keysOfTeam = async (): Promise<string> =>
  `/api/teams/${await teamOf(await person())}/api-keys`;

async function keyAt(path: string): Promise<string> {
  await noKeys(path);
  return `${path}/${(await call("POST", path, newKey)).body.key.id}`;
}

const ownerAt = (path: string): string =>
  path === operatorKeys ? "admin" : path.replace(/^.api.(user|team)s.(.+).api-keys$/, "$1:$2");

async function noKeys(path: string): Promise<void> {
  await env.DB.prepare("DELETE FROM api_keys WHERE owner = ?1").bind(ownerAt(path)).run();
}

async function repeated(path: string): Promise<Asked> {
  await noKeys(path);
  const repeat = { path, body: newKey, headers: { "Idempotency-Key": id() } };
  await call("POST", path, newKey, repeat);
  return repeat;
}

async function withManyKeys(path: string): Promise<Asked> {
  await manyRows(
    `INSERT INTO api_keys
       (id, owner, name, prefix, hash, scopes, test, created_by, created_at, updated_at)
     VALUES (?1 || ?2, ?1, 'x', 'x', ?1 || ?2, '[]', 0, 'x', 0, 0)`,
    100,
    ownerAt(path),
  );
  return { path, body: newKey };
}

/** What is accepted, and 409: it takes a state of its own. */
const ofShared = templateAnswers("/api/admin/email/templates", templatePath);
const ofOwn = templateAnswers("/api/templates", ownTemplatePath);

const special: Record<string, Record<number, () => Promise<Asked>>> = {
  getHealth: {
    200: at("/health", { token: null }),
    503: at("/health", { token: null, bindings: { DB: deadDatabase } }),
  },
  getOpenApi: { 200: at("/openapi.json", { token: null }) },
  getStart: { 200: at("/", { token: null }) },
  getDocs: { 200: at("/docs", { token: null }) },
  createUser: {
    200: async () => {
      const body = { userId: id(), email: `${id()}@example.com` };
      const repeat = { path: "/api/users", body, headers: { "Idempotency-Key": id() } };
      await call("POST", repeat.path, body, repeat);
      return repeat;
    },
    201: async () => ({ path: "/api/users", body: { userId: id(), email: `${id()}@example.com` } }),
    409: async () => ({
      path: "/api/users",
      body: { userId: id(), email: (await person()).email },
    }),
  },
  findUser: {
    200: async () => ({ path: `/api/users?email=${(await person()).email}` }),
    404: at("/api/users?email=nobody@example.com"),
  },
  getUser: { 200: ofUser() },
  updateUser: {
    200: ofUser("", { body: { tier: "free" } }),
    409: async () => ({
      path: `/api/users/${(await person()).userId}`,
      body: { email: (await person()).email },
    }),
  },
  askToConfirmAddress: {
    200: async () => ({ path: await confirmPath(), token: null }),
    403: async () => ({ path: await suspendedPath(), token: null }),
    503: at("/confirm-address/x", { token: null, bindings: { DB: deadDatabase } }),
  },
  confirmAddress: {
    200: async () => ({ path: await confirmPath(), token: null }),
    403: async () => ({ path: await suspendedPath(), token: null }),
    409: async () => {
      const email = `${id()}@example.com`;
      const path = await confirmPath(email);
      await call("POST", "/api/users", { userId: id(), email });
      return { path, token: null };
    },
    503: async () => ({ path: await confirmPath(), token: null, bindings: { EMAIL_FROM: "" } }),
  },
  deleteUser: {
    204: ofUser(),
    409: async () => {
      const owner = await person();
      await call("POST", `/api/teams/${await teamOf(owner)}/members`, {
        userId: (await person()).userId,
      });
      return { path: `/api/users/${owner.userId}` };
    },
  },
  rotateApiKey: {
    201: ofUser("/api-key"),
    409: async () => {
      const { userId } = await person();
      const revoke = env.DB.prepare("UPDATE users SET api_key_prefix = NULL WHERE user_id = ?1");
      const revoking = {
        prepare: (sql: string) => env.DB.prepare(sql),
        batch: async (statements: D1PreparedStatement[]) => {
          await revoke.bind(userId).run();
          return await env.DB.batch(statements);
        },
      };
      const bindings = { DB: revoking as unknown as D1Database };
      return { path: `/api/users/${userId}/api-key`, bindings };
    },
  },
  revokeApiKey: { 204: ofUser("/api-key") },
  createUserKey: {
    200: async () => await repeated(await keysOfUser()),
    201: async () => ({ path: await keysOfUser(), body: newKey }),
    409: async () => await withManyKeys(await keysOfUser()),
  },
  listUserKeys: { 200: async () => ({ path: `${await keysOfUser()}?limit=2` }) },
  rotateUserKey: {
    201: async () => ({ path: `${await keyAt(await keysOfUser())}/rotate`, body: {} }),
  },
  revokeUserKey: { 204: async () => ({ path: await keyAt(await keysOfUser()) }) },
  createTeamKey: {
    200: async () => await repeated(await keysOfTeam()),
    201: async () => ({ path: await keysOfTeam(), body: newKey }),
    409: async () => await withManyKeys(await keysOfTeam()),
  },
  listTeamKeys: { 200: async () => ({ path: `${await keysOfTeam()}?limit=2` }) },
  rotateTeamKey: {
    201: async () => ({ path: `${await keyAt(await keysOfTeam())}/rotate`, body: {} }),
  },
  revokeTeamKey: { 204: async () => ({ path: await keyAt(await keysOfTeam()) }) },
  createOperatorKey: {
    200: async () => await repeated(operatorKeys),
    201: at(operatorKeys, { body: { name: "CI", role: "support" } }),
    409: async () => await withManyKeys(operatorKeys),
  },
  listOperatorKeys: { 200: at(`${operatorKeys}?limit=2`) },
  rotateOperatorKey: {
    201: async () => ({ path: `${await keyAt(operatorKeys)}/rotate`, body: {} }),
  },
  revokeOperatorKey: { 204: async () => ({ path: await keyAt(operatorKeys) }) },
  getPermissions: { 200: ofUser("/permissions") },
  getSubscription: { 200: ofUser("/subscription") },
  getUsage: { 200: ofUser("/usage") },
  getTeams: { 200: ofUser("/teams") },
  getWorkspaces: { 200: ofUser("/workspaces") },
  addUsage: {
    200: ofUser("/usage", { body: { metric: "requests", amount: 3 } }),
    409: async () => {
      const { userId } = await person();
      await manyRows(
        `INSERT INTO usage_metrics (user_id, metric, amount, updated_at)
          VALUES (?1, 'm' || ?2, 0, 0)`,
        100,
        userId,
      );
      return { path: `/api/users/${userId}/usage`, body: { metric: "oneTooMany", amount: 1 } };
    },
  },
  usageHistory: { 200: ofUser("/usage/history?by=month") },
  exportUser: { 200: ofUser("/export") },
  getMe: { 200: async () => ({ path: "/api/me", token: (await person()).token }) },
  suspendUser: { 200: ofUser("/suspend", { body: reason }) },
  resumeUser: { 200: ofUser("/resume") },
  listUsers: { 200: at("/api/admin/users?limit=1") },
  createTeam: {
    201: async () => ({
      path: "/api/teams",
      body: { name: "Team" },
      token: (await person()).token,
    }),
    409: async () => ({
      path: "/api/teams",
      body: { name: "Team" },
      token: (await busyPerson()).token,
    }),
  },
  getTeam: { 200: async () => ({ path: `/api/teams/${await teamOf(await person())}` }) },
  renameTeam: {
    200: async () => ({
      path: `/api/teams/${await teamOf(await person())}`,
      body: { name: "Kern" },
    }),
    409: ofChangingTeam({ name: "Kern" }),
  },
  deleteTeam: {
    204: async () => ({ path: `/api/teams/${await teamOf(await person())}` }),
    409: ofChangingTeam(),
  },
  confirmMember: {
    200: async () => {
      const [owner, { userId, token }] = [await person(), await person()];
      const path = `/api/teams/${await teamOf(owner)}/members`;
      await call("POST", path, { userId }, { token: owner.token });
      return { path: `${path}/${userId}/confirm`, token };
    },
    404: async () => {
      const { userId, token } = await person();
      return {
        path: `/api/teams/${await teamOf(await person())}/members/${userId}/confirm`,
        token,
      };
    },
    409: async () => {
      const [owner, { userId, token }] = [await person(), await busyPerson()];
      const path = `/api/teams/${await teamOf(owner)}/members`;
      await call("POST", path, { userId }, { token: owner.token });
      return { path: `${path}/${userId}/confirm`, token };
    },
  },
  addMember: {
    200: async () => ({
      path: `/api/teams/${await teamOf(await person())}/members`,
      body: { userId: (await person()).userId },
    }),
    409: async () => {
      const owner = await person();
      return {
        path: `/api/teams/${await teamOf(owner)}/members`,
        body: { userId: owner.userId, role: "member" },
      };
    },
  },
  createInvitation: {
    201: async () => ({
      path: `/api/teams/${await teamOf(await person())}/invitations`,
      body: { email: `${id()}@example.com` },
    }),
    409: async () => {
      const owner = await person();
      const teamId = await teamOf(owner);
      await env.DB.prepare("INSERT INTO invitation_emails VALUES ('team:' || ?1, 50, ?2)")
        .bind(teamId, Date.now())
        .run();
      return { path: `/api/teams/${teamId}/invitations`, body: { email: "ada@example.com" } };
    },
  },
  listInvitations: {
    200: async () => ({ path: `/api/teams/${await teamOf(await person())}/invitations` }),
  },
  revokeInvitation: {
    204: async () => ({ path: (await invitation(await person())).path }),
    409: async () => {
      const guest = await person();
      const { id: invitationId, path } = await invitation(guest);
      await call("POST", "/api/invitations/decline", { invitationId }, { token: guest.token });
      return { path };
    },
  },
  listReceivedInvitations: { 200: ofUser("/invitations") },
  acceptInvitation: {
    200: async () => {
      const guest = await person();
      const body = { invitationId: (await invitation(guest)).id };
      return { path: "/api/invitations/accept", body, token: guest.token };
    },
    409: async () => {
      const guest = await busyPerson();
      const body = { invitationId: (await invitation(guest)).id };
      return { path: "/api/invitations/accept", body, token: guest.token };
    },
  },
  declineInvitation: {
    204: async () => {
      const guest = await person();
      const body = { invitationId: (await invitation(guest)).id };
      return { path: "/api/invitations/decline", body, token: guest.token };
    },
  },
  showInvitation: {
    200: async () => ({ path: await invitationPath(await person()), token: null }),
    503: at("/invitations/x", { token: null, bindings: { DB: deadDatabase } }),
  },
  answerInvitation: {
    200: async () => ({ path: await invitationPath(await person()), ...pressing("accept") }),
    403: async () => {
      const guest = await person();
      const path = await invitationPath(guest);
      await suspend(guest.userId);
      return { path, ...pressing("accept") };
    },
    409: async () => ({ path: await invitationPath(await busyPerson()), ...pressing("accept") }),
    503: at("/invitations/x", { ...pressing("accept"), bindings: { DB: deadDatabase } }),
  },
  removeMember: {
    204: async () => {
      const [team, { userId }] = [await teamOf(await person()), await person()];
      await call("POST", `/api/teams/${team}/members`, { userId });
      return { path: `/api/teams/${team}/members/${userId}` };
    },
    409: async () => {
      const owner = await person();
      return { path: `/api/teams/${await teamOf(owner)}/members/${owner.userId}` };
    },
  },
  createWorkspace: {
    201: async () => ({
      path: "/api/workspaces",
      body: { name: "Desk" },
      token: (await person()).token,
    }),
    404: async () => ({
      path: "/api/workspaces",
      body: { name: "Desk", teamId: "no-such-team" },
      token: (await person()).token,
    }),
    409: async () => {
      const { userId, token } = await person();
      await manyRows(
        `INSERT INTO workspaces (workspace_id, owner_id, name, created_at)
          VALUES (?1 || ?2, ?1, 'x', 0)`,
        100,
        userId,
      );
      return { path: "/api/workspaces", body: { name: "Desk" }, token };
    },
  },
  renameWorkspace: {
    200: async () => ({
      path: `/api/workspaces/${await workspaceOf(await person())}`,
      body: { name: "Studio" },
    }),
    409: ofChangingWorkspace({ name: "Studio" }),
  },
  deleteWorkspace: {
    204: async () => ({ path: `/api/workspaces/${await workspaceOf(await person())}` }),
    409: ofChangingWorkspace(),
  },
  uploadAttachment: {
    201: at("/api/attachments?filename=a.txt", {
      body: "Hi",
      headers: { "Content-Type": "text/plain", "Content-Length": "2" },
    }),
    409: async () => {
      const repeat = {
        path: "/api/attachments?filename=a.txt",
        body: "Hi",
        headers: { "Content-Length": "2", "Idempotency-Key": id() },
      };
      const { body } = await call("POST", repeat.path, repeat.body, repeat);
      await env.DB.prepare("DELETE FROM attachments WHERE id = ?1").bind(body.id).run();
      return repeat;
    },
    411: at("/api/attachments?filename=a.txt", { body: "Hi" }),
    413: at("/api/attachments?filename=a.txt", {
      body: "Hi",
      headers: { "Content-Length": "26214401" },
    }),
  },
  sendEmail: {
    202: at("/api/emails", { body: { to: "ada@example.com", subject: "Hi", text: "Hi" } }),
  },
  sendEmails: {
    202: at("/api/emails/batch", {
      body: { emails: [{ to: "ada@example.com", subject: "Hi", text: "Hi" }, {}] },
    }),
  },
  listEmails: {
    200: at("/api/emails?limit=2"),
    403: async () => ({ path: "/api/emails?tenant=admin", token: (await person()).token }),
  },
  listEmailCounts: {
    200: at("/api/email-counts?by=tag"),
    403: async () => ({ path: "/api/email-counts?tenant=admin", token: (await person()).token }),
  },
  getEmail: { 200: async () => ({ path: `/api/emails/${await newEmail()}` }) },
  cancelEmail: {
    200: async () => ({ path: `/api/emails/${await newEmail()}/cancel` }),
    409: async () => ({ path: `/api/emails/${await newEmail("sent")}/cancel` }),
  },
  moveEmail: {
    200: async () => ({
      path: `/api/emails/${await newEmail()}`,
      body: { sendAt: new Date(Date.now() + 7_200_000).toISOString() },
    }),
    404: at("/api/emails/no-such-thing", { body: { sendAt: new Date(0).toISOString() } }),
    409: async () => ({
      path: `/api/emails/${await newEmail("sent")}`,
      body: { sendAt: new Date(Date.now() + 7_200_000).toISOString() },
    }),
  },
  retryEmail: {
    200: async () => ({ path: `/api/admin/email/${await waitingEmail()}/retry` }),
    404: at("/api/admin/email/no-such-thing/retry"),
    409: async () => ({ path: `/api/admin/email/${await newEmail("sent")}/retry` }),
  },
  listPauses: { 200: at("/api/admin/email/pauses") },
  pauseEmails: {
    201: at("/api/admin/email/pauses", { body: { scope: "tenant:user:x", reason: "a test" } }),
  },
  resumeEmails: {
    204: async () => {
      const body = { scope: "sender:gone@example.com", reason: "a test" };
      await call("POST", "/api/admin/email/pauses", body);
      return { path: "/api/admin/email/pauses/sender%3Agone%40example.com" };
    },
    404: at("/api/admin/email/pauses/sender%3Anobody%40example.com"),
  },
  resolveEmail: {
    200: async () => ({
      path: `/api/admin/email/${await newEmail("unknown")}/resolve`,
      body: { status: "sent" },
    }),
  },
  listEmailTransports: { 200: at("/api/admin/email/transports") },
  resetEmailTransport: { 200: at("/api/admin/email/transports/smtp/reset", { body: reason }) },
  listSuppressions: { 200: at("/api/admin/email/suppressions") },
  suppress: {
    201: at("/api/admin/email/suppressions", {
      body: { address: "bob@example.com", note: "asked" },
    }),
  },
  exportSuppressions: { 200: at("/api/admin/email/suppressions/export") },
  importSuppressions: {
    200: at("/api/admin/email/suppressions/import", {
      body: "address",
      headers: { "Content-Type": "text/csv", "Content-Length": "7" },
    }),
    411: at("/api/admin/email/suppressions/import", { body: "address" }),
    413: at("/api/admin/email/suppressions/import", {
      body: "address",
      headers: { "Content-Length": "2097153" },
    }),
  },
  deleteSuppressions: {
    200: at("/api/admin/email/suppressions/delete", { body: { reason: "manual" } }),
  },
  unsuppress: {
    204: async () => {
      await call("POST", "/api/admin/email/suppressions", { address: "eve@example.com" });
      return { path: "/api/admin/email/suppressions/eve%40example.com" };
    },
    404: at("/api/admin/email/suppressions/nobody%40example.com"),
  },
  createSender: {
    201: at("/api/admin/email/senders", {
      body: { domain: "shared.example", name: "Shared", transport: ["smtp"] },
    }),
    409: async () => {
      const body = { address: `${id()}@example.com` };
      await call("POST", "/api/admin/email/senders", body);
      return { path: "/api/admin/email/senders", body };
    },
  },
  listSenders: { 200: at("/api/admin/email/senders?limit=2") },
  getSender: { 200: async () => ({ path: await senderPath() }) },
  updateSender: { 200: async () => ({ path: await senderPath(), body: { name: "Acme" } }) },
  deleteSender: { 204: async () => ({ path: await senderPath() }) },
  requestSender: {
    201: async () => ({
      path: "/api/senders",
      body: { domain: `${id()}.example`, name: "Acme" },
      token: (await mailer()).token,
    }),
    409: async () => {
      const body = { domain: `${id()}.example` };
      await call("POST", "/api/senders", body, { token: (await mailer()).token });
      await env.DB.prepare("UPDATE senders SET verified_at = 1, verified_by = 'dns'").run();
      return { path: "/api/senders", body, token: (await mailer()).token };
    },
  },
  listOwnSenders: { 200: at("/api/senders?limit=2") },
  getOwnSender: { 200: async () => await ownSender({ address: `${id()}@example.com` }) },
  verifySender: {
    200: async () => await ownSender({ address: `${id()}@example.com` }, "/verify"),
    // A tenant is sent so many links a day.
    409: async () => {
      const asked = await ownSender({ address: `${id()}@example.com` }, "/verify");
      await env.DB.prepare("UPDATE sender_links SET links = 1000").run();
      return asked;
    },
  },
  deleteOwnSender: { 204: async () => await ownSender({ address: `${id()}@example.com` }) },
  askToVerifySender: {
    200: async () => ({ path: await verifyPath(), token: null }),
    403: async () => ({ path: await verifyPath(suspend), token: null }),
    503: at("/verify-sender/x", { token: null, bindings: { DB: deadDatabase } }),
  },
  confirmSender: {
    200: async () => ({ path: await verifyPath(), token: null }),
    403: async () => ({ path: await verifyPath(suspend), token: null }),
    503: at("/verify-sender/x", { token: null, bindings: { DB: deadDatabase } }),
  },
  listTemplates: ofShared.list,
  createTemplate: ofShared.create,
  getTemplate: ofShared.get,
  deleteTemplate: ofShared.remove,
  addTemplateVersion: ofShared.add,
  getTemplateVersion: ofShared.version,
  publishTemplateVersion: ofShared.publish,
  previewTemplate: ofShared.show,
  previewTemplateDraft: ofShared.draft,
  testTemplate: ofShared.test,
  listOwnTemplates: ofOwn.list,
  createOwnTemplate: ofOwn.create,
  getOwnTemplate: ofOwn.get,
  deleteOwnTemplate: ofOwn.remove,
  addOwnTemplateVersion: ofOwn.add,
  getOwnTemplateVersion: ofOwn.version,
  publishOwnTemplateVersion: ofOwn.publish,
  previewOwnTemplate: ofOwn.show,
  previewOwnTemplateDraft: ofOwn.draft,
  testOwnTemplate: ofOwn.test,
  takeWebhook: {
    200: async () => signedWebhook(),
    400: at("/api/webhooks/resend", { body: "{}", token: null }),
    404: at("/api/webhooks/nobody", { body: "{}", token: null }),
    413: at("/api/webhooks/resend", { body: "x".repeat(70_000), token: null }),
    503: async () => ({
      ...signedWebhook("email.delivered", {
        email_id: id(),
        to: ["ada@example.com"],
        tags: { luna_email: `${await newEmail("sent")}_1` },
      }),
      bindings: { DB: deadDatabase },
    }),
  },
  askToUnsubscribe: {
    200: async () => ({ path: await unsubscribePath(), token: null }),
    503: async () => ({
      path: await unsubscribePath(),
      token: null,
      bindings: { DB: deadDatabase },
    }),
  },
  unsubscribe: {
    200: async () => ({ path: await unsubscribePath(), token: null }),
    503: async () => ({
      path: await unsubscribePath(),
      token: null,
      bindings: { DB: deadDatabase },
    }),
  },
  createHeartbeat: {
    200: async () => {
      const repeat = {
        path: "/api/heartbeats",
        body: newHeartbeat,
        token: (await person()).token,
        headers: { "Idempotency-Key": "k" },
      };
      await call("POST", repeat.path, repeat.body, repeat);
      return repeat;
    },
    201: async () => ({
      path: "/api/heartbeats",
      body: newHeartbeat,
      token: (await person()).token,
    }),
    409: async () => {
      const { userId, token } = await person();
      await manyRows(
        `INSERT INTO heartbeats
           (id, token, tenant, name, schedule, grace_ms, created_at, updated_at)
          VALUES (?1 || ?2, 't', 'user:' || ?1, 'x', '{"every":"1d"}', 60000, 0, 0)`,
        100,
        userId,
      );
      return { path: "/api/heartbeats", body: newHeartbeat, token };
    },
  },
  listHeartbeats: { 200: at("/api/heartbeats?limit=2") },
  getHeartbeat: { 200: async () => ({ path: await heartbeat() }) },
  updateHeartbeat: { 200: async () => ({ path: await heartbeat(), body: { name: "Restore" } }) },
  deleteHeartbeat: { 204: async () => ({ path: await heartbeat() }) },
  pauseHeartbeat: { 200: async () => ({ path: await heartbeat("/pause") }) },
  resumeHeartbeat: { 200: async () => ({ path: await heartbeat("/resume") }) },
  heartbeatHistory: { 200: async () => ({ path: await heartbeat("/history?limit=2") }) },
  pingHeartbeat: ofPings(""),
  postPing: ofPings(""),
  signalHeartbeat: ofPings("/start"),
  postSignal: ofPings("/1"),
  createWebhookEndpoint: {
    200: async () => {
      const repeat = {
        path: "/api/webhook-endpoints",
        body: newEndpoint,
        token: (await person()).token,
        headers: { "Idempotency-Key": "k" },
      };
      await call("POST", repeat.path, repeat.body, repeat);
      return repeat;
    },
    201: async () => ({
      path: "/api/webhook-endpoints",
      body: newEndpoint,
      token: (await person()).token,
    }),
    409: async () => {
      const { userId, token } = await person();
      await manyRows(
        `INSERT INTO webhook_endpoints (id, tenant, url, events, secret, created_at, updated_at)
          VALUES (?1 || ?2, 'user:' || ?1, 'https://example.com', '["*"]', 's', 0, 0)`,
        20,
        userId,
      );
      return { path: "/api/webhook-endpoints", body: newEndpoint, token };
    },
  },
  listWebhookEndpoints: { 200: at("/api/webhook-endpoints?limit=2") },
  getWebhookEndpoint: { 200: async () => ({ path: await endpoint() }) },
  updateWebhookEndpoint: {
    200: async () => ({ path: await endpoint(), body: { events: ["*"], description: "All" } }),
  },
  deleteWebhookEndpoint: { 204: async () => ({ path: await endpoint() }) },
  pauseWebhookEndpoint: { 200: async () => ({ path: await endpoint("/pause") }) },
  resumeWebhookEndpoint: { 200: async () => ({ path: await endpoint("/resume") }) },
  rotateWebhookSecret: { 201: async () => ({ path: await endpoint("/secret") }) },
  testWebhookEndpoint: { 202: async () => ({ path: await endpoint("/test") }) },
  listWebhookDeliveries: { 200: async () => ({ path: await endpoint("/deliveries?limit=2") }) },
  replayWebhookDelivery: {
    202: async () => ({ path: await webhookDelivery("dead") }),
    409: async () => ({ path: await webhookDelivery("pending") }),
  },
  replayWebhookDeliveries: { 202: async () => ({ path: await endpoint("/replay"), body: {} }) },
  createJob: {
    200: async () => {
      const body = newJob();
      const repeat = { path: "/api/admin/jobs", body, headers: { "Idempotency-Key": body.name } };
      await call("POST", repeat.path, repeat.body, repeat);
      return repeat;
    },
    201: async () => ({ path: "/api/admin/jobs", body: newJob() }),
    409: async () => {
      const body = newJob();
      await call("POST", "/api/admin/jobs", body);
      return { path: "/api/admin/jobs", body };
    },
  },
  listJobs: { 200: at("/api/admin/jobs", { bindings: { CRON: cron() } }) },
  getJob: { 200: async () => ({ path: await job() }), 404: at(MISSING_JOB) },
  putJob: {
    200: async () => {
      const { name: _, ...body } = newJob();
      return { path: await job(), body };
    },
    201: async () => {
      const { name, ...body } = newJob();
      return { path: `/api/admin/jobs/${name}`, body };
    },
    409: async () => {
      const { name: _, ...body } = newJob();
      return await ofTask("", body)();
    },
  },
  updateJob: {
    200: async () => ({ path: await job(), body: { overlap: "queue" } }),
    404: at(MISSING_JOB, { body: { overlap: "queue" } }),
    409: ofTask("", { overlap: "queue" }),
  },
  deleteJob: {
    204: async () => ({ path: await job() }),
    404: at(MISSING_JOB),
    409: ofTask(""),
  },
  pauseJob: {
    200: async () => ({ path: await job("/pause") }),
    404: at(`${MISSING_JOB}/pause`),
    409: ofTask("/pause"),
  },
  resumeJob: {
    200: async () => ({ path: await job("/resume") }),
    404: at(`${MISSING_JOB}/resume`),
    409: ofTask("/resume"),
  },
  runJob: {
    202: async () => ({ path: await job("/run") }),
    404: at(`${MISSING_JOB}/run`),
    409: async () => {
      const path = await job("/run");
      await call("POST", path);
      return { path };
    },
  },
  rotateJobSecret: {
    201: async () => ({ path: await job("/secret") }),
    404: at(`${MISSING_JOB}/secret`),
    409: ofTask("/secret"),
  },
  listJobRuns: {
    200: async () => ({ path: await job("/history?limit=2") }),
    404: at(`${MISSING_JOB}/history`),
    409: ofTask("/history"),
  },
  nextJobTimes: {
    200: async () => ({ path: await job("/next") }),
    404: at(`${MISSING_JOB}/next`),
  },
  replayJobRun: {
    202: async () => ({ path: await jobRun("dead") }),
    409: async () => ({ path: await jobRun("pending") }),
  },
  replayJobRuns: {
    202: async () => ({ path: await job("/replay"), body: {} }),
    404: at(`${MISSING_JOB}/replay`, { body: {} }),
    409: ofTask("/replay", {}),
  },
  cacheMetrics: { 200: at("/api/cache/metrics") },
  invalidate: {
    200: at("/api/admin/cache/invalidate", { body: { keys: ["user:nobody"] } }),
    202: at("/api/admin/cache/invalidate", {
      body: { keys: ["user:nobody"] },
      bindings: { CACHE_TAG_INDEX: tagIndexDown },
    }),
  },
  inspectTag: { 200: at("/api/admin/cache/tags/user%3Anobody") },
  listCircuitBreakers: { 200: at("/api/admin/circuit-breakers") },
  getCircuitBreaker: { 200: at("/api/admin/circuit-breakers/cache") },
  circuitBreakerHistory: { 200: at("/api/admin/circuit-breakers/cache/history") },
  resetCircuitBreaker: { 200: at("/api/admin/circuit-breakers/cache/reset", { body: reason }) },
  closeCircuitBreaker: { 200: at("/api/admin/circuit-breakers/cache/close", { body: reason }) },
  disableCircuitBreaker: { 200: at("/api/admin/circuit-breakers/cache/disable", { body: reason }) },
  enableCircuitBreaker: { 200: at("/api/admin/circuit-breakers/cache/enable", { body: reason }) },
  openCircuitBreaker: { 200: at("/api/admin/circuit-breakers/cache/open", { body: reason }) },
  resetCacheBreaker: { 200: at("/api/admin/cache/reset-circuit-breaker") },
  listDeadLetterCauses: { 200: at("/api/admin/email/dlq-causes") },
  listDeadLetters: { 200: at("/api/admin/email/dlq") },
  getDeadLetter: { 200: async () => ({ path: `/api/admin/email/dlq/${await deadLetter()}` }) },
  discardDeadLetter: { 204: async () => ({ path: `/api/admin/email/dlq/${await deadLetter()}` }) },
  processDeadLetters: {
    200: async () => ({
      path: "/api/admin/email/process-dlq",
      body: { ids: [await deadLetter(), "no-such-email"] },
    }),
  },
  listScheduledTasks: { 200: at("/api/admin/scheduled-tasks", { bindings: { CRON: cron() } }) },
  scheduledTaskHistory: { 200: at("/api/admin/scheduled-tasks/history") },
  retryRun: {
    200: at("/api/admin/scheduled-tasks/history/r/retry", { bindings: { CRON: cron() } }),
    404: at("/api/admin/scheduled-tasks/history/x/retry", { bindings: { CRON: cron() } }),
    409: at("/api/admin/scheduled-tasks/history/r/retry", {
      bindings: {
        CRON: cron({ retry: async () => ({ status: "not-failed", is: "success" }) } as never),
      },
    }),
  },
  runTask: {
    200: at("/api/admin/scheduled-tasks/sweep-outbox/run", { bindings: { CRON: cron() } }),
    404: at("/api/admin/scheduled-tasks/x/run", { bindings: { CRON: cron() } }),
    409: at("/api/admin/scheduled-tasks/sweep-outbox/run", {
      bindings: {
        CRON: cron({
          run: async () => ({ status: "not-begun", why: "already-running", since: 0 }),
        } as never),
      },
    }),
  },
  tick: { 200: at("/api/admin/scheduled-tasks/tick", { bindings: { CRON: cron() } }) },
  scrapeMetrics: { 200: at("/metrics") },
  getTelemetry: { 200: at("/api/admin/telemetry?minutes=2") },
  getOperator: { 200: at("/api/admin/me") },
  listAlerts: { 200: at("/api/admin/alerts") },
  acknowledgeAlert: {
    204: async () => ({ path: `/api/admin/alerts/${await firingAlert()}/acknowledge` }),
    404: at("/api/admin/alerts/no-such-alert/acknowledge"),
  },
  unacknowledgeAlert: {
    204: async () => {
      const path = `/api/admin/alerts/${await firingAlert()}/acknowledge`;
      await call("POST", path);
      return { path };
    },
    404: at("/api/admin/alerts/no-such-alert/acknowledge"),
  },
  listSilences: { 200: at("/api/admin/alerts/silences") },
  silenceAlerts: {
    201: async () => ({ path: "/api/admin/alerts/silences", body: silence() }),
    409: async () => {
      const repeat = {
        path: "/api/admin/alerts/silences",
        body: silence(),
        headers: { "Idempotency-Key": id() },
      };
      const { body } = await call("POST", repeat.path, repeat.body, repeat);
      await env.DB.prepare("DELETE FROM alert_silences WHERE id = ?1").bind(body.id).run();
      return repeat;
    },
  },
  endSilence: {
    204: async () => {
      const { body } = await call("POST", "/api/admin/alerts/silences", silence());
      return { path: `/api/admin/alerts/silences/${String(body.id)}` };
    },
    404: at("/api/admin/alerts/silences/no-such-silence"),
  },
  listAudit: { 200: at("/api/admin/audit?limit=2") },
};

/** A user's key that has another scope. */
async function keyWithout(scope: string | null): Promise<string> {
  const { userId, token } = await person();
  const scopes = [scope === "users:read" ? "usage:read" : "users:read"];
  const path = `/api/users/${userId}/api-keys`;
  return (await call("POST", path, { name: "Narrow", scopes }, { token })).body.apiKey;
}

const full = { limit: async () => ({ success: false }) };
/** What follows from what the operation is. */
export async function ask(operation: Operation, status: number): Promise<Asked> {
  const { access, path, body, query } = operation;
  const own = special[operation.id]?.[status];
  if (own !== undefined) return await own();
  const known: Record<string, string> = {
    address: "nobody%40example.com",
    provider: "resend",
    transport: "resend",
    ...noEndpoint,
    heartbeatId: `hb_${"0".repeat(32)}`,
    ...(operation.tag === "heartbeats" && {
      token: "00000000-0000-4000-8000-000000000000",
      signal: "fail",
    }),
    senderId: `snd_${"0".repeat(32)}`,
    keyId: `key_${"0".repeat(32)}`,
    invitationId: `inv_${"0".repeat(32)}`,
    version: "1",
    name: "database",
  };
  const unknown = path.replace(
    /:(\w+)/g,
    (_, name: string) =>
      (status === 404 && name !== "address" ? null : known[name]) ?? "no-such-thing",
  );
  const token =
    access === "anyone"
      ? { token: null }
      : access === "user"
        ? { token: (await person()).token }
        : {};
  const asked: Asked = { path: unknown, ...token };
  switch (status) {
    case 400:
      return { ...asked, body: "{" };
    case 401:
      return { ...asked, token: null };
    case 403:
      if (operation.id === "findUser")
        return { path: `${path}?email=nobody@example.com`, token: (await person()).token };
      if (access === "caller" || access === "reader" || access === "person")
        return { ...asked, token: await keyWithout(scopeNamed(operation.id)) };
      return {
        ...asked,
        ...(access === "user"
          ? { token: env.ADMIN_TOKEN ?? "" }
          : { token: (await person()).token }),
      };
    case 404:
      return { ...asked, ...(body !== undefined && { body: minimalBody[operation.id] ?? {} }) };
    case 412: {
      const changing = await special[operation.id]?.[200]?.();
      return { ...asked, ...changing, headers: { "If-Match": '"another"' } };
    }
    case 413:
      return { ...asked, body: `"${"x".repeat((operation.maxBodyBytes ?? 1_048_576) + 1)}"` };
    case 414:
      return { ...asked, path: `${unknown}?x=${"x".repeat(9_000)}` };
    case 415:
      return {
        ...asked,
        body: "x=1",
        headers: { "Content-Type": "application/x-www-form-urlencoded" },
      };
    case 422:
      if (operation.id === "unsuppress")
        return { ...asked, path: "/api/admin/email/suppressions/nonsense" };
      if (isWrite(operation) && body === undefined)
        return {
          ...asked,
          headers: { "Idempotency-Key": "not supported, or too long ".repeat(10) },
        };
      return query !== undefined
        ? { ...asked, path: `${unknown}?no-such-parameter=1` }
        : { ...asked, body: { "no-such-field": 1 } };
    case 429: {
      const bindings = { RATE_LIMIT_KEY: full, RATE_LIMIT_IP: full };
      // From now on the isolate has stored that the network of the tests is over its limit.
      if (operation.signed === true)
        await callWith(bindings)("GET", "/no-such-path", undefined, { token: null });
      return { ...asked, bindings };
    }
    case 431:
      return { ...asked, headers: { "X-Large": "x".repeat(40_000) } };
    case 500:
      return { ...asked, defect: true };
    case 503:
      return { ...asked, bindings: { ADMIN_TOKEN: "" } };
    default:
      throw new Error(`no request is defined that makes ${operation.id} answer ${status}`);
  }
}

const minimalBody: Record<string, unknown> = {
  updateUser: { tier: "free" },
  addUsage: { metric: "m", amount: 1 },
  createUserKey: newKey,
  createTeamKey: newKey,
  suspendUser: reason,
  renameTeam: { name: "Kern" },
  renameWorkspace: { name: "Studio" },
  addMember: { userId: "nobody" },
  createInvitation: { email: "ada@example.com" },
  acceptInvitation: { invitationId: `inv_${"0".repeat(32)}` },
  declineInvitation: { invitationId: `inv_${"0".repeat(32)}` },
  resolveEmail: { status: "sent" },
  updateWebhookEndpoint: { events: ["*"] },
  updateSender: { name: "Acme" },
  updateHeartbeat: { name: "Restore" },
  previewTemplateDraft: newTemplate,
  previewOwnTemplateDraft: newTemplate,
  addTemplateVersion: newTemplate,
  addOwnTemplateVersion: newTemplate,
  testTemplate: { to: "ada@example.com" },
  testOwnTemplate: { to: "ada@example.com" },
  resetCircuitBreaker: reason,
  resetEmailTransport: reason,
  closeCircuitBreaker: reason,
  disableCircuitBreaker: reason,
  enableCircuitBreaker: reason,
  openCircuitBreaker: reason,
};
