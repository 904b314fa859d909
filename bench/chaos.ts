/**
 * `npm run chaos`: the criteria of success on the real stack while each part fails in turn. What it
 * prints: bench/README.md.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, Luna, mailServerAt, openDatabase } from "../test/process/luna.ts";
import { randomFrom } from "../test/support/random.ts";
import type { Fault } from "../test/support/sink.ts";
import { Load } from "./chaos/load.ts";
import { begin, faults, MailServer } from "./chaos/outages.ts";
import { insertUsers, mailsByStatus, runsByStatus } from "./chaos/store.ts";
import { judgeTransactions } from "./chaos/verdict.ts";
import { table } from "./measure.ts";

const number = (name: string, fallback: number): number => {
  const value = Number(process.env[name] || fallback);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`${name} must be a whole number from 1 on`);
  return value;
};

const minutes = number("MINUTES", 10);
const users = number("USERS", 10_000);
const seed = number("SEED", (Date.now() % 2 ** 31) + 1);
/** How much of its part of the run a fault lasts; before it all is well. */
const SHARE_OF_A_FAULT = 0.4;
const SETTLE_LIMIT_MS = 5 * 60_000;
/** How the mail server refuses, besides being down. */
const REFUSALS = { forNow: 0.05, forGood: 0.005 };

const stateDir = mkdtempSync(join(tmpdir(), "luna-chaos-"));
const mail = new MailServer();
const mailRandom = randomFrom(seed ^ 0x5f5f);
const refusal = (phase: Fault["phase"]): Fault | null => {
  if (phase !== "rcpt") return null;
  const dice = mailRandom();
  if (dice < REFUSALS.forGood)
    return { phase, do: "refuse", code: 550, text: "5.1.1 no such user" };
  return dice < REFUSALS.forGood + REFUSALS.forNow
    ? { phase, do: "refuse", code: 451, text: "4.7.1 try again later" }
    : null;
};

let luna: Luna | null = null;
const started = async (smtpPort: number): Promise<Luna> => {
  luna = new Luna({
    PORT: String(await freePort()),
    STATE_DIR: stateDir,
    ...mailServerAt(smtpPort),
  });
  return await luna.ready();
};

async function breakInTurn(load: Load, endsAt: number): Promise<void> {
  const each = (endsAt - Date.now()) / faults.length;
  for (const name of faults) {
    await sleep(each * (1 - SHARE_OF_A_FAULT));
    const end = await begin(name, stateDir, mail);
    load.fault = name;
    process.stdout.write(`broken: ${name}\n`);
    await sleep(each * SHARE_OF_A_FAULT);
    await end();
    process.stdout.write(`mended: ${name}\n`);
    load.fault = "none";
  }
}

/** Sweeps until nothing is on its way. */
async function settle(running: Luna): Promise<void> {
  for (const until = Date.now() + SETTLE_LIMIT_MS; Date.now() < until; await sleep(5_000)) {
    await running.call("POST", "/api/admin/scheduled-tasks/sweep-outbox/run").catch(() => null);
    const answer = await running.call("GET", "/health").catch(() => null);
    const { queued = 1, inFlight = 1 } = answer?.body.checks?.email ?? {};
    if (queued + inFlight === 0) return;
  }
}

const sleep = async (ms: number): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, Math.max(ms, 0)));
};
/** What the fleet's cache counted so far. */
async function cacheReads(running: Luna): Promise<{ hits: number; reads: number }> {
  const { hits, misses } = (await running.call("GET", "/api/cache/metrics")).body;
  return { hits: Number(hits), reads: Number(hits) + Number(misses) };
}
const percent = (part: number, whole: number): string =>
  whole === 0 ? "–" : `${((100 * part) / whole).toFixed(2)} %`;

