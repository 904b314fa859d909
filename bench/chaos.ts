/**
 * `npm run chaos`: users and a sender of emails on the real stack while its parts fail. What it
 * checks: bench/README.md.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { commandLine, refuse } from "../scripts/command-line.ts";
import { freePort, mailServerAt, openDatabase } from "../test/process/luna.ts";
import { postAll, settleAll } from "./chaos/emails.ts";
import { KilledLuna } from "./chaos/killed-luna.ts";
import { MailServer } from "./chaos/mail-server.ts";
import { killsOnly, partsInTurn, runOutages } from "./chaos/outages.ts";
import {
  emailRows,
  killRows,
  readsByOutage,
  userRows,
  type CacheReads,
  type Row,
} from "./chaos/report.ts";
import { insertUsers, readEmails, runsByStatus } from "./chaos/store.ts";
import { Users } from "./chaos/users.ts";
import { judgeEmails, judgeTransactions } from "./chaos/verdict.ts";
import { runWebhooks } from "./chaos/webhooks.ts";
import { table } from "./measure.ts";

const USERS = 10_000;
/** A run whose emails do not settle in this time after the load fails. */
const SETTLE_MINUTES = 30;
const EVERYTHING = {
  plan: partsInTurn,
  emailsPerMinute: 250,
  shares: { transient: 0.05, permanent: 0.005, ambiguous: 0.005 },
};
/** The settling has SIGKILLs, too. */
const EMAIL_ONLY = {
  plan: (minutes: number) => killsOnly(minutes + SETTLE_MINUTES),
  emailsPerMinute: 1_000,
  shares: { transient: 0.3, permanent: 0.02, ambiguous: 0.01 },
};

const { values } = commandLine({
  name: "chaos",
  about:
    "Users and a sender of emails on the real stack while its parts fail and everything is " +
    "killed. It then checks that nothing was lost and nothing was sent twice.",
  options: {
    email: {
      type: "boolean",
      about: "only emails: more of them, more refusals, and a SIGKILL every 30 seconds",
      default: false,
    },
    webhooks: {
      type: "boolean",
      about:
        "only webhooks: to twenty endpoints of which five misbehave, a SIGKILL every 20 seconds",
      default: false,
    },
    deliveries: {
      type: "string",
      value: "<n>",
      about: "how many webhooks, with --webhooks",
      default: "10000",
    },
    minutes: { type: "string", value: "<n>", about: "how long the load lasts", default: "10" },
    seed: { type: "string", value: "<n>", about: "repeats a load and its refusals, else random" },
  },
});
function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  return refuse(`--${name} must be a whole number of at least 1, not "${text}"`);
}
const minutes = wholeNumber("minutes", values.minutes);
const deliveries = wholeNumber("deliveries", values.deliveries);
const seed = wholeNumber("seed", values.seed ?? String((Date.now() % 2 ** 31) + 1));
const scenario = values.email ? EMAIL_ONLY : EVERYTHING;
const emails = minutes * scenario.emailsPerMinute;

const stateDir = mkdtempSync(join(tmpdir(), "luna-chaos-"));
const mailServer = new MailServer(emails, scenario.shares, seed);
const luna = new KilledLuna({
  PORT: String(await freePort()),
  STATE_DIR: stateDir,
  ...mailServerAt(await mailServer.listen()),
});
const users = new Users(luna, USERS, seed);

/** What the caches of all isolates counted so far. */
async function cacheReads(): Promise<CacheReads> {
  const { hits, misses } = await luna.untilGood("GET", "/api/cache/metrics");
  return { hits: Number(hits), reads: Number(hits) + Number(misses) };
}

