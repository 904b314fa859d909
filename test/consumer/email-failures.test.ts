import { createMessageBatch } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import page from "../../docs/explain/email-failures.md?raw";
import { retryPolicy } from "../../shared/email/settings.ts";
import { runSweep } from "../../shared/email/sweep.ts";
import { isolateBreaker } from "../../shared/lib/circuit-breaker/guard.ts";
import type { BreakerSyncRequest } from "../../shared/lib/circuit-breaker/rules/rpc.ts";
import { fanOut } from "../../shared/lib/worker/fan-out.ts";
import worker from "../../workers/consumer/index.ts";
import type { ConsumerEnv } from "../../workers/env.ts";
import {
  notification,
  eventTypes,
  fakeQueue,
  emailRow,
  queueEmail,
  type EmailRow,
  waitLimits,
} from "../support/emails.ts";
import { eventually } from "../support/eventually.ts";
import { ungrouped } from "../support/grouped-rows.ts";
import { startServer, type ScriptedServer } from "../support/scripted-client.ts";
import type { HttpFault } from "../support/scripted-http.ts";
import type { SmtpFault, SmtpPhase } from "../support/scripted-smtp.ts";

/**
 * The failure matrix of docs/explain/email-failures.md, as it stands there: each row is what a
 * server does to an email. Every row runs through the whole consumer, on a real D1 and real
 * breakers, against a server of its own that does just that.
 */

/** What a row is called, which is its first four cells, and how it comes about. */
type Row = {
  transport: "smtp" | "resend";
  phase: string;
  does: string;
  onUnknown: "hold" | "resend";
  /** Null: nothing listens. */
  faults: (SmtpFault | HttpFault)[] | null;
  startTls?: boolean;
  variables?: Partial<ConsumerEnv>;
  /** What happens while the first hand-over is under way. Returns what the email was by then. */
  meanwhile?: (world: World) => Promise<string>;
  /** What happens before the email is handed over for the n-th time. */
  before?: (round: number, world: World) => Promise<void>;
};
type World = { id: string; server: ScriptedServer; deliver: () => Promise<void> };

const LATE = 3_000;
const AFTER_THE_DEADLINE = 33_000;

const smtp = (
  phase: string,
  does: string,
  faults: SmtpFault[] | null,
  more: Partial<Row> = {},
): Row => ({
  transport: "smtp",
  phase,
  does,
  onUnknown: "hold",
  faults,
  ...more,
});
const replies = (phase: SmtpPhase, label: string, ...lines: string[]): Row[] =>
  lines.map((line) => smtp(label, `\`${line}\``, [{ phase, do: "reply", line }]));
const dropsOrHangs = (phase: SmtpPhase, label: string): Row[] => [
  smtp(label, "drops the connection", [{ phase, do: "drop" }]),
  smtp(label, "never answers", [{ phase, do: "hang" }]),
];
const resend: Partial<Row> = { onUnknown: "resend" };
const tls: Partial<Row> = { variables: { SMTP_SECURITY: "starttls" }, startTls: true };
const overTls = (row: Row): Row => ({ ...row, ...tls });
const withPassword = (row: Row): Row => ({
  ...row,
  variables: { SMTP_USERNAME: "luna", SMTP_PASSWORD: "secret" },
});

/** The lease runs out and the cron sweeps; only then does the server answer. */
const outlivesItsLease = async ({ id, server, deliver }: World): Promise<string> => {
  await eventually(async () => expect((await server.report()).copies).toHaveLength(1));
  await env.DB.prepare("UPDATE emails SET lease_expires_at = 1 WHERE id = ? AND status = 'sending'")
    .bind(id)
    .run();
  const policy = retryPolicy({ EMAIL_MAX_RETRIES: "1" });
  if (!policy.ok) throw new Error(policy.error.message);
  const { queue } = fakeQueue();
  await runSweep(
    {
      db: env.DB,
      queue,
      deadLetterQueue: queue,
      policy: policy.value,
      waitLimits,
      everything: false,
    },
    Date.now(),
    Math.random,
  );
  const { status } = await emailRow(env.DB, id);
  if (isWaiting({ status })) {
    await makeDue(id);
    await deliver();
  }
  await server.release();
  return status;
};