async function run(): Promise<boolean> {
  const smtpPort = await mail.listen(refusal);
  const first = await started(smtpPort);
  await first.signal("SIGTERM");
  const empty = openDatabase(stateDir);
  insertUsers(empty, users);
  empty.close();

  const running = await started(smtpPort);
  const load = new Load(running, users, seed);
  // The stores of the objects are there only once each was asked.
  await running.call("GET", "/api/admin/circuit-breakers");
  const endsAt = Date.now() + minutes * 60_000;
  const [firstHalf] = await Promise.all([
    sleep(minutes * 30_000).then(() => cacheReads(running)),
    load.run(() => Date.now() >= endsAt),
    breakInTurn(load, endsAt),
  ]);
  await settle(running);
  const whole = await cacheReads(running);
  const scraped = await (
    await fetch(`${running.url}/metrics`, { headers: { Authorization: `Bearer ${running.token}` } })
  ).text();
  const exitCode = await running.signal("SIGTERM");
  if (exitCode !== 0) throw new Error(`npm start ended with ${exitCode}`);

  const readsWhile = (isMeant: (fault: string) => boolean) => {
    const counts = [...load.tally.reads].flatMap(([fault, count]) =>
      isMeant(fault) ? [count] : [],
    );
    return {
      asked: counts.reduce((sum, count) => sum + count.asked, 0),
      answered: counts.reduce((sum, count) => sum + count.answered, 0),
    };
  };
  const db = openDatabase(stateDir);
  const transactions = judgeTransactions(db, load.tally);
  const mails = mailsByStatus(db);
  const runs = runsByStatus(db);
  db.close();
  const secondHalf = { hits: whole.hits - firstHalf.hits, reads: whole.reads - firstHalf.reads };
  const { asked, answered } = readsWhile((fault) => fault !== "D1");
  const uncaught = [...scraped.matchAll(/^luna_uncaught_exceptions_total\{[^}]*\} (\d+)/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
  const delivered = (mails["sent"] ?? 0) + (mails["delivered"] ?? 0);
  const all = Object.values(mails).reduce((sum, count) => sum + count, 0);
  const copies = new Map<string, number>();
  for (const { id } of mail.sink.delivered) copies.set(id, (copies.get(id) ?? 0) + 1);
  const twice = [...copies.values()].filter((count) => count > 1).length;
  const completed = runs["success"] ?? 0;
  const ran = completed + (runs["failure"] ?? 0);
  const ratios: [string, string, string, boolean][] = [
    [
      "cache availability: reads answered while D1 was up",
      "99.9 %",
      percent(answered, asked),
      answered / asked >= 0.999,
    ],
    [
      "transactions: all or nothing, and as was told",
      "100 %",
      percent(transactions.tried - transactions.wrong.length, transactions.tried),
      transactions.wrong.length === 0,
    ],
    ["task completion", "95 %", percent(completed, ran), completed / ran > 0.95],
    [
      "delivery, of all mails that were accepted",
      "98 %",
      percent(delivered, all),
      delivered / all > 0.98,
    ],
    ["  mails that arrived twice", "0", String(twice), twice === 0],
    [
      "hit rate, of the second half",
      "80 %",
      percent(secondHalf.hits, secondHalf.reads),
      secondHalf.hits / secondHalf.reads > 0.8,
    ],
    ["  of the whole, which begins cold", "", percent(whole.hits, whole.reads), true],
    ["uncaught exceptions", "0", String(uncaught), uncaught === 0],
  ];
  const rows = ratios.map(([name, claim, measured, holds]) => [
    name,
    claim,
    measured,
    claim === "" ? "" : holds ? "holds" : "DOES NOT HOLD",
  ]);
  process.stdout.write(
    `\n${table([`seed ${seed}, ${minutes} minutes, ${users} users`, "mission", "measured", ""], rows)}\n`,
  );
  const windows = ["none", ...faults].map((name) => {
    const during = readsWhile((fault) => fault === name);
    return [name, String(during.asked), percent(during.answered, during.asked)];
  });
  process.stdout.write(
    `\n${table(["reads while what fails", "asked", "answered 200"], windows)}\n`,
  );
  process.stdout.write(
    `\nwrites: ${transactions.confirmed} confirmed, ${transactions.refused} refused, ${transactions.unknown} told that nobody knows; ` +
      `mails: ${load.tally.mails.given} handed in, ${load.tally.mails.accepted} of them accepted, ${JSON.stringify(mails)}; ` +
      `runs: ${JSON.stringify(runs)}; slowest answer ${(load.tally.slowestMs / 1_000).toFixed(1)} s\n`,
  );
  for (const line of transactions.wrong.slice(0, 20)) process.stdout.write(`BROKEN ${line}\n`);
  return ratios.every(([, , , holds]) => holds);
}

const [cpu] = cpus();
process.stdout.write(
  `SEED=${seed}, Node ${process.version}, ${cpus().length} x ${cpu?.model ?? "unknown CPU"}\n`,
);
const ended = new Promise<never>((_resolve, reject) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => reject(new Error(`ended by ${signal}`)));
});
const held = await Promise.race([run(), ended]).catch((error: unknown) => {
  process.stdout.write(`${String(error)}\n`);
  return false;
});
await (luna as Luna | null)?.destroy();
await mail.sink.close();
if (held) rmSync(stateDir, { recursive: true, force: true });
else process.stdout.write(`The state is kept in ${stateDir}\n`);
process.exit(held ? 0 : 1);
