/**
 * `npm run chaos:email`: mails through the real `npm start` under faults and kills. What it does
 * and prints: bench/README.md.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, mailServerAt, openDatabase } from "../test/process/luna.ts";
import { SmtpSink } from "../test/support/sink.ts";
import { postAll, settleAll, type Accepted } from "./email-chaos/drive.ts";
import { KilledLuna } from "./email-chaos/killed-luna.ts";
import { Plan } from "./email-chaos/plan.ts";
import { judge, readRows, type Verdict } from "./email-chaos/verdict.ts";
import { table } from "./measure.ts";

const number = (name: string, fallback: number): number => {
  const value = Number(process.env[name] || fallback);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`${name} must be a whole number from 1 on`);
  return value;
};

const mails = number("MAILS", 10_000);
const seed = number("SEED", (Date.now() % 2 ** 31) + 1);
const killEveryMs = number("KILL_EVERY_SECONDS", 30) * 1_000;
const aSecond = number("MAILS_A_SECOND", 25);
/**
 * Posting, and then the leases and rings of what is left: a run that takes longer does not
 * converge.
 */
const limitMs = number("LIMIT_MINUTES", Math.ceil(mails / aSecond / 60) + 15) * 60_000;
const GROUP_IN_HAND_OVER = 5;

const stateDir = mkdtempSync(join(tmpdir(), "luna-email-chaos-"));
const plan = new Plan(mails, seed);
const sink = new SmtpSink({ greetsAtOnce: true });
sink.fault = plan.fault;
const luna = new KilledLuna({
  PORT: String(await freePort()),
  STATE_DIR: stateDir,
  ...mailServerAt(await sink.listen()),
  EMAIL_MAX_RETRIES: "3",
});

async function run(): Promise<boolean> {
  await luna.ready();
  // Its failure is raced below.
  luna.killEvery(killEveryMs).catch(giveUp);
  const startedAt = Date.now();
  const accepted = await postAll(luna, mails, aSecond, `chaos-${seed}`);
  const acceptedAt = Date.now();
  process.stdout.write(`all ${mails} are accepted after ${seconds(acceptedAt - startedAt)}\n`);
  const replayed = await settleAll(luna);
  const elapsedMs = Date.now() - startedAt;
  const exitCode = await luna.stop();
  if (exitCode !== 0) throw new Error(`npm start ended with ${exitCode}`);

  const database = openDatabase(stateDir);
  const verdict = judge({
    accepted,
    rows: readRows(database),
    delivered: sink.delivered,
    fates: plan.fates,
  });
  database.close();
  report(verdict, accepted, replayed, elapsedMs);
  const broken = [...verdict.lost, ...verdict.twice, ...verdict.undelivered, ...verdict.untrue];
  for (const line of broken.slice(0, 50)) process.stdout.write(`BROKEN ${line}\n`);
  return broken.length === 0;
}

function report(verdict: Verdict, accepted: Accepted[], replayed: number, elapsedMs: number): void {
  const { waits } = verdict;
  const down = luna.kills.map(({ at, readyAt }) => readyAt - at).toSorted((a, b) => a - b);
  const again = luna.kills.flatMap(({ readyAt }) => {
    const next = sink.delivered.find(({ at }) => at >= readyAt);
    return next === undefined ? [] : [next.at - readyAt];
  });
  const rows: [string, string | number][] = [
    ["mails accepted", accepted.length],
    ["lost", verdict.lost.length],
    ["delivered twice", verdict.twice.length],
    ["delivered once", verdict.delivered],
    ["  of them after a replay", `${verdict.replayedAndDelivered} of ${replayed} replayed`],
    ["dead, refused for good", `${verdict.dead} of ${plan.count("permanent")} planned`],
    ["held unknown, with a copy", verdict.unknownWithCopy],
    ["held unknown, without a copy", verdict.unknownWithoutCopy],
    [
      "  of both, cut off by a kill",
      `${verdict.cutOff} (at most ${GROUP_IN_HAND_OVER} a kill: ${luna.kills.length * GROUP_IN_HAND_OVER})`,
    ],
    ["deliverable, and not delivered", verdict.undelivered.length],
    ["D1 contradicted by the mail server", verdict.untrue.length],
    ["SIGKILLs", luna.kills.length],
    ["kill to ready: median, longest", `${seconds(median(down))}, ${seconds(down.at(-1) ?? 0)}`],
    [
      "ready to the next mail: median, longest",
      `${seconds(median(again))}, ${seconds(Math.max(0, ...again))}`,
    ],
    [
      "accepted to delivered: median, 99 %, longest",
      [0.5, 0.99, 1].map((share) => seconds(quantile(waits.unaided, share))).join(", "),
    ],
    ["  after a replay: longest", seconds(waits.replayed.at(-1) ?? 0)],
    ["whole run", seconds(elapsedMs)],
    [
      "delivered a second, over the whole run",
      (verdict.delivered / (elapsedMs / 1_000)).toFixed(1),
    ],
  ];
  const head = [
    `seed ${seed}`,
    `${mails} mails, ${aSecond} a second, SIGKILL every ${killEveryMs / 1_000} s`,
  ];
  const lines = rows.map(([name, value]) => [name, String(value)]);
  process.stdout.write(`\n${table(head, lines)}\n`);
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
const quantile = (ascending: number[], share: number): number =>
  ascending[Math.ceil(ascending.length * share) - 1] ?? 0;
const median = (values: number[]): number =>
  quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );

let giveUp: (reason: unknown) => void = () => undefined;
const gaveUp = new Promise<never>((_resolve, reject) => {
  giveUp = reject;
});
const limit = setTimeout(
  () => giveUp(new Error(`not settled after ${limitMs / 60_000} minutes`)),
  limitMs,
);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(signal, () => giveUp(new Error(`ended by ${signal}`)));

const [cpu] = cpus();
process.stdout.write(
  `SEED=${seed}, Node ${process.version}, ${cpus().length} x ${cpu?.model ?? "unknown CPU"}\n`,
);
const held = await Promise.race([run(), gaveUp]).catch((error: unknown) => {
  process.stdout.write(`${String(error)}\n`);
  return false;
});
clearTimeout(limit);
await luna.destroy();
await sink.close();
if (held) rmSync(stateDir, { recursive: true, force: true });
else process.stdout.write(`The state is kept in ${stateDir}\n`);
process.exit(held ? 0 : 1);