const smtpRows: Row[] = [
  smtp("none", "takes every email", []),
  smtp("connect", "is not there", null),
  ...dropsOrHangs("connect", "connect"),
  smtp("connect", "drops the connection, the first time", [
    { phase: "connect", do: "drop", times: 1 },
  ]),
  ...replies(
    "banner",
    "banner",
    "421 4.3.2 not now",
    "451 4.3.0 busy",
    "554 5.7.1 go away",
    "hello?",
    "220-to be continued",
  ),
  ...dropsOrHangs("banner", "banner"),
  smtp("banner", "sends bytes that never become a line", [
    { phase: "banner", do: "babble", of: "bytes" },
  ]),
  smtp("banner", "sends bytes as fast as it can", [
    { phase: "banner", do: "babble", of: "as much as goes through" },
  ]),
  smtp("banner", "answers after 3 s", [{ phase: "banner", do: "late", ms: LATE }]),
  ...replies("ehlo", "EHLO", "421 4.3.2 not now", "451 4.3.0 busy", "550 5.7.1 go away", "hello?"),
  smtp("EHLO", "`502 5.5.1 unknown`, but takes HELO", [
    { phase: "ehlo", do: "reply", line: "502 5.5.1 unknown", times: 1 },
  ]),
  ...dropsOrHangs("ehlo", "EHLO"),
  smtp("STARTTLS", "offers none, and it is required", [], { ...tls, startTls: false }),
  ...replies("starttls", "STARTTLS", "454 4.7.0 not now").map(overTls),
  smtp(
    "STARTTLS",
    "`220`, and never answers",
    [{ phase: "starttls", do: "reply", line: "220 go on", afterwards: "hang" }],
    tls,
  ),
  ...replies("auth", "AUTH", "454 4.7.0 not now", "535 5.7.8 who are you?").map(withPassword),
  ...dropsOrHangs("auth", "AUTH").map(withPassword),
  ...replies(
    "mail",
    "MAIL",
    "421 4.7.0 too many",
    "450 4.7.1 too many messages on this connection",
    "451 4.7.1 greylisted",
    "452 4.3.1 full",
    "550 5.7.1 blocked",
    "554 5.3.2 no mail here",
  ),
  ...replies("mail", "MAIL", "hello?"),
  ...dropsOrHangs("mail", "MAIL"),
  ...replies(
    "rcpt",
    "RCPT",
    "421 4.7.0 too many",
    "450 4.7.1 greylisted",
    "451 4.7.1 greylisted, try again in 5 minutes",
    "451 4.3.0 lookup failed",
    "450 mailbox unavailable",
    "452 4.2.2 mailbox full",
    "550 5.1.1 no such user",
  ),
  ...dropsOrHangs("rcpt", "RCPT"),
  smtp("RCPT", "`450 4.7.1 greylisted`, the first time", [
    { phase: "rcpt", do: "reply", line: "450 4.7.1 greylisted", times: 1 },
  ]),
  smtp("RCPT", "never answers, the first time", [{ phase: "rcpt", do: "hang", times: 1 }]),
  ...replies("data", "DATA", "421 4.3.2 not now", "451 4.3.2 not now", "554 5.7.1 no"),
  ...dropsOrHangs("data", "DATA"),
  smtp("DATA", "`354`, and drops the connection at the body", [
    { phase: "data", do: "reply", line: "354 go on", afterwards: "drop" },
  ]),
  smtp("MAIL", "`250` twice", [
    { phase: "mail", do: "reply", line: "250 2.1.0 ok\r\n250 2.1.0 ok" },
  ]),
  ...replies(
    "body",
    "after the dot",
    "421 4.3.2 not now",
    "451 4.7.1 later",
    "452 4.3.1 full",
    "454 4.7.0 rate exceeded",
    "554 5.7.1 spam",
  ),
  smtp("after the dot", "drops the connection, keeps nothing", [{ phase: "body", do: "drop" }]),
  smtp("after the dot", "keeps it and drops the connection", [
    { phase: "body", do: "drop", keeps: true },
  ]),
  smtp(
    "after the dot",
    "keeps it and drops the connection",
    [{ phase: "body", do: "drop", keeps: true }],
    resend,
  ),
  smtp(
    "after the dot",
    "keeps it and drops the connection, the first time",
    [{ phase: "body", do: "drop", keeps: true, times: 1 }],
    resend,
  ),
  smtp(
    "after the dot",
    "drops the connection, keeps nothing, the first time",
    [{ phase: "body", do: "drop", times: 1 }],
    resend,
  ),
  smtp("after the dot", "keeps it and never answers", [{ phase: "body", do: "hang", keeps: true }]),
  smtp(
    "after the dot",
    "keeps it and never answers",
    [{ phase: "body", do: "hang", keeps: true }],
    resend,
  ),
  smtp("after the dot", "keeps it, `hello?`", [
    { phase: "body", do: "reply", line: "hello?", keeps: true },
  ]),
  smtp("after the dot", "keeps it, `250-` and nothing more", [
    { phase: "body", do: "reply", line: "250-to be continued", keeps: true },
  ]),
  smtp("after the dot", "keeps it, sends bytes that never become a line", [
    { phase: "body", do: "babble", of: "bytes", keeps: true },
  ]),
  smtp("after the dot", "keeps it, `250-more` without end", [
    { phase: "body", do: "babble", of: "continuation lines", keeps: true },
  ]),
  smtp("after the dot", "keeps it, sends bytes as fast as it can", [
    { phase: "body", do: "babble", of: "as much as goes through", keeps: true },
  ]),
  smtp("after the dot", "keeps it, answers after 3 s", [
    { phase: "body", do: "late", ms: LATE, keeps: true },
  ]),
  smtp("after the dot", "keeps it, answers after 33 s", [
    { phase: "body", do: "late", ms: AFTER_THE_DEADLINE, keeps: true },
  ]),
  smtp(
    "after the dot",
    "keeps it, answers after the lease",
    [{ phase: "body", do: "wait", keeps: true }],
    {
      meanwhile: outlivesItsLease,
    },
  ),
  smtp(
    "after the dot",
    "keeps it, answers after the lease, the first time",
    [{ phase: "body", do: "wait", keeps: true, times: 1 }],
    {
      ...resend,
      meanwhile: outlivesItsLease,
    },
  ),
  ...replies("quit", "QUIT", "421 4.3.2 not now"),
  ...dropsOrHangs("quit", "QUIT"),
  smtp("all", "answers everything after 8 s", [
    { phase: "every", do: "late", ms: 8_000, keeps: true },
  ]),
];