async function uncaughtExceptions(): Promise<number> {
  const headers = { Authorization: `Bearer ${luna.token}` };
  const text = await (await luna.fetch("/metrics", { headers })).text();
  const counts = text.matchAll(/^luna_uncaught_exceptions_total\{[^}]*\} (\d+)/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Puts the users into D1, and makes each object write its store, so that it can be locked. */
async function prepareUsers(): Promise<void> {
  await luna.stop();
  const db = openDatabase(stateDir);
  insertUsers(db, USERS);
  db.close();
  await luna.start();
  await luna.untilGood("GET", "/api/admin/circuit-breakers");
}

/** @returns what can only be read while Luna runs */
async function runUsers(): Promise<CacheReads> {
  const ms = minutes * 60_000;
  const [atHalf] = await Promise.all([sleep(ms / 2).then(cacheReads), users.run(ms)]);
  return atHalf;
}

function print(rows: Row[], broken: string[]): boolean {
  const load = values.webhooks
    ? `${deliveries} webhooks`
    : `${minutes} minutes, ${emails} emails${values.email ? "" : `, ${USERS} users`}`;
  const head = [`seed ${seed}, ${load}`, "required", "measured", ""];
  const lines = rows.map(({ name, required = "", measured, holds }) => [
    name,
    required,
    measured,
    holds === undefined ? "" : holds ? "holds" : "DOES NOT HOLD",
  ]);
  process.stdout.write(`\n${table(head, lines)}\n`);
  if (!values.email && !values.webhooks) {
    const reads = readsByOutage(users.tally);
    process.stdout.write(`\n${table(["reads during", "sent", "answered 200"], reads)}\n`);
  }
  for (const line of broken.slice(0, 50)) process.stdout.write(`BROKEN ${line}\n`);
  return rows.every(({ holds }) => holds !== false);
}

async function run(): Promise<boolean> {
  await luna.start();
  if (!values.email) await prepareUsers();
  const over = new AbortController();
  const target = { stateDir, luna, mailServer };
  const setOutage = (name: string): void => void (users.outage = name);
  const outages = runOutages(scenario.plan(minutes), target, setOutage, over.signal);
  outages.catch(giveUp);
  const [accepted, atHalf] = await Promise.all([
    postAll(luna, emails, scenario.emailsPerMinute, `chaos-${seed}`),
    values.email ? null : runUsers(),
  ]);
  const replayed = await settleAll(luna);
  over.abort();
  await outages;
  const cache = atHalf === null ? null : { atHalf, atEnd: await cacheReads() };
  const uncaught = cache === null ? 0 : await uncaughtExceptions();
  await luna.stop();

  const db = openDatabase(stateDir);
  const { delivered, fates } = mailServer;
  const verdict = judgeEmails({ accepted, rows: readEmails(db), delivered, fates });
  const transactions = judgeTransactions(db, users.tally);
  const runs = runsByStatus(db);
  db.close();
  const { tally } = users;
  const rows = [
    ...(cache === null ? [] : userRows({ tally, transactions, runs, verdict, cache, uncaught })),
    ...emailRows(verdict, replayed),
    ...killRows(luna),
  ];
  const { lost, twice, undelivered, untrue } = verdict;
  return print(rows, [...transactions.wrong, ...lost, ...twice, ...undelivered, ...untrue]);
}

async function runOnlyWebhooks(): Promise<boolean> {
  const webhooks = await runWebhooks({ luna, stateDir, deliveries, key: `chaos-${seed}` });
  return print([...webhooks.rows, ...killRows(luna)], webhooks.broken);
}

let giveUp: (reason: unknown) => void = () => undefined;
const gaveUp = new Promise<never>((_resolve, reject) => {
  giveUp = reject;
});
const limitMinutes = minutes + SETTLE_MINUTES;
setTimeout(
  () => giveUp(new Error(`not settled after ${limitMinutes} minutes`)),
  limitMinutes * 60_000,
);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(signal, () => giveUp(new Error(`ended by ${signal}`)));

const [cpu] = cpus();
process.stdout.write(
  `--seed ${seed}, Node ${process.version}, ${cpus().length} x ${cpu?.model ?? "unknown CPU"}\n`,
);
const held = await Promise.race([values.webhooks ? runOnlyWebhooks() : run(), gaveUp]).catch(
  (error: unknown) => {
    process.stdout.write(`${String(error)}\n`);
    return false;
  },
);
await luna.destroy();
await mailServer.close();
if (held) rmSync(stateDir, { recursive: true, force: true });
else process.stdout.write(`The state is kept in ${stateDir}\n`);
process.exit(held ? 0 : 1);