const http = (
  phase: string,
  does: string,
  faults: HttpFault[] | null,
  more: Partial<Row> = {},
): Row => ({
  transport: "resend",
  phase,
  does,
  onUnknown: "hold",
  faults,
  ...more,
});
const answers = (...statuses: [status: number, name: string][]): Row[] =>
  statuses.map(([status, name]) =>
    http("answer", `\`${status} ${name}\``, [{ do: "answer", status, name }]),
  );
const tooMany = (does: string, retryAfter?: string): Row =>
  http("answer", `\`429 rate_limit_exceeded\`, ${does}`, [
    {
      do: "answer",
      status: 429,
      name: "rate_limit_exceeded",
      headers: retryAfter === undefined ? {} : { "Retry-After": retryAfter },
    },
  ]);
const once = (does: string, fault: HttpFault, more: Partial<Row> = {}): Row =>
  http("answer", `${does}, the first time`, [{ ...fault, times: 1 }], more);

const httpRows: Row[] = [
  http("none", "takes every email", []),
  http("connect", "is not there", null),
  http("request", "drops the connection, unread", [{ do: "drop", unread: true }]),
  http("request", "drops the connection, unread, the first time", [
    { do: "drop", unread: true, times: 1 },
  ]),
  tooMany("no `Retry-After`"),
  tooMany("`Retry-After: 120`", "120"),
  tooMany("`Retry-After:` a date in 120 s", "<a date in 120 s>"),
  tooMany("`Retry-After: 999999999`", "999999999"),
  tooMany("`Retry-After: soon`", "soon"),
  once("`429 rate_limit_exceeded`", { do: "answer", status: 429, name: "rate_limit_exceeded" }),
  ...answers(
    [408, "timeout"],
    [425, "too_early"],
    [401, "missing_api_key"],
    [403, "invalid_api_key"],
    [521, "down"],
    [530, "unreachable"],
  ),
  ...answers(
    [400, "validation_error"],
    [404, "not_found"],
    [405, "method_not_allowed"],
    [413, "too_large"],
    [415, "unsupported"],
  ),
  ...answers([451, "security_error"], [431, "headers_too_large"], [402, "payment_required"]),
  ...answers(
    [422, "missing_required_field"],
    [409, "invalid_idempotent_request"],
    [500, "application_error"],
    [503, "unavailable"],
  ),
  once("`500 application_error`", { do: "answer", status: 500, name: "application_error" }),
  once("keeps it, `500 application_error`", {
    do: "answer",
    status: 500,
    name: "application_error",
    keeps: true,
  }),
  http("answer", "keeps nothing and drops the connection", [{ do: "drop" }]),
  http("answer", "keeps it and drops the connection", [{ do: "drop", keeps: true }]),
  once("keeps it and drops the connection", { do: "drop", keeps: true }),
  once("keeps it and drops the connection", { do: "drop", keeps: true }, resend),
  http("answer", "keeps it and never answers", [{ do: "hang", keeps: true }]),
  once("keeps it and never answers", { do: "hang", keeps: true }),
  once("keeps it, 200 that is not JSON", { do: "garble", body: "not JSON", keeps: true }),
  once("keeps it, 200 without an id", { do: "garble", body: "no id", keeps: true }),
  once("keeps it, 200 that is cut short", { do: "garble", body: "cut short", keeps: true }),
  http("answer", "keeps it, answers after 3 s", [{ do: "late", ms: LATE }]),
  once(
    "is still at it when it is asked again",
    { do: "wait" },
    { before: async (round, { server }) => (round === 3 ? await server.release() : undefined) },
  ),
];

const rows = [...smtpRows, ...httpRows];
const nameOf = ({ transport, phase, does, onUnknown }: Row): string =>
  [transport, phase, does, onUnknown].join(" | ");

/** The page's table: the cells after a row's name, by its name. */
const documented = new Map(
  ungrouped(page, /^\| (smtp|resend) \|/, 2).map(
    (cells) => [cells.slice(0, 4).join(" | "), cells.slice(4).join(" | ")] as const,
  ),
);

/**
 * With one retry this is more than any email needs: one that is still not settled by then goes
 * round in circles.
 */
const MAX_ROUNDS = 6;
const MAX_RETRIES = 1;
/** EHLO, HELO or STARTTLS, AUTH, MAIL, RCPT, DATA, QUIT. */
const MAX_COMMANDS = 7;
const CLOSED_PORT = 9;

const makeDue = (id: string): Promise<unknown> =>
  env.DB.prepare("UPDATE emails SET due_at = 1 WHERE id = ? AND status IN ('queued', 'pinned')")
    .bind(id)
    .run();

/** Longer than an email may wait, and longer than a provider recognizes a repeat. */
const DAYS_MS = 121 * 3_600_000;

/** All times of an email are days longer ago. */
async function letDaysPass(id: string): Promise<void> {
  const row: object = await emailRow(env.DB, id);
  const times = Object.keys(row).filter((name) => /_(at|until|after|since)$/.test(name));
  const shifted = times.map((name) => `${name} = ${name} - ${DAYS_MS}`).join(", ");
  await env.DB.prepare(`UPDATE emails SET ${shifted} WHERE id = ?`).bind(id).run();
}

/**
 * For how long an email waits that is to be tried again, without the jitter and what the test
 * itself took.
 */
function waitOf({
  due_at: dueAt,
  updated_at: updatedAt,
}: EmailRow & { updated_at: number }): string {
  const seconds = (dueAt - updatedAt) / 1_000;
  if (seconds > 0.7 && seconds <= 1.2) return "1 s";
  if (seconds > 45 && seconds <= 72) return "1 min";
  const hours = Math.round(seconds / 3_600);
  return hours > 0 ? `${hours} h` : `${Math.round(seconds / 30) * 30} s`;
}

/** `waits` if that uses up no attempt. */
const nameOfWait = ({ status, wait_class: waitClass }: EmailRow): string =>
  status === "queued" && waitClass !== null ? `waits (${waitClass})` : status;

/** After how many rounds days pass: one whose retries run out needs none. */
const roundsBefore = ({ status, wait_class: waitClass }: EmailRow): number =>
  status === "queued" && waitClass !== null ? MAX_RETRIES : MAX_RETRIES + 1;

type Measured = {
  cells: string;
  attempts: number;
  requests: number;
  handOvers: number;
  connections: number;
};

/** Whether it waits for what never comes, or comes after the deadline. */
const isSilent = ({ faults }: Row): boolean =>
  (faults ?? []).some(
    (fault) =>
      fault.do === "hang" ||
      fault.do === "babble" ||
      (fault.do === "late" && fault.ms > LATE) ||
      ("afterwards" in fault && fault.afterwards === "hang"),
  );

let fleets = 0;

/** Breakers that nobody shares, and a count of the failures that were reported to them. */
function newFleet(): { breakers: ConsumerEnv["CIRCUIT_BREAKER"]; reported: () => number } {
  const suffix = `#${(fleets += 1)}`;
  let failures = 0;
  const getByName = (name: string): object => {
    const breaker = env.CIRCUIT_BREAKER.getByName(name + suffix);
    return {
      sync: async (request: BreakerSyncRequest) => {
        failures += request.report?.failures ?? 0;
        return await breaker.sync(request);
      },
      endProbe: (request: Parameters<typeof breaker.endProbe>[0]) => breaker.endProbe(request),
    };
  };
  return { breakers: { getByName } as ConsumerEnv["CIRCUIT_BREAKER"], reported: () => failures };
}

const isWaiting = ({ status }: { status: string }): boolean =>
  status === "queued" || status === "pinned";

/** Runs a row to its end. */
async function measure(row: Row, pipelining: boolean): Promise<Measured> {
  const server =
    row.faults === null ? null : await startServer(wantedBy(row, row.faults, pipelining));
  const port = String(server?.port ?? CLOSED_PORT);
  const { breakers, reported } = newFleet();
  const bindings: ConsumerEnv = {
    ...env,
    CIRCUIT_BREAKER: breakers,
    EMAIL_QUEUE: fakeQueue().queue,
    EMAIL_DLQ: fakeQueue().queue,
    EMAIL_MAX_RETRIES: String(MAX_RETRIES),
    SMTP_PORT: port,
    ...(row.transport === "resend" && {
      EMAIL_TRANSPORTS: "resend",
      RESEND_API_KEY: "re_test",
      RESEND_RATE_PER_SECOND: "0",
      RESEND_BASE_URL: `http://127.0.0.1:${port}`,
    }),
    ...row.variables,
  };
  // An address of its own, since a mailbox that does not exist is suppressed.
  const to = `${crypto.randomUUID()}@example.com`;
  const id = await queueEmail(env.DB, Date.now(), { onUnknown: row.onUnknown, to });
  const deliver = async (): Promise<void> => {
    const batch = createMessageBatch("luna-email", [
      { id: crypto.randomUUID(), timestamp: new Date(), attempts: 1, body: notification(id) },
    ]);
    await worker.queue(batch, bindings);
  };
  const current = async () => (await emailRow(env.DB, id)) as EmailRow & { updated_at: number };

  const first: string[] = [];
  const world: World | null = server === null ? null : { id, server, deliver };
  for (let round = 1; round <= MAX_ROUNDS; round += 1) {
    if (world !== null) await row.before?.(round, world);
    const meanwhile = round === 1 && world !== null ? row.meanwhile?.(world) : undefined;
    await Promise.all([deliver(), meanwhile?.then((status) => first.push(status))]);
    const email = await current();
    if (round === 1)
      first.push(isWaiting(email) ? `${nameOfWait(email)} for ${waitOf(email)}` : email.status);
    if (!isWaiting(email)) break;
    // What is still open when an email's retries are over is open for as long as the provider
    // recognizes its key, or the email may wait.
    if (round >= roundsBefore(email) && row.before === undefined) await letDaysPass(id);
    await makeDue(id);
  }

  const { status, dead_reason: reason } = await current();
  const attempts = (await eventTypes(env.DB, id)).filter((type) => type === "sending").length;
  const seen = (await server?.report()) ?? null;
  const breaker = isolateBreaker(bindings, `email:${row.transport}`);
  const counted = (): number => reported() + breaker.tally.failures;
  // The breaker gets an outcome in the background.
  await eventually(() => expect(breaker.isCold).toBe(false));
  await scheduler.wait(0);
  return {
    cells: [
      first.join(", then "),
      reason === null ? status : `${status}: ${reason}`,
      attempts,
      seen?.copies.length ?? 0,
      counted(),
    ].join(" | "),
    attempts,
    requests: seen?.requests ?? 0,
    handOvers: seen?.handOvers ?? 0,
    connections: seen?.attempts ?? attempts,
  };
}

function wantedBy(
  row: Row,
  faults: NonNullable<Row["faults"]>,
  pipelining: boolean,
): Parameters<typeof startServer>[0] {
  return row.transport === "smtp"
    ? {
        kind: "smtp",
        script: { pipelining, startTls: row.startTls === true, faults: faults as SmtpFault[] },
      }
    : { kind: "http", script: { faults: faults as HttpFault[] } };
}

describe("the failure matrix of emails", () => {
  const measured = new Map<string, Measured[]>();

  // Those whose server never answers end by the deadline of a hand-over, however slow the machine
  // is: all at once, so that they cost their 30 s together. All others must end before it: few at a
  // time.
  beforeAll(async () => {
    for (const level of ["info", "warn", "error"] as const)
      vi.spyOn(console, level).mockReturnValue();
    // The rows share one fleet. What a limit makes of its pace is for the tests of the pace.
    await env.DB.prepare(
      `CREATE TRIGGER unpaced BEFORE UPDATE OF slowed_ms, closed_until ON transport_pace
       BEGIN SELECT RAISE(IGNORE); END`,
    ).run();
    const measureRow = async (row: Row): Promise<void> => {
      const ways = row.transport === "smtp" ? [false, true] : [false];
      const both = ways.map((pipelining) => measure(row, pipelining));
      measured.set(nameOf(row), await Promise.all(both));
    };
    await Promise.all(rows.filter(isSilent).map(measureRow));
    await fanOut(
      rows.filter((row) => !isSilent(row)),
      measureRow,
    );
  });
  afterAll(() => void vi.restoreAllMocks());

  it("has these rows on its page", () => {
    expect([...documented.keys()].toSorted()).toEqual(rows.map(nameOf).toSorted());
  });

  describe.each(rows.map(nameOf))("%s", (name) => {
    // A server may take commands one by one or many at once: that changes nothing for the email.
    it("is what the page states, with pipelining and without", () => {
      for (const { cells } of measured.get(name) ?? [])
        expect(`| ${name} | ${cells} |`).toBe(`| ${name} | ${documented.get(name)} |`);
    });

    it("ends, with any behaviour of the server, and hands over no more often than the page states", () => {
      for (const { attempts, requests, handOvers, connections } of measured.get(name) ?? []) {
        expect(connections).toBe(attempts);
        expect(handOvers).toBeLessThanOrEqual(attempts);
        expect(requests).toBeLessThanOrEqual(attempts * MAX_COMMANDS);
      }
    });
  });
});

describe("the provider that the rows are run against", () => {
  const post = async (port: number, body: object, headers: Record<string, string> = {}) => {
    const init = {
      method: "POST",
      headers: { Authorization: "Bearer re_test", ...headers },
      body: JSON.stringify(body),
    };
    const response = await fetch(`http://127.0.0.1:${port}/emails`, init);
    return { status: response.status, body: await response.json<{ id?: string; name?: string }>() };
  };
  const email = {
    from: "Luna <hello@luna.example>",
    to: "ada@example.com",
    subject: "Hi",
    text: "Hi",
  };
  const key = { "Idempotency-Key": "email-1:1" };

  it("answers a known key as before, keeps one copy, and refuses another email under it", async () => {
    const server = await startServer({ kind: "http", script: {} });
    const [one, again] = [await post(server.port, email, key), await post(server.port, email, key)];
    expect(again).toEqual(one);
    expect(await post(server.port, { ...email, subject: "Other" }, key)).toMatchObject({
      status: 409,
      body: { name: "invalid_idempotent_request" },
    });
    expect(await server.report()).toMatchObject({ handOvers: 3, copies: ["email-1:1"] });
  });

  it("refuses a key whose first request it is still at", async () => {
    const server = await startServer({
      kind: "http",
      script: { faults: [{ do: "wait", times: 1 }] },
    });
    const first = post(server.port, email, key);
    await eventually(async () => expect((await server.report()).handOvers).toBe(1));
    expect(await post(server.port, email, key)).toMatchObject({
      status: 409,
      body: { name: "concurrent_idempotent_requests" },
    });
    await server.release();
    expect(await first).toEqual(await post(server.port, email, key));
    expect((await server.report()).copies).toEqual(["email-1:1"]);
  });

  it("takes no request without a key to it, or without a recipient", async () => {
    const { port } = await startServer({ kind: "http", script: {} });
    expect(await post(port, email, { Authorization: "" })).toMatchObject({
      status: 401,
      body: { name: "missing_api_key" },
    });
    expect(await post(port, { ...email, to: undefined })).toMatchObject({
      status: 422,
      body: { name: "missing_required_field" },
    });
  });
});
